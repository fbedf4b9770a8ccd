#!/bin/sh
# Streams against this server and against those of llama.cpp, on the same file, in turns.
#
#   LLAMA_SERVER=PATH IK_SERVER=PATH bench/serve/peers.sh MODEL [ROUNDS] [IN] [OUT] [STREAMS ...]
#
# The programs are llama-server of llama.cpp and of ik_llama.cpp, one of them or both.  All servers
# are started and wait; then, ROUNDS [5] times for each number of streams [1 8], load.c asks each in
# turn: prompts of IN [128] drawn tokens, OUT [64] tokens each.  Prints medians, and the ratio chalcis
# / peer round by round.  Peers are asked by --native (load.c).  THREADS [one per CPU].  Wants curl
# and libcurl's headers.
set -eu
chalcis=${CHALCIS:-./chalcis}
here=$(cd "$(dirname "$0")" && pwd)
model=${1:?usage: peers.sh MODEL [ROUNDS] [IN] [OUT] [STREAMS ...]}
rounds=${2:-5} in=${3:-128} out=${4:-64} threads=${THREADS:-$(nproc)}
[ $# -gt 4 ] && shift 4 || set -- 1 8
most=$(printf '%s\n' "$@" | sort -n | tail -1)
tmp=$(mktemp -d) back=$PWD
pids=
trap 'kill $pids 2>/dev/null || :; rm -rf "$tmp"' EXIT
# shellcheck disable=SC2086
${CC:-cc} -std=c11 -D_GNU_SOURCE -O2 ${CFLAGS:-} -o "$tmp/load" "$here/load.c" -lcurl

await() { # NAME URL PATH, of the process begun last
    tries=0
    until curl -sf "$2/$3" >/dev/null; do
        tries=$((tries + 1))
        kill -0 $! && [ $tries -lt 600 ] || { cat "$tmp/$1.log" >&2; exit 1; }
        sleep 0.2
    done
    echo "$1 $2" >>"$tmp/servers"
}
peer() { # NAME PROGRAM PORT
    [ -n "$2" ] || return 0
    program=$(realpath "$2") file=$(realpath "$model")
    cd "$tmp" # where they write their own logs
    "$program" -m "$file" -t "$threads" -np "$most" -c $((most * (in + out + 64))) --host 127.0.0.1 \
        --port "$3" >"$tmp/$1.log" 2>&1 &
    pids="$pids $!"
    cd "$back"
    await "$1" "http://127.0.0.1:$3" health
}
"$chalcis" serve -m "$model" --port 8461 -t "$threads" >"$tmp/chalcis.log" 2>&1 &
pids=$!
await chalcis http://127.0.0.1:8461 ready
peer llama.cpp "${LLAMA_SERVER:-}" 8462
peer ik_llama.cpp "${IK_SERVER:-}" 8463

for round in $(seq "$rounds"); do
    for n in "$@"; do
        while read -r name url; do
            echo "round $round of $rounds: $n at $name" >&2
            [ "$name" = chalcis ] && own= || own=--native
            "$tmp/load" $own --in "$in" --out "$out" --rounds 1 --warm 0.1 --seed "$round" --json "$url" "$n" |
                sed 's/[":{}]/ /g; s/,/ /g' |
                awk -v n="$n" -v name="$name" '
                    { for (i = 1; i < NF; i++) v[$i] = $(i + 1)
                      print n, name, v["tok_s"], v["first_ms_p50"], v["gap_ms_p50"], v["gap_ms_p99"] }' \
                    >>"$tmp/figures"
        done <"$tmp/servers"
    done
done
echo "| streams | server | tok/s (least to most) | chalcis / it | first token, ms | chalcis / it | between, p50, p99 ms |"
echo "|---|---|---|---|---|---|---|"
for n in "$@"; do
    while read -r name url; do
        awk -v n="$n" -v name="$name" '
            function sorted(v, k,   i, j, x) {
                for (i = 2; i <= k; i++) { x = v[i]; for (j = i - 1; j > 0 && v[j] > x; j--) v[j + 1] = v[j]; v[j + 1] = x }
                return (v[int((k + 1) / 2)] + v[int(k / 2) + 1]) / 2
            }
            $1 == n && $2 == "chalcis" { us[++u] = $3; first[u] = $4 }
            $1 == n && $2 == name { s[++k] = $3; f[k] = $4; g[k] = $5; h[k] = $6 }
            END { for (i = 1; i <= k; i++) { r[i] = us[i] / s[i]; q[i] = first[i] / f[i] }
                  m = sorted(s, k)
                  printf "| %d | %s | %.1f (%.1f to %.1f) | %.2f | %.0f | %.2f | %.1f, %.1f |\n", n, name,
                         m, s[1], s[k], sorted(r, k), sorted(f, k), sorted(q, k), sorted(g, k), sorted(h, k) }' \
            "$tmp/figures"
    done <"$tmp/servers"
done
