#!/bin/bash
# chalcis analyze: what it says of points, grids, sets and trajectories.  TAP.
set -u
bin=${CHALCIS_BIN:-./chalcis}
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
# has NAME PATTERN: a line of stdout matches the extended regular expression
has() { if grep -qE -- "$2" "$tmp/out"; then ok "$1"; else not_ok "$1: $2"; fi; }

is "help" 0 "$bin" analyze --help
is "no question" 2 "$bin" analyze
is "an unknown question" 2 "$bin" analyze dance
says "names it" "dance"
is "half a point" 2 "$bin" analyze stability --alpha 0.5
is "the other half" 2 "$bin" analyze stability --p 0.5
is "p and beta" 2 "$bin" analyze stability --alpha 0.5 --p 1 --beta 2
is "p without a step" 2 "$bin" analyze stability --alpha 0.5 --p 1 --dt 0
is "no number" 2 "$bin" analyze stability --alpha 0.5 --p nan
is "a grid too fine" 2 "$bin" analyze stability --alphas 5000
is "a trajectory of nothing" 2 "$bin" analyze trajectory

# ---- Stability --------------------------------------------------------------------------------
is "a point" 0 "$bin" analyze stability --alpha 0.5 --p 1
says "its regime" "oscillating, stable"
is "as JSON" 0 "$bin" analyze stability --alpha 0.5 --p 1 --json
has "an object" '^\{.*"rho":0\.7071067811865[0-9]*,.*"stable":true,"regime":"oscillating",.*\}$'
has "eigenvalues" '"eigenvalues":\[\[0\.25,0\.66143[0-9]*\],\[0\.25,-0\.66143[0-9]*\]\]'
has "limit" '"limit":3\.0,'
is "by its parts" 0 "$bin" analyze stability --alpha 0.5 --beta 10 --gate 0.5 --dt 0.2 --json
has "is the same" '"p":1\.0,"rho":0\.70710678'
is "the counterexample" 0 "$bin" analyze stability --alpha 0.9 --p 4.2
says "diverges" "1.8: diverging, not stable"
says "against the published bound" "p < 4.58831 says stable: wrong"
is "a point that the bound refuses" 0 "$bin" analyze stability --alpha 0.5 --p 2.5
says "is stable" "p < 2.3094 says unstable: wrong"
for p in 0 -1 1e300; do is "p = $p" 0 "$bin" analyze stability --alpha 0.5 --p $p --json; done
for a in -3 0 1 1e300; do is "alpha = $a" 0 "$bin" analyze stability --alpha $a --p 1 --json; done
is "two stable steps by turns" 0 "$bin" analyze stability --alpha 0.9 --p 0.1 --then-p 3.7
says "diverge" "2.20767 a step (1 and 1 at a time), which diverges"
is "the published grid" 0 "$bin" analyze stability
says "is counted" "570 of 1100 points are stable"
is "a grid as JSON" 0 "$bin" analyze stability --alphas 3 --ps 4 --json
has "of 12 points" '"points":12,'

# ---- Convergence and trajectory ---------------------------------------------------------------
is "the published sets" 0 "$bin" analyze convergence
for set in 'Safe .*0\.5000 .*overdamped' 'Near-bound .*0\.5477 .*62 %.*oscillating' \
    'Unstable .*0\.7071 .*oscillating' 'Damped .*0\.8367 .*oscillating' \
    'High-alpha .*0\.9487 .*oscillating'; do
    has "${set%% *}" "^$set"
done
one() { [ "$(grep -c 'published as .*: holds$' "$tmp/out")" = 1 ]; }
that "one label holds" one
is "a set of one's own" 0 "$bin" analyze convergence --alpha 0.5 --p 1 --v-target 4 --mu 1 --json
has "its fixed point" '"steps":[0-9]+,"fixed_point":1\.2,'
is "a trajectory" 0 "$bin" analyze trajectory --alpha 0.5 --beta 10 --dt 0.1 -n 8
has "where the energy rises" '^ +4 .* 7\.03906 .*energy rises$'
says "and V does not" "rises in 3 of 8 steps, V in 0"
is "as JSON" 0 "$bin" analyze trajectory --alpha 0.5 --p 1 -n 8 --json
has "where it rises" '"energy_rises":\[1,4,6\]'
is "one that diverges" 0 "$bin" analyze trajectory --alpha 0.9 --p 4.2 -n 2000 --json

