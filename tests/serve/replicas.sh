#!/bin/bash
# Two `chalcis serve` behind HAProxy and behind nginx, by the files in deploy/: a conversation stays
# where its cache is, others spread, streams come in pieces, who goes away is told, a replica that
# drains or dies costs no request.  What replicas did is read from their /metrics.  TAP.
# SPDX-License-Identifier: MIT
set -u
bin=${CHALCIS_BIN:-./chalcis}
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/support/tap.sh
. "$here/../support/tap.sh"
deploy=$here/../../deploy
PATH=$PATH:/usr/sbin
replica=() proxy="" client=""
bye() {
    local p
    for p in ${client:+"$client"} ${proxy:+"$proxy"} ${replica[@]+"${replica[@]}"}; do
        disown "$p"
        kill -9 "$p"
    done 2>/dev/null
    rm -rf "$tmp"
}
trap bye EXIT

# ---- The file of keys ----------------------------------------------------------------------------
is "make-key makes a key" 0 "$deploy/make-key.sh" "$tmp/keys" alice
key=$(sed -nE 's/^alice (sk-[0-9a-f]{48})$/\1/p' "$tmp/keys")
that "it is for its owner alone" [ "$(stat -c %a "$tmp/keys")" = 600 ]
is "made again" 0 "$deploy/make-key.sh" "$tmp/keys" bob
that "the first one stays" grep -qx "alice $key" "$tmp/keys"
: >"$tmp/empty"
is "an empty file" 0 "$deploy/make-key.sh" "$tmp/empty"
that "it stays as it is" [ ! -s "$tmp/empty" ]
that "no other file is left" [ "$(find "$tmp" -name 'keys*' -o -name 'empty*' | wc -l)" = 2 ]

for need in curl jq; do
    command -v $need >/dev/null || { skip "replicas" "needs $need"; echo "1..$n"; exit 0; }
done
if ! command -v haproxy >/dev/null && ! command -v nginx >/dev/null; then
    skip "behind HAProxy" "needs haproxy"
    skip "behind nginx" "needs nginx"
    echo "1..$n"
    exit 0
fi

# ---- Replicas ------------------------------------------------------------------------------------
soon() { # COMMAND...: it succeeds before long
    local i
    for i in $(seq 1200); do
        "$@" && return
        sleep 0.05
    done
    return 1
}
says_where() { grep -q ' at unix:' "$tmp/replica$1"; }
begun() { says_where "$1" || ! kill -0 "${replica[$1]}"; }
# Replica I is at $tmp/I.sock: who comes back to a port may find another there.
start() { # I
    "$bin" serve --host "unix:$tmp/$1.sock" --keys "$tmp/keys" -c 8192 -t 1 \
        >"$tmp/replica$1" 2>&1 &
    replica[$1]=$!
    soon begun "$1"
    says_where "$1" && return
    cp "$tmp/replica$1" "$tmp/err"
    not_ok "a replica begins"
    exit 1
}
count() { # I NAME: a number of /metrics
    curl -s -m 20 -H "x-api-key: $key" --unix-socket "$tmp/$1.sock" http://localhost/metrics |
        awk -v name="chalcis_$2" '$1 == name { print $2 }'
}
# How many requests each has had goes to was[]; taken: how many since then.
mark() { was=("$(count 0 requests_total)" "$(count 1 requests_total)"); }
taken() { echo $(($(count "$1" requests_total) - was[$1])); }

