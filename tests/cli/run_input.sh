#!/bin/bash
# chalcis run: where the prompt comes from, and what its tokens cost.  TAP.
set -u
bin=${CHALCIS_BIN:-./chalcis}
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
printf 'one\n' >"$tmp/a"
printf 'two' >"$tmp/b"
: >"$tmp/empty"
echoes() { # NAME TEXT OPTIONS...: the prompt is TEXT; standard input is left to the caller
    local name=$1 want=$2; shift 2
    "$bin" run --echo -n 0 "$@" >"$tmp/out" 2>"$tmp/err"
    printf '%s' "$want" >"$tmp/want"
    if cmp -s "$tmp/out" "$tmp/want"; then ok "$name"; else not_ok "$name"; fi
}
echoes "-p" "x" -p x </dev/null
echoes "a file" "one
" "$tmp/a" </dev/null
echoes "files, then -p" "one
two
x" -p x "$tmp/a" "$tmp/b" </dev/null
echoes "standard input first" "in
one
two
x" -p x "$tmp/a" "$tmp/b" < <(printf in)
echoes "from a file" "one
x" -p x <"$tmp/a"
echoes "- where it is named" "two
in
one
" "$tmp/b" - "$tmp/a" < <(printf in)
echoes "-f leaves it to others" "two" -f "$tmp/b" <"$tmp/a"
echoes "an empty file is nothing" "x" -p x "$tmp/empty" <"$tmp/empty"
echoes "alone" "two" <"$tmp/b"
is "nothing" 1 "$bin" run
says "says what to do" "-p TEXT"
is "a file that is not there" 1 "$bin" run -p x "$tmp/none"
says "is named" "$tmp/none"
for i in 1 2 3; do [ "$i" = 2 ] && cat "$tmp/b" || echo "$i"; done >"$tmp/three"
is "a long prompt" 1 "$bin" run -c 3 -p "$(cat "$tmp/three" "$tmp/three")"
says "says both numbers" "the context holds 3"

# ---- --show-cost ---------------------------------------------------------------------------------
is "without colour" 0 "$bin" run -p "Once upon a" -n 5 --temp 0 --show-cost
many() { grep -o "$1" "$tmp/out" | wc -l; }
that "a probability behind each token" [ "$(many '\[[01]\.[0-9][0-9]\]')" -eq 5 ]
sed 's/\[[01]\.[0-9][0-9]\]//g' "$tmp/out" >"$tmp/bare"
is "the same text" 0 "$bin" run -p "Once upon a" -n 5 --temp 0
that "as without" cmp "$tmp/bare" "$tmp/out"
is "256 colours" 0 env COLORTERM= "$bin" run -p "Once upon a" -n 5 --show-cost --color always
says "are used" "48;5;"
is "all of them" 0 env COLORTERM=truecolor "$bin" run -p "Once upon a" -n 5 --show-cost \
    --color always
says "are used" "48;2;"
is "no colour" 0 env NO_COLOR=1 "$bin" run -p "Once upon a" -n 5 --show-cost
that "is asked for" sh -c "! grep -q '$(printf '\033')' '$tmp/out'"
is "as JSON" 0 "$bin" run -p "Once upon a" -n 5 --temp 0 --show-cost --json
that "each token" [ "$(many '"p":')" -eq 5 ]
"$bin" init integrator -o "$tmp/deep.gguf" --noise 0.3 --shape L4,D64 >/dev/null 2>&1
is "a gate" 0 "$bin" run -m "$tmp/deep.gguf" -p "abc" -n 12 --show-cost --json
that "steps of each token" [ "$(many '"steps":')" -eq 12 ]
that "not all the same" [ "$(grep -o '"steps":[0-9]' "$tmp/out" | sort -u | wc -l)" -ge 2 ]
is "in the text" 0 "$bin" run -m "$tmp/deep.gguf" -p "abc" -n 12 --show-cost
says "what they are" "[probability/steps]"
echo "1..$n"
