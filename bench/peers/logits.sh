#!/bin/bash
# The same GGUF in chalcis and in llama.cpp: logits of the same tokens, and greedy texts.
#
#   bench/peers/logits.sh MODEL.gguf...
#
# Installs node-llama-cpp (llama.cpp, built) from npm into $PEERS [~/.cache/chalcis-peers], never
# into the repository.  TEXT [README.md]: the file whose first POSITIONS [256] tokens are scored.
# CONTEXT [512]: what both are told the context is; more than POSITIONS, for the peer drops tokens
# where it is full.  GREEDY [64]: tokens of greedy text.  REFERENCE: a program that writes the right
# logits for ids on its standard input, called as REFERENCE MODEL POSITIONS CONTEXT OUT:
# build/gcc/tests/reference/logits.  That program writes the nano models, too (-w DIR).
#
# A line a model: how far the log-probabilities of all tokens are apart (most, mean), KL divergence
# a position in nats, positions with the same best token, then |a - b| / |b| over all logits of
# chalcis to peer, chalcis to the reference, peer to the reference; and the greedy text.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
export PEERS=${PEERS:-$HOME/.cache/chalcis-peers}
chalcis=${CHALCIS:-$here/chalcis} positions=${POSITIONS:-256} context=${CONTEXT:-512}
greedy=${GREEDY:-64}
"$here/bench/peers/install.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
text=${TEXT:-$here/README.md}
first() { # N FILE: the first N elements of a JSON array
    node -e 'const [n, f] = process.argv.slice(1); console.log(JSON.stringify(
        JSON.parse(require("fs").readFileSync(f)).slice(0, n)))' "$1" "$2"
}
quietly() { # COMMAND: what it has to say matters only where it fails
    "$@" 2>"$work/err" || { cat "$work/err" >&2 && return 1; }
}
echo '| model | log-probabilities apart, at most | mean | KL | same best | to peer | to reference | peer to reference | greedy |'
echo '| --- | --- | --- | --- | --- | --- | --- | --- | --- |'
for model in "$@"; do
    prompt="Once upon a time"
    "$chalcis" tokenize -m "$model" -f "$text" --ids >"$work/all.json"
    first "$positions" "$work/all.json" >"$work/ids.json"
    "$chalcis" tokenize -m "$model" -p "$prompt" --ids >"$work/prompt.json"
    first "$context" "$work/all.json" | tr -cd , | wc -c | awk '{print $1 + 1}' >"$work/rows.json"
    quietly "$chalcis" perplexity -m "$model" -f "$text" -c "$context" --cache-k f32 \
        --cache-v f32 --logits "$work/ours.f32" >/dev/null
    quietly "$chalcis" run -m "$model" -p "$prompt" -n "$greedy" --temp 0 --ignore-end \
        -c "$context" --cache-k f32 --cache-v f32 </dev/null >"$work/greedy.txt"
    rm -f "$work/ref.f32"
    if [ -n "${REFERENCE:-}" ]; then
        quietly "$REFERENCE" "$model" "$positions" "$context" "$work/ref.f32" <"$work/ids.json" ||
            rm -f "$work/ref.f32"
    fi
    node "$here/bench/peers/logits.mjs" "$model" "$work" "$context" "$greedy"
done
