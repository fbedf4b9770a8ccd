#!/bin/sh
# Is a sentence of a review for or against the film?  Finetuning against counting words.
#
#   bench/finetune/sentiment.sh TEXTS MODEL OUT [HOURS]
#
# TEXTS is the folder of the sentence polarity data set 1.0 (Pang & Lee 2005): rt-polarity.pos and
# rt-polarity.neg, 5331 sentences each; MODEL a GGUF file or a Hugging Face folder, OUT a folder for
# records and runs (runs that are there are not made again).  Four fifths of the sentences are
# learned, a tenth is validated on, a tenth asked (sentiment.awk): by an adapter (LoRA) and by all
# weights, HOURS [0.1] each, and by naive Bayes (bag_of_words.c).  Prints the share that is right.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
chalcis=${CHALCIS:-./chalcis}
texts=${1:?usage: sentiment.sh TEXTS MODEL OUT [HOURS]}
model=${2:?} out=${3:?} hours=${4:-0.1}
mkdir -p "$out"
. "$here/common.sh"
[ -e "$texts/rt-polarity.pos" ] || texts=$texts/sentence_polarity

# The set goes about in UTF-8 and, as it was published, in Latin-1.
utf8() { iconv -f UTF-8 -t UTF-8 "$1" 2>/dev/null || iconv -f ISO-8859-1 -t UTF-8 "$1"; }

sentences() { # fold
    for kind in pos:good:bad neg:bad:good; do
        file=$texts/rt-polarity.${kind%%:*}
        answers=${kind#*:}
        utf8 "$file" >"$out/sentences"
        LC_ALL=C awk -v fold="$1" -v answer="${answers%:*}" -v other="${answers#*:}" \
            -f "$here/sentiment.awk" "$out/sentences"
    done
}

asked() { # name, "chalcis eval" flags
    name=$1
    shift
    [ -s "$out/$name.choice" ] && return
    "$chalcis" eval --chat "$@" "$out/test.jsonl" >"$out/choice.new"
    mv "$out/choice.new" "$out/$name.choice"
}

row() { # name, seconds, steps
    sed -n -e "s/^.* acc  *\([0-9.]*\) (\(.*\))\$/| $1 | $2 | $3 | \1 | \2 |/p" \
        -e "s/^.*accuracy \([0-9.]*\) (95 %: \(.*\))\$/| $1 | $2 | $3 | \1 | \2 |/p" \
        "$out/$1.choice"
}

learned() {
    seconds=$(number "$out/$1.json" seconds)
    row "$1" "$(printf %.0f "$seconds")" "$(number "$out/$1.json" steps)"
}

for fold in train dev test; do
    sentences $fold >"$out/$fold.jsonl"
    say "$fold: $(wc -l <"$out/$fold.jsonl") sentences"
done
rm "$out/sentences"
program bag_of_words
"$out/bag_of_words" "$out/train.jsonl" "$out/test.jsonl" >"$out/words.choice"
asked before -m "$model"
run lora --lora 8
asked lora -m "$model" --lora "$out/lora"
run full --dequantize
asked full -m "$out/full/model.gguf"
echo "| | seconds | steps | accuracy | 95 % |"
echo "|---|---|---|---|---|"
row words - -
row before - -
learned lora
learned full
