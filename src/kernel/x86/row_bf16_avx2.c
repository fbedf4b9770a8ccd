/* row_bf16_avx2.c - an activation row as bfloat16, with the bits of row_bf16_c.c.
 * SPDX-License-Identifier: MIT */
#include <immintrin.h>

#include "kernel.h"

static __m256i narrow(__m256 x) /* in the lower halves of 32 bits */
{
    const __m256i bits = _mm256_castps_si256(x), upper = _mm256_srli_epi32(bits, 16);
    const __m256i odd = _mm256_and_si256(upper, _mm256_set1_epi32(1));
    const __m256i rounded =
        _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_blendv_epi8(_mm256_srli_epi32(rounded, 16),
                              _mm256_or_si256(upper, _mm256_set1_epi32(0x40)), nan);
}

void ch_row_bf16_avx2(void *out, const real *x, int K)
{
    uint16_t *h = out;
    const int whole = (int)(ch_row_bytes(CH_PANEL_BF16, K) / sizeof *h);
    int k = 0;
    for (; k + 16 <= K; k += 16) {
        const __m256i both = _mm256_packus_epi32(narrow(_mm256_loadu_ps(x + k)),
                                                 narrow(_mm256_loadu_ps(x + k + 8)));
        _mm256_storeu_si256((__m256i *)(void *)(h + k), _mm256_permute4x64_epi64(both, 0xd8));
    }
    for (; k < K; k++)
        h[k] = ch_f32_to_bf16(x[k]);
    for (; k < whole; k++)
        h[k] = 0;
}
