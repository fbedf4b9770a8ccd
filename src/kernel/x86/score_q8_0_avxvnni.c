/* score_q8_0_avxvnni.c - attention scores of q8_0 keys: VPDPBUSD of k + 128 and q.
 * SPDX-License-Identifier: MIT */
#include "score256.h"

CH_INLINE __m256i begin(const ch_group *q)
{
    return _mm256_set1_epi32(q->bias_q8);
}

CH_INLINE __m256i step(__m256i sum, __m256i k, __m256i q)
{
    return _mm256_dpbusd_avx_epi32(sum, _mm256_xor_si256(k, _mm256_set1_epi8(-128)), q);
}

void ch_score_q8_0_avxvnni(real *s, ptrdiff_t lds, const void *q, const void *k, int groups, int n,
                           int width, real scale)
{
    ch_score256(s, lds, q, k, groups, n, width, scale, begin, step);
}
