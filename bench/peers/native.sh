#!/bin/bash
# llama.cpp built for this CPU, into $PEERS/native [~/.cache/chalcis-peers/native]; prints the path of
# a program with llama-bench's options (llama_bench.cpp) where it is there, and builds it first where
# it is not: some ten minutes of a processor.
#
# Its sources come from npm, which is all that is needed: llama.rn carries llama.cpp (0.12.9: build
# 10256) but for llamafile's products, which @fugood/llama.node carries.  llama.rn renames ggml_ to
# lm_ggml_, so the latter are renamed too.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
to=${PEERS:-$HOME/.cache/chalcis-peers}/native
[ ! -x "$to/llama-bench" ] || { echo "$to/llama-bench"; exit 0; }
mkdir -p "$to/from" "$to/o"
cd "$to"
fetch() { # PACKAGE@VERSION FOLDER
    [ -d "from/$2" ] && return
    local file
    file=$(cd from && npm pack --silent "$1")
    mkdir "from/$2"
    tar xzf "from/$file" -C "from/$2" --strip-components 1
}
fetch llama.rn@0.12.9 rn >&2
fetch @fugood/llama.node@1.7.15 node >&2
cp -r from/rn/cpp/. .
mkdir -p ggml-cpu/llamafile
for file in sgemm.cpp sgemm.h; do
    sed 's/\bggml_/lm_ggml_/g; s/\bGGML_/LM_GGML_/g' \
        "from/node/src/llama.cpp/ggml/src/ggml-cpu/llamafile/$file" >"ggml-cpu/llamafile/$file"
done
cp "$here/llama_bench.cpp" .
export flags="-O3 -march=native -DNDEBUG -D_GNU_SOURCE -DLM_GGML_USE_CPU -DLM_GGML_USE_CPU_REPACK
    -DLM_GGML_USE_LLAMAFILE -DLM_GGML_USE_OPENMP -fopenmp -pthread -w -I. -Iggml-cpu -Icommon"
one() {
    local o=o/${1//\//_}.o language=c++ standard=c++17
    case $1 in *.c) language=c standard=gnu11 ;; esac
    # shellcheck disable=SC2086
    [ -f "$o" ] || { cc -x $language -std=$standard $flags -c "$1" -o "$o.new" && mv "$o.new" "$o"; }
}
export -f one
printf '%s\n' ggml*.c ggml*.cpp gguf.cpp llama*.cpp unicode*.cpp anyascii.c models/*.cpp ggml-cpu/*.c \
    ggml-cpu/*.cpp ggml-cpu/arch/x86/*.c ggml-cpu/arch/x86/*.cpp ggml-cpu/amx/*.cpp ggml-cpu/llamafile/*.cpp |
    xargs -P "$(nproc)" -I{} bash -c 'one {}' >&2
c++ -fopenmp -pthread -o llama-bench.new o/*.o -ldl >&2
mv llama-bench.new llama-bench
echo "$to/llama-bench"
