#!/bin/bash
# The program as a user meets it: exit codes, streams, options.  TAP.
set -u
bin=${CHALCIS_BIN:-./chalcis}
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
# same NAME FILE: stdout of the last command is FILE
same() { if cmp -s "$tmp/out" "$2"; then ok "$1"; else not_ok "$1"; fi; }
quiet() { if [ ! -s "$tmp/out" ]; then ok "$1"; else not_ok "$1: stdout is not empty"; fi; }

is "no command" 2 "$bin"
is "an unknown command" 2 "$bin" dance
says "names it" "dance"
is "a command with two letters changed" 2 "$bin" tokneize
says "what was meant" "did you mean tokenize?"
is "help" 0 "$bin" --help
says "lists commands" "perplexity"
is "version" 0 "$bin" --version
for c in run train quantize perplexity bench tokenize show cpu; do
    is "$c --help" 0 "$bin" $c --help
done
is "an unknown option" 2 "$bin" run --colour
says "names it, and one that is near" 'no option "--colour"; did you mean --color?'
is "an option's longer name" 2 "$bin" run --temperature=0
says "its beginning" "did you mean --temp?"
is "letters that changed places" 2 "$bin" run --ehco
says "the option" "did you mean --echo?"
is "an option that nothing resembles" 2 "$bin" run --frobnicate
says "offers nothing" '"--frobnicate" (see'
is "a missing value" 2 "$bin" run -n
is "a bad number" 2 "$bin" run -n many
says "says what is wanted" "whole number"
is "a sampler out of its range" 2 "$bin" run --top-p 1.5
says "says the range" "0 to 1"
is "a model that is not there" 1 "$bin" run -m "$tmp/none.gguf" -p x
says "names the file" "none.gguf"
quiet "nothing on stdout"
echo "this is no model" >"$tmp/bad.gguf"
is "a file that is no model" 1 "$bin" run -m "$tmp/bad.gguf" -p x
says "names the file" "bad.gguf"
is "a directory" 1 "$bin" show "$tmp"
is "cpu" 0 "$bin" cpu
is "cpu --json" 0 "$bin" cpu --json
is "an unknown mask" 1 env CHALCIS_CPU=z80 "$bin" cpu
says "names it" "z80"
is "a smaller CPU" 0 env CHALCIS_CPU=c "$bin" cpu
says "runs plain C" "gemm_q8       c"
is "cpu --measure" 0 "$bin" cpu --measure -t 2
says "has a line of memory" "read memory"
says "tells what all threads do" "2 threads"
json_at=$(dirname "$bin")/tests/support/json_at
is "cpu --measure --json" 0 "$bin" cpu --measure -t 1 --json
cp "$tmp/out" "$tmp/measured"
memory=ceilings.read_memory
if "$json_at" "$tmp/measured" $memory.unit $memory.{one,all}.{median,least,most} \
        >"$tmp/out" 2>"$tmp/err" &&
    awk 'NR == 1 {ok = $1 == "\"GB/s\""} NR > 1 && $1 <= 0 {ok = 0} END {exit !(ok && NR == 7)}' \
        "$tmp/out"; then
    ok "fields that are there, and positive"
else
    not_ok "fields that are there, and positive"
fi
is "cpu --measure without instructions" 0 env CHALCIS_CPU=c "$bin" cpu --measure -t 1
says "says that there is none" "int8 dot     no such instruction"
is "cpu --measure of too many threads" 2 "$bin" cpu --measure -t 5000

# ---- The bundled model --------------------------------------------------------------------------
is "run" 0 "$bin" run -p "Once upon a time" -n 16 --temp 0
cp "$tmp/out" "$tmp/first"
says "tells the speed on stderr" "tok/s"
is "run again, 1 thread" 0 "$bin" run -p "Once upon a time" -n 16 --temp 0 -t 1
same "the same text" "$tmp/first"
is "run --echo" 0 "$bin" run -p "Once upon a time" -n 16 --temp 0 --echo
{ printf 'Once upon a time'; cat "$tmp/first"; } >"$tmp/both"
same "prompt and completion" "$tmp/both"
for run in a:7 b:7 c:8; do
    "$bin" run -p "Once upon a time" -n 40 --seed "${run#*:}" >"$tmp/${run%:*}" 2>/dev/null
