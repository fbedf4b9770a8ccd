#!/bin/bash
# A mapped file is cut while a command reads it: a sentence and an exit code, no "Bus error".  TAP.
# SPDX-License-Identifier: MIT
set -u
bin=${CHALCIS_BIN:-./chalcis}
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
model=$tmp/model.gguf

# cut WHEN TEXT SIZE FILE: as soon as the file WHEN holds the text
cut() {
    until grep -qs "$2" "$1"; do
        kill -0 "$server" 2>/dev/null || { not_ok "\"$2\" before its end"; return; }
        sleep 0.05
    done
    truncate -s "$3" "$4"
}
# ends NAME: the command in the background, with 1
ends() {
    wait "$server"
    local rc=$?
    server=""
    if [ $rc -eq 1 ]; then ok "$1"; else not_ok "$1 (exit $rc, wanted 1)"; fi
}
said_once() {
    that "$1" test "$(grep -c "$2.* while it was in use" "$tmp/err")" -eq 1
}

cp models/chalcis-tiny.gguf "$model"
"$bin" run -m "$model" -p "Once upon a time" -n 9000 -c 9999 --min-tokens 9000 \
    >"$tmp/out" 2>"$tmp/err" </dev/null &
server=$!
cut "$tmp/out" . 5000 "$model"
ends "run ends in order"
said_once "run says why, once" "$model"

# One of several files, by less than a page, for which there is no signal
is "a model as a folder" 0 \
    "$bin" convert models/chalcis-tiny.gguf "$tmp/folder" --type f16 --shard-size 0.004
second=$tmp/folder/model-00002-of-00003.safetensors
: >"$tmp/out"
"$bin" run -m "$tmp/folder" -p "Once upon a time" -n 9000 -c 9999 --min-tokens 9000 \
    >"$tmp/out" 2>"$tmp/err" </dev/null &
server=$!
cut "$tmp/out" . -1 "$second"
ends "run of a folder ends in order"
said_once "and says which file it was" "$second was cut from"

cp models/chalcis-tiny.gguf "$model"
: >"$tmp/err"
"$bin" serve -m "$model" --port 0 --linger 1 >"$tmp/out" 2>"$tmp/err" </dev/null &
server=$!
cut "$tmp/err" " at http://" 5000 "$model"
ends "serve ends by itself, for whatever started it to start it again"
said_once "serve says why, once" "$model"
echo "1..$n"
