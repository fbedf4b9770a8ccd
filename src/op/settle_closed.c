/* settle_closed.c - n steps of a damped integrator at once, where a, p and the force rest
 *
 *     y_ti = x_ti + m_ti g_i F_ti,   m = p (U_1 + ... + U_n)
 *     U_0 = 0, U_1 = 1, U_(k+1) = (1 + a - p) U_k - a U_(k-1)
 *
 * which is x_n of theorem 4 (docs/integrator.md) from rest, towards x + g F; a = s(inertia),
 * p = 2 s(pull) (1 + a) as in integrate.c, but each token's own: x, F, inertia, pull (T, D), g (D).
 * Derivatives of m along a and p run beside it, with t = 1 + a - p:
 *     U'_(k+1) = t' U_k + t U'_k - a' U_(k-1) - a U'_(k-1)
 * SPDX-License-Identifier: MIT */
#include "op.h"
#include "squash.h"

#include <string.h>

enum { PARTS = 32, COST = 40 }; /* of the rows, with sums of their own; of one element and step */

typedef struct settling {
    const ch_kernels *kernels;
    ch_op_settling s;
    ch_tensor *y;
    /* of backward: */
    real *dx, *dforce, *dinertia, *dpull, *parts; /* parts (PARTS, D) */
    bool add_x, add_force, add_inertia, add_pull;
} settling;

typedef struct moved {
    real m, da, dp; /* and its derivatives along a and p */
} moved;

static moved move(real a, real p, int n)
{
    const real t = 1 + a - p;
    real before = 0, u = 1, sum = 1;
    real before_a = 0, u_a = 0, sum_a = 0, before_p = 0, u_p = 0, sum_p = 0;
    for (int k = 1; k < n; k++) {
        const real next = t * u - a * before;
        const real next_a = u + t * u_a - before - a * before_a;
        const real next_p = -u + t * u_p - a * before_p;
        before = u, before_a = u_a, before_p = u_p;
        u = next, u_a = next_a, u_p = next_p;
        sum += u, sum_a += u_a, sum_p += u_p;
    }
    return (moved){p * sum, p * sum_a, sum + p * sum_p};
}

static void forward(void *arg, int64_t row0, int64_t row1)
{
    const settling *g = arg;
    const int64_t D = ch_tensor_width(g->y);
    const real *gain = g->s.gain->stored.data;
    for (int64_t t = row0; t < row1; t++) {
        const real *x = ch_tensor_row(g->s.x, t), *force = ch_tensor_row(g->s.force, t);
        const real *inertia = ch_tensor_row(g->s.inertia, t), *pull = ch_tensor_row(g->s.pull, t);
        real *y = ch_tensor_row(g->y, t);
        for (int64_t i = 0; i < D; i++) {
            const real a = ch_squash(inertia[i]);
            y[i] = x[i] + move(a, ch_squash_pull(pull[i], a), g->s.steps).m * gain[i] * force[i];
        }
    }
}

static void give(real *to, int64_t at, bool add, real d)
{
    if (to)
        to[at] = (add ? to[at] : 0) + d;
}

static void backward_row(const settling *g, int64_t t, real *sum)
{
    const int64_t D = ch_tensor_width(g->y);
    const real *gain = g->s.gain->stored.data, *force = ch_tensor_row(g->s.force, t);
    const real *inertia = ch_tensor_row(g->s.inertia, t), *pull = ch_tensor_row(g->s.pull, t);
    for (int64_t i = 0; i < D; i++) {
        const int64_t at = t * D + i;
        const real dy = g->y->grad[at], a = ch_squash(inertia[i]), p = ch_squash_pull(pull[i], a);
        const moved v = move(a, p, g->s.steps);
        const real dm = dy * gain[i] * force[i];
        give(g->dx, at, g->add_x, dy);
        give(g->dforce, at, g->add_force, dy * v.m * gain[i]);
        give(g->dinertia, at, g->add_inertia,
             dm * (v.da + v.dp * p / (1 + a)) * ch_squash_slope(inertia[i]));
        give(g->dpull, at, g->add_pull, dm * v.dp * 2 * (1 + a) * ch_squash_slope(pull[i]));
        sum[i] += dy * v.m * force[i];
    }
}

static void backward_part(void *arg, int part, int thread)
{
    (void)thread;
    const settling *g = arg;
    const int64_t T = ch_tensor_rows(g->y), D = ch_tensor_width(g->y);
    const int64_t size = (T + PARTS - 1) / PARTS;
    real *sum = g->parts + (ptrdiff_t)part * D;
    memset(sum, 0, (size_t)D * sizeof *sum);
    for (int64_t t = part * size; t < CH_MIN((part + 1) * size, T); t++)
        backward_row(g, t, sum);
}

static void backward(ch_run *r, void *record)
{
    settling *g = record;
    if (!ch_op_reached(g->y))
        return;
    const int D = (int)ch_tensor_width(g->y);
    real *dgain = g->s.gain->stored.grad;
    g->dx = ch_op_gradient(g->s.x, &g->add_x);
    g->dforce = ch_op_gradient(g->s.force, &g->add_force);
    g->dinertia = ch_op_gradient(g->s.inertia, &g->add_inertia);
    g->dpull = ch_op_gradient(g->s.pull, &g->add_pull);
    g->parts = ch_arena_take(r->scratch, ch_size_mul((size_t)D, PARTS * sizeof *g->parts));
    if (!ch_op_computes(r))
        return;
    ch_pool_run(r->pool, backward_part, g, PARTS);
    for (int part = 0; dgain && part < PARTS; part++)
        g->kernels->add(dgain, dgain, g->parts + (ptrdiff_t)part * D, D);
}

ch_tensor *ch_op_settle_closed(ch_run *r, const ch_op_settling *s)
{
    const ch_op_timer t = ch_op_begin(r);
    const int64_t T = ch_tensor_rows(s->x), D = ch_tensor_width(s->x);
    settling g = {.kernels = r->kernels, .s = *s, .y = ch_op_output(r, T, D)};
    if (ch_op_computes(r))
        ch_op_for_rows(r, T, COST * (double)s->steps * (double)D, forward, &g);
    settling *record = ch_op_record(r, CH_OP_settle_closed, sizeof g, backward);
    if (record)
        *record = g;
    ch_op_end(r, t, CH_OP_settle_closed, 0, 0);
    return g.y;
}
