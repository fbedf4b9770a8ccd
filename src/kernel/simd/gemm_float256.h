/* gemm_float256.h - the products of floats and of bfloat16 in 256 bits
 *
 * One fused multiply-add a term, k in sequence.  bfloat16 as floats: widening is a shift, and
 * exact.  A vector of its weights holds pairs of k: the even ones are its lower halves, the odd
 * ones its upper halves.  SPDX-License-Identifier: MIT */
#ifndef CH_GEMM_FLOAT256_H
#define CH_GEMM_FLOAT256_H

#include "float256.h"

enum { CH_BF16_256_ROWS = 5 }; /* the mask takes a register too */

/* ---- Floats -------------------------------------------------------------------------------- */

CH_INLINE void ch_copy_f32_256(float *to, const char *row, int k, int n)
{
    const float *from = (const float *)(const void *)row + k;
    CH_UNROLL
    for (int i = 0; i < CH_FLOAT256_STRETCH; i += 8)
        vf_store(to + i, vf_load_part(from + i, n - i));
}

CH_INLINE void ch_add_f32_256(vf *sum, const char *w, size_t panel_bytes, ch_stretch256 *x, int n,
                              ch_ahead *ahead, const int R, const int P)
{
    for (int k = 0; k < n; k++, w += 64) {
        ch_ask256(w, panel_bytes, ahead, R, P);
        CH_UNROLL
        for (int p = 0; p < P; p++) {
            const float *wk = (const float *)(const void *)(w + (size_t)p * panel_bytes);
            const vf w0 = vf_load(wk), w1 = vf_load(wk + 8);
            CH_UNROLL
            for (int r = 0; r < R; r++) {
                vf *s = sum + 2 * (r * P + p);
                const vf xk = vf_set1(x[r][k]);
                s[0] = vf_fma(xk, w0, s[0]);
                s[1] = vf_fma(xk, w1, s[1]);
            }
        }
    }
}

static inline int ch_tiles_f32_256(const ch_tile *t)
{
    return ch_float256_tiles(t, t->K, 64, ch_copy_f32_256, ch_add_f32_256);
}

/* ---- bfloat16 ------------------------------------------------------------------------------ */

CH_INLINE void ch_copy_bf16_256(float *to, const char *row, int k, int n)
{
    const uint16_t *from = (const uint16_t *)(const void *)row + k;
    CH_UNROLL
    for (int i = 0; i < CH_FLOAT256_STRETCH; i += 8) /* n is even: K was rounded up */
        vf_store(to + i, vf_load_bf16_even(from + i, n - i));
}

CH_INLINE void ch_add_bf16_256(vf *sum, const char *w, size_t panel_bytes, ch_stretch256 *x, int n,
                               ch_ahead *ahead, const int R, const int P)
{
    for (int k = 0; k < n; k += 2, w += 64) {
        ch_ask256(w, panel_bytes, ahead, R, P);
        CH_UNROLL
        for (int p = 0; p < P; p++)
            CH_UNROLL
            for (int odd = 0; odd < 2; odd++) {
                const char *pairs = w + (size_t)p * panel_bytes;
                vf wk[2];
                CH_UNROLL
                for (int h = 0; h < 2; h++)
                    wk[h] = odd ? vf_load_bf16_second(pairs + 32 * h)
                                : vf_load_bf16_first(pairs + 32 * h);
                CH_UNROLL
                for (int r = 0; r < R; r++) {
                    vf *s = sum + 2 * (r * P + p);
                    const vf xk = vf_set1(x[r][k + odd]);
                    s[0] = vf_fma(xk, wk[0], s[0]);
                    s[1] = vf_fma(xk, wk[1], s[1]);
                }
            }
    }
}

static inline int ch_tiles_bf16_256(const ch_tile *t)
{
    return ch_float256_tiles(t, t->K + t->K % 2, 32, ch_copy_bf16_256, ch_add_bf16_256);
}

#endif
