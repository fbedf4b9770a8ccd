/* store256.h - the sums of a tile, sixteen columns in two registers, to their places
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_STORE256_H
#define CH_STORE256_H

#include <immintrin.h>

#include "gemm_walk.h"

/* All bits in the first n of eight lanes. */
CH_INLINE __m256i ch_mask256(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* sum[(r P + p) 2 + h]: half h of panel p. */
CH_INLINE void ch_store256(const ch_tile *t, const __m256 *sum, const int R, const int P)
{
    CH_UNROLL
    for (int i = 0; i < 2 * P; i++) {
        const __m256i mask = ch_mask256(t->columns - 8 * i);
        CH_UNROLL
        for (int r = 0; r < R; r++) {
            float *y = t->y + r * t->ldy + 8 * i;
            __m256 v = sum[2 * r * P + i];
            if (t->add)
                v = _mm256_add_ps(_mm256_maskload_ps(y, mask), v);
            _mm256_maskstore_ps(y, mask, v);
        }
    }
}

#endif
