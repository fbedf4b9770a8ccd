# What the scripts of this folder share; they set $chalcis, $model, $out and $hours.

say() { echo "$*" >&2; }

# program NAME: bench/finetune/NAME.c as $out/NAME
program() {
    # shellcheck disable=SC2086
    [ "$out/$1" -nt "$here/$1.c" ] ||
        ${CC:-cc} -std=c11 -D_GNU_SOURCE -O2 ${CFLAGS:-} -o "$out/$1" "$here/$1.c" -ljansson -lm
}

# run NAME FLAGS...: a run of $hours in $out/NAME, its result in $out/NAME.json; one that is there
# is not made again
run() {
    name=$1
    shift
    [ -s "$out/$name.json" ] && return
    rm -rf "${out:?}/$name"
    say "finetune: $name"
    "$chalcis" finetune -m "$model" --data "$out/train.jsonl" --validation "$out/dev.jsonl" \
        --hours "$hours" --eval-every=-1 --seed 1 --quiet --json --out "$out/$name" "$@" \
        >"$out/$name.new" &&
        mv "$out/$name.new" "$out/$name.json"
}

# number FILE KEY: of a JSON object
number() { sed -n "s/.*\"$2\": *\([-0-9.e+]*\).*/\1/p" "$1"; }
