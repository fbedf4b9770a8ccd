#!/bin/bash
# Every reply and every chunk that serve/openai_write checks to the byte is valid by OpenAI's
# specification.
# Wants node, and ajv in build/ajv as bench/grammar/ajv.sh puts it there.  TAP.
# SPDX-License-Identifier: MIT
set -u
B=${B:-build/gcc}
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
spec=${CHALCIS_SHARED:-}/conform/openai/openapi.json
name="replies are valid by the specification"
if ! command -v node >/dev/null; then
    skip "$name" "needs node"
elif [ ! -d build/ajv/node_modules/ajv ]; then
    skip "$name" "needs build/ajv (bench/grammar/ajv.sh)"
elif [ ! -f "$spec" ]; then
    skip "$name" "needs \$CHALCIS_SHARED/conform/openai/openapi.json"
else
    "$B/tests/serve/openai_write" samples >"$tmp/samples"
    export NODE_PATH=build/ajv/node_modules
    is "$name" 0 node tests/serve/validate.js "$spec" "$tmp/samples"
    sed 's/\("finish_reason":\)"[a-z_]*"/\1"whim"/' "$tmp/samples" >"$tmp/wrong"
    is "others are not" 1 node tests/serve/validate.js "$spec" "$tmp/wrong"
    says "a word in a finish_reason is found" "invalid: CreateCompletionResponse"
fi
echo "1..$n"
