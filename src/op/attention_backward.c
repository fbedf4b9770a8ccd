/* attention_backward.c - the gradient of training attention
 *
 *     p_tj = e^(s_tj - lse_t),  delta_t = do_t . o_t,  ds_tj = p_tj (do_t . v_j - delta_t)
 *     dq_t = scale sum_j ds_tj k_j      dk_j = scale sum_t ds_tj q_t      dv_j = sum_t p_tj do_t
 *
 * Two passes compute the same weights from either side, so that nothing is transposed and no sum
 * is shared: blocks of queries against keys give dq, blocks of keys against queries give dk and
 * dv, one task adding up the query heads of a key head in sequence.  Dao et al. 2022
 * ("FlashAttention"), without its tiling of the summed index: a row of scores fits the cache.
 * Cost: 7 E multiply-adds for each (row, key) of a block's span.  SPDX-License-Identifier: MIT */
#include "attention.h"
#include "product.h"

typedef struct gradient {
    ch_attention *a;
    ch_heads k, v, q, o; /* o: of the gradient of the output */
    real *delta;         /* (H, T) */
    int *end;            /* per row: one past its document */
    real *buffers;       /* two blocks by T for each lane */
} gradient;

static void fill_delta(void *arg, int64_t row0, int64_t row1)
{
    const gradient *g = arg;
    const ch_attention *a = g->a;
    const int E = a->spec.width;
    for (int64_t t = row0; t < row1; t++)
        for (int h = 0; h < a->spec.heads; h++)
            g->delta[(ptrdiff_t)h * a->T + t] =
                ch_op_dot(g->o.x + t * g->o.ld + (ptrdiff_t)h * E,
                          ch_tensor_row(a->o, t) + (ptrdiff_t)h * E, E);
}

/* p_i = e^x_i, by the vector exponential that shifts by the largest. */
static void exponentials(const ch_kernels *k, real *p, int n)
{
    real max;
    k->softmax(p, p, n, &max);
    const real factor = real_exp(max);
    for (int i = 0; i < n; i++)
        p[i] *= factor;
}

typedef struct block {
    int row0, M;
    ch_span see[CH_ATTENTION_BLOCK], cover;
    real *p, *ds; /* scores, then weights; do . v, then scale ds */
} block;

static void clear_outside(const block *b, int m, int T)
{
    real *p = b->p + (ptrdiff_t)m * T, *ds = b->ds + (ptrdiff_t)m * T;
    for (int j = b->cover.lo; j < b->see[m].lo; j++)
        p[j] = ds[j] = 0;
    for (int j = b->see[m].hi; j < b->cover.hi; j++)
        p[j] = ds[j] = 0;
}

/* Rows are queries, columns keys. */
static void weigh_queries(const gradient *g, const block *b, int head)
{
    const ch_attention *a = g->a;
    const real slope = ch_op_attention_slope(&a->spec, head), scale = a->spec.scale;
    for (int m = 0; m < b->M; m++) {
        const int t = b->row0 + m;
        const ch_span see = b->see[m];
        const real lse = a->lse[(ptrdiff_t)head * a->T + t],
                   delta = g->delta[(ptrdiff_t)head * a->T + t];
        real *p = b->p + (ptrdiff_t)m * a->T, *ds = b->ds + (ptrdiff_t)m * a->T;
        clear_outside(b, m, a->T);
        for (int j = see.lo; j < see.hi; j++)
            p[j] = p[j] * scale - slope * (real)(t - j) - lse;
        exponentials(a->run->kernels, p + see.lo, see.hi - see.lo);
        for (int j = see.lo; j < see.hi; j++)
            ds[j] = p[j] * (ds[j] - delta) * scale;
    }
}

/* Rows are keys, columns queries. */
static void weigh_keys(const gradient *g, const block *b, int head)
{
    const ch_attention *a = g->a;
    const real slope = ch_op_attention_slope(&a->spec, head), scale = a->spec.scale;
    const real *lse = a->lse + (ptrdiff_t)head * a->T, *delta = g->delta + (ptrdiff_t)head * a->T;
    for (int m = 0; m < b->M; m++) {
        const int j = b->row0 + m;
        const ch_span see = b->see[m];
        real *p = b->p + (ptrdiff_t)m * a->T, *ds = b->ds + (ptrdiff_t)m * a->T;
        clear_outside(b, m, a->T);
        for (int t = see.lo; t < see.hi; t++)
            p[t] = p[t] * scale - slope * (real)(t - j) - lse[t];
        exponentials(a->run->kernels, p + see.lo, see.hi - see.lo);
        for (int t = see.lo; t < see.hi; t++)
            ds[t] = p[t] * (ds[t] - delta[t]) * scale;
    }
}

static block open_block(const gradient *g, int item, int lane)
{
    const ch_attention *a = g->a;
    const ptrdiff_t size = (ptrdiff_t)CH_ATTENTION_BLOCK * a->T;
    block b = {.row0 = item / a->spec.kv_heads * CH_ATTENTION_BLOCK,
               .p = g->buffers + 2 * lane * size};
    b.ds = b.p + size;
    b.M = CH_MIN(CH_ATTENTION_BLOCK, a->T - b.row0);
    return b;
}

