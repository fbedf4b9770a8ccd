/* linear.c - y = x w^T + bias, for one map or several maps of one input
 *
 *     y (T, N) = x (T, K) w^T + bias  [+ residual]  [+ scale B (A x), rows that choose an adapter]
 *
 * Cost: T N K multiply-adds, and w read once per 64 rows (bfloat16: 256).  x is brought into each
 * row format that the weights' panels ask for once, then all tiles of all maps are tasks of one
 * barrier.  An element is: the product, reduced in the kernels' order; added to the residual if
 * there is one; plus the bias; plus the adapter's product.
 * Weights without panels (training) are packed into scratch for the call, in the run's precision;
 * adapters, whose products are small, in floats.  Backward: linear_backward.c.
 * SPDX-License-Identifier: MIT */
#include "linear.h"

#include <string.h>

typedef struct maps {
    const ch_tensor *x, *residual; /* residual: of the only map, or NULL */
    const int32_t *chosen;         /* adapters, per row */
    int n;
    struct map {
        ch_tensor *y;
        const ch_weight *w;
        real *hidden; /* of its adapters; NULL: there are none */
    } map[];
} maps;

static ch_run in_floats(const ch_run *r)
{
    ch_run exact = *r;
    exact.precision = CH_PRECISION_F32;
    return exact;
}

/* m: what is recorded, or NULL. */
static void forward(ch_run *r, ch_tensor **y, const ch_tensor *x, const ch_weight *const *w, int n,
                    const ch_rows *rows, int flags, const maps *m)
{
    const size_t mark = ch_arena_mark(r->scratch);
    const ch_op_timer t = ch_op_begin(r);
    ch_product *p = ch_arena_take_header(r->scratch, ch_size_mul((size_t)n, sizeof *p));
    ch_encoded encoded = {{0}};
    double macs = 0, bytes = 0;
    for (int i = 0; i < n && r->inputs && ch_op_computes(r); i++)
        r->inputs(r->inputs_arg, w[i], x);
    for (int i = 0; i < n; i++) {
        p[i] = (ch_product){.y = y[i]->data, .ldy = y[i]->stride[0], .flags = flags};
        ch_op_product_weight(r, &p[i], w[i]);
        ch_op_product_rows(r, &p[i], &encoded, x);
        p[i].bias = w[i]->bias ? w[i]->bias->stored.data : NULL;
        const double own = (double)p[i].M * p[i].N * p[i].K;
        macs += own;
        if (r->profile && ch_op_computes(r))
            r->profile->panel_macs[p[i].kind] += own;
        bytes += (double)ch_panels_bytes(p[i].kind, p[i].N, p[i].K);
    }
    if (ch_op_computes(r))
        ch_op_products(r, p, n);
    ch_run exact = in_floats(r);
    for (int i = 0; i < n; i++)
        if (ch_op_adapter_applies(r, w[i], rows))
            ch_op_adapter_forward(&exact, y[i], x, w[i], rows->adapter, &encoded,
                                  m ? m->map[i].hidden : ch_op_adapter_hidden(r, x, w[i]));
    ch_op_end(r, t, CH_OP_linear, macs, bytes);
    ch_arena_reset(r->scratch, mark);
}

/* ---- Backward ----------------------------------------------------------------------------- */

static bool trains(const maps *m)
{
    bool any = false;
    for (int i = 0; i < m->n; i++)
        any |= m->map[i].w->stored.grad != NULL;
    return any;
}

static void backward(ch_run *r, void *record)
{
    maps *m = record;
    ch_run exact = in_floats(r);
    if (m->residual && ch_op_reached(m->map[0].y))
        ch_op_gradient_add(r, m->residual, m->map[0].y->grad);
    const void *xt = trains(m) ? ch_op_linear_rows_transpose(r, m->x) : NULL;
    for (int i = 0; i < m->n; i++) {
        const struct map *a = &m->map[i];
        const size_t mark = ch_arena_mark(r->scratch);
        if (!ch_op_reached(a->y))
            continue;
        const void *wt = m->x->grad ? ch_op_linear_transpose(r, a->w) : NULL;
        ch_op_linear_gradient(r, a->w, m->x, a->y->grad, wt, xt);
        ch_arena_reset(r->scratch, mark);
        if (a->hidden)
            ch_op_adapter_backward(&exact, a->y, m->x, a->w, m->chosen, a->hidden);
        ch_arena_reset(r->scratch, mark);
    }
}

/* Before forward, so that what it keeps outlives what it takes for itself. */
static maps *record_maps(ch_run *r, ch_tensor **y, const ch_tensor *x, const ch_weight *const *w,
                         int n, const ch_rows *rows, const ch_tensor *residual)
{
    maps *m = ch_op_record(r, CH_OP_linear, sizeof *m + (size_t)n * sizeof m->map[0], backward);
    if (!m)
        return NULL;
    m->x = x;
    m->residual = residual;
    m->chosen = rows ? rows->adapter : NULL;
    m->n = n;
    for (int i = 0; i < n; i++)
        m->map[i] = (struct map){
            y[i], w[i],
            ch_op_adapter_applies(r, w[i], rows) ? ch_op_adapter_hidden(r, x, w[i]) : NULL};
    return m;
}

/* ---- The operations ----------------------------------------------------------------------- */

void ch_op_linear_many(ch_run *r, ch_tensor **y, const ch_tensor *x, const ch_weight *const *w,
                       int n, const ch_rows *rows)
{
    for (int i = 0; i < n; i++)
        y[i] = ch_op_output(r, ch_tensor_rows(x), ch_weight_rows(w[i]));
    forward(r, y, x, w, n, rows, 0, record_maps(r, y, x, w, n, rows, NULL));
}

ch_tensor *ch_op_linear(ch_run *r, const ch_tensor *x, const ch_weight *w, const ch_rows *rows)
{
    ch_tensor *y;
    ch_op_linear_many(r, &y, x, &w, 1, rows);
    return y;
}

typedef struct copying {
    ch_tensor *to;
    const ch_tensor *from;
} copying;

static void copy(void *arg, int64_t row0, int64_t row1)
{
    const copying *c = arg;
    for (int64_t t = row0; t < row1; t++)
        memcpy(ch_tensor_row(c->to, t), ch_tensor_row(c->from, t), ch_tensor_row_bytes(c->to));
}

ch_tensor *ch_op_linear_add(ch_run *r, ch_tensor *residual, const ch_tensor *x, const ch_weight *w,
                            const ch_rows *rows)
{
    ch_tensor *y = residual;
    if (r->tape) {
        y = ch_op_output(r, ch_tensor_rows(x), ch_weight_rows(w));
        if (ch_op_computes(r))
            ch_op_for_rows(r, ch_tensor_rows(y), (double)ch_tensor_width(y), copy,
                           &(copying){y, residual});
    }
    forward(r, &y, x, &w, 1, rows, CH_GEMM_ADD, record_maps(r, &y, x, &w, 1, rows, residual));
    return y;
}
