/* f32_avx2.h - 8 floats at a time; f32_avx512.h has the same names with 16, f32_neon.h with 8
 *
 * A `part` touches the first n of the VF elements in memory, 0 <= n <= VF (of floats: none where n
 * is less, all where it is more); a partial load gives zeros past them.  Sums over a vector go by
 * halves: lane i + lane i^4, then ^2, ^1, so vf_hsum and vf_store_sum4 agree to the bit.
 * SPDX-License-Identifier: MIT */
#ifndef CH_F32_AVX2_H
#define CH_F32_AVX2_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define VF 8       /* floats in a vf */
#define VF_REGS 16 /* registers of this kind */
typedef __m256 vf;

static inline __m256i vf_first(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* ---- Loads and stores: float, and the stored formats widened exactly ---------------------- */

static inline vf vf_zero(void) { return _mm256_setzero_ps(); }
static inline vf vf_set1(float x) { return _mm256_set1_ps(x); }
static inline vf vf_count(void) /* 0 1 2 ... */
{
    return _mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7);
}
static inline vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
static inline vf vf_load_part(const float *p, int n) { return _mm256_maskload_ps(p, vf_first(n)); }
static inline void vf_store(float *p, vf a) { _mm256_storeu_ps(p, a); }
static inline void vf_store_part(float *p, vf a, int n) { _mm256_maskstore_ps(p, vf_first(n), a); }

static inline vf vf_of_bf16(__m128i h)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

static inline __m128i vf_halves_part(const void *p, int n)
{
    uint16_t h[VF] = {0}; /* there is no masked load of 16-bit elements */
    memcpy(h, p, (size_t)n * sizeof(h[0]));
    return _mm_loadu_si128((const __m128i *)h);
}

static inline vf vf_load_f16(const void *p) { return _mm256_cvtph_ps(_mm_loadu_si128(p)); }
static inline vf vf_load_bf16(const void *p) { return vf_of_bf16(_mm_loadu_si128(p)); }
static inline vf vf_load_f16_part(const void *p, int n)
{
    return _mm256_cvtph_ps(vf_halves_part(p, n));
}
static inline vf vf_load_bf16_part(const void *p, int n)
{
    return vf_of_bf16(vf_halves_part(p, n));
}
/* Of VF bytes one half each, less 8 */
static inline vf vf_load_low4(const void *p)
{
    const __m256i b = _mm256_cvtepu8_epi32(_mm_loadl_epi64(p));
    const __m256i q = _mm256_and_si256(b, _mm256_set1_epi32(15));
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(q, _mm256_set1_epi32(8)));
}
static inline vf vf_load_high4(const void *p)
{
    const __m256i q = _mm256_srli_epi32(_mm256_cvtepu8_epi32(_mm_loadl_epi64(p)), 4);
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(q, _mm256_set1_epi32(8)));
}
static inline vf vf_set1_f16(uint16_t h) { return _mm256_cvtph_ps(_mm_set1_epi16((short)h)); }

/* p[0] p[0] p[1] p[1] ... of VF/2 floats */
static inline vf vf_load_twice(const float *p)
{
    const __m256i at = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), at);
}

/* ---- Arithmetic --------------------------------------------------------------------------- */

static inline vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }   /* ab + c */
static inline vf vf_fms(vf a, vf b, vf c) { return _mm256_fmsub_ps(a, b, c); }   /* ab - c */
static inline vf vf_fnma(vf a, vf b, vf c) { return _mm256_fnmadd_ps(a, b, c); } /* c - ab */
static inline vf vf_fmas(vf a, vf b, vf c)
{
    return _mm256_fmaddsub_ps(a, b, c);
} /* ab - c, ab + c, ... */
static inline vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); } /* b when either is NaN */
static inline vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); } /* b when either is NaN */
static inline vf vf_swap_pairs(vf a) { return _mm256_permute_ps(a, 0xB1); }
/* the first n lanes of a, the others of b */
static inline vf vf_select(vf a, vf b, int n)
{
    return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(vf_first(n)));
}

/* where x has its sign bit set a, else b */
static inline vf vf_if_negative(vf x, vf a, vf b) { return _mm256_blendv_ps(b, a, x); }

static inline vf vf_round(vf a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline vf vf_pow2(__m256i n) /* -126 <= n <= 127 */
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}

/* a 2^n, rounded once; n whole, |n| <= 252.  In two steps because 2^n may leave float's range: the
 * first is exact (for an `a` near 1), the second rounds if the result is subnormal. */
static inline vf vf_scale2(vf a, vf n)
{
    const __m256i i = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(i, 1);
    return _mm256_mul_ps(_mm256_mul_ps(a, vf_pow2(half)), vf_pow2(_mm256_sub_epi32(i, half)));
}

/* ---- Across lanes ------------------------------------------------------------------------- */

static inline float vf_hsum(vf a)
{
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

/* No lane is NaN. */
static inline float vf_hmax(vf a)
{
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

/* out[0..3] = scale times the sums of a, b, c, d: four for the price of one and a half */
static inline void vf_store_sum4(float *out, float scale, vf a, vf b, vf c, vf d)
{
    const vf ac =
        _mm256_add_ps(_mm256_permute2f128_ps(a, c, 0x20), _mm256_permute2f128_ps(a, c, 0x31));
    const vf bd =
        _mm256_add_ps(_mm256_permute2f128_ps(b, d, 0x20), _mm256_permute2f128_ps(b, d, 0x31));
    vf s = _mm256_add_ps(_mm256_shuffle_ps(ac, bd, 0x44), _mm256_shuffle_ps(ac, bd, 0xEE));
    s = _mm256_add_ps(s, _mm256_permute_ps(s, 0xB1));
    s = _mm256_mul_ps(_mm256_permute_ps(s, 0x08), _mm256_set1_ps(scale)); /* a b . . c d . . */
    _mm_storeu_ps(out, _mm_movelh_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1)));
}

/* Lane j of a[i] goes to lane i of a[j]: pairs, fours, then halves of a vector change places. */
static inline void vf_transpose(vf a[VF])
{
    vf b[VF];
    for (int i = 0; i < VF; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < VF; i += 4)
        for (int j = 0; j < 2; j++) {
            a[i + 2 * j] = _mm256_shuffle_ps(b[i + j], b[i + 2 + j], 0x44);
            a[i + 2 * j + 1] = _mm256_shuffle_ps(b[i + j], b[i + 2 + j], 0xEE);
        }
    for (int j = 0; j < 4; j++) {
        b[j] = _mm256_permute2f128_ps(a[j], a[4 + j], 0x20);
        b[4 + j] = _mm256_permute2f128_ps(a[j], a[4 + j], 0x31);
    }
    for (int i = 0; i < VF; i++)
        a[i] = b[i];
}

#include "f32_math.h"

#endif
