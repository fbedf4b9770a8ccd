/* inl.h - what the two published integrator models share: embedding of low rank, the branch
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_ARCH_INL_H
#define CH_ARCH_INL_H

#include "decoder.h"

typedef struct ch_inl_weights {
    ch_weight mu, offsets, in, in_bias, out, out_bias;
} ch_inl_weights;

/* U (A[id]) of a table A (V, R) and a map U (D, R), or A[id] where there is no map. */
ch_tensor *ch_inl_embed(ch_forward *f, const ch_weight *table, const ch_weight *up);
/* x_n, from x_0 = x and v_0 = 0 with h as the controller's context. */
ch_tensor *ch_inl_branch(ch_forward *f, int layer, const ch_tensor *x, const ch_tensor *h,
                         const ch_inl_weights *w);

void ch_inl_small(ch_config *c);

/* at(f): offset of field f, in a struct that has a member `inl`. */
#define CH_INL_ROWS(at)                                                                      \
    {"blk.%d.inl_mu.weight", "1", CH_INIT_ZEROS, at(inl.mu), 0, 0},                          \
    {"blk.%d.inl_offsets.weight", "G", CH_INIT_ZEROS, at(inl.offsets), 0, 0},                \
    {"blk.%d.inl_in.weight", "88 3D", CH_INIT_NORMAL, at(inl.in), CH_ROW_EXACT, 0},          \
    {"blk.%d.inl_in.bias", "88", CH_INIT_ZEROS, at(inl.in_bias), 0, 1 + at(inl.in)},         \
    {"blk.%d.inl_out.weight", "3D 88", CH_INIT_NORMAL, at(inl.out), CH_ROW_EXACT, 0},        \
    {"blk.%d.inl_out.bias", "3D", CH_INIT_ZEROS, at(inl.out_bias), 0, 1 + at(inl.out)}

#endif
