/* adapter.c - low-rank adapters that rows choose (Hu et al. 2021, "LoRA")
 *
 *     h (T, R) = scale A x          A (R, K)         y (T, N) += B h          B (N, R)
 *     dh = scale B^T dy             dB += dy^T h     dA += dh^T x             dx += dh A
 *
 * Each row has at most one adapter; consecutive rows of the same one go through the kernels
 * together, which by their contract changes no bit.  Cost: T R (N + K) multiply-adds, backward
 * twice that; h is kept for it.  dA and dB are sums over rows: h and dh, thin, are transposed
 * whole (zeros for rows of other adapters); x and dy become panels a cacheful at a time, in the
 * task that sums.
 * SPDX-License-Identifier: MIT */
#include "linear.h"

#include <stdalign.h>
#include <string.h>

enum {
    COLUMNS = 32, /* of a sum over rows, for a task */
    STRETCH = 256, /* rows of it at a time: 32 KB of panels */
    MACS_AT_ONCE = 16 /* by kernels, in the time of one operation that ch_op_for_rows counts */
};

typedef struct part { /* what one adapter does to this map; rank 0: nothing */
    ch_product a, b;   /* forward: h = x A^T, y += h B^T */
    ch_product bt, at; /* backward: dh = dy B, dx += dh A */
    real *da, *db;     /* gradients, or NULL */
    real *ht, *dht;    /* backward: h and dh transposed (rank, T) */
    real *dbt;         /* (rank, N), what is added to db */
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

real *ch_op_adapter_hidden(ch_run *r, const ch_tensor *x, const ch_weight *w)
{
    const size_t row = (size_t)largest_rank(r, w) * sizeof(real);
    return ch_arena_take(r->scratch, ch_size_mul((size_t)ch_tensor_rows(x), row));
}

static work prepare(ch_run *r, const ch_tensor *x, const ch_weight *w, const int32_t *chosen,
                    real *h)
{
    work k = {.run = r,
              .x = x,
              .chosen = chosen,
              .n = r->adapters->n,
              .most = largest_rank(r, w),
              .h = h,
              .N = (int)ch_weight_rows(w)};
    k.part = ch_arena_take_header(r->scratch, ch_size_mul((size_t)k.n, sizeof *k.part));
    for (int j = 0; j < k.n; j++) {
        const ch_low_rank *l = ch_op_low_rank(r, j, w);
        k.part[j] = (part){0};
        if (l) {
            k.part[j].scale = l->scale;
            k.part[j].rank = (int)ch_weight_rows(l->a);
        }
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
                           const int32_t *chosen, ch_encoded *e, real *h)
{
    work k = prepare(r, x, w, chosen, h);
    for (int j = 0; j < k.n; j++) {
        ch_product *a = &k.part[j].a, *b = &k.part[j].b;
        if (!k.part[j].rank)
            continue;
        *a = (ch_product){.y = k.h, .ldy = k.most};
        ch_op_product_weight(r, a, ch_op_low_rank(r, j, w)->a);
        ch_op_product_rows(r, a, e, x);
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
        ch_op_for_rows(r, ch_tensor_rows(x),
                       (double)k.most * (k.N + (double)ch_tensor_width(x)) / MACS_AT_ONCE,
                       forward_rows, &k);
}

/* ---- Backward ----------------------------------------------------------------------------- */

static void backward_rows(void *arg, int64_t row0, int64_t row1)
{
    const work *k = arg;
    const int64_t T = ch_tensor_rows(k->x);
    for (int64_t t = row0, end; t < row1; t = end) {
        const part *p = next_run(k, t, row1, &end);
        if (!p)
            continue;
        ch_op_product_block(k->run, &p->bt, (int)t, (int)end, 0, p->rank);
        scale_rows(k->dh, k, p, t, end);
        if (k->x->grad)
            ch_op_product_block(k->run, &p->at, (int)t, (int)end, 0, p->at.N);
        ch_transpose_fn *transpose = k->run->kernels->transpose;
        if (p->db)
            transpose(p->ht + t, T, k->h + t * k->most, k->most, (int)(end - t), p->rank);
        if (p->da)
            transpose(p->dht + t, T, k->dh + t * k->most, k->most, (int)(end - t), p->rank);
    }
}

/* to (rank, width) (+)= left (rank, T) rows (T, width), COLUMNS columns from n0. */
static void sum_rows(const work *k, real *to, const real *left, int rank, const real *rows,
                     ptrdiff_t ld, int width, int n0, bool add)
{
    alignas(CH_ARENA_ALIGN) real panels[STRETCH * COLUMNS];
    const int T = (int)ch_tensor_rows(k->x), n = CH_MIN(COLUMNS, width - n0);
    for (int t = 0; t < T; t += STRETCH) {
        const int length = CH_MIN(STRETCH, T - t);
        ch_panel_pack_real(panels, rows + t * ld + n0, 1, ld, n, length, 0, n);
        const ch_product p = {.y = to + n0,
                              .ldy = width,
                              .x = left + t,
                              .ldx = T * (ptrdiff_t)sizeof(real),
                              .panels = panels,
                              .kind = CH_PANEL_F32,
                              .M = rank,
                              .N = n,
                              .K = length,
                              .flags = add || t ? CH_GEMM_ADD : 0};
        ch_op_product_block(k->run, &p, 0, rank, 0, n);
    }
}

static int column_blocks(int64_t width)
{
    return (int)((width + COLUMNS - 1) / COLUMNS);
}

static void sum_a(const work *k, const part *p, int c0)
{
    sum_rows(k, p->da, p->dht, p->rank, k->x->data, k->x->stride[0], (int)ch_tensor_width(k->x),
             c0, true);
}

static void sum_b(const work *k, const part *p, int n0)
{
    sum_rows(k, p->dbt, p->ht, p->rank, k->dy, k->N, k->N, n0, false);
    for (ptrdiff_t n = n0; n < CH_MIN(n0 + COLUMNS, k->N); n++)
        for (int i = 0; i < p->rank; i++)
            p->db[n * p->rank + i] += p->dbt[(ptrdiff_t)i * k->N + n];
}

/* Blocks of A's columns, then of B's rows. */
static void sum_blocks(void *arg, int64_t block0, int64_t block1)
{
    const work *k = arg;
    const int of_a = column_blocks(ch_tensor_width(k->x));
    for (int block = (int)block0; block < block1; block++)
        for (int j = 0; j < k->n; j++) {
            const part *p = &k->part[j];
            if (block < of_a && p->da)
                sum_a(k, p, block * COLUMNS);
            if (block >= of_a && p->db)
                sum_b(k, p, (block - of_a) * COLUMNS);
        }
}

/* Zeros: for rows that do not choose this adapter. */
static real *take_transposed(ch_run *r, int rank, int64_t T)
{
    const size_t bytes = ch_size_mul(ch_size_mul((size_t)rank, (size_t)T), sizeof(real));
    real *t = ch_arena_take(r->scratch, bytes);
    if (ch_op_computes(r))
        memset(t, 0, bytes);
    return t;
}

static void take_sums(ch_run *r, part *p, const ch_low_rank *l, int64_t T, int N)
{
    p->da = l->a->stored.grad;
    p->db = l->b->stored.grad;
    if (p->da)
        p->dht = take_transposed(r, p->rank, T);
    if (p->db) {
        p->ht = take_transposed(r, p->rank, T);
        p->dbt = ch_arena_take(
            r->scratch, ch_size_mul(ch_size_mul((size_t)p->rank, (size_t)N), sizeof(real)));
    }
}

void ch_op_adapter_backward(ch_run *r, const ch_tensor *y, const ch_tensor *x, const ch_weight *w,
                            const int32_t *chosen, real *h)
{
    work k = prepare(r, x, w, chosen, h);
    const ptrdiff_t size = (ptrdiff_t)sizeof(real);
    const int64_t T = ch_tensor_rows(x), K = ch_tensor_width(x);
    k.dh = ch_op_adapter_hidden(r, x, w);
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
        take_sums(r, p, l, T, k.N);
    }
    if (!ch_op_computes(r) || !chosen || T == 0)
        return;
    ch_op_for_rows(r, T, (double)k.most * (k.N + (double)K) / MACS_AT_ONCE, backward_rows, &k);
    ch_op_for_rows(r, column_blocks(K) + column_blocks(k.N),
                   (double)T * k.most * COLUMNS / MACS_AT_ONCE, sum_blocks, &k);
}
