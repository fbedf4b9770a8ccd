#!/bin/bash
# The official clients of OpenAI and Anthropic (npm, in build/openai and build/sdk) against
# `chalcis serve`, once open and once with keys.  Replies are validated by OpenAI's specification
# (ajv, in build/ajv) where $CHALCIS_SHARED is.  TAP.
# SPDX-License-Identifier: MIT
set -u
bin=${CHALCIS_BIN:-./chalcis}
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/support/tap.sh
. "$here/../support/tap.sh"
root=$here/../..
for what in openai:openai@6 sdk:@anthropic-ai/sdk@1; do
    if ! why=$(from_npm "$root/build/${what%%:*}" "${what#*:}"); then
        skip "official clients" "$why"
        exit 0
    fi
done

# start OPTIONS...: the port of a new server comes to $port
start() {
    port=""
    "$bin" serve --port 0 --quiet "$@" >"$tmp/serve" 2>&1 &
    server=$!
    for _ in $(seq 100); do
        port=$(sed -n 's|.*http://127.0.0.1:\([0-9]*\)/.*|\1|p' "$tmp/serve")
        [ -n "$port" ] && return
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    cp "$tmp/serve" "$tmp/err"
    not_ok "chalcis serve begins"
    exit 1
}
# stop NAME: the server ends by itself, as it should
stop() {
    kill -TERM "$server"
    wait "$server"
    local rc=$?
    server=""
    if [ $rc -eq 0 ]; then ok "$1"; else cp "$tmp/serve" "$tmp/err" && not_ok "$1 (exit $rc)"; fi
}
# ask NAME ARGUMENTS...: end_to_end.mjs counts from $n on
ask() {
    REPLIES="$tmp/replies" timeout 120 node "$here/end_to_end.mjs" "$root" "$port" "$@" |
        awk -v n="$n" '/^(not )?ok / { sub(/ok [0-9]+/, "ok " ++n) } { print }' | tee "$tmp/told"
    local rc=${PIPESTATUS[0]}
    n=$((n + $(grep -cE '^(not )?ok ' "$tmp/told")))
    [ "$rc" -eq 0 ] || not_ok "the client ended with $rc"
}

start
ask all
stop "SIGTERM ends it"
name="replies are valid by OpenAI's specification"
spec=${CHALCIS_SHARED:-}/conform/openai/openapi.json
if [ ! -f "$spec" ]; then
    skip "$name" "needs \$CHALCIS_SHARED/conform/openai/openapi.json"
elif ! why=$(from_npm "$root/build/ajv" ajv@8 ajv-formats@3); then
    skip "$name" "$why"
else
    NODE_PATH="$root/build/ajv/node_modules" \
        is "$name" 0 node "$here/validate.js" "$spec" "$tmp/replies"
fi

printf 'alice sk-alice-0123456789\nbob sk-bob-0123456789 1\n' >"$tmp/keys"
chmod 600 "$tmp/keys"
start --keys "$tmp/keys" --only-name --name tiny
ask keys sk-alice-0123456789 sk-bob-0123456789
printf 'carol sk-carol-0123456789\n' >"$tmp/keys"
kill -HUP "$server"
for _ in $(seq 50); do grep -q "read again" "$tmp/serve" && break; sleep 0.1; done
ask changed sk-alice-0123456789 sk-carol-0123456789
stop "SIGTERM ends one with keys"
echo "1..$n"
