#!/bin/sh
# What the server makes of what its kernels can: streams over HTTP beside the same tokens without.
#
#   bench/serve/table.sh [MODEL] [ROUNDS] [IN] [OUT] [STREAMS ...]
#
# In turns, ROUNDS [9] times for each number of streams: "chalcis bench --pg IN,OUT -s STREAMS"
# computes the prompts of all streams [128 tokens each] and then a token of each per step [64],
# nothing else; load.c asks the same of a server on that model, each three times.  Prints medians,
# the share that the server reaches (median, least and most of the pairs), what the client takes of
# the same processors and the share of what it leaves, and the server's memory.
# Wants curl and libcurl's headers (libcurl4-gnutls-dev).
set -eu
chalcis=${CHALCIS:-./chalcis}
here=$(cd "$(dirname "$0")" && pwd)
model=${1:-models/chalcis-tiny.gguf} rounds=${2:-9} in=${3:-128} out=${4:-64}
[ $# -gt 4 ] && shift 4 || set -- 1 4 8 16
tmp=$(mktemp -d)
# shellcheck disable=SC2086
${CC:-cc} -std=c11 -D_GNU_SOURCE -O2 ${CFLAGS:-} -o "$tmp/load" "$here/load.c" -lcurl
"$chalcis" serve -m "$model" --port 0 >"$tmp/log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null; rm -rf "$tmp"' EXIT
url=""
until [ -n "$url" ] && curl -sf "$url/ready" >"$tmp/ready"; do
    kill -0 $server 2>/dev/null || { cat "$tmp/log" >&2; exit 1; }
    sleep 0.2
    url=$(sed -n 's|.* at \(http://127.0.0.1:[0-9]*\)/.*|\1|p' "$tmp/log")
done
kilobytes() { sed -n "s/^$1:[^0-9]*\([0-9]*\).*/\1/p" "/proc/$server/status"; }
begin=$(kilobytes VmRSS)
part=$(echo "$out $in" | awk '{ print $1 / ($1 + $2) }') # of computed tokens, those generated
for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    for n in "$@"; do
        could=$("$chalcis" bench -m "$model" -p 0 -n 0 --pg "$in,$out" -s "$n" -r 3 -o jsonl \
            2>/dev/null | sed -n 's/.*"median_ts":\([0-9.e+]*\).*/\1/p')
        "$tmp/load" --in "$in" --out "$out" --rounds 3 --warm 0.1 --seed "$round" --json "$url" "$n" |
            sed 's/[":{}]/ /g; s/,/ /g' |
            awk -v n="$n" -v could="$could" -v part="$part" '
                { for (i = 1; i < NF; i++) v[$i] = $(i + 1)
                  print n, could * part, v["tok_s"], v["first_ms_p50"], v["gap_ms_p50"],
                        v["gap_ms_p99"], v["client_percent"] }' >>"$tmp/pairs"
    done
done
echo "| streams | could, tok/s | did, tok/s | share (least to most) | client, % of the processors; share of what it leaves | first token, ms | between, p50, p99 ms |"
echo "|---|---|---|---|---|---|---|"
for n in "$@"; do
    awk -v n="$n" '
        function median(v, k,   i, j, x) {
            for (i = 2; i <= k; i++) { x = v[i]; for (j = i - 1; j > 0 && v[j] > x; j--) v[j + 1] = v[j]; v[j + 1] = x }
            return (v[int((k + 1) / 2)] + v[int(k / 2) + 1]) / 2
        }
        $1 == n { k++; c[k] = $2; d[k] = $3; s[k] = $3 / $2; f[k] = $4; g[k] = $5; h[k] = $6
                  p[k] = $7; l[k] = s[k] / (1 - $7 / 100) }
        END { m = median(s, k)
              printf "| %d | %.1f | %.1f | %.2f (%.2f to %.2f) | %.1f, %.2f | %.0f | %.1f, %.1f |\n",
                     n, median(c, k), median(d, k), m, s[1], s[k], median(p, k), median(l, k),
                     median(f, k), median(g, k), median(h, k) }' "$tmp/pairs"
done
echo
echo "memory: $begin kB ready, $(kilobytes VmRSS) kB at the end, $(kilobytes VmHWM) kB at most"
