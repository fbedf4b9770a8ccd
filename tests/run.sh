#!/bin/bash
# Runs every test program of one build ($B) and ends with "N passed, N failed" (", N skipped").
# A program that crashes, or ends without a verdict for each of its tests, counts as failed.
cd "$(dirname "$0")/.." || exit 1
B=${B:-build/gcc}
passed=0 failed=0 skipped=0
export CMOCKA_MESSAGE_OUTPUT=TAP CHALCIS_BIN="$PWD/$B/chalcis" CHALCIS_SHARED="${CHALCIS_SHARED:-$PWD/../shared/data}"
mkdir -p "$B/log"
one() { # name command...
    local name=$1 log; shift
    log="$B/log/$(echo "$name" | tr / _).log"
    "$@" >"$log" 2>&1 </dev/null
    local rc=$? p f s planned
    s=$(grep -c '^ok .*# SKIP' "$log"); f=$(grep -c '^not ok' "$log"); p=$(grep -c '^ok ' "$log")
    p=$((p - s))
    planned=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
    if [ $((p + f + s)) -lt "$planned" ] || { [ $rc -ne 0 ] && [ "$f" -eq 0 ]; } || [ $((p + f + s)) -eq 0 ]; then
        f=$((f + 1))
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    if [ "$f" -gt 0 ]; then
        printf 'FAIL  %-34s %d passed, %d failed (exit %d)\n' "$name" "$p" "$f" "$rc"
        tail -n 40 "$log" | sed 's/^/      /'
    else
        printf 'ok    %-34s %d passed%s\n' "$name" "$p" "$([ "$s" -gt 0 ] && echo ", $s skipped: $(sed -n 's/.*# SKIP *//p' "$log" | sort -u | head -3 | tr '\n' ';')")"
    fi
}
only=${ONLY:-}
for c in tests/*/*.c tests/*/*.sh; do
    [ -e "$c" ] || continue
    case $c in tests/kcheck/* | tests/gradcheck/* | tests/fuzz/* | tests/support/*) continue ;; esac
    name=${c#tests/}; name=${name%.*}
    case $name in *"$only"*) ;; *) continue ;; esac
    case $c in
    *.sh) one "$name" bash "$c" ;;
    *) one "$name" "$B/tests/$name" ;;
    esac
done
case kcheck in *"$only"*) [ -x "$B/tests/kcheck/kcheck" ] && one kcheck "$B/tests/kcheck/kcheck" ;; esac
case gradcheck in *"$only"*) [ -x "$B/tests64/gradcheck/gradcheck" ] && one gradcheck "$B/tests64/gradcheck/gradcheck" ;; esac
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
