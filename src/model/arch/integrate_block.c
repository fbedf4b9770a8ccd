/* integrate_block.c - see integrate_block.h.  SPDX-License-Identifier: MIT */
#include "integrate_block.h"

#include <math.h>
#include <string.h>

/* ---- How deep ------------------------------------------------------------------------------- */

int ch_depth_choose(const real *w, const real *b, const real *h, int D, int N, double tolerance)
{
    for (int k = 1; k < N; k++, w += D) {
        real z = b[k - 1];
        for (int i = 0; i < D; i++)
            z += w[i] * h[i];
        if (exp((double)z) < tolerance)
            return k;
    }
    return N;
}

/* In training tokens are told how deep they go. */
static void decide(ch_forward *f, const ch_tensor *x)
{
    const ch_config *c = &f->model->config;
    const ch_plain_globals *g = f->model->globals;
    const bool asked = !f->run->tape && !f->depth && c->integrator.tolerance > 0;
    real *input = f->step->gate_input;
    if (!asked && !input)
        return;
    const ch_tensor *h = ch_block_norm(f, x, NULL);
    if (input && ch_op_computes(f->run))
        memcpy(input, h->data, (size_t)ch_tensor_count(h) * sizeof *input);
    for (int t = 0; asked && ch_op_computes(f->run) && t < f->rows->n; t++)
        f->decided[t] = ch_depth_choose(g->depth_gate.stored.data, g->depth_gate_bias.stored.data,
                                        ch_tensor_row(h, t), c->width, c->integrator.depth,
                                        c->integrator.tolerance);
    if (asked)
        f->depth = f->decided;
}

/* ---- Rows that are still moving ------------------------------------------------------------- */

typedef struct moving {
    ch_tensor *x, *velocity;
    const ch_tensor *start;
    ch_tensor *all;    /* where rows that came to rest lie; at NULL: there are none */
    const int32_t *at; /* of each row, where it stands in `all` */
    ch_tensor *said[3]; /* by the controller: inertia, pull, gate; NULL: nobody asked it */
    ch_rows rows;
} moving;

static ch_rows rows_at(ch_run *r, const ch_rows *all, const int32_t *at, int n)
{
    ch_rows rows = {.n = n};
    if (!r->adapters)
        return rows;
    int32_t *adapter = ch_arena_take(r->scratch, (size_t)n * sizeof *adapter);
    if (!ch_op_computes(r) || !all->adapter)
        return rows;
    for (int i = 0; i < n; i++)
        adapter[i] = all->adapter[at[i]];
    rows.adapter = adapter;
    return rows;
}

/* Without the rows that take k steps or fewer.  A measuring run, which cannot know, has them all
 * copied. */
static void narrow(const ch_forward *f, moving *m, int k)
{
    ch_run *r = f->run;
    const bool computes = ch_op_computes(r);
    int32_t *from = ch_arena_take(r->scratch, (size_t)m->rows.n * sizeof *from);
    int32_t *at = ch_arena_take(r->scratch, (size_t)m->rows.n * sizeof *at);
    int n = computes ? 0 : m->rows.n;
    for (int i = 0; computes && i < m->rows.n; i++) {
        const int32_t row = m->at ? m->at[i] : i;
        if (f->depth[row] > k) {
            from[n] = i;
            at[n++] = row;
        }
    }
    if (computes && n == m->rows.n)
        return;
    m->all = m->at ? ch_op_put_rows(r, m->all, m->x, m->at) : m->x;
    m->x = ch_op_pick_rows(r, m->x, from, n);
    m->start = m->start ? ch_op_pick_rows(r, m->start, from, n) : NULL;
    m->velocity = m->velocity ? ch_op_pick_rows(r, m->velocity, from, n) : NULL;
    for (size_t i = 0; i < CH_COUNT(m->said); i++)
        m->said[i] = m->said[i] ? ch_op_pick_rows(r, m->said[i], from, n) : NULL;
    m->rows = rows_at(r, f->rows, at, n);
    m->at = at;
}

/* ---- Steps ---------------------------------------------------------------------------------- */

static const ch_weight *vector_of(const ch_run *r, const ch_weight *w, int k)
{
    const int64_t D = ch_weight_width(w);
    ch_weight *v = ch_arena_take_header(r->scratch, sizeof *v);
    *v = (ch_weight){.name = w->name, .number = w->number};
    v->stored = ch_tensor_1d((real *)w->stored.data + k * D, CH_REAL, D);
    v->stored.grad = w->stored.grad ? w->stored.grad + k * D : NULL;
    return v;
}

