/* inl_step.c - one step of the integrator as the published INL models compute it
 *
 *     a = sigmoid(o1)  b = softplus(o2)  g = sigmoid(o3)      m_j = mu + offset_(j / group)
 *     v' = a v - b (x - m)        x' = x + k g v'             u = [h | x | v], o = [o1 | o2 | o3]
 *
 * u, o (T, 3D); h is what the controller sees beside the state, and stays.  softplus is linear
 * above 20, as the models' own code has it.
 *
 *     dv* = dv' + k g dx'    dv = a dv*    dx = dx' - b dv*    dmu = sum b dv*
 *     do1 = v dv* a (1 - a)    do2 = -(x - m) dv* sigmoid(o2)    do3 = k v' dx' g (1 - g)
 *
 * Source: INL-LLM, HierarchicalEquilibriumINL (docs/integrator.md, section 5).
 * SPDX-License-Identifier: MIT */
#include "op.h"

#include <string.h>

enum { CHUNK = 256, LANES = 16, COST = 12 }; /* columns at a time; of an element */

typedef struct inl {
    const ch_kernels *kernels;
    ch_tensor *u, *y; /* the state before and after: the same one without a tape */
    const ch_tensor *o;
    const ch_weight *mu, *offsets;
    int D, group;
    real k;
    const uint8_t *frozen;
    real *moved;
    real *du, *d_o, *pull; /* of backward; pull: b dv* (T, D) */
    bool add_u, add_o;
} inl;

typedef struct factors {
    real a[CHUNK], b[CHUNK], g[CHUNK], m[CHUNK];
} factors;

/* Columns [j0, j0 + n). */
static void factors_of(factors *f, const inl *s, const real *o, int j0, int n)
{
    const real *offset = s->offsets->stored.data, mu = *(const real *)s->mu->stored.data;
    const real *x = o + s->D + j0;
    s->kernels->sigmoid(f->a, o + j0, n);
    s->kernels->sigmoid(f->g, o + 2 * s->D + j0, n);
    s->kernels->softplus(f->b, x, n);
    for (int i = 0; i < n; i++)
        f->b[i] = x[i] > 20 ? x[i] : f->b[i];
    for (int i = 0; i < n;) {
        const int group = (j0 + i) / s->group, end = CH_MIN((group + 1) * s->group - j0, n);
        for (const real m = mu + offset[group]; i < end; i++)
            f->m[i] = m;
    }
}

void ch_op_inl_factors(const ch_run *r, real *out, const real *o, int D, const ch_inl_step *how)
{
    const inl s = {.kernels = r->kernels,
                   .mu = how->mu,
                   .offsets = how->offsets,
                   .D = D,
                   .group = how->group};
    for (int j0 = 0; j0 < D; j0 += CHUNK) {
        const int n = CH_MIN(D - j0, (int)CHUNK);
        factors f;
        factors_of(&f, &s, o, j0, n);
        const real *const parts[] = {f.a, f.b, f.g, f.m};
        for (size_t i = 0; i < CH_COUNT(parts); i++)
            memcpy(out + (ptrdiff_t)i * D + j0, parts[i], (size_t)n * sizeof *out);
    }
}

/* ---- Forward ------------------------------------------------------------------------------- */

static void step_row(const inl *s, int64_t t)
{
    const int D = s->D;
    const real *x = ch_tensor_row(s->u, t) + D, *v = x + D;
    real *x1 = ch_tensor_row(s->y, t) + D, *v1 = x1 + D; /* the same without a tape */
    real part[LANES] = {0}, squares = 0;
    if (s->y != s->u)
        memcpy(ch_tensor_row(s->y, t), ch_tensor_row(s->u, t), (size_t)D * sizeof(real));
    for (int j0 = 0; j0 < D; j0 += CHUNK) {
        const int n = CH_MIN(D - j0, (int)CHUNK);
        factors f;
        real step[CHUNK] = {0};
        factors_of(&f, s, ch_tensor_row(s->o, t), j0, n);
        for (int i = 0; i < n; i++) {
            const real was = x[j0 + i], speed = f.a[i] * v[j0 + i] - f.b[i] * (was - f.m[i]);
            const real is = was + s->k * f.g[i] * speed;
            v1[j0 + i] = speed;
            x1[j0 + i] = is;
            step[i] = is - was;
        }
        for (int i = 0; i < CHUNK; i += LANES)
            for (int l = 0; l < LANES; l++)
                part[l] += step[i + l] * step[i + l];
    }
    for (int l = 0; l < LANES; l++)
        squares += part[l];
    if (s->moved)
        s->moved[t] = real_sqrt(squares);
}

