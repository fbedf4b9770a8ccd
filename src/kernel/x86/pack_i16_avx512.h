/* pack_i16_avx512.h - the scales of sixteen groups, for pack_i16_avx512 and pack_i16t_avx512
 *
 * The greatest magnitude is found among the bits of |x|, which are ordered as integers; a NaN or
 * an infinity is then at least 0x7f800000.  SPDX-License-Identifier: MIT */
#ifndef CH_PACK_I16_AVX512_H
#define CH_PACK_I16_AVX512_H

#include <immintrin.h>

#include "gemm_walk.h"

/* The first n - i of sixteen lanes. */
CH_INLINE __mmask16 ch_lanes512(int n, int i)
{
    return n >= i + 16 ? (__mmask16)0xffff : n <= i ? 0 : (__mmask16)((1u << (n - i)) - 1);
}

CH_INLINE __m512i ch_larger512(__m512i most, __m512 x)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    return _mm512_max_epi32(most, _mm512_and_si512(_mm512_castps_si512(x), magnitude));
}

/* From the bits of the greatest magnitudes: stores the scales, returns what x is multiplied with
 * (0 where everything is 0 or something is not finite: *finite says which lanes). */
CH_INLINE __m512 ch_scales512(char *group, __m512i bits, __mmask16 *finite)
{
    const __m512 most = _mm512_castsi512_ps(bits), limit = _mm512_set1_ps(CH_I16_MOST);
    *finite = _mm512_cmplt_epi32_mask(bits, _mm512_set1_epi32(0x7f800000));
    const __mmask16 some =
        *finite & _mm512_cmp_ps_mask(most, _mm512_set1_ps(CH_I16_LEAST), _CMP_GE_OQ);
    const __m512 scale = _mm512_maskz_div_ps(some, most, limit);
    _mm512_storeu_ps(group, _mm512_mask_blend_ps(*finite, _mm512_set1_ps(NAN), scale));
    return _mm512_maskz_div_ps(some, limit, most);
}

#endif
