/* row_f16_avx512.c - reals as binary16, with the bits of row_f16_c.c.
 * SPDX-License-Identifier: MIT */
#include <immintrin.h>

#include "kernel.h"

void ch_row_f16_avx512(void *out, const real *x, int K)
{
    uint16_t *h = out;
    for (int k = 0; k < K; k += 16) {
        const __mmask16 here =
            K - k < 16 ? (__mmask16)((1u << (K - k)) - 1) : (__mmask16)0xffff;
        _mm256_mask_storeu_epi16(h + k, here,
                                 _mm512_cvtps_ph(_mm512_maskz_loadu_ps(here, x + k),
                                                 _MM_FROUND_TO_NEAREST_INT));
    }
}