# ---- The steps of a model ---------------------------------------------------------------------
is "a random published model" 0 "$bin" init inl_v2 --noise 0.3 --shape L3,D64,H4,K4,F96,P64 \
    -o "$tmp/inl.gguf"
is "one whose blocks integrate" 0 "$bin" init integrator --noise 0.3 --shape L4,P64 -o "$tmp/i.gguf"
is "one that does not" 0 "$bin" init llama --shape L1,P64 -o "$tmp/plain.gguf"
text="Once upon a time there was a fox who counted its steps. They were five."
of() { "$bin" analyze "$1" -m "$tmp/$2.gguf" --prompt "$text" "${@:3}"; }
for q in stability convergence trajectory; do
    is "$q of a model" 0 of $q inl -c 20
    says "and its tokens" "inl_v2: 20 tokens"
    is "of blocks" 0 of $q i -c 20
    is "as JSON" 0 of $q i -c 20 --json
    has "by layer" '^\{"architecture":"integrator","tokens":20,.*"layers":\[\{.*"layer":3,.*\}$'
done
is "a bound" 0 of stability i -c 20
says "is for an x* that rests" "for an x* that rests"
is "the regions" 0 of stability inl -c 20 --json
has "of its steps" '"alpha":\[0\..*"steps_seen":3840,"steps_inside":3840,"pairs":1280,'
is "more steps" 0 of convergence inl -c 20 --iterations 60 --json
has "are taken" '"predicted":\[[0-9.]+,.*"needed":\[.*"steps":60'
of stability inl -c 20 -t 1 >"$tmp/one" 2>"$tmp/err"
of stability inl -c 20 -t 2 >"$tmp/two" 2>"$tmp/err"
that "threads change nothing" cmp -s "$tmp/one" "$tmp/two"
is "all of the text" 0 of stability inl
says "is as much as the model has positions for" "inl_v2: 64 tokens"
is "a text that is longer than the model's table" 1 of stability inl -c 100
says "is cut by --tokens" "allowed are 1 to 64"
is "no integrator" 1 of stability plain
says "is said" "the model has no integrator"
is "iterations of blocks" 1 of stability i --iterations 3
is "a point and a model" 2 of stability inl --alpha 0.5 --p 1
is "no text" 1 "$bin" analyze stability -m "$tmp/inl.gguf" --prompt ""
is "no such model" 1 of stability none

# ---- Drawings ---------------------------------------------------------------------------------
mkdir "$tmp/none"
drawn() {
    for f in "$@"; do
        [ -s "$tmp/plots/$f.dat" ] && [ -s "$tmp/plots/$f.gnuplot" ] || return 1
    done
}
is "drawn" 0 "$bin" analyze stability --plot "$tmp/plots"
is "drawn" 0 "$bin" analyze convergence --plot "$tmp/plots"
is "drawn" 0 "$bin" analyze trajectory --alpha 0.5 --p 1 --plot "$tmp/plots"
is "a model's" 0 of stability inl -c 20 --plot "$tmp/plots"
is "and its tokens" 0 of trajectory inl -c 20 --plot "$tmp/plots"
that "data and scripts" drawn stability eigenvalues convergence energy steps layers tokens
if command -v gnuplot >/dev/null; then
    for f in stability eigenvalues convergence energy steps layers tokens; do
        that "$f.svg" grep -q '<svg' "$tmp/plots/$f.svg"
        (cd "$tmp/plots" && gnuplot -d "$f.gnuplot") >"$tmp/out" 2>"$tmp/err"
        if [ ! -s "$tmp/err" ]; then ok "without a warning"; else not_ok "without a warning"; fi
    done
else
    skip "images" "gnuplot is not installed"
fi
is "without gnuplot" 0 env PATH="$tmp/none" "$bin" analyze stability --plot "$tmp/plots"
says "it is said" "gnuplot did not draw"
is "where nothing can be made" 1 "$bin" analyze stability --plot /dev/null/x
echo "1..$n"
