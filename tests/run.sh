#!/bin/bash
# Runs every test program of one build ($B) and ends with "N passed, N failed, N skipped".
# A program that crashes, hangs (half an hour), or ends without a verdict for each of its tests,
# counts as failed.
# ONLY=text,... runs those whose name holds one of the texts.  JOBS (as many as there are CPUs) run
# at a time; each is told of whole, in the order of the names.  QEMU is a command that runs programs
# of another machine (make cross-test).
cd "$(dirname "$0")/.." || exit 1
export B=${B:-build/gcc}
ONLY=${ONLY:-}
ONLY=${ONLY//,/$'\n'} # a pattern a line, for grep
export QEMU=${QEMU:-}
JOBS=${JOBS:-$(nproc 2>/dev/null || echo 1)}
passed=0 failed=0 skipped=0
export CMOCKA_MESSAGE_OUTPUT=TAP CHALCIS_BIN="$PWD/$B/chalcis"
export CHALCIS_SHARED="${CHALCIS_SHARED:-$PWD/../shared/data}"

# These take longest: they start first, and are told of last.
long() {
    printf '%s\n' reference "reference (double)" kcheck gradcheck | grep -F -- "$ONLY"
}
short() {
    printf '%s\n' tests/*/*.c tests/*/*.sh |
        grep -vE '^tests/(kcheck|gradcheck|reference|fuzz|support)/' |
        sed 's|^tests/||; s|\.[a-z]*$||' | grep -F -- "$ONLY" | worthwhile
}
# The thread sanitizer finds nothing in one thread, so a program that cannot start another does not
# run; nor a script whose commands start what test programs start.  Kept: signals, the pools of
# whole commands, the server of train --watch.
worthwhile() {
    local name
    [[ $B = *-thread* ]] || exec cat
    while read -r name; do
        case $name in
        cli/chat | cli/commands | cli/examples | cli/training) ;;
        cli/*) continue ;;
        *) nm -D "$B/tests/$name" 2>&1 | grep -qE 'pthread_create|^nm:' || continue ;;
        esac
        echo "$name"
    done
}
log() { echo "$B/log/${1//\//_}"; }

# one NAME: leaves $(log NAME).told: a line "passed failed skipped", then what is said of it.
# cmocka writes skipped tests as "not ok ... # SKIP"
one() {
    local name=$1 log told p f s planned rc reasons="" t0=$SECONDS
    log=$(log "$name").log told=$(log "$name").told
    case $name in
    reference) set -- "$B/tests/reference/logits" ;;
    "reference (double)") set -- "$B/tests64/reference/logits" ;;
    kcheck) set -- "$B/tests/kcheck/kcheck" ;;
    gradcheck) set -- "$B/tests64/gradcheck/gradcheck" ;;
    *) set -- "$B/tests/$name" ;;
    esac
    # shellcheck disable=SC2086
    if [ -f "tests/$name.sh" ]; then set -- bash "tests/$name.sh"; else set -- $QEMU "$@"; fi
    { timeout -k 10 1800 "$@" </dev/null; rc=$?; } >"$log" 2>&1
    s=$(grep -cE '^(not )?ok .*# SKIP' "$log")
    f=$(grep '^not ok' "$log" | grep -vc '# SKIP')
    p=$(grep '^ok ' "$log" | grep -vc '# SKIP')
    planned=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
    if [ $((p + f + s)) -lt "$planned" ] || [ $((p + f + s)) -eq 0 ] ||
        { [ $rc -ne 0 ] && [ "$f" -eq 0 ]; }; then
        f=$((f + 1))
    fi
    if [ "$s" -gt 0 ]; then
        reasons=$(sed -nE 's/^# skipped: *//p; s/^ok .*# SKIP *//p' "$log" | sort -u | head -3 |
            tr '\n' ';')
        reasons=", $s skipped: $reasons"
    fi
    [ $((SECONDS - t0)) -gt 1 ] && reasons="$reasons, $((SECONDS - t0)) s"
    {
        echo "$p $f $s"
        if [ "$f" -gt 0 ]; then
            printf 'FAIL  %-34s %d passed, %d failed (exit %d)\n' "$name" "$p" "$f" "$rc"
            tail -n 40 "$log" | sed 's/^/      /'
        else
            printf 'ok    %-34s %d passed%s\n' "$name" "$p" "$reasons"
        fi
    } >"$told.new"
    mv "$told.new" "$told"
    echo "$name"
}
export -f one log

tell() { # NAME: adds it to the sums; one that left nothing to tell has failed
    local p=0 f=1 s=0
    {
        read -r p f s
        cat
    } 2>/dev/null <"$(log "$1").told" || echo "FAIL  $1 was stopped"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

mkdir -p "$B/log"
rm -f "$B"/log/*.told
mapfile -t names < <(short; long)
shopt -s lastpipe # the loop counts in this shell
next=0
# shellcheck disable=SC2016
{ long; short; } | xargs -r -d '\n' -n 1 -P "$JOBS" bash -c 'one "$1"' one | while read -r _; do
    while [ $next -lt ${#names[@]} ] && [ -f "$(log "${names[next]}").told" ]; do
        tell "${names[next]}"
        next=$((next + 1))
    done
done
for name in "${names[@]:next}"; do tell "$name"; done
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
