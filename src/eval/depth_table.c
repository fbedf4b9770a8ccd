/* depth_table.c - see depth_table.h.  SPDX-License-Identifier: MIT */
#include "depth_table.h"

#include <math.h>
#include <stdlib.h>

typedef struct measuring {
    ch_depth_table *t;
    ch_depths *d;
    const real *w, *b;
    int N, D;
    real *h;
    double *kl, *nll, *full, *key; /* kl: (N - 1, rows); full: with all steps */
    int32_t *depth, *other;
    ch_err *e;
} measuring;

/* Nats a row more than with all steps, over windows of (nats more, rows). */
static double more(const ch_stats *s, const uint32_t *pick, size_t n)
{
    double nats = 0, rows = 0;
    for (size_t i = 0; i < n; i++) {
        const double *row = s->at + (pick ? pick[i] : i) * (size_t)s->k;
        nats += row[0];
        rows += row[1];
    }
    return rows > 0 ? nats / rows : 0;
}

static int interval(measuring *a, ch_depth_line *l)
{
    const ch_depths *d = a->d;
    ch_stats s = {.n = (size_t)((d->rows + d->window - 1) / d->window), .k = 2};
    double draws[CH_DRAWS];
    s.at = calloc(s.n, 2 * sizeof *s.at);
    if (!s.at)
        return ch_fail(a->e, CH_ENOMEM, "no memory for %zu windows", s.n);
    for (int64_t t = 0; t < d->rows; t++) {
        s.at[t / d->window * 2] += a->nll[t] - a->full[t];
        s.at[t / d->window * 2 + 1]++;
    }
    const int rc = ch_bootstrap(draws, &s, more, 1, a->e);
    if (rc == CH_OK)
        ch_draws_interval(&l->low, &l->high, draws);
    const double bits_of = (double)d->rows / (log(2) * (double)a->t->bytes);
    l->low *= bits_of;
    l->high *= bits_of;
    free(s.at);
    return rc;
}

static int measure(measuring *a, const char *rule, double tolerance, const int32_t *depth)
{
    ch_depth_line *l = &a->t->line[a->t->lines];
    const int64_t rows = a->d->rows;
    *l = (ch_depth_line){.rule = rule, .tolerance = tolerance};
    l->us = 1e6 * ch_depths_nll(a->d, depth, a->nll) / (double)rows;
    for (int64_t t = 0; t < rows; t++) {
        l->steps += depth[t] / (double)rows;
        l->bits += a->nll[t] / (log(2) * (double)a->t->bytes);
        l->kl += depth[t] < a->N ? a->kl[(depth[t] - 1) * rows + t] / (double)rows : 0;
    }
    a->t->lines++;
    return interval(a, l);
}

static int fixed(measuring *a)
{
    int rc = CH_OK;
    for (int k = a->N; k > 0 && rc == CH_OK; k--) {
        for (int64_t t = 0; t < a->d->rows; t++)
            a->depth[t] = k;
        if (k == a->N) /* and nobody's first run is timed */
            ch_depths_nll(a->d, a->depth, a->full);
        rc = measure(a, "fixed", (double)NAN, a->depth);
    }
    return rc;
}

static double key_of(const measuring *a, int rule, int64_t t)
{
    return rule == 0 ? ch_rng_uniform(1, CH_RNG_EVAL, 7, (uint64_t)t)
           : rule == 1 ? -(double)a->d->pos[t]
                       : a->kl[t];
}

static int gated(measuring *a, double tolerance)
{
    static const char *const rules[] = {"  random", "  position", "  hindsight"};
    const int64_t rows = a->d->rows;
    ch_depths_by_gate(a->depth, a->h, rows, a->D, a->w, a->b, a->N, tolerance);
    int rc = measure(a, "gate", tolerance, a->depth);
    for (int r = 0; r < (int)CH_COUNT(rules) && rc == CH_OK; r++) {
        for (int64_t t = 0; t < rows; t++)
            a->key[t] = key_of(a, r, t);
        rc = ch_depths_by_key(a->other, a->depth, a->key, rows, a->e);
        if (rc == CH_OK)
            rc = measure(a, rules[r], tolerance, a->other);
    }
    return rc;
}

static int all_rules(measuring *a, double asked)
{
    static const double tolerances[] = {0.3, 0.1, 0.03, 0.01, 0.003, 0.001};
    int rc = fixed(a);
    bool among = asked <= 0;
    for (size_t i = 0; i < CH_COUNT(tolerances) && rc == CH_OK; i++) {
        if (!among && asked > tolerances[i])
            rc = gated(a, asked);
        among |= asked >= tolerances[i];
        if (rc == CH_OK)
            rc = gated(a, tolerances[i]);
    }
    return among || rc < 0 ? rc : gated(a, asked);
}

int ch_depth_table_fill(ch_depth_table *t, ch_depths *d, const real *w, const real *b,
                        double tolerance, ch_err *e)
{
    const size_t rows = (size_t)d->rows;
    measuring a = {.t = t, .d = d, .w = w, .b = b, .e = e};
    a.N = d->model->config.integrator.depth;
    a.D = d->model->config.width;
    a.h = malloc(rows * (size_t)a.D * sizeof *a.h);
    a.kl = malloc(rows * (size_t)a.N * sizeof *a.kl);
    a.nll = malloc(3 * rows * sizeof *a.nll);
    a.depth = malloc(2 * rows * sizeof *a.depth);
    int rc = CH_OK;
    if (!a.h || !a.kl || !a.nll || !a.depth)
        rc = ch_fail(e, CH_ENOMEM, "no memory for %zu tokens", rows);
    if (rc == CH_OK) {
        a.full = a.nll + rows;
        a.key = a.full + rows;
        a.other = a.depth + rows;
        ch_depths_inputs(d, a.h);
        for (int k = 1; k < a.N; k++)
            ch_depths_divergence(d, k, a.kl + (size_t)(k - 1) * rows);
        rc = all_rules(&a, tolerance);
    }
    free(a.h);
    free(a.kl);
    free(a.nll);
    free(a.depth);
    return rc;
}
