#!/bin/bash
# eval, sessions in files, show, completions and the manual page.  TAP.
set -u
bin=${CHALCIS_BIN:-./chalcis}
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

# ---- eval --------------------------------------------------------------------------------------
is "eval without files" 2 "$bin" eval
is "eval --help" 0 "$bin" eval --help
says "lists the tasks" "bits_per_byte"
is "an unknown task" 2 "$bin" eval --task beauty "$tmp"
says "names it" "beauty"
echo '{"sentence_good": "The cat was there.", "sentence_bad": "The cat were there there."}' \
    >"$tmp/pairs.jsonl"
echo '{"sentence_good": "Same.", "sentence_bad": "Same."}' >>"$tmp/pairs.jsonl"
is "pairs" 0 "$bin" eval "$tmp/pairs.jsonl" -t 1
says "a tie counts against the model" "0.5000"
is "in JSON" 0 "$bin" eval "$tmp/pairs.jsonl" --json -q
says "with the interval" '"accuracy":{"value":0.5,"low":'
is "against another" 0 "$bin" eval "$tmp/pairs.jsonl" -q --against \
    "$(dirname "$0")/../../models/chalcis-tiny.gguf"
says "which is itself" "+0.0000 (no interval)"
is "details" 0 "$bin" eval "$tmp/pairs.jsonl" -q --details "$tmp/details.jsonl"
if [ "$(grep -c '"from":1,"log_p":-[0-9.]*}$' "$tmp/details.jsonl")" = 4 ] &&
    [ "$(sed -n '3,4s/.*"log_p"//p' "$tmp/details.jsonl" | sort -u | wc -l)" = 1 ]; then
    ok "a line each, of equal sentences the same"
else
    not_ok "a line each, of equal sentences the same"
fi
odd=$tmp/odd$'\xff'.jsonl
cp "$tmp/pairs.jsonl" "$odd"
is "a name that is not UTF-8" 0 "$bin" eval "$odd" -q --json --details "$tmp/odd.details"
says "with what stands for it" $'odd\xef\xbf\xbd.jsonl'
is "and in each line of its details" 0 grep -c $'odd\xef\xbf\xbd.jsonl' "$tmp/odd.details"
is "details where there are none" 2 "$bin" eval --task bits_per_byte "$tmp/pairs.jsonl" \
    --details "$tmp/none.jsonl"
is "details where no file can be" 1 "$bin" eval "$tmp/pairs.jsonl" -q --details "$tmp/no/file"
is "an option of other tasks" 2 "$bin" eval "$tmp/pairs.jsonl" --pmi
says "names it, and whose it is" "--pmi is not used by the task pairs; it is by classify"
is "windows of no text" 2 "$bin" eval "$tmp/pairs.jsonl" --window 8
is "examples of a file without a number" 2 "$bin" eval "$tmp/pairs.jsonl" --shots-file x
printf 'a good day\nall was well\n' >"$tmp/s.pos"
printf 'a bad day\nall was lost\n' >"$tmp/s.neg"
is "labelled files" 0 "$bin" eval "$tmp/s.pos" "$tmp/s.neg" --labels positive=good,negative=bad \
    --template '{} It was'
says "a table of what was said" "negative"
echo "Once upon a time there was a cat. The cat sat and looked at the moon." >"$tmp/en.txt"
echo "Il y avait une fois un chat. Le chat regardait la lune." >"$tmp/fr.txt"
is "bits a byte of two texts" 0 "$bin" eval --task bits_per_byte "$tmp/en.txt" "$tmp/fr.txt"
says "and their mean" "mean"
says "which one window each says nothing sure of" "(no interval)"
is "a model of short context" 0 "$bin" init qwen3 --shape L1,D16,H2,F16,P64 -o "$tmp/short.gguf"
is "against other windows" 1 "$bin" eval "$tmp/en.txt" -q --against "$tmp/short.gguf"
says "says both" "one model sees windows of 512 tokens, the other of 64"
is "of the same tokens" 0 "$bin" eval "$tmp/en.txt" -q --against "$tmp/short.gguf" --window 16
is "a window that the context does not hold" 1 "$bin" eval "$tmp/en.txt" -q --window 800
says "says how much it holds" "allowed are 2 to 512"
"$bin" eval --task bits_per_byte "$tmp/en.txt" --json -q 2>/dev/null |
    sed 's/.*"value":\([0-9.]\{10\}\).*/\1/' >"$tmp/bits"
