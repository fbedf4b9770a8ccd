/* row_f16_avx2.c - reals as binary16, with the bits of row_f16_c.c.
 * SPDX-License-Identifier: MIT */
#include <immintrin.h>

#include "kernel.h"

void ch_row_f16_avx2(void *out, const real *x, int K)
{
    uint16_t *h = out;
    int k = 0;
    for (; k + 8 <= K; k += 8)
        _mm_storeu_si128((__m128i *)(void *)(h + k),
                         _mm256_cvtps_ph(_mm256_loadu_ps(x + k), _MM_FROUND_TO_NEAREST_INT));
    for (; k < K; k++)
        h[k] = ch_f32_to_f16(x[k]);
}
