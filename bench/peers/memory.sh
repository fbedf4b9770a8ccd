#!/bin/bash
# The most memory that a process held, and the time from its start to its first token.
#
#   [LLAMA_BENCH=PATH] [IK_BENCH=PATH] bench/peers/memory.sh MODEL.gguf [MODEL.gguf ...]
#
# Memory: `bench -p 512 -n 16` here and in the peers (llama.cpp's llama-bench and ik_llama.cpp's),
# the kernel's account of pages held at once, files that are mapped included (GNU time's %M).  "To
# file and cache": what is held here, to the file and f16 keys and values of 528 tokens.
# First token: `run -n 1` of a model that has a vocabulary, the file in memory already, the whole
# process; median of RUNS [20], least to most.  THREADS [one per CPU].  Wants python3.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
chalcis=${CHALCIS:-$here/chalcis} threads=${THREADS:-$(nproc)} runs=${RUNS:-20}
fail() { echo "bench/peers/memory.sh: $1" >&2; exit 1; }
[ $# -gt 0 ] || fail "usage: memory.sh MODEL.gguf [MODEL.gguf ...]"
command -v /usr/bin/time >/dev/null || fail "GNU time is missing (Debian: apt install time)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
held() { # COMMAND: MiB
    if /usr/bin/time -o "$work/time" -f %M "$@" >"$work/out" 2>&1; then
        awk '{ printf "%d", $1 / 1024 }' "$work/time"
    else
        cat "$work/out" >&2
        fail "$1 failed"
    fi
}
peer() { # PROGRAM MODEL
    if [ -n "$1" ]; then held "$1" -m "$2" -p 512 -n 16 -r 1 -t "$threads"; else echo -; fi
}
first_token() { # MODEL: median (least to most) in ms
    "$chalcis" run -m "$1" -p "Once upon a time" -n 1 -t "$threads" >"$work/out" 2>&1 || { echo -; return; }
    for _ in $(seq "$runs"); do
        local begun=${EPOCHREALTIME/./}
        "$chalcis" run -m "$1" -p "Once upon a time" -n 1 -t "$threads" >/dev/null 2>&1
        echo $((${EPOCHREALTIME/./} - begun))
    done | sort -n | awk '{ v[NR] = $1 / 1000 }
        END { printf "%.1f (%.1f to %.1f)", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2, v[1], v[NR] }'
}
echo '| file | MiB | held, MiB | to file and cache | llama.cpp | ik_llama.cpp | to the first token, ms |'
echo '|---|---:|---:|---:|---:|---:|---|'
for model in "$@"; do
    size=$(stat -L -c %s "$model")
    cache=$("$chalcis" show -c 528 --json "$model" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["memory"]["cache"]["f16/f16"])')
    ours=$(held "$chalcis" bench -m "$model" -p 512 -n 16 -r 1 -t "$threads")
    llama=$(peer "${LLAMA_BENCH:-}" "$model") ik=$(peer "${IK_BENCH:-}" "$model")
    first=$(first_token "$model")
    echo "$(basename "$model" .gguf)|$size|$cache|$ours|$llama|$ik|$first"
done | awk -F'|' '{ need = ($2 + $3) / 1048576
    printf "| %s | %.0f | %d | %.2f | %s | %s | %s |\n", $1, $2 / 1048576, $4, $4 / need, $5, $6, $7 }'
