#!/bin/sh
# Training speed beside PyTorch's: the same shapes, in turns on the same two cores.
#
#   bench/peers/train_bench.sh TEXT [ROUNDS] [SHAPE ...]      shapes: 5m baby 30m gpt2 [all]
#
# TEXT is a file or folder of some megabytes of text (its words do not matter).  PyTorch (Debian:
# python3-torch, and libopenblas0-openmp) is not installed from here, nor needed by anything else.
# It runs at its best: OpenBLAS's AVX-512 kernels, no returning of memory to the system, one pool of
# threads.  Ours has the same layers, width, heads, batch and length, and a gated block of 8/3 x the
# width, which has as many parameters as theirs of 4 x.  Model FLOP/s: (6 N + 12 L D T) a token,
# N without tables that are only looked up.
set -eu
chalcis=${CHALCIS:-./chalcis}
text=${1:?usage: train_bench.sh TEXT [ROUNDS] [SHAPE ...]}
rounds=${2:-3}
[ $# -gt 2 ] && shift 2 && shapes=$* || shapes="5m baby 30m gpt2"
here=$(dirname "$0")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export OPENBLAS_CORETYPE=${OPENBLAS_CORETYPE:-SkylakeX} OMP_NUM_THREADS=2
export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456

median() { sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }

torch() { /usr/bin/python3 "$here/torch_train.py" "$L" "$D" "$H" "$V" "$B" "$T" "$steps"; }

ours() { # parameters, milliseconds of the median step, peak MiB
    rm -rf "$tmp/run"
    vocab="--vocab $V"
    [ -f "$tmp/$V.json" ] && vocab="--tokenizer $tmp/$V.json"
    # shellcheck disable=SC2086
    env -u MALLOC_MMAP_THRESHOLD_ -u MALLOC_TRIM_THRESHOLD_ -u MALLOC_TOP_PAD_ \
        "$chalcis" train --data "$text" --out "$tmp/run" --arch llama $vocab \
        --layers "$L" --width "$D" --heads "$H" --kv-heads "$H" --hidden "$F" --length "$T" \
        --micro-batch "$B" --accumulate 1 --steps $((steps + 2)) --optimizer adamw \
        --eval-every=-1 --save-every=-1 --eval-tokens 1000 --threads 2 --cache "$tmp/cache" \
        --json --quiet >"$tmp/result" 2>"$tmp/errors" || { cat "$tmp/errors" >&2; exit 1; }
    cp "$tmp/run/tokenizer.json" "$tmp/$V.json"
    n=$(sed -n 's/.*"parameters": *\([0-9]*\).*/\1/p' "$tmp/result")
    mib=$(sed -n 's/.*"peak_mib": *\([0-9.]*\).*/\1/p' "$tmp/result" | cut -d. -f1)
    ms=$(sed -n 's/.*"seconds": *\([0-9.e-]*\).*/\1/p' "$tmp/run/metrics.jsonl" |
        sed 1,2d | awk '{ print $1 * 1000 }' | median)
    echo "$n $ms ${mib:-?}"
}

line() { # name tokens L D T, then: parameters ms MiB
    awk -v name="$1" -v tok="$2" -v l="$3" -v d="$4" -v t="$5" -v n="$6" -v ms="$7" -v mib="$8" \
        'BEGIN { r = tok / ms * 1e3; printf "| %s | %.2f M | %.0f | %.0f | %s |\n", name, n / 1e6, r,
                 r * (6 * n + 12 * l * d * t) / 1e9, mib }'
}

echo "| what | parameters | tokens/s | model GFLOP/s | peak MiB |"
echo "|---|---|---|---|---|"
for shape in $shapes; do
    case $shape in
    5m) L=6 D=256 H=4 F=704 V=4096 B=16 T=256 steps=7 ;;
    baby) L=6 D=384 H=6 F=1024 V=300 B=16 T=256 steps=7 ;;
    30m) L=8 D=512 H=8 F=1376 V=8192 B=8 T=256 steps=5 ;;
    gpt2) L=12 D=768 H=12 F=2048 V=50257 B=4 T=256 steps=4 ;;
    *) echo "unknown shape $shape" >&2; exit 2 ;;
    esac
    : >"$tmp/ratios"
    for i in $(seq "$rounds"); do
        theirs=$(torch)
        mine=$(ours)
        # shellcheck disable=SC2086
        line "$shape PyTorch" $((B * T)) $L $D $T $theirs
        # shellcheck disable=SC2086
        line "$shape Chalcis" $((B * T)) $L $D $T $mine
        echo "$theirs $mine" | awk '{ print $2 / $5 }' >>"$tmp/ratios"
    done
    sort -n "$tmp/ratios" | awk -v s="$shape" '{ a[NR] = $1 } END {
        printf "| %s: speed-up | | %.2fx (%.2f to %.2f) | | |\n", s, a[int((NR + 1) / 2)], a[1], a[NR] }'
done
