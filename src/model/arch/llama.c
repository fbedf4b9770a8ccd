/* llama.c - Llama (Touvron et al. 2023) and what shares its shape
 *
 *   x += Wo attention(rope(Wq n), rope(Wk n), Wv n)      n = rmsnorm(x)
 *   x += Wd (silu(Wg n) * Wu n)                          n = rmsnorm(x)
 *
 * GGUF stores Wq and Wk with each head's rows in rotary pairs (2i, 2i+1).
 * SPDX-License-Identifier: MIT */
#include "blocks.h"

struct layer {
    ch_attention_weights attn;
    ch_weight ffn_norm, ffn_gate, ffn_up, ffn_down;
};

#define L(f) offsetof(struct layer, f)
static const ch_weight_row per_layer[] = {
    CH_ATTENTION_ROWS(L, CH_ROW_ROPE),
    {"blk.%d.ffn_norm.weight", "D", CH_INIT_ONES, L(ffn_norm), 0, 0},
    {"blk.%d.ffn_gate.weight", "F D", CH_INIT_NORMAL, L(ffn_gate), 0, 0},
    {"blk.%d.ffn_up.weight", "F D", CH_INIT_NORMAL, L(ffn_up), 0, 0},
    {"blk.%d.ffn_down.weight", "D F", CH_INIT_RESIDUAL, L(ffn_down), 0, 0},
};
#undef L

static int configure(ch_config *c, const ch_file *f, ch_err *e)
{
    (void)f, (void)e;
    c->rope.interleaved = true;
    return CH_OK;
}

static ch_tensor *layer(ch_forward *f, int l, ch_tensor *x)
{
    const struct layer *w = ch_model_layer(f->model, l);
    x = ch_block_attention(f, l, x, &w->attn);
    return ch_block_swiglu(f, x, &w->ffn_norm, &w->ffn_gate, &w->ffn_up, &w->ffn_down);
}

const ch_arch ch_arch_llama = {
    .name = "llama",
    CH_PLAIN_ENDS,
    .per_layer = per_layer,
    .n_per_layer = CH_COUNT(per_layer),
    .layer_bytes = sizeof(struct layer),
    .configure = configure,
    .layer = layer,
};
