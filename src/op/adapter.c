/* adapter.c - low-rank adapters that rows choose (Hu et al. 2021, "LoRA")
 *
 *     h (T, R) = scale A x          A (R, K)         y (T, N) += B h          B (N, R)
 *     dh = scale B^T dy             dB += dy^T h     dA += dh^T x             dx += dh A
 *
 * Each row has at most one adapter; consecutive rows of the same one go through the kernels
 * together, which by their contract changes no bit.  Cost: T R (N + K) multiply-adds.
 * SPDX-License-Identifier: MIT */
#include "linear.h"

enum { COLUMNS = 16 }; /* that a task of a column-wise sum counts as one row */

typedef struct part { /* what one adapter does to this map; rank 0: nothing */
    ch_product a, b;   /* forward: h = x A^T, y += h B^T */
    ch_product bt, at; /* backward: dh = dy B, dx += dh A */
    real *da, *db;     /* gradients, or NULL */
    real scale;
    int rank;
} part;

typedef struct work {
    const ch_run *run;
    const ch_tensor *x;
    const int32_t *chosen;
    part *part;
    int n, most; /* adapters, and the largest rank: h and dh are (T, most) */
    real *h, *dh;
    char *rows; /* h in the row format of B's panels, row_bytes apart */
    size_t row_bytes;
    const real *dy;
    int N;
} work;

bool ch_op_adapter_applies(const ch_run *r, const ch_weight *w, const ch_rows *rows)
{
    bool any = false;
    for (int j = 0; rows && r->adapters && j < r->adapters->n; j++)
        any |= ch_op_low_rank(r, j, w) != NULL;
    return any;
}

static int largest_rank(const ch_run *r, const ch_weight *w)
{
    int64_t most = 1;
    for (int j = 0; j < r->adapters->n; j++) {
        const ch_low_rank *l = ch_op_low_rank(r, j, w);
        most = CH_MAX(most, l ? ch_weight_rows(l->a) : 1);
    }
    return (int)most;
}

static real *take_hidden(ch_run *r, const ch_tensor *x, int most)
{
    const size_t row = (size_t)most * sizeof(real);
    return ch_arena_take(r->scratch, ch_size_mul((size_t)ch_tensor_rows(x), row));
}

static work prepare(ch_run *r, const ch_tensor *x, const ch_weight *w, const int32_t *chosen,
                    ch_encoded *e)
{
    work k = {.run = r,
              .x = x,
              .chosen = chosen,
              .n = r->adapters->n,
              .most = largest_rank(r, w),
              .N = (int)ch_weight_rows(w)};
    k.h = take_hidden(r, x, k.most);
    k.part = ch_arena_take_header(r->scratch, ch_size_mul((size_t)k.n, sizeof *k.part));
    for (int j = 0; j < k.n; j++) {
        const ch_low_rank *l = ch_op_low_rank(r, j, w);
        part *p = &k.part[j];
        *p = (part){0};
        if (!l)
            continue;
        *p = (part){
            .scale = l->scale, .rank = (int)ch_weight_rows(l->a), .a = {.y = k.h, .ldy = k.most}};
        ch_op_product_weight(r, &p->a, l->a);
        ch_op_product_rows(r, &p->a, e, x);
    }
    return k;
}

/* The adapter of row t, or NULL; *end: the first row after it that has another. */
static const part *next_run(const work *k, int64_t t, int64_t stop, int64_t *end)
{
    const int32_t j = k->chosen[t];
    for (*end = t + 1; *end < stop && k->chosen[*end] == j; ++*end)
        ;
    return j >= 0 && j < k->n && k->part[j].rank ? &k->part[j] : NULL;
}

static void scale_rows(real *h, const work *k, const part *p, int64_t t0, int64_t t1)
{
    for (int64_t t = t0; t < t1; t++)
        for (int i = 0; i < p->rank; i++)
            h[t * k->most + i] *= p->scale;
}

/* ---- Forward ------------------------------------------------------------------------------ */

static void forward_rows(void *arg, int64_t row0, int64_t row1)
{
    const work *k = arg;
    for (int64_t t = row0, end; t < row1; t = end) {
        const part *p = next_run(k, t, row1, &end);
        if (!p)
            continue;
        ch_op_product_block(k->run, &p->a, (int)t, (int)end, 0, p->rank);
        scale_rows(k->h, k, p, t, end);
        ch_row_fn *encode = ch_kernel_row(k->run->kernels, p->b.kind);
        for (int64_t i = t; encode && i < end; i++)
            encode(k->rows + (size_t)i * k->row_bytes, k->h + i * k->most, p->rank);
        ch_op_product_block(k->run, &p->b, (int)t, (int)end, 0, k->N);
    }
}