# ---- Requests ------------------------------------------------------------------------------------
# curl through the proxy; not a function, so that what is stopped is curl
web=(curl -sS -m 60 --unix-socket "$tmp/proxy.sock" -H "Authorization: Bearer $key")
ask() { # BODY ARGUMENTS...: the reply goes to $tmp/out, the status to $status
    local body=$1
    shift
    status=$("${web[@]}" -o "$tmp/out" -w '%{http_code}' http://localhost/v1/chat/completions \
        -H 'Content-Type: application/json' -d "$body" "$@" 2>"$tmp/err")
}
# talk NUMBER TURNS [FIELDS]: a conversation so far, about a hundred tokens and more
talk() {
    local i text="Tell me story number $1."
    for i in 1 2 3 4 5 6 7 8; do text+=" There was a cat that sat on a mat."; done
    printf '{"model":"any","seed":1,%s,"messages":[' "${3:-\"max_tokens\":1}"
    printf '{"role":"system","content":"You tell stories."},{"role":"user","content":"%s"}' "$text"
    for ((i = 0; i < $2; i++)); do
        printf ',{"role":"assistant","content":"Yes."},{"role":"user","content":"Go on."}'
    done
    printf ']}'
}
# long NUMBER N TOKENS STREAM: the request of N answers goes to $tmp/long; 16 of 7000 tokens, in
# seconds at best, are for who leaves
long() {
    talk "$1" 0 "\"stream\":$4,\"n\":$2,\"max_tokens\":$3,\"ignore_eos\":true" >"$tmp/long"
}
begin() { # NUMBER N TOKENS: a stream of them goes to $tmp/stream; it has begun
    long "$@" true
    rm -f "$tmp/stream"
    "${web[@]}" -N -o "$tmp/stream" http://localhost/v1/chat/completions -d @"$tmp/long" \
        2>"$tmp/err" &
    client=$!
    soon grep -q '"content":"[^"]' "$tmp/stream" 2>/dev/null
}
active() { [ "$(count "$1" answers_active)" -gt 0 ]; }
idle() { ! active "$1"; }
home_of() { # NUMBER: the replica that has it goes to $home
    mark
    ask "$(talk "$1" 0)"
    home=$(($(taken 1) > 0))
}

