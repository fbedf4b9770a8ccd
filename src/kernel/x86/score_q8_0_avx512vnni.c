/* score_q8_0_avx512vnni.c - attention scores of q8_0 keys: sixteen keys a register
 *
 * Four bytes of a key are a lane, so that VPDPBUSD needs no sum across lanes: the blocks of sixteen
 * keys change rows and columns once, for all queries.  Queries go in tiles, whose sums stay in
 * registers.  SPDX-License-Identifier: MIT */
#include "quant512.h"

enum { KEYS = 16, BLOCK_BYTES = 2 + CH_GROUP, CHUNK = 8, TILE = 8, STEPS = CH_GROUP / 4 };

typedef struct turned { /* blocks of KEYS keys */
    __m512i u[CHUNK][STEPS]; /* + 128 */
    __m512 d[CHUNK];
} turned;

/* 4 bytes as an element: element i of row j goes to place j of u[i], rows 8 to 15 above rows 0 to
 * 7. */
CH_INLINE void turn(__m512i u[STEPS], __m512i v[STEPS])
{
    const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
    const __m512i high = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
    const __m512i offset = _mm512_set1_epi8(-128);
    __m512i w[STEPS];
    CH_UNROLL
    for (int i = 0; i < STEPS; i += 4) {
        const __m512i a = _mm512_unpacklo_epi32(v[i], v[i + 1]);
        const __m512i b = _mm512_unpackhi_epi32(v[i], v[i + 1]);
        const __m512i c = _mm512_unpacklo_epi32(v[i + 2], v[i + 3]);
        const __m512i d = _mm512_unpackhi_epi32(v[i + 2], v[i + 3]);
        w[i] = _mm512_unpacklo_epi64(a, c);
        w[i + 1] = _mm512_unpackhi_epi64(a, c);
        w[i + 2] = _mm512_unpacklo_epi64(b, d);
        w[i + 3] = _mm512_unpackhi_epi64(b, d);
    }
    CH_UNROLL
    for (int i = 0; i < 4; i++) {
        u[i] = _mm512_xor_si512(_mm512_permutex2var_epi64(w[i], low, w[i + 4]), offset);
        u[i + 4] = _mm512_xor_si512(_mm512_permutex2var_epi64(w[i], high, w[i + 4]), offset);
    }
}

/* `blocks` blocks of n keys from k on; behind the last key stands the last key again. */
static void open_keys(turned *to, const unsigned char *k, size_t row_bytes, int n, int blocks)
{
    for (int b = 0; b < blocks; b++, k += BLOCK_BYTES) {
        uint16_t d[KEYS];
        __m512i v[STEPS];
        CH_UNROLL
        for (int j = 0; j < KEYS / 2; j++) {
            const unsigned char *a = k + (size_t)CH_MIN(j, n - 1) * row_bytes;
            const unsigned char *z = k + (size_t)CH_MIN(j + KEYS / 2, n - 1) * row_bytes;
            __builtin_memcpy(d + j, a, sizeof *d);
            __builtin_memcpy(d + j + KEYS / 2, z, sizeof *d);
            v[j] = _mm512_inserti64x4(
                _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)(a + 2))),
                _mm256_loadu_si256((const __m256i *)(const void *)(z + 2)), 1);
        }
        turn(to->u[b], v);
        to->d[b] = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)d));
    }
}

/* Where the sums of a tile go, and what is done to them on the way. */
typedef struct place {
    float *s;
    ptrdiff_t lds;
    __mmask16 keys;
    bool first, last; /* blocks of the rows */
    float scale;
} place;

CH_INLINE void tile(const place *to, const ch_group *q, int row_groups, const turned *k, int blocks,
                    const int G)
{
    __m512 acc[TILE];
    CH_UNROLL
    for (int g = 0; g < G; g++)
        acc[g] = to->first ? _mm512_setzero_ps()
                           : _mm512_maskz_loadu_ps(to->keys, to->s + g * to->lds);
    for (int b = 0; b < blocks; b++) {
        const ch_group *x = q + b;
        __m512i sum[TILE];
        CH_UNROLL
        for (int g = 0; g < G; g++)
            sum[g] = _mm512_set1_epi32(x[(ptrdiff_t)g * row_groups].bias_q8);
        CH_UNROLL
        for (int i = 0; i < STEPS; i++) {
            const __m512i u = k->u[b][i];
            CH_UNROLL
            for (int g = 0; g < G; g++)
                sum[g] = ch_dot512(sum[g], u,
                                   (const char *)x[(ptrdiff_t)g * row_groups].q + 4 * i);
        }
        CH_UNROLL
        for (int g = 0; g < G; g++) {
            const __m512 d = _mm512_set1_ps(x[(ptrdiff_t)g * row_groups].d);
            acc[g] = _mm512_fmadd_ps(_mm512_mul_ps(k->d[b], d), _mm512_cvtepi32_ps(sum[g]), acc[g]);
        }
    }
    CH_UNROLL
    for (int g = 0; g < G; g++)
        _mm512_mask_storeu_ps(to->s + g * to->lds, to->keys,
                              to->last ? _mm512_mul_ps(_mm512_set1_ps(to->scale), acc[g]) : acc[g]);
}

static void tiles(place to, const ch_group *q, int groups, int row_groups, const turned *k,
                  int blocks)
{
    for (int G; groups > 0; groups -= G) {
        G = groups >= TILE ? TILE : groups >= 4 ? 4 : groups >= 2 ? 2 : 1;
        switch (G) {
        case 1: tile(&to, q, row_groups, k, blocks, 1); break;
        case 2: tile(&to, q, row_groups, k, blocks, 2); break;
        case 4: tile(&to, q, row_groups, k, blocks, 4); break;
        default: tile(&to, q, row_groups, k, blocks, TILE); break;
        }
        to.s += G * to.lds;
        q += (ptrdiff_t)G * row_groups;
    }
}

void ch_score_q8_0_avx512vnni(real *s, ptrdiff_t lds, const void *q, const void *k, int groups,
                              int n, int width, real scale)
{
    const int row_groups = width / CH_GROUP;
    const size_t row_bytes = (size_t)row_groups * BLOCK_BYTES;
    turned some;
    for (int j = 0; j < n; j += KEYS)
        for (int b = 0; b < row_groups; b += CHUNK) {
            const int keys = CH_MIN(n - j, KEYS), blocks = CH_MIN(row_groups - b, CHUNK);
            open_keys(&some,
                      (const unsigned char *)k + (size_t)j * row_bytes + (size_t)b * BLOCK_BYTES,
                      row_bytes, keys, blocks);
            tiles((place){.s = s + j,
                          .lds = lds,
                          .keys = (__mmask16)((1u << keys) - 1),
                          .first = b == 0,
                          .last = b + blocks == row_groups,
                          .scale = scale},
                  (const ch_group *)q + b, groups, row_groups, &some, blocks);
        }
}
