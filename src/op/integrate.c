/* integrate.c - one step of a damped integrator that is drawn to where a force points
 *
 *     v'_ti = a_i v_ti + p_i (c_ti - x_ti)      c = start + g F, or x + g F without a start
 *     x'_ti = x_ti + v'_ti
 *
 *     a_i = s(inertia_i),  p_i = 2 s(pull_i) (1 + a_i),  s(z) = (1 + z / (1 + |z|)) / 2
 *
 * x, start, v, F (T, D); g, inertia, pull (D).  No v: at rest; no inertia and pull: a = 0, p = 1,
 * so that x' = c.  0 < p < 2 (1 + a) whatever is learned (but numbers near 1e7, where s rounds
 * to 0 or 1): with c at rest every channel is stable,
 * and stays so under steps of different inertia that share their pull (docs/integrator.md, theorem
 * C).  s is a sigmoid without a function of the C library in it: same bits everywhere.
 *
 *     dc = p dv',  with dv' + dx' in place of dv';  dx += dx' - dc (start) or dx';  dv += a dv'
 *     da = sum_t dv' v + dp p / (1 + a),  dp = sum_t dv' (c - x)
 * SPDX-License-Identifier: MIT */
#include "op.h"
#include "squash.h"

#include <string.h>

enum { PARTS = 32, COST = 8 }; /* of the rows, with sums of their own; of one element */

typedef struct integrate {
    const ch_kernels *kernels;
    ch_op_motion m;
    ch_tensor *y, *velocity; /* x', v'; velocity NULL: nobody wants it */
    real *a, *p;             /* (D), NULL: 0 and 1 */
    /* of backward: */
    real *dx, *dstart, *dv, *dforce;
    bool add_x, add_start, add_v, add_force;
    real *parts; /* (PARTS, 5, D): sums for g, a, p, and room for two rows */
} integrate;

static const real *row_of(const ch_tensor *t, int64_t row)
{
    return t ? ch_tensor_row(t, row) : NULL;
}

/* What x lacks to where it is drawn. */
static void away(real *e, const integrate *g, int64_t t)
{
    const int64_t D = ch_tensor_width(g->y);
    const real *gain = g->m.gain->stored.data, *force = ch_tensor_row(g->m.force, t);
    const real *start = row_of(g->m.start, t), *x = ch_tensor_row(g->m.x, t);
    for (int64_t i = 0; i < D; i++)
        e[i] = gain[i] * force[i];
    for (int64_t i = 0; start && i < D; i++)
        e[i] += start[i] - x[i];
}

static void forward(void *arg, int64_t row0, int64_t row1)
{
    const integrate *g = arg;
    const int64_t D = ch_tensor_width(g->y);
    for (int64_t t = row0; t < row1; t++) {
        const real *x = ch_tensor_row(g->m.x, t), *v = row_of(g->m.velocity, t);
        real *y = ch_tensor_row(g->y, t), *w = g->velocity ? ch_tensor_row(g->velocity, t) : y;
        away(w, g, t);
        for (int64_t i = 0; g->p && i < D; i++)
            w[i] *= g->p[i];
        for (int64_t i = 0; g->a && v && i < D; i++)
            w[i] += g->a[i] * v[i];
        for (int64_t i = 0; i < D; i++)
            y[i] = x[i] + w[i];
    }
}

/* ---- Backward ------------------------------------------------------------------------------- */

static void give(real *to, bool add, const real *d, const real *factor, int64_t D)
{
    for (int64_t i = 0; to && i < D; i++)
        to[i] = (add ? to[i] : 0) + d[i] * (factor ? factor[i] : 1);
}

static void sum_product(real *sum, const real *a, const real *b, int64_t D)
{
    for (int64_t i = 0; i < D; i++)
        sum[i] += a[i] * b[i];
}

/* dw (D): of v' and through x'; e (D): room. */
static void backward_row(const integrate *g, int64_t t, real *sums, real *dw, real *e)
{
    const int64_t D = ch_tensor_width(g->y), at = t * D;
    const real *v = row_of(g->m.velocity, t);
    const real *dy = ch_op_reached(g->y) ? g->y->grad + at : NULL;
    const real *dv = g->velocity && ch_op_reached(g->velocity) ? g->velocity->grad + at : NULL;
    for (int64_t i = 0; i < D; i++)
        dw[i] = (dy ? dy[i] : 0) + (dv ? dv[i] : 0);
    for (int64_t i = 0; g->dx && i < D; i++)
        g->dx[at + i] = (g->add_x ? g->dx[at + i] : 0) + (dy ? dy[i] : 0);
    if (g->a && v) {
        give(g->dv ? g->dv + at : NULL, g->add_v, dw, g->a, D);
        if (sums)
            sum_product(sums + D, dw, v, D);
    }
    if (g->p && sums) {
        away(e, g, t);
        sum_product(sums + 2 * D, dw, e, D);
    }
    for (int64_t i = 0; g->p && i < D; i++)
        dw[i] *= g->p[i]; /* from here on: of c */
    if (sums)
        sum_product(sums, dw, ch_tensor_row(g->m.force, t), D);
    give(g->dforce ? g->dforce + at : NULL, g->add_force, dw, g->m.gain->stored.data, D);
    if (!g->m.start)
        return;
    give(g->dstart ? g->dstart + at : NULL, g->add_start, dw, NULL, D);
    for (int64_t i = 0; g->dx && i < D; i++)
        g->dx[at + i] -= dw[i];
}

