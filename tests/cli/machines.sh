#!/bin/bash
# machines.sh - one model on two machines: AArch64's NEON gives the bits of x86-64's AVX2
#
# The program of the other machine is $bin, run by $QEMU; this machine's is $HERE (make cross-test).
set -u
bin=${CHALCIS_BIN:-./chalcis}
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
if [ -z "${QEMU:-}" ] || [ -z "${HERE:-}" ]; then
    skip "two machines" "needs a program of another machine: make cross-test"
    echo "1..$n"
    exit
fi
there() { # MASK ARGUMENT...
    local mask=$1; shift
    # shellcheck disable=SC2086
    CHALCIS_CPU=$mask $QEMU "$bin" "$@"
}
here() { CHALCIS_CPU=$1 "$HERE" "${@:2}"; }
alike() { # NAME FILE FILE
    if [ -s "$2" ] && cmp "$2" "$3" >"$tmp/out" 2>&1; then ok "$1"; else not_ok "$1"; fi
}

# What it is, and what a mask may be there.
is "the other machine" 0 there "" cpu
says "multiplies integers by SDOT" "neondot"
QEMU_CPU=cortex-a53 is "an older one" 0 there "" cpu
says "has NEON" "features  neon"
if grep -q neondot "$tmp/out"; then not_ok "without SDOT"; else ok "without SDOT"; fi
is "a mask of this machine" 1 there avx2 cpu
says "is told from those of the other" "allowed are c, neon, neondot, and"

# Logits of every token, bit by bit, for each kind of panel.
# The text is longer than attention's stretches of 32 keys.
yes "The cat sat on the mat and looked at the moon." | head -6 >"$tmp/text"
model=$(dirname "$0")/../../models/chalcis-tiny.gguf
cp "$model" "$tmp/bundled.gguf"
for type in f32 bf16 q4_0 q2_k; do
    "$HERE" quantize "$model" "$tmp/$type.gguf" $type --allow-requantize -q 2>/dev/null
done
for type in bundled f32 bf16 q4_0 q2_k; do
    set -- perplexity -m "$tmp/$type.gguf" -f "$tmp/text" -t 1 --logits
    is "$type here" 0 here avx2 "$@" "$tmp/$type.avx2"
    masks="neon neondot"
    case $type in f32 | bf16) masks=neon ;; esac # the others multiply integers
    for mask in $masks; do
        is "$type there, as $mask" 0 there $mask "$@" "$tmp/$type.$mask"
        alike "$type as $mask: the bits of avx2" "$tmp/$type.avx2" "$tmp/$type.$mask"
    done
done

# Every architecture, and a cache of integers.
bytes=$(head -c 150 "$tmp/text")
echo "$bytes" >"$tmp/short"
for arch in $("$HERE" init --help | sed -n 's/^ARCH is one of \(.*\)\.$/\1/p' | tr -d ','); do
    "$HERE" init "$arch" -o "$tmp/$arch.gguf" --noise 0.2 --seed 3 2>/dev/null >&2
    set -- perplexity -m "$tmp/$arch.gguf" -f "$tmp/short" -t 1
    case $arch in qwen3) set -- "$@" --cache-k q8_0 --cache-v q8_0 ;; esac
    here avx2 "$@" --logits "$tmp/$arch.avx2" >/dev/null 2>&1
    there neon "$@" --logits "$tmp/$arch.neon" >/dev/null 2>&1
    alike "$arch: the bits of avx2" "$tmp/$arch.avx2" "$tmp/$arch.neon"
done

# A text that is drawn, with the log-probs of its tokens.
timeless() { sed 's/"prompt_s".*"logprobs"/"logprobs"/'; }
set -- run -p "Once upon a time" -n 40 -s 7 --logprobs 3 --json
here avx2 "$@" 2>/dev/null </dev/null | timeless >"$tmp/text.avx2"
for mask in neon neondot; do
    there $mask "$@" 2>/dev/null </dev/null | timeless >"$tmp/text.$mask"
    alike "a text as $mask, and its log-probs" "$tmp/text.avx2" "$tmp/text.$mask"
done
echo "1..$n"
