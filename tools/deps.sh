#!/bin/sh
# Installs the Debian packages that building and testing need and that are missing (as root, or
# with sudo).  CC names the compiler [gcc]; with aarch64-linux-gnu-gcc, what building for 64-bit ARM
# and running that here takes; SAN, when set, asks for its sanitizers' libraries; WITH
# lists programs that few tests want, and that nobody is given unasked: haproxy nginx chromium
# gnuplot.  Debian makes services of the first two; here they are neither started nor enabled.
# SPDX-License-Identifier: MIT
set -eu
have() { command -v "$1" >/dev/null 2>&1; }
cc=${CC:-gcc}
no_compiler() {
    echo "chalcis: CC=\"$cc\": there is no $1; gcc, clang and aarch64-linux-gnu-gcc are known" >&2
    exit 1
}
for word in $cc; do
    case $word in ccache | distcc | env) have "$word" || no_compiler "$word" ;; *) break ;; esac
done
program=$word
need=""
# shellcheck disable=SC2086
header() {
    echo "#include <$1>" | $cc ${CFLAGS:-} -DPCRE2_CODE_UNIT_WIDTH=8 -E -x c - >/dev/null 2>&1
}

if ! have "$program"; then
    case $program in
    cc) need="$need gcc" ;;
    gcc | gcc-[0-9]* | clang | clang-[0-9]*) need="$need $program" ;;
    aarch64-linux-gnu-gcc) need="$need gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;;
    *) no_compiler "$program" ;;
    esac
    cc=gcc # may answer for the headers
fi
case ${SAN:+$program} in # gcc brings its own
clang*)
    rt=$({ have "$program" && $program -print-resource-dir; } || echo /nonexistent)
    ls "$rt"/lib/*/libclang_rt.fuzzer* >/dev/null 2>&1 ||
        need="$need libclang-rt${program#clang}-dev"
    ;;
esac
if [ "$program" = aarch64-linux-gnu-gcc ] && [ "$(uname -m)" != aarch64 ]; then
    have qemu-aarch64-static || need="$need qemu-user-static"
    tools/sysroot.sh build/sysroot-arm64 arm64
    header() { :; } # they are there now
fi
header stdio.h || need="$need libc6-dev"
header jansson.h || need="$need libjansson-dev"
header pcre2.h || need="$need libpcre2-dev"
header utf8proc.h || need="$need libutf8proc-dev"
header microhttpd.h || need="$need libmicrohttpd-dev"
header histedit.h || need="$need libedit-dev"
header cmocka.h || need="$need libcmocka-dev"
have tmux || ! have apt-get || need="$need tmux" # one test drives chat with it
services=""
for more in ${WITH:-}; do
    case $more in
    haproxy) package=haproxy service=haproxy ;;
    nginx) package=nginx-light service=nginx ;;
    chromium) package=chromium service="" ;;
    gnuplot) package=gnuplot-nox service="" ;;
    *)
        echo "chalcis: WITH=\"$WITH\": haproxy, nginx, chromium and gnuplot are known" >&2
        exit 1
        ;;
    esac
    [ -x "/usr/sbin/$more" ] || have "$more" || need="$need $package" services="$services${service:+ $service}"
done
for more in ${WITH:+curl jq}; do
    have "$more" || need="$need $more"
done
[ -n "$need" ] || exit 0

if ! have apt-get; then
    echo "chalcis needs these Debian packages, or what they are called here:$need" >&2
    exit 1
fi
sudo=""
if [ "$(id -u)" -ne 0 ]; then
    if ! have sudo; then
        echo "chalcis needs these packages; run as root: apt-get install$need" >&2
        exit 1
    fi
    sudo=sudo
fi
echo "installing:$need" >&2
log=$(mktemp)
policy="" # a file that we made
trap 'rm -f "$log"; [ -z "$policy" ] || $sudo rm -f "$policy"' EXIT
trap 'exit 1' HUP INT TERM
if [ -n "$services" ] && [ ! -e /usr/sbin/policy-rc.d ]; then
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' >"$log"
    $sudo install -m 755 "$log" "$policy"
fi
# shellcheck disable=SC2086
get() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $need; }
# Without package lists, or with old ones, the first try fails; some list may fail for reasons of
# its own.
get >"$log" 2>&1 || { $sudo apt-get update; get; } >>"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    echo "chalcis: these packages could not be installed:$need" >&2
    exit 1
}
if have systemctl; then
    for service in $services; do $sudo systemctl disable "$service" >/dev/null 2>&1 || true; done
fi