/* The maps that layer l shares, wherever its group keeps them. */
static const ch_ffn_weights *owned(const ch_forward *f, int l, const ch_ffn_weights *w)
{
    const ch_config *c = &f->model->config;
    const int owner = ch_config_owner(c, c->ffn_groups, l);
    return (const ch_ffn_weights *)((const char *)w -
                                    (size_t)(l - owner) * c->arch->layer_bytes);
}

/* The controller that layer l shares, likewise. */
static const ch_integrator_weights *heard_by(const ch_forward *f, int l,
                                             const ch_integrator_weights *s)
{
    const ch_config *c = &f->model->config;
    const int owner = ch_config_owner(c, c->integrator.controller_groups, l);
    return (const ch_integrator_weights *)((const char *)s -
                                           (size_t)(l - owner) * c->arch->layer_bytes);
}

/* What it says of rows that begin at n: inertia and pull, and where they are driven, gate. */
static void ask(ch_forward *f, ch_tensor **said, const ch_tensor *n, int maps,
                const ch_integrator_weights *s)
{
    ch_run *r = f->run;
    const ch_tensor *heard = ch_op_relu2(r, ch_op_linear(r, n, &s->controller, f->rows));
    ch_op_linear_many(r, said, heard,
                      (const ch_weight *const[]){&s->to_inertia, &s->to_pull, &s->to_gate}, maps,
                      f->rows);
}

/* Before step k of the rows of m; inertia and pull: of each row (`rows` apart), or of all. */
static void watch(ch_forward *f, int l, int k, int steps, const moving *m, const ch_op_motion *how,
                  const real *inertia, const real *pull, int64_t apart)
{
    const int64_t D = f->model->config.width;
    const size_t mark = ch_arena_mark(f->run->scratch);
    if (!f->step->watch || f->run->tape || !inertia)
        return;
    real *a = ch_arena_take(f->run->scratch, 3 * (size_t)D * sizeof *a), *p = a + D, *away = p + D;
    const real *gain = how->gain->stored.data;
    for (int t = 0; ch_op_computes(f->run) && t < m->rows.n; t++) {
        const real *force = ch_tensor_row(how->force, t), *x = ch_tensor_row(how->x, t);
        ch_op_integrate_factors(a, p, inertia + t * apart, pull + t * apart, D);
        for (int64_t i = 0; i < D; i++)
            away[i] = gain[i] * force[i];
        for (int64_t i = 0; how->start && i < D; i++)
            away[i] += ch_tensor_row(how->start, t)[i] - x[i];
        f->step->watch(f->step->watch_arg,
                       &(ch_watched){.layer = l, .step = k, .row = m->at ? m->at[t] : t,
                                     .steps = steps, .dt = 1, .alpha = a, .beta = p, .gain = gain,
                                     .away = away,
                                     .v = how->velocity ? ch_tensor_row(how->velocity, t) : NULL});
    }
    ch_arena_reset(f->run->scratch, mark);
}

static void step(ch_forward *f, int l, moving *m, int k, int steps, const ch_ffn_weights *w,
                 const ch_integrator_weights *s)
{
    ch_run *r = f->run;
    const bool inertia = f->model->config.integrator.anchor != CH_ANCHOR_NONE;
    const ch_tensor *n = ch_block_norm(f, m->x, vector_of(r, &s->norm, k));
    const ch_tensor *h = ch_block_hidden(f, n, w, &m->rows);
    const ch_op_motion motion = {.x = m->x,
                              .start = m->start != m->x ? m->start : NULL,
                              .velocity = m->velocity,
                              .force = ch_op_linear(r, h, &w->down, &m->rows),
                              .gain = vector_of(r, &s->gain, k),
                              .inertia = inertia ? vector_of(r, &s->inertia, k) : NULL,
                              .pull = inertia ? &s->pull : NULL};
    watch(f, l, k, steps, m, &motion, inertia ? motion.inertia->stored.data : NULL,
          s->pull.stored.data, 0);
    m->x = ch_op_integrate(r, &motion, inertia && k + 1 < steps ? &m->velocity : NULL);
}

static void watch_driven(ch_forward *f, int l, int steps, const moving *m,
                         const ch_op_driving *how)
{
    const int64_t D = f->model->config.width;
    const size_t mark = ch_arena_mark(f->run->scratch);
    if (!f->step->watch || f->run->tape)
        return;
    real *a = ch_arena_take(f->run->scratch, 4 * (size_t)D * sizeof *a), *p = a + D, *gain = p + D;
    real *away = gain + D;
    for (int t = 0; ch_op_computes(f->run) && t < m->rows.n; t++) {
        ch_op_drive_factors(a, p, gain, away, how, t);
        f->step->watch(f->step->watch_arg,
                       &(ch_watched){.layer = l, .step = how->number - 1,
                                     .row = m->at ? m->at[t] : t, .steps = steps, .dt = 1,
                                     .alpha = a, .beta = p, .gain = gain, .away = away,
                                     .v = how->velocity ? ch_tensor_row(how->velocity, t) : NULL});
    }
    ch_arena_reset(f->run->scratch, mark);
}

