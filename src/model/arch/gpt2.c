/* gpt2.c - GPT-2 (Radford et al. 2019)
 *
 *   x0 = E[id] + P[position]
 *   x += Wo attention(q, k, v) + bo,   (q, k, v) = W n + b       n = layernorm(x)
 *   x += Wd gelu(Wu n + bu) + bd                                 n = layernorm(x)
 *
 * Positions are learned, so there are as many as P has rows.  gelu in its tanh form.
 * SPDX-License-Identifier: MIT */
#include "decoder.h"

struct globals {
    ch_weight embedding, positions, norm, norm_bias, output;
};

struct layer {
    ch_weight attn_norm, attn_norm_bias, qkv, qkv_bias, attn_output, attn_output_bias;
    ch_weight ffn_norm, ffn_norm_bias, up, up_bias, down, down_bias;
};

#define G(f) offsetof(struct globals, f)
static const ch_weight_row globals[] = {
    {"token_embd.weight", "V D", CH_INIT_NORMAL, G(embedding), 0, 0},
    {"position_embd.weight", "P D", CH_INIT_NORMAL, G(positions), CH_ROW_POSITIONS, 0},
    {"output_norm.weight", "D", CH_INIT_ONES, G(norm), 0, 0},
    {"output_norm.bias", "D", CH_INIT_ZEROS, G(norm_bias), 0, 0},
    {"output.weight", "V D", CH_INIT_NORMAL, G(output), CH_ROW_HEAD, 0},
};
#undef G

#define L(f) offsetof(struct layer, f)
static const ch_weight_row per_layer[] = {
    {"blk.%d.attn_norm.weight", "D", CH_INIT_ONES, L(attn_norm), 0, 0},
    {"blk.%d.attn_norm.bias", "D", CH_INIT_ZEROS, L(attn_norm_bias), 0, 0},
    {"blk.%d.attn_qkv.weight", "QE D", CH_INIT_NORMAL, L(qkv), 0, 0},
    {"blk.%d.attn_qkv.bias", "QE", CH_INIT_ZEROS, L(qkv_bias), 0, 1 + L(qkv)},
    {"blk.%d.attn_output.weight", "D HE", CH_INIT_RESIDUAL, L(attn_output), 0, 0},
    {"blk.%d.attn_output.bias", "D", CH_INIT_ZEROS, L(attn_output_bias), 0, 1 + L(attn_output)},
    {"blk.%d.ffn_norm.weight", "D", CH_INIT_ONES, L(ffn_norm), 0, 0},
    {"blk.%d.ffn_norm.bias", "D", CH_INIT_ZEROS, L(ffn_norm_bias), 0, 0},
    {"blk.%d.ffn_up.weight", "F D", CH_INIT_NORMAL, L(up), 0, 0},
    {"blk.%d.ffn_up.bias", "F", CH_INIT_ZEROS, L(up_bias), 0, 1 + L(up)},
    {"blk.%d.ffn_down.weight", "D F", CH_INIT_RESIDUAL, L(down), 0, 0},
    {"blk.%d.ffn_down.bias", "D", CH_INIT_ZEROS, L(down_bias), 0, 1 + L(down)},
};
#undef L

static int configure(ch_config *c, const ch_file *f, ch_err *e)
{
    (void)f, (void)e;
    c->rope.dims = 0;
    c->biases = 0; /* all of them are there, always */
    return CH_OK;
}

static void small(ch_config *c)
{
    c->tied = true;
}

static ch_tensor *embed(ch_forward *f)
{
    const struct globals *w = f->model->globals;
    const ch_rows positions = {.n = f->rows->n, .id = f->rows->pos};
    ch_tensor *x = ch_op_embed(f->run, &w->embedding, f->rows);
    return ch_op_add(f->run, x, ch_op_embed(f->run, &w->positions, &positions));
}

static ch_tensor *norm(ch_forward *f, const ch_tensor *x, const ch_weight *gain,
                       const ch_weight *bias)
{
    return ch_op_layernorm(f->run, x, gain, bias, (real)f->model->config.norm_eps);
}

static ch_tensor *layer(ch_forward *f, int l, ch_tensor *x)
{
    const struct layer *w = ch_model_layer(f->model, l);
    ch_run *r = f->run;
    ch_tensor *n = norm(f, x, &w->attn_norm, &w->attn_norm_bias);
    ch_tensor *heads = ch_block_fused_heads(f, l, n, &w->qkv);
    x = ch_op_linear_add(r, x, heads, &w->attn_output, f->rows);

    n = norm(f, x, &w->ffn_norm, &w->ffn_norm_bias);
    ch_tensor *h = ch_op_gelu(r, ch_op_linear(r, n, &w->up, f->rows));
    return ch_op_linear_add(r, x, h, &w->down, f->rows);
}

static ch_tensor *head(ch_forward *f, ch_tensor *x)
{
    const struct globals *w = f->model->globals;
    return norm(f, x, &w->norm, &w->norm_bias);
}

const ch_arch ch_arch_gpt2 = {
    .name = "gpt2",
    .layernorm = true,
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
