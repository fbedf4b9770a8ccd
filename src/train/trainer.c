/* trainer.c - one step: leaves, their sum, the update
 *
 *   g = sum over leaves of d(sum of nll)/dp          along the tree of grad_tree.c
 *   p = adamw(p, g / targets * min(1, clip / |g / targets|))
 *
 * A leaf knows nothing of the others: neither its gradient nor its loss is divided before all are
 * summed. SPDX-License-Identifier: MIT */
#include "lora.h"
#include "train.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64, LEVELS = 16 };

struct marking {
    const ch_model *m;
    uint8_t *decays;
};

static const ch_adapters *adapters(const ch_trainer *t)
{
    return t->model->lora ? &t->model->lora->alone : NULL;
}

/* A frozen model's adapter does not decay: none of its numbers are in this table. */
static int mark_decay(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct marking *s = arg;
    (void)layer;
    const bool table = ch_row_is_table(row) && !(row->flags & CH_ROW_HEAD);
    if (!w->stored.grad || w->stored.rank != 2 || table)
        return 0;
    const int64_t at = ((const real *)w->stored.data - s->m->parameters) / BLOCK;
    memset(s->decays + at, 1, (size_t)((ch_tensor_count(&w->stored) + BLOCK - 1) / BLOCK));
    return 0;
}

static int open_optimizer(ch_trainer *t, const ch_train_options *o, ch_err *e)
{
    ch_adamw *a = &t->adamw;
    *a = (ch_adamw){.n = t->model->bucket,
                    .beta1 = o->beta1,
                    .beta2 = o->beta2,
                    .eps = 1e-8,
                    .weight_decay = CH_MAX(o->weight_decay, 0.0)};
    uint8_t *decays = calloc((size_t)(a->n / BLOCK + 1), 1);
    a->decays = decays;
    a->m = calloc((size_t)a->n, sizeof *a->m);
    a->v = calloc((size_t)a->n, sizeof *a->v);
    if (!a->m || !a->v || !decays)
        return ch_fail(e, CH_ENOMEM, "no memory for the optimizer's state of %lld parameters",
                       (long long)a->n);
    struct marking s = {t->model, decays};
    ch_model_each(t->model, mark_decay, &s);
    return CH_OK;
}

int ch_trainer_open(ch_trainer *t, ch_model *m, const ch_train_options *o, const ch_comm *comm,
                    ch_pool *pool, ch_err *e)
{
    *t = (ch_trainer){.model = m,
                      .pool = pool,
                      .comm = *comm,
                      .seed = o->seed,
                      .length = o->length,
                      .micro_batch = o->micro_batch,
                      .leaves = o->accumulate,
                      .clip = o->clip};
    unsigned features = 0;
    int rc = ch_cpu_features(&features, NULL, e);
    if (rc == CH_OK && o->accumulate % comm->ranks != 0)
        rc = ch_fail(e, CH_EARG, "%d leaves in a step cannot be shared by %d processes evenly",
                     o->accumulate, comm->ranks);
    if (rc == CH_OK)
        rc = open_optimizer(t, o, e);
    if (rc == CH_OK)
        rc = ch_grad_tree_open(&t->tree, m->bucket, o->accumulate / comm->ranks, pool, e);
    if (rc == CH_OK)
        rc = ch_batch_open(&t->batch, o->micro_batch, o->length, e);
    if (rc == CH_OK && m->lora && !(t->chosen = calloc((size_t)t->batch.n, sizeof *t->chosen)))
        rc = ch_fail(e, CH_ENOMEM, "no memory for %d rows", t->batch.n);
    if (rc == CH_OK) {
        ch_kernels_init(&t->kernels, features);
        rc = ch_arena_open(&t->scratch,
                           ch_forward_scratch(m, adapters(t), &t->kernels, pool, t->batch.n,
                                              t->batch.n, NULL),
                           e);
    }
    if (rc < 0)
        ch_trainer_close(t);
    return rc;
}

void ch_trainer_close(ch_trainer *t)
{
    free(t->chosen);
    free(t->adamw.m);
    free(t->adamw.v);
    free((uint8_t *)(uintptr_t)t->adamw.decays);
    ch_grad_tree_close(&t->tree);
    ch_batch_close(&t->batch);
    ch_arena_close(&t->scratch);
    *t = (ch_trainer){0};
}

