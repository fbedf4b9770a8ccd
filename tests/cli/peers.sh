#!/bin/bash
# make bench-peers: files are written, peers take turns, ratios are right.  The peer here is a
# script that answers as llama-bench does; nothing is installed.  TAP.  SPDX-License-Identifier: MIT
set -u
bin=$(realpath "${CHALCIS_BIN:-./chalcis}")
root=$(realpath "$(dirname "$0")/../..")
# shellcheck source=tests/support/tap.sh
. "$root/tests/support/tap.sh"

# peer FILE PP TG: an array of two tests, on many lines as llama-bench writes it; who was asked is
# noted
peer() {
    cat >"$1" <<END
#!/bin/bash
echo "$1 \$*" >>"$tmp/asked"
printf '[\n  {\n    "n_prompt": 8,\n    "avg_ts": %s,\n    "stddev_ts": 0.0\n  },\n' $2
printf '  {\n    "n_gen": 2,\n    "avg_ts": %s,\n    "stddev_ts": 0.0\n  }\n]\n' $3
END
    chmod +x "$1"
}
peer "$tmp/one" 2.000000 4.000000
peer "$tmp/two" 1.000000 8.000000
speed() { # SETTING...: on a tiny model
    env CHALCIS="$bin" ROUNDS=3 PROMPT=8 GENERATE=2 THREADS=1 SHAPES=tiny:q4_0 PEERS="$tmp/none" \
        "$@" "$root/bench/peers/speed.sh"
}
is "two peers" 0 speed LLAMA_BENCH="$tmp/one" IK_BENCH="$tmp/two" DIR="$tmp/models"
cp "$tmp/out" "$tmp/table"
says "a line a test and peer" "| tiny-q4_0 | pp8 |"
if [ "$(grep -c '^| tiny-q4_0 | [pt][pg][82] | .* | 3 |$' "$tmp/table")" -eq 4 ]; then
    ok "both tests of both peers, three pairs each"
else
    not_ok "both tests of both peers, three pairs each"
fi
# | file | test | chalcis | peer | its tok/s | ratio | least to most | pairs |
if awk -F ' *[|] *' '/^[|] tiny/ {
        want = ($3 == "pp8") == ($5 == "llama.cpp") ? ($3 == "pp8" ? 2 : 8) : $3 == "pp8" ? 1 : 4
        split($8, ends, " to ")
        off = $4 / $6 / $7 - 1
        if ($6 != want || off > 0.01 || off < -0.01 || ends[1] > $7 || $7 > ends[2]) bad = 1
    } END {exit bad}' "$tmp/table"; then
    ok "the peers figures, and ratios"
else
    not_ok "the peers figures, and ratios"
fi
asked=$(awk '{print $1}' "$tmp/asked" | paste -sd ' ' | sed "s|$tmp/||g")
if [ "$asked" = "one two one two one two" ]; then ok "in turns"; else not_ok "in turns"; fi
that "the file stays where DIR says" test -s "$tmp/models/tiny-q4_0.gguf"
is "a file that is there" 0 \
    speed LLAMA_BENCH="$tmp/one" MODELS="$tmp/models/tiny-q4_0.gguf" ROUNDS=1
says "is taken" "| tiny-q4_0 | tg2 |"
printf '#!/bin/bash\necho "no such model" >&2; exit 1\n' >"$tmp/two"
is "a peer that fails" 1 speed LLAMA_BENCH="$tmp/two" DIR="$tmp/models"
says "what it said" "no such model"
says "which it was" "llama.cpp gives no figures"
is "no peer there" 1 speed LLAMA_BENCH="$tmp/nobody"
says "names it" "nobody is no program"
is "no such shape" 1 speed LLAMA_BENCH="$tmp/one" SHAPES=7B:q4_0
says "names those there are" "tiny, 0.5B and 1.1B"
is "no such type" 1 speed LLAMA_BENCH="$tmp/one" SHAPES=tiny:q9
says "names it" "q9"
is "no rounds" 1 speed LLAMA_BENCH="$tmp/one" ROUNDS=none
echo "1..$n"
