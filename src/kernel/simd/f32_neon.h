/* f32_neon.h - 8 floats at a time in two registers; f32_avx2.h has the same names, lanes and bits
 *
 * Lanes 0 to 3 are `lo`, 4 to 7 are `hi`.  A `part` touches the first n of the VF elements in
 * memory, 0 <= n <= VF (of floats: none where n is less, all where it is more); a partial load
 * gives zeros past them.  Sums over a vector go by halves: lane i + lane i^4, then ^2, ^1, so
 * vf_hsum and vf_store_sum4 agree to the bit with each other and with AVX2, whose order of the
 * operands of a maximum is kept too.
 * SPDX-License-Identifier: MIT */
#ifndef CH_F32_NEON_H
#define CH_F32_NEON_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#define VF 8       /* floats in a vf */
#define VF_REGS 16 /* pairs of registers */
typedef struct vf {
    float32x4_t lo, hi;
} vf;

/* ---- Loads and stores: float, and the stored formats widened exactly ---------------------- */

static inline vf vf_set1(float x) { return (vf){vdupq_n_f32(x), vdupq_n_f32(x)}; }
static inline vf vf_zero(void) { return vf_set1(0); }
static inline vf vf_load(const float *p) { return (vf){vld1q_f32(p), vld1q_f32(p + 4)}; }
static inline void vf_store(float *p, vf a)
{
    vst1q_f32(p, a.lo);
    vst1q_f32(p + 4, a.hi);
}
static inline vf vf_load_part(const float *p, int n)
{
    float some[VF] = {0};
    if (n >= VF)
        return vf_load(p);
    if (n > 0)
        memcpy(some, p, (size_t)n * sizeof(some[0]));
    return vf_load(some);
}
static inline void vf_store_part(float *p, vf a, int n)
{
    float all[VF];
    if (n >= VF) {
        vf_store(p, a);
    } else if (n > 0) {
        vf_store(all, a);
        memcpy(p, all, (size_t)n * sizeof(all[0]));
    }
}
static inline vf vf_count(void) /* 0 1 2 ... */
{
    static const float count[VF] = {0, 1, 2, 3, 4, 5, 6, 7};
    return vf_load(count);
}

static inline uint16x8_t vf_halves_part(const void *p, int n)
{
    uint16_t h[VF] = {0};
    memcpy(h, p, (size_t)n * sizeof(h[0]));
    return vld1q_u16(h);
}
static inline uint16x8_t vf_halves(const void *p) { return vreinterpretq_u16_u8(vld1q_u8(p)); }

static inline vf vf_of_f16(uint16x8_t h)
{
    const float16x8_t f = vreinterpretq_f16_u16(h);
    return (vf){vcvt_f32_f16(vget_low_f16(f)), vcvt_f32_f16(vget_high_f16(f))};
}
static inline vf vf_of_bf16(uint16x8_t h)
{
    return (vf){vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(h), 16)),
                vreinterpretq_f32_u32(vshll_n_u16(vget_high_u16(h), 16))};
}
static inline vf vf_load_f16(const void *p) { return vf_of_f16(vf_halves(p)); }
static inline vf vf_load_bf16(const void *p) { return vf_of_bf16(vf_halves(p)); }
static inline vf vf_load_f16_part(const void *p, int n) { return vf_of_f16(vf_halves_part(p, n)); }
static inline vf vf_load_bf16_part(const void *p, int n)
{
    return vf_of_bf16(vf_halves_part(p, n));
}
static inline vf vf_of_s8(int8x8_t b)
{
    const int16x8_t h = vmovl_s8(b);
    return (vf){vcvtq_f32_s32(vmovl_s16(vget_low_s16(h))),
                vcvtq_f32_s32(vmovl_s16(vget_high_s16(h)))};
}
/* Of VF bytes one half each, less 8 */
static inline vf vf_load_low4(const void *p)
{
    const uint8x8_t q = vand_u8(vld1_u8(p), vdup_n_u8(15));
    return vf_of_s8(vsub_s8(vreinterpret_s8_u8(q), vdup_n_s8(8)));
}
static inline vf vf_load_high4(const void *p)
{
    const uint8x8_t q = vshr_n_u8(vld1_u8(p), 4);
    return vf_of_s8(vsub_s8(vreinterpret_s8_u8(q), vdup_n_s8(8)));
}
static inline vf vf_set1_f16(uint16_t h)
{
    const float32x4_t f = vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(h)));
    return (vf){f, f};
}

