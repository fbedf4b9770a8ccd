/* blocks.h - what most decoders share: the table at both ends, and the gated feed-forward block
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_BLOCKS_H
#define CH_BLOCKS_H

#include "model.h"

typedef struct ch_plain_globals {
    ch_weight embedding, norm, output;
} ch_plain_globals;

extern const ch_weight_row ch_plain_rows[3];
ch_tensor *ch_plain_embed(ch_forward *f);
ch_tensor *ch_plain_head(ch_forward *f, ch_tensor *x); /* rmsnorm */

/* x + Wd (silu(Wg n) * Wu n), n = rmsnorm(x; norm)   (Shazeer 2020) */
ch_tensor *ch_block_swiglu(ch_forward *f, ch_tensor *x, const ch_weight *norm,
                           const ch_weight *gate, const ch_weight *up, const ch_weight *down);

/* x + Wd max(Wu n, 0)^2   (So et al. 2021) */
ch_tensor *ch_block_relu2(ch_forward *f, ch_tensor *x, const ch_weight *norm, const ch_weight *up,
                          const ch_weight *down);

/* x + Wo attention(rope(Wq n), rope(Wk n), Wv n), n = rmsnorm(x; norm).  Where a norm for queries
 * and keys is given, each head's are normalised by it before they turn. */
typedef struct ch_attention_weights {
    ch_weight norm, q, k, v, output, q_norm, k_norm;
} ch_attention_weights;
ch_tensor *ch_block_attention(ch_forward *f, int layer, ch_tensor *x,
                              const ch_attention_weights *w);

/* Their rows in a table; at(f): offset of field f; rope: flags of the queries' and keys' rows. */
#define CH_ATTENTION_ROWS(at, rope)                                                          \
    {"blk.%d.attn_norm.weight", "D", CH_INIT_ONES, at(attn.norm), 0, 0},                     \
    {"blk.%d.attn_q.weight", "HE D", CH_INIT_NORMAL, at(attn.q), rope, 0},                   \
    {"blk.%d.attn_k.weight", "KE D", CH_INIT_NORMAL, at(attn.k), rope, 0},                   \
    {"blk.%d.attn_v.weight", "KE D", CH_INIT_NORMAL, at(attn.v), 0, 0},                      \
    {"blk.%d.attn_output.weight", "D HE", CH_INIT_RESIDUAL, at(attn.output), 0, 0}
#define CH_HEAD_NORM_ROWS(at)                                                                \
    {"blk.%d.attn_q_norm.weight", "E", CH_INIT_ONES, at(attn.q_norm), 0, 0},                 \
    {"blk.%d.attn_k_norm.weight", "E", CH_INIT_ONES, at(attn.k_norm), 0, 0}

#define CH_PLAIN_ENDS                                                                        \
    .globals = ch_plain_rows, .n_globals = 3, .globals_bytes = sizeof(ch_plain_globals),     \
    .embed = ch_plain_embed, .head = ch_plain_head

#endif
