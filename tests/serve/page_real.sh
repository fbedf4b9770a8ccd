#!/bin/bash
# The page of chalcis serve in a real browser, with the bundled model behind it.  Wants node, npm
# and chromium, and a program that was built with npm; screenshots go to build/screens.
#   CASE=text runs the cases whose name holds the text.  TAP.
# SPDX-License-Identifier: MIT
set -u
bin=$(realpath "${CHALCIS_BIN:-./chalcis}")
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/support/tap.sh
. tests/support/tap.sh
no() {
    skip "the page and a model" "$1"
    echo "1..$n"
    exit 0
}
command -v chromium >/dev/null || no "needs chromium"
why=$(from_npm build/playwright playwright-core@1.65.1) || no "$why"

"$bin" serve --port 0 --quiet -c 4096 2>"$tmp/serve" &
server=$!
for _ in $(seq 100); do
    url=$(sed -n 's|.*\(http://127.0.0.1:[0-9]*/\).*|\1|p' "$tmp/serve")
    [ -n "$url" ] && break
    sleep 0.1
done
if ! node -e 'fetch(process.argv[1]).then(r => r.text()).then(console.log)' "$url" \
    >"$tmp/out" 2>"$tmp/err"; then
    cp "$tmp/serve" "$tmp/out"
    not_ok "a server answers"
    echo "1..$n"
    exit
fi
grep -q 'id="theme"' "$tmp/out" || no "the program was built without npm"
library=build/playwright/node_modules/playwright-core
timeout 120 node tests/serve/page/real.mjs "$PWD/$library" "$(command -v chromium)" "$url" - \
    build/screens
