/* gemm_q8_c.c - 8-bit weights and activations: an exact integer dot a group, then one fma with its
 * scales
 *
 *     s = sum_k q[k] u[k] - 128 sum q[k]          acc = fma(scale d, s, acc), groups in sequence
 * |s| < 2^20, so that its conversion is exact too.  SPDX-License-Identifier: MIT */
#include "lanes_c.h"
#include "panel.h"

static void add_group(real acc[CH_PANEL_ROWS], const uint16_t *scale, const unsigned char *u,
                      const ch_group *x)
{
    int32_t s[CH_PANEL_ROWS];
    for (int r = 0; r < CH_PANEL_ROWS; r++)
        s[r] = x->bias_q8;
    for (int j = 0; j < CH_GROUP / 4; j++)
        for (int r = 0; r < CH_PANEL_ROWS; r++)
            for (int i = 0; i < 4; i++)
                s[r] += x->q[4 * j + i] * u[64 * j + 4 * r + i];
    for (int r = 0; r < CH_PANEL_ROWS; r++) {
        const float both = ch_f16_to_f32(scale[r]) * x->d;
        acc[r] = real_fma((real)both, (real)s[r], acc[r]);
    }
}

void ch_gemm_q8_c(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w, int M,
                  int n0, int n1, int K, int flags)
{
    const int groups = K / CH_GROUP;
    const size_t panel_bytes = ch_panel_bytes(CH_PANEL_Q8, K);
    for (int n = n0; n < n1; n += CH_PANEL_ROWS) {
        const unsigned char *panel =
            (const unsigned char *)w + (size_t)(n / CH_PANEL_ROWS) * panel_bytes;
        for (int m = 0; m < M; m++) {
            const ch_group *row = (const ch_group *)(const void *)((const char *)x + m * ldx);
            real acc[CH_PANEL_ROWS] = {0};
            for (int g = 0; g < groups; g++)
                add_group(
                    acc,
                    (const uint16_t *)(const void *)(panel + ch_group_scale_at(g, CH_Q8_BYTES)),
                    panel + ch_group_weights_at(g, CH_Q8_BYTES), row + g);
            ch_lanes_store(y + m * ldy + n, acc, n1 - n, flags);
        }
    }
}
