#!/bin/sh
# sysroot.sh DIR ARCH: unpacks into DIR the libraries that the program is linked with and tested
# with, as Debian has them for ARCH (arm64), for a compiler that builds for it.  Nothing is
# installed, so that nothing can stand in the way of this machine's own packages, and no rights are
# needed: the lists and packages are apt's, in a folder of their own.
# SPDX-License-Identifier: MIT
set -eu
dir=$1 arch=$2
packages="libjansson4 libjansson-dev libpcre2-8-0 libpcre2-dev libutf8proc2 libutf8proc-dev
    libcmocka0 libcmocka-dev"
[ ! -e "$dir/complete" ] || exit 0
command -v apt-get >/dev/null 2>&1 || {
    echo "chalcis: $dir: libraries for $arch come from Debian's packages, and there is no apt-get" >&2
    exit 1
}
echo "unpacking for $arch:" $packages >&2
rm -rf "$dir"
mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial" "$dir/deb"
dir=$(cd "$dir" && pwd)
apt() {
    apt-get -o APT::Architecture="$arch" -o APT::Architectures::="$arch" \
        -o Dir::State::Lists="$dir/apt/lists" -o Dir::Cache="$dir/apt/cache" \
        -o Debug::NoLocking=1 -o APT::Sandbox::User= "$@"
}
# shellcheck disable=SC2086
{ apt update && cd "$dir/deb" && apt download $packages; } >"$dir/log" 2>&1 || {
    tail -n 20 "$dir/log" >&2
    echo "chalcis: these packages could not be had for $arch:" $packages >&2
    exit 1
}
for package in *.deb; do dpkg-deb -x "$package" "$dir"; done
rm -r "$dir/apt" "$dir/deb"
touch "$dir/complete"
