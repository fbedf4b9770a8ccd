/* attention.c - causal attention within documents, for training
 *
 *     s_tj = scale q_t . k_j - m_h (t - j)       for first[t] <= j <= t, and t - j < window
 *            or c tanh(scale q_t . k_j / c) - m_h (t - j) where scores are capped
 *     p_t = softmax(s_t),  o_t = sum_j p_tj v_j  per query head h, which reads key head h / (H/K)
 *
 * q, o (T, H E); k, v (T, K E).  Vaswani et al. 2017; grouped heads: Ainslie et al. 2023; m_h:
 * Press et al. 2021; c: Gemma Team 2024 ("Gemma 2").
 * Keys and values of a head are packed once; then a task is a block of rows and a key head: scores
 * of the whole span that the block sees as one product, softmax row by row, and the mix as more.
 * Columns that only other rows of the block see get weight 0.  Cost: 2 E multiply-adds for each
 * (row, key) of a block's span.  Backward keeps log sum_j e^s_tj and computes scores again
 * (Dao et al. 2022): attention_backward.c.
 * SPDX-License-Identifier: MIT */
#include "attention.h"

typedef struct forward {
    ch_attention *a;
    ch_heads k, v;
    real *scores; /* a block for each lane */
} forward;

/* A row of scores: rows a power of two apart would share few lines of a cache. */
static ptrdiff_t row_reals(int columns)
{
    return (ptrdiff_t)ch_round_up(columns, CH_PANEL_ROWS) + CH_PANEL_ROWS;
}

/* Scores of the columns `cover` become weights that still want division by their sum, which is
 * returned. */
static real weigh(const ch_attention *a, real *s, ch_span see, ch_span cover, int t, int head)
{
    const ch_exponent z = ch_op_attention_exponent(a, head, t - see.lo);
    for (int j = cover.lo; j < see.lo; j++)
        s[j - cover.lo] = 0;
    for (int j = see.hi; j < cover.hi; j++)
        s[j - cover.lo] = 0;
    s += see.lo - cover.lo;
    ch_op_attention_cap(a, s, see.hi - see.lo);
    real max;
    const real sum = a->run->kernels->weigh(s, s, see.hi - see.lo, &z, &max);
    if (a->lse)
        a->lse[(ptrdiff_t)head * a->T + t] = max + real_log(sum);
    return sum;
}

static void forward_block(void *arg, int item, int lane)
{
    const forward *f = arg;
    const ch_attention *a = f->a;
    const int E = a->spec.width, kv = item % a->spec.kv_heads,
              group = a->spec.heads / a->spec.kv_heads;
    const int t0 = item / a->spec.kv_heads * CH_ATTENTION_ROWS,
              M = CH_MIN(CH_ATTENTION_ROWS, a->T - t0);
    const ptrdiff_t ldo = a->o->stride[0];
    real *s = f->scores + (ptrdiff_t)lane * CH_ATTENTION_ROWS * row_reals(a->T);
    ch_span see[CH_ATTENTION_ROWS];
    for (int m = 0; m < M; m++)
        see[m] = ch_op_attention_sees(a, t0 + m);
    const ch_span cover = ch_op_spans_cover(see, M, 0, a->T);
    const ptrdiff_t lds = row_reals(cover.hi - cover.lo);
    for (int head = kv * group; head < (kv + 1) * group; head++) {
        real *o = ch_tensor_row(a->o, t0) + (ptrdiff_t)head * E, sum[CH_ATTENTION_ROWS];
        ch_op_heads_score(a->run, s, lds, ch_tensor_row(a->q, t0) + (ptrdiff_t)head * E,
                          a->q->stride[0], M, &f->k, kv, cover.lo, cover.hi);
        for (int m = 0; m < M; m++)
            sum[m] = weigh(a, s + m * lds, see[m], cover, t0 + m, head);
        ch_op_heads_mix(a->run, o, ldo, s, lds, M, &f->v, kv, cover.lo, cover.hi, 0);
        for (int m = 0; m < M; m++) {
            const real factor = 1 / sum[m];
            for (int e = 0; e < E; e++)
                o[m * ldo + e] *= factor;
        }
    }
}

static void compute(ch_run *r, ch_attention *a)
{
    const ch_attention_spec *s = &a->spec;
    const size_t lane = ch_size_mul((size_t)row_reals(a->T), CH_ATTENTION_ROWS * sizeof(real));
    const size_t mark = ch_arena_mark(r->scratch);
    ch_heads kv[2] = {
        ch_op_heads(r, a->k->data, a->k->stride[0], a->T, s->kv_heads, s->width, true, false),
        ch_op_heads(r, a->v->data, a->v->stride[0], a->T, s->kv_heads, s->width, false, true)};
    forward f = {a, kv[0], kv[1],
                 ch_arena_take(r->scratch, ch_size_mul(lane, CH_ATTENTION_LANES))};
    if (ch_op_computes(r)) {
        ch_op_heads_pack(r, kv, 2);
        const int blocks = (a->T + CH_ATTENTION_ROWS - 1) / CH_ATTENTION_ROWS;
        ch_op_attention_lanes(r, blocks * s->kv_heads, forward_block, &f);
    }
    ch_arena_reset(r->scratch, mark);
}

ch_tensor *ch_op_attention(ch_run *r, const ch_tensor *q, const ch_tensor *k, const ch_tensor *v,
                           const ch_rows *rows, const ch_attention_spec *s)
{
    const ch_op_timer t = ch_op_begin(r);
    const int64_t T = ch_tensor_rows(q);
    ch_attention a = {
        .run = r, .q = q, .k = k, .v = v, .spec = *s, .first = rows->first, .T = (int)T};
    a.o = ch_op_output(r, T, (int64_t)s->heads * s->width);
    ch_attention *record = ch_op_record(r, CH_OP_attention, sizeof a, ch_op_attention_backward);
    if (record) {
        a.lse = ch_arena_take(r->scratch, ch_size_mul((size_t)T, (size_t)s->heads * sizeof(real)));
        *record = a;
    }
    compute(r, &a);
    ch_op_end(r, t, CH_OP_attention, ch_op_attention_macs(&a), 0);
    return a.o;
}
