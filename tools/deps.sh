#!/bin/sh
# Installs the Debian packages that building and testing need and that are missing (as root, or with sudo).
set -eu
need=""
have() { command -v "$1" >/dev/null 2>&1; }
header() { [ -n "$(find /usr/include /usr/local/include -maxdepth 3 -path "*$1" -print -quit 2>/dev/null)" ]; }
cc=${CC:-gcc}
have "${cc%% *}" || case $cc in *clang*) need="$need clang" ;; *) need="$need gcc" ;; esac
header /stdio.h || need="$need libc6-dev"
header /jansson.h || need="$need libjansson-dev"
header /pcre2.h || need="$need libpcre2-dev"
header /cmocka.h || need="$need libcmocka-dev"
[ -n "$need" ] || exit 0
if ! have apt-get; then
    echo "chalcis needs these Debian packages (or their like):$need" >&2
    exit 1
fi
sudo=""
if [ "$(id -u)" -ne 0 ]; then
    have sudo || { echo "chalcis needs these packages; run as root: apt-get install$need" >&2; exit 1; }
    sudo=sudo
fi
echo "installing:$need" >&2
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get install -y -qq --no-install-recommends $need >/dev/null 2>&1 ||
    { $sudo apt-get update -qq >&2 && $sudo apt-get install -y -qq --no-install-recommends $need >/dev/null; }
