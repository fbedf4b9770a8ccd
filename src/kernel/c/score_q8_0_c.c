/* score_q8_0_c.c - attention scores of keys stored as q8_0, by queries in the same groups of 32
 *
 *     i = sum_e q[e] k[e]     acc = fma(d_k d_q, i, acc), groups in sequence     s = scale acc
 * i is exact, |i| < 2^20, so that every variant has these bits.  SPDX-License-Identifier: MIT */
#include <string.h>

#include "panel.h"

enum { BLOCK_BYTES = 2 + CH_GROUP };

static real one(const ch_group *q, const unsigned char *key, int width)
{
    real acc = 0;
    for (int e = 0; e < width; e += CH_GROUP, q++, key += BLOCK_BYTES) {
        const int8_t *k = (const int8_t *)key + 2;
        uint16_t d;
        memcpy(&d, key, sizeof d);
        int32_t sum = 0;
        for (int i = 0; i < CH_GROUP; i++)
            sum += q->q[i] * k[i];
        const float both = ch_f16_to_f32(d) * q->d;
        acc = real_fma((real)both, (real)sum, acc);
    }
    return acc;
}

void ch_score_q8_0_c(real *s, ptrdiff_t lds, const void *q, const void *k, int groups, int n,
                     int width, real scale)
{
    const size_t row_bytes = (size_t)width / CH_GROUP * BLOCK_BYTES;
    for (int g = 0; g < groups; g++) {
        const ch_group *row = (const ch_group *)q + (ptrdiff_t)g * (width / CH_GROUP);
        for (int j = 0; j < n; j++)
            s[g * lds + j] =
                scale * one(row, (const unsigned char *)k + (size_t)j * row_bytes, width);
    }
}
