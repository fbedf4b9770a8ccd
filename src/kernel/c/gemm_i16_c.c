/* gemm_i16_c.c - products of 13-bit integers in groups of 128, for training
 *
 *     s = sum_k qx[k] qw[k]          acc = fma(s, scale_x scale_w, acc), groups in sequence
 * |s| <= 4095^2 128 < 2^31, so that every order of adding gives the same integer.  A form of block
 * floating point as in Das et al. 2018, "Mixed Precision Training of Convolutional Neural Networks
 * using Integer Operations"; why 13 bits and 128: docs/decisions/0002-training-in-i16.md.
 * SPDX-License-Identifier: MIT */
#include "panel.h"

#include <string.h>

static void add_group(real acc[CH_PANEL_ROWS], const char *x, int lane, const char *w, int pairs)
{
    int32_t s[CH_PANEL_ROWS] = {0};
    float scale, scales[CH_PANEL_ROWS];
    memcpy(&scale, x + 4 * lane, sizeof scale);
    memcpy(scales, w, sizeof scales);
    for (int j = 0; j < pairs; j++) {
        const size_t at = CH_I16_SCALE_BYTES + (size_t)j * CH_I16_PAIR_BYTES;
        int16_t a[2], b[CH_PANEL_ROWS][2];
        memcpy(a, x + at + 4 * lane, sizeof a);
        memcpy(b, w + at, sizeof b);
        for (int r = 0; r < CH_PANEL_ROWS; r++)
            s[r] += a[0] * b[r][0] + a[1] * b[r][1];
    }
    for (int r = 0; r < CH_PANEL_ROWS; r++) {
        const float both = scale * scales[r];
        acc[r] = real_fma((real)s[r], (real)both, acc[r]);
    }
}

void ch_gemm_i16_c(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w, int M,
                   int n0, int n1, int K, int flags)
{
    const size_t panel_bytes = ch_panel_bytes(CH_PANEL_I16, K);
    for (int n = n0; n < n1; n += CH_PANEL_ROWS) {
        const char *panel = (const char *)w + (size_t)(n / CH_PANEL_ROWS) * panel_bytes;
        const int columns = CH_MIN(n1 - n, CH_PANEL_ROWS);
        for (int m = 0; m < M; m++) {
            const char *rows = (const char *)x + m / CH_PANEL_ROWS * ldx;
            real acc[CH_PANEL_ROWS] = {0}, *to = y + m * ldy + n;
            for (int r = 0; flags & CH_GEMM_ADD && r < columns; r++)
                acc[r] = to[r];
            for (int k = 0; k < K; k += CH_I16_GROUP)
                add_group(acc, rows + ch_i16_at(k), m % CH_PANEL_ROWS, panel + ch_i16_at(k),
                          ch_i16_pairs(K, k));
            for (int r = 0; r < columns; r++)
                to[r] = acc[r];
        }
    }
}
