/* blocks.c - see blocks.h.  SPDX-License-Identifier: MIT */
#include "blocks.h"

const ch_weight_row ch_plain_rows[3] = {
    {"token_embd.weight", "V D", CH_INIT_NORMAL, offsetof(ch_plain_globals, embedding), 0, 0},
    {"output_norm.weight", "D", CH_INIT_ONES, offsetof(ch_plain_globals, norm), 0, 0},
    {"output.weight", "V D", CH_INIT_NORMAL, offsetof(ch_plain_globals, output), CH_ROW_HEAD, 0},
};

ch_tensor *ch_plain_embed(ch_forward *f)
{
    const ch_plain_globals *w = f->model->globals;
    return ch_op_embed(f->run, &w->embedding, f->rows);
}

ch_tensor *ch_plain_head(ch_forward *f, ch_tensor *x)
{
    const ch_plain_globals *w = f->model->globals;
    return ch_op_rmsnorm(f->run, x, &w->norm, 0, (real)f->model->config.norm_eps);
}

static ch_tensor *heads_normed(ch_forward *f, ch_tensor *x, const ch_weight *norm)
{
    const ch_config *c = &f->model->config;
    return norm->stored.data
               ? ch_op_rmsnorm(f->run, x, norm, c->head_width, (real)c->norm_eps)
               : x;
}

ch_tensor *ch_block_attention(ch_forward *f, int layer, ch_tensor *x,
                              const ch_attention_weights *w)
{
    const ch_config *c = &f->model->config;
    const ch_attention_spec spec = {.heads = c->heads,
                                    .kv_heads = c->kv_heads,
                                    .width = c->head_width,
                                    .scale = 1 / real_sqrt((real)c->head_width)};
    ch_run *r = f->run;

    ch_tensor *qkv[3], *n = ch_op_rmsnorm(r, x, &w->norm, 0, (real)c->norm_eps);
    ch_op_linear_many(r, qkv, n, (const ch_weight *const[]){&w->q, &w->k, &w->v}, 3, f->rows);
    qkv[0] = heads_normed(f, qkv[0], &w->q_norm);
    qkv[1] = heads_normed(f, qkv[1], &w->k_norm);
    ch_op_rope(r, qkv[0], c->heads, &c->rope, f->cosines, f->sines);
    ch_op_rope(r, qkv[1], c->kv_heads, &c->rope, f->cosines, f->sines);
    return ch_op_linear_add(r, x, ch_forward_attend(f, layer, qkv[0], qkv[1], qkv[2], &spec),
                            &w->output, f->rows);
}

ch_tensor *ch_block_relu2(ch_forward *f, ch_tensor *x, const ch_weight *norm, const ch_weight *up,
                          const ch_weight *down)
{
    ch_run *r = f->run;
    ch_tensor *n = ch_op_rmsnorm(r, x, norm, 0, (real)f->model->config.norm_eps);
    ch_tensor *h = ch_op_relu2(r, ch_op_linear(r, n, up, f->rows));
    return ch_op_linear_add(r, x, h, down, f->rows);
}

ch_tensor *ch_block_swiglu(ch_forward *f, ch_tensor *x, const ch_weight *norm,
                           const ch_weight *gate, const ch_weight *up, const ch_weight *down)
{
    ch_run *r = f->run;
    const ch_rows *rows = f->rows;
    ch_tensor *gu[2], *n = ch_op_rmsnorm(r, x, norm, 0, (real)f->model->config.norm_eps);
    ch_op_linear_many(r, gu, n, (const ch_weight *const[]){gate, up}, 2, rows);
    return ch_op_linear_add(r, x, ch_op_swiglu(r, gu[0], gu[1]), down, rows);
}
