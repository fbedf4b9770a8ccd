/* attention_parts.c - heads in panels, spans of columns, lanes of scratch (attention.h)
 *
 * SPDX-License-Identifier: MIT */
#include "attention.h"

real ch_op_attention_slope(const ch_attention_spec *s, int head)
{
    return s->alibi ? (real)pow(2, -8.0 * (head + 1) / s->heads) : 0;
}

double ch_op_attention_macs(const ch_attention *a)
{
    if (!a->run->profile || !ch_op_computes(a->run))
        return 0;
    double pairs = 0;
    for (int t = 0; t < a->T; t++) {
        const ch_span see = ch_op_attention_sees(a, t);
        pairs += see.hi - see.lo;
    }
    return 2 * pairs * a->spec.heads * a->spec.width;
}

/* ---- Heads -------------------------------------------------------------------------------- */

static size_t rows_reals(const ch_heads *h)
{
    return ch_panels_bytes(CH_PANEL_F32, h->T, h->E) / sizeof(real);
}

static size_t columns_reals(const ch_heads *h)
{
    return ch_panels_bytes(CH_PANEL_F32, h->E, h->T) / sizeof(real);
}

ch_heads ch_op_heads(ch_run *r, const real *x, ptrdiff_t ld, int T, int heads, int E, bool by_rows,
                     bool by_columns)
{
    ch_heads h = {.x = x, .ld = ld, .T = T, .heads = heads, .E = E};
    const size_t size = (size_t)heads * sizeof(real);
    if (by_rows)
        h.by_rows = ch_arena_take(r->scratch, ch_size_mul(rows_reals(&h), size));
    if (by_columns)
        h.by_columns = ch_arena_take(r->scratch, ch_size_mul(columns_reals(&h), size));
    return h;
}

static void pack_head(void *arg, int task, int thread)
{
    (void)thread;
    const ch_heads *h = arg;
    for (; task >= h->heads; h++)
        task -= h->heads;
    const real *x = h->x + (ptrdiff_t)task * h->E;
    if (h->by_rows)
        ch_panel_pack_real(h->by_rows + (size_t)task * rows_reals(h), x, h->ld, 1, h->T, h->E, 0,
                           h->T);
    if (h->by_columns)
        ch_panel_pack_real(h->by_columns + (size_t)task * columns_reals(h), x, 1, h->ld, h->E,
                           h->T, 0, h->E);
}

void ch_op_heads_pack(const ch_run *r, ch_heads *h, int n)
{
    int tasks = 0;
    for (int i = 0; i < n; i++)
        tasks += h[i].heads;
    ch_pool_run(r->pool, pack_head, h, tasks);
}

void ch_op_heads_score(const ch_run *r, real *s, ptrdiff_t lds, const real *x, ptrdiff_t ldx,
                       int M, const ch_heads *h, int head, int n0, int n1)
{
    r->kernels->gemm_f32(s, lds, x, ldx * (ptrdiff_t)sizeof(real),
                         h->by_rows + (size_t)head * rows_reals(h), M, n0, n1, h->E, 0);
}

void ch_op_heads_mix(const ch_run *r, real *y, ptrdiff_t ldy, const real *p, ptrdiff_t ldp, int M,
                     const ch_heads *h, int head, int n0, int n1, int flags)
{
    const real *panel =
        h->by_columns + (size_t)head * columns_reals(h) + (ptrdiff_t)n0 * CH_PANEL_ROWS;
    for (int e = 0; e < h->E; e += CH_PANEL_ROWS) {
        r->kernels->gemm_f32(y + e, ldy, p + n0, ldp * (ptrdiff_t)sizeof(real), panel, M, 0,
                             CH_MIN(CH_PANEL_ROWS, h->E - e), n1 - n0, flags);
        panel += (ptrdiff_t)h->T * CH_PANEL_ROWS;
    }
}

/* ---- Spans and lanes ---------------------------------------------------------------------- */

ch_span ch_op_spans_cover(const ch_span *span, int n, int T)
{
    ch_span c = span[0];
    for (int i = 1; i < n; i++) {
        c.lo = CH_MIN(c.lo, span[i].lo);
        c.hi = CH_MAX(c.hi, span[i].hi);
    }
    c.lo = c.lo / CH_PANEL_ROWS * CH_PANEL_ROWS;
    c.hi = CH_MIN((int)ch_round_up(c.hi, CH_PANEL_ROWS), T);
    return c;
}

typedef struct lanes {
    ch_lane_task *fn;
    void *arg;
    int items, lanes;
} lanes;

static void run_lane(void *arg, int task, int thread)
{
    (void)thread;
    const lanes *l = arg;
    for (int item = task; item < l->items; item += l->lanes)
        l->fn(l->arg, item, task);
}

void ch_op_attention_lanes(const ch_run *r, int items, ch_lane_task *fn, void *arg)
{
    lanes l = {fn, arg, items, CH_MIN(items, (int)CH_ATTENTION_LANES)};
    ch_pool_run(r->pool, run_lane, &l, l.lanes);
}
