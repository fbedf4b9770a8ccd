#!/bin/bash
# What Anthropic's official client (npm, in build/sdk) makes of the replies that anthropic_write.c
# writes.  TAP.
set -u
bin=${CHALCIS_BIN:-./chalcis}
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/support/tap.sh
. "$here/../support/tap.sh"
sdk=$here/../../build/sdk
if ! why=$(from_npm "$sdk" @anthropic-ai/sdk@1); then
    skip "official client" "$why"
    exit 0
fi
"$(dirname "$bin")/tests/serve/anthropic_write" samples "$tmp" || not_ok "samples"
NODE_PATH="$sdk/node_modules" timeout 60 node "$here/anthropic_sdk.js" "$tmp" || not_ok "client"
