/* quant256.h - tiles of quantized products in 256 bits, for gemm_q8_*, gemm_q4_* of AVX2 and NEON
 *
 * Up to 4 rows by 1 panel, of which the float sums stay in registers and the integer sums of a
 * group are made for one half of the panel (8 lanes) after the other.  The rest is as in
 * quant512.h. SPDX-License-Identifier: MIT */
#ifndef CH_QUANT256_H
#define CH_QUANT256_H

#include "store256.h"

enum { CH_QUANT256_ROWS = 4 };

/* s[r] = the dot of one group's weights for 8 lanes, 64 bytes apart from w on, with row r's, plus
 * its bias. */
typedef void ch_dot256_fn(vi *s, const char *w, const ch_rows *rows, const int R);

/* Four activation bytes in every lane. */
CH_INLINE vb ch_four256(const ch_rows *rows, const int r, const int at)
{
    return vb_load4(ch_rows_at(rows, r) + at);
}

CH_INLINE void ch_group256(vf *sum, const char *panel, int g, ch_rows *rows, const int R,
                           const int P, const size_t bytes, ch_dot256_fn *dot)
{
    CH_UNROLL
    for (int h = 0; h < 2; h++) {
        const char *at = panel + ch_group_scale_at(g, bytes) + 16 * h;
        const vf scale = vf_load_f16(at);
        vi s[CH_QUANT256_ROWS];
        if (R > 1) /* one row's 32 bytes may stay in registers for the other half */
            ch_rows_forget(rows, R);
        dot(s, panel + ch_group_weights_at(g, bytes) + 32 * h, rows, R);
        CH_UNROLL
        for (int r = 0; r < R; r++) {
            const vf both = vf_mul(scale, vf_set1(ch_group_at(rows, r)->d));
            sum[2 * r * P + h] = vf_fma(both, vf_of_vi(s[r]), sum[2 * r * P + h]);
        }
    }
}

CH_INLINE int ch_quant256_tile(const ch_tile *t, const int R, const int P, const size_t bytes,
                               ch_dot256_fn *dot)
{
    const int groups = t->K / CH_GROUP;
    ch_rows rows = ch_rows_of(t, R);
    const int lines = (int)(bytes / 64) + 1; /* of a group and its scales */
    ch_ahead ahead = ch_ahead_of(t, P, groups * lines);
    vf sum[2 * CH_QUANT256_ROWS];
    CH_UNROLL
    for (int i = 0; i < 2 * R * P; i++)
        sum[i] = vf_zero();
    for (int g = 0; g < groups; g++) {
        CH_UNROLL
        for (int p = 0; p < P; p++) {
            const char *panel = t->w + (size_t)p * t->panel_bytes;
            CH_UNROLL
            for (int i = 0; i < lines; i++) {
                if (R > 1)
                    ch_ahead_step(&ahead);
                else
                    ch_ask(panel + ch_group_weights_at(g, bytes) + CH_AHEAD + 64 * i);
            }
            ch_group256(sum + 2 * p, panel, g, &rows, R, P, bytes, dot);
        }
        ch_rows_advance(&rows, R, sizeof(ch_group));
    }
    ch_store256(t, sum, R, P);
    return P;
}

CH_INLINE int ch_quant256_tiles(const ch_tile *t, const size_t bytes, ch_dot256_fn *dot)
{
    switch (t->rows) {
    case 1: return t->columns > 3 * CH_PANEL_ROWS ? ch_quant256_tile(t, 1, 4, bytes, dot)
                                                  : ch_quant256_tile(t, 1, 1, bytes, dot);
    case 2: return ch_quant256_tile(t, 2, 1, bytes, dot);
    case 3: return ch_quant256_tile(t, 3, 1, bytes, dot);
    default: return ch_quant256_tile(t, CH_QUANT256_ROWS, 1, bytes, dot);
    }
}

#endif
