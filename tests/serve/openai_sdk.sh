#!/bin/bash
# What OpenAI's official client (npm, in build/openai) makes of the replies that openai_write.c
# writes.  TAP.
# SPDX-License-Identifier: MIT
set -u
B=${B:-build/gcc}
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    skip "official client" "needs node and npm"
    exit 0
fi
[ -d build/openai/node_modules/openai ] || {
    mkdir -p build/openai &&
        timeout 120 npm install --silent --no-audit --no-fund --prefix build/openai openai@6
} >"$tmp/out" 2>"$tmp/err" || {
    skip "official client" "npm could not install openai"
    exit 0
}
mkdir "$tmp/replies"
"$B/tests/serve/openai_write" samples "$tmp/replies" >/dev/null || not_ok "samples"
NODE_PATH=build/openai/node_modules timeout 60 node tests/serve/openai_sdk.js "$tmp/replies" ||
    not_ok "client"
