#!/bin/sh
# The page of chalcis serve goes to the file OUT: web/chat built by npm ($NPM), or web/plain.html where
# that cannot be.  One line says which.  What is built already is not built again.
#   tools/page.sh OUT [what the line says of a built page]
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")/.."
out=$1
chat=web/chat
page=$chat/dist/chat.html
log=build/page.log
NPM=${NPM:-npm}
plain() {
    echo "  PAGE  plain: $1"
    cp web/plain.html "$out"
    exit 0
}
fresh() {
    [ -f $page ] && [ -z "$(find $chat \( -name node_modules -o -name dist \) -prune -o \
        -type f -newer $page -print)" ]
}
# The libraries of package-lock.json; nothing of theirs is run here but esbuild.
fetch() {
    [ -n "$(find $chat/node_modules/.package-lock.json -newer $chat/package-lock.json)" ] ||
        "$NPM" --prefix $chat ci --ignore-scripts --no-audit --no-fund --prefer-offline \
            --fetch-retries=0 --fetch-timeout=30000
}

mkdir -p build
command -v "$NPM" >/dev/null 2>&1 || plain "npm is not installed"
exec 9>build/page.lock # two configurations may be built at once
if command -v flock >/dev/null 2>&1; then flock 9; fi
if ! fresh; then
    fetch >$log 2>&1 </dev/null || plain "npm could not fetch the libraries ($log)"
    "$NPM" --prefix $chat run build >>$log 2>&1 </dev/null || plain "$chat did not build ($log)"
fi
echo "  PAGE  ${2:-$out}"
cp $page "$out"