static void query_block(void *arg, int item, int lane)
{
    const gradient *g = arg;
    const ch_attention *a = g->a;
    const int E = a->spec.width, kv = item % a->spec.kv_heads,
              group = a->spec.heads / a->spec.kv_heads;
    block b = open_block(g, item, lane);
    for (int m = 0; m < b.M; m++)
        b.see[m] = ch_op_attention_sees(a, b.row0 + m);
    b.cover = ch_op_spans_cover(b.see, b.M, a->T);
    for (int head = kv * group; head < (kv + 1) * group; head++) {
        const ptrdiff_t at = (ptrdiff_t)head * E;
        ch_op_heads_score(a->run, b.p, a->T, g->q.x + b.row0 * g->q.ld + at, g->q.ld, b.M, &g->k,
                          kv, b.cover.lo, b.cover.hi);
        ch_op_heads_score(a->run, b.ds, a->T, g->o.x + b.row0 * g->o.ld + at, g->o.ld, b.M, &g->v,
                          kv, b.cover.lo, b.cover.hi);
        weigh_queries(g, &b, head);
        const ptrdiff_t ld = (ptrdiff_t)a->spec.heads * E;
        ch_op_heads_mix(a->run, a->q->grad + b.row0 * ld + at, ld, b.ds, a->T, b.M, &g->k, kv,
                        b.cover.lo, b.cover.hi, CH_GEMM_ADD);
    }
}

static void key_block(void *arg, int item, int lane)
{
    const gradient *g = arg;
    const ch_attention *a = g->a;
    const int E = a->spec.width, kv = item % a->spec.kv_heads,
              group = a->spec.heads / a->spec.kv_heads;
    block b = open_block(g, item, lane);
    for (int m = 0; m < b.M; m++) {
        const int j = b.row0 + m, end = g->end[j];
        b.see[m] =
            (ch_span){j, a->spec.window && a->spec.window < end - j ? j + a->spec.window : end};
    }
    b.cover = ch_op_spans_cover(b.see, b.M, a->T);
    const ptrdiff_t ld = (ptrdiff_t)a->spec.kv_heads * E, at = (ptrdiff_t)kv * E;
    for (int head = kv * group; head < (kv + 1) * group; head++) {
        ch_op_heads_score(a->run, b.p, a->T, g->k.x + b.row0 * g->k.ld + at, g->k.ld, b.M, &g->q,
                          head, b.cover.lo, b.cover.hi);
        ch_op_heads_score(a->run, b.ds, a->T, g->v.x + b.row0 * g->v.ld + at, g->v.ld, b.M, &g->o,
                          head, b.cover.lo, b.cover.hi);
        weigh_keys(g, &b, head);
        if (a->v->grad)
            ch_op_heads_mix(a->run, a->v->grad + b.row0 * ld + at, ld, b.p, a->T, b.M, &g->o, head,
                            b.cover.lo, b.cover.hi, CH_GEMM_ADD);
        if (a->k->grad)
            ch_op_heads_mix(a->run, a->k->grad + b.row0 * ld + at, ld, b.ds, a->T, b.M, &g->q,
                            head, b.cover.lo, b.cover.hi, CH_GEMM_ADD);
    }
}

static void fill_ends(const gradient *g)
{
    const ch_attention *a = g->a;
    for (int t = a->T - 1; t >= 0; t--)
        g->end[t] = t + 1 < a->T && a->first[t + 1] == a->first[t] ? g->end[t + 1] : t + 1;
}

void ch_op_attention_backward(ch_run *r, void *record)
{
    ch_attention *a = record;
    const ch_attention_spec *s = &a->spec;
    const int T = a->T, E = s->width;
    const bool keys = a->k->grad || a->v->grad;
    ch_heads h[4] = {ch_op_heads(r, a->k->data, a->k->stride[0], T, s->kv_heads, E, true, true),
                     ch_op_heads(r, a->v->data, a->v->stride[0], T, s->kv_heads, E, true, false),
                     ch_op_heads(r, a->q->data, a->q->stride[0], T, s->heads, E, true, true),
                     ch_op_heads(r, a->o->grad, a->o->stride[0], T, s->heads, E, true, true)};
    const size_t lanes = 2 * sizeof(real) * CH_ATTENTION_BLOCK * CH_ATTENTION_LANES;
    gradient g = {.a = a, .k = h[0], .v = h[1], .q = h[2], .o = h[3]};
    g.delta = ch_arena_take(r->scratch, ch_size_mul((size_t)T, (size_t)s->heads * sizeof(real)));
    g.end = ch_arena_take(r->scratch, ch_size_mul((size_t)T, sizeof(int)));
    g.buffers = ch_arena_take(r->scratch, ch_size_mul((size_t)T, lanes));
    if (!ch_op_computes(r))
        return;
    a->run = r;
    fill_ends(&g);
    ch_op_for_rows(r, T, (double)s->heads * E, fill_delta, &g);
    ch_op_heads_pack(r, h, keys ? 4 : 2);
    const int items = (T + CH_ATTENTION_BLOCK - 1) / CH_ATTENTION_BLOCK * s->kv_heads;
    if (a->q->grad)
        ch_op_attention_lanes(r, items, query_block, &g);
    if (keys)
        ch_op_attention_lanes(r, items, key_block, &g);
    ch_op_count(r, CH_OP_attention, 3.5 * ch_op_attention_macs(a), 0);
}
