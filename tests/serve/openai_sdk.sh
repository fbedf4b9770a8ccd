#!/bin/bash
# What OpenAI's official client (npm, in build/openai) makes of the replies that openai_write.c
# writes.  TAP.
# SPDX-License-Identifier: MIT
set -u
B=${B:-build/gcc}
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
if ! why=$(from_npm build/openai openai@6); then
    skip "official client" "$why"
    exit 0
fi
mkdir "$tmp/replies"
"$B/tests/serve/openai_write" samples "$tmp/replies" >/dev/null || not_ok "samples"
NODE_PATH=build/openai/node_modules timeout 60 node tests/serve/openai_sdk.js "$tmp/replies" ||
    not_ok "client"
