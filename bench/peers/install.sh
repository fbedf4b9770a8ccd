#!/bin/bash
# node-llama-cpp (llama.cpp, built) from npm into $PEERS [~/.cache/chalcis-peers], where it is not there.
set -eu
peers=${PEERS:-$HOME/.cache/chalcis-peers} version=3.22.1
[ ! -d "$peers/node_modules/node-llama-cpp" ] || exit 0
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "bench/peers/install.sh: needs node and npm" >&2
    exit 1
fi
mkdir -p "$peers"
echo '{"private": true}' >"$peers/package.json"
cd "$peers"
npm install --silent --ignore-scripts "node-llama-cpp@$version"
