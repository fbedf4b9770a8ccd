/* optimizer.c - the learning rate, and the size of a gradient
 *
 *   warm-up  lr t / w                             t = 1..w, w = warmup * steps rounded up
 *   then     lr (end + (1 - end) (1 + cos(pi (t - w)/(T - w))) / 2)
 *
 * Loshchilov & Hutter 2017.
 *
 * SPDX-License-Identifier: MIT */
#include "train.h"

enum { SLICES = 256, BLOCK = 64 };

double ch_schedule_lr(int64_t step, int64_t steps, double lr, double lr_end, double warmup)
{
    const double w = ceil(warmup > 0 ? warmup * (double)steps : 0);
    const double end = lr_end > 0 ? lr_end : 0;
    if ((double)step <= w)
        return lr * (double)step / w;
    const double done = steps > step ? ((double)step - w) / ((double)steps - w) : 1;
    return lr * (end + (1 - end) * 0.5 * (1 + cos(3.14159265358979323846 * done)));
}

typedef struct norm {
    const real *g;
    int64_t n, slice; /* reals in a slice: fixed by n */
    double sum[SLICES];
} norm;

static void square_slice(void *arg, int task, int thread)
{
    norm *s = arg;
    (void)thread;
    const int64_t end = CH_MIN(s->n, (task + 1) * s->slice);
    double sum[8] = {0};
    for (int64_t i = task * s->slice; i < end; i++)
        sum[i % 8] += (double)s->g[i] * (double)s->g[i];
    s->sum[task] = 0;
    for (int i = 0; i < 8; i++)
        s->sum[task] += sum[i];
}

double ch_grad_norm(const real *g, int64_t n, ch_pool *pool)
{
    norm s = {.g = g, .n = n, .slice = ch_round_up((n + SLICES - 1) / SLICES, BLOCK)};
    if (n > 0)
        ch_pool_run(pool, square_slice, &s, (int)((n + s.slice - 1) / s.slice));
    double sum = 0;
    for (int i = 0; i < SLICES; i++)
        sum += s.sum[i];
    return sqrt(sum);
}
