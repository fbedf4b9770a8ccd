/* mix_any.c - mix_c.c over vectors, in tiles of query rows x vectors of the output
 *
 * A tile of accumulators stays in registers while the keys pass by: acc keep, then one fma a key
 * in sequence, whatever the tile, so no element knows which tile it is in.  Where there are rows
 * for more than one tile, blocks are widened once for all of them.
 * Values of q8_0: mix_q8_0_*.  SPDX-License-Identifier: MIT */
#include "stored_any.h"

enum { VECTORS = 4, KEYS_WIDENED = 32 };

/* Values of n keys, from byte `at` of their rows on. */
typedef struct values {
    const unsigned char *const *row;
    size_t at;
    int n;
} values;

/* G rows by `vectors` whole vectors (both constants), or, when left > 0, by one vector's first
 * `left`. */
CH_INLINE void tile(ch_dtype t, float *acc, const float *keep, const float *p, ptrdiff_t ldp,
                    values v, int width, const int G, const int vectors, int left)
{
    vf a[TILE_ROWS][VECTORS];
    for (int g = 0; g < G; g++)
        for (int i = 0; i < vectors; i++) {
            const float *from = acc + (ptrdiff_t)g * width + i * VF;
            a[g][i] = vf_mul(left ? vf_load_part(from, left) : vf_load(from),
                             vf_set1(keep ? keep[g] : 1));
        }
    for (int j = 0; j < v.n; j++) {
        const unsigned char *at = v.row[j] + v.at;
        vf x[VECTORS];
        for (int i = 0; i < vectors; i++)
            x[i] = left ? stored_load_part(t, at, left) : stored_load(t, at, i);
        for (int g = 0; g < G; g++) {
            const vf weight = vf_set1(p[g * ldp + j]);
            for (int i = 0; i < vectors; i++)
                a[g][i] = vf_fma(weight, x[i], a[g][i]);
        }
    }
    for (int g = 0; g < G; g++)
        for (int i = 0; i < vectors; i++) {
            float *to = acc + (ptrdiff_t)g * width + i * VF;
            if (left)
                vf_store_part(to, a[g][i], left);
            else
                vf_store(to, a[g][i]);
        }
}

CH_INLINE values from(values v, ch_dtype t, int e)
{
    v.at += stored_bytes(t, e);
    return v;
}

/* Elements from e on. */
CH_INLINE void rows(ch_dtype t, float *acc, const float *keep, const float *p, ptrdiff_t ldp,
                    values v, int width, int e, const int G)
{
    for (; e + VECTORS * VF <= width; e += VECTORS * VF)
        tile(t, acc + e, keep, p, ldp, from(v, t, e), width, G, VECTORS, 0);
    for (; e + 32 <= width; e += 32)
        tile(t, acc + e, keep, p, ldp, from(v, t, e), width, G, 32 / VF, 0);
    if (stored_block(t) > 1)
        return;
    for (; e + VF <= width; e += VF)
        tile(t, acc + e, keep, p, ldp, from(v, t, e), width, G, 1, 0);
    if (e < width)
        tile(t, acc + e, keep, p, ldp, from(v, t, e), width, G, 1, width - e);
}

CH_INLINE void tiles(ch_dtype t, float *acc, const float *keep, const float *p, ptrdiff_t ldp,
                     values v, int groups, int width, int e)
{
    for (int left = groups; left > 0;) {
        const int G = stored_tile_rows(left);
        switch (G) { /* so that rows() sees constants */
        case 1: rows(t, acc, keep, p, ldp, v, width, e, 1); break;
        case 2: rows(t, acc, keep, p, ldp, v, width, e, 2); break;
        case 3: rows(t, acc, keep, p, ldp, v, width, e, 3); break;
        default: rows(t, acc, keep, p, ldp, v, width, e, TILE_ROWS); break;
        }
        left -= G;
        acc += (ptrdiff_t)G * width;
        keep += G;
        p += G * ldp;
    }
}

/* VECTORS vectors of at most KEYS_WIDENED values, for all rows; keep NULL: 1. */
CH_INLINE void widened(ch_dtype t, float *acc, const float *keep, const float *p, ptrdiff_t ldp,
                       values v, int groups, int width)
{
    float room[KEYS_WIDENED][VECTORS * VF];
    const unsigned char *row[KEYS_WIDENED];
    for (int j = 0; j < v.n; j++) {
        for (int i = 0; i < VECTORS; i++)
            vf_store(room[j] + i * VF, stored_load(t, v.row[j] + v.at, i));
        row[j] = (const unsigned char *)room[j];
    }
    const values wide = {row, 0, v.n};
    for (int left = groups; left > 0;) {
        const int G = stored_tile_rows(left);
        switch (G) { /* so that tile() sees constants */
        case 1: tile(CH_F32, acc, keep, p, ldp, wide, width, 1, VECTORS, 0); break;
        case 2: tile(CH_F32, acc, keep, p, ldp, wide, width, 2, VECTORS, 0); break;
        case 3: tile(CH_F32, acc, keep, p, ldp, wide, width, 3, VECTORS, 0); break;
        default: tile(CH_F32, acc, keep, p, ldp, wide, width, TILE_ROWS, VECTORS, 0); break;
        }
        left -= G;
        acc += (ptrdiff_t)G * width;
        keep = keep ? keep + G : NULL;
        p += G * ldp;
    }
}

/* Blocks that are widened: KEYS_WIDENED keys at a time. */
CH_INLINE void mix(ch_dtype t, float *acc, const float *keep, const float *p, ptrdiff_t ldp,
                   const void *const *v, int groups, int n, int width)
{
    const unsigned char *const *row = (const unsigned char *const *)v;
    int e = 0;
    if (stored_block(t) > 1 && groups > TILE_ROWS)
        for (; e + VECTORS * VF <= width; e += VECTORS * VF)
            for (int j = 0; j < n; j += KEYS_WIDENED)
                widened(t, acc + e, j ? NULL : keep, p + j, ldp,
                        (values){row + j, stored_bytes(t, e), CH_MIN(n - j, KEYS_WIDENED)}, groups,
                        width);
    tiles(t, acc, keep, p, ldp, (values){row, 0, n}, groups, width, e);
}

void CH_FN(mix_f32)(float *acc, const float *keep, const float *p, ptrdiff_t ldp,
                    const void *const *v, int groups, int n, int width)
{
    mix(CH_F32, acc, keep, p, ldp, v, groups, n, width);
}

void CH_FN(mix_f16)(float *acc, const float *keep, const float *p, ptrdiff_t ldp,
                    const void *const *v, int groups, int n, int width)
{
    mix(CH_F16, acc, keep, p, ldp, v, groups, n, width);
}

void CH_FN(mix_bf16)(float *acc, const float *keep, const float *p, ptrdiff_t ldp,
                     const void *const *v, int groups, int n, int width)
{
    mix(CH_BF16, acc, keep, p, ldp, v, groups, n, width);
}

void CH_FN(mix_q4_0)(float *acc, const float *keep, const float *p, ptrdiff_t ldp,
                     const void *const *v, int groups, int n, int width)
{
    mix(CH_Q4_0, acc, keep, p, ldp, v, groups, n, width);
}
