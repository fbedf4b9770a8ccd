/* chalcis.c - what Qwen3 does, and two choices that its files cannot say
 *
 *   x0 = E[id] + G[pair(id before, id)]                a memory that pairs of tokens look up
 *   x += Wo attention(rope(rmsnorm_E(Wq n)), rope(rmsnorm_E(Wk n)), Wv n)      n = rmsnorm(x)
 *   x += Wd (silu(Wg n) * Wu n),  or  Wd max(Wu n, 0)^2                        n = rmsnorm(x)
 *
 * The memory G (M, D) costs one row a token to read, whatever M; pairs share rows by a hash (n-gram
 * hash embeddings: Svenstrup et al. 2017).  It starts as zeros.  Keys: <arch>.memory_length,
 * <arch>.feed_forward_type "relu2".  SPDX-License-Identifier: MIT */
#include "decoder.h"

#include <string.h>

struct globals {
    ch_plain_globals plain; /* first: embed and head of plain decoders read it */
    ch_weight memory;
};

struct layer {
    ch_attention_weights attn;
    ch_ffn_weights ffn;
};

#define G(f) offsetof(struct globals, f)
static const ch_weight_row globals[] = {
    {"token_embd.weight", "V D", CH_INIT_NORMAL, G(plain.embedding), 0, 0},
    {"memory.weight", "M D", CH_INIT_ZEROS, G(memory), CH_ROW_MEMORY, 0},
    {"output_norm.weight", "D", CH_INIT_ONES, G(plain.norm), 0, 0},
    {"output.weight", "V D", CH_INIT_NORMAL, G(plain.output), CH_ROW_HEAD, 0},
};
#undef G

#define L(f) offsetof(struct layer, f)
static const ch_weight_row per_layer[] = {
    CH_ATTENTION_ROWS(L, 0),
    CH_HEAD_NORM_ROWS(L, 0),
    CH_FFN_ROWS(L),
};
#undef L

static int configure(ch_config *c, const ch_file *f, ch_err *e)
{
    c->rope.interleaved = false;
    if (!f)
        return CH_OK;
    int64_t memory = 0;
    int rc = ch_file_int_opt(&memory, f, "chalcis.memory_length", 0, CH_MAX_VOCAB, e);
    c->memory = (int)memory;
    return rc == CH_OK ? ch_config_feed_forward(c, f, e) : rc;
}

static void small(ch_config *c)
{
    c->tied = true;
    c->relu2 = true;
    c->memory = c->memory > 0 ? c->memory : 61;
}

/* The row of G for each token: a hash of it and of the one before it (-1: none). */
static const ch_token *pairs(ch_forward *f)
{
    const ch_rows *rows = f->rows;
    const uint32_t memory = (uint32_t)f->model->config.memory;
    ch_token *at = ch_arena_take(f->run->scratch, (size_t)rows->n * sizeof *at);
    for (int t = 0; ch_op_computes(f->run) && t < rows->n; t++) {
        if (rows->vector && rows->vector[t])
            continue;
        ch_token before = -1;
        if (rows->before)
            before = rows->before[t];
        else if (rows->first && rows->first[t] < t)
            before = rows->id[t - 1];
        const uint64_t pair = (uint64_t)(uint32_t)(before + 1) << 32 | (uint32_t)rows->id[t];
        at[t] = (ch_token)((pair * 0x9E3779B97F4A7C15u >> 32) % memory);
    }
    return at;
}

/* A row that enters as a vector looks nothing up. */
static const real *const *nothing_for_vectors(ch_forward *f)
{
    const ch_rows *rows = f->rows;
    const size_t width = (size_t)f->model->config.width;
    const real **at = ch_arena_take(f->run->scratch, (size_t)rows->n * sizeof *at);
    real *zeros = ch_arena_take(f->run->scratch, width * sizeof *zeros);
    if (!ch_op_computes(f->run) || !rows->vector)
        return NULL;
    memset(zeros, 0, width * sizeof *zeros);
    for (int t = 0; t < rows->n; t++)
        at[t] = rows->vector[t] ? zeros : NULL;
    return at;
}

static ch_tensor *embed(ch_forward *f)
{
    const struct globals *w = f->model->globals;
    ch_tensor *x = ch_plain_embed(f);
    if (f->model->config.memory == 0)
        return x;
    const ch_rows rows = {.n = f->rows->n, .id = pairs(f), .vector = nothing_for_vectors(f)};
    ch_tensor *found = ch_op_embed(f->run, &w->memory, &rows);
    return ch_op_add(f->run, x, found);
}

static ch_tensor *layer(ch_forward *f, int l, ch_tensor *x)
{
    const struct layer *w = ch_model_layer(f->model, l);
    x = ch_block_attention(f, l, x, &w->attn);
    return ch_block_ffn(f, x, &w->ffn);
}

const ch_arch ch_arch_chalcis = {
    .name = "chalcis",
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
    .head = ch_plain_head,
};
