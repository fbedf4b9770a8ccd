/* gemma.h - what Gemma 2 and 3 share: scaled embeddings, a norm before and after each block
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_GEMMA_H
#define CH_GEMMA_H

#include "decoder.h"

typedef struct ch_gemma_layer {
    ch_attention_weights attn;
    ch_ffn_weights ffn;
    ch_weight attn_post_norm, ffn_post_norm;
} ch_gemma_layer;

#define CH_GEMMA_POST_ROWS(at)                                                               \
    {"blk.%d.post_attention_norm.weight", "D", CH_INIT_ONES, at(attn_post_norm), 0, 0},      \
    {"blk.%d.post_ffw_norm.weight", "D", CH_INIT_ONES, at(ffn_post_norm), 0, 0}

/* sqrt(D) E[id].  The constant is not rounded: the reference in f32 does not (one that runs in bf16
 * rounds it to bf16, 0.2 % off for D = 3584).  A row that enters as a vector is scaled as well. */
ch_tensor *ch_gemma_embed(ch_forward *f);
ch_tensor *ch_gemma_layer_run(ch_forward *f, int l, ch_tensor *x);
/* Scores are multiplied by 1 / sqrt(E), in the models of 27 B by 1 / sqrt(D / H); those are known
 * by their number of layers, since files do not say.  attention.scale has the last word. */
void ch_gemma_scale(ch_config *c, int layers_of_27b);

#endif
