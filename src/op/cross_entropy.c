/* cross_entropy.c - the loss of next-token prediction, without ever holding all logits
 *
 *     z_t = x_t head^T,  nll_t = log sum_v e^z_tv - z_t[target]        x (T, D), head (V, D)
 *     dz_tv = scale (softmax(z_t)_v - (1 - s) [v = target] - s / V)    0 for rows without a target
 *     dx = dz head,  dhead += dz^T x
 *
 * s, label smoothing: the gradient is that of (1 - s) nll_t + s mean_v(-log softmax(z_t)_v)
 * (Szegedy et al. 2016).  Capped logits u = c tanh(z / c) take the place of z (Gemma Team 2024,
 * "Gemma 2"); dz is then du (1 - (u / c)^2), for which a chunk's u are kept.
 *
 * CH_CE_CHUNK rows at a time; a chunk without targets is passed over.  Under a tape a chunk's
 * logits become dz in place and are consumed at once.  Cost: T V D multiply-adds, three times that
 * with gradients.
 *
 * In I16 the target's element is kept apart: beside the one that is near -1 the others, which the
 * sum over v weighs it against, would share its scale and be rounded away.  What it adds to dx and
 * dhead is one row each, in floats.  (The s / V of smoothing stays in: it is lost only beside a p
 * that is thousands of times larger, in whose group it hardly counts.)
 * SPDX-License-Identifier: MIT */
#include "linear.h"

#include <string.h>

enum { COLUMNS = 64 }; /* of dhead, for a task */

typedef struct loss {
    const ch_kernels *kernels;
    const ch_token *target; /* of the chunk's rows */
    ch_tensor *logits;
    double *nll;
    real scale, smoothing, softcap;
    bool gradient; /* logits become dz */
    real *capped;  /* NULL, or the logits as they were before */
    real *apart;   /* NULL, or per row: dz at its target, which is then 0 in dz */
} loss;

/* Row z of logits, capped; kept for the gradient. */
static void cap(const loss *a, real *z, int64_t t, int V)
{
    a->kernels->softcap(z, z, V, 1 / a->softcap, a->softcap);
    if (a->capped)
        memcpy(a->capped + t * V, z, (size_t)V * sizeof *z);
}

/* z, holding the gradient of capped logits, becomes that of logits. */
static void uncap(const loss *a, real *z, int64_t t, int V)
{
    const real *u = a->capped + t * V, inverse = 1 / a->softcap;
    for (int v = 0; v < V; v++)
        z[v] *= 1 - (u[v] * inverse) * (u[v] * inverse);
}

static void one_row(const loss *a, int64_t t)
{
    real *z = ch_tensor_row(a->logits, t), max;
    const int V = (int)ch_tensor_width(a->logits);
    const ch_token target = a->target[t];
    a->nll[t] = 0;
    if (a->apart)
        a->apart[t] = 0;
    if (target < 0) {
        for (int v = 0; a->gradient && v < V; v++)
            z[v] = 0;
        return;
    }
    if (a->softcap > 0)
        cap(a, z, t, V);
    const real chosen = z[target], sum = a->kernels->softmax(z, z, V, &max);
    a->nll[t] = log((double)sum) + ((double)max - (double)chosen);
    if (!a->gradient)
        return;
    const real factor = a->scale / sum, even = a->scale * a->smoothing / (real)V;
    for (int v = 0; v < V; v++)
        z[v] = z[v] * factor - even;
    z[target] -= a->scale * (1 - a->smoothing);
    if (a->capped)
        uncap(a, z, t, V);
    if (a->apart) {
        a->apart[t] = z[target];
        z[target] = 0;
    }
}

static void some_rows(void *arg, int64_t row0, int64_t row1)
{
    for (int64_t t = row0; t < row1; t++)
        one_row(arg, t);
}

static bool has_targets(const ch_token *target, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (target[i] >= 0)
            return true;
    return false;
}

typedef struct head {
    ch_weight packed; /* a copy that has panels */
    const void *wt;   /* panels of its transpose, for dx */
    bool trains;
    bool apart; /* targets' elements of dz */
} head;

/* Packs once what every chunk needs. */
static head open_head(ch_run *r, const ch_tensor *x, const ch_weight *w)
{
    head h = {.packed = *w};
    ch_product p = {0};
    ch_op_product_weight(r, &p, w);
    h.packed.kind = p.kind;
    h.packed.panels = (void *)(uintptr_t)p.panels;
    h.wt = r->tape && x->grad ? ch_op_linear_transpose(r, w) : NULL;
    h.trains = r->tape && w->stored.grad;
    h.apart = r->tape && r->precision == CH_PRECISION_I16;
    return h;
}

/* ---- The targets' elements of dz, apart ----------------------------------------------------- */

typedef struct apart {
    const ch_tensor *x;
    const ch_weight *w;
    const ch_token *target;
    const real *dz;
} apart;

/* dx_t += dz_t head[target] */
static void add_to_rows(void *arg, int64_t row0, int64_t row1)
{
    const apart *a = arg;
    const int64_t D = ch_tensor_width(a->x);
    for (int64_t t = row0; t < row1; t++) {
        if (a->target[t] < 0)
            continue;
        const real *w = (const real *)a->w->stored.data + a->target[t] * D;
        for (int64_t i = 0; i < D; i++)
            a->x->grad[t * D + i] += a->dz[t] * w[i];
    }
}