if "$bin" perplexity -f "$tmp/en.txt" --json | grep -q "\"bpb\":$(cat "$tmp/bits")"; then
    ok "as perplexity has them"
else
    not_ok "as perplexity has them"
fi
echo '{"question": "1+1?", "answer": "#### 2"}' >"$tmp/exact.jsonl"
is "written answers" 0 "$bin" eval "$tmp/exact.jsonl" -n 4
says "both scores" "last_number"
echo '{"sentence_good": 3}' >"$tmp/bad.jsonl"
is "a record that is none" 1 "$bin" eval "$tmp/bad.jsonl"
says "names the line" "bad.jsonl, line 1"

# ---- Sessions in files --------------------------------------------------------------------------
"$bin" run -p "Once upon a time" -n 16 --temp 0 2>/dev/null >"$tmp/whole"
is "run --save" 0 "$bin" run -p "Once upon a time" -n 8 --temp 0 --save "$tmp/session"
head -c -1 "$tmp/out" >"$tmp/parts"
is "run --load" 0 "$bin" run --load "$tmp/session" -n 8 --temp 0
cat "$tmp/out" >>"$tmp/parts"
if cmp -s "$tmp/whole" "$tmp/parts"; then ok "the same text"; else not_ok "the same text"; fi
is "with more text" 0 "$bin" run --load "$tmp/session" -p " Then" -n 4 --temp 0
is "with other keys" 1 "$bin" run --load "$tmp/session" -ctk q8_0
says "says both" "its keys are f16"
if [ "$("$bin" cpu | head -1)" != "$(CHALCIS_CPU=c "$bin" cpu | head -1)" ]; then
    is "on another CPU" 1 env CHALCIS_CPU=c "$bin" run --load "$tmp/session" -n 4
    says "says so" "CHALCIS_CPU"
fi
is "keys of four bits" 1 "$bin" run -p x -ctk q4_0
says "are refused" "q4_0 for values"
is "values of four bits" 0 "$bin" run -p "Once" -n 4 -ctv q4_0
is "--load with --chat" 2 "$bin" run --load "$tmp/session" --chat
is "the largest seed" 0 "$bin" run -p x -n 1 --seed 18446744073709551615 --json
says "as it was given" '"seed":"18446744073709551615"'

# ---- show, help, completions, manual -----------------------------------------------------------
is "show -c" 0 "$bin" show -c 512
says "memory" "q8_0/q4_0"
says "licence" "licence"
is "show --json" 0 "$bin" show -c 512 --json
says "in numbers" '"memory":{"tokens":512'
is "help of a command" 0 "$bin" help eval
says "is its own" "usage: chalcis eval"
for shell in bash zsh fish; do
    is "completion $shell" 0 "$bin" completion $shell
    says "knows options" "cache-k"
    cp "$tmp/out" "$tmp/completion.$shell"
    if command -v "$shell" >/dev/null; then
        is "$shell reads it" 0 "$shell" -n "$tmp/completion.$shell"
    fi
done
"$bin" completion bash >"$tmp/bash"
if (
    . "$tmp/bash" && COMP_WORDS=(chalcis eval --sho) COMP_CWORD=2 && _chalcis &&
        [ "${COMPREPLY[*]}" = "--shots --shots-file" ]
); then ok "bash completes"; else not_ok "bash completes"; fi
is "a shell that is none" 2 "$bin" completion tcsh
is "man" 0 "$bin" man
for c in run train eval show; do says "has $c" ".SS $c"; done
echo "1..$n"
