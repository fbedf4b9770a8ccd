/* optimizer.c - who updates which parameters, the running mean of them, the size of a gradient
 *
 *   Muon    matrices of the layers                 AdamW    everything else, or everything
 *   mean    e += (1 - d)(p - e), d = min(ema, (1 + t)/(10 + t))           after step t
 *
 * A norm is taken in slices that its length fixes, eight sums each, all in double.
 * SPDX-License-Identifier: MIT */
#include "train.h"

#include <stdlib.h>
#include <string.h>

enum { SLICES = 256, BLOCK = 64, CHUNK = 1 << 16 };

struct marking {
    ch_trainer *t;
    uint8_t *owner; /* adamw.decays */
};

/* A frozen model's adapter neither decays nor is it Muon's: its numbers are in no table. */
static int mark(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct marking *s = arg;
    const bool table = ch_row_is_table(row) && !(row->flags & CH_ROW_HEAD);
    if (!w->stored.grad || w->stored.rank != 2 || table)
        return 0;
    const int64_t at = (const real *)w->stored.data - s->t->model->parameters;
    const bool muon = s->t->muon.matrix && layer >= 0;
    memset(s->owner + at / BLOCK, muon ? CH_ADAMW_OTHERS : CH_ADAMW_DECAYS,
           (size_t)((ch_tensor_count(&w->stored) + BLOCK - 1) / BLOCK));
    if (muon)
        s->t->muon.matrix[s->t->muon.matrices++] =
            (ch_muon_matrix){at, (int)w->stored.dim[0], (int)w->stored.dim[1]};
    return 0;
}

static int count_weights(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    (void)w, (void)row, (void)layer;
    ++*(int *)arg;
    return 0;
}

static int open_muon(ch_trainer *t, const ch_train_options *o, ch_err *e)
{
    int weights = 0;
    ch_model_each(t->model, count_weights, &weights);
    t->matrix_lr = o->matrix_lr / o->lr;
    t->muon = (ch_muon){.matrix = calloc((size_t)weights + 1, sizeof *t->muon.matrix),
                        .momentum = t->adamw.m,
                        .mu = o->momentum,
                        .weight_decay = CH_MAX(o->weight_decay, 0.0)};
    return t->muon.matrix ? CH_OK : ch_fail(e, CH_ENOMEM, "no memory for a list of matrices");
}

int ch_optimizer_open(ch_trainer *t, const ch_train_options *o, ch_err *e)
{
    ch_adamw *a = &t->adamw;
    *a = (ch_adamw){.n = t->model->bucket,
                    .beta1 = o->beta1,
                    .beta2 = o->beta2,
                    .eps = 1e-8,
                    .weight_decay = CH_MAX(o->weight_decay, 0.0)};
    t->spike.limit = o->spike;
    t->ema_keep = o->ema;
    uint8_t *owner = calloc((size_t)(a->n / BLOCK + 1), 1);
    a->decays = owner;
    a->m = calloc((size_t)a->n, sizeof *a->m);
    a->v = calloc((size_t)a->n, sizeof *a->v);
    t->ema = o->ema > 0 ? calloc((size_t)a->n, sizeof *t->ema) : NULL;
    if (!a->m || !a->v || !owner || (o->ema > 0 && !t->ema))
        return ch_fail(e, CH_ENOMEM, "no memory for the optimizer's state of %lld parameters",
                       (long long)a->n);
    int rc = strcmp(o->optimizer, "muon") == 0 ? open_muon(t, o, e) : CH_OK;
    if (rc < 0)
        return rc;
    struct marking s = {t, owner};
    ch_model_each(t->model, mark, &s);
    if (t->ema)
        memcpy(t->ema, t->model->parameters, (size_t)a->n * sizeof *t->ema);
    return t->muon.matrix ? ch_muon_open(&t->muon, &t->kernels, t->pool, e) : CH_OK;
}

void ch_optimizer_close(ch_trainer *t)
{
    ch_muon_close(&t->muon);
    free(t->adamw.m);
    free(t->adamw.v);
    free((uint8_t *)(uintptr_t)t->adamw.decays);
    free(t->ema);
}

/* ---- The running mean ----------------------------------------------------------------------- */

typedef struct pair {
    real *p, *mean;
    int64_t n;
    real add;
} pair;

static void move_mean(void *arg, int task, int thread)
{
    const pair *s = arg;
    (void)thread;
    const int64_t end = CH_MIN(s->n, ((int64_t)task + 1) * CHUNK);
    for (int64_t i = (int64_t)task * CHUNK; i < end; i++)
        s->mean[i] += s->add * (s->p[i] - s->mean[i]);
}

static void swap_chunk(void *arg, int task, int thread)
{
    const pair *s = arg;
    (void)thread;
    const int64_t end = CH_MIN(s->n, ((int64_t)task + 1) * CHUNK);
    for (int64_t i = (int64_t)task * CHUNK; i < end; i++) {
        const real p = s->p[i];
        s->p[i] = s->mean[i];
        s->mean[i] = p;
    }
}

static void over_both(ch_trainer *t, ch_pool_task *fn, double add)
{
    pair s = {t->model->parameters, t->ema, t->model->bucket, (real)add};
    if (t->ema)
        ch_pool_run(t->pool, fn, &s, (int)((s.n + CHUNK - 1) / CHUNK));
}

void ch_trainer_swap_ema(ch_trainer *t)
{
    over_both(t, swap_chunk, 0);
}

void ch_optimizer_step(ch_trainer *t, const real *g, double scale, double lr)
{
    const double step = (double)t->step + 1;
    real *p = t->model->parameters;
    ch_adamw_step(&t->adamw, p, g, scale, lr, t->step + 1, t->pool);
    if (t->muon.matrices)
        ch_muon_step(&t->muon, p, g, scale, lr * t->matrix_lr, t->pool);
    over_both(t, move_mean, 1 - CH_MIN(t->ema_keep, (1 + step) / (10 + step)));
}

/* ---- Norm ----------------------------------------------------------------------------------- */

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
    int64_t i = task * s->slice;
    for (; i + 8 <= end; i += 8)
        for (int l = 0; l < 8; l++)
            sum[l] += (double)s->g[i + l] * (double)s->g[i + l];
    for (; i < end; i++)
        sum[i % 8] += (double)s->g[i] * (double)s->g[i];
    s->sum[task] = 0;
    for (int l = 0; l < 8; l++)
        s->sum[task] += sum[l];
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
