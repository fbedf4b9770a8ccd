/* score256.h - attention scores of q8_0 keys, eight keys a register, for score_q8_0_avx2 and
 * score_q8_0_avxvnni; the rest is as in score_q8_0_avx512vnni.c
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_SCORE256_H
#define CH_SCORE256_H

#include "quant256.h"

enum {
    CH_SCORE256_KEYS = 8,
    CH_SCORE256_BLOCK = 2 + CH_GROUP,
    CH_SCORE256_CHUNK = 8,
    CH_SCORE256_TILE = 4,
    CH_SCORE256_STEPS = CH_GROUP / 4
};

typedef struct ch_turned256 { /* blocks of eight keys */
    __m256i k[CH_SCORE256_CHUNK][CH_SCORE256_STEPS];
    __m256 d[CH_SCORE256_CHUNK];
} ch_turned256;

typedef struct ch_place256 {
    float *s;
    ptrdiff_t lds;
    int keys;
    bool first, last;
    float scale;
} ch_place256;

/* What a sum of four products a lane starts with, and one step of it: k as stored, q four bytes in
 * every lane. */
typedef __m256i ch_score256_begin_fn(const ch_group *q);
typedef __m256i ch_score256_step_fn(__m256i sum, __m256i k, __m256i q);

CH_INLINE void ch_turn256(__m256i k[CH_SCORE256_STEPS], const __m256i v[CH_SCORE256_STEPS])
{
    __m256i w[CH_SCORE256_STEPS];
    CH_UNROLL
    for (int i = 0; i < CH_SCORE256_STEPS; i += 4) {
        const __m256i a = _mm256_unpacklo_epi32(v[i], v[i + 1]);
        const __m256i b = _mm256_unpackhi_epi32(v[i], v[i + 1]);
        const __m256i c = _mm256_unpacklo_epi32(v[i + 2], v[i + 3]);
        const __m256i d = _mm256_unpackhi_epi32(v[i + 2], v[i + 3]);
        w[i] = _mm256_unpacklo_epi64(a, c);
        w[i + 1] = _mm256_unpackhi_epi64(a, c);
        w[i + 2] = _mm256_unpacklo_epi64(b, d);
        w[i + 3] = _mm256_unpackhi_epi64(b, d);
    }
    CH_UNROLL
    for (int i = 0; i < 4; i++) {
        k[i] = _mm256_permute2x128_si256(w[i], w[i + 4], 0x20);
        k[i + 4] = _mm256_permute2x128_si256(w[i], w[i + 4], 0x31);
    }
}

CH_INLINE void ch_open256(ch_turned256 *to, const unsigned char *k, size_t row_bytes, int n,
                          int blocks)
{
    for (int b = 0; b < blocks; b++, k += CH_SCORE256_BLOCK) {
        uint16_t d[CH_SCORE256_KEYS];
        __m256i v[CH_SCORE256_STEPS];
        CH_UNROLL
        for (int j = 0; j < CH_SCORE256_KEYS; j++) {
            const unsigned char *key = k + (size_t)CH_MIN(j, n - 1) * row_bytes;
            __builtin_memcpy(d + j, key, sizeof *d);
            v[j] = _mm256_loadu_si256((const __m256i *)(const void *)(key + 2));
        }
        ch_turn256(to->k[b], v);
        to->d[b] = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)d));
    }
}

CH_INLINE void ch_score256_tile(const ch_place256 *to, const ch_group *q, int row_groups,
                                const ch_turned256 *k, int blocks, ch_score256_begin_fn *begin,
                                ch_score256_step_fn *step, const int G)
{
    const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(to->keys),
                                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256 acc[CH_SCORE256_TILE];
    CH_UNROLL
    for (int g = 0; g < G; g++)
        acc[g] = to->first ? _mm256_setzero_ps() : _mm256_maskload_ps(to->s + g * to->lds, mask);
    for (int b = 0; b < blocks; b++) {
        __m256i sum[CH_SCORE256_TILE];
        CH_UNROLL
        for (int g = 0; g < G; g++)
            sum[g] = begin(q + (ptrdiff_t)g * row_groups + b);
        CH_UNROLL
        for (int i = 0; i < CH_SCORE256_STEPS; i++) {
            CH_UNROLL
            for (int g = 0; g < G; g++) {
                int32_t four;
                __builtin_memcpy(&four, q[(ptrdiff_t)g * row_groups + b].q + 4 * i, sizeof four);
                sum[g] = step(sum[g], k->k[b][i], _mm256_set1_epi32(four));
            }
        }
        CH_UNROLL
        for (int g = 0; g < G; g++) {
            const __m256 d = _mm256_set1_ps(q[(ptrdiff_t)g * row_groups + b].d);
            acc[g] = _mm256_fmadd_ps(_mm256_mul_ps(k->d[b], d), _mm256_cvtepi32_ps(sum[g]), acc[g]);
        }
    }
    CH_UNROLL
    for (int g = 0; g < G; g++)
        _mm256_maskstore_ps(to->s + g * to->lds, mask,
                            to->last ? _mm256_mul_ps(_mm256_set1_ps(to->scale), acc[g]) : acc[g]);
}

CH_INLINE void ch_score256(float *s, ptrdiff_t lds, const void *q, const void *k, int groups,
                           int n, int width, float scale, ch_score256_begin_fn *begin,
                           ch_score256_step_fn *step)
{
    const int row_groups = width / CH_GROUP;
    const size_t row_bytes = (size_t)row_groups * CH_SCORE256_BLOCK;
    ch_turned256 some;
    for (int j = 0; j < n; j += CH_SCORE256_KEYS)
        for (int b = 0; b < row_groups; b += CH_SCORE256_CHUNK) {
            const int blocks = CH_MIN(row_groups - b, CH_SCORE256_CHUNK);
            ch_place256 to = {.s = s + j,
                              .lds = lds,
                              .keys = CH_MIN(n - j, CH_SCORE256_KEYS),
                              .first = b == 0,
                              .last = b + blocks == row_groups,
                              .scale = scale};
            const ch_group *x = (const ch_group *)q + b;
            ch_open256(&some,
                       (const unsigned char *)k + (size_t)j * row_bytes +
                           (size_t)b * CH_SCORE256_BLOCK,
                       row_bytes, to.keys, blocks);
            int g = 0;
            for (; g + CH_SCORE256_TILE <= groups; g += CH_SCORE256_TILE) {
                ch_score256_tile(&to, x, row_groups, &some, blocks, begin, step, CH_SCORE256_TILE);
                x += (ptrdiff_t)CH_SCORE256_TILE * row_groups;
                to.s += CH_SCORE256_TILE * lds;
            }
            for (; g < groups; g++, x += row_groups, to.s += lds)
                ch_score256_tile(&to, x, row_groups, &some, blocks, begin, step, 1);
        }
}

#endif
