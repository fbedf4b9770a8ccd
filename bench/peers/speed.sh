#!/bin/bash
# The same GGUF through chalcis and its peers, in turns (A B C A B C ...): prompt and generation.
#
#   make bench-peers                       a random model of Qwen2.5-0.5B's shape as q4_0
#   make bench-peers ALL=1                 that and TinyLlama-1.1B's, each in several formats
#   make bench-peers MODELS="A.gguf ..."   these files
#
# Peers are programs: LLAMA_BENCH=PATH of llama.cpp's llama-bench, IK_BENCH=PATH of ik_llama.cpp's;
# NATIVE=1 builds llama.cpp for this CPU from what npm has of it (native.sh).  Without any, node-llama-cpp (llama.cpp, built) is installed from npm into $PEERS
# [~/.cache/chalcis-peers], never into the repository; what node takes is in its figures: less than
# 0.4 ms a token (the tiny shape's tg64 in all, one thread).
# SHAPES ["0.5B:q4_0"]: what is written, a list of SHAPE:TYPE; shapes are tiny, 0.5B and 1.1B, types
# those of `chalcis quantize`.  DIR [a folder that is removed at the end]: where; files that are
# there are taken.  ROUNDS [5], THREADS [one per CPU], PROMPT [512], GENERATE [128].
#
# A line a file and test: the median tokens a second of each, and the ratio chalcis / peer pair by
# pair (median, least to most).  Turns, because clocks and neighbours drift.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
chalcis=${CHALCIS:-$here/chalcis} rounds=${ROUNDS:-5} threads=${THREADS:-$(nproc)}
prompt=${PROMPT:-512} generate=${GENERATE:-128}
export PEERS=${PEERS:-$HOME/.cache/chalcis-peers}
all="0.5B:q4_0 0.5B:q4_k_m 0.5B:q8_0 1.1B:q4_0 1.1B:q4_k_m 1.1B:q8_0 1.1B:bf16"
shapes=${SHAPES:-$([ -n "${ALL:-}" ] && echo "$all" || echo 0.5B:q4_0)}
fail() { echo "bench/peers/speed.sh: $1" >&2; exit 1; }
for number in "$rounds" "$threads" "$prompt" "$generate"; do
    case $number in '' | *[!0-9]* | 0*)
        fail "\"$number\" is no number; ROUNDS, THREADS, PROMPT, GENERATE are from 1 on" ;;
    esac
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dir=${DIR:-$work/models}
mkdir -p "$dir"
quietly() { # COMMAND: what it has to say matters only where it fails
    "$@" >"$work/out" 2>"$work/err" || { cat "$work/err" >&2; fail "$1 failed"; }
}

# ---- Files ------------------------------------------------------------------------------------------
random() { # SHAPE FILE: random weights in bf16
    local -a how
    case $1 in
    tiny) how=(llama --shape L2,D256,H4,K2,E64,F512,V512,P2048) ;;
    0.5B) how=(qwen2 --shape L24,D896,H14,K2,E64,F4864,V151936,P2048 --tied) ;;
    1.1B) how=(llama --shape L22,D2048,H32,K4,E64,F5632,V32000,P2048 --untied) ;;
    *) fail "there is no shape \"$1\"; there are tiny, 0.5B and 1.1B" ;;
    esac
    quietly "$chalcis" init "${how[@]}" --type bf16 -o "$2"
}
made() { # SHAPE:TYPE: the name of its file in $dir, written where it is not there
    local shape=${1%%:*} type=${1#*:}
    local file=$dir/$shape-$type.gguf
    if [ ! -e "$file" ] && [ "$type" = bf16 ]; then
        random "$shape" "$file"
    elif [ ! -e "$file" ]; then
        random "$shape" "$work/bf16.gguf"
        quietly "$chalcis" quantize "$work/bf16.gguf" "$file" "$type"
        rm -f "$work/bf16.gguf"
    fi
    echo "$file"
}

# ---- Peers ------------------------------------------------------------------------------------------
# Each prints the tokens a second of a prompt and of generation, once, after an uncounted round.
numbers() { # KEY: its first two values in JSON, on a line
    sed -n "s/.*\"$1\": *\([0-9.e+]*\).*/\1/p" | head -2 | paste -sd ' '
}
ours() {
    "$chalcis" bench -m "$1" -p "$prompt" -n "$generate" -r 1 -t "$threads" -o jsonl |
        numbers median_ts
}
llama_bench() { # PROGRAM MODEL
    "$1" -m "$2" -p "$prompt" -n "$generate" -r 1 -t "$threads" -o json | numbers avg_ts
}
measure() { # NAME MODEL
    case $1 in
    chalcis) ours "$2" ;;
    llama.cpp) llama_bench "$LLAMA_BENCH" "$2" ;;
    ik_llama.cpp) llama_bench "$IK_BENCH" "$2" ;;
    node-llama-cpp) node "$here/bench/peers/bench.mjs" "$2" "$prompt" "$generate" "$threads" ;;
    esac
}
[ -z "${NATIVE:-}" ] || LLAMA_BENCH=$("$here/bench/peers/native.sh")
names=()
[ -z "${LLAMA_BENCH:-}" ] || names+=(llama.cpp)
[ -z "${IK_BENCH:-}" ] || names+=(ik_llama.cpp)
for program in ${LLAMA_BENCH:+"$LLAMA_BENCH"} ${IK_BENCH:+"$IK_BENCH"}; do
    [ -x "$program" ] || fail "$program is no program; LLAMA_BENCH and IK_BENCH name llama-bench"
