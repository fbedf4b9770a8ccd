/* qwen3.c - Qwen3 (Qwen team 2025): Llama with each head's queries and keys normalised before
 * they turn
 *
 *   x += Wo attention(rope(rmsnorm_E(Wq n)), rope(rmsnorm_E(Wk n)), Wv n)      n = rmsnorm(x)
 *   x += Wd (silu(Wg n) * Wu n)                                                n = rmsnorm(x)
 *
 * Rotary pairs are halves of a head (i, i + E/2).  SPDX-License-Identifier: MIT */
#include "integrate_block.h"

struct layer {
    ch_attention_weights attn;
    ch_ffn_weights ffn;
    ch_integrator_weights steps;
};

#define L(f) offsetof(struct layer, f)
static const ch_weight_row per_layer[] = {
    CH_ATTENTION_ROWS(L, 0),
    CH_HEAD_NORM_ROWS(L, 0),
    CH_FFN_ROWS(L),
    CH_INTEGRATOR_ROWS(L),
};
#undef L

static int configure(ch_config *c, const ch_file *f, ch_err *e)
{
    (void)f, (void)e;
    c->rope.interleaved = false;
    return CH_OK;
}

static void small(ch_config *c)
{
    c->tied = true;
}

static ch_tensor *layer(ch_forward *f, int l, ch_tensor *x)
{
    const struct layer *w = ch_model_layer(f->model, l);
    x = ch_block_attention(f, l, x, &w->attn);
    return ch_block_integrate(f, l, x, &w->ffn, &w->steps);
}

const ch_arch ch_arch_qwen3 = {
    .name = "qwen3",
    CH_PLAIN_ENDS,
    .integrates = true,
    .per_layer = per_layer,
    .n_per_layer = CH_COUNT(per_layer),
    .layer_bytes = sizeof(struct layer),
    .configure = configure,
    .small = small,
    .layer = layer,
};
