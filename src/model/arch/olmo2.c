/* olmo2.c - OLMo 2 and 3 (OLMo team 2024): norms behind the blocks, and over whole queries and keys
 *
 *   x += rmsnorm(Wo attention(rope(rmsnorm(Wq x)), rope(rmsnorm(Wk x)), Wv x))
 *   x += rmsnorm(Wd (silu(Wg x) * Wu x))
 *
 * Rotary pairs are halves of a head.  OLMo 3 has windows in three of four layers, which turn
 * unstretched.  SPDX-License-Identifier: MIT */
#include "decoder.h"

struct layer {
    ch_attention_weights attn;
    ch_ffn_weights ffn;
    ch_weight attn_post_norm, ffn_post_norm;
};

#define L(f) offsetof(struct layer, f)
static const ch_weight_row per_layer[] = {
    CH_QKV_ROWS(L, 0, 0),
    {"blk.%d.attn_q_norm.weight", "HE", CH_INIT_ONES, L(attn.q_norm), 0, 0},
    {"blk.%d.attn_k_norm.weight", "KE", CH_INIT_ONES, L(attn.k_norm), 0, 0},
    {"blk.%d.post_attention_norm.weight", "D", CH_INIT_ONES, L(attn_post_norm), 0, 0},
    CH_GATED_ROWS(L),
    {"blk.%d.post_ffw_norm.weight", "D", CH_INIT_ONES, L(ffn_post_norm), 0, 0},
};
#undef L

static int configure(ch_config *c, const ch_file *f, ch_err *e)
{
    (void)f, (void)e;
    c->rope.interleaved = false;
    if (c->window > 0 && c->local_base == 0)
        c->local_base = c->rope.base;
    return CH_OK;
}

static ch_tensor *layer(ch_forward *f, int l, ch_tensor *x)
{
    const struct layer *w = ch_model_layer(f->model, l);
    const ch_weight *const maps[] = {&w->attn.q, &w->attn.k, &w->attn.v};
    ch_run *r = f->run;
    ch_tensor *qkv[3];
    ch_op_linear_many(r, qkv, x, maps, 3, f->rows);
    ch_tensor *q = ch_block_norm(f, qkv[0], &w->attn.q_norm);
    ch_tensor *k = ch_block_norm(f, qkv[1], &w->attn.k_norm);
    ch_tensor *heads = ch_block_attend(f, l, q, k, qkv[2]);
    ch_tensor *y = ch_op_linear(r, heads, &w->attn.output, f->rows);
    x = ch_op_add(r, x, ch_block_norm(f, y, &w->attn_post_norm));

    y = ch_op_linear(r, ch_block_swiglu(f, x, &w->ffn), &w->ffn.down, f->rows);
    return ch_op_add(r, x, ch_block_norm(f, y, &w->ffn_post_norm));
}

const ch_arch ch_arch_olmo2 = {
    .name = "olmo2",
    .window_period = 4,
    CH_PLAIN_ENDS,
    .per_layer = per_layer,
    .n_per_layer = CH_COUNT(per_layer),
    .layer_bytes = sizeof(struct layer),
    .configure = configure,
    .layer = layer,
};
