/* drive.c - one step of the integrator of the published card, in displacements w = dt gate v
 *
 *     w' = a w + (1 - a) g k F + e - p (x - start)         x' = x + w'
 *     a = s(S1 o1 + B1)    p = 2 s(S2 o2 + B2) (1 + a)    g = s(S3 o3 + B3)
 *
 * x, start, w, F and what the controller says, o1 o2 o3 (T, D): inertia, pull, gate of each token;
 * gain k (D); S, B (3) are the layer's own.  k F is the velocity that is sought.  No w: at rest; no
 * start: x is there.  s as in squash.h.  e is an excitation of some channels, the same for all
 * tokens:
 *     e_c = A_j sin(W_j t + P_j),   c = floor(j (D - 1) / (X - 1)),  j = 0..X-1,  t = 1, 2 ...
 * Which channels these are is fixed, so nothing is selected and gradients are those of the formula.
 * 0 < p < 2 (1 + a) whatever is learned (but numbers near 1e7, where s rounds to 0 or 1), and a, p
 * and g rest over the steps of a token in a layer.
 *
 *     with d = dw' + dx':   dx = dx' - p d   dstart = p d   dw = a d   d(kF) = (1 - a) g d
 *     da = d (w - g k F) + dp p / (1 + a)    dp = -d (x - start)    dg = d (1 - a) k F
 *     dA = sin(.) sum_t d   dW = t A cos(.) sum_t d   dP = A cos(.) sum_t d
 * Source: docs/integrator.md, section 4.  SPDX-License-Identifier: MIT */
#include "op.h"
#include "squash.h"

#include <math.h>
#include <string.h>

enum { PARTS = 32, COST = 40, OWN = 3 }; /* OWN: scales, and shifts */

typedef struct drive {
    const ch_kernels *kernels;
    ch_op_driving m;
    ch_tensor *y, *velocity;
    const real *excited; /* (D), NULL: nothing is */
    /* of backward: */
    real *dx, *dstart, *dv, *dforce, *said[OWN];
    bool add_x, add_start, add_v, add_force, add_said[OWN];
    real *parts; /* (PARTS, 2 D + 2 OWN): sums of k, of d, of S and B */
} drive;

typedef struct channel {
    real z[OWN], a, p, g, slack; /* slack: x - start */
    real w, sought;              /* k F */
} channel;

static channel look(const ch_op_driving *m, int64_t t, int64_t i)
{
    const real *S = m->scale->stored.data, *B = m->shift->stored.data;
    const real x = ch_tensor_row(m->x, t)[i];
    channel c = {.w = m->velocity ? ch_tensor_row(m->velocity, t)[i] : 0,
                 .slack = m->start ? x - ch_tensor_row(m->start, t)[i] : 0,
                 .sought = ((const real *)m->gain->stored.data)[i] * ch_tensor_row(m->force, t)[i]};
    for (int k = 0; k < OWN; k++)
        c.z[k] = S[k] * ch_tensor_row(m->said[k], t)[i] + B[k];
    c.a = ch_squash(c.z[0]);
    c.p = ch_squash_pull(c.z[1], c.a);
    c.g = ch_squash(c.z[2]);
    return c;
}

/* w' - a w, without what is excited. */
static real pulled(const channel *c)
{
    return (1 - c->a) * c->g * c->sought - c->p * c->slack;
}

static void forward(void *arg, int64_t row0, int64_t row1)
{
    const drive *g = arg;
    for (int64_t t = row0; t < row1; t++)
        for (int64_t i = 0; i < ch_tensor_width(g->y); i++) {
            const channel c = look(&g->m, t, i);
            const real w = c.a * c.w + pulled(&c) + (g->excited ? g->excited[i] : 0);
            if (g->velocity)
                ch_tensor_row(g->velocity, t)[i] = w;
            ch_tensor_row(g->y, t)[i] = ch_tensor_row(g->m.x, t)[i] + w;
        }
}

