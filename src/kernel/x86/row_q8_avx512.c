/* row_q8_avx512.c - an activation row as 8-bit integers, with the bits of row_q8_c.c: a group is
 * two registers
 *
 * The greatest magnitude is found among the bits of |x|, which are ordered as integers; a NaN or
 * an infinity is then at least 0x7f800000.  SPDX-License-Identifier: MIT */
#include <immintrin.h>

#include "panel.h"

static __m512i quantize(__m512 x, __m512 d)
{
    const __m512 most = _mm512_set1_ps(127), least = _mm512_set1_ps(-127);
    return _mm512_cvtps_epi32(_mm512_max_ps(_mm512_min_ps(_mm512_div_ps(x, d), most), least));
}

void ch_row_q8_avx512(void *out, const real *x, int K)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    ch_group *group = out;
    for (int k = 0; k < K; k += CH_GROUP, x += CH_GROUP, group++) {
        const __m512 x0 = _mm512_loadu_ps(x), x1 = _mm512_loadu_ps(x + 16);
        const __m512i a0 = _mm512_and_si512(_mm512_castps_si512(x0), magnitude);
        const __m512i a1 = _mm512_and_si512(_mm512_castps_si512(x1), magnitude);
        const int32_t bits = _mm512_reduce_max_epi32(_mm512_max_epi32(a0, a1));
        float most;
        __builtin_memcpy(&most, &bits, sizeof most);
        const float d = bits < 0x7f800000 ? most / 127 : NAN;
        __m512i q0 = _mm512_setzero_si512(), q1 = q0;
        if (d > 0) {
            q0 = quantize(x0, _mm512_set1_ps(d));
            q1 = quantize(x1, _mm512_set1_ps(d));
        }
        _mm_storeu_si128((__m128i *)(void *)group->q, _mm512_cvtepi32_epi8(q0));
        _mm_storeu_si128((__m128i *)(void *)(group->q + 16), _mm512_cvtepi32_epi8(q1));
        ch_group_sums(group, d, _mm512_reduce_add_epi32(q0), _mm512_reduce_add_epi32(q1));
    }
}