done
if [ ${#names[@]} -eq 0 ]; then
    "$here/bench/peers/install.sh"
    names=(node-llama-cpp)
fi

# ---- Rounds -----------------------------------------------------------------------------------------
table() { # FILE: of lines "NAME pp tg", in turns, chalcis first
    awk -v file="$1" -v tests="pp$prompt tg$generate" '
        function sort(v, n,   i, j, x) {
            for (i = 2; i <= n; i++) {
                x = v[i]
                for (j = i - 1; j > 0 && v[j] > x; j--) v[j + 1] = v[j]
                v[j + 1] = x
            }
        }
        function median(v, n) { return (v[int((n + 1) / 2)] + v[int(n / 2) + 1]) / 2 }
        $1 == "chalcis" { n++ }
        { if (!($1 in order)) { order[$1] = ++names; name[names] = $1 }
          for (t = 1; t <= 2; t++) value[$1, n, t] = $(t + 1) }
        END {
            split(tests, test, " ")
            for (t = 1; t <= 2; t++) for (p = 2; p <= names; p++) {
                for (i = 1; i <= n; i++) {
                    a[i] = value["chalcis", i, t]; b[i] = value[name[p], i, t]; r[i] = a[i] / b[i]
                }
                sort(a, n); sort(b, n); sort(r, n)
                printf "| %s | %s | %.1f | %s | %.1f | %.2f | %.2f to %.2f | %d |\n", file, \
                    test[t], median(a, n), name[p], median(b, n), median(r, n), r[1], r[n], n
            }
        }' "$work/results"
}
one_file() { # MODEL
    local round name line
    : >"$work/results"
    for round in $(seq "$rounds"); do
        for name in chalcis "${names[@]}"; do
            line=$(measure "$name" "$1" 2>"$work/err") || line=""
            case $line in
            [0-9]*\ [0-9]*) echo "$name $line" >>"$work/results" ;;
            *) cat "$work/err" >&2; fail "$name gives no figures for $1" ;;
            esac
        done
        echo "$(basename "$1"): round $round of $rounds" >&2
    done
    table "$(basename "$1" .gguf)"
}
echo "$threads threads, $rounds rounds in turns, tokens a second (median)"
echo
echo '| file | test | chalcis | peer | its tok/s | ratio | least to most | pairs |'
echo '|---|---|---:|---|---:|---:|---|---:|'
if [ -n "${MODELS:-}" ]; then
    for model in $MODELS; do one_file "$model"; done
    exit
fi
for shape in $shapes; do
    case $shape in ?*:?*) ;; *) fail "\"$shape\" is no SHAPE:TYPE, as in 0.5B:q4_0" ;; esac
    file=$(made "$shape")
    one_file "$file"
    [ -n "${DIR:-}" ] || rm -f "$file"
done
