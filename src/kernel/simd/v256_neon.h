/* v256_neon.h - 8 integers of 32 bits, or 32 bytes, at a time; v256_avx2.h has the same names
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_V256_NEON_H
#define CH_V256_NEON_H

#include "f32_neon.h"

typedef struct vi { /* 8 integers of 32 bits */
    int32x4_t lo, hi;
} vi;
typedef struct vb { /* 32 bytes, four to each lane of a vi */
    uint8x16_t lo, hi;
} vb;

/* ---- Integers ------------------------------------------------------------------------------ */

static inline vi vi_set1(int32_t x) { return (vi){vdupq_n_s32(x), vdupq_n_s32(x)}; }
static inline vi vi_load_i8(const void *p) /* 8 bytes */
{
    const int16x8_t h = vmovl_s8(vld1_s8(p));
    return (vi){vmovl_s16(vget_low_s16(h)), vmovl_s16(vget_high_s16(h))};
}
static inline vi vi_and(vi a, int32_t mask)
{
    return (vi){vandq_s32(a.lo, vdupq_n_s32(mask)), vandq_s32(a.hi, vdupq_n_s32(mask))};
}
static inline vi vi_right4(vi a) { return (vi){vshrq_n_s32(a.lo, 4), vshrq_n_s32(a.hi, 4)}; }
static inline vf vf_of_vi(vi a) { return (vf){vcvtq_f32_s32(a.lo), vcvtq_f32_s32(a.hi)}; }
static inline vi vi_of_vf(vf a) /* to nearest even */
{
    return (vi){vcvtnq_s32_f32(a.lo), vcvtnq_s32_f32(a.hi)};
}
static inline vi vi_max(vi a, vi b) { return (vi){vmaxq_s32(a.lo, b.lo), vmaxq_s32(a.hi, b.hi)}; }
static inline int32_t vi_hmax(vi a) { return vmaxvq_s32(vmaxq_s32(a.lo, a.hi)); }
static inline vi vi_bits_abs(vf a) /* of |a|: as integers in the same order, NaN the greatest */
{
    return (vi){vreinterpretq_s32_f32(vabsq_f32(a.lo)), vreinterpretq_s32_f32(vabsq_f32(a.hi))};
}
static inline void vi_store_i16(int16_t *p, vi a) /* clamped */
{
    vst1q_s16(p, vqmovn_high_s32(vqmovn_s32(a.lo), a.hi));
}

/* ---- bfloat16 by pairs --------------------------------------------------------------------- */

/* The first n of 8, n even, no more than there are, or past the last; then zeros. */
static inline vf vf_load_bf16_even(const void *p, int n)
{
    return n >= VF ? vf_load_bf16(p) : n > 0 ? vf_load_bf16_part(p, n) : vf_zero();
}

/* Of 8 pairs the first numbers, and the second ones. */
static inline vf vf_load_bf16_first(const void *p)
{
    const uint8_t *at = p;
    const uint32x4_t a = vreinterpretq_u32_u8(vld1q_u8(at));
    const uint32x4_t b = vreinterpretq_u32_u8(vld1q_u8(at + 16));
    return (vf){vreinterpretq_f32_u32(vshlq_n_u32(a, 16)),
                vreinterpretq_f32_u32(vshlq_n_u32(b, 16))};
}
static inline vf vf_load_bf16_second(const void *p)
{
    const uint8_t *at = p;
    const uint32x4_t upper = vdupq_n_u32(0xffff0000u);
    const uint32x4_t a = vreinterpretq_u32_u8(vld1q_u8(at));
    const uint32x4_t b = vreinterpretq_u32_u8(vld1q_u8(at + 16));
    return (vf){vreinterpretq_f32_u32(vandq_u32(a, upper)),
                vreinterpretq_f32_u32(vandq_u32(b, upper))};
}

/* ---- Bytes --------------------------------------------------------------------------------- */