static void forward(void *arg, int64_t row0, int64_t row1)
{
    const inl *s = arg;
    for (int64_t t = row0; t < row1; t++)
        if (!s->frozen || !s->frozen[t])
            step_row(s, t);
}

/* ---- Backward ------------------------------------------------------------------------------ */

static void put(real *to, bool add, real d)
{
    *to = add ? *to + d : d;
}

static void backward_row(const inl *s, int64_t t)
{
    const int D = s->D;
    const real *x = ch_tensor_row(s->u, t) + D, *v = x + D, *v1 = ch_tensor_row(s->y, t) + 2 * D;
    const real *dy = s->y->grad + t * 3 * D, *dx1 = dy + D, *dv1 = dx1 + D;
    real *du = s->du ? s->du + t * 3 * D : NULL, *d_o = s->d_o ? s->d_o + t * 3 * D : NULL;
    for (int j = 0; du && j < D; j++)
        put(&du[j], s->add_u, dy[j]);
    for (int j0 = 0; j0 < D; j0 += CHUNK) {
        const int n = CH_MIN(D - j0, (int)CHUNK);
        factors f;
        real rise[CHUNK]; /* of softplus; at its kink to a line, 2e-9 high, the line's */
        factors_of(&f, s, ch_tensor_row(s->o, t), j0, n);
        s->kernels->sigmoid(rise, ch_tensor_row(s->o, t) + D + j0, n);
        for (int i = 0; i < n; i++) {
            const int j = j0 + i;
            const real a = f.a[i], g = f.g[i], dv = dv1[j] + s->k * g * dx1[j];
            const real pull = s->pull[t * D + j] = f.b[i] * dv;
            if (du) {
                put(&du[D + j], s->add_u, dx1[j] - pull);
                put(&du[2 * D + j], s->add_u, a * dv);
            }
            if (d_o) {
                put(&d_o[j], s->add_o, v[j] * dv * a * (1 - a));
                put(&d_o[D + j], s->add_o, -(x[j] - f.m[i]) * dv * (f.b[i] > 20 ? 1 : rise[i]));
                put(&d_o[2 * D + j], s->add_o, s->k * v1[j] * dx1[j] * g * (1 - g));
            }
        }
    }
}

static void backward_rows(void *arg, int64_t row0, int64_t row1)
{
    for (int64_t t = row0; t < row1; t++)
        backward_row(arg, t);
}

/* Rows in sequence, then columns. */
static void backward_equilibrium(const inl *s, int64_t T)
{
    real *mu = s->mu->stored.grad, *offset = s->offsets->stored.grad;
    for (int64_t t = 0; t < T; t++) {
        const real *pull = s->pull + t * s->D;
        real all = 0;
        for (int j = 0; j < s->D; j++) {
            all += pull[j];
            if (offset)
                offset[j / s->group] += pull[j];
        }
        if (mu)
            *mu += all;
    }
}

static void backward(ch_run *r, void *record)
{
    inl *s = record;
    const int64_t T = ch_tensor_rows(s->y);
    const size_t mark = ch_arena_mark(r->scratch);
    if (!ch_op_reached(s->y))
        return;
    s->pull = ch_arena_take(r->scratch, ch_size_mul((size_t)T, (size_t)s->D * sizeof(real)));
    s->du = ch_op_gradient(s->u, &s->add_u);
    s->d_o = ch_op_gradient(s->o, &s->add_o);
    if (ch_op_computes(r)) {
        ch_op_for_rows(r, T, (double)COST * s->D, backward_rows, s);
        if (s->mu->stored.grad || s->offsets->stored.grad)
            backward_equilibrium(s, T);
    }
    ch_arena_reset(r->scratch, mark);
}

ch_tensor *ch_op_inl_step(ch_run *r, ch_tensor *u, const ch_tensor *o, const ch_inl_step *how)
{
    const ch_op_timer t = ch_op_begin(r);
    inl s = {.kernels = r->kernels,
             .u = u,
             .y = r->tape ? ch_op_output(r, ch_tensor_rows(u), ch_tensor_width(u)) : u,
             .o = o,
             .mu = how->mu,
             .offsets = how->offsets,
             .D = (int)ch_tensor_width(u) / 3,
             .group = how->group,
             .k = how->step,
             .frozen = r->tape ? NULL : how->frozen,
             .moved = how->moved};
    if (ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(u), (double)COST * s.D, forward, &s);
    inl *record = ch_op_record(r, CH_OP_inl_step, sizeof s, backward);
    if (record)
        *record = s;
    ch_op_end(r, t, CH_OP_inl_step, 0, 0);
    return s.y;
}
