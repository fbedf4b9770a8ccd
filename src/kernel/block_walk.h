/* block_walk.h - the tiles of every form of block panels, and the product that walks with them
 *
 * CH_BLOCK_FORMS(tiles) makes block_tiles, a function for each form, of tiles(t, kind), which is
 * inlined with kind as a constant.  SPDX-License-Identifier: MIT */
#ifndef CH_BLOCK_WALK_H
#define CH_BLOCK_WALK_H

#include "gemm_walk.h"

#define CH_BLOCK_FORMS(tiles)                                                                     \
    static int q4_1(const ch_tile *t) { return tiles(t, CH_PANEL_Q4_1); }                         \
    static int q5_0(const ch_tile *t) { return tiles(t, CH_PANEL_Q5_0); }                         \
    static int q5_1(const ch_tile *t) { return tiles(t, CH_PANEL_Q5_1); }                         \
    static int iq4_nl(const ch_tile *t) { return tiles(t, CH_PANEL_IQ4_NL); }                     \
    static int mxfp4(const ch_tile *t) { return tiles(t, CH_PANEL_MXFP4); }                       \
    static int q2_k(const ch_tile *t) { return tiles(t, CH_PANEL_Q2_K); }                         \
    static int q3_k(const ch_tile *t) { return tiles(t, CH_PANEL_Q3_K); }                         \
    static int q4_k(const ch_tile *t) { return tiles(t, CH_PANEL_Q4_K); }                         \
    static int q5_k(const ch_tile *t) { return tiles(t, CH_PANEL_Q5_K); }                         \
    static int q6_k(const ch_tile *t) { return tiles(t, CH_PANEL_Q6_K); }                         \
    static int iq4_xs(const ch_tile *t) { return tiles(t, CH_PANEL_IQ4_XS); }                     \
    static ch_tile_fn *const block_tiles[CH_PANELS] = {                                           \
        [CH_PANEL_Q4_1] = q4_1, [CH_PANEL_Q5_0] = q5_0, [CH_PANEL_Q5_1] = q5_1,                   \
        [CH_PANEL_IQ4_NL] = iq4_nl, [CH_PANEL_MXFP4] = mxfp4, [CH_PANEL_Q2_K] = q2_k,             \
        [CH_PANEL_Q3_K] = q3_k, [CH_PANEL_Q4_K] = q4_k, [CH_PANEL_Q5_K] = q5_k,                   \
        [CH_PANEL_Q6_K] = q6_k, [CH_PANEL_IQ4_XS] = iq4_xs};

static inline void ch_block_walk(ch_tile_fn *const *of, int most_rows, real *y, ptrdiff_t ldy,
                                 const void *x, ptrdiff_t ldx, const void *w, int M, int n0,
                                 int n1, int K, int flags)
{
    const ch_panel_kind kind = ch_kind_in(flags);
    ch_panel_walk(of[kind], most_rows, kind, y, ldy, x, ldx, w, M, n0, n1, K, flags);
}

#endif
