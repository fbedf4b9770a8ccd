#!/bin/bash
# What quantizing costs, here and in llama.cpp: the same model in the same types, written by each and
# both scored by this program.
#
#   LLAMA_QUANTIZE=PATH bench/peers/quality.sh MODEL.gguf TEXT [TEXT ...]
#
# MODEL is in f32 or bf16.  TYPES ["q8_0 q6_k ... q2_k"]: what is written.  A line a text and type:
# the sizes of both files, their perplexities (windows of 512 tokens, or the model's context if that is
# less), how much ours is above theirs, and the mean KL in nats a token to the model itself; "-" where
# llama-quantize does not write the type (why goes to stderr).  Says at the end how often ours is more
# than 0.5 % above, and fails then.  Wants python3.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
chalcis=${CHALCIS:-$here/chalcis}
types=${TYPES:-"q8_0 q6_k q5_k_m q5_k_s q4_k_m q4_k_s q4_0 q3_k_m q2_k iq4_xs iq4_nl"}
fail() { echo "bench/peers/quality.sh: $1" >&2; exit 1; }
[ $# -ge 2 ] || fail "usage: LLAMA_QUANTIZE=PATH quality.sh MODEL.gguf TEXT [TEXT ...]"
[ -x "${LLAMA_QUANTIZE:-}" ] || fail "LLAMA_QUANTIZE names llama.cpp's llama-quantize"
model=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
quietly() {
    "$@" >"$work/out" 2>&1 || { cat "$work/out" >&2; fail "$1 failed"; }
}
window=$("$chalcis" show --json "$model" | python3 -c '
import json, sys
print(min(512, json.load(sys.stdin)["summary"]["context"]))')
scored() { # FILE TEXT: its perplexity and KL
    "$chalcis" perplexity -m "$1" -f "$2" -c "$window" --kl-base "$model" --json |
        python3 -c 'import json, sys; o = json.load(sys.stdin); print(o["ppl"], o["kl"]["mean"])'
}
echo '| text | type | MB | its MB | perplexity | its | above by | KL | its |'
echo '|---|---|---:|---:|---:|---:|---:|---:|---:|'
for type in $types; do
    quietly "$chalcis" quantize -q "$model" "$work/ours.gguf" "$type"
    size=-
    if "$LLAMA_QUANTIZE" "$model" "$work/theirs.gguf" "${type^^}" >"$work/out" 2>&1; then
        size=$(stat -c %s "$work/theirs.gguf")
    else
        echo "$type: $(tail -n 2 "$work/out" | head -n 1)" >&2
    fi
    for text in "$@"; do
        ours=$(scored "$work/ours.gguf" "$text")
        theirs="- -"
        [ "$size" = - ] || theirs=$(scored "$work/theirs.gguf" "$text")
        echo "$(basename "$text") $type $(stat -c %s "$work/ours.gguf") $size $ours $theirs"
    done
done | awk '
    $4 == "-" { printf "| %s | %s | %.3f | - | %.4f | - | - | %.5f | - |\n", $1, $2, $3 / 1e6, $5, $6; fflush(); next }
    { above = 100 * ($5 / $7 - 1); both++; worse += !(above <= 0.5)
      printf "| %s | %s | %.3f | %.3f | %.4f | %.4f | %+.2f %% | %.5f | %.5f |\n", $1, $2, $3 / 1e6, $4 / 1e6, $5, $7, above, $6, $8
      fflush() }
    END { printf "\n%d of %d are more than 0.5 %% above.\n", worse, both; exit worse > 0 || both == 0 }'
