/* score256.h - attention scores of q8_0 keys, eight at a time, for score_q8_0_* of AVX2 and NEON
 *
 * Four bytes of a key are a lane, so that no sum crosses lanes: the blocks of eight keys change
 * rows and columns once, for all queries.  Queries go in tiles, whose sums stay in registers.
 * SPDX-License-Identifier: MIT */
#ifndef CH_SCORE256_H
#define CH_SCORE256_H

#include "quant256.h"

enum {
    CH_SCORE256_BLOCK = 2 + CH_GROUP, /* bytes */
    CH_SCORE256_CHUNK = 8,            /* blocks that are turned at once */
    CH_SCORE256_TILE = 4,
    CH_SCORE256_STEPS = CH_GROUP / 4
};

typedef struct ch_turned256 { /* blocks of VF keys */
    vb k[CH_SCORE256_CHUNK][CH_SCORE256_STEPS];
    vf d[CH_SCORE256_CHUNK];
} ch_turned256;

/* Where the sums of a tile go, and what is done to them on the way. */
typedef struct ch_place256 {
    float *s;
    ptrdiff_t lds;
    int keys;
    bool first, last; /* blocks of the rows */
    float scale;
} ch_place256;

/* What a sum of four products a lane starts with, and one step of it: k as stored, q four bytes in
 * every lane. */
typedef vi ch_score256_begin_fn(const ch_group *q);
typedef vi ch_score256_step_fn(vi sum, vb k, vb q);

/* `blocks` blocks of n keys from k on; behind the last key stands the last key again. */
CH_INLINE void ch_open256(ch_turned256 *to, const unsigned char *k, size_t row_bytes, int n,
                          int blocks)
{
    for (int b = 0; b < blocks; b++, k += CH_SCORE256_BLOCK) {
        uint16_t d[VF];
        CH_UNROLL
        for (int j = 0; j < VF; j++) {
            const unsigned char *key = k + (size_t)CH_MIN(j, n - 1) * row_bytes;
            __builtin_memcpy(d + j, key, sizeof *d);
            to->k[b][j] = vb_load(key + 2);
        }
        vb_transpose4(to->k[b]);
        to->d[b] = vf_load_f16(d);
    }
}

CH_INLINE void ch_score256_tile(const ch_place256 *to, const ch_group *q, int row_groups,
                                const ch_turned256 *k, int blocks, ch_score256_begin_fn *begin,
                                ch_score256_step_fn *step, const int G)
{
    vf acc[CH_SCORE256_TILE];
    CH_UNROLL
    for (int g = 0; g < G; g++)
        acc[g] = to->first ? vf_zero() : vf_load_part(to->s + g * to->lds, to->keys);
    for (int b = 0; b < blocks; b++) {
        vi sum[CH_SCORE256_TILE];
        CH_UNROLL
        for (int g = 0; g < G; g++)
            sum[g] = begin(q + (ptrdiff_t)g * row_groups + b);
        CH_UNROLL
        for (int i = 0; i < CH_SCORE256_STEPS; i++) {
            CH_UNROLL
            for (int g = 0; g < G; g++)
                sum[g] = step(sum[g], k->k[b][i],
                              vb_load4(q[(ptrdiff_t)g * row_groups + b].q + 4 * i));
        }
        CH_UNROLL
        for (int g = 0; g < G; g++) {
            const vf d = vf_set1(q[(ptrdiff_t)g * row_groups + b].d);
            acc[g] = vf_fma(vf_mul(k->d[b], d), vf_of_vi(sum[g]), acc[g]);
        }
    }
    CH_UNROLL
    for (int g = 0; g < G; g++)
        vf_store_part(to->s + g * to->lds, to->last ? vf_mul(vf_set1(to->scale), acc[g]) : acc[g],
                      to->keys);
}

CH_INLINE void ch_score256_tiles(ch_place256 to, const ch_group *q, int groups, int row_groups,
                                 const ch_turned256 *k, int blocks, ch_score256_begin_fn *begin,
                                 ch_score256_step_fn *step)
{
    for (int G; groups > 0; groups -= G) {
        G = CH_MIN(groups, CH_SCORE256_TILE);
        switch (G) { /* so that the tile sees a constant */
        case 1: ch_score256_tile(&to, q, row_groups, k, blocks, begin, step, 1); break;
        case 2: ch_score256_tile(&to, q, row_groups, k, blocks, begin, step, 2); break;
        case 3: ch_score256_tile(&to, q, row_groups, k, blocks, begin, step, 3); break;
        default:
            ch_score256_tile(&to, q, row_groups, k, blocks, begin, step, CH_SCORE256_TILE);
            break;
        }
        to.s += G * to.lds;
        q += (ptrdiff_t)G * row_groups;
    }
}

CH_INLINE void ch_score256(float *s, ptrdiff_t lds, const void *q, const void *k, int groups,
                           int n, int width, float scale, ch_score256_begin_fn *begin,
                           ch_score256_step_fn *step)
{
    const int row_groups = width / CH_GROUP;
    const size_t row_bytes = (size_t)row_groups * CH_SCORE256_BLOCK;
    ch_turned256 some;
    for (int j = 0; j < n; j += VF)
        for (int b = 0; b < row_groups; b += CH_SCORE256_CHUNK) {
            const int blocks = CH_MIN(row_groups - b, CH_SCORE256_CHUNK);
            const ch_place256 to = {.s = s + j,
                                    .lds = lds,
                                    .keys = CH_MIN(n - j, VF),
                                    .first = b == 0,
                                    .last = b + blocks == row_groups,
                                    .scale = scale};
            ch_open256(&some,
                       (const unsigned char *)k + (size_t)j * row_bytes +
                           (size_t)b * CH_SCORE256_BLOCK,
                       row_bytes, to.keys, blocks);
            ch_score256_tiles(to, (const ch_group *)q + b, groups, row_groups, &some, blocks, begin,
                              step);
        }
}

#endif
