/* pack_i16_c.h - groups of 128 reals as 13-bit integers, for pack_i16_c and pack_i16t_c
 *
 *     scale = max|x| / 4095,  q = x (4095 / max|x|) to nearest even
 * |q| <= 4095 without clamping: two roundings move 4095 by far less than half.
 * SPDX-License-Identifier: MIT */
#ifndef CH_PACK_I16_C_H
#define CH_PACK_I16_C_H

#include <string.h>

#include "panel.h"

/* One row's k0..k1, element k = src[k * step]; src NULL: a row of padding. */
static inline void ch_pack_i16_lane(char *panel, int lane, const real *src, ptrdiff_t step,
                                    int k0, int k1)
{
    for (int k = k0; k < k1; k += CH_I16_GROUP) {
        const int n = CH_MIN(k1 - k, CH_I16_GROUP);
        char *group = panel + ch_i16_at(k);
        float most = 0;
        bool finite = true;
        for (int i = 0; src && i < n; i++) {
            const float size = fabsf((float)src[(k + i) * step]);
            finite = finite && size <= FLT_MAX;
            most = size > most ? size : most;
        }
        const bool some = finite && most >= CH_I16_LEAST;
        const float scale = !finite ? NAN : some ? most / CH_I16_MOST : 0;
        const float inverse = some ? CH_I16_MOST / most : 0;
        memcpy(group + 4 * lane, &scale, sizeof scale);
        group += CH_I16_SCALE_BYTES + 4 * lane;
        for (int i = 0; i < n + n % 2; i++) {
            const int16_t q =
                some && i < n ? (int16_t)rintf((float)src[(k + i) * step] * inverse) : 0;
            memcpy(group + i / 2 * CH_I16_PAIR_BYTES + i % 2 * 2, &q, sizeof q);
        }
    }
}

static inline void ch_pack_i16_rows(void *panels, const real *src, ptrdiff_t row, ptrdiff_t step,
                                    int N, int K, int n0, int n1, int k0, int k1)
{
    const size_t panel_bytes = ch_panel_bytes(CH_PANEL_I16, K);
    for (int n = n0; n < n1; n += CH_PANEL_ROWS)
        for (int r = 0; r < CH_PANEL_ROWS; r++)
            ch_pack_i16_lane((char *)panels + (size_t)(n / CH_PANEL_ROWS) * panel_bytes, r,
                             n + r < N ? src + (n + r) * row : NULL, step, k0, k1);
}

#endif
