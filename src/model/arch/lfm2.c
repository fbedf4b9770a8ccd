/* lfm2.c - LFM2 (Liquid AI 2025): short convolutions, and attention in some layers
 *
 *   x += Wo attention(rope(rmsnorm_E(Wq n)), rope(rmsnorm_E(Wk n)), Wv n)      n = rmsnorm(x), or
 *   x += Wo (c * convolve(b * u)),   (b, c, u) = Wi n                          n = rmsnorm(x)
 *   x += Wd (silu(Wg n) * Wu n)                                                n = rmsnorm(x)
 *
 * A layer without key heads convolves: each column of b * u with a filter of its own, over the last
 * shortconv.l_cache tokens.  Rotary pairs are halves of a head.  SPDX-License-Identifier: MIT */
#include "decoder.h"

struct globals {
    ch_weight embedding, norm, output;
};

struct layer {
    ch_attention_weights attn;
    ch_weight in, filter, out;
    ch_ffn_weights ffn;
};

#define G(f) offsetof(struct globals, f)
static const ch_weight_row globals[] = {
    {"token_embd.weight", "V D", CH_INIT_NORMAL, G(embedding), 0, 0},
    {"token_embd_norm.weight", "D", CH_INIT_ONES, G(norm), 0, 0}, /* the last norm, in spite of its
                                                                     name */
    {"output.weight", "V D", CH_INIT_NORMAL, G(output), CH_ROW_HEAD, 0},
};
#undef G

#define L(f) offsetof(struct layer, f)
static const ch_weight_row per_layer[] = {
    {"blk.%d.attn_norm.weight", "D", CH_INIT_ONES, L(attn.norm), 0, 0},
    CH_QKV_ROWS(L, 0, CH_ROW_ATTENTION),
    CH_HEAD_NORM_ROWS(L, CH_ROW_ATTENTION),
    {"blk.%d.shortconv.in_proj.weight", "3D D", CH_INIT_NORMAL, L(in), CH_ROW_CONVOLUTION, 0},
    {"blk.%d.shortconv.conv.weight", "D S", CH_INIT_FILTER, L(filter),
     CH_ROW_CONVOLUTION | CH_ROW_REALS, 0},
    {"blk.%d.shortconv.out_proj.weight", "D D", CH_INIT_RESIDUAL, L(out), CH_ROW_CONVOLUTION, 0},
    CH_FFN_ROWS(L),
};
#undef L

static int configure(ch_config *c, const ch_file *f, ch_err *e)
{
    c->rope.interleaved = false;
    int64_t taps = c->taps;
    const int rc =
        f ? ch_file_int(&taps, f, "lfm2.shortconv.l_cache", 1, CH_CONVOLVE_TAPS, e) : CH_OK;
    c->taps = (int)taps;
    return rc;
}

static void small(ch_config *c)
{
    c->tied = true;
    c->taps = c->taps > 0 ? c->taps : 3;
    for (int l = 0; l < c->layers; l++)
        if (l % 3 < 2 && c->layers > 2)
            c->kind[l] = CH_LAYER_CONVOLUTION;
}

static ch_tensor *embed(ch_forward *f)
{
    const struct globals *w = f->model->globals;
    return ch_op_embed(f->run, &w->embedding, f->rows);
}

static ch_tensor *convolution(ch_forward *f, int l, ch_tensor *x, const struct layer *w)
{
    const ch_config *c = &f->model->config;
    const int D = c->width, convolving = l - ch_config_attending(c, l);
    ch_run *r = f->run;
    const ch_tensor *n = ch_block_norm(f, x, &w->attn.norm);
    const ch_tensor *all = ch_op_linear(r, n, &w->in, f->rows);
    ch_tensor *b = ch_op_columns(r, all, 0, D), *gate = ch_op_columns(r, all, D, D),
              *u = ch_op_columns(r, all, 2 * D, D);
    ch_tensor *y = ch_forward_convolve(f, convolving, ch_op_multiply(r, b, u), &w->filter);
    return ch_op_linear_add(r, x, ch_op_multiply(r, gate, y), &w->out, f->rows);
}

static ch_tensor *layer(ch_forward *f, int l, ch_tensor *x)
{
    const struct layer *w = ch_model_layer(f->model, l);
    x = ch_config_attends(&f->model->config, l) ? ch_block_attention(f, l, x, &w->attn)
                                                : convolution(f, l, x, w);
    return ch_block_ffn(f, x, &w->ffn);
}

static ch_tensor *head(ch_forward *f, ch_tensor *x)
{
    const struct globals *w = f->model->globals;
    return ch_block_norm(f, x, &w->norm);
}

const ch_arch ch_arch_lfm2 = {
    .name = "lfm2",
    .globals = globals,
    .n_globals = CH_COUNT(globals),
    .globals_bytes = sizeof(struct globals),
    .per_layer = per_layer,
    .n_per_layer = CH_COUNT(per_layer),
    .layer_bytes = sizeof(struct layer),
    .configure = configure,
    .small = small,
    .embed = embed,
    .layer = layer,
    .head = head,
};
