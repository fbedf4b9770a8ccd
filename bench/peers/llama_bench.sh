#!/bin/bash
# The same GGUF through chalcis and through llama.cpp's llama-bench, in turns: A B A B ...
#
#   bench/peers/llama_bench.sh PATH/TO/llama-bench MODEL.gguf [ROUNDS] [THREADS]
#
# Prints, for pp512 and tg128, the median tokens per second of both and the ratio chalcis / peer
# pair by pair (least, median, most).  Turns, because clocks and neighbours drift.
set -eu
peer=$1 model=$2 rounds=${3:-7} threads=${4:-$(nproc)}
here=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp)
trap 'rm -f "$tmp"' EXIT
ours() { # test, -p, -n
    "$here/chalcis" bench -m "$model" -p "$2" -n "$3" -r 3 -t "$threads" --json 2>/dev/null |
        sed -n 's/.*"median_ts":\([0-9.e+]*\).*/\1/p'
}
theirs() {
    "$peer" -m "$model" -p "$2" -n "$3" -r 3 -t "$threads" -o json 2>/dev/null |
        sed -n 's/.*"avg_ts": *\([0-9.e+]*\).*/\1/p' | head -1
}
for round in $(seq "$rounds"); do
    for test in "pp512 512 0" "tg128 0 128"; do
        # shellcheck disable=SC2086
        echo "${test%% *} $(ours $test) $(theirs $test)" >>"$tmp"
    done
    echo "round $round of $rounds" >&2
done
for test in pp512 tg128; do
    awk -v t="$test" '$1 == t && NF == 3 {print $2, $3, $2 / $3}' "$tmp" | sort -g -k3 | awk -v t="$test" '
        {a[NR] = $1; b[NR] = $2; r[NR] = $3}
        function median(v, n,   i, j, x) {
            for (i = 2; i <= n; i++) {x = v[i]; for (j = i - 1; j > 0 && v[j] > x; j--) v[j + 1] = v[j]; v[j + 1] = x}
            return (v[int((n + 1) / 2)] + v[int(n / 2) + 1]) / 2
        }
        END {
            if (!NR) {print t ": no results"; exit}
            least = r[1]; most = r[NR]
            printf "%s  chalcis %.1f tok/s  peer %.1f tok/s  ratio %.2f (%.2f to %.2f, %d pairs)\n", t, \
                median(a, NR), median(b, NR), median(r, NR), least, most, NR
        }'
done
