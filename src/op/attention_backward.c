/* attention_backward.c - the gradient of training attention
 *
 *     p_tj = e^(s_tj - lse_t),  delta_t = do_t . o_t,  ds_tj = scale p_tj (do_t . v_j - delta_t)
 *     dq_t = sum_j ds_tj k_j      dk_j = sum_t ds_tj q_t      dv_j = sum_t p_tj do_t
 *
 * Where scores are capped, u = c tanh(scale q . k / c), ds has the factor 1 - (u / c)^2 besides.
 *
 * Weights are computed again, once, for squares of CH_ATTENTION_CHUNK queries by as many keys; five
 * products use a square while it is in the cache (Dao et al. 2022, "FlashAttention").  A square
 * adds to the gradients of its queries and of its keys: those of a query row, in the order of
 * falling keys; those of a key, in the order of rising queries.  Where a batch consists of enough
 * runs of squares that have nothing to do with each other, a task is a run and a key head, which
 * stay in a core's cache.  Else squares run in rounds, each a diagonal, (i, i), then (i, i-1), and
 * so on: of these no two share queries or keys, and the order of every sum is the same.
 * Cost: 5 E multiply-adds for each (row, key) of the squares' halves that anything is seen in.
 * SPDX-License-Identifier: MIT */
#include "attention.h"
#include "product.h"

#include <string.h>

enum {
    SIDE = CH_ATTENTION_CHUNK,
    STRIPS = SIDE / CH_ATTENTION_ROWS,
    RUNS = 8, /* as many are enough for threads */
    FAR = 8,  /* squares: a run that reaches farther is no task */
};

typedef struct gradient {
    ch_attention *a;
    ch_heads k, v, q, o; /* o: of the gradient of the output */
    real *delta;         /* (H, T) */
    int *first;          /* per SIDE rows: the first key that one of them sees, in squares */
    int *runs, n_runs;   /* where rows start that see nothing of what was before; then the end */
    real *buffers;       /* three squares for each lane */
    real *dq, *dk, *dv;
    bool add_q, add_k, add_v;
    int round;           /* squares from the diagonal */
} gradient;

/* Some rows of a square, or (the other way) some columns, with the part of the other side that
 * they have to do with. */
typedef struct strip {
    int at, n; /* from the square's edge */
    ch_span with;
} strip;

typedef struct square {
    int t0, j0, rows, keys;
    ch_span see[SIDE];
    strip by_row[STRIPS], by_key[STRIPS];
    int row_strips, key_strips;
    real *p, *ds, *turned; /* (SIDE, SIDE): weights, ds, and one of them transposed; before, a row
                              of capped scores */
} square;

static void fill_delta(const gradient *g, int head, int t0, int t1)
{
    const ch_attention *a = g->a;
    const ptrdiff_t at = (ptrdiff_t)head * a->spec.width;
    for (int t = t0; t < t1; t++)
        g->delta[(ptrdiff_t)head * a->T + t] =
            ch_op_dot(g->o.x + t * g->o.ld + at, ch_tensor_row(a->o, t) + at, a->spec.width);
}

/* Adds a strip after n others; the last one grows if it has to do with the same. */
static int add_strip(strip *s, int n, strip next)
{
    if (next.with.lo == next.with.hi)
        return n;
    strip *last = n > 0 ? &s[n - 1] : NULL;
    if (!last || last->with.lo != next.with.lo || last->with.hi != next.with.hi ||
        last->at + last->n != next.at) {
        s[n] = next;
        return n + 1;
    }
    last->n += next.n;
    return n;
}

static void cut(square *s)
{
    for (int m = 0; m < s->rows; m += CH_ATTENTION_ROWS) {
        const int n = CH_MIN(CH_ATTENTION_ROWS, s->rows - m);
        const ch_span with = ch_op_spans_cover(s->see + m, n, s->j0, s->j0 + s->keys);
        s->row_strips = add_strip(s->by_row, s->row_strips, (strip){m, n, with});
    }
    for (int m = 0; m < s->keys; m += CH_ATTENTION_ROWS) {
        strip next = {m, CH_MIN(CH_ATTENTION_ROWS, s->keys - m), {s->t0, s->t0}};
        for (int i = 0; i < s->row_strips; i++) {
            const strip *r = &s->by_row[i];
            if (r->with.lo >= s->j0 + m + next.n || r->with.hi <= s->j0 + m)
                continue;
            if (next.with.lo == next.with.hi)
                next.with.lo = s->t0 + r->at;
            next.with.hi = s->t0 + r->at + r->n;
        }
        s->key_strips = add_strip(s->by_key, s->key_strips, next);
    }
}

/* p, ds: scores and do . v of n keys become weights and ds.  u: room for n, where scores are
 * capped. */
