/* granite.c - Granite 3 (IBM 2024): Llama with four multipliers
 *
 *   x0 = e E[id]
 *   x += r Wo attention(rope(Wq n), rope(Wk n), Wv n), scores times a      n = rmsnorm(x)
 *   x += r Wd (silu(Wg n) * Wu n)                                          n = rmsnorm(x)
 *   logits = s W rmsnorm(x)
 *
 * Keys: embedding_scale e, residual_scale r, attention.scale a, logit_scale 1/s.  Wq and Wk lie in
 * rotary pairs, as llama's.  rope.scaling.finetuned false: no positions at all.
 * SPDX-License-Identifier: MIT */
#include "decoder.h"

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
    bool positions = true;
    const int rc =
        f ? ch_file_bool_opt(&positions, f, "granite.rope.scaling.finetuned", e) : CH_OK;
    c->rope.interleaved = true;
    for (int l = 0; !positions && l < CH_MIN(c->layers, CH_MAX_LAYERS); l++)
        c->kind[l] = CH_LAYER_UNTURNED;
    return rc;
}

static void small(ch_config *c)
{
    c->tied = true;
    c->embedding_scale = 4;
    c->residual_scale = 0.25;
    c->attention_scale = 0.375;
    c->logit_scale = 0.5;
}

static ch_tensor *scaled(ch_forward *f, ch_tensor *x, double factor)
{
    return factor > 0 ? ch_op_scale(f->run, x, (real)factor) : x;
}

static ch_tensor *embed(ch_forward *f)
{
    return scaled(f, ch_plain_embed(f), f->model->config.embedding_scale);
}

static ch_tensor *layer(ch_forward *f, int l, ch_tensor *x)
{
    const struct layer *w = ch_model_layer(f->model, l);
    const double factor = f->model->config.residual_scale;
    ch_run *r = f->run;
    ch_tensor *heads = ch_block_heads(f, l, ch_block_norm(f, x, &w->attn.norm), &w->attn);
    ch_tensor *y = ch_op_linear(r, heads, &w->attn.output, f->rows);
    x = ch_op_add(r, x, scaled(f, y, factor));

    ch_tensor *h = ch_block_swiglu(f, ch_block_norm(f, x, &w->ffn.norm), &w->ffn);
    y = ch_op_linear(r, h, &w->ffn.down, f->rows);
    return ch_op_add(r, x, scaled(f, y, factor));
}

/* The factor of the logits, before the map to them. */
static ch_tensor *head(ch_forward *f, ch_tensor *x)
{
    return scaled(f, ch_plain_head(f, x), f->model->config.logit_scale);
}

const ch_arch ch_arch_granite = {
    .name = "granite",
    .scales = true,
    .globals = ch_plain_rows,
    .n_globals = 3,
    .globals_bytes = sizeof(ch_plain_globals),
    .per_layer = per_layer,
    .n_per_layer = CH_COUNT(per_layer),
    .layer_bytes = sizeof(struct layer),
    .configure = configure,
    .small = small,
    .embed = embed,
    .layer = layer,
    .head = head,
};
