/* gemm_block_c.c - weights of the formats with few bits, 8-bit activations
 *
 *     s = sum_k q[k] (code[k] - offset)           of the 32 or 16 k that share a scale, exact
 *     acc = fma(scale d, s, acc), then, with minima, acc = fma(-min, d sum q, acc)
 * SPDX-License-Identifier: MIT */
#include "lanes_c.h"
#include "panel.h"

/* The k of a scale: [k0, k1) of a group. */
static real add_scale(real acc, ch_form f, ch_panel_kind kind, const unsigned char *panel, int g,
                      int lane, const ch_group *x, int k0, int k1)
{
    const int h = k0 / 16;
    float scale, min;
    ch_panel_block_scale(&scale, &min, f, kind, panel, g, h, lane);
    int32_t s = f.table ? x->bias_q8 : ch_block_begin(f, x, h);
    for (int k = k0; k < k1; k++)
        s += x->q[k] * ch_panel_block_code(f, panel + ch_codes_at(f, g), lane, k);
    const float both = scale * x->d;
    acc = real_fma((real)both, (real)s, acc);
    return f.min ? real_fma(-(real)min, (real)(f.halves ? x->sum_half[h] : x->sum), acc) : acc;
}

void ch_gemm_block_c(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w, int M,
                     int n0, int n1, int K, int flags)
{
    const ch_panel_kind kind = ch_kind_in(flags);
    const ch_form f = ch_form_of(kind);
    const size_t panel_bytes = ch_panel_bytes(kind, K);
    for (int n = n0; n < n1; n += CH_PANEL_ROWS) {
        const unsigned char *panel =
            (const unsigned char *)w + (size_t)(n / CH_PANEL_ROWS) * panel_bytes;
        for (int m = 0; m < M; m++) {
            const ch_group *row = (const ch_group *)(const void *)((const char *)x + m * ldx);
            real acc[CH_PANEL_ROWS] = {0};
            for (int g = 0; g < K / CH_GROUP; g++)
                for (int r = 0; r < CH_PANEL_ROWS; r++)
                    for (int k = 0; k < CH_GROUP; k += f.halves ? 16 : CH_GROUP)
                        acc[r] = add_scale(acc[r], f, kind, panel, g, r, row + g, k,
                                           k + (f.halves ? 16 : CH_GROUP));
            ch_lanes_store(y + m * ldy + n, acc, n1 - n, flags);
        }
    }
}