done
if cmp -s "$tmp/a" "$tmp/b" && ! cmp -s "$tmp/a" "$tmp/c"; then ok seeds; else not_ok seeds; fi
echo -n "Once upon a time" | "$bin" run -n 16 --temp 0 >"$tmp/out" 2>"$tmp/err"
same "a prompt from stdin" "$tmp/first"
echo -n "Once upon a time" >"$tmp/prompt"
is "a prompt from a file" 0 "$bin" run -f "$tmp/prompt" -n 16 --temp 0
same "the same text from it" "$tmp/first"
is "two prompts" 2 "$bin" run -p a -f "$tmp/prompt"
is "a context too small" 1 "$bin" run -f "$tmp/prompt" -c 2 -n 4
says "names both numbers" "holds 2"
is "json" 0 "$bin" run -p "Once upon a time" -n 4 --temp 0 --json
says "with tokens" '"tokens":4'
is "writing to a full disk" 1 sh -c "'$bin' run -p x -n 8 >/dev/full"
is "tokenize" 0 "$bin" tokenize -p "Hello there" --ids
if grep -qE '^\[[0-9, ]+\]$' "$tmp/out"; then ok "an array"; else not_ok "an array"; fi
is "show" 0 "$bin" show
says "bits a weight" "bits a weight"
is "show --json" 0 "$bin" show --json
yes "The cat sat on the mat and looked at the moon." | head -8 >"$tmp/text"
model=$(dirname "$0")/../../models/chalcis-tiny.gguf
"$bin" quantize "$model" "$tmp/other.gguf" q4_0 --allow-requantize -q 2>/dev/null
is "perplexity" 0 "$bin" perplexity -f "$tmp/text" --json
for key in nll ppl bpb tokens bytes; do says "has $key" "\"$key\":"; done
for rows in 16 32; do
    is "logits of $rows tokens" 0 "$bin" perplexity -f "$tmp/text" -c $rows --logits "$tmp/$rows"
done
half=$(wc -c <"$tmp/16")
if [ "$(wc -c <"$tmp/32")" -eq $((2 * half)) ] && cmp -sn "$half" "$tmp/16" "$tmp/32"; then
    ok "a row a token"
else
    not_ok "a row a token"
fi
for mask in avx2 avx2,avxvnni avx512vnni avx512,-avx512vnni,-avx512bf16; do
    CHALCIS_CPU=$mask "$bin" perplexity -f "$tmp/text" --logits "$tmp/$mask" >/dev/null 2>"$tmp/err"
done
if cmp "$tmp/avx2" "$tmp/avx2,avxvnni" && [ -s "$tmp/avx2" ] &&
    cmp "$tmp/avx512vnni" "$tmp/avx512,-avx512vnni,-avx512bf16"; then
    ok "masks of one class"
else
    not_ok "masks of one class"
