#!/bin/bash
# The whole life of a small model in about a minute: text, training, curve, shrinking, talking.
# Every command is shown before it runs, as one would type it.  make demo, or
#
#   BIN=./chalcis DIR=build/demo tools/demo.sh
#
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")/.."
exec </dev/null # run reads what it is sent
bin=${BIN:-./chalcis}
dir=${DIR:-build/demo}
rm -rf "$dir/run" "$dir/stories"
mkdir -p "$dir"

say() { printf '\n# %s\n' "$1"; }
show() { printf '$ %s\n' "$*"; }
# Shows a command the way it may be typed, and runs it.
try() {
    local word line=""
    for word in "$@"; do
        [ "$word" = "$bin" ] && word=chalcis
        case $word in *[!A-Za-z0-9_./:=+-]*) word="\"$word\"" ;; esac
        line="$line $word"
    done
    printf '$%s\n' "$line"
    "$@"
}

say "Stories out of a small grammar: 125 files to learn from, one that is never trained on."
try mkdir -p "$dir/stories"
try awk -f tools/stories.awk -v files=125 -v into="$dir/stories"
show "awk -f tools/stories.awk -v stories=40 -v seed=2 >$dir/unseen.txt"
awk -f tools/stories.awk -v stories=40 -v seed=2 >"$dir/unseen.txt"
show "du -sh --apparent-size $dir/stories; head -n 1 $dir/unseen.txt"
du -sh --apparent-size "$dir/stories"
head -n 1 "$dir/unseen.txt"

say "A vocabulary and a model, from nothing."
try "$bin" train --data "$dir/stories" --out "$dir/run" --vocab 512 --layers 3 --width 128 \
    --head-width 32 --hidden 384 --length 256 --micro-batch 4 --steps "${STEPS:-800}" --lr 4e-3 --eval-tokens 8192

say "What it learned, and how fast."
try "$bin" compare "$dir/run" --chart
[ -e "$dir/run/curve.svg" ] && echo "(the same curve, drawn: $dir/run/curve.svg)"

say "Smaller: 8 bits a weight, then 4."
try "$bin" quantize "$dir/run/model.gguf" "$dir/q8_0.gguf" q8_0
try "$bin" quantize "$dir/run/model.gguf" "$dir/q4_0.gguf" q4_0

say "What that costs, on the stories that it has not seen."
for model in run/model q8_0 q4_0; do
    try "$bin" perplexity -m "$dir/$model.gguf" -f "$dir/unseen.txt" --window 256
done

say "And it talks.  This is the smallest of the three."
try "$bin" run -m "$dir/q4_0.gguf" -p "Once upon a time" -n 150 --echo
