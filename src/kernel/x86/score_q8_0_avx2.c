/* score_q8_0_avx2.c - attention scores of q8_0 keys: VPMADDUBSW of |k| and q with k's sign, as in
 * gemm_q8_avx2.c.  SPDX-License-Identifier: MIT */
#include "score256.h"

CH_INLINE __m256i begin(const ch_group *q)
{
    (void)q;
    return _mm256_setzero_si256();
}

CH_INLINE __m256i step(__m256i sum, __m256i k, __m256i q)
{
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(k), _mm256_sign_epi8(q, k));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

void ch_score_q8_0_avx2(real *s, ptrdiff_t lds, const void *q, const void *k, int groups, int n,
                        int width, real scale)
{
    ch_score256(s, lds, q, k, groups, n, width, scale, begin, step);
}
