/* attention_parts.c - heads in panels, spans of columns, lanes of scratch (attention.h)
 *
 * SPDX-License-Identifier: MIT */
#include "attention.h"

#include <string.h>

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

static int chunks(const ch_heads *h)
{
    return (h->T + CH_ATTENTION_CHUNK - 1) / CH_ATTENTION_CHUNK;
}

/* Of a chunk that starts at row t0; all before it are whole. */
static real *columns_chunk(const ch_heads *h, int head, int t0)
{
    return h->by_columns + (size_t)head * columns_reals(h) +
           ch_panels_bytes(CH_PANEL_F32, h->E, t0) / sizeof(real);
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

static void pack_rows(const ch_kernels *k, real *panels, const real *x, ptrdiff_t ld, int n, int E)
{
    for (; n > 0; n -= CH_PANEL_ROWS, x += CH_PANEL_ROWS * ld) {
        if (n < CH_PANEL_ROWS)
            memset(panels, 0, ch_panel_bytes(CH_PANEL_F32, E));
        k->transpose(panels, CH_PANEL_ROWS, x, ld, CH_MIN(n, CH_PANEL_ROWS), E);
        panels += (ptrdiff_t)E * CH_PANEL_ROWS;
    }
}

static void pack_columns(real *panels, const real *x, ptrdiff_t ld, int n, int E)
{
    for (int e = 0; e < E; e += CH_PANEL_ROWS)
        for (int t = 0; t < n; t++, panels += CH_PANEL_ROWS) {
            const real *from = x + t * ld + e;
            const int lanes = CH_MIN(E - e, CH_PANEL_ROWS);
            for (int l = 0; lanes < CH_PANEL_ROWS && l < CH_PANEL_ROWS; l++)
                panels[l] = l < lanes ? from[l] : 0;
            if (lanes == CH_PANEL_ROWS)
                memcpy(panels, from, CH_PANEL_ROWS * sizeof(real));
        }
}

void ch_op_heads_pack_chunk(const ch_run *r, const ch_heads *h, int head, int t0)
{
    const int n = CH_MIN(CH_ATTENTION_CHUNK, h->T - t0);
    const real *x = h->x + t0 * h->ld + (ptrdiff_t)head * h->E;
    if (h->by_rows)
        pack_rows(r->kernels, h->by_rows + (size_t)head * rows_reals(h) + (size_t)t0 * (size_t)h->E,
                  x, h->ld, n, h->E);
    if (h->by_columns)
        pack_columns(columns_chunk(h, head, t0), x, h->ld, n, h->E);
}

typedef struct packing {
    const ch_run *run;
    const ch_heads *heads;
} packing;

/* A task: a chunk of a head. */
static void pack_chunk(void *arg, int task, int thread)
{
    (void)thread;
    const packing *p = arg;
    const ch_heads *h = p->heads;
    for (; task >= h->heads * chunks(h); h++)
        task -= h->heads * chunks(h);
    ch_op_heads_pack_chunk(p->run, h, task / chunks(h), task % chunks(h) * CH_ATTENTION_CHUNK);
}

void ch_op_heads_pack(const ch_run *r, const ch_heads *h, int n)
{
    int tasks = 0;
    for (int i = 0; i < n; i++)
        tasks += h[i].heads * chunks(&h[i]);
    packing p = {r, h};
    ch_pool_run(r->pool, pack_chunk, &p, tasks);
}

void ch_op_heads_score(const ch_run *r, real *s, ptrdiff_t lds, const real *x, ptrdiff_t ldx,
                       int M, const ch_heads *h, int head, int n0, int n1)
{
    r->kernels->gemm_f32(
        s, lds, x, ldx * (ptrdiff_t)sizeof(real),
        h->by_rows + (size_t)head * rows_reals(h) + (size_t)n0 * (size_t)h->E, M, 0, n1 - n0, h->E,
        0);
}

void ch_op_heads_mix(const ch_run *r, real *y, ptrdiff_t ldy, const real *p, ptrdiff_t ldp, int M,
                     const ch_heads *h, int head, int t0, int t1, int flags)
{
    const ptrdiff_t ldx = ldp * (ptrdiff_t)sizeof(real);
    for (int t = t0, n; t < t1; t += n, p += n, flags |= CH_GEMM_ADD) {
        const int start = t / CH_ATTENTION_CHUNK * CH_ATTENTION_CHUNK,
                  rows = CH_MIN(CH_ATTENTION_CHUNK, h->T - start);
        const real *panels = columns_chunk(h, head, start);
        n = CH_MIN(start + rows, t1) - t;
        if (n == rows) {
            r->kernels->gemm_f32(y, ldy, p, ldx, panels, M, 0, h->E, n, flags);
            continue;
        }
        /* A part of the chunk is a run of k in each of its panels. */
        panels += (ptrdiff_t)(t - start) * CH_PANEL_ROWS;
        for (int e = 0; e < h->E; e += CH_PANEL_ROWS, panels += rows * CH_PANEL_ROWS)
            r->kernels->gemm_f32(y + e, ldy, p, ldx, panels, M, 0, CH_MIN(CH_PANEL_ROWS, h->E - e),
                                 n, flags);
    }
}

/* ---- Spans and lanes ---------------------------------------------------------------------- */

ch_span ch_op_spans_cover(const ch_span *span, int n, int lo, int hi)
{
    ch_span c = span[0];
    for (int i = 1; i < n; i++) {
        c.lo = CH_MIN(c.lo, span[i].lo);
        c.hi = CH_MAX(c.hi, span[i].hi);
    }
    c.lo = CH_MAX(c.lo / CH_PANEL_ROWS * CH_PANEL_ROWS, lo);
    c.hi = CH_MIN((int)ch_round_up(c.hi, CH_PANEL_ROWS), hi);
    return c.lo < c.hi ? c : (ch_span){lo, lo};
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
