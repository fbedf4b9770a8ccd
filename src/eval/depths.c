/* depths.c - see depths.h.  SPDX-License-Identifier: MIT */
#include "depths.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static ch_step step_of(const ch_depths *d, int64_t at, int n)
{
    return (ch_step){.rows = {.n = n, .id = d->id + at, .pos = d->pos + at, .first = d->first + at},
                     .context = d->window};
}

static ch_run run_of(ch_depths *d)
{
    return (ch_run){.scratch = &d->scratch, .pool = d->pool, .kernels = &d->kernels};
}

static int rows_at(const ch_depths *d, int64_t at)
{
    return (int)CH_MIN((int64_t)d->window, d->rows - at);
}

/* ---- Opening -------------------------------------------------------------------------------- */

static int check_ids(const ch_model *m, const ch_tokens *ids, ch_err *e)
{
    for (size_t i = 0; i < ids->n; i++)
        if (ids->id[i] < 0 || ids->id[i] >= m->config.vocab)
            return ch_fail(e, CH_EARG, "token %zu is %d, the vocabulary has 0 to %d", i,
                           (int)ids->id[i], m->config.vocab - 1);
    return CH_OK;
}

static void cut(ch_depths *d, ch_windows *w)
{
    for (int n, first; ch_windows_next(w, d->id + d->rows, &n, &first); d->rows += n)
        for (int t = 0; t < n; t++) {
            const int64_t row = d->rows + t;
            d->pos[row] = t;
            d->target[row] = t + 1 >= first && t + 1 < n ? d->id[row + 1] : -1;
        }
}

/* Scratch of a window's logits, twice. */
static size_t measure(ch_depths *d)
{
    ch_arena arena;
    ch_arena_measure(&arena);
    ch_run r = {.scratch = &arena, .pool = d->pool, .kernels = &d->kernels};
    const ch_step s = {.rows = {.n = d->window}, .context = d->window};
    ch_forward_logits(&r, d->model, &s);
    ch_forward_logits(&r, d->model, &s);
    const size_t peak = arena.peak;
    ch_arena_close(&arena);
    return peak;
}

int ch_depths_open(ch_depths *d, const ch_model *m, ch_pool *pool, ch_windows *w, ch_err *e)
{
    *d = (ch_depths){.model = m, .pool = pool, .window = w->window};
    const size_t most = w->ids.n + w->ids.n / (size_t)w->stride + (size_t)w->window;
    unsigned features = 0;
    int rc = check_ids(m, &w->ids, e);
    if (rc == CH_OK)
        rc = ch_cpu_features(&features, NULL, e);
    if (rc < 0)
        return rc;
    ch_kernels_init(&d->kernels, features);
    d->id = calloc(most, 2 * sizeof *d->id);
    d->pos = calloc(most, 2 * sizeof *d->pos);
    d->depth = calloc((size_t)d->window, 2 * sizeof *d->depth);
    d->floats = calloc(2 * (size_t)ch_pool_threads(pool), (size_t)m->config.vocab * sizeof(float));
    if (!d->id || !d->pos || !d->depth || !d->floats)
        rc = ch_fail(e, CH_ENOMEM, "no memory for %zu rows", most);
    if (rc == CH_OK) {
        d->target = d->id + most;
        d->first = d->pos + most; /* zeros: a window is a document */
        cut(d, w);
    }
    if (rc == CH_OK)
        rc = ch_arena_open(&d->scratch, measure(d), e);
    if (rc < 0)
        ch_depths_close(d);
    return rc;
}

void ch_depths_close(ch_depths *d)
{
    free(d->id);
    free(d->pos);
    free(d->depth);
    free(d->floats);
    ch_arena_close(&d->scratch);
    *d = (ch_depths){0};
}

/* ---- Running -------------------------------------------------------------------------------- */

/* A row of logits as scores read them, in one of a thread's two places. */
static const float *floats(const ch_depths *d, const ch_tensor *z, int row, int thread, int place)
{
    const int V = d->model->config.vocab;
    float *to = d->floats + (2 * (ptrdiff_t)thread + place) * V;
    const real *from = ch_tensor_row(z, row);
    for (int i = 0; i < V; i++)
        to[i] = (float)from[i];
    return to;
}

typedef struct scoring {
    const ch_depths *d;
    const ch_tensor *p, *q;
    const ch_token *target;
    double *out;
} scoring;

