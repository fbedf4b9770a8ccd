/* mix256.h - attention output of q8_0 values by integers, for mix_q8_0_* of AVX2 and NEON
 *
 * A lane is a column of two keys as 16 bits each, so that no sum crosses lanes: the keys of a block
 * are widened by pairs once, for all rows.  SPDX-License-Identifier: MIT */
#ifndef CH_MIX256_H
#define CH_MIX256_H

#include "gemm_walk.h"
#include "mix_q8_0.h"
#include "v256.h"

enum { CH_MIX256_TILE = 2, CH_MIX256_PARTS = CH_MIX_BLOCK / VF };

typedef struct ch_values256 { /* a block of all keys */
    vb two[CH_MIX_KEYS / 2][CH_MIX256_PARTS];
    uint16_t d[CH_MIX_KEYS];
} ch_values256;

/* s + the two products of each lane's halves, signed. */
typedef vi ch_mix256_step_fn(vi s, vb x, vb w);

/* Behind the last key stands the last key again, whose weight is zero there. */
CH_INLINE void ch_mix256_open(ch_values256 *to, const void *const *v, size_t at, int n)
{
    for (int j = 0; j < n; j += 2) {
        const unsigned char *a = (const unsigned char *)v[j] + at;
        const unsigned char *z = (const unsigned char *)v[CH_MIN(j + 1, n - 1)] + at;
        __builtin_memcpy(to->d + j, a, sizeof *to->d);
        __builtin_memcpy(to->d + j + 1, z, sizeof *to->d);
        vb_pairs16(to->two[j / 2], a + 2, z + 2);
        vb_pairs16(to->two[j / 2] + 2, a + 2 + 16, z + 2 + 16);
    }
}

CH_INLINE vf ch_mix256_product(const ch_values256 *v, const float *p, int j, int n)
{
    if (n - j >= VF)
        return vf_mul(vf_load(p + j), vf_load_f16(v->d + j));
    return vf_mul(vf_load_part(p + j, n - j), vf_load_f16_part(v->d + j, n - j));
}

/* Returns what sums are multiplied by; w: weights, up to a whole vector. */
CH_INLINE float ch_mix256_weigh(int16_t *w, const ch_values256 *v, const float *p, int n)
{
    vi most = vi_set1(0);
    for (int j = 0; j < n; j += VF)
        most = vi_max(most, vi_bits_abs(ch_mix256_product(v, p, j, n)));
    const ch_mix_scale s = ch_mix_scale_of((uint32_t)vi_hmax(most));
    for (int j = 0; j < n; j += VF)
        vi_store_i16(w + j, vi_of_vf(vf_mul(ch_mix256_product(v, p, j, n), vf_set1(s.up))));
    return s.down;
}

CH_INLINE void ch_mix256_tile(float *acc, int width, const float *keep, const float *p,
                              ptrdiff_t ldp, const ch_values256 *v, int n, ch_mix256_step_fn *step,
                              const int G)
{
    int16_t w[CH_MIX256_TILE][CH_MIX_KEYS];
    float down[CH_MIX256_TILE];
    vi sum[CH_MIX256_TILE][CH_MIX256_PARTS];
    for (int g = 0; g < G; g++)
        down[g] = ch_mix256_weigh(w[g], v, p + g * ldp, n);
    CH_UNROLL
    for (int g = 0; g < G; g++)
        CH_UNROLL
        for (int i = 0; i < CH_MIX256_PARTS; i++)
            sum[g][i] = vi_set1(0);
    for (int j = 0; j < n; j += 2)
        CH_UNROLL
        for (int g = 0; g < G; g++) {
            const vb pair = vb_load4(w[g] + j);
            CH_UNROLL
            for (int i = 0; i < CH_MIX256_PARTS; i++)
                sum[g][i] = step(sum[g][i], v->two[j / 2][i], pair);
        }
    CH_UNROLL
    for (int g = 0; g < G; g++)
        CH_UNROLL
        for (int i = 0; i < CH_MIX256_PARTS; i++) {
            float *to = acc + (ptrdiff_t)g * width + i * VF;
            const vf before = vf_mul(vf_load(to), vf_set1(keep[g]));
            vf_store(to, vf_fma(vf_set1(down[g]), vf_of_vi(sum[g][i]), before));
        }
}

CH_INLINE void ch_mix256(float *acc, const float *keep, const float *p, ptrdiff_t ldp,
                         const void *const *v, int groups, int n, int width,
                         ch_mix256_step_fn *step)
{
    ch_values256 some;
    for (int e = 0; e < width; e += CH_MIX_BLOCK) {
        ch_mix256_open(&some, v, ch_mix_block_at(e), n);
        for (int g = 0; g < groups; g += CH_MIX256_TILE) {
            float *to = acc + (ptrdiff_t)g * width + e;
            if (groups - g >= CH_MIX256_TILE)
                ch_mix256_tile(to, width, keep + g, p + g * ldp, ldp, &some, n, step,
                               CH_MIX256_TILE);
            else
                ch_mix256_tile(to, width, keep + g, p + g * ldp, ldp, &some, n, step, 1);
        }
    }
}

#endif
