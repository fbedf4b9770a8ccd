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

is "an importance matrix" 0 "$bin" imatrix -m "$tmp/model.gguf" -f "$tmp/text" -o "$tmp/im.gguf"
says "says of how much" "the inputs of 14 matrices in "
is "on one thread" 0 "$bin" imatrix -m "$tmp/model.gguf" -f "$tmp/text" -o "$tmp/im1.gguf" -t 1
that "the same bytes" cmp "$tmp/im.gguf" "$tmp/im1.gguf"
is "by importance" 0 "$bin" quantize "$tmp/model.gguf" "$tmp/im_q2.gguf" q2_k \
    --imatrix "$tmp/im.gguf" --check "$tmp/text"
that "says of which" grep -q '^blk.1.ffn_up.weight .*-> q2_k (512, 256) .* MB by importance$' \
    "$tmp/err"
says "and how many" "; 14 of 16 matrices by importance"
says "beside the source" "KL(base || model)"
kl() { sed -n 's/^KL(base || model) \([0-9.]*\).*/\1/p' "$1"; }
cp "$tmp/out" "$tmp/with"
"$bin" quantize "$tmp/model.gguf" "$tmp/q2.gguf" q2_k -q --check "$tmp/text" \
    >"$tmp/without" 2>/dev/null
that "less is lost: $(kl "$tmp/with") and $(kl "$tmp/without")" \
    awk -v a="$(kl "$tmp/with")" -v b="$(kl "$tmp/without")" 'BEGIN { exit !(a > 0 && a < b) }'
is "a dry run" 0 "$bin" quantize "$tmp/model.gguf" "$tmp/dry.gguf" q4_k_m --dry-run \
    --tensor-type 'blk\.1\.ffn=q8_0' --tensor-type ffn_up=Q6_K
says "says what would be" "blk.1.ffn_up.weight                      f32    -> q8_0"
says "the first pattern counts" "blk.0.ffn_up.weight                      f32    -> q6_k"
says "and how large" "bits each; nothing was written"
that "writes nothing" test ! -e "$tmp/dry.gguf"
is "a dry run of a check" 2 "$bin" quantize "$tmp/model.gguf" "$tmp/x.gguf" q8_0 \
    --dry-run --check "$tmp/text"
is "a pattern for nothing" 1 "$bin" quantize "$tmp/model.gguf" "$tmp/x.gguf" q8_0 \
    --tensor-type atn=q8_0
says "by the pattern" '"atn=q8_0" is the first to fit no matrix'
is "a text for a matrix" 1 "$bin" quantize "$tmp/model.gguf" "$tmp/x.gguf" q8_0 \
    --imatrix "$tmp/text"
says "is none" "no importance matrix"
is "a model for a matrix" 1 "$bin" quantize "$tmp/model.gguf" "$tmp/x.gguf" q8_0 \
    --imatrix "$tmp/model.gguf"
says "is none either" "it has no tensor NAME.in_sum2"
"$bin" init llama -o "$tmp/narrow.gguf" --shape L2,D64 >/dev/null 2>&1
is "of another model" 1 "$bin" quantize "$tmp/narrow.gguf" "$tmp/x.gguf" q4_0 \
    --imatrix "$tmp/im.gguf"
says "by the numbers" "has 256 numbers, and the tensor's rows have 64"
is "over the model" 1 "$bin" imatrix -m "$tmp/model.gguf" -f "$tmp/text" -o "$tmp/model.gguf"

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
