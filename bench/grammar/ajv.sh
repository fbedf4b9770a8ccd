#!/bin/bash
# Texts drawn under each schema of the JSON Schema suite (draft 7), validated by ajv: a second opinion
# on what grammar/ makes of a schema.  Wants node and npm; ajv goes to build/ajv.
#   bench/grammar/ajv.sh [SAMPLES A SCHEMA, 1000] [model: drawn by the bundled model, not at random]
# SPDX-License-Identifier: MIT
set -e
cd "$(dirname "$0")/../.."
B=${B:-build/gcc}
export CHALCIS_SHARED="${CHALCIS_SHARED:-$PWD/../shared/data}"
mkdir -p build/ajv
[ -d build/ajv/node_modules/ajv-formats ] ||
    npm install --silent --no-audit --no-fund --prefix build/ajv ajv@8 ajv-formats@3
make --no-print-directory "$B/tests/grammar/json_schema" >/dev/null
"$B/tests/grammar/json_schema" "${2:-samples}" "${1:-1000}" >build/ajv/samples.jsonl
NODE_PATH=build/ajv/node_modules node bench/grammar/validate.js build/ajv/samples.jsonl
