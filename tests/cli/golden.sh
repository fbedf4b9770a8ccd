#!/bin/bash
# What every command says of itself and of wrong use, word for word: golden/<command>.txt.  TAP.
#
#   UPDATE=1 CHALCIS_BIN=build/gcc/chalcis tests/cli/golden.sh     writes them anew
set -u
bin=$(realpath "${CHALCIS_BIN:-./chalcis}")
here=$(realpath "$(dirname "$0")")
# shellcheck source=tests/support/tap.sh
. "$here/../support/tap.sh"
root=$(realpath "$here/../..")
cd "$tmp" || exit 1
echo "this is no model" >text.gguf
echo "a text" >text.txt

# What is asked of each command besides --help and --no-such; a line is a command line.
cases() {
    cat <<'END'
run
run -n
run -n many
run --top-p 1.5
run -p a -f text.txt
run --chat --load a
run -m none.gguf -p x
run -m text.gguf -p x
run none.txt
run -p x --load none
run -p x --color red
chat one
chat --load none
chat --color red
chat --think maybe
chat -c 0
train
train --data none --out run
train --data text.txt
train --data text.txt --out run --steps 1 --tokens 5
finetune
finetune -m none.gguf --data text.txt --out run
init
init dance -o x.gguf
convert
convert none.gguf x.gguf
merge
eval
eval -m none.gguf text.txt
compare
compare none
quantize
quantize none.gguf x.gguf q8_0
quantize none.gguf x.gguf q9
quantize none.gguf x.gguf q8_0 --dry-run --check text.txt
imatrix -m none.gguf -f text.txt
imatrix -c 1
perplexity -m none.gguf -f text.txt
perplexity -m text.gguf -f text.txt
bench -m none.gguf
tokenize -m none.gguf -p x
tokenize -m text.gguf -p x
template -p x --messages a
template --file none.jinja -p x
show
show none.gguf
show text.gguf
depth
depth -m none.gguf -f text.txt
analyze
analyze dance
completion
completion dance
cpu x
man x
END
}

# say COMMAND LINE: what a terminal would show of it
say() {
    local -a words
    read -ra words <<<"$1"
    echo "\$ chalcis $1"
    "$bin" "${words[@]}" </dev/null >said 2>&1
    local rc=$?
    sed "s|$(dirname "$bin")/../../models|ROOT/models|g; s|$root|ROOT|g" said |
        grep -v "^opening the model [0-9]" # told only where it takes long
    [ -z "$(tail -c1 said)" ] || echo
    echo "[exit $rc]"
}

# compare NAME: with what stands in `all`
compare() {
    local want="$here/golden/$1.txt"
    if [ -n "${UPDATE:-}" ]; then
        mkdir -p "$here/golden"
        cp all "$want"
    fi
    if cmp -s all "$want"; then
        ok "$1"
    else
        diff "$want" all >out 2>err
        not_ok "$1 (UPDATE=1 $0 writes it anew)"
    fi
}

for line in "" --help --version dance "help dance"; do say "$line"; done >all
compare chalcis
for c in $(sed -n 's/^CMD(\([a-z]*\),.*/\1/p' "$root/src/cli/cmds.def"); do
    for line in "$c --help" "$c --no-such"; do say "$line"; done >all
    cases | grep -E "^$c( |\$)" | while read -r line; do say "$line"; done >>all
    compare "$c"
done
for file in "$here"/golden/*.txt; do # of commands that there are
    name=$(basename "$file" .txt)
    [ "$name" = chalcis ] || grep -q "^CMD($name," "$root/src/cli/cmds.def" ||
        not_ok "$name is no command"
done
echo "1..$n"
