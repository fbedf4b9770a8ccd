/* hash.h - 64- and 128-bit hashes of bytes, stable across machines and versions
 *
 * Used for cache page keys and content-keyed files: not secret, not against an adversary unless
 * a random key is given.  SPDX-License-Identifier: MIT */
#ifndef CH_HASH_H
#define CH_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct ch_hash128 {
    uint64_t lo, hi;
} ch_hash128;

/* SipHash-2-4 (Aumasson, Bernstein 2012) with 128-bit output, keyed by `key`. */
ch_hash128 ch_hash_bytes(ch_hash128 key, const void *bytes, size_t n);

static inline int ch_hash_equal(ch_hash128 a, ch_hash128 b) { return a.lo == b.lo && a.hi == b.hi; }

#endif
