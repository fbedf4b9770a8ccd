/* inl.c - see inl.h
 *
 *   x = x0, v = 0;  n times:  o = W2 relu(W1 [h; x; v] + b1) + b2,  x, v = step(x, v; o)
 *
 * W1 (64, 3D), W2 (3D, 64); the step is in op/inl_step.c.  In inference rows may end before n
 * (ch_inl_stop); in training they never do, as in the published code.
 * SPDX-License-Identifier: MIT */
#include "inl.h"

#include <string.h>

void ch_inl_small(ch_config *c)
{
    c->tied = false;
    c->rank = c->rank > 0 ? c->rank : CH_MAX(64, c->width / 8);
}

/* ---- Embedding ------------------------------------------------------------------------------- */

/* Rows that enter as vectors are D wide: the table gives zeros for them, and they come in after the
 * map. */
static const real *const *zeros_for_vectors(ch_forward *f, int64_t width)
{
    const ch_rows *rows = f->rows;
    const real **at = ch_arena_take(f->run->scratch, (size_t)rows->n * sizeof *at);
    real *zeros = ch_arena_take_zero(f->run->scratch, (size_t)width * sizeof *zeros);
    if (!ch_op_computes(f->run) || !rows->vector)
        return NULL;
    for (int t = 0; t < rows->n; t++)
        at[t] = rows->vector[t] ? zeros : NULL;
    return at;
}

ch_tensor *ch_inl_embed(ch_forward *f, const ch_weight *table, const ch_weight *up)
{
    const ch_rows *rows = f->rows;
    if (!up->stored.data)
        return ch_op_embed(f->run, table, rows);
    const ch_rows low = {.n = rows->n,
                         .id = rows->id,
                         .vector = zeros_for_vectors(f, ch_weight_width(table))};
    ch_tensor *x = ch_op_linear(f->run, ch_op_embed(f->run, table, &low), up, rows);
    for (int t = 0; low.vector && t < rows->n; t++)
        if (rows->vector[t])
            memcpy(ch_tensor_row(x, t), rows->vector[t], ch_tensor_row_bytes(x));
    return x;
}

/* ---- The branch ------------------------------------------------------------------------------ */

/* Rows that have ended, or, by CH_INL_REFERENCE, may. */
typedef struct ending {
    const ch_inl *how;
    int n, left;
    uint8_t *ended;
    real *moved;
    int32_t *spent; /* of this layer, or NULL */
} ending;

static ending begin(ch_forward *f, int layer)
{
    const ch_inl *how = &f->model->config.inl;
    ending e = {.how = how, .n = f->rows->n, .left = f->rows->n};
    if (f->run->tape)
        return e;
    e.ended = ch_arena_take_zero(f->run->scratch, (size_t)e.n);
    e.moved = ch_arena_take(f->run->scratch, (size_t)e.n * sizeof *e.moved);
    if (ch_op_computes(f->run) && f->step->spent)
        e.spent = f->step->spent + (ptrdiff_t)layer * e.n;
    return e;
}

/* After step number i of n: does another one follow? */
static bool goes_on(ending *e, int i, int n)
{
    const bool each = e->how->stop == CH_INL_TOKEN;
    for (int t = 0; e->spent && t < e->n; t++)
        if (!each || !e->ended[t])
            e->spent[t] = i + 1;
    if (e->how->stop != CH_INL_FIXED && i >= e->how->min_steps)
        for (int t = 0; t < e->n; t++)
            if (!e->ended[t] && (double)e->moved[t] < e->how->threshold) {
                e->ended[t] = 1;
                e->left--;
            }
    return i + 1 < n && e->left > 0;
}

/* Only what x lacks is told of rows that ended, and with o NULL, when the last step is done. */
static void watch(ch_forward *f, int layer, int i, const ch_tensor *u, const ch_tensor *o,
                  const ch_inl_step *how)
{
    const int D = f->model->config.width;
    const size_t mark = ch_arena_mark(f->run->scratch);
    if (!f->step->watch || f->run->tape)
        return;
    real *k = ch_arena_take(f->run->scratch, 5 * (size_t)D * sizeof *k), *away = k + 4 * D;
    for (int t = 0; ch_op_computes(f->run) && t < f->rows->n; t++) {
        const real *x = ch_tensor_row(u, t) + D;
        const bool moves = o && !(how->frozen && how->frozen[t]);
        ch_op_inl_factors(f->run, k, ch_tensor_row(o ? o : u, t), D, how);
        for (int j = 0; j < D; j++)
            away[j] = k[3 * D + j] - x[j];
        f->step->watch(f->step->watch_arg,
                       &(ch_watched){.layer = layer, .step = i, .row = t,
                                     .steps = f->model->config.inl.steps[layer],
                                     .dt = (double)how->step, .alpha = moves ? k : NULL,
                                     .beta = moves ? k + D : NULL,
                                     .gate = moves ? k + 2 * D : NULL, .away = away,
                                     .v = i > 0 ? x + D : NULL});
    }
    ch_arena_reset(f->run->scratch, mark);
}

ch_tensor *ch_inl_branch(ch_forward *f, int layer, const ch_tensor *x, const ch_tensor *h,
                         const ch_inl_weights *w)
{
    const ch_config *c = &f->model->config;
    const int D = c->width, n = c->inl.steps[layer];
    ch_run *r = f->run;
    ending e = begin(f, layer);
    const ch_inl_step how = {.mu = &w->mu,
                             .offsets = &w->offsets,
                             .group = c->inl.group,
                             .step = (real)c->inl.step,
                             .frozen = c->inl.stop == CH_INL_TOKEN ? e.ended : NULL,
                             .moved = e.moved};
    ch_tensor *u = ch_op_join(r, h, x, 3 * (int64_t)D);
    int taken = 0;
    for (int i = 0; i < n; i++) {
        const size_t mark = ch_arena_mark(r->scratch);
        const ch_tensor *z = ch_op_relu(r, ch_op_linear(r, u, &w->in, f->rows));
        const ch_tensor *o = ch_op_linear(r, z, &w->out, f->rows);
        watch(f, layer, taken++, u, o, &how);
        u = ch_op_inl_step(r, u, o, &how);
        if (r->tape)
            continue;
        ch_arena_reset(r->scratch, mark);
        if (ch_op_computes(r) && !goes_on(&e, i, n))
            break;
    }
    watch(f, layer, taken, u, NULL, &how);
    return ch_op_columns(r, u, D, D);
}
