/* mix_q8_0_avx512vnni.c - attention output of q8_0 values by integers: two keys a register
 *
 * A lane is a column of two keys as 16 bits each, so that VPDPWSSD needs no sum across lanes: the
 * keys of a block are widened by pairs once, for all rows.  Rows go in tiles, whose sums stay in
 * registers.  SPDX-License-Identifier: MIT */
#include "mix_q8_0.h"
#include "quant512.h"

enum { TILE = 8, LANES = 16, CHAINS_MOST = 4 };

CH_INLINE __mmask16 first(int n)
{
    return n >= LANES ? (__mmask16)0xffff : (__mmask16)((1u << n) - 1);
}

typedef struct values { /* a block of all keys */
    __m512i two[CH_MIX_KEYS / 2][2];
    __m512 d[CH_MIX_KEYS / LANES]; /* zeros behind the last key */
} values;

static void open_scales(values *to, const void *const *v, size_t at, int n)
{
    __attribute__((aligned(64))) uint16_t d[CH_MIX_KEYS];
    for (int j = 0; j < n; j++)
        __builtin_memcpy(d + j, (const unsigned char *)v[j] + at, sizeof *d);
    for (int j = 0; j < n; j += LANES)
        to->d[j / LANES] = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first(n - j), d + j));
}

/* Two keys of a block: columns 0-7 and 16-23, then the others.  Behind the last key stands the last
 * key again, whose weight is zero there. */
CH_INLINE void open_pair(__m512i two[2], const void *const *v, size_t at, int j, int n)
{
    const unsigned char *a = (const unsigned char *)v[CH_MIN(j, n - 1)] + at;
    const unsigned char *z = (const unsigned char *)v[CH_MIN(j + 1, n - 1)] + at;
    const __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(a + 2));
    const __m256i y = _mm256_loadu_si256((const __m256i *)(const void *)(z + 2));
    two[0] = _mm512_cvtepi8_epi16(_mm256_unpacklo_epi8(x, y));
    two[1] = _mm512_cvtepi8_epi16(_mm256_unpackhi_epi8(x, y));
}

/* Returns what sums are multiplied by; w: weights, up to `vectors` whole vectors (constant). */
CH_INLINE float weights_of(int16_t *w, const values *v, const float *p, int n, const int vectors)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512 x[CH_MIX_KEYS / LANES];
    __m512i most = _mm512_setzero_si512();
    CH_UNROLL
    for (int i = 0; i < vectors; i++) {
        x[i] = _mm512_mul_ps(_mm512_maskz_loadu_ps(first(n - i * LANES), p + i * LANES), v->d[i]);
        most = _mm512_max_epu32(most, _mm512_and_si512(_mm512_castps_si512(x[i]), magnitude));
    }
    const ch_mix_scale s = ch_mix_scale_of(_mm512_reduce_max_epu32(most));
    const __m512 up = _mm512_set1_ps(s.up);
    CH_UNROLL
    for (int i = 0; i < vectors; i++)
        _mm256_store_si256((__m256i *)(void *)(w + i * LANES),
                           _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(_mm512_mul_ps(x[i], up))));
    return s.down;
}

static float weigh(int16_t *w, const values *v, const float *p, int n)
{
    switch ((n + LANES - 1) / LANES) {
    case 1: return weights_of(w, v, p, n, 1);
    case 2: return weights_of(w, v, p, n, 2);
    case 3: return weights_of(w, v, p, n, 3);
    case 4: return weights_of(w, v, p, n, 4);
    case 5: return weights_of(w, v, p, n, 5);
    case 6: return weights_of(w, v, p, n, 6);
    case 7: return weights_of(w, v, p, n, 7);
    default: return weights_of(w, v, p, n, 8);
    }
}

/* s += the two products of each lane; in assembly as ch_dot512 is. */
CH_INLINE __m512i dot(__m512i s, __m512i x, const int16_t *w)
{
    __asm__("vpdpwssd %2%{1to16%}, %1, %0"
            : "+v"(s)
            : "v"(x), "m"(((const ch_four *)(const void *)w)->bytes));
    return s;
}

