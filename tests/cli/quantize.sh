#!/bin/bash
# quantize: every mixture, what it says and refuses; a mixed file of llama.cpp's beside what it
# decodes to.  TAP.
set -u
bin=${CHALCIS_BIN:-./chalcis}
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

for i in $(seq 60); do printf 'The %d of %d. ' "$i" $((i * i)); done >"$tmp/text"
is "a model" 0 "$bin" init llama -o "$tmp/model.gguf" --noise 0.2 --seed 3 --shape L2,D256,F512
"$bin" perplexity -m "$tmp/model.gguf" -f "$tmp/text" >"$tmp/ppl" 2>/dev/null
truth=$(cut -d' ' -f2 "$tmp/ppl")
for t in $("$bin" quantize --help | sed -n 's/^TYPE is one of \(.*\)\.$/\1/p'); do
    is "$t: quantize" 0 "$bin" quantize "$tmp/model.gguf" "$tmp/$t.gguf" "$t"
    says "how large" "bits each"
    is "$t: perplexity" 0 "$bin" perplexity -m "$tmp/$t.gguf" -f "$tmp/text"
    case $t in tq* | q2_k | q3_k_m) continue ;; esac # too few bits for weights at random
    that "$t: is near" awk -v a="$truth" -v b="$(cut -d' ' -f2 "$tmp/out")" \
        'BEGIN { exit !(b > 0 && b / a < 1.15 && a / b < 1.15) }'
done
is "a line for each tensor" 0 "$bin" quantize "$tmp/model.gguf" "$tmp/x.gguf" Q4_K_M
says "with its format" "blk.1.ffn_up.weight"
that "a card beside it" grep -q '^| format of the matrices | Q4_K_M |$' "$tmp/x.md"
that "says by what" grep -q 'written by `chalcis quantize`' "$tmp/x.md"
echo "mine" >"$tmp/y.md"
is "one thread" 0 "$bin" quantize "$tmp/model.gguf" "$tmp/y.gguf" q4_k_m -t 1 -q
that "a card of one's own stays" grep -qx mine "$tmp/y.md"
that "the same bytes" cmp "$tmp/x.gguf" "$tmp/y.gguf"
is "rounding again" 1 "$bin" quantize "$tmp/q4_k_m.gguf" "$tmp/x.gguf" q5_0
says "names the way" "--allow-requantize"
is "asked for" 0 "$bin" quantize "$tmp/q4_k_m.gguf" "$tmp/x.gguf" q5_0 --allow-requantize
is "an unknown mixture" 1 "$bin" quantize "$tmp/model.gguf" "$tmp/x.gguf" q4_k
says "names those that there are" "q4_k_m"

stories=${CHALCIS_SHARED:-../shared/data}/models/stories260K/stories260K-q4_k_m.gguf
if [ -e "$stories" ]; then
    is "llama.cpp's mixture" 0 "$bin" run -m "$stories" -p "Once upon a time" -n 40 --temp 0
    says "tells its story" "a little girl named Lily. She loved to play outside in the park."
    is "its types again" 0 "$bin" quantize "${stories%-q4_k_m.gguf}-f32.gguf" "$tmp/s.gguf" \
        q4_k_m -q
    "$bin" show --tensors "$stories" | grep 'weight ' | sort >"$tmp/theirs"
    "$bin" show --tensors "$tmp/s.gguf" | grep 'weight ' | sort >"$tmp/ours"
    that "are llama.cpp's" cmp "$tmp/theirs" "$tmp/ours"
    is "decoded" 0 "$bin" quantize "$stories" "$tmp/s32.gguf" f32 -q
    printf '%s %s\n' "Once upon a time, there was a little girl named Lily. She loved to play" \
        "outside in the park." "One day, she saw a big, red ball. She wanted to play with it," \
        "but it was too high." >"$tmp/story"
    a=$("$bin" perplexity -m "$stories" -f "$tmp/story" 2>/dev/null | cut -d' ' -f2)
    b=$("$bin" perplexity -m "$tmp/s32.gguf" -f "$tmp/story" 2>/dev/null | cut -d' ' -f2)
    that "perplexity $a is within 0.5 % of $b" awk -v a="$a" -v b="$b" \
        'BEGIN { exit !(b > 0 && a / b < 1.005 && b / a < 1.005) }'
    that "and the recorded one" awk -v a="$a" 'BEGIN { exit !(a > 1.7186 && a < 1.7359) }'
else
    skip "llama.cpp's mixture" "needs models/stories260K of the shared data"
fi
echo "1..$n"