static void score(void *arg, int row, int thread)
{
    const scoring *c = arg;
    if (c->target[row] >= 0)
        c->out[row] = ch_eval_nll(floats(c->d, c->p, row, thread, 0), c->d->model->config.vocab,
                                  c->target[row]);
    else
        c->out[row] = 0;
}

double ch_depths_nll(ch_depths *d, const int32_t *depth, double *nll)
{
    const uint64_t began = ch_clock_ns();
    for (int64_t at = 0; at < d->rows; at += d->window) {
        ch_run r = run_of(d);
        const int n = rows_at(d, at);
        ch_step s = step_of(d, at, n);
        s.depth = depth ? depth + at : NULL;
        scoring c = {.d = d, .p = ch_forward_logits(&r, d->model, &s), .target = d->target + at,
                     .out = nll + at};
        ch_pool_run(d->pool, score, &c, n);
        ch_arena_reset(&d->scratch, 0);
    }
    return (double)(ch_clock_ns() - began) / 1e9;
}

/* KL(softmax p || softmax q) */
static double divergence(const float *p, const float *q, int V)
{
    const double log_p = ch_sample_log_sum(p, V), log_q = ch_sample_log_sum(q, V);
    double sum = 0;
    for (int i = 0; i < V; i++)
        sum += exp((double)p[i] - log_p) * (((double)p[i] - log_p) - ((double)q[i] - log_q));
    return sum < 0 ? 0 : sum; /* what is no number stays none */
}

static void compare(void *arg, int row, int thread)
{
    const scoring *c = arg;
    c->out[row] = divergence(floats(c->d, c->p, row, thread, 0), floats(c->d, c->q, row, thread, 1),
                             c->d->model->config.vocab);
}

void ch_depths_divergence(ch_depths *d, int k, double *kl)
{
    for (int t = 0; t < d->window; t++) {
        d->depth[t] = d->model->config.integrator.depth;
        d->depth[d->window + t] = k;
    }
    for (int64_t at = 0; at < d->rows; at += d->window) {
        ch_run r = run_of(d);
        const int n = rows_at(d, at);
        ch_step s = step_of(d, at, n);
        scoring c = {.d = d, .out = kl + at};
        s.depth = d->depth;
        c.p = ch_forward_logits(&r, d->model, &s);
        s.depth = d->depth + d->window;
        c.q = ch_forward_logits(&r, d->model, &s);
        ch_pool_run(d->pool, compare, &c, n);
        ch_arena_reset(&d->scratch, 0);
    }
}

void ch_depths_inputs(ch_depths *d, real *h)
{
    for (int64_t at = 0; at < d->rows; at += d->window) {
        ch_run r = run_of(d);
        ch_step s = step_of(d, at, rows_at(d, at));
        s.gate_input = h + at * d->model->config.width;
        ch_forward_hidden(&r, d->model, &s);
        ch_arena_reset(&d->scratch, 0);
    }
}

/* ---- Rules ---------------------------------------------------------------------------------- */

void ch_depths_by_gate(int32_t *depth, const real *h, int64_t rows, int D, const real *w,
                       const real *b, int N, double tolerance)
{
    for (int64_t t = 0; t < rows; t++)
        depth[t] = ch_depth_choose(w, b, h + t * D, D, N, tolerance);
}

typedef struct keyed {
    double key;
    int64_t row;
} keyed;

static int largest_first(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    return x->key != y->key ? (x->key < y->key) - (x->key > y->key)
                            : (x->row > y->row) - (x->row < y->row);
}

int ch_depths_by_key(int32_t *depth, const int32_t *like, const double *key, int64_t rows,
                     ch_err *e)
{
    keyed *order = malloc((size_t)rows * sizeof *order);
    int64_t count[CH_MAX_DEPTH + 1] = {0}, at = 0;
    if (!order)
        return ch_fail(e, CH_ENOMEM, "no memory to sort %lld rows", (long long)rows);
    for (int64_t t = 0; t < rows; t++) {
        order[t] = (keyed){key[t], t};
        count[like[t]]++;
    }
    qsort(order, (size_t)rows, sizeof *order, largest_first);
    for (int k = CH_MAX_DEPTH; k > 0; k--)
        for (int64_t i = 0; i < count[k]; i++)
            depth[order[at++].row] = k;
    free(order);
    return CH_OK;
}
