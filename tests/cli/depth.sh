#!/bin/bash
# depth, and training and finetuning of blocks that integrate.  TAP.
set -u
bin=${CHALCIS_BIN:-./chalcis}
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

for i in 1 2 3 4 5 6 7 8; do
    echo "The $i cats sat on mat $i and looked at moon number $((i * 7 % 10)). They were $i."
done >"$tmp/text"

# ---- depth -------------------------------------------------------------------------------------
is "depth --help" 0 "$bin" depth --help
is "a random integrator" 0 "$bin" init integrator --noise 0.3 --shape L4,P64 -o "$tmp/i.gguf"
is "depth without a text" 1 "$bin" depth -m "$tmp/i.gguf" -f "$tmp/none"
is "a plain model" 0 "$bin" init qwen3 --shape L2,P64 -o "$tmp/plain.gguf"
is "has no gate" 1 "$bin" depth -m "$tmp/plain.gguf" -f "$tmp/text"
says "says what makes one" "--gate-layer"
is "depth" 0 "$bin" depth -m "$tmp/i.gguf" -f "$tmp/text" -c 32 -t 1
says "the gate beside others" "hindsight"
says "fixed numbers" "fixed                   3.000"
is "in JSON" 0 "$bin" depth -m "$tmp/i.gguf" -f "$tmp/text" -c 32 -t 2 --json
says "every line" '"rule":"position","tolerance":0.001'
is "writing the gate" 0 "$bin" depth -m "$tmp/i.gguf" -f "$tmp/text" -c 32 --tolerance 0.25 \
    -o "$tmp/gated.gguf"
says "it is measured" "gate              0.25"
is "which the file has" 0 "$bin" show "$tmp/gated.gguf" --json
says "with its tolerance" '"integrator.integrator.tolerance":0.25'
is "and runs" 0 "$bin" run -m "$tmp/gated.gguf" -p "The cat" -n 8
is "over its source" 1 "$bin" depth -m "$tmp/i.gguf" -f "$tmp/text" -o "$tmp/i.gguf"
is "quantized" 0 "$bin" quantize "$tmp/gated.gguf" "$tmp/q.gguf" q8_0
says "but for the steps" "blk.0.integrator_inertia.weight          f32"
is "its gate is measured" 0 "$bin" depth -m "$tmp/q.gguf" -f "$tmp/text" -c 32 --keep-gate
is "to a folder" 0 "$bin" convert "$tmp/gated.gguf" "$tmp/folder"
is "and back" 0 "$bin" convert "$tmp/folder" "$tmp/back.gguf"
a=$("$bin" perplexity -m "$tmp/gated.gguf" -f "$tmp/text" --json)
b=$("$bin" perplexity -m "$tmp/back.gguf" -f "$tmp/text" --json)
that "to the bit" [ "$a" = "$b" ]

# ---- training ----------------------------------------------------------------------------------
short=(--layers 2 --width 32 --head-width 8 --vocab 300 --length 16 --micro-batch 2 --steps 4 -t 1)
is "train --ffn integrator" 0 "$bin" train --data "$tmp/text" --out "$tmp/a" "${short[@]}" \
    --ffn integrator
is "its configuration" 0 cat "$tmp/a/config.json"
says "says so" '"integrator_depth": 3'
is "everything shared" 0 "$bin" train --data "$tmp/text" --out "$tmp/b" "${short[@]}" \
    --arch integrator --depth 2 --anchor here --ffn relu2 --ffn-groups 1 --attention-groups 1 \
    --embedding-rank 8 --gate-layer 1
is "resumed" 0 "$bin" train --data "$tmp/text" --out "$tmp/b" --resume -t 1
is "llama with relu2" 1 "$bin" train --data "$tmp/text" --out "$tmp/c" --arch llama --ffn relu2
says "which it has not" "llama models have no relu2 blocks"
is "another anchor" 1 "$bin" train --data "$tmp/text" --out "$tmp/c" --depth 2 --anchor moon
says "names them" "known are none, here, start, closed"
is "a gate without steps" 1 "$bin" train --data "$tmp/text" --out "$tmp/c" "${short[@]}" \
    --gate-layer 1

says "says what it wants" "depth has to be 2 or more"
is "more groups than layers" 1 "$bin" train --data "$tmp/text" --out "$tmp/c" "${short[@]}" \
    --ffn-groups 3
says "says how many there are" "of 2 layers it may be 1 to 2"
is "an anchor of nothing" 1 "$bin" train --data "$tmp/text" --out "$tmp/c" --anchor here

# ---- The published card's formula ---------------------------------------------------------------
is "driven, with one controller" 0 "$bin" train --data "$tmp/text" --out "$tmp/d" "${short[@]}" \
    --arch integrator --depth 2 --anchor driven --controller-groups 1 --excitation 0.1 \
    --gate-layer 1
