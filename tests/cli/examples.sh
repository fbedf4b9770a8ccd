#!/bin/bash
# The examples, built with the tests: they run, and say what is wrong.  TAP.
set -u
bin=${CHALCIS_BIN:-./chalcis}
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
root=$(realpath "$(dirname "$0")/../..")
model=$root/models/chalcis-tiny.gguf
examples=$(dirname "$bin")/examples
for c in "$root"/examples/*.c; do
    name=$(basename "$c" .c)
    that "$name is built" [ -x "$examples/$name" ]
    "$examples/$name" >"$tmp/out" 2>"$tmp/err" </dev/null
    that "$name says how it is used" [ $? -ne 0 -a -s "$tmp/err" ]
done
echo "Once upon a time" | "$examples/chat" "$model" >"$tmp/out" 2>"$tmp/err"
that "chat answers" [ -s "$tmp/out" ]
is "chat without a model" 1 "$examples/chat" "$tmp/none"
says "names it" "$tmp/none"
is "own_sampler" 0 "$examples/own_sampler" "$model" "Once upon a"
that "writes" [ "$(wc -c <"$tmp/out")" -gt 60 ]
that "no e" sh -c "! grep -qi e '$tmp/out'"
is "embed" 0 "$examples/embed" "$model" "a fox" "a fox" "the winter of the year"
that "a text is like itself" [ "$(grep -c '^ 1.000' "$tmp/out")" -eq 2 ]
that "not like another" [ "$(grep -c '' "$tmp/out")" -eq 3 ]
mkdir "$tmp/texts"
for i in 1 2 3 4 5 6 7 8; do
    for j in $(seq 60); do
        echo "$i and $j are $((i + j)), and the fox counts on."
    done >"$tmp/texts/$i"
done
is "train_tiny" 0 "$examples/train_tiny" "$tmp/texts" "$tmp/run" 4
says "says what it made" "parameters"
that "a model" [ -s "$tmp/run/model.gguf" ]
is "texts that are not there" 1 "$examples/train_tiny" "$tmp/none" "$tmp/run2" 4
says "names them" "$tmp/none"
echo "1..$n"
