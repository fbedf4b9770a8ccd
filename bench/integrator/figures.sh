#!/bin/sh
# The drawings of docs/papers/integrator.md, from what recipe.sh, costs.sh and depth left in WORK:
#
#   bench/integrator/figures.sh WORK OUT
#
# Writes OUT/arms.tsv (a line a model: arm, runs, mean, least and most bits a byte, parameters,
# bytes as q8_0, multiply-adds a token), OUT/integrator-cost.svg (arms are named that none of fewer
# multiply-adds, or bytes, beats; far worse than plain is outside) and, where WORK/*/depth.json are
# there (chalcis depth --json), OUT/integrator-gate.svg.  Needs gnuplot.
set -eu
work=${1:?usage: figures.sh WORK OUT} out=${2:?}
mkdir -p "$out"

cut -d' ' -f1 "$work/costs/counts.txt" | while read -r arm; do
    cat "$work/$arm"-[0-9]/result.json | sed -n 's/.*"val_bpb": *\([0-9.]*\).*/\1/p' |
        awk -v arm="$arm" '
            NR == FNR { if ($1 == arm) { params = $2; bytes = $3; macs = $4 } next }
            { n++; s += $1; if (n == 1 || $1 < lo) lo = $1; if ($1 > hi) hi = $1 }
            END { if (n) print arm, n, s / n, lo, hi, params, bytes, macs }' OFS='\t' \
            "$work/costs/counts.txt" -
done >"$out/arms.tsv"

best() { # COLUMN: its value, bits a byte and name of the arms that none with less of it beats
    sort -t'	' -g -k "$1,$1" -k 3,3 "$out/arms.tsv" |
        awk -F'\t' -v column="$1" '!n++ || $3 < least { least = $3; print $column / 1e6, $3, $1 }'
}
best 8 >"$out/.macs.dat"
best 7 >"$out/.bytes.dat"
# No plain model is outside of the drawing; what is far above them is.
top=$(awk -F'\t' '$1 ~ /^plain/ && $3 > most { most = $3 } END { print most + 0.008 }' "$out/arms.tsv")
gnuplot <<END
set terminal svg size 900,420 font "sans-serif,11" background rgb "white"
set output "$out/integrator-cost.svg"
set multiplot layout 1,2
set ylabel "held-out bits a byte"
set xlabel "multiply-adds a token, millions"
set grid lc rgb "#dddddd"
set yrange [*:$top]
set offsets graph 0.05, graph 0.25, 0, graph 0.05
plot "$out/arms.tsv" using (\$8/1e6):3:4:5 with yerrorbars pt 7 ps 0.5 lc rgb "#1f5fa8" notitle, \
     "$out/.macs.dat" using 1:2:3 with labels left offset 0.6,-0.6 font "sans-serif,9" notitle
set xlabel "megabytes as q8_0"
plot "$out/arms.tsv" using (\$7/1e6):3:4:5 with yerrorbars pt 7 ps 0.5 lc rgb "#a8411f" notitle, \
     "$out/.bytes.dat" using 1:2:3 with labels left offset 0.6,-0.6 font "sans-serif,9" notitle
END

lines() { # FILE RULE: steps, bits more than all steps, least and most
    tr '{' '\n' <"$1" | grep "\"rule\": *\"$2" | awk '
        function field(k,   v) { v = $0; if (!sub(".*\"" k "\": *", "", v)) return "nan"
                                 return v ~ /^null/ ? "nan" : v + 0 }
        { print field("steps"), field("bits_per_byte"), field("more_low"), field("more_high") }' | sort -g
}
found=$(find "$work" -name depth.json -size +0 | sort)
[ -n "$found" ] || exit 0
plots='' column=0
for file in $found; do
    name=$(basename "$(dirname "$file")")
    column=$((column + 1))
    draw=
    for rule in gate random position hindsight fixed; do
        lines "$file" "$rule" >"$out/.$name-$rule.dat"
        [ -s "$out/.$name-$rule.dat" ] || continue
        draw="${draw:+$draw, }\"$out/.$name-$rule.dat\" using 1:2 with linespoints pt 7 ps 0.5 title \"$rule\""
    done
    plots="$plots
set title \"$name\"
plot $draw"
done
gnuplot <<END
set terminal svg size $((450 * column)),400 font "sans-serif,11" background rgb "white"
set output "$out/integrator-gate.svg"
set multiplot layout 1,$column
set grid lc rgb "#dddddd"
set xlabel "steps a token, mean"
set ylabel "bits a byte"
$plots
END
rm -f "$out"/.*.dat
