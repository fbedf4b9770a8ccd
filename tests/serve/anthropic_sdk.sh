#!/bin/bash
# What Anthropic's official client (npm, in build/sdk) makes of the replies that anthropic_write.c
# writes.  TAP.
set -u
bin=${CHALCIS_BIN:-./chalcis}
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/support/tap.sh
. "$here/../support/tap.sh"
sdk=$here/../../build/sdk
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    skip "official client" "needs node and npm"
    exit 0
fi
[ -d "$sdk/node_modules/@anthropic-ai/sdk" ] || {
    mkdir -p "$sdk" &&
        timeout 120 npm install --silent --no-audit --no-fund --no-save --prefix "$sdk" \
            @anthropic-ai/sdk@1
} >"$tmp/out" 2>"$tmp/err" || {
    skip "official client" "npm could not install @anthropic-ai/sdk"
    exit 0
}
"$(dirname "$bin")/tests/serve/anthropic_write" samples "$tmp" || not_ok "samples"
NODE_PATH="$sdk/node_modules" timeout 60 node "$here/anthropic_sdk.js" "$tmp" || not_ok "client"
