/* row_bf16_avx512.c - an activation row as bfloat16, with the bits of row_bf16_c.c
 *
 * In integers, because VCVTNEPS2BF16 takes subnormals as zeros.  SPDX-License-Identifier: MIT */
#include <immintrin.h>

#include "kernel.h"

static __m256i narrow(__m512 x)
{
    const __m512i bits = _mm512_castps_si512(x), upper = _mm512_srli_epi32(bits, 16);
    const __m512i odd = _mm512_and_si512(upper, _mm512_set1_epi32(1));
    const __m512i rounded =
        _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_mask_or_epi32(_mm512_srli_epi32(rounded, 16), nan, upper,
                                                      _mm512_set1_epi32(0x40)));
}

void ch_row_bf16_avx512(void *out, const real *x, int K)
{
    uint16_t *h = out;
    const int whole = (int)(ch_row_bytes(CH_PANEL_BF16, K) / sizeof *h);
    int k = 0;
    for (; k + 16 <= K; k += 16)
        _mm256_storeu_si256((__m256i *)(void *)(h + k), narrow(_mm512_loadu_ps(x + k)));
    if (k < whole) {
        const __m512 rest = _mm512_maskz_loadu_ps((__mmask16)((1u << (K - k)) - 1), x + k);
        _mm256_mask_storeu_epi16(h + k, (__mmask16)((1u << (whole - k)) - 1), narrow(rest));
    }
}
