#!/bin/bash
# What no compiler checks: who includes whom, what the library exports, headers that stand alone, sizes, style.
# Each check prints "ok - name" or "not ok - name" with the offenders; ends with "N passed, N failed".
cd "$(dirname "$0")/.." || exit 1
B=${B:-build/gcc}
CC=${CC:-gcc}
passed=0 failed=0
shopt -s lastpipe # `verdict` ends pipelines, and must count here
verdict() { # name, offenders on stdin
    local text
    text=$(cat)
    if [ -z "$text" ]; then
        echo "ok - $1"; passed=$((passed + 1))
    else
        echo "not ok - $1"; echo "$text" | head -40 | sed 's/^/    /'; failed=$((failed + 1))
    fi
}
layers() { sed -n 's/^\([a-z]*\) *:.*/\1/p' src/LAYERS; }

# ---- src/LAYERS: a folder includes only what stands on its line -----------------------------------
for l in $(layers); do
    allowed=" $l $(sed -n "s/^$l *: *//p" src/LAYERS) "
    case $allowed in *'*'*) continue ;; esac
    find "src/$l" -name '*.[ch]' -print0 2>/dev/null | xargs -0 -r grep -Hno '^#include "[^"]*"' |
        sed 's/:#include "\(.*\)"/ \1/' | while read -r where header; do
        [ -e "include/$header" ] && continue
        home=$(find src -name "$(basename "$header")" -path "*/$header" | head -1 | cut -d/ -f2)
        case $allowed in *" $home "*) ;; *) echo "$where includes $header of ${home:-nowhere}" ;; esac
    done
done | verdict "layers"

find src -name '*.[ch]' -exec basename {} \; | sort | uniq -d | verdict "file names are unique"

{ nm -A --defined-only --extern-only "$B/libchalcis.a" 2>/dev/null || echo "lib X $B/libchalcis.a cannot be read"; } | awk '$2 ~ /^[A-Z]$/ && $3 !~ /^ch_/ || $3 ~ /^[A-Z]$/ && $4 !~ /^ch_/ {print}' |
    verdict "the library exports ch_ names only"

# ---- Headers alone ----------------------------------------------------------------------------------
inc="-Iinclude $(layers | sed 's,^,-Isrc/,' | tr '\n' ' ')"
for h in include/*.h src/*/*.h src/model/arch/*.h src/kernel/*/*.h; do
    [ -e "$h" ] || continue
    isa="" cc=$CC
    case $h in
    src/kernel/any/* | src/kernel/simd/f32_math.h) continue ;; # bodies that a vector header is put before
    *neon*) cc=aarch64-linux-gnu-gcc # looked at where make cross-test has installed it
        command -v $cc >/dev/null || continue ;;
    *avx2* | src/kernel/simd/*256*) isa="-mavx2 -mfma -mf16c" ;;
    *avx512* | src/kernel/x86/*) isa="-mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512bf16 -mavxvnni -mfma -mf16c" ;;
    esac
    # shellcheck disable=SC2086
    $cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wno-unused-function -fsyntax-only $isa -Isrc/kernel/simd -Isrc/kernel/x86 -Isrc/kernel/c $inc -x c "$h" 2>&1 |
        grep -v 'pragma once' | grep -E 'error|warning' | head -3
done | verdict "every header compiles alone"
for h in include/*.h; do
    echo "#include \"$h\"" | ${CXX:-g++} -std=c++11 -Wall -Wextra -fsyntax-only -I. -x c++ - 2>&1 | grep -E 'error|warning' | head -3
done | { command -v "${CXX:-g++}" >/dev/null && cat; } | verdict "public headers are C++ too"

# ---- Style --------------------------------------------------------------------------------------------
files=$(git ls-files '*.c' '*.h' '*.def' '*.sh' '*.md' 2>/dev/null)
# shellcheck disable=SC2086
grep -nP '\t' $(echo "$files" | grep -E '\.(c|h|def)$') /dev/null | cut -c1-100 | verdict "no tabs"
# shellcheck disable=SC2086
grep -nE ' +$' $files /dev/null | cut -c1-100 | verdict "no trailing blanks"
for f in $files; do [ -s "$f" ] && [ -n "$(tail -c1 "$f")" ] && echo "$f"; done | verdict "files end with a newline"
for f in $(git ls-files 'src/*.c' 'src/*.h' 'include/*.h' 'tests/*.c' 'tests/*.h'); do
    head -40 "$f" | grep -q 'SPDX-License-Identifier: MIT' || echo "$f"
done | verdict "every file names its licence"
grep -nwE 'TODO|FIXME|XXX' $(git ls-files 'src' 'include' 'tests' 'tools') /dev/null | grep -v tools/check.sh | verdict "nothing left to do"
for f in $(git ls-files 'src/*.c' 'src/*.h' | grep -v -e '^src/cli/' -e '^src/base/arena.c'); do
    grep -nHE '\b(exit|abort|_exit)\(' "$f" | grep -vE '^\S+\s*(/?\*|//)'
done | verdict "exit and abort belong to cli/"
for f in $(git ls-files 'src/*.c' 'src/*.h' | grep -v -e '^src/cli/' -e '^src/kernel/cpu.c'); do
    grep -nH 'getenv' "$f"
done | verdict "the environment is read in cli/ and kernel/cpu.c"

if sizes=$(tools/stats.sh 2>&1); then sizes=""; fi
echo -n "$sizes" | tail -n 30 | verdict "sizes"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
