/* row_q8_avx2.c - an activation row as 8-bit integers, with the bits of row_q8_c.c: a group is
 * four registers
 *
 * The greatest magnitude is found among the bits of |x|, which are ordered as integers; a NaN or
 * an infinity is then at least 0x7f800000.  SPDX-License-Identifier: MIT */
#include <immintrin.h>

#include "panel.h"

static __m256i quantize(const real *x, __m256 d)
{
    const __m256 most = _mm256_set1_ps(127), least = _mm256_set1_ps(-127);
    return _mm256_cvtps_epi32(
        _mm256_max_ps(_mm256_min_ps(_mm256_div_ps(_mm256_loadu_ps(x), d), most), least));
}

static int32_t greatest_bits(const real *x)
{
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    __m256i most = _mm256_setzero_si256();
    for (int i = 0; i < CH_GROUP; i += 8) {
        const __m256i bits = _mm256_castps_si256(_mm256_loadu_ps(x + i));
        most = _mm256_max_epi32(most, _mm256_and_si256(bits, magnitude));
    }
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
    return _mm_cvtsi128_si32(m);
}

static int32_t total(__m256i v)
{
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
    return _mm_cvtsi128_si32(s);
}

void ch_row_q8_avx2(void *out, const real *x, int K)
{
    /* What the two packings of 128-bit halves leave, in order. */
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    ch_group *group = out;
    for (int k = 0; k < K; k += CH_GROUP, x += CH_GROUP, group++) {
        const int32_t bits = greatest_bits(x);
        float most;
        __builtin_memcpy(&most, &bits, sizeof most);
        const float d = bits < 0x7f800000 ? most / 127 : NAN;
        __m256i q = _mm256_setzero_si256(), sum0 = q, sum1 = q;
        if (d > 0) {
            const __m256 dd = _mm256_set1_ps(d);
            const __m256i a = quantize(x, dd), b = quantize(x + 8, dd);
            const __m256i c = quantize(x + 16, dd), e = quantize(x + 24, dd);
            sum0 = _mm256_add_epi32(a, b);
            sum1 = _mm256_add_epi32(c, e);
            q = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, e));
        }
        _mm256_storeu_si256((__m256i *)(void *)group->q, _mm256_permutevar8x32_epi32(q, order));
        ch_group_sums(group, d, total(sum0), total(sum1));
    }
}
