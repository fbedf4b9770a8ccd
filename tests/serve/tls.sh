#!/bin/bash
# chalcis serve behind TLS, asked by curl: a certificate made here (openssl).  TAP.
# SPDX-License-Identifier: MIT
set -u
bin=$(realpath "${CHALCIS_BIN:-./chalcis}")
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
for need in openssl curl; do
    command -v $need >/dev/null || { skip "TLS" "needs $need"; echo "1..$n"; exit 0; }
done

cd "$tmp" || exit 1
# certificate NAME: NAME.pem and its key, of an authority of its own
certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
        -subj "/CN=$1" -addext "subjectAltName=IP:127.0.0.1,DNS:localhost" \
        -keyout "$1.key" -out "$1.pem" >openssl.log 2>&1
}
if ! certificate own || ! certificate other; then
    skip "TLS" "openssl makes no certificate: $(tail -1 openssl.log)"
    echo "1..$n"
    exit 0
fi

"$bin" serve --port 0 --quiet --cert own.pem --cert-key own.key 2>serve &
server=$!
for _ in $(seq 100); do
    url=$(sed -n 's|.*\(https://127.0.0.1:[0-9]*\)/.*|\1|p' serve)
    [ -n "$url" ] && break
    sleep 0.1
done
if [ -z "$url" ]; then
    if grep -q "without TLS" serve; then
        skip "TLS" "libmicrohttpd was built without"
    else
        cp serve err && not_ok "a server with a certificate begins"
    fi
    echo "1..$n"
    exit 0
fi
ask() { curl -sS -m 20 --cacert own.pem "$@"; }
story='{"prompt": "Once", "max_tokens": 20, "seed": 1'

is "a request" 0 ask -f "$url/v1/completions" -d "$story}"
says "has its answer" '"completion_tokens":20'
is "a stream" 0 ask -f -N "$url/v1/completions" -d "$story, \"stream\": true}"
says "comes to its end" 'data: [DONE]'
is "another certificate is not believed" 60 curl -sS -m 20 --cacert other.pem "$url/health"
# A body longer than one record, and a connection that is used twice
printf '{"content": "%0100000d"}' 0 >long
is "a long body, and a second request" 0 ask -f "$url/tokenize" -d @long \
    --next -sS -m 20 --cacert own.pem -f "$url/health"
says "is read" '"status":"ok"'

# Plain HTTP, noise, and a client that says nothing, at the port that speaks TLS
port=${url##*:}
curl -sS -m 20 "http://127.0.0.1:$port/health" >out 2>err
that "plain HTTP is not answered" test ! -s out
head -c 3000 /dev/urandom >"/dev/tcp/127.0.0.1/$port" 2>/dev/null
exec 3<>"/dev/tcp/127.0.0.1/$port"
is "others are, after that" 0 ask -f "$url/health"
exec 3>&-
kill -TERM "$server"
wait "$server"
rc=$?
server=""
that "and the server ends in order" test $rc -eq 0

# wrong NAME TEXT CERT KEY: one sentence at the start
wrong() {
    is "$1" 1 timeout 20 "$bin" serve --port 0 --cert "$3" --cert-key "$4"
    says "and it is said" "$2"
    that "in one line" test "$(wc -l <err)" -eq 1
}
wrong "a key of another certificate is refused" \
    "TLS does not start with own.pem and other.key" own.pem other.key
wrong "a certificate that is none is refused" "own.key: there is no certificate" own.key own.key
wrong "a key that is none is refused" "own.pem: there is no private key" own.pem own.pem
head -c 300 own.pem >half.pem
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" # GnuTLS keeps what it began
wrong "half a certificate is refused" "TLS does not start with half.pem" half.pem own.key
openssl pkey -in own.key -aes128 -passout pass:secret -out locked.key 2>/dev/null
wrong "a key with a password is refused" "TLS does not start with" own.pem locked.key
wrong "a certificate that is not there is refused" "cannot open none.pem" none.pem own.key
wrong "a folder as key is refused" ". is a directory" own.pem .
: >empty
wrong "an empty certificate is refused" "empty: there is no certificate" empty own.key
is "a certificate without its key is refused" 1 \
    timeout 20 "$bin" serve --port 0 --cert own.pem
says "and it is said" "only the certificate is named"
if [ "$(id -u)" -ne 0 ]; then
    chmod 0 own.key
    wrong "a key that may not be read is refused" "cannot open own.key" own.pem own.key
fi
echo "1..$n"