static void weigh_row(const gradient *g, real *p, real *ds, real *u, int n, const ch_exponent *z,
                      ptrdiff_t at)
{
    const ch_attention *a = g->a;
    const ch_kernels *k = a->run->kernels;
    if (a->spec.softcap > 0) {
        ch_op_attention_cap(a, p, n);
        memcpy(u, p, (size_t)n * sizeof *u);
    }
    k->weigh_grad(p, ds, n, z, a->lse[at], g->delta[at]);
    if (a->spec.softcap > 0) {
        const real inverse = 1 / a->spec.softcap;
        for (int j = 0; j < n; j++) {
            const real tanh_j = u[j] * inverse;
            ds[j] *= a->spec.scale * (1 - tanh_j * tanh_j);
        }
    }
}

/* From scores and do . v, all of a strip's rows, zero where they see nothing. */
static void weigh(const gradient *g, const square *s, const strip *rows, int head)
{
    const ch_attention *a = g->a;
    for (int m = rows->at; m < rows->at + rows->n; m++) {
        const ptrdiff_t t = s->t0 + m, at = (ptrdiff_t)head * a->T + t;
        const int lo = CH_MAX(s->see[m].lo, s->j0), hi = CH_MIN(s->see[m].hi, s->j0 + s->keys);
        const int n = CH_MAX(hi - lo, 0), skip = n ? lo - s->j0 : 0, rest = SIDE - skip - n;
        real *p = s->p + m * SIDE, *ds = s->ds + m * SIDE;
        const ch_exponent z = ch_op_attention_exponent(a, head, (int)t - lo);
        memset(p, 0, (size_t)skip * sizeof *p);
        memset(ds, 0, (size_t)skip * sizeof *ds);
        weigh_row(g, p + skip, ds + skip, s->turned, n, &z, at);
        memset(p + skip + n, 0, (size_t)rest * sizeof *p);
        memset(ds + skip + n, 0, (size_t)rest * sizeof *ds);
    }
}

/* The square on the diagonal is the first that its rows, and its keys, are in, and all of them
 * are. */
static int add(const square *s, bool holds)
{
    return holds || s->t0 != s->j0 ? CH_GEMM_ADD : 0;
}

static void to_queries(const gradient *g, const square *s, int kv, int head)
{
    const ch_attention *a = g->a;
    const ptrdiff_t at = (ptrdiff_t)head * a->spec.width, ld = (ptrdiff_t)a->spec.heads *
                                                               a->spec.width;
    for (int i = 0; i < s->row_strips; i++) {
        const strip *r = &s->by_row[i];
        const ptrdiff_t t = s->t0 + r->at, to = (ptrdiff_t)r->at * SIDE + r->with.lo - s->j0;
        ch_op_heads_score(a->run, s->p + to, SIDE, g->q.x + t * g->q.ld + at, g->q.ld, r->n, &g->k,
                          kv, r->with.lo, r->with.hi);
        ch_op_heads_score(a->run, s->ds + to, SIDE, g->o.x + t * g->o.ld + at, g->o.ld, r->n,
                          &g->v, kv, r->with.lo, r->with.hi);
        weigh(g, s, r, head);
        if (g->dq)
            ch_op_heads_mix(a->run, g->dq + t * ld + at, ld, s->ds + to, SIDE, r->n, &g->k, kv,
                            r->with.lo, r->with.hi, add(s, g->add_q));
    }
}

/* d, of keys or values, += what the square x, transposed, mixes from rows of the queries. */
static void to_keys(const gradient *g, const square *s, real *d, const real *x,
                    const ch_heads *from, int kv, int head, int flags)
{
    const ch_attention *a = g->a;
    const ptrdiff_t ld = (ptrdiff_t)a->spec.kv_heads * a->spec.width,
                    at = (ptrdiff_t)kv * a->spec.width;
    for (int i = 0; i < s->row_strips; i++) {
        const int m = s->by_row[i].at;
        a->run->kernels->transpose(s->turned + m, SIDE, x + m * SIDE, SIDE, s->by_row[i].n,
                                   s->keys);
    }
    for (int i = 0; i < s->key_strips; i++) {
        const strip *k = &s->by_key[i];
        ch_op_heads_mix(a->run, d + (s->j0 + k->at) * ld + at, ld,
                        s->turned + (ptrdiff_t)k->at * SIDE + k->with.lo - s->t0, SIDE, k->n,
                        from, head, k->with.lo, k->with.hi, flags);
    }
}

static void one_square(const gradient *g, int row, int column, int kv, int lane)
{
    const ch_attention *a = g->a;
    const int group = a->spec.heads / a->spec.kv_heads;
    square s = {.t0 = row * SIDE,
                .j0 = column * SIDE,
                .p = g->buffers + (ptrdiff_t)lane * 3 * SIDE * SIDE};
    s.rows = CH_MIN(SIDE, a->T - s.t0);
    s.keys = CH_MIN(SIDE, a->T - s.j0);
    s.ds = s.p + SIDE * SIDE;
    s.turned = s.ds + SIDE * SIDE;
    for (int m = 0; m < s.rows; m++)
        s.see[m] = ch_op_attention_sees(a, s.t0 + m);
    cut(&s);
    for (int head = kv * group; head < (kv + 1) * group; head++) {
        const bool later = head > kv * group;
        to_queries(g, &s, kv, head);
        if (g->dv)
            to_keys(g, &s, g->dv, s.p, &g->o, kv, head, add(&s, g->add_v || later));
        if (g->dk)
            to_keys(g, &s, g->dk, s.ds, &g->q, kv, head, add(&s, g->add_k || later));
    }
}

