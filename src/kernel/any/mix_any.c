/* mix_any.c - mix_c.c over vectors, in tiles of query rows x vectors of the output
 *
 * A tile of accumulators stays in registers while the keys pass by: acc keep, then one fma a key
 * in sequence, whatever the tile, so no element knows which tile it is in.  Where there are rows
 * for more than one tile, blocks are widened once for all of them.
 * SPDX-License-Identifier: MIT */
#include "stored_any.h"

enum { VECTORS = 4, KEYS_WIDENED = 32 };

/* G rows by `vectors` whole vectors (both constants), or, when left > 0, by one vector's first
 * `left`; values row_bytes apart. */
CH_INLINE void tile(ch_dtype t, float *acc, const float *keep, const float *p, ptrdiff_t ldp,
                    const unsigned char *v, size_t row_bytes, int n, int width, const int G,
                    const int vectors, int left)
{
    vf a[TILE_ROWS][VECTORS];
    for (int g = 0; g < G; g++)
        for (int i = 0; i < vectors; i++) {
            const float *from = acc + (ptrdiff_t)g * width + i * VF;
            a[g][i] = vf_mul(left ? vf_load_part(from, left) : vf_load(from), vf_set1(keep[g]));
        }
    for (int j = 0; j < n; j++, v += row_bytes) {
        vf x[VECTORS];
        for (int i = 0; i < vectors; i++)
            x[i] = left ? stored_load_part(t, v, left) : stored_load(t, v, i);
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

/* Elements from e on. */
CH_INLINE void rows(ch_dtype t, float *acc, const float *keep, const float *p, ptrdiff_t ldp,
                    const unsigned char *v, int n, int width, int e, const int G)
{
    const size_t row_bytes = stored_bytes(t, width);
    for (; e + VECTORS * VF <= width; e += VECTORS * VF)
        tile(t, acc + e, keep, p, ldp, v + stored_bytes(t, e), row_bytes, n, width, G, VECTORS, 0);
    for (; e + 32 <= width; e += 32)
        tile(t, acc + e, keep, p, ldp, v + stored_bytes(t, e), row_bytes, n, width, G, 32 / VF, 0);
    if (stored_block(t) > 1)
        return;
    for (; e + VF <= width; e += VF)
        tile(t, acc + e, keep, p, ldp, v + stored_bytes(t, e), row_bytes, n, width, G, 1, 0);
    if (e < width)
        tile(t, acc + e, keep, p, ldp, v + stored_bytes(t, e), row_bytes, n, width, G, 1,
             width - e);
}

CH_INLINE void tiles(ch_dtype t, float *acc, const float *keep, const float *p, ptrdiff_t ldp,
                     const unsigned char *v, int groups, int n, int width, int e)
{
    for (int left = groups; left > 0;) {
        const int G = stored_tile_rows(left);
        switch (G) { /* so that rows() sees constants */
        case 1: rows(t, acc, keep, p, ldp, v, n, width, e, 1); break;
        case 2: rows(t, acc, keep, p, ldp, v, n, width, e, 2); break;
        case 3: rows(t, acc, keep, p, ldp, v, n, width, e, 3); break;
        default: rows(t, acc, keep, p, ldp, v, n, width, e, TILE_ROWS); break;
        }
        left -= G;
        acc += (ptrdiff_t)G * width;
        keep += G;
        p += G * ldp;
    }
}

/* VECTORS vectors of n values, for all rows. */
CH_INLINE void widened(ch_dtype t, float *acc, const float *keep, const float *p, ptrdiff_t ldp,
                       const unsigned char *v, int groups, int n, int width)
{
    float room[KEYS_WIDENED * VECTORS * VF];
    const size_t row_bytes = stored_bytes(t, width);
    for (int j = 0; j < n; j++)
        for (int i = 0; i < VECTORS; i++)
            vf_store(room + (j * VECTORS + i) * VF, stored_load(t, v + (size_t)j * row_bytes, i));
    const unsigned char *const from = (const unsigned char *)room;
    const size_t apart = VECTORS * VF * sizeof *room;
    for (int left = groups; left > 0;) {
        const int G = stored_tile_rows(left);
        switch (G) { /* so that tile() sees constants */
        case 1: tile(CH_F32, acc, keep, p, ldp, from, apart, n, width, 1, VECTORS, 0); break;
        case 2: tile(CH_F32, acc, keep, p, ldp, from, apart, n, width, 2, VECTORS, 0); break;
        case 3: tile(CH_F32, acc, keep, p, ldp, from, apart, n, width, 3, VECTORS, 0); break;
        default:
            tile(CH_F32, acc, keep, p, ldp, from, apart, n, width, TILE_ROWS, VECTORS, 0);
            break;
        }
        left -= G;
        acc += (ptrdiff_t)G * width;
        keep += G;
        p += G * ldp;
    }
}

CH_INLINE void mix(ch_dtype t, float *acc, const float *keep, const float *p, ptrdiff_t ldp,
                   const void *v, int groups, int n, int width)
{
    int e = 0;
    if (stored_block(t) > 1 && groups > TILE_ROWS && n <= KEYS_WIDENED)
        for (; e + VECTORS * VF <= width; e += VECTORS * VF)
            widened(t, acc + e, keep, p, ldp, (const unsigned char *)v + stored_bytes(t, e), groups,
                    n, width);
    tiles(t, acc, keep, p, ldp, v, groups, n, width, e);
}

void CH_FN(mix_f32)(float *acc, const float *keep, const float *p, ptrdiff_t ldp, const void *v,
                    int groups, int n, int width)
{
    mix(CH_F32, acc, keep, p, ldp, v, groups, n, width);
}

void CH_FN(mix_f16)(float *acc, const float *keep, const float *p, ptrdiff_t ldp, const void *v,
                    int groups, int n, int width)
{
    mix(CH_F16, acc, keep, p, ldp, v, groups, n, width);
}

void CH_FN(mix_bf16)(float *acc, const float *keep, const float *p, ptrdiff_t ldp, const void *v,
                     int groups, int n, int width)
{
    mix(CH_BF16, acc, keep, p, ldp, v, groups, n, width);
}

void CH_FN(mix_q8_0)(float *acc, const float *keep, const float *p, ptrdiff_t ldp, const void *v,
                     int groups, int n, int width)
{
    mix(CH_Q8_0, acc, keep, p, ldp, v, groups, n, width);
}

void CH_FN(mix_q4_0)(float *acc, const float *keep, const float *p, ptrdiff_t ldp, const void *v,
                     int groups, int n, int width)
{
    mix(CH_Q4_0, acc, keep, p, ldp, v, groups, n, width);
}
