/* score_c.c - attention scores of one page: s = scale q . k, for every query that shares the keys
 *
 * Each dot product is added in sequence over its elements and scaled once at the end.
 * SPDX-License-Identifier: MIT */
#include "kernel.h"
#include "stored_c.h"

static void score(ch_dtype t, real *s, ptrdiff_t lds, const real *q, const void *k, int groups,
                  int n, int width, real scale)
{
    const size_t row_bytes = ch_dtype_bytes(t, width);
    real room[CH_STRETCH];
    for (int j = 0; j < n; j++) {
        const unsigned char *row = (const unsigned char *)k + (size_t)j * row_bytes;
        for (int g = 0; g < groups; g++)
            s[g * lds + j] = 0;
        for (int e = 0; e < width; e += CH_STRETCH) {
            const int m = CH_MIN(width - e, CH_STRETCH);
            const real *key = ch_stretch(room, t, row, e, m);
            for (int g = 0; g < groups; g++) {
                const real *query = q + (ptrdiff_t)g * width + e;
                real sum = s[g * lds + j];
                for (int i = 0; i < m; i++)
                    sum += query[i] * key[i];
                s[g * lds + j] = sum;
            }
        }
        for (int g = 0; g < groups; g++)
            s[g * lds + j] *= scale;
    }
}

void ch_score_f32_c(real *s, ptrdiff_t lds, const void *q, const void *k, int groups, int n,
                    int width, real scale)
{
    score(CH_REAL, s, lds, q, k, groups, n, width, scale);
}

void ch_score_f16_c(real *s, ptrdiff_t lds, const void *q, const void *k, int groups, int n,
                    int width, real scale)
{
    score(CH_F16, s, lds, q, k, groups, n, width, scale);
}

void ch_score_bf16_c(real *s, ptrdiff_t lds, const void *q, const void *k, int groups, int n,
                     int width, real scale)
{
    score(CH_BF16, s, lds, q, k, groups, n, width, scale);
}

