#!/bin/bash
# The page of chalcis serve in a real browser, against a server that answers by rote (page/).  Wants
# node, npm and chromium; playwright-core goes to build/playwright, screenshots to build/screens.
#   CASE=text runs the cases whose name holds the text.  TAP.
# SPDX-License-Identifier: MIT
cd "$(dirname "$0")/../.." || exit 1
skip() {
    echo "ok 1 - the page in a browser # SKIP $1"
    echo "1..1"
    exit 0
}
for need in node npm chromium; do
    command -v $need >/dev/null || skip "needs $need"
done
mkdir -p build/playwright build/screens
said=$(tools/page.sh build/screens/chat.html)
case $said in
*"could not fetch"*) skip "npm could not fetch the page's libraries" ;;
*plain:*)
    echo "not ok 1 - the page is built: $said"
    sed 's/^/# /' build/page.log
    echo "1..1"
    exit 1
    ;;
esac
library=build/playwright/node_modules/playwright-core
[ -d $library ] ||
    flock build/playwright/lock npm install --silent --no-audit --no-fund --ignore-scripts \
        --fetch-retries=0 --prefix build/playwright playwright-core@1.65.1 >/dev/null 2>&1 ||
    skip "npm could not fetch playwright-core"
[ -n "${CASE:-}" ] || rm -f build/screens/*.png
exec node tests/serve/page/cases.mjs "$PWD/$library" "$(command -v chromium)" \
    build/screens/chat.html web/plain.html build/screens