static inline vb vb_load(const void *p)
{
    const uint8_t *at = p;
    return (vb){vld1q_u8(at), vld1q_u8(at + 16)};
}
static inline vb vb_set1(int x)
{
    const uint8x16_t all = vdupq_n_u8((uint8_t)x);
    return (vb){all, all};
}
static inline vb vb_load4(const void *p) /* 4 bytes in every lane */
{
    uint32_t four;
    memcpy(&four, p, sizeof four);
    const uint8x16_t all = vreinterpretq_u8_u32(vdupq_n_u32(four));
    return (vb){all, all};
}
static inline vb vb_load16(const void *p) /* 16 bytes twice */
{
    const uint8x16_t all = vld1q_u8(p);
    return (vb){all, all};
}
static inline vb vb_and(vb a, vb b) { return (vb){vandq_u8(a.lo, b.lo), vandq_u8(a.hi, b.hi)}; }
static inline vb vb_or(vb a, vb b) { return (vb){vorrq_u8(a.lo, b.lo), vorrq_u8(a.hi, b.hi)}; }
static inline vb vb_xor(vb a, vb b) { return (vb){veorq_u8(a.lo, b.lo), veorq_u8(a.hi, b.hi)}; }
/* table: 16 bytes twice; at < 16 */
static inline vb vb_look_up(vb table, vb at)
{
    return (vb){vqtbl1q_u8(table.lo, at.lo), vqtbl1q_u8(table.hi, at.hi)};
}

/* Left by n bits, right by -n. */
static inline vb vb_shift(vb x, const int n)
{
    const int8x16_t by = vdupq_n_s8((int8_t)n);
    return (vb){vshlq_u8(x.lo, by), vshlq_u8(x.hi, by)};
}

/* Signed bytes of a and z, 16 each, as pairs of 16 bits: a0 z0 ... a7 z7, then the others. */
static inline void vb_pairs16(vb to[2], const void *a, const void *z)
{
    const int8x16_t x = vld1q_s8(a), y = vld1q_s8(z);
    const int8x16_t first = vzip1q_s8(x, y), second = vzip2q_s8(x, y);
    to[0] = (vb){vreinterpretq_u8_s16(vmovl_s8(vget_low_s8(first))),
                 vreinterpretq_u8_s16(vmovl_high_s8(first))};
    to[1] = (vb){vreinterpretq_u8_s16(vmovl_s8(vget_low_s8(second))),
                 vreinterpretq_u8_s16(vmovl_high_s8(second))};
}

/* Four bytes as one element: element j of a[i] goes to element i of a[j]. */
static inline void vb_transpose4(vb a[8])
{
    vf f[8];
    for (int i = 0; i < 8; i++)
        f[i] = (vf){vreinterpretq_f32_u8(a[i].lo), vreinterpretq_f32_u8(a[i].hi)};
    vf_transpose(f);
    for (int i = 0; i < 8; i++)
        a[i] = (vb){vreinterpretq_u8_f32(f[i].lo), vreinterpretq_u8_f32(f[i].hi)};
}

/* ---- Dot products -------------------------------------------------------------------------- */

/* s + the four products of each lane's bytes, w and q signed, -128 only in w.  Without SDOT two
 * products are added in 16 bits: 2 128 127 fits. */
#ifdef __ARM_FEATURE_DOTPROD
static inline int32x4_t vi_dot4(int32x4_t s, int8x16_t w, int8x16_t q)
{
    return vdotq_s32(s, w, q);
}
#else
static inline int32x4_t vi_dot4(int32x4_t s, int8x16_t w, int8x16_t q)
{
    const int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(q));
    return vpadalq_s16(s, vpaddq_s16(low, vmull_high_s8(w, q)));
}
#endif

/* s + the two products of each lane's halves, signed. */
static inline int32x4_t vi_dot2(int32x4_t s, int16x8_t x, int16x8_t y)
{
    const int32x4_t low = vmull_s16(vget_low_s16(x), vget_low_s16(y));
    return vaddq_s32(s, vpaddq_s32(low, vmull_high_s16(x, y)));
}

static inline vi vi_dot16(vi s, vb x, vb y)
{
    return (vi){vi_dot2(s.lo, vreinterpretq_s16_u8(x.lo), vreinterpretq_s16_u8(y.lo)),
                vi_dot2(s.hi, vreinterpretq_s16_u8(x.hi), vreinterpretq_s16_u8(y.hi))};
}

static inline vi vi_dot(vi s, vb w, vb q)
{
    return (vi){vi_dot4(s.lo, vreinterpretq_s8_u8(w.lo), vreinterpretq_s8_u8(q.lo)),
                vi_dot4(s.hi, vreinterpretq_s8_u8(w.hi), vreinterpretq_s8_u8(q.hi))};
}

#endif