static void step_driven(ch_forward *f, int l, moving *m, int k, int steps, const ch_ffn_weights *w,
                        const ch_integrator_weights *s)
{
    ch_run *r = f->run;
    const bool excited = f->model->config.integrator.excited > 0;
    const ch_tensor *n = ch_block_norm(f, m->x, vector_of(r, &s->norm, k));
    if (k == 0)
        ask(f, m->said, n, 3, heard_by(f, l, s));
    const ch_tensor *h = ch_block_hidden(f, n, w, &m->rows);
    const ch_op_driving how = {.x = m->x,
                               .start = k > 0 ? m->start : NULL,
                               .velocity = m->velocity,
                               .force = ch_op_linear(r, h, &w->down, &m->rows),
                               .said = {m->said[0], m->said[1], m->said[2]},
                               .gain = vector_of(r, &s->gain, k),
                               .scale = &s->scale,
                               .shift = &s->shift,
                               .size = excited ? &s->size : NULL,
                               .speed = &s->speed,
                               .phase = &s->phase,
                               .number = k + 1};
    watch_driven(f, l, steps, m, &how);
    m->x = ch_op_drive(r, &how, k + 1 < steps ? &m->velocity : NULL);
}

static ch_tensor *closed(ch_forward *f, int l, ch_tensor *x, int depth, const ch_ffn_weights *w,
                         const ch_integrator_weights *s)
{
    ch_run *r = f->run;
    const ch_tensor *n = ch_block_norm(f, x, vector_of(r, &s->norm, 0));
    const ch_tensor *h = ch_block_hidden(f, n, w, f->rows);
    ch_tensor *said[2];
    ask(f, said, n, 2, s);
    const ch_op_settling how = {.x = x,
                                .force = ch_op_linear(r, h, &w->down, f->rows),
                                .inertia = said[0],
                                .pull = said[1],
                                .gain = vector_of(r, &s->gain, 0),
                                .steps = depth};
    const ch_op_motion motion = {.x = x, .force = how.force, .gain = how.gain};
    watch(f, l, 0, depth, &(moving){.x = x, .rows = *f->rows}, &motion, said[0]->data,
          said[1]->data, ch_config_letter(&f->model->config, 'D'));
    return ch_op_settle_closed(r, &how);
}

/* Behind the gate rows differ. */
static void tell(const ch_forward *f, int l, int steps)
{
    const int n = f->rows->n;
    int32_t *spent = ch_op_computes(f->run) ? f->step->spent : NULL;
    for (int t = 0; spent && f->depth && l >= f->model->config.integrator.gate_layer && t < n; t++)
        spent[(ptrdiff_t)l * n + t] = CH_MIN(f->depth[t], steps);
}

ch_tensor *ch_block_integrate(ch_forward *f, int l, ch_tensor *x, const ch_ffn_weights *w,
                              const ch_integrator_weights *s)
{
    const ch_integrator_config *c = &f->model->config.integrator;
    const ch_ffn_weights *maps = owned(f, l, w);
    if (c->depth == 0)
        return ch_block_shared_ffn(f, x, &w->norm, maps);
    if (c->anchor == CH_ANCHOR_CLOSED)
        return closed(f, l, x, c->depth, maps, s);
    if (c->gate_layer > 0 && l == c->gate_layer)
        decide(f, x);
    const int steps = l < c->gate_layer ? 1 : c->depth;
    const bool driven = c->anchor == CH_ANCHOR_DRIVEN;
    moving m = {.x = x, .start = driven || c->anchor == CH_ANCHOR_START ? x : NULL,
                .rows = *f->rows};
    for (int k = 0; k < steps; k++) {
        if (k > 0 && (f->depth || !ch_op_computes(f->run)))
            narrow(f, &m, k);
        if (m.rows.n == 0)
            break;
        if (driven)
            step_driven(f, l, &m, k, steps, maps, s);
        else
            step(f, l, &m, k, steps, maps, s);
    }
    tell(f, l, steps);
    return m.at ? ch_op_put_rows(f->run, m.all, m.x, m.at) : m.x;
}