void ch_op_adapter_forward(ch_run *r, ch_tensor *y, const ch_tensor *x, const ch_weight *w,
                           const int32_t *chosen, ch_encoded *e)
{
    work k = prepare(r, x, w, chosen, e);
    for (int j = 0; j < k.n; j++) {
        ch_product *b = &k.part[j].b;
        if (!k.part[j].rank)
            continue;
        *b = (ch_product){.y = y->data, .ldy = y->stride[0], .flags = CH_GEMM_ADD};
        ch_op_product_weight(r, b, ch_op_low_rank(r, j, w)->b);
        k.row_bytes = CH_MAX(k.row_bytes, ch_row_bytes(b->kind, b->K));
    }
    k.rows = ch_arena_take(r->scratch, ch_size_mul((size_t)ch_tensor_rows(x), k.row_bytes));
    for (int j = 0; j < k.n; j++) {
        ch_product *b = &k.part[j].b;
        b->M = (int)ch_tensor_rows(x);
        b->x = b->kind == CH_PANEL_F32 ? (const void *)k.h : k.rows;
        b->ldx =
            b->kind == CH_PANEL_F32 ? k.most * (ptrdiff_t)sizeof(real) : (ptrdiff_t)k.row_bytes;
    }
    if (ch_op_computes(r) && chosen)
        ch_op_for_rows(r, ch_tensor_rows(x), (double)k.most * (k.N + (double)ch_tensor_width(x)),
                       forward_rows, &k);
}

/* ---- Backward ----------------------------------------------------------------------------- */

static void backward_rows(void *arg, int64_t row0, int64_t row1)
{
    const work *k = arg;
    for (int64_t t = row0, end; t < row1; t = end) {
        const part *p = next_run(k, t, row1, &end);
        if (!p)
            continue;
        ch_op_product_block(k->run, &p->a, (int)t, (int)end, 0, p->rank);
        scale_rows(k->h, k, p, t, end);
        ch_op_product_block(k->run, &p->bt, (int)t, (int)end, 0, p->rank);
        scale_rows(k->dh, k, p, t, end);
        if (k->x->grad)
            ch_op_product_block(k->run, &p->at, (int)t, (int)end, 0, p->at.N);
    }
}

static void sum_a(void *arg, int64_t block0, int64_t block1)
{
    const work *k = arg;
    const int64_t K = ch_tensor_width(k->x), T = ch_tensor_rows(k->x);
    for (int64_t t = 0; t < T; t++) {
        const int32_t j = k->chosen[t];
        if (j < 0 || j >= k->n || !k->part[j].da)
            continue;
        const real *x = ch_tensor_row(k->x, t);
        for (int i = 0; i < k->part[j].rank; i++)
            for (int64_t c = block0 * COLUMNS; c < CH_MIN(block1 * COLUMNS, K); c++)
                k->part[j].da[i * K + c] += k->dh[t * k->most + i] * x[c];
    }
}

static void sum_b(void *arg, int64_t block0, int64_t block1)
{
    const work *k = arg;
    const int64_t T = ch_tensor_rows(k->x);
    for (int64_t t = 0; t < T; t++) {
        const int32_t j = k->chosen[t];
        if (j < 0 || j >= k->n || !k->part[j].db)
            continue;
        const part *p = &k->part[j];
        for (int64_t n = block0 * COLUMNS; n < CH_MIN(block1 * COLUMNS, k->N); n++)
            for (int i = 0; i < p->rank; i++)
                p->db[n * p->rank + i] += k->dy[t * k->N + n] * k->h[t * k->most + i];
    }
}

void ch_op_adapter_backward(ch_run *r, const ch_tensor *y, const ch_tensor *x, const ch_weight *w,
                            const int32_t *chosen)
{
    ch_encoded e = {{0}};
    work k = prepare(r, x, w, chosen, &e);
    const ptrdiff_t size = (ptrdiff_t)sizeof(real);
    const int64_t T = ch_tensor_rows(x), K = ch_tensor_width(x);
    k.dh = take_hidden(r, x, k.most);
    k.dy = y->grad;
    for (int j = 0; j < k.n; j++) {
        part *p = &k.part[j];
        const ch_low_rank *l = ch_op_low_rank(r, j, w);
        if (!l)
            continue;
        p->bt = (ch_product){.y = k.dh,
                             .ldy = k.most,
                             .x = k.dy,
                             .ldx = k.N * size,
                             .M = (int)T,
                             .N = p->rank,
                             .K = k.N,
                             .kind = CH_PANEL_F32,
                             .slice = CH_SLICE,
                             .panels = ch_op_linear_transpose(r, l->b)};
        p->at = (ch_product){.y = x->grad,
                             .ldy = K,
                             .x = k.dh,
                             .ldx = k.most * size,
                             .M = (int)T,
                             .N = (int)K,
                             .K = p->rank,
                             .kind = CH_PANEL_F32,
                             .slice = CH_SLICE,
                             .flags = CH_GEMM_ADD,
                             .panels = ch_op_linear_transpose(r, l->a)};
        p->da = l->a->stored.grad;
        p->db = l->b->stored.grad;
    }
    if (!ch_op_computes(r) || !chosen)
        return;
    ch_op_for_rows(r, T, (double)k.most * (k.N + 2 * (double)K), backward_rows, &k);
    ch_op_for_rows(r, (K + COLUMNS - 1) / COLUMNS, (double)T * k.most * COLUMNS, sum_a, &k);
    ch_op_for_rows(r, (k.N + COLUMNS - 1) / COLUMNS, (double)T * k.most * COLUMNS, sum_b, &k);
}
