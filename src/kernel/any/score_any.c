/* score_any.c - score_c.c over vectors, in tiles of keys x query rows
 *
 * One dot product is one vector of running sums: lane i adds the elements e = i mod VF in
 * sequence, then the lanes are added by halves (vf_hsum) and scaled.  A tile is 4 keys, whose four
 * sums cross lanes together, by up to TILE_ROWS query rows, which share the widening of the keys;
 * neither changes any sum.  SPDX-License-Identifier: MIT */
#include "stored_any.h"

enum { KEYS = 4 };

/* One step of the tile: the i-th vector from element e of K keys and G query rows. */
CH_INLINE void step(vf sum[TILE_ROWS][KEYS], ch_dtype t, const float *q,
                    const unsigned char *const key[KEYS], int i, int width, const int G,
                    const int K)
{
    vf k[KEYS];
    for (int j = 0; j < K; j++)
        k[j] = stored_load(t, key[j], i);
    for (int g = 0; g < G; g++) {
        const vf x = vf_load(q + (ptrdiff_t)g * width + i * VF);
        for (int j = 0; j < K; j++)
            sum[g][j] = vf_fma(x, k[j], sum[g][j]);
    }
}

CH_INLINE void step_part(vf sum[TILE_ROWS][KEYS], ch_dtype t, const float *q,
                         const unsigned char *const key[KEYS], int n, int width, const int G,
                         const int K)
{
    for (int g = 0; g < G; g++) {
        const vf x = vf_load_part(q + (ptrdiff_t)g * width, n);
        for (int j = 0; j < K; j++)
            sum[g][j] = vf_fma(x, stored_load_part(t, key[j], n), sum[g][j]);
    }
}

/* s[g*lds + 0..K-1] for G query rows; G and K are constants (K is KEYS or 1). */
CH_INLINE void tile(ch_dtype t, float *s, ptrdiff_t lds, const float *q, const unsigned char *k,
                    int width, float scale, const int G, const int K)
{
    vf sum[TILE_ROWS][KEYS];
    const unsigned char *key[KEYS];
    for (int j = 0; j < K; j++)
        key[j] = k + (size_t)j * stored_bytes(t, width);
    for (int g = 0; g < G; g++)
        for (int j = 0; j < K; j++)
            sum[g][j] = vf_zero();
    int e = 0;
    for (; e + 32 <= width; e += 32) {
        for (int i = 0; i < 32 / VF; i++)
            step(sum, t, q + e, key, i, width, G, K);
        for (int j = 0; j < K; j++)
            key[j] += stored_bytes(t, 32);
    }
    for (; e + VF <= width; e += VF) {
        step(sum, t, q + e, key, 0, width, G, K);
        for (int j = 0; j < K; j++)
            key[j] += stored_bytes(t, VF);
    }
    if (e < width)
        step_part(sum, t, q + e, key, width - e, width, G, K);
    for (int g = 0; g < G; g++)
        if (K == KEYS)
            vf_store_sum4(s + g * lds, scale, sum[g][0], sum[g][1], sum[g][2], sum[g][3]);
        else
            s[g * lds] = scale * vf_hsum(sum[g][0]);
}

CH_INLINE void rows(ch_dtype t, float *s, ptrdiff_t lds, const float *q, const unsigned char *k,
                    int n, int width, float scale, const int G)
{
    const size_t row_bytes = stored_bytes(t, width);
    int j = 0;
    for (; j + KEYS <= n; j += KEYS)
        tile(t, s + j, lds, q, k + (size_t)j * row_bytes, width, scale, G, KEYS);
    for (; j < n; j++)
        tile(t, s + j, lds, q, k + (size_t)j * row_bytes, width, scale, G, 1);
}

CH_INLINE void score(ch_dtype t, float *s, ptrdiff_t lds, const float *q, const void *k,
                     int groups, int n, int width, float scale)
{
    for (int left = groups; left > 0;) {
        const int G = stored_tile_rows(left);
        switch (G) { /* so that rows() sees constants */
        case 1: rows(t, s, lds, q, k, n, width, scale, 1); break;
        case 2: rows(t, s, lds, q, k, n, width, scale, 2); break;
        case 3: rows(t, s, lds, q, k, n, width, scale, 3); break;
        default: rows(t, s, lds, q, k, n, width, scale, TILE_ROWS); break;
        }
        left -= G;
        s += G * lds;
        q += (ptrdiff_t)G * width;
    }
}

void CH_FN(score_f32)(float *s, ptrdiff_t lds, const void *q, const void *k, int groups, int n,
                      int width, float scale)
{
    score(CH_F32, s, lds, q, k, groups, n, width, scale);
}

void CH_FN(score_f16)(float *s, ptrdiff_t lds, const void *q, const void *k, int groups, int n,
                      int width, float scale)
{
    score(CH_F16, s, lds, q, k, groups, n, width, scale);
}

void CH_FN(score_bf16)(float *s, ptrdiff_t lds, const void *q, const void *k, int groups, int n,
                       int width, float scale)
{
    score(CH_BF16, s, lds, q, k, groups, n, width, scale);
}

