#!/bin/bash
# Every reply and every chunk that serve/openai_write checks to the byte is valid by OpenAI's
# specification.
# Wants node and npm; ajv goes to build/ajv.  TAP.
# SPDX-License-Identifier: MIT
set -u
B=${B:-build/gcc}
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
spec=${CHALCIS_SHARED:-}/conform/openai/openapi.json
name="replies are valid by the specification"
if [ ! -f "$spec" ]; then
    skip "$name" "needs \$CHALCIS_SHARED/conform/openai/openapi.json"
elif ! why=$(from_npm build/ajv ajv@8 ajv-formats@3); then
    skip "$name" "$why"
else
    "$B/tests/serve/openai_write" samples >"$tmp/samples"
    export NODE_PATH=build/ajv/node_modules
    is "$name" 0 node tests/serve/validate.js "$spec" "$tmp/samples"
    sed 's/\("finish_reason":\)"[a-z_]*"/\1"whim"/' "$tmp/samples" >"$tmp/wrong"
    is "others are not" 1 node tests/serve/validate.js "$spec" "$tmp/wrong"
    says "a word in a finish_reason is found" "invalid: CreateCompletionResponse"
fi
echo "1..$n"
