#!/bin/bash
# What `chalcis run` writes: samplers, stops, log-probs, several answers, beams.  TAP.
set -u
bin=${CHALCIS_BIN:-./chalcis}
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
run() { local name=$1; shift; is "$name" 0 "$bin" run -p "Once upon a time" "$@"; }
# differs NAME FILE: stdout of the last command is not FILE; same NAME FILE: it is
differs() { if cmp -s "$tmp/out" "$2"; then not_ok "$1"; else ok "$1"; fi; }
same() { if cmp -s "$tmp/out" "$2"; then ok "$1"; else not_ok "$1"; fi; }
# of FILE PATH...: what is there (tests/support/json_at.c); at PATH...: in the last command's object
json=$(dirname "$bin")/tests/support/json_at
of() { "$json" "$@" 2>"$tmp/err"; }
at() { of "$tmp/out" "$@"; }
# equal NAME WANT PATH...: lines are compared as words of one line
equal() {
    local name=$1 want=$2 got; shift 2
    if got=$(at "$@") && [ "${got//$'\n'/ }" = "${want//$'\n'/ }" ]; then
        ok "$name"
    else
        not_ok "$name"
    fi
}

# ---- Samplers -------------------------------------------------------------------------------
run "the usual" -n 40 --seed 5
cp "$tmp/out" "$tmp/usual"
run "the usual order, named" -n 40 --seed 5 \
    --samplers "penalties;dry;top_n_sigma;top_k;typ_p;top_p;min_p;xtc;temperature"
same "the same text" "$tmp/usual"
for o in "--repeat-penalty 1.5" "--frequency-penalty 1" "--presence_penalty 1" \
    "--dry-multiplier 5 --dry-allowed-length 0" "--top-n-sigma 0.5" "--typical-p 0.2" \
    "--xtc-probability 1" "--dynatemp-range 0.7" "--samplers top_k" "--samplers="; do
    # shellcheck disable=SC2086
    run "$o" -n 40 --seed 5 $o
    differs "$o changes the text" "$tmp/usual"
done
run "json" -n 1 --json --samplers "temp;min-p" --min_p 0.25
equal "tells the order" '"temperature" "min_p"' 'sampling.samplers.*'
equal "and the parameters" "0.25 64.0" sampling.min_p sampling.repeat_last_n
is "an unknown sampler" 2 "$bin" run -p x --samplers "top_k;mirostat"
says "names it" '"mirostat"'
says "and those there are" "known are penalties dry"
is "a sampler twice" 2 "$bin" run -p x --samplers "top_k;top_p;top_k"
says "names it" "top_k twice"
is "a penalty out of its range" 2 "$bin" run -p x --presence-penalty 1000
says "says the range" "-100 to 100"
is "help" 0 "$bin" run --help
says "lists the order" "[penalties;dry;top_n_sigma"
is "the manual" 0 "$bin" man
says "has the parameters" "xtc\\-threshold"
says "and the order" "samplers"

# ---- Tokens that are wanted, and seeds --------------------------------------------------------
run "one token alone" -n 5 --allow 80 --json
equal "is drawn" '"MMMMM"' text
run "a ban" -n 1 --temp 0 --logprobs 0 --json
id=$(at logprobs.0.id)
run "of the likeliest" -n 1 --temp 0 --logprobs 0 --json --logit-bias "$id=-inf"
that "another is drawn" [ "$(at logprobs.0.id)" -ne "$id" ]
run "a bias as others write it" -n 3 --logit-bias 80+1000 --json
equal "is added" '"MMM"' text
is "an id out of range" 1 "$bin" run -p x --logit-bias 999999=1
says "says so" "token 0 is 999999, the vocabulary has"
for bad in x 5 5=x 5=nan 5=inf; do
    is "--logit-bias $bad" 1 "$bin" run -p x --logit-bias $bad
    says "says what it wants" "wants ID=BIAS"
done
is "--allow x" 1 "$bin" run -p x --allow 5,x
says "says what it wants" "with commas between"
is "a breaker that no token holds" 1 "$bin" run -p x --dry-multiplier 1 \
    --dry-sequence-breaker "no token is so long"
says "names it" "no token is so long"
run "a random seed" -n 20 -s random --json
seed=$(at seed)
cp "$tmp/out" "$tmp/random"
run "the seed that was told" -n 20 -s "$seed" --json
equal "gives the text again" "$(of "$tmp/random" text)" text
run "another random seed" -n 20 -s -1
says "tells its seed" "| seed "

# ---- Stops ------------------------------------------------------------------------------------
run "some of a text" -n 60 --temp 0
text=$(tr '\n' '#' <"$tmp/out" | cut -d '#' -f 1 | cut -c 8-12)
run "no stop" -n 60 --temp 0 --json
whole=$(at text)
shown=$(printf %s "$text" | sed 's/["\\]/\\&/g')
run "a stop" -n 60 --temp 0 --json --stop "$text" --stop "never to be seen"
equal "ends before it" "\"stop\" ${whole%%"$shown"*}\"" stop text
is "an empty stop" 1 "$bin" run -p x --stop ""
says "says what is allowed" "1 to 4096"

# ---- Log-probs --------------------------------------------------------------------------------
run "log-probs" -n 6 --logprobs 4 --prompt-logprobs 2 --json --temp 2
equal "a row a token" "6 6" 'logprobs.#' tokens
equal "four others each" "4 4 4 4 4 4" 'logprobs.*.top.#'
that "likeliest first" awk '(NR - 1) % 4 && $1 > last { bad = 1 }
    { last = $1 }
    END { exit bad || NR != 24 }' <<<"$(at 'logprobs.*.top.*.logprob')"
