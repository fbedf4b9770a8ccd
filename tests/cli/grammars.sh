#!/bin/bash
# chalcis run that obeys: what it writes, what it refuses.  TAP.
set -u
bin=${CHALCIS_BIN:-./chalcis}
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
r() { "$bin" run -p Hello -n 100 "$@"; }
matches() { # NAME REGEX: all of stdout
    if tr '\n' ' ' <"$tmp/out" | grep -qE "^($2) *$"; then ok "$1"; else not_ok "$1: $2"; fi
}

is "a regular expression" 0 r --regex '[0-9]{4}-[0-9]{2}'
matches "its text" '[0-9]{4}-[0-9]{2}'
says "it ends" "stop: end"
is "a choice of a schema" 0 r --json-schema '{"enum":["yes","no",3]}' --temp 2
matches "its text" '"yes"|"no"|3'
echo '{"type":"object","properties":{"n":{"type":"integer","minimum":10,"maximum":12},
"b":{"type":"boolean"}},"required":["n","b"],"additionalProperties":false}' >"$tmp/s.json"
is "a schema from a file" 0 r --json-schema "$tmp/s.json" --json-compact
matches "its text" '\{"n":1[0-2],"b":(true|false)\}'
is "an object" 0 r --json-object --json-compact -n 3
matches "its beginning" '\{.*'
printf 'root ::= "ab"{2} [xy]\n' >"$tmp/g.gbnf"
is "a grammar from a file" 0 r --grammar "$tmp/g.gbnf"
matches "its text" 'abab[xy]'
is "a grammar as text" 0 r --grammar-text 'root ::= "q" root | "."' --top-k 1
matches "its text" 'q*\.?'

is "what is not supported" 1 r --json-schema '{"items":{"not":{}}}'
says "is refused by name" 'schema: #/items/not: this keyword is not supported'
printf 'root ::= a\n' >"$tmp/g.gbnf"
is "a wrong grammar" 1 r --grammar "$tmp/g.gbnf"
says "has its file" 'g.gbnf: grammar: there is no rule "a"'
is "no file" 1 r --json-schema "$tmp/none.json"
is "two at once" 1 r --json-object --regex a
says "exclude each other" "exclude each other"
is "compact alone" 2 r --json-compact
says "goes with others" "goes with"
echo "1..$n"