/* p[0] p[0] p[1] p[1] ... of VF/2 floats */
static inline vf vf_load_twice(const float *p)
{
    const float32x4_t a = vld1q_f32(p);
    return (vf){vzip1q_f32(a, a), vzip2q_f32(a, a)};
}

/* ---- Arithmetic --------------------------------------------------------------------------- */

static inline vf vf_add(vf a, vf b)
{
    return (vf){vaddq_f32(a.lo, b.lo), vaddq_f32(a.hi, b.hi)};
}
static inline vf vf_sub(vf a, vf b)
{
    return (vf){vsubq_f32(a.lo, b.lo), vsubq_f32(a.hi, b.hi)};
}
static inline vf vf_mul(vf a, vf b)
{
    return (vf){vmulq_f32(a.lo, b.lo), vmulq_f32(a.hi, b.hi)};
}
static inline vf vf_div(vf a, vf b)
{
    return (vf){vdivq_f32(a.lo, b.lo), vdivq_f32(a.hi, b.hi)};
}
static inline vf vf_fma(vf a, vf b, vf c) /* ab + c */
{
    return (vf){vfmaq_f32(c.lo, a.lo, b.lo), vfmaq_f32(c.hi, a.hi, b.hi)};
}
static inline vf vf_fnma(vf a, vf b, vf c) /* c - ab */
{
    return (vf){vfmsq_f32(c.lo, a.lo, b.lo), vfmsq_f32(c.hi, a.hi, b.hi)};
}
static inline vf vf_fms(vf a, vf b, vf c) /* ab - c */
{
    return vf_fma(a, b, (vf){vnegq_f32(c.lo), vnegq_f32(c.hi)});
}
static inline vf vf_fmas(vf a, vf b, vf c) /* ab - c, ab + c, ... */
{
    const uint32x4_t even = vreinterpretq_u32_u64(vdupq_n_u64(0x80000000));
    const uint32x4_t lo = veorq_u32(vreinterpretq_u32_f32(c.lo), even);
    const uint32x4_t hi = veorq_u32(vreinterpretq_u32_f32(c.hi), even);
    return vf_fma(a, b, (vf){vreinterpretq_f32_u32(lo), vreinterpretq_f32_u32(hi)});
}

