#!/bin/sh
# make-key.sh FILE [NAME] - a file of keys for `chalcis serve --keys` with one key that nobody can
# guess, for NAME [me].  A file that is there stays as it is, also if two begin at once.
# SPDX-License-Identifier: MIT
set -eu
file=${1:?usage: make-key.sh FILE [NAME]}
name=${2:-me}
if [ -e "$file" ]; then
    echo "make-key: $file is there, and stays as it is"
    exit 0
fi
umask 077
new=$(mktemp "$file.XXXXXX")
trap 'rm -f "$new"' EXIT
key=$(od -An -v -tx1 -N24 /dev/urandom | tr -d ' \n')
[ ${#key} -eq 48 ] || { echo "make-key: no random bytes from /dev/urandom" >&2; exit 1; }
printf '%s sk-%s\n' "$name" "$key" >"$new"
# Unlike mv this replaces nothing.
ln "$new" "$file" || [ -e "$file" ]
echo "make-key: the key of $name is in $file"
