/* integrator.c - a decoder whose feed-forward blocks settle, and whose layers may share maps
 *
 *   x0 = E[id],  or U E[id] with a table of rank R (Lan et al. 2020)
 *   x += Wo attention(rope(rmsnorm_E(Wq n)), rope(rmsnorm_E(Wk n)), Wv n)      n = rmsnorm(x)
 *   x  = integrate(x; F)                                                       integrate_block.h
 *   logits = E (Z rmsnorm(x)) with a rank, else E rmsnorm(x)
 *
 * With one step, no anchor and nothing shared it is Qwen3: each thing it adds is one switch,
 * integrator.depth, .anchor, .gate_layer, feed_forward_groups, attention_groups (both: whole blocks
 * are shared), embedding_rank, feed_forward_type.  Norms before maps and the numbers of steps are
 * each layer's own.  SPDX-License-Identifier: MIT */
#include "inl.h"
#include "integrate_block.h"

struct globals {
    ch_plain_globals plain; /* first: pieces of plain decoders read it */
    ch_weight up, down;
};

struct layer {
    ch_attention_weights attn;
    ch_ffn_weights ffn;
    ch_integrator_weights steps;
};

#define G(f) offsetof(struct globals, f)
#define P(f) offsetof(struct globals, plain.f)
static const ch_weight_row globals[] = {
    {"token_embd.weight", "V R", CH_INIT_NORMAL, G(plain.embedding), 0, 0},
    {"token_embd_up.weight", "D R", CH_INIT_NORMAL, G(up), CH_ROW_RANK, 0},
    {"output_norm.weight", "D", CH_INIT_ONES, G(plain.norm), 0, 0},
    {"output_down.weight", "R D", CH_INIT_NORMAL, G(down), CH_ROW_RANK, 0},
    {"output.weight", "V R", CH_INIT_NORMAL, G(plain.output), CH_ROW_HEAD, 0},
    CH_DEPTH_GATE_ROWS(P),
};
#undef G
#undef P

#define L(f) offsetof(struct layer, f)
static const ch_weight_row per_layer[] = {
    {"blk.%d.attn_norm.weight", "D", CH_INIT_ONES, L(attn.norm), 0, 0},
    CH_QKV_ROWS(L, 0, CH_ROW_SHARED_QKV),
    CH_HEAD_NORM_ROWS(L, CH_ROW_SHARED_QKV),
    CH_FFN_ROWS(L),
    CH_INTEGRATOR_ROWS(L),
};
#undef L

static int configure(ch_config *c, const ch_file *f, ch_err *e)
{
    const struct {
        const char *key;
        int *field;
    } keys[] = {{"integrator.attention_groups", &c->attention_groups},
                {"integrator.embedding_rank", &c->rank}};
    int rc = CH_OK;
    c->rope.interleaved = false;
    for (size_t i = 0; f && i < CH_COUNT(keys) && rc == CH_OK; i++) {
        int64_t n = 0;
        rc = ch_file_int_opt(&n, f, keys[i].key, 0, INT32_MAX, e);
        *keys[i].field = (int)n;
    }
    return f && rc == CH_OK ? ch_config_feed_forward(c, f, e) : rc;
}

/* Tolerances are for gates as they are after ch_model_shake: some tokens take each number. */
static void small(ch_config *c)
{
    c->tied = true;
    c->relu2 = true;
    c->rank = c->width / 2;
    c->ffn_groups = (c->layers + 1) / 2;
    c->attention_groups = c->layers / 2;
    c->integrator = (ch_integrator_config){
        .depth = 3, .anchor = CH_ANCHOR_START, .gate_layer = c->layers / 2, .tolerance = 0.5};
}

static ch_tensor *embed(ch_forward *f)
{
    const struct globals *w = f->model->globals;
    return ch_inl_embed(f, &w->plain.embedding, &w->up);
}

static const void *shared(const ch_forward *f, int l, int groups)
{
    return ch_model_layer(f->model, ch_config_owner(&f->model->config, groups, l));
}

static ch_tensor *layer(ch_forward *f, int l, ch_tensor *x)
{
    const struct layer *w = ch_model_layer(f->model, l);
    const struct layer *maps = shared(f, l, f->model->config.attention_groups);
    const ch_tensor *n = ch_block_norm(f, x, &w->attn.norm);
    ch_tensor *heads = ch_block_heads(f, l, n, &maps->attn);
    x = ch_op_linear_add(f->run, x, heads, &maps->attn.output, f->rows);
    return ch_block_integrate(f, l, x, &w->ffn, &w->steps);
}

static ch_tensor *head(ch_forward *f, ch_tensor *x)
{
    const struct globals *w = f->model->globals;
    x = ch_plain_head(f, x);
    return f->model->config.rank ? ch_op_linear(f->run, x, &w->down, f->rows) : x;
}

const ch_arch ch_arch_integrator = {
    .name = "integrator",
    .integrates = true,
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