is "resumed" 0 "$bin" train --data "$tmp/text" --out "$tmp/d" --resume -t 1
is "its file" 0 "$bin" show "$tmp/d/model.gguf" --json
says "has the anchor" '"integrator.integrator.anchor":4'
says "one controller" '"integrator.integrator.controller_groups":1'
says "three of 32 channels" '"integrator.integrator.excited":3'
is "quantized" 0 "$bin" quantize "$tmp/d/model.gguf" "$tmp/dq.gguf" q8_0
says "but for controllers" "blk.0.controller_gate.weight             f32"
one() { ! grep -q "blk.1.controller.weight" "$tmp/out"; }
that "of which there is one" one
is "to a folder" 0 "$bin" convert "$tmp/d/model.gguf" "$tmp/dfolder"
is "and back" 0 "$bin" convert "$tmp/dfolder" "$tmp/dback.gguf"
a=$("$bin" perplexity -m "$tmp/d/model.gguf" -f "$tmp/text" --json -t 1)
b=$("$bin" perplexity -m "$tmp/dback.gguf" -f "$tmp/text" --json -t 2)
that "to the bit" [ "$a" = "$b" ]
is "its steps" 0 "$bin" analyze stability -m "$tmp/d/model.gguf" -f "$tmp/text" -c 16
says "are inside" "100.00%  100.00%"
is "a controller of nothing" 1 "$bin" train --data "$tmp/text" --out "$tmp/c" "${short[@]}" \
    --depth 2 --controller-groups 1
says "says what has one" "anchor driven"
is "excitation of nothing" 1 "$bin" train --data "$tmp/text" --out "$tmp/c" "${short[@]}" \
    --excitation 0.1
is "finetuned" 0 "$bin" finetune -m "$tmp/d/model.gguf" --data "$tmp/text" --out "$tmp/df" \
    --length 16 --micro-batch 2 --steps 1 -t 1
is "with another excitation" 1 "$bin" finetune -m "$tmp/d/model.gguf" --data "$tmp/text" \
    --out "$tmp/de" --length 16 --excitation 0.5 --steps 1
says "keeps its own" "3 excited channels"

# ---- A plain model that is to integrate --------------------------------------------------------
is "a plain model to begin with" 0 "$bin" train --data "$tmp/text" --out "$tmp/p" "${short[@]}"
is "grown" 0 "$bin" finetune -m "$tmp/p/model.gguf" --data "$tmp/text" --out "$tmp/g" --depth 2 \
    --anchor none --length 16 --micro-batch 2 --steps 1 --lr 1e-12 -t 1
a=$("$bin" perplexity -m "$tmp/p/model.gguf" -f "$tmp/text" --json -t 1 | tr , '\n' | grep ppl)
b=$("$bin" perplexity -m "$tmp/g/model.gguf" -f "$tmp/text" --json -t 1 | tr , '\n' | grep ppl)
that "answers as before" [ "${a:0:12}" = "${b:0:12}" ]
is "resumed in its way" 0 "$bin" finetune --data "$tmp/text" --out "$tmp/g" --resume -t 1
for a in here start closed; do
    is "grown to $a" 0 "$bin" finetune -m "$tmp/p/model.gguf" --data "$tmp/text" --out "$tmp/g$a" \
        --depth 2 --anchor $a --length 16 --micro-batch 2 --steps 2 -t 1
done
is "steps towards no place" 1 "$bin" analyze stability -m "$tmp/ghere/model.gguf" -f "$tmp/text"
says "says where there is one" "allowed are start, closed and driven"
is "grown to driven blocks" 1 "$bin" finetune -m "$tmp/p/model.gguf" --data "$tmp/text" \
    --out "$tmp/gd" --depth 2 --anchor driven
says "which begin with their model" "from the beginning"
is "and to a gate" 0 "$bin" finetune -m "$tmp/gstart/model.gguf" --data "$tmp/text" \
    --out "$tmp/gg" --gate-layer 1 --length 16 --micro-batch 2 --steps 2 -t 1
is "to an anchor that is none" 1 "$bin" finetune -m "$tmp/p/model.gguf" --data "$tmp/text" \
    --out "$tmp/l" --depth 2 --anchor moon
says "names those that there are" "may be given none, here, start, closed"
is "a published integrator" 0 "$bin" init inl_v2 --shape L2,D32,H4,K4,F48,P32 -o "$tmp/inl.gguf"
is "goes on training" 0 "$bin" finetune -m "$tmp/inl.gguf" --data "$tmp/text" --out "$tmp/inl" \
    --length 16 --micro-batch 2 --steps 2 -t 1
is "an adapter cannot" 1 "$bin" finetune -m "$tmp/p/model.gguf" --data "$tmp/text" --out "$tmp/l" \
    --lora 2 --depth 2
says "and says why" "an adapter leaves blocks as they are"
echo "1..$n"
