/* gc_linear.c - linear maps: bias, residual, several at once, adapters, frozen parts, formats
 *
 * SPDX-License-Identifier: MIT */
#include "gradcheck.h"

typedef struct linear_case {
    ch_tensor *x, *residual;
    ch_weight *w[3];
    int n;
    ch_rows rows;
    const ch_adapters *adapters;
} linear_case;

static double linear_loss(ch_run *r, void *arg)
{
    const linear_case *c = arg;
    const ch_rows rows = gc_rows(r, &c->rows);
    ch_tensor *y[3];
    r->adapters = c->adapters;
    if (c->residual) {
        y[0] = ch_op_linear_add(r, c->residual, c->x, c->w[0], &rows);
        return gc_sum(r, y[0]);
    }
    ch_op_linear_many(r, y, c->x, (const ch_weight *const *)c->w, c->n, &rows);
    double sum = 0;
    for (int i = 0; i < c->n; i++)
        sum += gc_sum(r, y[i]);
    return sum;
}

static void one_shape(int T, int K, int N, bool bias, bool residual, bool frozen)
{
    gc g;
    char what[80];
    snprintf(what, sizeof what, "T %d K %d N %d%s%s%s", T, K, N, bias ? " bias" : "",
             residual ? " residual" : "", frozen ? " frozen" : "");
    gc_open(&g, what);
    linear_case c = {.x = gc_input(&g, "x", T, K), .n = 1, .rows = {.n = T}};
    c.w[0] = gc_matrix(&g, "w", N, K, frozen);
    if (bias)
        c.w[0]->bias = gc_vector(&g, "bias", N, false);
    if (residual)
        c.residual = gc_input(&g, "residual", T, N);
    gc_check(&g, linear_loss, &c);
    gc_close(&g);
}

/* An x without a gradient is skipped, and so are weights that share it with ones that train. */
static void several(bool x_grad)
{
    gc g;
    gc_open(&g, x_grad ? "three maps" : "three maps of an input without gradient");
    linear_case c = {.x = gc_input(&g, "x", 20, 35), .n = 3, .rows = {.n = 20}};
    c.w[0] = gc_matrix(&g, "q", 48, 35, false);
    c.w[1] = gc_matrix(&g, "k", 17, 35, true);
    c.w[2] = gc_matrix(&g, "v", 1, 35, false);
    c.w[1]->bias = gc_vector(&g, "bias of k", 17, false);
    if (!x_grad)
        c.x->grad = g.leaf[0].grad = NULL;
    gc_check(&g, linear_loss, &c);
    gc_close(&g);
}

/* Rows choose adapters of several ranks, none, or one that the weight does not have; `frozen` ones
 * have no gradient. */
static void adapters(int T, int N, bool residual, bool frozen_base)
{
    enum { K = 21 };
    gc g;
    gc_open(&g, "adapters");
    linear_case c = {.x = gc_input(&g, "x", T, K), .n = 1, .rows = {.n = T}};
    c.w[0] = gc_matrix(&g, "w", N, K, frozen_base);
    ch_low_rank low[3];
    ch_adapter a[4] = {{0}}; /* the last knows no map */
    const ch_adapter *each[4];
    static const int rank[3] = {1, 18, 4};
    for (int j = 0; j < 4; j++) {
        if (j < 3)
            low[j] = (ch_low_rank){gc_matrix(&g, "a", rank[j], K, j == 2),
                                   gc_matrix(&g, "b", N, rank[j], false), 0.5 + j};
        if (j < 3)
            a[j] = (ch_adapter){&low[j], 1};
        each[j] = &a[j];
    }
    c.adapters = &(ch_adapters){each, 4};
    int32_t *chosen = gc_ints(&g, T);
    for (int t = 0; t < T; t++)
        chosen[t] = (t * 7 / 3) % 6 - 1;
    c.rows.adapter = chosen;
    if (residual)
        c.residual = gc_input(&g, "residual", T, N);
    gc_check(&g, linear_loss, &c);
    gc_close(&g);
}

/* The base weight is quantized and frozen (what adapters are trained on): dx goes through its
 * decoded values. */
static void quantized(ch_dtype dtype, bool packed)
{
    enum { T = 3, K = 64, N = 20 };
    gc g;
    gc_open(&g, ch_dtype_get(dtype)->name);
    linear_case c = {.x = gc_input(&g, "x", T, K), .n = 1, .rows = {.n = T}};
    float values[N * K];
    for (int i = 0; i < N * K; i++)
        values[i] = (float)gc_normal(&g);
    ch_weight w = {.stored = ch_tensor_2d(gc_take(&g, ch_dtype_bytes(dtype, N * K)), dtype, N, K)};
    ch_dtype_get(dtype)->encode(w.stored.data, values, N * K);
    if (packed)
        ch_weight_pack(&w, gc_take(&g, ch_weight_packed_bytes(&w)), NULL, NULL, NULL);
    c.w[0] = &w;
    gc_check(&g, linear_loss, &c);
    gc_close(&g);
}

/* More rows, inputs and outputs than a slice of panels holds. */
static void long_sums(void)
{
    one_shape(515, 3, 2, true, false, false);
    one_shape(2, 3, 515, false, false, false);
    one_shape(2, 515, 3, false, true, false);
}

void check_linear(void **state)
{
    (void)state;
    one_shape(1, 1, 1, false, false, false);
    one_shape(1, 33, 17, true, false, false);
    one_shape(19, 5, 16, true, true, false);
    one_shape(66, 31, 47, false, true, true);
    one_shape(70, 16, 130, true, false, true);
    long_sums();
    several(true);
    several(false);
    adapters(1, 34, false, true);
    adapters(37, 34, false, true);
    adapters(16, 34, true, false);
    adapters(2, 515, false, true);
    quantized(CH_F16, false);
    quantized(CH_F32, true);
}
