/* qwen3.c - Qwen3 (Qwen team 2025): Llama with each head's queries and keys normalised before
 * they turn
 *
 *   x += Wo attention(rope(rmsnorm_E(Wq n)), rope(rmsnorm_E(Wk n)), Wv n)      n = rmsnorm(x)
 *   x += Wd (silu(Wg n) * Wu n)                                                n = rmsnorm(x)
 *
 * Rotary pairs are halves of a head (i, i + E/2).  SPDX-License-Identifier: MIT */
#include "blocks.h"

struct layer {
    ch_attention_weights attn;
    ch_weight ffn_norm, ffn_gate, ffn_up, ffn_down;
};

#define L(f) offsetof(struct layer, f)
static const ch_weight_row per_layer[] = {
    CH_ATTENTION_ROWS(L, 0),
    CH_HEAD_NORM_ROWS(L),
    {"blk.%d.ffn_norm.weight", "D", CH_INIT_ONES, L(ffn_norm), 0, 0},
    {"blk.%d.ffn_gate.weight", "F D", CH_INIT_NORMAL, L(ffn_gate), 0, 0},
    {"blk.%d.ffn_up.weight", "F D", CH_INIT_NORMAL, L(ffn_up), 0, 0},
    {"blk.%d.ffn_down.weight", "D F", CH_INIT_RESIDUAL, L(ffn_down), 0, 0},
};
#undef L

static int configure(ch_config *c, const ch_file *f, ch_err *e)
{
    (void)f, (void)e;
    c->rope.interleaved = false;
    return CH_OK;
}

static ch_tensor *layer(ch_forward *f, int l, ch_tensor *x)
{
    const struct layer *w = ch_model_layer(f->model, l);
    x = ch_block_attention(f, l, x, &w->attn);
    return ch_block_swiglu(f, x, &w->ffn_norm, &w->ffn_gate, &w->ffn_up, &w->ffn_down);
}

const ch_arch ch_arch_qwen3 = {
    .name = "qwen3",
    CH_PLAIN_ENDS,
    .per_layer = per_layer,
    .n_per_layer = CH_COUNT(per_layer),
    .layer_bytes = sizeof(struct layer),
    .configure = configure,
    .layer = layer,
};
