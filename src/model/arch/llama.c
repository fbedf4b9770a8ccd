/* llama.c - Llama (Touvron et al. 2023) and what shares its shape: Mistral, TinyLlama, SmolLM
 *
 *   x += Wo attention(rope(Wq n), rope(Wk n), Wv n)      n = rmsnorm(x)
 *   x += Wd (silu(Wg n) * Wu n)                          n = rmsnorm(x)
 *
 * GGUF stores Wq and Wk with each head's rows in rotary pairs (2i, 2i+1).  Attention of a file
 * with attention.sliding_window (Mistral 7B v0.1) sees that many tokens.
 * SPDX-License-Identifier: MIT */
#include "integrate_block.h"

struct layer {
    ch_attention_weights attn;
    ch_ffn_weights ffn;
    ch_integrator_weights steps;
};

#define L(f) offsetof(struct layer, f)
static const ch_weight_row per_layer[] = {
    CH_ATTENTION_ROWS(L, CH_ROW_ROPE),
    CH_QKV_BIAS_ROWS(L, CH_ROW_ROPE),
    CH_OUTPUT_BIAS_ROW(L),
    CH_FFN_ROWS(L),
    CH_FFN_BIAS_ROWS(L),
    CH_INTEGRATOR_ROWS(L),
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
    return ch_block_integrate(f, l, x, &w->ffn, &w->steps);
}

const ch_arch ch_arch_llama = {
    .name = "llama",
    CH_PLAIN_ENDS,
    .integrates = true,
    .per_layer = per_layer,
    .n_per_layer = CH_COUNT(per_layer),
    .layer_bytes = sizeof(struct layer),
    .configure = configure,
    .layer = layer,
};
