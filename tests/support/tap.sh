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
# from_npm FOLDER PACKAGE@VERSION...: they are in FOLDER/node_modules, put there by the first test
# that wants them; if not, a reason is said
from_npm() {
    local folder=$1 p
    shift
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        echo "needs node and npm"
        return 1
    fi
    mkdir -p "$folder"
    (
        flock 9
        for p; do
            [ -d "$folder/node_modules/${p%@*}" ] && continue
            timeout 120 npm install --silent --no-audit --no-fund --prefix "$folder" "$@"
            break
        done
    ) 9>"$folder/lock" >"$tmp/out" 2>"$tmp/err" || { echo "npm could not install $*"; return 1; }
}