/* The loss of the rows in t->batch, summed; with its gradient in the model's bucket if asked for.
 * */
static double run_batch(ch_trainer *t, bool learn)
{
    const ch_batch *b = &t->batch;
    const ch_step step = {.rows = {.n = b->n,
                                   .id = b->id,
                                   .pos = b->pos,
                                   .first = b->first,
                                   .adapter = t->chosen}};
    ch_run run = {.scratch = &t->scratch,
                  .pool = t->pool,
                  .kernels = &t->kernels,
                  .profile = t->profile,
                  .adapters = adapters(t)};
    double nll = 0;
    if (learn) {
        memset(t->model->gradients, 0, (size_t)t->model->bucket * sizeof(real));
        ch_tape_begin(&run);
    }
    ch_forward_loss(&run, t->model, &step, b->target, 1, &nll, NULL);
    if (learn) {
        ch_tape_backward(&run);
        ch_tape_end(&run);
    }
    ch_arena_reset(&t->scratch, 0);
    return nll;
}

/* This process's leaves: gradients into the tree, the loss along a tree of doubles like it. */
static void run_leaves(ch_trainer *t, const ch_corpus *c, double *nll, double *targets)
{
    const int local = t->leaves / t->comm.ranks;
    const int64_t first = t->step * t->leaves + (int64_t)t->comm.rank * local;
    double level[LEVELS] = {0};
    int top = 0;
    *targets = 0;
    for (int i = 0; i < local; i++) {
        ch_batch_fill(&t->batch, c, t->seed, t->micro_batch, t->length, first + i);
        double sum = run_batch(t, true);
        ch_grad_tree_add(&t->tree, t->model->gradients);
        *targets += (double)t->batch.targets;
        for (top = 0; i >> top & 1; top++)
            sum += level[top];
        level[top] = sum;
    }
    *nll = level[top];
}

int ch_trainer_step(ch_trainer *t, const ch_corpus *c, double lr, double *loss, double *norm,
                    ch_err *e)
{
    double sums[2]; /* nll, targets */
    run_leaves(t, c, &sums[0], &sums[1]);
    real *g = ch_grad_tree_sum(&t->tree);
    int rc = t->comm.sum_double(t->comm.arg, sums, 2, e);
    if (rc == CH_OK)
        rc = t->comm.sum(t->comm.arg, g, t->model->bucket, e);
    if (rc < 0)
        return rc;
    if (sums[1] < 1)
        return ch_fail(e, CH_EFORMAT, "step %lld: none of its rows has anything to predict",
                       (long long)t->step + 1);
    *loss = sums[0] / sums[1];
    *norm = ch_grad_norm(g, t->model->bucket, t->pool) / sums[1];
    if (!isfinite(*loss) || !isfinite(*norm))
        return ch_fail(
            e, CH_EFORMAT,
            "step %lld: the loss is %g and the gradient's norm %g; both must be finite"
            " (a smaller lr may help)",
            (long long)t->step + 1, *loss, *norm);
    const double clipped = t->clip > 0 && *norm > t->clip ? t->clip / *norm : 1;
    ch_adamw_step(&t->adamw, t->model->parameters, g, clipped / sums[1], lr, t->step + 1, t->pool);
    t->step++;
    return CH_OK;
}

int ch_trainer_eval(ch_trainer *t, const ch_corpus *c, int64_t tokens, double *nll,
                    int64_t *scored, ch_err *e)
{
    *nll = (double)NAN;
    *scored = 0;
    if (c->n == 0)
        return CH_OK;
    const int64_t all = (c->n + t->length - 1) / t->length;
    const int64_t of = CH_MIN(all, CH_MAX(tokens / t->length, 1));
    double sum = 0;
    for (int64_t at = 0; at < of; at += t->micro_batch) {
        ch_batch_fill_even(&t->batch, c, t->micro_batch, t->length, at, of);
        sum += run_batch(t, false);
        *scored += t->batch.targets;
    }
    if (!isfinite(sum))
        return ch_fail(e, CH_EFORMAT, "step %lld: the held-out loss is %g; it must be finite",
                       (long long)t->step, sum);
    if (*scored > 0)
        *nll = sum / (double)*scored;
    return CH_OK;
}
