#!/bin/bash
# A model goes on learning as one sees it: finetune, what an adapter changes, merge, questions. TAP.
set -u
bin=${CHALCIS_BIN:-./chalcis}
case $bin in /*) ;; *) bin=$PWD/$bin ;; esac
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
# near A B D, apart A B D: the numbers are at most, more than D from one another
near() {
    awk -v a="$1" -v b="$2" -v d="$3" 'BEGIN { exit !(a != "" && b != "" && (a - b) ^ 2 <= d ^ 2) }'
}
apart() {
    awk -v a="$1" -v b="$2" -v d="$3" 'BEGIN { exit !(a != "" && b != "" && (a - b) ^ 2 > d ^ 2) }'
}
number() { sed -n "s/.*\"$1\": *\([-0-9.e+]*\).*/\1/p" "$tmp/out"; }

# ---- Help and mistakes -------------------------------------------------------------------------
for c in finetune merge eval; do
    is "$c --help" 0 "$bin" $c --help
    says "is the command's" "usage: chalcis $c"
    says "names adapters" "--lora"
    is "$c and an unknown option" 2 "$bin" $c --colour
    says "names it" "--colour"
done
is "finetune without data" 2 "$bin" finetune -o "$tmp/x"
says "says so" "--data PATH is missing"
is "finetune without a place" 2 "$bin" finetune --data "$tmp"
says "says so" "--out DIR is missing"
is "an adapter of rank 0" 2 "$bin" finetune --data "$tmp" -o "$tmp/x" --lora 0
is "merge without an adapter" 2 "$bin" merge -o "$tmp/x.gguf"
says "says so" "--lora PATH is missing"
is "merge without a file" 2 "$bin" merge --lora "$tmp"
says "says so" "--out FILE is missing"
is "eval of nothing" 2 "$bin" eval
is "eval of what there is not" 2 "$bin" eval --task beauty "$tmp"
says "names it" "beauty"

# ---- A model, an adapter, all weights ----------------------------------------------------------
cd "$tmp" || exit 1
i=0
for thing in sky:blue grass:green snow:white coal:black blood:red sun:yellow; do
    thing=${thing/:/ }
    set -- $thing
    echo "The $1 is $2. What is $2? The $1." >>text.txt
    echo "{\"prompt\": \"What colour is the $1?\", \"response\": \"It is $2.\"}" >>pairs.jsonl
    echo "{\"prompt\": \"What colour is the $1?\", \"choices\": [\"It is grey.\", \"It is $2.\"," \
        "\"It is brown.\"], \"answer\": 1}" >>questions.jsonl
    for other in sky grass snow coal blood sun; do
        i=$((i + 1))
        echo "The $other and the $1 are not the same, says number $i." >>text.txt
    done
done
for i in $(seq 30); do cat pairs.jsonl; done >data.jsonl
split -l 4 text.txt part- --additional-suffix=.txt
mkdir texts && mv part-* texts/
steps="--length 64 --micro-batch 4 --held-out 0 --precision f32 --seed 2 -t 1 --quiet"
is "train" 0 "$bin" train -d texts -o base --vocab 320 --preset nano --steps 30 $steps
is "finetune an adapter" 0 "$bin" finetune -m base/model.gguf -d data.jsonl -o adapter --lora 8 \
    --steps 200 --lr 5e-3 $steps
says "tells how to use it" "--lora adapter --chat"
that "as PEFT keeps it" test -s adapter/adapter_model.safetensors -a -s adapter/adapter_config.json
that "no weights but its own" test ! -e adapter/model.safetensors
is "finetune all weights" 0 "$bin" finetune -m base/model.gguf -d data.jsonl -o full --steps 60 \
    --lr 3e-3 $steps
that "the steps that were asked for" test "$(grep -c '"loss"' full/metrics.jsonl)" -eq 60
is "finetune over a run" 1 "$bin" finetune -m base/model.gguf -d data.jsonl -o full --steps 2 $steps
echo '{"mask_prompts": false}' >unmasked.json
is "a flag goes before the file" 0 "$bin" finetune -m base/model.gguf -d data.jsonl -o masked \
    --steps 1 --mask-prompts --config unmasked.json $steps
that "of prompts nothing is learned" grep -q '"mask_prompts":true' masked/current/state.json
is "a file alone" 0 "$bin" finetune -m base/model.gguf -d data.jsonl -o unmasked --steps 1 \
    --config unmasked.json $steps
that "prompts are learned" grep -q '"mask_prompts":false' unmasked/current/state.json
is "resume what is done" 0 "$bin" finetune -d data.jsonl -o adapter --resume --quiet -t 1
is "another shape" 1 "$bin" finetune -m base/model.gguf -d data.jsonl -o x --layers 7 $steps
says "names both" "layers is 2"