/* ---- Excitation ----------------------------------------------------------------------------- */

static int64_t excited_channel(const ch_op_driving *m, int64_t j, int64_t D)
{
    const int64_t X = ch_tensor_count(&m->size->stored);
    return X > 1 ? j * (D - 1) / (X - 1) : 0;
}

static double angle(const ch_op_driving *m, int64_t j)
{
    const real *speed = m->speed->stored.data, *phase = m->phase->stored.data;
    return (double)speed[j] * m->number + (double)phase[j];
}

/* Adds e; channels differ, since X <= D. */
static void add_excitation(real *e, const ch_op_driving *m)
{
    const real *size = m->size->stored.data;
    for (int64_t j = 0; j < ch_tensor_count(&m->size->stored); j++)
        e[excited_channel(m, j, ch_tensor_width(m->x))] += size[j] * (real)sin(angle(m, j));
}

static void excite(ch_run *r, drive *g)
{
    const int64_t D = ch_tensor_width(g->y);
    if (!g->m.size)
        return;
    real *e = ch_arena_take_zero(r->scratch, (size_t)D * sizeof *e);
    if (ch_op_computes(r))
        add_excitation(e, &g->m);
    g->excited = e;
}

static void excite_backward(const drive *g, const real *d)
{
    const int64_t D = ch_tensor_width(g->y);
    real *dsize = g->m.size->stored.grad, *dspeed = g->m.speed->stored.grad;
    real *dphase = g->m.phase->stored.grad;
    const real *size = g->m.size->stored.data;
    for (int64_t j = 0; j < ch_tensor_count(&g->m.size->stored); j++) {
        const real sum = d[excited_channel(&g->m, j, D)];
        const real along = sum * size[j] * (real)cos(angle(&g->m, j));
        if (dsize)
            dsize[j] += sum * (real)sin(angle(&g->m, j));
        if (dspeed)
            dspeed[j] += along * (real)g->m.number;
        if (dphase)
            dphase[j] += along;
    }
}

void ch_op_drive_factors(real *a, real *p, real *gain, real *away, const ch_op_driving *m,
                         int64_t t)
{
    const int64_t D = ch_tensor_width(m->x);
    for (int64_t i = 0; i < D; i++) {
        const channel c = look(m, t, i);
        a[i] = c.a;
        p[i] = c.p;
        gain[i] = (1 - c.a) * c.g * ((const real *)m->gain->stored.data)[i];
        away[i] = pulled(&c);
    }
    if (m->size)
        add_excitation(away, m);
    for (int64_t i = 0; i < D; i++)
        away[i] = p[i] == 0 ? 0 : away[i] / p[i]; /* 0: drawn nowhere */
}

/* ---- Backward ------------------------------------------------------------------------------- */

static void give(real *to, int64_t at, bool add, real d)
{
    if (to)
        to[at] = (add ? to[at] : 0) + d;
}

static void backward_row(const drive *g, int64_t t, real *sums)
{
    const int64_t D = ch_tensor_width(g->y);
    const real *gain = g->m.gain->stored.data, *S = g->m.scale->stored.data;
    const bool moved = g->velocity && ch_op_reached(g->velocity);
    for (int64_t i = 0; i < D; i++) {
        const int64_t at = t * D + i;
        const channel c = look(&g->m, t, i);
        const real dy = ch_op_reached(g->y) ? g->y->grad[at] : 0;
        const real d = dy + (moved ? g->velocity->grad[at] : 0);
        const real dp = -d * c.slack, sought = (1 - c.a) * c.g * d;
        const real da = d * (c.w - c.g * c.sought) + dp * c.p / (1 + c.a);
        const real dz[OWN] = {da * ch_squash_slope(c.z[0]),
                              dp * 2 * (1 + c.a) * ch_squash_slope(c.z[1]),
                              d * (1 - c.a) * c.sought * ch_squash_slope(c.z[2])};
        give(g->dx, at, g->add_x, dy - (g->m.start ? c.p * d : 0));
        give(g->dstart, at, g->add_start, c.p * d);
        give(g->dv, at, g->add_v, c.a * d);
        give(g->dforce, at, g->add_force, sought * gain[i]);
        sums[i] += sought * ch_tensor_row(g->m.force, t)[i];
        sums[D + i] += d;
        for (int k = 0; k < OWN; k++) {
            give(g->said[k], at, g->add_said[k], S[k] * dz[k]);
            sums[2 * D + k] += dz[k] * ch_tensor_row(g->m.said[k], t)[i];
            sums[2 * D + OWN + k] += dz[k];
        }
    }
}

