/* qwen3.c - Qwen3 (Qwen team 2025): Llama with each head's queries and keys normalised before
 * they turn
 *
 *   x += Wo attention(rope(rmsnorm_E(Wq n)), rope(rmsnorm_E(Wk n)), Wv n)      n = rmsnorm(x)
 *   x += Wd (silu(Wg n) * Wu n)                                                n = rmsnorm(x)
 *
 * Rotary pairs are halves of a head (i, i + E/2).  SPDX-License-Identifier: MIT */
#include "blocks.h"

struct layer {
    ch_weight attn_norm, attn_q, attn_k, attn_v, attn_output,
           attn_q_norm, attn_k_norm,
           ffn_norm, ffn_gate, ffn_up, ffn_down;
};

#define L(f) offsetof(struct layer, f)
static const ch_weight_row per_layer[] = {
    {"blk.%d.attn_norm.weight", "D", CH_INIT_ONES, L(attn_norm), 0, 0},
    {"blk.%d.attn_q.weight", "HE D", CH_INIT_NORMAL, L(attn_q), 0, 0},
    {"blk.%d.attn_k.weight", "KE D", CH_INIT_NORMAL, L(attn_k), 0, 0},
    {"blk.%d.attn_v.weight", "KE D", CH_INIT_NORMAL, L(attn_v), 0, 0},
    {"blk.%d.attn_q_norm.weight", "E", CH_INIT_ONES, L(attn_q_norm), 0, 0},
    {"blk.%d.attn_k_norm.weight", "E", CH_INIT_ONES, L(attn_k_norm), 0, 0},
    {"blk.%d.attn_output.weight", "D HE", CH_INIT_RESIDUAL, L(attn_output), 0, 0},
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
    const ch_config *c = &f->model->config;
    const ch_rows *rows = f->rows;
    const ch_attention_spec spec = {.heads = c->heads,
                                    .kv_heads = c->kv_heads,
                                    .width = c->head_width,
                                    .scale = 1 / real_sqrt((real)c->head_width)};
    ch_run *r = f->run;
    const real eps = (real)c->norm_eps;

    ch_tensor *qkv[3], *n = ch_op_rmsnorm(r, x, &w->attn_norm, 0, eps);
    ch_op_linear_many(r, qkv, n, (const ch_weight *const[]){&w->attn_q, &w->attn_k, &w->attn_v}, 3,
                      rows);
    qkv[0] = ch_op_rmsnorm(r, qkv[0], &w->attn_q_norm, c->head_width, eps);
    qkv[1] = ch_op_rmsnorm(r, qkv[1], &w->attn_k_norm, c->head_width, eps);
    ch_op_rope(r, qkv[0], c->heads, &c->rope, f->cosines, f->sines);
    ch_op_rope(r, qkv[1], c->kv_heads, &c->rope, f->cosines, f->sines);
    x = ch_op_linear_add(r, x, ch_forward_attend(f, l, qkv[0], qkv[1], qkv[2], &spec),
                         &w->attn_output, rows);
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
