/* muon.c - momentum, then the nearest matrix whose singular values are all about one
 *
 *   M = mu M + (1 - mu) G       U = (1 - mu) G + mu M            (Nesterov)
 *   X = U / |U|                 transposed where U is tall, so that X X^T is the small square
 *   5 times:  A = X X^T,  X = a X + (b A + c A A) X              (Newton-Schulz)
 *   W = W - lr (sqrt(max(1, rows / columns)) X + wd W)
 *
 * Jordan 2024 ("Muon: an optimizer for hidden layers"), with its a, b, c: they take every singular
 * value above about 0.01 |U| to between 0.68 and 1.14, and no further.  A matrix (n, k), n <= k,
 * costs 5 (3 n^2 k + n^3) operations.  A task is a matrix, whole, so threads change no bits.
 * SPDX-License-Identifier: MIT */
#include "train.h"

#include <stdlib.h>
#include <string.h>

enum { ITERATIONS = 5 };

typedef struct matrix_work {
    real *x, *y;    /* (n, k) */
    real *a, *b;    /* (n, n) */
    int n, k;
    bool tall;      /* x is the transposed */
} matrix_work;

static matrix_work take_work(ch_arena *scratch, int rows, int cols)
{
    matrix_work w = {
        .n = CH_MIN(rows, cols), .k = CH_MAX(rows, cols), .tall = rows > cols};
    const size_t long_side = (size_t)w.n * (size_t)w.k * sizeof(real),
                 square = (size_t)w.n * (size_t)w.n * sizeof(real);
    w.x = ch_arena_take(scratch, long_side);
    w.y = ch_arena_take(scratch, long_side);
    w.a = ch_arena_take(scratch, square);
    w.b = ch_arena_take(scratch, square);
    return w;
}

/* Momentum, and the update's direction into x with norm 1; false where it is all zeros. */
static bool start(const matrix_work *w, real *m, const real *g, int rows, int cols, real scale,
                  real mu)
{
    double sum = 0;
    for (int i = 0; i < rows; i++) {
        real row_sum[8] = {0};
        for (int j = 0; j < cols; j++) {
            const int64_t at = (int64_t)i * cols + j;
            const real d = (1 - mu) * (g[at] * scale);
            m[at] = mu * m[at] + d;
            const real u = d + mu * m[at];
            w->x[w->tall ? (int64_t)j * rows + i : at] = u;
            row_sum[j % 8] += u * u;
        }
        for (int l = 0; l < 8; l++)
            sum += (double)row_sum[l];
    }
    if (!(sum > 0))
        return false;
    const real to_one = (real)(1 / sqrt(sum));
    for (int64_t i = 0; i < (int64_t)rows * cols; i++)
        w->x[i] *= to_one;
    return true;
}

static void iterate(ch_run *r, const matrix_work *w)
{
    const real a = (real)3.4445, b = (real)-4.7750, c = (real)2.0315;
    const int64_t square = (int64_t)w->n * w->n, all = (int64_t)w->n * w->k;
    for (int i = 0; i < ITERATIONS; i++) {
        ch_op_matmul_square(r, w->a, w->x, w->n, w->k);
        ch_op_matmul_square(r, w->b, w->a, w->n, w->n); /* a is its own transposed */
        for (int64_t j = 0; ch_op_computes(r) && j < square; j++)
            w->b[j] = b * w->a[j] + c * w->b[j];
        ch_op_matmul(r, w->y, w->b, w->x, w->n, w->k, w->n, true);
        for (int64_t j = 0; ch_op_computes(r) && j < all; j++)
            w->x[j] = a * w->x[j] + w->y[j];
    }
}

typedef struct updating {
    ch_muon *o;
    real *p;
    const real *g;
    real scale;
    double lr;
} updating;

static void update_matrix(void *arg, int task, int thread)
{
    const updating *u = arg;
    const ch_muon_matrix *m = &u->o->matrix[task];
    ch_run run = {.scratch = &u->o->scratch[thread], .kernels = u->o->kernels};
    const matrix_work w = take_work(run.scratch, m->rows, m->cols);
    real *p = u->p + m->at;
    const double shape = sqrt(CH_MAX(1.0, (double)m->rows / m->cols));
    const bool moves = start(&w, u->o->momentum + m->at, u->g + m->at, m->rows, m->cols, u->scale,
                             (real)u->o->mu);
    if (moves)
        iterate(&run, &w);
    const real step = moves ? (real)(u->lr * shape) : 0,
               decay = (real)(u->lr * u->o->weight_decay);
    for (int i = 0; i < m->rows; i++)
        for (int j = 0; j < m->cols; j++) {
            const int64_t at = (int64_t)i * m->cols + j;
            const real x = moves ? w.x[w.tall ? (int64_t)j * m->rows + i : at] : 0;
            p[at] = p[at] - (step * x + decay * p[at]);
        }
    ch_arena_reset(run.scratch, 0);
}

void ch_muon_step(ch_muon *o, real *p, const real *g, double scale, double lr, ch_pool *pool)
{
    updating u = {o, p, g, (real)scale, lr};
    ch_pool_run(pool, update_matrix, &u, o->matrices);
}

/* Expensive ones first: whoever comes last waits for little. */
static int by_cost(const void *a, const void *b)
{
    const ch_muon_matrix *x = a, *y = b;
    const double n = CH_MIN(x->rows, x->cols), m = CH_MIN(y->rows, y->cols);
    const double cost = n * x->rows * x->cols - m * y->rows * y->cols;
    return cost > 0 ? -1 : cost < 0 ? 1 : x->at < y->at ? -1 : 1;
}

int ch_muon_open(ch_muon *o, const ch_kernels *kernels, ch_pool *pool, ch_err *e)
{
    size_t most = 0;
    qsort(o->matrix, (size_t)o->matrices, sizeof *o->matrix, by_cost);
    for (int i = 0; i < o->matrices; i++) {
        ch_arena measure;
        ch_arena_measure(&measure);
        ch_run run = {.scratch = &measure, .kernels = kernels};
        const matrix_work w = take_work(&measure, o->matrix[i].rows, o->matrix[i].cols);
        iterate(&run, &w);
        most = CH_MAX(most, measure.peak);
        ch_arena_close(&measure);
    }
    o->kernels = kernels;
    o->threads = ch_pool_threads(pool);
    o->scratch = calloc((size_t)o->threads, sizeof *o->scratch);
    int rc = o->scratch ? CH_OK : ch_fail(e, CH_ENOMEM, "no memory for Muon's scratch");
    for (int i = 0; i < o->threads && rc == CH_OK; i++)
        rc = ch_arena_open(&o->scratch[i], most, e);
    if (rc < 0)
        ch_muon_close(o);
    return rc;
}

void ch_muon_close(ch_muon *o)
{
    for (int i = 0; i < o->threads && o->scratch; i++)
        ch_arena_close(&o->scratch[i]);
    free(o->scratch);
    free(o->matrix);
    *o = (ch_muon){0};
}
