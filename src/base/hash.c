/* hash.c - SipHash-2-4 with 128-bit output
 *
 * Four 64-bit words of state, two rounds a message word, four rounds to finish, four more for the
 * second half; the last word carries the length in its top byte.  Words are little-endian.
 * Source: J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", 2012, and the
 * 128-bit variant of its reference implementation.  SPDX-License-Identifier: MIT */
#include "hash.h"

#include <string.h>

static uint64_t load64(const unsigned char *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void rounds(uint64_t v[4], int n)
{
    for (; n > 0; n--) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

ch_hash128 ch_hash_bytes(ch_hash128 key, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    uint64_t v[4] = {
        key.lo ^ 0x736f6d6570736575u, key.hi ^ 0x646f72616e646f6du ^ 0xee,
        key.lo ^ 0x6c7967656e657261u, key.hi ^ 0x7465646279746573u,
    };
    size_t whole = n / 8 * 8;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t m = load64(p + i);
        v[3] ^= m;
        rounds(v, 2);
        v[0] ^= m;
    }
    unsigned char tail[8] = {0};
    if (n > whole)
        memcpy(tail, p + whole, n - whole);
    tail[7] = (unsigned char)n;
    uint64_t m = load64(tail);
    v[3] ^= m;
    rounds(v, 2);
    v[0] ^= m;

    ch_hash128 h;
    v[2] ^= 0xee;
    rounds(v, 4);
    h.lo = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xdd;
    rounds(v, 4);
    h.hi = v[0] ^ v[1] ^ v[2] ^ v[3];
    return h;
}