# ---- What holds behind any proxy -----------------------------------------------------------------
conversation() { # NAME
    local turn cached=0 all=0 ok=0
    for turn in 0 1 2 3; do
        [ "$turn" = 1 ] && mark
        ask "$(talk "$1" "$turn")"
        [ "$status" = 200 ] && ok=$((ok + 1))
        [ "$turn" -gt 0 ] || continue
        all=$((all + $(jq .usage.prompt_tokens "$tmp/out")))
        cached=$((cached + $(jq .usage.prompt_tokens_details.cached_tokens "$tmp/out")))
    done
    that "$1: a conversation is answered" [ $ok = 4 ]
    local one two
    one=$(taken 0) two=$(taken 1)
    that "$1: by one replica ($one and $two)" [ $((one * two)) = 0 ]
    that "$1: which had read it ($cached of $all tokens)" [ $((2 * cached)) -gt "$all" ]
}
spread() { # NAME: over one connection
    local i
    for i in $(seq 24); do
        talk "$1-$i" 0 >"$tmp/talk$i"
        [ "$i" = 1 ] || echo next
        printf 'url=http://localhost/v1/chat/completions\noutput=%s\n' "$tmp/out"
        printf 'data=@%s\nunix-socket=%s\n' "$tmp/talk$i" "$tmp/proxy.sock"
        printf 'header="Authorization: Bearer %s"\nsilent\n' "$key"
    done >"$tmp/many"
    mark
    curl -m 60 -K "$tmp/many" 2>"$tmp/err"
    local one two
    one=$(taken 0) two=$(taken 1)
    that "$1: others spread ($one and $two)" [ $((one + two)) = 24 -a $((one * two)) -gt 0 ]
}
session() { # NAME: the header says which conversation it is
    local i
    mark
    for i in 1 2 3 4 5 6; do ask "$(talk "$1-s$i" 0)" -H "X-Session-Id: one"; done
    that "$1: X-Session-Id keeps them together" [ $(($(taken 0) * $(taken 1))) = 0 ]
}
requests() { # NAME: what else a client may send
    ask "$(talk "$1" 0)" -H 'Transfer-Encoding: chunked'
    that "$1: a chunked body" [ "$status" = 200 ]
    ask "$(talk "$1" 0)" -H 'Expect: 100-continue'
    that "$1: Expect: 100-continue" [ "$status" = 200 ]
    ask "$(talk "$1" 0)" -0
    that "$1: HTTP/1.0" [ "$status" = 200 ]
    ask "$(talk "$1" 0)" --request-target http://localhost/v1/chat/completions
    that "$1: an absolute URI" [ "$status" = 200 ]
    head -c 33554433 /dev/zero >"$tmp/large"
    ask @"$tmp/large" -X POST --data-binary @"$tmp/large"
    that "$1: a body of more than 32 MiB" [ "$status" = 413 ]
    that "$1: and why" jq -e '.error.message | contains("33554432")' "$tmp/out"
    jq -nc '{prompt: ("a " * 1000000)}' >"$tmp/large"
    ask @"$tmp/large"
    that "$1: a long one is the replica's to refuse" [ "$status" = 400 ]
    rm "$tmp/large"
    status=$("${web[@]}" -o "$tmp/out" -w '%{http_code}' http://localhost/)
    that "$1: the page" [ "$status" = 200 ]
    # let in because its origin is the host that was asked
    status=$("${web[@]}" -o "$tmp/out" -w '%{http_code}' -H 'Origin: http://chat.example' \
        http://chat.example/v1/models)
    that "$1: the host is passed on" [ "$status" = 200 ]
    status=$("${web[@]}" -o "$tmp/out" -w '%{http_code}' http://localhost/metrics)
    that "$1: no metrics" [ "$status" = 404 ]
}
# A replica writes whole events; a proxy that gathers what it passes on would not.
whole() { [ "$(tail -c 2 "$tmp/stream" | od -An -tx1)" = " 0a 0a" ]; }
streams() { # NAME
    local before
    home_of "$1"
    before=$(count "$home" requests_canceled_total)
    begin "$1" 16 7000
    kill -STOP "${replica[home]}"
    that "$1: a stream comes as it is written" soon whole
    kill -CONT "${replica[home]}"
    that "$1: and while it is" active "$home"
    leave
    that "$1: a client that goes away" soon idle "$home"
    that "$1: is told to the replica" [ "$(count "$home" requests_canceled_total)" -gt "$before" ]
}
leave() {
    kill "$client"
    wait "$client" 2>/dev/null
    client=""
}
silent() { # NAME: the same of an answer that is not streamed
    local before
    home_of "$1"
    before=$(count "$home" requests_canceled_total)
    long "$1" 16 7000 false
    "${web[@]}" -o /dev/null http://localhost/v1/chat/completions -d @"$tmp/long" 2>/dev/null &
    client=$!
    soon active "$home"
    leave
    that "$1: also one that is still waiting" soon idle "$home"
    that "$1: is told" [ "$(count "$home" requests_canceled_total)" -gt "$before" ]
}
refuses() { ! curl -sf -m 20 -o "$tmp/out" --unix-socket "$tmp/$1.sock" http://localhost/ready; }
drains() { # NAME
    local i ok=0 rc
    # the second replica: of the first two requests at once HAProxy lets the first have one only
    for i in $(seq 40); do
        told=$1-$i
        home_of "$told"
        [ "$home" = 1 ] && break
    done
    { talk "$told" 0; printf '%400000s' ""; } >"$tmp/large" # as long as agents' are
    begin "$told" 3 1000
    kill -TERM "${replica[home]}"
    soon refuses "$home"
    ask @"$tmp/large"
    that "$1: a replica drains: another takes a large request" [ "$status" = 200 ]
    for i in 1 2 3 4; do
        ask "$(talk "$told" 0)"
        [ "$status" = 200 ] && ok=$((ok + 1))
    done
    that "$1: and others ($ok of 4)" [ $ok = 4 ]
    wait "$client"
    rc=$?
    client=""
    that "$1: what it had begun has its end" [ $rc = 0 ]
    that "$1: whole" grep -qx 'data: \[DONE\]' "$tmp/stream"
    wait "${replica[home]}"
    that "$1: then it ends" [ $? = 0 ]
}
returns() { # NAME: it takes its conversations again
    start "$home"
    took() { mark; ask "$(talk "$told" 0)"; [ "$(taken "$home")" = 1 ]; }
    that "$1: a replica comes back" soon took "$1"
}
dies() { # NAME
    local i ok=0
    home_of "$1"
    kill -9 "${replica[home]}"
    wait "${replica[home]}" 2>/dev/null
    for i in 1 2 3 4 5 6; do
        ask "$(talk "$1" "$i")"
        [ "$status" = 200 ] && ok=$((ok + 1))
    done
    that "$1: a replica dies: the other one answers ($ok of 6)" [ $ok = 6 ]
}
nobody() { # NAME
    kill -9 "${replica[1 - home]}"
    wait "${replica[1 - home]}" 2>/dev/null
    ask "$(talk "$1" 0)" -D "$tmp/headers"
    that "$1: without any: 503" [ "$status" = 503 ]
    that "$1: and when to come again" grep -qi '^retry-after: [0-9]' "$tmp/headers"
    that "$1: in the API's form" jq -e .error.message "$tmp/out"
}
behind() { # NAME
    soon [ -S "$tmp/proxy.sock" ] && soon "${web[@]}" -o "$tmp/out" http://localhost/health
    conversation "$1"
    spread "$1"
    session "$1"
    requests "$1"
    streams "$1"
    silent "$1"
    [ "$1" = haproxy ] && crowd
    drains "$1"
    returns "$1"
    dies "$1"
    nobody "$1"
    kill "$proxy"
    wait "$proxy" 2>/dev/null
    proxy=""
    rm -f "$tmp/proxy.sock"
    start 0
    start 1
}
crowd() { # many of one conversation: no replica has them all
    local i all=()
    mark
    long haproxy 16 7000 true
    for i in 1 2 3 4 5 6 7 8; do
        "${web[@]}" -o /dev/null http://localhost/v1/chat/completions -d @"$tmp/long" 2>/dev/null &
        all+=($!)
    done
    both() { [ $(($(taken 0) * $(taken 1))) -gt 0 ]; }
    that "haproxy: many at once of one conversation are shared" soon both
    kill "${all[@]}"
    wait "${all[@]}" 2>/dev/null
    soon idle 0
    soon idle 1
}

start 0
start 1
if command -v haproxy >/dev/null; then
    CHALCIS_BIND=unix@$tmp/proxy.sock CHALCIS_1=unix@$tmp/0.sock \
        CHALCIS_2=unix@$tmp/1.sock haproxy -db -f "$deploy/haproxy.cfg" >"$tmp/haproxy" 2>&1 &
    proxy=$!
    behind haproxy
else
    skip "behind HAProxy" "needs haproxy"
fi
if command -v nginx >/dev/null; then
    sed "s|listen .*; # here|listen unix:$tmp/proxy.sock; # here|
         s|127.0.0.1:8001|unix:$tmp/0.sock|; s|127.0.0.1:8002|unix:$tmp/1.sock|" \
        "$deploy/nginx.conf" >"$tmp/site.conf"
    cat >"$tmp/nginx.conf" <<END
$([ "$(id -u)" -ne 0 ] || echo "user root;") # reads $tmp, too
pid $tmp/nginx.pid;
daemon off;
events {}
http {
    access_log off;
    $(for i in client_body proxy fastcgi uwsgi scgi; do echo "${i}_temp_path $tmp/$i;"; done)
    include $tmp/site.conf;
}
END
    nginx -e "$tmp/nginx" -c "$tmp/nginx.conf" >"$tmp/said" 2>&1 &
    proxy=$!
    behind nginx
else
    skip "behind nginx" "needs nginx"
fi
echo "1..$n"
