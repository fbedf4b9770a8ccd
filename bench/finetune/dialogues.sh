#!/bin/sh
# A model learns to talk from dialogues: an adapter against all weights at equal time.
#
#   bench/finetune/dialogues.sh TEXTS MODEL OUT [HOURS]
#
# TEXTS is the folder of Schema-Guided Dialogue (Rastogi et al. 2020), train/*.json and dev/*.json,
# or train.jsonl and dev.jsonl; MODEL a GGUF file or a Hugging Face folder, OUT a folder for records
# and runs (runs that are there are not made again).  What the system says is learned from the
# dialogues of train, HOURS [0.1] each way, and scored on those of dev.  Prints nats a token and
# bits a byte of what the system says there, and what each answers to the first five's first words.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
chalcis=${CHALCIS:-./chalcis}
texts=${1:?usage: dialogues.sh TEXTS MODEL OUT [HOURS]}
model=${2:?} out=${3:?} hours=${4:-0.1}
mkdir -p "$out"
. "$here/common.sh"

chats() { # part
    if [ -d "$texts/$1" ]; then
        "$out/dialogues" "$texts/$1"/dialogues_*.json
    else
        "$out/dialogues" "$texts/$1.jsonl"
    fi
}

row() {
    f=$out/$1.json
    printf '| %s | %.0f | %s | %s | %.4f | %.4f |\n' "$1" "$(number "$f" seconds)" \
        "$(number "$f" steps)" "$(number "$f" parameters)" "$(number "$f" val_loss)" \
        "$(number "$f" val_bpb)"
}

answer() { # flags of run
    "$chalcis" run --chat -f "$out/question" -n 60 --temp 0 "$@" 2>/dev/null | tr '\n' ' '
    echo
}

program dialogues
for part in train dev; do
    chats $part >"$out/$part.jsonl"
    say "$part: $(wc -l <"$out/$part.jsonl") dialogues"
done
run lora --lora 8
run full --dequantize
echo "| | seconds | steps | parameters | nats a token | bits a byte |"
echo "|---|---|---|---|---|---|"
row lora
row full
for i in 1 2 3 4 5; do
    # The text of the first message, between its quotes.
    sed -n "${i}p" "$out/dev.jsonl" |
        sed 's/^[^:]*:[^:]*:[^:]*:"\(\([^"\\]\|\\.\)*\)".*/\1/; s/\\\(["\\]\)/\1/g' >"$out/question"
    echo
    echo "user: $(cat "$out/question")"
    echo "before: $(answer -m "$model")"
    echo "lora: $(answer -m "$model" --lora "$out/lora")"
    echo "full: $(answer -m "$out/full/model.gguf")"
done