/* ---- Squares in order --------------------------------------------------------------------- */

/* What squares of one key head need of rows [i, i + 1) SIDE. */
static void prepare(const gradient *g, int i, int kv)
{
    const ch_attention *a = g->a;
    const int group = a->spec.heads / a->spec.kv_heads, t0 = i * SIDE;
    ch_op_heads_pack_chunk(a->run, &g->k, kv, t0);
    ch_op_heads_pack_chunk(a->run, &g->v, kv, t0);
    for (int head = kv * group; head < (kv + 1) * group; head++) {
        ch_op_heads_pack_chunk(a->run, &g->q, head, t0);
        ch_op_heads_pack_chunk(a->run, &g->o, head, t0);
        fill_delta(g, head, t0, CH_MIN(t0 + SIDE, a->T));
    }
}

static void prepare_item(void *arg, int item, int lane)
{
    (void)lane;
    const gradient *g = arg;
    prepare(g, item / g->a->spec.kv_heads, item % g->a->spec.kv_heads);
}

static void diagonal_item(void *arg, int item, int lane)
{
    const gradient *g = arg;
    const int K = g->a->spec.kv_heads, row = item / K + g->round;
    if (row - g->round >= g->first[row])
        one_square(g, row, row - g->round, item % K, lane);
}

/* All squares of a run. */
static void run_item(void *arg, int item, int lane)
{
    const gradient *g = arg;
    const int K = g->a->spec.kv_heads, end = g->runs[item / K + 1];
    for (int row = g->runs[item / K]; row < end; row++) {
        prepare(g, row, item % K);
        for (int column = row; column >= g->first[row]; column--)
            one_square(g, row, column, item % K, lane);
    }
}

/* Fills first, runs and n_runs.  Returns how far from the diagonal squares reach. */
static int look(gradient *g, int squares)
{
    int far = 0;
    for (int i = 0; i < squares; i++) {
        int first = i * SIDE;
        for (int t = i * SIDE; t < CH_MIN((i + 1) * SIDE, g->a->T); t++)
            first = CH_MIN(first, ch_op_attention_sees(g->a, t).lo);
        g->first[i] = first / SIDE;
        far = CH_MAX(far, i - g->first[i]);
        if (g->first[i] == i)
            g->runs[g->n_runs++] = i;
    }
    g->runs[g->n_runs] = squares;
    return far;
}

static void all_squares(gradient *g, int squares)
{
    const int far = look(g, squares), K = g->a->spec.kv_heads;
    if (far < FAR && g->n_runs * K >= RUNS) {
        ch_op_attention_lanes(g->a->run, g->n_runs * K, run_item, g);
        return;
    }
    ch_op_attention_lanes(g->a->run, squares * K, prepare_item, g);
    for (g->round = 0; g->round <= far; g->round++)
        ch_op_attention_lanes(g->a->run, (squares - g->round) * K, diagonal_item, g);
}

void ch_op_attention_backward(ch_run *r, void *record)
{
    ch_attention *a = record;
    const ch_attention_spec *s = &a->spec;
    const int T = a->T, E = s->width, squares = (T + SIDE - 1) / SIDE;
    if (!ch_op_reached(a->o))
        return;
    gradient g = {.a = a,
                  .k = ch_op_heads(r, a->k->data, a->k->stride[0], T, s->kv_heads, E, true, true),
                  .v = ch_op_heads(r, a->v->data, a->v->stride[0], T, s->kv_heads, E, true, false),
                  .q = ch_op_heads(r, a->q->data, a->q->stride[0], T, s->heads, E, false, true),
                  .o = ch_op_heads(r, a->o->grad, a->o->stride[0], T, s->heads, E, false, true)};
    g.delta = ch_arena_take(r->scratch, ch_size_mul((size_t)T, (size_t)s->heads * sizeof(real)));
    g.first = ch_arena_take(r->scratch, ch_size_mul((size_t)squares, sizeof *g.first));
    g.runs = ch_arena_take(r->scratch, ch_size_mul((size_t)squares + 1, sizeof *g.runs));
    g.buffers = ch_arena_take(r->scratch, sizeof(real) * 3 * SIDE * SIDE * CH_ATTENTION_LANES);
    g.dq = ch_op_gradient(a->q, &g.add_q);
    g.dk = ch_op_gradient(a->k, &g.add_k);
    g.dv = ch_op_gradient(a->v, &g.add_v);
    if (!ch_op_computes(r) || (!g.dq && !g.dk && !g.dv))
        return;
    a->run = r;
    all_squares(&g, squares);
    ch_op_count(r, CH_OP_attention, 2.5 * ch_op_attention_macs(a), 0);
}
