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

static void step(ch_forward *f, moving *m, int k, int steps, const ch_ffn_weights *w,
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
    m->x = ch_op_integrate(r, &motion, inertia && k + 1 < steps ? &m->velocity : NULL);
}

static ch_tensor *closed(ch_forward *f, const ch_tensor *x, int depth, const ch_ffn_weights *w,
                         const ch_integrator_weights *s)
{
    ch_run *r = f->run;
    const ch_tensor *n = ch_block_norm(f, x, vector_of(r, &s->norm, 0));
    const ch_tensor *h = ch_block_hidden(f, n, w, f->rows);
    const ch_tensor *heard = ch_op_relu2(r, ch_op_linear(r, n, &s->controller, f->rows));
    ch_tensor *said[2];
    ch_op_linear_many(r, said, heard, (const ch_weight *const[]){&s->to_inertia, &s->to_pull}, 2,
                      f->rows);
    return ch_op_settle_closed(r, &(ch_op_settling){.x = x,
                                                    .force = ch_op_linear(r, h, &w->down, f->rows),
                                                    .inertia = said[0],
                                                    .pull = said[1],
                                                    .gain = vector_of(r, &s->gain, 0),
                                                    .steps = depth});
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
        return closed(f, x, c->depth, maps, s);
    if (c->gate_layer > 0 && l == c->gate_layer)
        decide(f, x);
    const int steps = l < c->gate_layer ? 1 : c->depth;
    moving m = {.x = x, .start = c->anchor == CH_ANCHOR_START ? x : NULL, .rows = *f->rows};
    for (int k = 0; k < steps; k++) {
        if (k > 0 && (f->depth || !ch_op_computes(f->run)))
            narrow(f, &m, k);
        if (m.rows.n == 0)
            break;
        step(f, &m, k, steps, maps, s);
    }
    tell(f, l, steps);
    return m.at ? ch_op_put_rows(f->run, m.all, m.x, m.at) : m.x;
}
