/* inl_v2.c - INL-LLM v2 (Pacific Prime 2025) as its code computes it
 *
 *   x0 = U A[id] + s(p)            s_2i = sin(p w_i), s_(2i+1) = cos(p w_i), w_i = 10000^(-2i/D)
 *   x += c,  c = Wo attention(q, k, v) + bo,   (q, k, v) = W n + b      n = layernorm(x)
 *   x += the integrator's last state, from n with c as context          n = layernorm(x)
 *   x += Wd gelu(Wu n + bu) + bd                                        n = layernorm(x)
 *
 * The context ends with the table of positions that the published code has; here they are computed.
 * gelu in its exact form; the head is a matrix of its own.  SPDX-License-Identifier: MIT */
#include "inl.h"

struct globals {
    ch_weight embedding, up, norm, norm_bias, output;
};

struct layer {
    ch_weight attn_norm, attn_norm_bias, qkv, qkv_bias, attn_output, attn_output_bias;
    ch_weight inl_norm, inl_norm_bias;
    ch_inl_weights inl;
    ch_weight ffn_norm, ffn_norm_bias, up, up_bias, down, down_bias;
};

#define G(f) offsetof(struct globals, f)
static const ch_weight_row globals[] = {
    {"token_embd.weight", "V R", CH_INIT_NORMAL, G(embedding), 0, 0},
    {"token_embd_up.weight", "D R", CH_INIT_NORMAL, G(up), CH_ROW_RANK, 0},
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
    {"blk.%d.inl_norm.weight", "D", CH_INIT_ONES, L(inl_norm), 0, 0},
    {"blk.%d.inl_norm.bias", "D", CH_INIT_ZEROS, L(inl_norm_bias), 0, 0},
    CH_INL_ROWS(L),
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
    c->rope.dims = 0;
    c->biases = 0; /* all of them are there, always */
    if (c->kv_heads != c->heads)
        return ch_fail(e, CH_EUNSUPPORTED,
                       "%s: inl_v2.attention.head_count_kv is %d; only as many as heads, %d, are "
                       "supported in inl_v2 models",
                       f ? f->path : "the model", c->kv_heads, c->heads);
    return ch_inl_read(c, f, e);
}

static void small(ch_config *c)
{
    ch_inl_small(c);
    c->kv_heads = c->heads;
}

static ch_tensor *positions(ch_forward *f)
{
    ch_run *r = f->run;
    const int D = f->model->config.width, T = f->rows->n;
    const ch_rope speeds = {.dims = D, .base = 10000};
    ch_tensor *s = ch_op_output(r, T, D);
    const size_t mark = ch_arena_mark(r->scratch), bytes = (size_t)T * (size_t)D * sizeof(real) / 2;
    real *cosines = ch_arena_take(r->scratch, bytes), *sines = ch_arena_take(r->scratch, bytes);
    if (ch_op_computes(r)) {
        real *to = s->data;
        ch_op_rope_table(cosines, sines, &speeds, f->rows->pos, T);
        for (int64_t i = 0; i < (int64_t)T * D / 2; i++) {
            to[2 * i] = sines[i];
            to[2 * i + 1] = cosines[i];
        }
    }
    ch_arena_reset(r->scratch, mark);
    return s;
}

static ch_tensor *embed(ch_forward *f)
{
    const struct globals *w = f->model->globals;
    ch_tensor *x = ch_inl_embed(f, &w->embedding, &w->up);
    return ch_op_add(f->run, x, positions(f));
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
    const ch_tensor *c = ch_op_linear(r, heads, &w->attn_output, f->rows);
    x = ch_op_add(r, x, c);

    n = norm(f, x, &w->inl_norm, &w->inl_norm_bias);
    x = ch_op_add(r, x, ch_inl_branch(f, l, n, c, &w->inl));

    n = norm(f, x, &w->ffn_norm, &w->ffn_norm_bias);
    ch_tensor *h = ch_op_gelu_erf(r, ch_op_linear(r, n, &w->up, f->rows));
    return ch_op_linear_add(r, x, h, &w->down, f->rows);
}

static ch_tensor *head(ch_forward *f, ch_tensor *x)
{
    const struct globals *w = f->model->globals;
    return norm(f, x, &w->norm, &w->norm_bias);
}

const ch_arch ch_arch_inl_v2 = {
    .name = "inl_v2",
    .layernorm = true,
    .ends = true,
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
