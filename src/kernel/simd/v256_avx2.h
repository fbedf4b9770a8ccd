/* v256_avx2.h - 8 integers of 32 bits, or 32 bytes, at a time; v256_neon.h has the same names
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_V256_AVX2_H
#define CH_V256_AVX2_H

#include "f32_avx2.h"

typedef __m256i vi; /* 8 integers of 32 bits */
typedef __m256i vb; /* 32 bytes, four to each lane of a vi */

/* ---- Integers ------------------------------------------------------------------------------ */

static inline vi vi_set1(int32_t x) { return _mm256_set1_epi32(x); }
static inline vi vi_load_i8(const void *p) /* 8 bytes */
{
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p));
}
static inline vi vi_and(vi a, int32_t mask) { return _mm256_and_si256(a, vi_set1(mask)); }
static inline vi vi_right4(vi a) { return _mm256_srli_epi32(a, 4); }
static inline vf vf_of_vi(vi a) { return _mm256_cvtepi32_ps(a); }
static inline vi vi_of_vf(vf a) { return _mm256_cvtps_epi32(a); } /* to nearest even */
static inline vi vi_max(vi a, vi b) { return _mm256_max_epi32(a, b); }
static inline int32_t vi_hmax(vi a)
{
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1)));
}
static inline vi vi_bits_abs(vf a) /* of |a|: as integers in the same order, NaN the greatest */
{
    return _mm256_and_si256(_mm256_castps_si256(a), _mm256_set1_epi32(0x7fffffff));
}
static inline void vi_store_i16(int16_t *p, vi a) /* clamped */
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm_packs_epi32(_mm256_castsi256_si128(a),
                                                           _mm256_extracti128_si256(a, 1)));
}

/* ---- bfloat16 by pairs --------------------------------------------------------------------- */

/* The first n of 8, n even, no more than there are, or past the last; then zeros. */
static inline vf vf_load_bf16_even(const void *p, int n)
{
    const __m128i pairs = _mm_cmpgt_epi32(_mm_set1_epi32(n / 2), _mm_setr_epi32(0, 1, 2, 3));
    return vf_of_bf16(_mm_maskload_epi32((const int *)p, pairs));
}

/* Of 8 pairs the first numbers, and the second ones. */
static inline vf vf_load_bf16_first(const void *p)
{
    const __m256i both = _mm256_loadu_si256((const __m256i *)p);
    return _mm256_castsi256_ps(_mm256_slli_epi32(both, 16));
}
static inline vf vf_load_bf16_second(const void *p)
{
    const vf upper = _mm256_castsi256_ps(_mm256_set1_epi32((int)0xffff0000u));
    return _mm256_and_ps(_mm256_castsi256_ps(_mm256_loadu_si256((const __m256i *)p)), upper);
}

/* ---- Bytes --------------------------------------------------------------------------------- */

static inline vb vb_load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
static inline vb vb_set1(int x) { return _mm256_set1_epi8((char)x); }
static inline vb vb_load4(const void *p) /* 4 bytes in every lane */
{
    int32_t four;
    memcpy(&four, p, sizeof four);
    return _mm256_set1_epi32(four);
}
static inline vb vb_load16(const void *p) /* 16 bytes twice */
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
}
static inline vb vb_and(vb a, vb b) { return _mm256_and_si256(a, b); }
static inline vb vb_or(vb a, vb b) { return _mm256_or_si256(a, b); }
static inline vb vb_xor(vb a, vb b) { return _mm256_xor_si256(a, b); }
/* table: 16 bytes twice; at < 16 */
static inline vb vb_look_up(vb table, vb at) { return _mm256_shuffle_epi8(table, at); }

/* Left by n bits, right by -n; a mask must keep those bits alone that were the byte's own. */
static inline vb vb_shift(vb x, const int n)
{
    switch (n) {
    case -6: return _mm256_srli_epi16(x, 6);
    case -4: return _mm256_srli_epi16(x, 4);
    case -3: return _mm256_srli_epi16(x, 3);
    case -2: return _mm256_srli_epi16(x, 2);
    case -1: return _mm256_srli_epi16(x, 1);
    case 1: return _mm256_slli_epi16(x, 1);
    case 2: return _mm256_slli_epi16(x, 2);
    case 3: return _mm256_slli_epi16(x, 3);
    case 4: return _mm256_slli_epi16(x, 4);
    case 5: return _mm256_slli_epi16(x, 5);
    default: return x;
    }
}

/* Signed bytes of a and z, 16 each, as pairs of 16 bits: a0 z0 ... a7 z7, then the others. */
static inline void vb_pairs16(vb to[2], const void *a, const void *z)
{
    const __m128i x = _mm_loadu_si128((const __m128i *)a), y = _mm_loadu_si128((const __m128i *)z);
    to[0] = _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(x, y));
    to[1] = _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(x, y));
}
/* s + the two products of each lane's halves, signed. */
static inline vi vi_dot16(vi s, vb x, vb y)
{
    return _mm256_add_epi32(s, _mm256_madd_epi16(x, y));
}

/* Four bytes as one element: element j of a[i] goes to element i of a[j]. */
static inline void vb_transpose4(vb a[8])
{
    vf f[8];
    for (int i = 0; i < 8; i++)
        f[i] = _mm256_castsi256_ps(a[i]);
    vf_transpose(f);
    for (int i = 0; i < 8; i++)
        a[i] = _mm256_castps_si256(f[i]);
}

#endif
