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

#define CH_PLAIN_ENDS                                                                        \
    .globals = ch_plain_rows, .n_globals = 3, .globals_bytes = sizeof(ch_plain_globals),     \
    .embed = ch_plain_embed, .head = ch_plain_head

#endif