# ---- Questions ---------------------------------------------------------------------------------
for how in "-m base/model.gguf --lora adapter" "-m full/model.gguf"; do
    is "questions to ${how#-m }" 0 "$bin" eval $how --chat questions.jsonl --json
    says "all of them" '"items":6'
    says "all right" '"acc":{"value":1.0,'
done
is "in words" 0 "$bin" eval -m full/model.gguf --chat questions.jsonl -t 2
says "with an interval" "1.0000 (0.6097 to 1.0000)"
is "questions that are none" 1 "$bin" eval -m full/model.gguf pairs.jsonl
says "names the line" "pairs.jsonl, line 1"
is "questions that are not there" 1 "$bin" eval -m full/model.gguf none.jsonl
says "names the file" "none.jsonl"

# ---- The adapter apart, in the weights, left out -----------------------------------------------
chat() { "$bin" run "$@" --chat -p "What colour is the snow?" -n 24 --temp 0; }
is "run --lora" 0 chat -m base/model.gguf --lora adapter
says "has learned it" "It is white."
cp out with
is "merge" 0 "$bin" merge -m base/model.gguf --lora adapter -o merged.gguf --name "Both in one"
is "run what was merged" 0 chat -m merged.gguf
that "the same text" cmp out with
is "show it" 0 "$bin" show merged.gguf
says "by its name" "Both in one"
nll() { "$bin" perplexity "$@" -f text.txt --json >out 2>err </dev/null; number nll; }
base=$(nll -m base/model.gguf)
lora=$(nll -m base/model.gguf --lora adapter)
that "perplexity --lora is another" apart "$base" "$lora" 0.01
that "and that of what was merged" near "$lora" "$(nll -m merged.gguf)" 1e-4
that "next to nothing of it" near "$base" "$(nll -m base/model.gguf --lora adapter=1e-7)" 1e-5
half=$(nll -m base/model.gguf --lora adapter=0.5)
that "half of it" apart "$base" "$half" 0.001
is "merge half of it" 0 "$bin" merge -m base/model.gguf --lora adapter=0.5 -o half.gguf
that "is half of it" near "$half" "$(nll -m half.gguf)" 1e-4
is "merge to 16 bits" 0 "$bin" merge -m base/model.gguf --lora adapter -o f16.gguf --type f16
that "near it" near "$lora" "$(nll -m f16.gguf)" 0.01
that "and smaller" test "$(wc -c <f16.gguf)" -lt "$(wc -c <merged.gguf)"

# ---- Quantized, and what does not fit ----------------------------------------------------------
is "quantize" 0 "$bin" quantize base/model.gguf q8.gguf q8_0
is "all weights of a quantized model" 1 "$bin" finetune -m q8.gguf -d data.jsonl -o x --steps 2 \
    $steps
says "names both ways" "dequantize"
is "as they decode" 0 "$bin" finetune -m q8.gguf -d data.jsonl -o y --dequantize --steps 2 $steps
cp q8.gguf before.gguf
is "an adapter on it" 0 "$bin" finetune -m q8.gguf -d data.jsonl -o z --lora 2 --steps 2 $steps
that "which is as it was" cmp q8.gguf before.gguf
is "merge into it" 0 "$bin" merge -m q8.gguf --lora z -o q8z.gguf
that "which is as it was" cmp q8.gguf before.gguf
that "of the same size" near "$(wc -c <q8.gguf)" "$(wc -c <q8z.gguf)" 4096
cp q8z.gguf same.gguf
is "merge onto itself" 1 "$bin" merge -m same.gguf --lora z -o ./same.gguf
that "it is as it was" cmp same.gguf q8z.gguf
is "merge to what there is not" 1 "$bin" merge -m q8.gguf --lora z -o x.gguf --type q9_9
says "names those there are" "q4_0"
is "an adapter that is not there" 1 "$bin" merge -m q8.gguf --lora none -o x.gguf
says "names it" "none"
is "an adapter of another model" 1 "$bin" run --lora adapter -p x -n 4
is "a factor that is none" 1 "$bin" run -m q8.gguf --lora z=many -p x -n 4
cp -r z broken && truncate -s 40 broken/adapter_model.safetensors
is "an adapter that is cut off" 1 "$bin" perplexity -m q8.gguf --lora broken -f text.txt
says "names its file" "broken/adapter_model.safetensors"
that "nothing was made of what failed" test ! -e x -a ! -e x.gguf
echo "1..$n"