static void backward_part(void *arg, int part, int thread)
{
    (void)thread;
    const integrate *g = arg;
    const int64_t T = ch_tensor_rows(g->y), D = ch_tensor_width(g->y);
    const int64_t size = (T + PARTS - 1) / PARTS;
    real *mine = g->parts + (ptrdiff_t)part * 5 * D;
    memset(mine, 0, (size_t)(3 * D) * sizeof *mine);
    for (int64_t t = part * size; t < CH_MIN((part + 1) * size, T); t++)
        backward_row(g, t, mine, mine + 3 * D, mine + 4 * D);
}

/* Sums over rows into the gradients of g, inertia and pull. */
static void backward_vectors(const integrate *g)
{
    const int64_t D = ch_tensor_width(g->y);
    real *sum = g->parts;
    for (int part = 1; part < PARTS; part++)
        g->kernels->add(sum, sum, g->parts + (ptrdiff_t)part * 5 * D, (int)(3 * D));
    if (g->m.gain->stored.grad)
        g->kernels->add(g->m.gain->stored.grad, g->m.gain->stored.grad, sum, (int)D);
    if (!g->p)
        return;
    const real *inertia = g->m.inertia->stored.data, *pull = g->m.pull->stored.data;
    real *dinertia = g->m.inertia->stored.grad, *dpull = g->m.pull->stored.grad;
    for (int64_t i = 0; i < D; i++) {
        const real dp = sum[2 * D + i], outer = 1 + g->a[i];
        const real da = sum[D + i] + dp * g->p[i] / outer;
        if (dinertia)
            dinertia[i] += da * ch_squash_slope(inertia[i]);
        if (dpull)
            dpull[i] += dp * 2 * outer * ch_squash_slope(pull[i]);
    }
}

static void backward(ch_run *r, void *record)
{
    integrate *g = record;
    if (!ch_op_reached(g->y) && !(g->velocity && ch_op_reached(g->velocity)))
        return;
    const size_t D = (size_t)ch_tensor_width(g->y);
    g->dx = ch_op_gradient(g->m.x, &g->add_x);
    g->dforce = ch_op_gradient(g->m.force, &g->add_force);
    g->dstart = g->m.start ? ch_op_gradient(g->m.start, &g->add_start) : NULL;
    g->dv = g->a && g->m.velocity ? ch_op_gradient(g->m.velocity, &g->add_v) : NULL;
    g->parts = ch_arena_take(r->scratch, ch_size_mul(D, 5 * PARTS * sizeof *g->parts));
    if (!ch_op_computes(r))
        return;
    ch_pool_run(r->pool, backward_part, g, PARTS);
    backward_vectors(g);
}

/* ---- Forward -------------------------------------------------------------------------------- */

void ch_op_integrate_factors(real *a, real *p, const real *inertia, const real *pull, int64_t D)
{
    for (int64_t i = 0; i < D; i++) {
        a[i] = ch_squash(inertia[i]);
        p[i] = ch_squash_pull(pull[i], a[i]);
    }
}

static void coefficients(ch_run *r, integrate *g)
{
    const int64_t D = ch_tensor_width(g->m.x);
    if (!g->m.inertia)
        return;
    g->a = ch_arena_take(r->scratch, (size_t)D * sizeof *g->a);
    g->p = ch_arena_take(r->scratch, (size_t)D * sizeof *g->p);
    if (!ch_op_computes(r))
        return;
    ch_op_integrate_factors(g->a, g->p, g->m.inertia->stored.data, g->m.pull->stored.data, D);
}

ch_tensor *ch_op_integrate(ch_run *r, const ch_op_motion *m, ch_tensor **velocity)
{
    const ch_op_timer t = ch_op_begin(r);
    const int64_t T = ch_tensor_rows(m->x), D = ch_tensor_width(m->x);
    integrate g = {.kernels = r->kernels, .m = *m, .y = ch_op_output(r, T, D)};
    if (velocity)
        g.velocity = *velocity = ch_op_output(r, T, D);
    coefficients(r, &g);
    if (ch_op_computes(r))
        ch_op_for_rows(r, T, COST * (double)D, forward, &g);
    integrate *record = ch_op_record(r, CH_OP_integrate, sizeof g, backward);
    if (record)
        *record = g;
    ch_op_end(r, t, CH_OP_integrate, 0, 0);
    return g.y;
}
