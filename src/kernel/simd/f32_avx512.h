/* f32_avx512.h - 16 floats at a time; f32_avx2.h has the same names with 8
 *
 * A `part` touches the first n of the VF elements in memory, 0 <= n <= VF; a partial load gives
 * zeros past them.  Sums over a vector go by halves: lane i + lane i^8, then ^4, ^2, ^1, so
 * vf_hsum and vf_store_sum4 agree to the bit.  SPDX-License-Identifier: MIT */
#ifndef CH_F32_AVX512_H
#define CH_F32_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#define VF 16      /* floats in a vf */
#define VF_REGS 32 /* registers of this kind */
typedef __m512 vf;

static inline __mmask16 vf_first(int n) { return (__mmask16)((1u << n) - 1); }

/* ---- Loads and stores: float, and the stored formats widened exactly ---------------------- */

static inline vf vf_zero(void) { return _mm512_setzero_ps(); }
static inline vf vf_set1(float x) { return _mm512_set1_ps(x); }
static inline vf vf_count(void) /* 0 1 2 ... */
{
    return _mm512_set_ps(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}
static inline vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
static inline vf vf_load_part(const float *p, int n)
{
    return _mm512_maskz_loadu_ps(vf_first(n), p);
}
static inline void vf_store(float *p, vf a) { _mm512_storeu_ps(p, a); }
static inline void vf_store_part(float *p, vf a, int n)
{
    _mm512_mask_storeu_ps(p, vf_first(n), a);
}

static inline vf vf_of_bf16(__m256i h)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

static inline vf vf_load_f16(const void *p) { return _mm512_cvtph_ps(_mm256_loadu_si256(p)); }
static inline vf vf_load_bf16(const void *p) { return vf_of_bf16(_mm256_loadu_si256(p)); }
static inline vf vf_load_f16_part(const void *p, int n)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(vf_first(n), p));
}
static inline vf vf_load_bf16_part(const void *p, int n)
{
    return vf_of_bf16(_mm256_maskz_loadu_epi16(vf_first(n), p));
}
/* Of VF bytes one half each, less 8 */
static inline vf vf_load_low4(const void *p)
{
    const __m512i b = _mm512_cvtepu8_epi32(_mm_loadu_si128(p));
    const __m512i q = _mm512_and_si512(b, _mm512_set1_epi32(15));
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(q, _mm512_set1_epi32(8)));
}
static inline vf vf_load_high4(const void *p)
{
    const __m512i q = _mm512_srli_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128(p)), 4);
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(q, _mm512_set1_epi32(8)));
}
static inline vf vf_set1_f16(uint16_t h) { return _mm512_cvtph_ps(_mm256_set1_epi16((short)h)); }

/* p[0] p[0] p[1] p[1] ... of VF/2 floats */
static inline vf vf_load_twice(const float *p)
{
    const __m512i at = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    return _mm512_permutexvar_ps(at, _mm512_castps256_ps512(_mm256_loadu_ps(p)));
}

/* ---- Arithmetic --------------------------------------------------------------------------- */

static inline vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }   /* ab + c */
static inline vf vf_fms(vf a, vf b, vf c) { return _mm512_fmsub_ps(a, b, c); }   /* ab - c */
static inline vf vf_fnma(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); } /* c - ab */
static inline vf vf_fmas(vf a, vf b, vf c)
{
    return _mm512_fmaddsub_ps(a, b, c);
} /* ab - c, ab + c, ... */
static inline vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); } /* b when either is NaN */
static inline vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); } /* b when either is NaN */
static inline vf vf_swap_pairs(vf a) { return _mm512_permute_ps(a, 0xB1); }
/* the first n lanes of a, the others of b */
static inline vf vf_select(vf a, vf b, int n) { return _mm512_mask_mov_ps(b, vf_first(n), a); }

/* where x has its sign bit set a, else b */
static inline vf vf_if_negative(vf x, vf a, vf b)
{
    return _mm512_mask_mov_ps(b, _mm512_movepi32_mask(_mm512_castps_si512(x)), a);
}

static inline vf vf_round(vf a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* a 2^n, rounded once; n whole, |n| <= 252 */
static inline vf vf_scale2(vf a, vf n) { return _mm512_scalef_ps(a, n); }

/* ---- Across lanes ------------------------------------------------------------------------- */

static inline float vf_hsum(vf a)
{
    const __m256 b = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    c = _mm_add_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}

/* No lane is NaN. */
static inline float vf_hmax(vf a)
{
    const __m256 b = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 c = _mm_max_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    c = _mm_max_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_max_ss(c, _mm_movehdup_ps(c)));
}

/* out[0..3] = scale times the sums of a, b, c, d: four for the price of one and a half */
static inline void vf_store_sum4(float *out, float scale, vf a, vf b, vf c, vf d)
{
    const vf ab =
        _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xEE));
    const vf cd =
        _mm512_add_ps(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xEE));
    vf s = _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xDD));
    s = _mm512_add_ps(s, _mm512_permute_ps(s, 0x4E));
    s = _mm512_mul_ps(_mm512_add_ps(s, _mm512_permute_ps(s, 0xB1)), _mm512_set1_ps(scale));
    const __m512i firsts = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 8, 4, 0);
    _mm_storeu_ps(out, _mm512_castps512_ps128(_mm512_permutexvar_ps(firsts, s)));
}

/* Lane j of a[i] goes to lane i of a[j]: pairs, fours, then quarters of a vector change places. */
static inline void vf_transpose(vf a[VF])
{
    vf b[VF];
    for (int i = 0; i < VF; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < VF; i += 4)
        for (int j = 0; j < 2; j++) {
            a[i + 2 * j] = _mm512_shuffle_ps(b[i + j], b[i + 2 + j], 0x44);
            a[i + 2 * j + 1] = _mm512_shuffle_ps(b[i + j], b[i + 2 + j], 0xEE);
        }
    for (int i = 0; i < VF; i += 8)
        for (int j = 0; j < 4; j++) {
            b[i + j] = _mm512_shuffle_f32x4(a[i + j], a[i + 4 + j], 0x88);
            b[i + 4 + j] = _mm512_shuffle_f32x4(a[i + j], a[i + 4 + j], 0xDD);
        }
    for (int j = 0; j < 8; j++) {
        a[j] = _mm512_shuffle_f32x4(b[j], b[8 + j], 0x88);
        a[j + 8] = _mm512_shuffle_f32x4(b[j], b[8 + j], 0xDD);
    }
}

#include "f32_math.h"

#endif