static int64_t sums_of(const drive *g)
{
    return 2 * ch_tensor_width(g->y) + 2 * OWN;
}

static void backward_part(void *arg, int part, int thread)
{
    (void)thread;
    const drive *g = arg;
    const int64_t T = ch_tensor_rows(g->y), size = (T + PARTS - 1) / PARTS;
    real *mine = g->parts + (ptrdiff_t)part * sums_of(g);
    memset(mine, 0, (size_t)sums_of(g) * sizeof *mine);
    for (int64_t t = part * size; t < CH_MIN((part + 1) * size, T); t++)
        backward_row(g, t, mine);
}

static void add_to(const ch_kernels *k, const ch_weight *w, const real *sum)
{
    if (w->stored.grad)
        k->add(w->stored.grad, w->stored.grad, sum, (int)ch_tensor_count(&w->stored));
}

static void backward(ch_run *r, void *record)
{
    drive *g = record;
    if (!ch_op_reached(g->y) && !(g->velocity && ch_op_reached(g->velocity)))
        return;
    const int64_t D = ch_tensor_width(g->y), n = sums_of(g);
    g->dx = ch_op_gradient(g->m.x, &g->add_x);
    g->dforce = ch_op_gradient(g->m.force, &g->add_force);
    g->dstart = g->m.start ? ch_op_gradient(g->m.start, &g->add_start) : NULL;
    g->dv = g->m.velocity ? ch_op_gradient(g->m.velocity, &g->add_v) : NULL;
    for (int k = 0; k < OWN; k++)
        g->said[k] = ch_op_gradient(g->m.said[k], &g->add_said[k]);
    g->parts = ch_arena_take(r->scratch, ch_size_mul((size_t)n, PARTS * sizeof *g->parts));
    if (!ch_op_computes(r))
        return;
    ch_pool_run(r->pool, backward_part, g, PARTS);
    for (int part = 1; part < PARTS; part++)
        g->kernels->add(g->parts, g->parts, g->parts + (ptrdiff_t)part * n, (int)n);
    add_to(g->kernels, g->m.gain, g->parts);
    add_to(g->kernels, g->m.scale, g->parts + 2 * D);
    add_to(g->kernels, g->m.shift, g->parts + 2 * D + OWN);
    if (g->m.size)
        excite_backward(g, g->parts + D);
}

ch_tensor *ch_op_drive(ch_run *r, const ch_op_driving *m, ch_tensor **velocity)
{
    const ch_op_timer t = ch_op_begin(r);
    const int64_t T = ch_tensor_rows(m->x), D = ch_tensor_width(m->x);
    drive g = {.kernels = r->kernels, .m = *m, .y = ch_op_output(r, T, D)};
    if (velocity)
        g.velocity = *velocity = ch_op_output(r, T, D);
    excite(r, &g);
    if (ch_op_computes(r))
        ch_op_for_rows(r, T, COST * (double)D, forward, &g);
    drive *record = ch_op_record(r, CH_OP_drive, sizeof g, backward);
    if (record)
        *record = g;
    ch_op_end(r, t, CH_OP_drive, 0, 0);
    return g.y;
}
