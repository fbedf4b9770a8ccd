/* qwen2.c - Qwen2 and Qwen2.5 (Qwen team 2024): Llama with biases on queries, keys and values
 *
 *   x += Wo attention(rope(Wq n + bq), rope(Wk n + bk), Wv n + bv)      n = rmsnorm(x)
 *   x += Wd (silu(Wg n) * Wu n)                                         n = rmsnorm(x)
 *
 * Rotary pairs are halves of a head.  SPDX-License-Identifier: MIT */
#include "decoder.h"

struct layer {
    ch_attention_weights attn;
    ch_ffn_weights ffn;
};

#define L(f) offsetof(struct layer, f)
static const ch_weight_row per_layer[] = {
    CH_ATTENTION_ROWS(L, 0),
    CH_QKV_BIAS_ROWS(L, 0),
    CH_FFN_ROWS(L),
};
#undef L

static int configure(ch_config *c, const ch_file *f, ch_err *e)
{
    (void)f, (void)e;
    c->rope.interleaved = false;
    c->biases |= CH_ROW_QKV_BIAS;
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
    return ch_block_ffn(f, x, &w->ffn);
}

const ch_arch ch_arch_qwen2 = {
    .name = "qwen2",
    CH_PLAIN_ENDS,
    .per_layer = per_layer,
    .n_per_layer = CH_COUNT(per_layer),
    .layer_bytes = sizeof(struct layer),
    .configure = configure,
    .small = small,
    .layer = layer,
};
