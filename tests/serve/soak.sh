#!/bin/bash
# A few seconds of bench/serve/soak.mjs.  So short, memory has no bound: what is kept for later is
# still being filled, and sanitizers keep what was freed.  Ten minutes have one.  TAP.
# SPDX-License-Identifier: MIT
set -u
bin=$(realpath "${CHALCIS_BIN:-./chalcis}")
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/support/tap.sh
. tests/support/tap.sh
if ! command -v node >/dev/null; then
    skip "mixed load" "needs node"
else
    is "mixed load: the right status each time, and nothing is left over" 0 \
        timeout 300 node bench/serve/soak.mjs "$bin" --minutes 0.1 --clients 6 --grow 2000
fi
echo "1..$n"