equal "nothing before the prompt" "$(at prompt_tokens) null" 'prompt_logprobs.#' \
    prompt_logprobs.0.logprob
at 'prompt_logprobs.*.token' | sed '1d; s/^"//; s/"$//' | tr -d '\n' >"$tmp/prompt"
that "the prompt's tokens" [ "$(cat "$tmp/prompt")" = "Once upon a time" ]
run "as a table" -n 3 --logprobs 1
says "on stderr" "written: ln p, token"

# ---- Several answers --------------------------------------------------------------------------
run "three answers" -n 12 --answers 3 --json --seed 4
that "in a list" awk 'NR == 1 { all = $1; next } { sum += $1 } END { exit NR != 4 || sum != all }' \
    <<<"$(at tokens 'answers.*.tokens')"
that "all different" [ "$(at 'answers.*.text' | sort -u | grep -c '^"')" -eq 3 ]
cp "$tmp/out" "$tmp/three"
run "the first alone" -n 12 --json --seed 4
equal "is the same" "$(of "$tmp/three" answers.0.text)" text
run "as text" -n 12 --answers 2 --seed 4
says "with headings" "--- 2 of 2"
is "nothing to save" 2 "$bin" run -p x --answers 2 --save "$tmp/session"

# ---- Beams ------------------------------------------------------------------------------------
run "beams" -n 12 --beams 4 --answers 4 --json
that "best first" awk 'NR > 1 && $1 > last { bad = 1 } { last = $1 } END { exit bad || NR != 4 }' \
    <<<"$(at 'answers.*.score')"
that "scores are means" awk '{ v[NR] = $1 }
    END {
        for (i = 1; i <= 4; i++)
            if (v[i] == "\"length\"" && (v[i + 4] * 12 - v[i + 8]) ^ 2 >= 1e-18) bad = 1
        exit bad || NR != 12
    }' <<<"$(at 'answers.*.stop' 'answers.*.score' 'answers.*.log_p')"
cp "$tmp/out" "$tmp/four"
run "one beam" -n 12 --beams 1 --json
that "finds no better" awk 'NR == 1 { best = $1 } END { exit NR != 2 || $1 > best + 1e-9 }' \
    <<<"$(of "$tmp/four" answers.0.log_p; at answers.0.log_p)"
run "no length penalty" -n 12 --beams 2 --length-penalty 0 --early-stopping never --json
equal "is the sum" "$(at 'answers.*.log_p')" 'answers.*.score'
is "an unknown way to stop" 1 "$bin" run -p x --beams 2 --early-stopping soon
says "names those there are" "no, yes and never"
is "more answers than beams" 2 "$bin" run -p x --beams 2 --answers 3
run "beams and a stop" -n 12 --beams 4 --answers 4 --stop '"' --json
that "some end there" [ "$(at 'answers.*.stop' | grep -c '"stop"')" -gt 0 ]
that "and none has it" [ "$(at 'answers.*.text' | grep -vcF '\"')" -eq 4 ]
run "beams that obey" -n 12 --beams 3 --answers 3 --regex "[ab]{3}" --json
that "all of them" [ "$(at 'answers.*.text' | grep -c '^"[ab][ab][ab]"$')" -eq 3 ]
equal "and end" '"end" "end" "end"' 'answers.*.stop'
run "beams that obey and cannot end" --beams 2 --regex abc --min-tokens 9 --json
equal "end all the same" '"grammar" "abc"' 'answers.*.stop' 'answers.*.text'
# ---- What goes with what, and what is kept ------------------------------------------------------
while IFS='|' read -r args says; do
    # shellcheck disable=SC2086
    is "refused: $args" 2 "$bin" run -p x $args
    says "in words: $args" "$says"
done <<'END'
--system y|--system goes with --chat
--json-compact --regex a|--json-compact goes with
--early-stopping yes|go with --beams
--length-penalty 1|go with --beams
--beams 2 -n 0|nothing to search
--beams 2 --show-cost|--beams knows no
--echo --json|give one
-s +5|a whole number
END
run "a stop" --temp 0 --stop " and" --save "$tmp/stopped" -n 40
is "what was saved ends there" 0 "$bin" run --load "$tmp/stopped" --temp 0 -n 1
says "so that the stop comes again" " and"
run "a long session" -n 600 --ignore-end --save "$tmp/long"
is "has room for more" 0 "$bin" run --load "$tmp/long" -n 20 --ignore-end
says "all of it" "written 20 tokens"
run "more log-probs than tokens" -n 2 --logprobs 1000000 --prompt-logprobs 1000000 --json
equal "as many as there are" 4096 'logprobs.0.top.#'
is "a vocabulary without ChatML" 0 "$bin" init llama -o "$tmp/plain.gguf"
is "a chat's answer" 0 "$bin" run -m "$tmp/plain.gguf" --chat -p hi \
    --grammar-text 'root ::= " Hello.\nUser: And you?\nAssistant: Fine."'
printf 'Hello.\n' >"$tmp/want"
same "ends where the user would go on, and begins with itself" "$tmp/want"
is "a text that is whole and cannot end" 0 "$bin" run -p x --regex abc --min-tokens 9
says "ends all the same" "stop: grammar"
echo "1..$n"
