/* inl_v3.c - INL-LLM v3 (Pacific Prime 2026) as its code computes it
 *
 *   x0 = U A[id]
 *   x += c,  c = Wo attention(rope(Wq n), rope(Wk n), Wv n)           n = rmsnorm(x)
 *   x += the integrator's last state, from n with c as context        n = rmsnorm(x)
 *   x += Wd (silu(Wg n) * Wu n)                                       n = rmsnorm(x)
 *
 * Rotary pairs are halves of a head; no biases but the controller's; the head is a matrix of its
 * own.  SPDX-License-Identifier: MIT */
#include "inl.h"

struct globals {
    ch_weight embedding, up, norm, output;
};

struct layer {
    ch_attention_weights attn;
    ch_weight inl_norm;
    ch_inl_weights inl;
    ch_ffn_weights ffn;
};

#define G(f) offsetof(struct globals, f)
static const ch_weight_row globals[] = {
    {"token_embd.weight", "V R", CH_INIT_NORMAL, G(embedding), 0, 0},
    {"token_embd_up.weight", "D R", CH_INIT_NORMAL, G(up), CH_ROW_RANK, 0},
    {"output_norm.weight", "D", CH_INIT_ONES, G(norm), 0, 0},
    {"output.weight", "V D", CH_INIT_NORMAL, G(output), CH_ROW_HEAD, 0},
};
#undef G

#define L(f) offsetof(struct layer, f)
static const ch_weight_row per_layer[] = {
    CH_ATTENTION_ROWS(L, 0),
    {"blk.%d.inl_norm.weight", "D", CH_INIT_ONES, L(inl_norm), 0, 0},
    CH_INL_ROWS(L),
    CH_FFN_ROWS(L),
};
#undef L

static int configure(ch_config *c, const ch_file *f, ch_err *e)
{
    c->rope.interleaved = false;
    return ch_inl_read(c, f, e);
}

static ch_tensor *embed(ch_forward *f)
{
    const struct globals *w = f->model->globals;
    return ch_inl_embed(f, &w->embedding, &w->up);
}

static ch_tensor *layer(ch_forward *f, int l, ch_tensor *x)
{
    const struct layer *w = ch_model_layer(f->model, l);
    ch_run *r = f->run;
    ch_tensor *heads = ch_block_heads(f, l, ch_block_norm(f, x, &w->attn.norm), &w->attn);
    const ch_tensor *c = ch_op_linear(r, heads, &w->attn.output, f->rows);
    x = ch_op_add(r, x, c);
    x = ch_op_add(r, x, ch_inl_branch(f, l, ch_block_norm(f, x, &w->inl_norm), c, &w->inl));
    return ch_block_ffn(f, x, &w->ffn);
}

static ch_tensor *head(ch_forward *f, ch_tensor *x)
{
    const struct globals *w = f->model->globals;
    return ch_block_norm(f, x, &w->norm);
}

const ch_arch ch_arch_inl_v3 = {
    .name = "inl_v3",
    .globals = globals,
    .n_globals = CH_COUNT(globals),
    .globals_bytes = sizeof(struct globals),
    .per_layer = per_layer,
    .n_per_layer = CH_COUNT(per_layer),
    .layer_bytes = sizeof(struct layer),
    .configure = configure,
    .small = ch_inl_small,
    .embed = embed,
    .layer = layer,
    .head = head,
};
