#!/bin/bash
# A run of training as one sees it: its lines, its curve and card, runs side by side, the live page.
# TAP.
set -u
bin=${CHALCIS_BIN:-./chalcis}
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

# ---- Stories -----------------------------------------------------------------------------------
awk=$(dirname "$0")/../../tools/stories.awk
mkdir "$tmp/data"
is "stories" 0 awk -f "$awk" -v files=8 -v into="$tmp/data"
that "as many files as asked for" test "$(find "$tmp/data" -name '*.txt' | wc -l)" -eq 8
awk -f "$awk" -v stories=3 -v seed=4 >"$tmp/a"
awk -f "$awk" -v stories=3 -v seed=4 >"$tmp/b"
awk -f "$awk" -v stories=3 -v seed=5 >"$tmp/c"
that "one seed, one text" cmp "$tmp/a" "$tmp/b"
if cmp -s "$tmp/a" "$tmp/c"; then not_ok "another seed"; else ok "another seed"; fi
that "no rule is left" sh -c "! grep -q '[<>]' '$tmp/a' '$tmp/data'/*"

# ---- A run -------------------------------------------------------------------------------------
small="--vocab 300 --layers 1 --width 32 --head-width 16 --hidden 64 --length 32 --micro-batch 2"
small="$small --held-out 0.2 --eval-every 5 --eval-tokens 500"
cd "$tmp" || exit 1
case $bin in /*) ;; *) bin=$OLDPWD/$bin ;; esac
is "train" 0 "$bin" train -d data -o one $small --steps 20 --sample-every 10 --sample-prompt "Once"
that "each phase once" test "$(grep -c '^vocabulary$' err)" -eq 1
that "a last line with all steps" grep -q '^training 20/20  loss' err
that "without escape sequences" sh -c "! grep -q \"\$(printf '\\033')\" err"
that "samples are shown" test "$(grep -c '^step [12]0: ' err)" -eq 2
that "and kept" test "$(wc -l <one/samples.jsonl)" -eq 2
that "a card" grep -q '^# one$' one/README.md
that "the numbers of the curve" test -s one/curve.dat
that "its script" grep -q "set output './curve.svg'" one/curve.gnuplot
if command -v gnuplot >/dev/null; then
    that "the curve" grep -q '</svg>' one/curve.svg
else
    skip "the curve" "needs gnuplot"
fi
is "the environment is for runs that begin" 0 env MAX_EPOCHS=9 LEARNING_RATE=1 TRAIN_BATCH_SIZE=1 \
    "$bin" train -d data -o one --resume
is "a model of someone's stays" 1 sh -c "mkdir mine && echo gguf >mine/model.gguf &&
    exec '$bin' train -d data -o mine $small --steps 1"
says "where it is" "mine/model.gguf is no run's; choose another directory"
is "train --learn-prompts" 2 "$bin" train -d data -o none --learn-prompts
is "without gnuplot" 0 env PATH=/nonexistent "$bin" train -d data -o two $small --steps 10 --lr 4e-3
says "names the script" "two/curve.gnuplot"

# ---- Side by side ------------------------------------------------------------------------------
is "compare" 0 "$bin" compare one two
sed -E 's/ +/ /g; s/^ //' out | grep -vE '^(time|tokens a second)' >table
cat >want <<'END'
one two
steps 20 10
tokens 2.56k 1.28k
parameters 18.9k 18.9k
END
that "the table's head" sh -c 'head -n 4 table | cmp - want'
that "at equal tokens" grep -q '^after 1.28k tokens' table
sed -n '/^options that differ/,$p' table >differ
printf 'options that differ\nsteps 20 10\nlr 0.005 0.004\n' | sort >want
that "the options that differ, and no others" sh -c 'sort differ | cmp - want'
is "compare --json" 0 "$bin" compare one/ two --json
says "with keys" '"best_val_bpb":'
says "with options" '"lr":['
is "compare --chart" 0 "$bin" compare one --chart
says "draws" "o validation"
is "compare --plot" 0 "$bin" compare one two --plot both.svg
that "writes the script" grep -q "one, training" both.gnuplot
is "a plot of another kind" 1 "$bin" compare one --plot both.pdf
says "says which there are" ".svg or .png"
is "what is no run" 1 "$bin" compare one data
says "says so" "data is no run of training"
is "no run at all" 2 "$bin" compare
echo '{"loss":' >>two/metrics.jsonl
is "a log that is broken" 1 "$bin" compare two
says "names the line" "metrics.jsonl, line "
truncate -s -1 two/metrics.jsonl
is "a log that is being written" 0 "$bin" compare two

# ---- The live page -----------------------------------------------------------------------------
get() { # PATH: over bash's own sockets
    exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
    printf 'GET %s HTTP/1.0\r\nHost: %s\r\n\r\n' "$1" "${2:-127.0.0.1}" >&3
    timeout 60 cat <&3
    exec 3>&-
}
port=$((10000 + $$ % 20000)) # below those that the system gives to clients
"$bin" train -d data -o three $small --steps 100000 --watch $port >out 2>err &
server=$!
for _ in $(seq 600); do
    grep -q 'watch' err && break
    sleep 0.1
done
if grep -q 'built without libmicrohttpd' err; then
    wait $server
    server=""
    skip "the live page" "needs libmicrohttpd"
else
    for _ in $(seq 600); do
        [ -s three/metrics.jsonl ] && break
        sleep 0.1
    done
    get / >page 2>/dev/null
    that "a page" grep -q '</html>' page
    if grep -qE '(src|href)="?http' page; then not_ok "asks nobody"; else ok "asks nobody else"; fi
    get /now.json >page
    that "the present" grep -q '"steps":100000' page
    get /metrics.jsonl >page
    that "the log" grep -q '"step":1,"loss":' page
    get '/metrics.jsonl?from=4' >page
    that "the log from a byte on" grep -q 'ep":1,"loss":' page
    get '/metrics.jsonl?from=999999999999' >page
    that "past its end" grep -q '^HTTP/1.. 416' page
    get '/../one/metrics.jsonl' >page
    that "nothing else" grep -q '^HTTP/1.. 404' page
    get /now.json evil.example >page
    that "not for others" grep -q '^HTTP/1.. 403' page
    "$bin" train -d data -o four $small --watch $port >out2 2>err2
    rc=$?
    that "a port that is taken" test $rc -eq 1
    that "says so" grep -q "port $port cannot be listened on" err2
    that "before anything is made" test ! -e four
    kill -INT $server
    wait $server
    rc=$?
    server=""
    that "interrupted" test $rc -eq 130
    that "the curve all the same" test -s three/curve.dat
fi

# ---- Help --------------------------------------------------------------------------------------
is "help COMMAND" 0 "$bin" help compare
says "is the command's" "usage: chalcis compare"
is "help for what is no command" 2 "$bin" help dance
is "nothing to measure" 2 "$bin" bench -p 0 -n 0
"$bin" run -p x -n 8 >/dev/full 2>err
that "a failed write is told once" test "$(grep -c '^chalcis:' err)" -eq 1
echo "1..$n"