/* FMAX would give NaN, and the greater of two zeros. */
static inline float32x4_t vf_max4(float32x4_t a, float32x4_t b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
static inline float32x4_t vf_min4(float32x4_t a, float32x4_t b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}
static inline vf vf_max(vf a, vf b) /* b when either is NaN */
{
    return (vf){vf_max4(a.lo, b.lo), vf_max4(a.hi, b.hi)};
}
static inline vf vf_min(vf a, vf b) /* b when either is NaN */
{
    return (vf){vf_min4(a.lo, b.lo), vf_min4(a.hi, b.hi)};
}

static inline vf vf_swap_pairs(vf a) { return (vf){vrev64q_f32(a.lo), vrev64q_f32(a.hi)}; }

/* the first n lanes of a, the others of b */
static inline vf vf_select(vf a, vf b, int n)
{
    static const int32_t number[VF] = {0, 1, 2, 3, 4, 5, 6, 7};
    const int32x4_t end = vdupq_n_s32(n);
    return (vf){vbslq_f32(vcltq_s32(vld1q_s32(number), end), a.lo, b.lo),
                vbslq_f32(vcltq_s32(vld1q_s32(number + 4), end), a.hi, b.hi)};
}

/* where x has its sign bit set a, else b */
static inline vf vf_if_negative(vf x, vf a, vf b)
{
    return (vf){vbslq_f32(vcltzq_s32(vreinterpretq_s32_f32(x.lo)), a.lo, b.lo),
                vbslq_f32(vcltzq_s32(vreinterpretq_s32_f32(x.hi)), a.hi, b.hi)};
}

static inline vf vf_round(vf a) { return (vf){vrndnq_f32(a.lo), vrndnq_f32(a.hi)}; }

static inline float32x4_t vf_pow2(int32x4_t n) /* -126 <= n <= 127 */
{
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
}

static inline float32x4_t vf_scale2_4(float32x4_t a, float32x4_t n)
{
    const int32x4_t i = vcvtnq_s32_f32(n), half = vshrq_n_s32(i, 1);
    return vmulq_f32(vmulq_f32(a, vf_pow2(half)), vf_pow2(vsubq_s32(i, half)));
}

/* a 2^n, rounded once; n whole, |n| <= 252.  In two steps because 2^n may leave float's range: the
 * first is exact (for an `a` near 1), the second rounds if the result is subnormal. */
static inline vf vf_scale2(vf a, vf n)
{
    return (vf){vf_scale2_4(a.lo, n.lo), vf_scale2_4(a.hi, n.hi)};
}

/* ---- Across lanes ------------------------------------------------------------------------- */

static inline float vf_hsum(vf a)
{
    const float32x4_t b = vaddq_f32(a.lo, a.hi);
    return vpadds_f32(vadd_f32(vget_low_f32(b), vget_high_f32(b)));
}

/* No lane is NaN. */
static inline float vf_hmax(vf a)
{
    float32x4_t b = vf_max4(a.lo, a.hi);
    b = vf_max4(b, vextq_f32(b, b, 2));
    return vgetq_lane_f32(vf_max4(b, vdupq_laneq_f32(b, 1)), 0);
}

/* Lanes i and i^2 added: two of a, two of b. */
static inline float32x4_t vf_sum2(vf a, vf b)
{
    const float64x2_t x = vreinterpretq_f64_f32(vaddq_f32(a.lo, a.hi));
    const float64x2_t y = vreinterpretq_f64_f32(vaddq_f32(b.lo, b.hi));
    return vaddq_f32(vreinterpretq_f32_f64(vzip1q_f64(x, y)),
                     vreinterpretq_f32_f64(vzip2q_f64(x, y)));
}

/* out[0..3] = scale times the sums of a, b, c, d: four for the price of one and a half */
static inline void vf_store_sum4(float *out, float scale, vf a, vf b, vf c, vf d)
{
    vst1q_f32(out, vmulq_n_f32(vpaddq_f32(vf_sum2(a, b), vf_sum2(c, d)), scale));
}

/* Lane j of a[i] goes to lane i of a[j], for four vectors of four. */
static inline void vf_transpose4(float32x4_t a[4])
{
    float64x2_t b[4];
    for (int i = 0; i < 4; i += 2) {
        b[i] = vreinterpretq_f64_f32(vtrn1q_f32(a[i], a[i + 1]));
        b[i + 1] = vreinterpretq_f64_f32(vtrn2q_f32(a[i], a[i + 1]));
    }
    for (int i = 0; i < 2; i++) {
        a[i] = vreinterpretq_f32_f64(vzip1q_f64(b[i], b[2 + i]));
        a[2 + i] = vreinterpretq_f32_f64(vzip2q_f64(b[i], b[2 + i]));
    }
}

/* Lane j of a[i] goes to lane i of a[j]: within quarters of the square, then two change places. */
static inline void vf_transpose(vf a[VF])
{
    float32x4_t quarter[2][2][4]; /* rows from 4 i, lanes from 4 j */
    for (int i = 0; i < 2; i++) {
        for (int r = 0; r < 4; r++) {
            quarter[i][0][r] = a[4 * i + r].lo;
            quarter[i][1][r] = a[4 * i + r].hi;
        }
        vf_transpose4(quarter[i][0]);
        vf_transpose4(quarter[i][1]);
    }
    for (int r = 0; r < VF; r++)
        a[r] = (vf){quarter[0][r / 4][r % 4], quarter[1][r / 4][r % 4]};
}

#include "f32_math.h"

#endif
