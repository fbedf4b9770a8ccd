/* phi3.c - Phi-3, Phi-3.5, Phi-4 mini (Abdin et al. 2024): Llama with fused maps
 *
 *   x += Wo attention(rope(q), rope(k), v),   (q, k, v) = W n        n = rmsnorm(x)
 *   x += Wd (silu(g) * u),   (g, u) = Wu n                           n = rmsnorm(x)
 *
 * Only the first rope.dimension_count of a head turn, in halves; the long-context models have two
 * lists of divisors (LongRoPE).  A window holds in all layers.  SPDX-License-Identifier: MIT */
#include "decoder.h"

struct layer {
    ch_weight attn_norm, qkv, attn_output, ffn_norm, gate_up, down;
};

#define L(f) offsetof(struct layer, f)
static const ch_weight_row per_layer[] = {
    {"blk.%d.attn_norm.weight", "D", CH_INIT_ONES, L(attn_norm), 0, 0},
    {"blk.%d.attn_qkv.weight", "QE D", CH_INIT_NORMAL, L(qkv), 0, 0},
    {"blk.%d.attn_output.weight", "D HE", CH_INIT_RESIDUAL, L(attn_output), 0, 0},
    {"blk.%d.ffn_norm.weight", "D", CH_INIT_ONES, L(ffn_norm), 0, 0},
    {"blk.%d.ffn_up.weight", "2F D", CH_INIT_NORMAL, L(gate_up), 0, 0},
    {"blk.%d.ffn_down.weight", "D F", CH_INIT_RESIDUAL, L(down), 0, 0},
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
    c->rope.dims = c->head_width / 4 * 3 / 2 * 2;
    ch_config_stretch(c, CH_STRETCH_LONG, false);
}

static ch_tensor *layer(ch_forward *f, int l, ch_tensor *x)
{
    const struct layer *w = ch_model_layer(f->model, l);
    const int hidden = f->model->config.hidden;
    ch_run *r = f->run;
    ch_tensor *n = ch_block_norm(f, x, &w->attn_norm);
    ch_tensor *heads = ch_block_fused_heads(f, l, n, &w->qkv);
    x = ch_op_linear_add(r, x, heads, &w->attn_output, f->rows);

    n = ch_block_norm(f, x, &w->ffn_norm);
    const ch_tensor *gu = ch_op_linear(r, n, &w->gate_up, f->rows);
    ch_tensor *g = ch_op_columns(r, gu, 0, hidden), *u = ch_op_columns(r, gu, hidden, hidden);
    return ch_op_linear_add(r, x, ch_op_swiglu(r, g, u), &w->down, f->rows);
}

const ch_arch ch_arch_phi3 = {
    .name = "phi3",
    CH_PLAIN_ENDS,
    .per_layer = per_layer,
    .n_per_layer = CH_COUNT(per_layer),
    .layer_bytes = sizeof(struct layer),
    .configure = configure,
    .small = small,
    .layer = layer,
};
