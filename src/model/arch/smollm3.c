/* smollm3.c - SmolLM3 (Hugging Face 2025): Llama where every fourth layer knows no positions
 *
 *   x += Wo attention(t(Wq n), t(Wk n), Wv n)      n = rmsnorm(x)
 *   x += Wd (silu(Wg n) * Wu n)                    n = rmsnorm(x)
 *
 * t is rope, in layers 3, 7, ... nothing (Yang et al. 2025).  Wq and Wk lie in rotary pairs, as
 * llama's.
 * SPDX-License-Identifier: MIT */
#include "decoder.h"

enum { PERIOD = 4 };

struct layer {
    ch_attention_weights attn;
    ch_ffn_weights ffn;
};

#define L(f) offsetof(struct layer, f)
static const ch_weight_row per_layer[] = {
    CH_ATTENTION_ROWS(L, CH_ROW_ROPE),
    CH_QKV_BIAS_ROWS(L, CH_ROW_ROPE),
    CH_OUTPUT_BIAS_ROW(L),
    CH_FFN_ROWS(L),
    CH_FFN_BIAS_ROWS(L),
};
#undef L

static int configure(ch_config *c, const ch_file *f, ch_err *e)
{
    c->rope.interleaved = true;
    if (c->window > 0)
        return ch_fail(e, CH_EUNSUPPORTED,
                       "%s: smollm3.attention.sliding_window is %d; windows are not supported in "
                       "smollm3 models",
                       f ? f->path : "the model", c->window);
    for (int l = PERIOD - 1; l < CH_MIN(c->layers, CH_MAX_LAYERS); l += PERIOD)
        c->kind[l] = CH_LAYER_UNTURNED;
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

const ch_arch ch_arch_smollm3 = {
    .name = "smollm3",
    CH_PLAIN_ENDS,
    .per_layer = per_layer,
    .n_per_layer = CH_COUNT(per_layer),
    .layer_bytes = sizeof(struct layer),
    .configure = configure,
    .small = small,
    .layer = layer,
};
