/* cross_entropy.c - the loss of next-token prediction, without ever holding all logits
 *
 *     z_t = x_t head^T,  nll_t = log sum_v e^z_tv - z_t[target]        x (T, D), head (V, D)
 *     dz_tv = scale (softmax(z_t)_v - [v = target])                    0 for rows without a target
 *     dx = dz head,  dhead += dz^T x
 *
 * CH_CE_CHUNK rows at a time; a chunk without targets is passed over.  Under a tape a chunk's
 * logits become dz in place and are consumed at once.  Cost: T V D multiply-adds, three times that
 * with gradients.
 * SPDX-License-Identifier: MIT */
#include "linear.h"

typedef struct loss {
    const ch_kernels *kernels;
    const ch_token *target; /* of the chunk's rows */
    ch_tensor *logits;
    double *nll;
    real scale;
    bool gradient; /* logits become dz */
} loss;

static void one_row(const loss *a, int64_t t)
{
    real *z = ch_tensor_row(a->logits, t), max;
    const int V = (int)ch_tensor_width(a->logits);
    const ch_token target = a->target[t];
    a->nll[t] = 0;
    if (target < 0) {
        for (int v = 0; a->gradient && v < V; v++)
            z[v] = 0;
        return;
    }
    const real chosen = z[target], sum = a->kernels->softmax(z, z, V, &max);
    a->nll[t] = log((double)sum) + ((double)max - (double)chosen);
    if (!a->gradient)
        return;
    const real factor = a->scale / sum;
    for (int v = 0; v < V; v++)
        z[v] *= factor;
    z[target] -= a->scale;
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
    return h;
}

static void one_chunk(ch_run *r, const ch_tensor *x, const head *h, const ch_token *target,
                      real scale, double *nll)
{
    const size_t mark = ch_arena_mark(r->scratch);
    ch_run quiet = *r; /* what follows is this operation's own: neither taped nor counted apart */
    quiet.tape = NULL;
    quiet.profile = NULL;
    loss a = {.kernels = r->kernels,
              .target = target,
              .nll = nll,
              .scale = scale,
              .gradient = r->tape != NULL};
    a.logits = ch_op_linear(&quiet, x, &h->packed, NULL);
    if (ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(x), 4 * (double)ch_tensor_width(a.logits), some_rows, &a);
    if (r->tape) {
        const void *xt = h->trains ? ch_op_linear_rows_transpose(&quiet, x) : NULL;
        ch_op_linear_gradient(&quiet, &h->packed, x, a.logits->data, h->wt, xt);
    }
    ch_arena_reset(r->scratch, mark);
}

void ch_op_cross_entropy(ch_run *r, const ch_tensor *x, const ch_weight *w, const ch_token *target,
                         double scale, double *nll_sum, real *nll)
{
    const ch_op_timer timer = ch_op_begin(r);
    const size_t mark = ch_arena_mark(r->scratch);
    const int64_t T = ch_tensor_rows(x);
    double *each = ch_arena_take(r->scratch, ch_size_mul((size_t)T, sizeof *each));
    const head h = open_head(r, x, w);
    *nll_sum = 0;
    for (int64_t t = 0; t < T; t += CH_CE_CHUNK) {
        const int64_t n = CH_MIN(T - t, (int64_t)CH_CE_CHUNK);
        const ch_tensor rows = ch_tensor_slice_rows(x, t, n);
        if (!ch_op_computes(r)) {
            one_chunk(r, &rows, &h, NULL, 0, each);
            continue;
        }
        if (has_targets(target + t, n))
            one_chunk(r, &rows, &h, target + t, (real)scale, each + t);
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
