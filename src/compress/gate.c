/* gate.c - see gate.h: normal equations of centred columns, by Cholesky's factorisation
 *
 * SPDX-License-Identifier: MIT */
#include "gate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct fit {
    const real *h;
    const double *y;
    int64_t rows, D;
    int outputs;
    double *a;    /* (D, D): covariance, then its factor, lower */
    double *c;    /* (outputs, D): right sides, then solutions */
    double *mean; /* (D) of h */
    double *mean_y, *var_y;
} fit;

static void means(fit *f)
{
    for (int64_t t = 0; t < f->rows; t++) {
        for (int64_t i = 0; i < f->D; i++)
            f->mean[i] += (double)f->h[t * f->D + i] / (double)f->rows;
        for (int k = 0; k < f->outputs; k++)
            f->mean_y[k] += f->y[t * f->outputs + k] / (double)f->rows;
    }
}

static void covariances(fit *f, double *x)
{
    for (int64_t t = 0; t < f->rows; t++) {
        for (int64_t i = 0; i < f->D; i++)
            x[i] = (double)f->h[t * f->D + i] - f->mean[i];
        for (int64_t i = 0; i < f->D; i++)
            for (int64_t j = 0; j <= i; j++)
                f->a[i * f->D + j] += x[i] * x[j];
        for (int k = 0; k < f->outputs; k++) {
            const double y = f->y[t * f->outputs + k] - f->mean_y[k];
            f->var_y[k] += y * y;
            for (int64_t i = 0; i < f->D; i++)
                f->c[k * f->D + i] += y * x[i];
        }
    }
}

static void factor(fit *f)
{
    const int64_t D = f->D;
    for (int64_t i = 0; i < D; i++)
        for (int64_t j = 0; j <= i; j++) {
            double sum = f->a[i * D + j];
            for (int64_t m = 0; m < j; m++)
                sum -= f->a[i * D + m] * f->a[j * D + m];
            f->a[i * D + j] = i == j ? sqrt(CH_MAX(sum, 1e-300)) : sum / f->a[j * D + j];
        }
}

static void solve(const fit *f, double *x)
{
    const int64_t D = f->D;
    for (int64_t i = 0; i < D; i++) {
        for (int64_t m = 0; m < i; m++)
            x[i] -= f->a[i * D + m] * x[m];
        x[i] /= f->a[i * D + i];
    }
    for (int64_t i = D - 1; i >= 0; i--) {
        for (int64_t m = i + 1; m < D; m++)
            x[i] -= f->a[m * D + i] * x[m];
        x[i] /= f->a[i * D + i];
    }
}

static double explained(const fit *f, int k, const real *w, real b)
{
    double left = 0;
    for (int64_t t = 0; t < f->rows; t++) {
        double z = (double)b - f->y[t * f->outputs + k];
        for (int64_t i = 0; i < f->D; i++)
            z += (double)w[i] * (double)f->h[t * f->D + i];
        left += z * z;
    }
    return f->var_y[k] > 0 ? 1 - left / f->var_y[k] : 0;
}

static void finish(fit *f, real *w, real *b, double *r2, double ridge)
{
    for (int64_t i = 0; i < f->D; i++)
        f->a[i * f->D + i] += ridge * (double)f->rows;
    factor(f);
    for (int k = 0; k < f->outputs; k++) {
        double *x = f->c + (ptrdiff_t)k * f->D, at = f->mean_y[k];
        solve(f, x);
        for (int64_t i = 0; i < f->D; i++) {
            w[k * f->D + i] = (real)x[i];
            at -= x[i] * f->mean[i];
        }
        b[k] = (real)at;
        if (r2)
            r2[k] = explained(f, k, w + (ptrdiff_t)k * f->D, b[k]);
    }
}

int ch_gate_fit(real *w, real *b, double *r2, const real *h, const double *y, int64_t rows, int D,
                int outputs, double ridge, ch_err *e)
{
    if (D > CH_GATE_WIDTH_MOST)
        return ch_fail(e, CH_EARG, "a gate of width %d; allowed are up to %d", D,
                       CH_GATE_WIDTH_MOST);
    if (rows < 2)
        return ch_fail(e, CH_EARG, "a gate is fitted to at least 2 tokens, and there are %lld",
                       (long long)rows);
    const size_t d = (size_t)D, n = d * d + (size_t)outputs * (d + 2) + 2 * d;
    double *room = calloc(n, sizeof *room);
    if (!room)
        return ch_fail(e, CH_ENOMEM, "no memory to fit a gate of width %d", D);
    fit f = {.h = h, .y = y, .rows = rows, .D = D, .outputs = outputs, .a = room};
    f.c = f.a + d * d;
    f.mean = f.c + (size_t)outputs * d;
    f.mean_y = f.mean + d;
    f.var_y = f.mean_y + outputs;
    means(&f);
    covariances(&f, f.var_y + outputs);
    finish(&f, w, b, r2, ridge);
    free(room);
    return CH_OK;
}
