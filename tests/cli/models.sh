#!/bin/bash
# Every architecture through the program: init, show, quantize, perplexity, run.  TAP.
set -u
bin=${CHALCIS_BIN:-./chalcis}
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

is "an architecture that there is not" 1 "$bin" init gpt9 -o "$tmp/x.gguf"
says "lists those that there are" "llama, qwen2, qwen3"
is "no file" 2 "$bin" init llama
is "a shape that goes wrong" 1 "$bin" init llama -o "$tmp/x.gguf" --shape L2,X4
says "says where" "X4"
is "a shape that cannot be" 1 "$bin" init llama -o "$tmp/x.gguf" --shape H4,K3
says "says why" "4 heads cannot share 3 key heads evenly"
is "a vocabulary too small" 1 "$bin" init llama -o "$tmp/x.gguf" --shape V200
says "says how many" "259"

for i in $(seq 60); do printf 'The %d of %d. ' "$i" $((i * i)); done >"$tmp/text"
is "qwen2 --biases" 0 "$bin" init qwen2 --biases -o "$tmp/q.gguf"
"$bin" show "$tmp/q.gguf" --tensors >"$tmp/out" 2>/dev/null
says "its queries have them" "blk.0.attn_q.bias"
if grep -q "attn_output.bias" "$tmp/out"; then
    not_ok "its output map has none"
else
    ok "its output map has none"
fi
for arch in $("$bin" init --help | sed -n 's/^ARCH is one of \(.*\)\.$/\1/p' | tr -d ','); do
    model=$tmp/$arch.gguf
    is "$arch: init" 0 "$bin" init "$arch" -o "$model" --noise 0.2 --seed 3
    is "$arch: show" 0 "$bin" show "$model" --tensors
    says "names it" "token_embd.weight"
    is "$arch: perplexity" 0 "$bin" perplexity -m "$model" -f "$tmp/text"
    is "$arch: quantize" 0 "$bin" quantize "$model" "$tmp/q8.gguf" q8_0
    is "$arch: perplexity of it" 0 "$bin" perplexity -m "$tmp/q8.gguf" -f "$tmp/text"
    is "$arch: run" 0 "$bin" run -m "$tmp/q8.gguf" -p "The 1 of" -n 8
    "$bin" init "$arch" -o "$tmp/again.gguf" --noise 0.2 --seed 3 2>/dev/null
    that "$arch: the same model again" cmp "$model" "$tmp/again.gguf"
done
for rope in linear yarn llama3 longrope none; do
    is "init --rope $rope" 0 "$bin" init llama -o "$tmp/$rope.gguf" --rope "$rope" --biases \
        --shape W20 --type bf16
    is "run it" 0 "$bin" run -m "$tmp/$rope.gguf" -p "The 1 of" -n 8
done
is "a vocabulary of another model" 0 "$bin" init qwen2 -o "$tmp/v.gguf" \
    --tokenizer "$tmp/llama.gguf" --shape L2,D32,H2,K1
is "run it" 0 "$bin" run -m "$tmp/v.gguf" -p "The 1 of" -n 4
echo "1..$n"
