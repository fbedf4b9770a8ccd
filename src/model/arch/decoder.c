/* decoder.c - see decoder.h.  SPDX-License-Identifier: MIT */
#include "decoder.h"

#include <stdio.h>
#include <string.h>

#define G(f) offsetof(ch_plain_globals, f)
const ch_weight_row ch_plain_rows[CH_PLAIN_ROWS] = {
    {"token_embd.weight", "V D", CH_INIT_NORMAL, G(embedding), 0, 0},
    {"output_norm.weight", "D", CH_INIT_ONES, G(norm), 0, 0},
    {"output.weight", "V D", CH_INIT_NORMAL, G(output), CH_ROW_HEAD, 0},
    CH_DEPTH_GATE_ROWS(G),
};
#undef G

ch_tensor *ch_plain_embed(ch_forward *f)
{
    const ch_plain_globals *w = f->model->globals;
    return ch_op_embed(f->run, &w->embedding, f->rows);
}

ch_tensor *ch_plain_head(ch_forward *f, ch_tensor *x)
{
    const ch_plain_globals *w = f->model->globals;
    return ch_block_norm(f, x, &w->norm);
}

/* ---- Attention ------------------------------------------------------------------------------ */

ch_tensor *ch_block_norm(ch_forward *f, const ch_tensor *x, const ch_weight *gain)
{
    return ch_op_rmsnorm(f->run, x, gain, 0, (real)f->model->config.norm_eps);
}

static ch_tensor *heads_normed(ch_forward *f, ch_tensor *x, const ch_weight *norm)
{
    const ch_config *c = &f->model->config;
    return norm->stored.data
               ? ch_op_rmsnorm(f->run, x, norm, c->head_width, (real)c->norm_eps)
               : x;
}

ch_tensor *ch_block_attend(ch_forward *f, int layer, ch_tensor *q, ch_tensor *k, ch_tensor *v)
{
    const ch_config *c = &f->model->config;
    const bool local = c->kind[layer] == CH_LAYER_WINDOW;
    const double scale = c->attention_scale;
    const ch_attention_spec spec = {
        .heads = c->heads,
        .kv_heads = c->kv_heads,
        .width = c->head_width,
        .scale = scale > 0 ? (real)scale : 1 / real_sqrt((real)c->head_width),
        .window = local ? c->window : 0,
        .softcap = (real)c->attention_cap};
    if (c->kind[layer] != CH_LAYER_UNTURNED) {
        const ch_turns *t = local ? &f->local : &f->full;
        ch_op_rope(f->run, q, c->heads, t->rope, t->cosines, t->sines);
        ch_op_rope(f->run, k, c->kv_heads, t->rope, t->cosines, t->sines);
    }
    return ch_forward_attend(f, layer, q, k, v, &spec);
}

ch_tensor *ch_block_heads(ch_forward *f, int layer, const ch_tensor *n,
                          const ch_attention_weights *w)
{
    ch_tensor *qkv[3];
    ch_op_linear_many(f->run, qkv, n, (const ch_weight *const[]){&w->q, &w->k, &w->v}, 3, f->rows);
    qkv[0] = heads_normed(f, qkv[0], &w->q_norm);
    qkv[1] = heads_normed(f, qkv[1], &w->k_norm);
    return ch_block_attend(f, layer, qkv[0], qkv[1], qkv[2]);
}

ch_tensor *ch_block_fused_heads(ch_forward *f, int layer, const ch_tensor *n, const ch_weight *qkv)
{
    const ch_config *c = &f->model->config;
    const int64_t Q = (int64_t)c->heads * c->head_width, K = (int64_t)c->kv_heads * c->head_width;
    ch_run *r = f->run;
    const ch_tensor *all = ch_op_linear(r, n, qkv, f->rows);
    ch_tensor *q = ch_op_columns(r, all, 0, Q), *k = ch_op_columns(r, all, Q, K),
              *v = ch_op_columns(r, all, Q + K, K);
    return ch_block_attend(f, layer, q, k, v);
}

ch_tensor *ch_block_attention(ch_forward *f, int layer, ch_tensor *x,
                              const ch_attention_weights *w)
{
    ch_run *r = f->run;
    const size_t mark = ch_arena_mark(r->scratch);
    const ch_tensor *n = ch_block_norm(f, x, &w->norm);
    x = ch_op_linear_add(r, x, ch_block_heads(f, layer, n, w), &w->output, f->rows);
    if (!r->tape) /* x is where it was: the feed-forward may have the rest */
        ch_arena_reset(r->scratch, mark);
    return x;
}

/* ---- Feed-forward --------------------------------------------------------------------------- */

static ch_tensor *swiglu(ch_run *r, const ch_tensor *n, const ch_ffn_weights *w,
                         const ch_rows *rows)
{
    ch_tensor *gu[2];
    ch_op_linear_many(r, gu, n, (const ch_weight *const[]){&w->gate, &w->up}, 2, rows);
    return ch_op_swiglu(r, gu[0], gu[1]);
}

ch_tensor *ch_block_swiglu(ch_forward *f, const ch_tensor *n, const ch_ffn_weights *w)
{
    return swiglu(f->run, n, w, f->rows);
}

ch_tensor *ch_block_hidden(ch_forward *f, const ch_tensor *n, const ch_ffn_weights *w,
                           const ch_rows *rows)
{
    ch_run *r = f->run;
    return f->model->config.relu2 ? ch_op_relu2(r, ch_op_linear(r, n, &w->up, rows))
                                  : swiglu(r, n, w, rows);
}

ch_tensor *ch_block_geglu(ch_forward *f, const ch_tensor *n, const ch_ffn_weights *w)
{
    ch_tensor *gu[2];
    ch_op_linear_many(f->run, gu, n, (const ch_weight *const[]){&w->gate, &w->up}, 2, f->rows);
    return ch_op_geglu(f->run, gu[0], gu[1]);
}

ch_tensor *ch_block_shared_ffn(ch_forward *f, ch_tensor *x, const ch_weight *norm,
                               const ch_ffn_weights *maps)
{
    const ch_tensor *n = ch_block_norm(f, x, norm);
    ch_tensor *h = ch_block_hidden(f, n, maps, f->rows);
    return ch_op_linear_add(f->run, x, h, &maps->down, f->rows);
}

ch_tensor *ch_block_ffn(ch_forward *f, ch_tensor *x, const ch_ffn_weights *w)
{
    return ch_block_shared_ffn(f, x, &w->norm, w);
}

int ch_config_feed_forward(ch_config *c, const ch_file *f, ch_err *e)
{
    char key[96];
    ch_str type = {"swiglu", 6};
    int rc = CH_OK;
    snprintf(key, sizeof key, "%s.feed_forward_type", c->arch->name);
    if (ch_file_meta_find(f, key))
        rc = ch_file_str(&type, f, key, e);
    c->relu2 = type.n == 5 && memcmp(type.p, "relu2", 5) == 0;
    if (rc == CH_OK && !c->relu2 && !(type.n == 6 && memcmp(type.p, "swiglu", 6) == 0))
        rc = ch_fail(e, CH_EFORMAT, "%s: %s is \"%.*s\", allowed are swiglu and relu2", f->path,
                     key, (int)CH_MIN(type.n, (size_t)64), type.p);
    return rc;
}
