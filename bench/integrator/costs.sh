#!/bin/sh
# What the models of recipe.sh cost: parameters, bytes as q8_0, multiply-adds and time a token.
#
#   bench/integrator/costs.sh WORK [ROUNDS] [ARM ...]
#
# WORK is recipe.sh's folder after a run with KEEP=1; [all arms of seed 1].  Models are quantized to q8_0
# and measured in turns on one thread, ROUNDS [7] times: prompts of 256 tokens, and 128 tokens one
# after the other.  Times are medians, beside them the middle of each round's ratio to the first arm.
set -eu
chalcis=${CHALCIS:-./chalcis}
work=${1:?usage: costs.sh WORK [ROUNDS] [ARM ...]} rounds=${2:-7}
if [ $# -gt 2 ]; then
    shift 2
else
    # shellcheck disable=SC2046 # a word each
    set -- $(find "$work" -path '*-1/model.gguf' | sed 's|.*/\(.*\)-1/model.gguf|\1|' | sort)
fi
costs=$work/costs
mkdir -p "$costs"

for arm; do
    from=$work/$arm-1/model.gguf to=$costs/$arm.gguf
    if [ ! -f "$to" ] || [ -n "$(find "$from" -newer "$to")" ]; then
        "$chalcis" quantize "$from" "$to" q8_0 >"$costs/log.txt" 2>&1 || { cat "$costs/log.txt" >&2; exit 1; }
    fi
    "$chalcis" bench --profile -m "$costs/$arm.gguf" -p 0 -n 32 -r 1 -t 1 --json 2>>"$costs/log.txt" |
        tr '{' '\n' | awk -v arm="$arm" '
            function field(k,   v) { v = $0; sub(".*\"" k "\":", "", v); return v + 0 }
            /"model_n_params"/ { params = field("model_n_params"); bytes = field("model_size") }
            /"operation":/ && !/"gop_s":null/ { ops += field("gop_s") * field("time_us") * 1000 }
            END { print arm, params, bytes, ops / 2 }'
done >"$costs/counts.txt"
[ "$(awk 'NF == 4 && $4 > 0' "$costs/counts.txt" | wc -l)" -eq $# ] || { cat "$costs/log.txt" >&2; exit 1; }

for round in $(seq "$rounds"); do
    for arm; do
        "$chalcis" bench -m "$costs/$arm.gguf" -p 256 -n 128 -r 1 -t 1 -o jsonl 2>>"$costs/log.txt" |
            sed -n 's/.*"test":"\([a-z]*\)[0-9]*".*"median_ts":\([0-9.e+]*\).*/\1 \2/p' |
            awk -v arm="$arm" -v round="$round" '{ print round, arm, $1, 1e6 / $2 }'
    done
done >"$costs/times.txt"

median() { sort -g | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }
echo "| model | parameters | q8_0 bytes | multiply-adds a token | us a token, decoding | to $1 | us a token, prompt | to $1 |"
echo "|---|---:|---:|---:|---:|---:|---:|---:|"
for arm; do
    for test in tg pp; do
        awk -v a="$arm" -v t=$test '$2 == a && $3 == t { print $4 }' "$costs/times.txt" | median
        awk -v a="$arm" -v f="$1" -v t=$test '$3 == t && $2 == f { base[$1] = $4 }
            $3 == t && $2 == a { mine[$1] = $4 } END { for (r in mine) print mine[r] / base[r] }' \
            "$costs/times.txt" | median
    done | awk -v a="$arm" '
        NR == FNR { if ($1 == a) { params = $2; bytes = $3; macs = $4 } next }
        { t[FNR] = $1 }
        END { printf "| %s | %.3f M | %.2f MB | %.2f M | %.1f | %.2f | %.1f | %.2f |\n", a,
              params / 1e6, bytes / 1e6, macs / 1e6, t[1], t[2], t[3], t[4] }' "$costs/counts.txt" -
done