fi
is "logits into nowhere" 1 "$bin" perplexity -f "$tmp/text" --logits "$tmp/none/logits"
is "perplexity of nothing" 1 "$bin" perplexity -f /dev/null
is "a model beside itself" 0 "$bin" perplexity -f "$tmp/text" --kl-base "$model" --json
says "diverges by nothing" '"kl":{"mean":0.0,"low":0.0,"high":0.0,"median":0.0,'
says "nowhere" '"p99":0.0,"max":0.0}'
says "and agrees always" '"same_top":{"share":1.0,'
is "a model beside another" 0 "$bin" perplexity -f "$tmp/text" --kl-base "$tmp/other.gguf"
says "in nats" "KL(base || model) 0."
cp "$tmp/out" "$tmp/first"
is "on one thread" 0 "$bin" perplexity -f "$tmp/text" --kl-base "$tmp/other.gguf" -t 1
that "the same digits" cmp "$tmp/out" "$tmp/first"
is "a base that is not there" 1 "$bin" perplexity -f "$tmp/text" --kl-base "$tmp/none.gguf"
says "by name" "none.gguf"
"$bin" init llama -o "$tmp/unlike.gguf" --shape L1,D64 >/dev/null 2>&1
is "a base of other tokens" 1 "$bin" perplexity -f "$tmp/text" --kl-base "$tmp/unlike.gguf"
says "cannot be compared" "only models of one vocabulary can be compared"
is "bench" 0 "$bin" bench -p 16 -n 4 -r 1 --json
says "names the tests" "pp16"
is "bench of lists" 0 "$bin" bench -p 1,8-16+8 -n 2 -d 0,4 -s 1-2 --pg 4,2 -r 2 -o csv
says "every depth with every number of streams" '"pp4+tg2 @d4 x2"'
if [ "$(wc -l <"$tmp/out")" -eq 21 ]; then ok "a line a test"; else not_ok "a line a test"; fi
is "bench of no list" 2 "$bin" bench -p 4-1
is "bench of a step beyond all" 0 "$bin" bench -p 1-4+9223372036854775807 -n 0 -r 1 -o csv
is "bench of half a pair" 2 "$bin" bench --pg 4
is "bench --profile" 0 "$bin" bench -p 8 -n 2 -t 1 --profile
says "a table a test" "tg2: "
says "says what its shares are of" "100 % is"
if [ "$(awk '{print length}' "$tmp/out" | sort -n | tail -1)" -le 100 ]; then
    ok "in 100 columns"
else
    not_ok "in 100 columns"
fi
is "bench --profile --json" 0 "$bin" bench -p 8 -n 2 -t 1 --profile --json
cp "$tmp/out" "$tmp/profile"
if "$json_at" "$tmp/profile" tests.*.operations.1.{operation,time_us,calls,read_gb_s,gop_s} \
        tests.*.time_us ceilings.read_memory.all.most >"$tmp/out" 2>"$tmp/err" &&
    [ "$(grep -c '^"linear"$' "$tmp/out")" -eq 2 ] &&
    awk '$1 != "\"linear\"" && !($1 > 0) {bad = 1} END {exit bad || NR != 13}' "$tmp/out"; then
    ok "fields of prompt and generation, and positive"
else
    not_ok "fields of prompt and generation, and positive"
fi
is "bench --profile without instructions" 0 \
    env CHALCIS_CPU=c "$bin" bench -p 2 -n 0 -t 1 --profile --json
"$json_at" "$tmp/out" tests.0.operations.1.product_share >"$tmp/share" 2>"$tmp/err"
that "has no share of them" grep -qx null "$tmp/share"
is "bench --profile as a list" 2 "$bin" bench --profile -o csv
says "says what there is" "md or json"
is "bench in no format" 2 "$bin" bench -o xml
"$bin" run -p "Once upon a time" -n -1 --ignore-end --temp 1 >"$tmp/out" 2>"$tmp/err" &
pid=$!
for _ in $(seq 600); do [ -s "$tmp/out" ] && break; sleep 0.05; done # until it writes
kill -INT $pid; wait $pid; rc=$?
if [ $rc -eq 130 ] || { [ $rc -eq 0 ] && grep -q 'stop: context' "$tmp/err"; }; then
    ok "interrupted"
else
    not_ok "interrupted (exit $rc)"
fi
says "tells the speed all the same" "tok/s"
bundled=$(dirname "$0")/../../models/chalcis-tiny.gguf
is "quantize" 0 "$bin" quantize "$bundled" "$tmp/q4.gguf" q4_0 --allow-requantize
cp "$tmp/q4.gguf" "$tmp/same.gguf"
is "quantize a file onto itself" 1 "$bin" quantize "$tmp/same.gguf" "$tmp/./same.gguf" q8_0
cp "$tmp/same.gguf" "$tmp/out"
same "it is as it was" "$tmp/q4.gguf"
is "more tokens than any context" 1 "$bin" run -p x -n 999999999
says "names both numbers" "a context holds"
is "run what was written" 0 "$bin" run -m "$tmp/q4.gguf" -p "Once" -n 8
is "quantize to an unknown format" 1 "$bin" quantize "$tmp/q4.gguf" "$tmp/q.gguf" q9_9
says "names those there are" "q8_0"