/* dhead[target] += dz_t x_t, in the order of t, a block of columns */
static void add_to_head(void *arg, int64_t block0, int64_t block1)
{
    const apart *a = arg;
    const int64_t D = ch_tensor_width(a->x), T = ch_tensor_rows(a->x);
    for (int64_t t = 0; t < T; t++) {
        if (a->target[t] < 0)
            continue;
        const real *x = ch_tensor_row(a->x, t);
        real *dw = a->w->stored.grad + a->target[t] * D;
        for (int64_t i = block0 * COLUMNS; i < CH_MIN(block1 * COLUMNS, D); i++)
            dw[i] += a->dz[t] * x[i];
    }
}

static void add_apart(ch_run *r, const apart *a)
{
    const int64_t D = ch_tensor_width(a->x), T = ch_tensor_rows(a->x);
    const ch_weight *bias = a->w->bias;
    if (a->x->grad)
        ch_op_for_rows(r, T, (double)D, add_to_rows, (void *)(uintptr_t)a);
    if (a->w->stored.grad)
        ch_op_for_rows(r, (D + COLUMNS - 1) / COLUMNS, (double)T * COLUMNS, add_to_head,
                       (void *)(uintptr_t)a);
    for (int64_t t = 0; bias && bias->stored.grad && t < T; t++)
        if (a->target[t] >= 0)
            bias->stored.grad[a->target[t]] += a->dz[t];
}

/* ---- The operation -------------------------------------------------------------------------- */

/* r is quiet: what is done here is this operation's own, neither taped nor counted apart. */
static void one_chunk(ch_run *r, const ch_tensor *x, const head *h, loss a)
{
    const size_t mark = ch_arena_mark(r->scratch);
    const int64_t T = ch_tensor_rows(x);
    if (h->apart)
        a.apart = ch_arena_take(r->scratch, (size_t)T * sizeof *a.apart);
    a.logits = ch_op_linear(r, x, &h->packed, NULL);
    if (a.gradient && a.softcap > 0)
        a.capped = ch_arena_take(r->scratch, (size_t)ch_tensor_count(a.logits) * sizeof(real));
    if (ch_op_computes(r))
        ch_op_for_rows(r, T, 4 * (double)ch_tensor_width(a.logits), some_rows, &a);
    if (a.gradient) {
        const void *xt = h->trains ? ch_op_linear_rows_transpose(r, x) : NULL;
        ch_op_linear_gradient(r, &h->packed, x, a.logits->data, h->wt, xt);
    }
    if (h->apart && ch_op_computes(r))
        add_apart(r, &(apart){x, &h->packed, a.target, a.apart});
    ch_arena_reset(r->scratch, mark);
}

void ch_op_cross_entropy(ch_run *r, const ch_tensor *x, const ch_weight *w, const ch_token *target,
                         const ch_loss_spec *spec, double *nll_sum, real *nll)
{
    const ch_op_timer timer = ch_op_begin(r);
    const size_t mark = ch_arena_mark(r->scratch);
    const int64_t T = ch_tensor_rows(x);
    const bool gradient = r->tape != NULL;
    double *each = ch_arena_take(r->scratch, ch_size_mul((size_t)T, sizeof *each));
    ch_run quiet = *r;
    quiet.profile = NULL;
    if (w->panels || w->stored.dtype != CH_REAL)
        quiet.precision = CH_PRECISION_F32;
    const head h = open_head(&quiet, x, w);
    quiet.tape = NULL;
    if (gradient)
        ch_op_gradient_zeroed(r, x);
    *nll_sum = 0;
    for (int64_t t = 0; t < T; t += CH_CE_CHUNK) {
        const int64_t n = CH_MIN(T - t, (int64_t)CH_CE_CHUNK);
        const ch_tensor rows = ch_tensor_slice_rows(x, t, n);
        loss a = {.kernels = r->kernels,
                  .scale = (real)spec->scale,
                  .smoothing = (real)spec->smoothing,
                  .softcap = (real)spec->softcap,
                  .gradient = gradient};
        if (!ch_op_computes(r)) {
            one_chunk(&quiet, &rows, &h, a);
            continue;
        }
        a.target = target + t;
        a.nll = each + t;
        if (has_targets(a.target, n))
            one_chunk(&quiet, &rows, &h, a);
        else
            for (int64_t i = t; i < t + n; i++)
                each[i] = 0;
        for (int64_t i = t; i < t + n; i++) {
            *nll_sum += each[i];
            if (nll)
                nll[i] = (real)each[i];
        }
    }
    const double products = 1 + (h.wt != NULL) + h.trains,
                 weights = (double)ch_tensor_count(&w->stored);
    ch_op_end(
        r, timer, CH_OP_cross_entropy, products * (double)T * weights,
        (double)ch_panels_bytes(h.packed.kind, (int)ch_weight_rows(w), (int)ch_weight_width(w)));
    ch_arena_reset(r->scratch, mark);
}
