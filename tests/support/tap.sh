# tap.sh - what the tests of the program share: sourced with $bin set; the last command's streams
# are in $tmp/out and $tmp/err.  SPDX-License-Identifier: MIT
tmp=$(mktemp -d)
server=""
trap '[ -n "$server" ] && kill "$server" 2>/dev/null; rm -rf "$tmp"' EXIT
n=0
ok() { n=$((n + 1)); echo "ok $n - $1"; }
not_ok() {
    n=$((n + 1))
    echo "not ok $n - $1"
    sed 's/^/# /' "$tmp/out" "$tmp/err" 2>/dev/null | head -20
}
skip() { n=$((n + 1)); echo "ok $n - $1 # SKIP $2"; }
# is NAME EXIT COMMAND...: the exit code is EXIT
is() {
    local name=$1 want=$2; shift 2
    "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
    local rc=$?
    if [ $rc -eq "$want" ]; then ok "$name"; else not_ok "$name (exit $rc, wanted $want)"; fi
}
that() { # NAME COMMAND...: it succeeds
    local name=$1; shift
    if "$@" >/dev/null 2>&1; then ok "$name"; else not_ok "$name"; fi
}
# says NAME TEXT: the last command said it
says() { if grep -qF -- "$2" "$tmp/err" "$tmp/out"; then ok "$1"; else not_ok "$1: \"$2\""; fi; }