# ---- Training, small ---------------------------------------------------------------------------
mkdir "$tmp/data"
for doc in $(seq 12); do
    for i in $(seq 60); do
        echo "The cat number $i sat on the mat. The dog number $doc ran to the house."
    done >"$tmp/data/$doc.txt"
done
small="--vocab 300 --layers 1 --width 32 --heads 2 --kv-heads 1 --head-width 16 --hidden 64"
small="$small --length 32 --micro-batch 2 --held-out 0.2"
is "train" 0 "$bin" train --data "$tmp/data" --out "$tmp/run" $small --steps 6 --quiet
is "the trained model runs" 0 "$bin" run -m "$tmp/run/model.gguf" -p "The cat" -n 8
is "training without --out" 2 "$bin" train --data "$tmp/data"
is "training on nothing" 1 "$bin" train --data "$tmp/none" --out "$tmp/run2" $small
says "names the path" "none"
is "training over a run" 1 "$bin" train --data "$tmp/data" --out "$tmp/run" $small --steps 6

# ---- Files of others, where they are -------------------------------------------------------------
d=${CHALCIS_SHARED:-}/models/stories260K
if [ -e "$d/stories260K.bin" ]; then
    is "a llama2.c model" 0 "$bin" run -m "$d/stories260K.bin" -p "" --temp 0 -n 200
    same "llama2.c's own text" "$d/greedy_200.txt"
    is "the same model as GGUF" 0 "$bin" run -m "$d/stories260K-f32.gguf" -p "" --temp 0 -n 200
    same "the same text from it" "$d/greedy_200.txt"
    is "the v1 format" 0 "$bin" run -m "$d/checkpoint_v1.bin" -p "" --temp 0 -n 200
    same "the same text from v1" "$d/greedy_200.txt"
    for f in stories260K.bin stories260K-f32.gguf; do
        "$bin" perplexity -m "$d/$f" -f "$d/greedy_200.txt" --json 2>/dev/null |
            sed 's/.*"nll":\([0-9.]*\).*/\1/' >>"$tmp/nll"
    done
    if awk 'NR == 1 {a = $1} NR == 2 {d = a - $1; exit !(d < 1e-5 && d > -1e-5 && a > 0)}' \
        "$tmp/nll"; then ok "equal perplexity"; else not_ok "equal perplexity"; fi
    cp "$d/stories260K.bin" "$tmp/alone.bin"
    is "a llama2.c model without its vocabulary" 1 "$bin" run -m "$tmp/alone.bin" -p x
    says "says where it looked" "tok512.bin"
    is "the vocabulary by name" 0 "$bin" run -m "$tmp/alone.bin" --tokenizer "$d/tok512.bin" \
        -p "" --temp 0 -n 20
    # Blocks of four to eight bits beside the same weights decoded: text, and perplexity to 0.5 %.
    is "a q4_k_m file" 0 "$bin" convert "$d/stories260K-q4_k_m.gguf" "$tmp/decoded.gguf" --type f32
    printf '%s' "Once upon a time, there was a little girl named Lily. She loved to play outside" \
        " in the park. One day, she saw" >"$tmp/begins"
    : >"$tmp/nll"
    for f in "$d/stories260K-q4_k_m.gguf" "$tmp/decoded.gguf"; do
        is "${f##*/}: at temperature 0" 0 "$bin" run -m "$f" -p "" --temp 0 -n 60
        that "says what is recorded" cmp -n "$(wc -c <"$tmp/begins")" "$tmp/out" "$tmp/begins"
        "$bin" perplexity -m "$f" -f "$d/greedy_200.txt" --json 2>/dev/null |
            sed 's/.*"nll":\([0-9.]*\).*/\1/' >>"$tmp/nll"
    done
    that "equal perplexity to 0.5 %" awk 'NR == 1 {a = $1}
        NR == 2 {d = exp(a - $1) - 1; ok = a > 0 && d < 0.005 && d > -0.005} END {exit !ok}' \
        "$tmp/nll"
else
    skip "files of others" "needs \$CHALCIS_SHARED/models/stories260K"
fi
echo "1..$n"