CH_INLINE void add(float *acc, float keep, float step, __m512i sum)
{
    const __m512 before = _mm512_mul_ps(_mm512_loadu_ps(acc), _mm512_set1_ps(keep));
    _mm512_storeu_ps(acc, _mm512_fmadd_ps(_mm512_set1_ps(step), _mm512_cvtepi32_ps(sum), before));
}

/* The columns of a block, of every row CHAINS sums, which are exact in any order.  WIDEN: pairs of
 * keys, on the way. */
CH_INLINE void tile(float *acc, int width, const float *keep, const float *p, ptrdiff_t ldp,
                    const values *open, const void *const *v, size_t at, int n, const int G,
                    const int CHAINS, const bool WIDEN)
{
    __attribute__((aligned(64))) int16_t w[TILE][CH_MIX_KEYS];
    float step[TILE];
    __m512i sum[2 * TILE];
    for (int g = 0; g < G; g++)
        step[g] = weigh(w[g], open, p + g * ldp, n);
    CH_UNROLL
    for (int i = 0; i < 2 * G * CHAINS; i++)
        sum[i] = _mm512_setzero_si512();
    for (int j = 0; j < n; j += 2 * CHAINS) {
        CH_UNROLL
        for (int c = 0; c < CHAINS; c++) {
            const int k = j + 2 * c;
            __m512i two[2];
            if (WIDEN)
                open_pair(two, v, at, k, n);
            else
                __builtin_memcpy(two, open->two[k / 2], sizeof two);
            CH_UNROLL
            for (int g = 0; g < G; g++) {
                __m512i *s = sum + 2 * (c * G + g);
                s[0] = dot(s[0], two[0], w[g] + k);
                s[1] = dot(s[1], two[1], w[g] + k);
            }
        }
    }
    for (int g = 0; g < G; g++) {
        __m512i a = sum[2 * g], b = sum[2 * g + 1];
        CH_UNROLL
        for (int c = 1; c < CHAINS; c++) {
            a = _mm512_add_epi32(a, sum[2 * (c * G + g)]);
            b = _mm512_add_epi32(b, sum[2 * (c * G + g) + 1]);
        }
        float *to = acc + (ptrdiff_t)g * width;
        add(to, keep[g], step[g], _mm512_inserti64x4(a, _mm512_castsi512_si256(b), 1));
        add(to + LANES, keep[g], step[g], _mm512_shuffle_i64x2(a, b, 0xee));
    }
}

void ch_mix_q8_0_avx512vnni(real *acc, const real *keep, const real *p, ptrdiff_t ldp,
                            const void *const *v, int groups, int n, int width)
{
    values some;
    for (int e = 0; e < width; e += CH_MIX_BLOCK) {
        const size_t at = ch_mix_block_at(e);
        open_scales(&some, v, at, n);
        for (int j = 0; groups > TILE && j < n; j += 2)
            open_pair(some.two[j / 2], v, at, j, n);
        for (int g = 0, G; g < groups; g += G) {
            float *to = acc + (ptrdiff_t)g * width + e;
            const float *k = keep + g, *w = p + g * ldp;
            const int left = groups - g;
            G = left >= TILE ? TILE : left >= 4 ? 4 : left >= 2 ? 2 : 1;
            switch (G) { /* so that the tile sees constants */
            case 1: tile(to, width, k, w, ldp, &some, v, at, n, 1, CHAINS_MOST, true); break;
            case 2: tile(to, width, k, w, ldp, &some, v, at, n, 2, 2, true); break;
            case 4: tile(to, width, k, w, ldp, &some, v, at, n, 4, 1, true); break;
            default:
                if (groups == TILE)
                    tile(to, width, k, w, ldp, &some, v, at, n, TILE, 1, true);
                else
                    tile(to, width, k, w, ldp, &some, v, at, n, TILE, 1, false);
            }
        }
    }
}
