#!/bin/sh
# Recipe choices on short runs of equal time: what is worth its milliseconds?
#
#   bench/recipe/recipe.sh TEXTS HELD_OUT WORK [SECONDS] [SEEDS] [ARM ...]
#
# TEXTS and HELD_OUT are folders of text, WORK a folder for vocabularies, token caches and runs (runs
# that are there are not made again).  Each line of arms.txt (or of the file $ARMS) is a recipe: the
# baseline's flags with some changed; $ALL, when it is set, are flags of every recipe.  First the
# speed of every arm is measured on one thread; SECONDS [180] times it is the arm's number of tokens,
# so that an arm that costs more per token sees fewer.  Where $TOKENS is set, every arm sees as many
# instead, in the same order for the same seed.  Then all arms run, two at a time on a thread each;
# their models are kept where $KEEP is set; $SAVE, steps between checkpoints, lets a run that was
# stopped go on.  Prints held-out bits a byte, mean and range over seeds.
set -eu
chalcis=${CHALCIS:-./chalcis}
texts=${1:?usage: recipe.sh TEXTS HELD_OUT WORK [SECONDS] [SEEDS] [ARM ...]}
held=${2:?} work=${3:?} budget=${4:-180} seeds=${5:-1}
[ $# -gt 5 ] && shift 5 && wanted=" $* " || wanted=
arms=${ARMS:-$(cd "$(dirname "$0")" && pwd)/arms.txt}
mkdir -p "$work"

arms() { # name:vocab:flags
    sed -e 's/#.*//' -e '/^ *$/d' "$arms" | while IFS='|' read -r name vocab flags; do
        name=$(echo "$name" | tr -d ' ')
        case "$wanted" in "" | *" $name "*) echo "$name:$(echo "$vocab" | tr -d ' '):$flags" ;; esac
    done
}

common() { # vocab threads
    echo "--data $texts --validation $held --cache $work/cache --tokenizer $work/vocab-$1.json \
        --threads $2 --quiet --json ${ALL:-}"
}

vocabulary() {
    [ -f "$work/vocab-$1.json" ] && return
    echo "learning a vocabulary of $1" >&2
    rm -rf "$work/v"
    "$chalcis" train --data "$texts" --validation "$held" --out "$work/v" --vocab "$1" --preset nano \
        --steps 1 --eval-tokens 1000 --quiet >&2
    cp "$work/v/tokenizer.json" "$work/vocab-$1.json"
    rm -rf "$work/v"
}

rate() { # tokens a second of an arm on one thread: the third best step of thirty, alone or not
    rm -rf "$work/rate"
    # shellcheck disable=SC2046,SC2086
    "$chalcis" train $(common "$2" 1) $3 --out "$work/rate" --steps 30 --eval-every=-1 \
        --eval-tokens 1000 >/dev/null
    sed -n 's/.*"tok_s": *\([0-9.e+]*\).*/\1/p' "$work/rate/metrics.jsonl" | sort -gr | sed -n 3p
    rm -rf "$work/rate"
}

one() { # name vocab seed flags
    run=$work/$1-$3
    [ -f "$run/result.json" ] && return
    mkdir "$run.claim" 2>/dev/null || return 0 # the other thread has it
    resume=
    if [ -n "${SAVE:-}" ] && [ -e "$run/state.json" ]; then resume=--resume; else rm -rf "$run"; fi
    tokens=${TOKENS:-$(awk -v n="$1" -v s="$budget" '$1 == n { printf "%.0f", $2 * s }' "$work/rates.txt")}
    # shellcheck disable=SC2046,SC2086
    "$chalcis" train $(common "$2" 1) $4 --out "$run" --seed "$3" --tokens "$tokens" \
        --eval-every=-1 --save-every="${SAVE:--1}" --eval-tokens 100000000 $resume >"$work/$1-$3.json" 2>"$work/$1-$3.log" ||
        { cat "$work/$1-$3.log" >&2; return 0; }
    mv "$work/$1-$3.json" "$run/result.json"
    rm -rf "$run"/checkpoint.*
    [ -n "${KEEP:-}" ] || rm -f "$run"/model.*
}

touch "$work/rates.txt"
amount="TOKENS ${TOKENS:-none} SECONDS $budget" # one folder, one amount
[ ! -f "$work/amount" ] || [ "$(cat "$work/amount")" = "$amount" ] ||
    { echo "$work holds runs of $(cat "$work/amount"), not of $amount" >&2; exit 2; }
echo "$amount" >"$work/amount"
arms | while IFS=: read -r name vocab flags; do
    vocabulary "$vocab"
    [ -n "${TOKENS:-}" ] || grep -q "^$name " "$work/rates.txt" || echo "$name $(rate "$name" "$vocab" "$flags")" >>"$work/rates.txt"
done
for seed in $(seq "$seeds"); do
    arms | while IFS=: read -r name vocab flags; do
        echo "$name:$vocab:$seed:$flags"
    done
done >"$work/queue.txt"
worker() { while IFS=: read -r name vocab seed flags; do
    one "$name" "$vocab" "$seed" "$flags"
done <"$work/queue.txt"; }
rm -rf "$work"/*.claim
worker &
worker
wait
rm -rf "$work"/*.claim
echo "| recipe | tokens/s (1 thread) | M tokens | runs | held-out bits a byte | range |"
echo "|---|---|---|---|---|---|"
arms | while IFS=: read -r name vocab flags; do
    for seed in $(seq "$seeds"); do cat "$work/$name-$seed/result.json" 2>/dev/null || :; done |
        sed -n 's/.*"tokens": *\([0-9]*\).*"val_bpb": *\([0-9.]*\).*/\1 \2/p' |
        awk -v name="$name" -v rate="$(awk -v n="$name" '$1 == n { print $2 }' "$work/rates.txt")" '
            { t = $1; s += $2; if (NR == 1 || $2 < lo) lo = $2; if ($2 > hi) hi = $2 }
            END { if (NR) printf "| %s | %s | %.2f | %d | %.4f | %.4f to %.4f |\n", name,
                  rate ? sprintf("%.0f", rate) : "-", t / 1e6, NR, s / NR, lo, hi }'
done
