#!/bin/bash
# Runs every test program of one build ($B) and ends with "N passed, N failed, N skipped".
# A program that crashes, hangs (half an hour), or ends without a verdict for each of its tests,
# counts as failed.
# ONLY=text runs those whose name holds the text.
cd "$(dirname "$0")/.." || exit 1
B=${B:-build/gcc}
ONLY=${ONLY:-}
passed=0 failed=0 skipped=0
export CMOCKA_MESSAGE_OUTPUT=TAP CHALCIS_BIN="$PWD/$B/chalcis"
export CHALCIS_SHARED="${CHALCIS_SHARED:-$PWD/../shared/data}"
mkdir -p "$B/log"

# one NAME COMMAND...: cmocka writes skipped tests as "not ok ... # SKIP"
one() {
    local name=$1 log p f s planned rc reasons="" t0=$SECONDS
    shift
    log="$B/log/$(echo "$name" | tr / _).log"
    timeout -k 10 1800 "$@" >"$log" 2>&1 </dev/null
    rc=$?
    s=$(grep -cE '^(not )?ok .*# SKIP' "$log")
    f=$(grep '^not ok' "$log" | grep -vc '# SKIP')
    p=$(grep '^ok ' "$log" | grep -vc '# SKIP')
    planned=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
    if [ $((p + f + s)) -lt "$planned" ] || [ $((p + f + s)) -eq 0 ] ||
        { [ $rc -ne 0 ] && [ "$f" -eq 0 ]; }; then
        f=$((f + 1))
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    if [ "$f" -gt 0 ]; then
        printf 'FAIL  %-34s %d passed, %d failed (exit %d)\n' "$name" "$p" "$f" "$rc"
        tail -n 40 "$log" | sed 's/^/      /'
        return
    fi
    if [ "$s" -gt 0 ]; then
        reasons=$(sed -nE 's/^# skipped: *//p; s/^ok .*# SKIP *//p' "$log" | sort -u | head -3 |
            tr '\n' ';')
        reasons=", $s skipped: $reasons"
    fi
    [ $((SECONDS - t0)) -gt 1 ] && reasons="$reasons, $((SECONDS - t0)) s"
    printf 'ok    %-34s %d passed%s\n' "$name" "$p" "$reasons"
}

wanted() { case $1 in *"$ONLY"*) return 0 ;; *) return 1 ;; esac; }

for c in tests/*/*.c tests/*/*.sh; do
    case $c in
    tests/kcheck/* | tests/gradcheck/* | tests/reference/*) continue ;;
    tests/fuzz/* | tests/support/*) continue ;;
    esac
    name=${c#tests/}
    name=${name%.*}
    wanted "$name" || continue
    case $c in
    *.sh) one "$name" bash "$c" ;;
    *) one "$name" "$B/tests/$name" ;;
    esac
done
wanted reference && one reference "$B/tests/reference/logits"
wanted reference && one "reference (double)" "$B/tests64/reference/logits"
wanted kcheck && one kcheck "$B/tests/kcheck/kcheck"
wanted gradcheck && one gradcheck "$B/tests64/gradcheck/gradcheck"
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
