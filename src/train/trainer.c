/* trainer.c - one step: leaves, their sum, the update
 *
 *   g = sum over leaves of d(sum of nll)/dp          along the tree of grad_tree.c
 *   p = update(p, g / targets * min(1, clip / |g / targets|))    optimizer.c; not after a spike,
 *                                                                nor where there are no targets
 *
 * A leaf knows nothing of the others: neither its gradient nor its loss is divided before all are
 * summed. SPDX-License-Identifier: MIT */
#include "lora.h"
#include "train.h"

#include <stdlib.h>
#include <string.h>

enum { LEVELS = 16, CHUNK = 1 << 18 };

static const ch_adapters *adapters(const ch_trainer *t)
{
    return t->model->lora ? &t->model->lora->alone : NULL;
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
                      .ramp = (int64_t)(CH_MAX(o->ramp, 0.0) * o->steps),
                      .clip = o->clip,
                      .smoothing = CH_MAX(o->smoothing, 0.0),
                      .precision =
                          strcmp(o->precision, "i16") == 0 ? CH_PRECISION_I16 : CH_PRECISION_F32};
    unsigned features = 0;
    const int least = t->ramp > 0 ? o->accumulate / 2 : o->accumulate;
    int rc = ch_cpu_features(&features, NULL, e);
    ch_kernels_init(&t->kernels, features);
    if (rc == CH_OK && (least < 1 || least % comm->ranks != 0))
        rc = ch_fail(e, CH_EARG, "%d leaves in a step cannot be shared by %d processes evenly",
                     least, comm->ranks);
    if (rc == CH_OK)
        rc = ch_optimizer_open(t, o, e);
    if (rc == CH_OK)
        rc = ch_grad_tree_open(&t->tree, m->bucket, o->accumulate / comm->ranks, pool, e);
    if (rc == CH_OK)
        rc = ch_batch_open(&t->batch, o->micro_batch, o->length, e);
    if (rc == CH_OK && m->lora && !(t->chosen = calloc((size_t)t->batch.n, sizeof *t->chosen)))
        rc = ch_fail(e, CH_ENOMEM, "no memory for %d rows", t->batch.n);
    if (rc == CH_OK)
        rc = ch_arena_open(&t->scratch,
                           ch_forward_scratch(m, adapters(t), &t->kernels, pool, t->batch.n,
                                              t->batch.n, NULL),
                           e);
    rc = ch_comm_agree(comm, rc, e);
    if (rc < 0)
        ch_trainer_close(t);
    return rc;
}

void ch_trainer_close(ch_trainer *t)
{
    free(t->chosen);
    ch_optimizer_close(t);
    ch_grad_tree_close(&t->tree);
    ch_batch_close(&t->batch);
    ch_arena_close(&t->scratch);
    *t = (ch_trainer){0};
}

int ch_trainer_share(ch_trainer *t, ch_err *e)
{
    struct {
        int64_t step;
        ch_spike spike;
    } counts = {t->step, t->spike};
    const size_t bytes = (size_t)t->model->bucket * sizeof(real);
    real *const buckets[] = {t->model->parameters, t->adamw.m, t->adamw.v, t->ema};
    int rc = t->comm.broadcast(t->comm.arg, &counts, sizeof counts, 0, e);
    for (size_t i = 0; i < CH_COUNT(buckets) && rc == CH_OK; i++)
        if (buckets[i])
            rc = t->comm.broadcast(t->comm.arg, buckets[i], bytes, 0, e);
    if (rc == CH_OK) {
        t->step = counts.step;
        t->spike = counts.spike;
    }
    return rc;
}

static void clear_chunk(void *arg, int task, int thread)
{
    const ch_model *m = arg;
    (void)thread;
    const int64_t at = (int64_t)task * CHUNK;
    memset(m->gradients + at, 0, (size_t)CH_MIN((int64_t)CHUNK, m->bucket - at) * sizeof(real));
}

/* A gate learns from answers after every number of steps, so all of them have to be good. */
static bool draws_depths(const ch_trainer *t)
{
    return t->model->config.integrator.gate_layer > 0;
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
                                   .adapter = t->chosen},
                          .depth = learn && draws_depths(t) ? b->depth : NULL,
                          .context = t->length};
    ch_run run = {.scratch = &t->scratch,
                  .pool = t->pool,
                  .kernels = &t->kernels,
                  .profile = t->profile,
                  .precision = t->precision,
                  .adapters = adapters(t)};
    double nll = 0;
    if (learn) {
        ch_pool_run(t->pool, clear_chunk, t->model,
                    (int)((t->model->bucket + CHUNK - 1) / CHUNK));
        ch_tape_begin(&run);
    }
    ch_forward_loss(&run, t->model, &step, b->target, 1, t->smoothing, &nll, NULL);
    if (learn) {
        ch_tape_backward(&run);
        ch_tape_end(&run);
    }
    ch_arena_reset(&t->scratch, 0);
    return nll;
}

int64_t ch_trainer_leaves_before(const ch_trainer *t, int64_t step)
{
    return step * t->leaves - CH_MIN(step, t->ramp) * (t->leaves / 2);
}

/* This process's leaves: gradients into the tree, the loss along a tree of doubles like it. */
static void run_leaves(ch_trainer *t, const ch_corpus *c, double *nll, double *targets)
{
    const int64_t before = ch_trainer_leaves_before(t, t->step);
    const int local =
        (int)(ch_trainer_leaves_before(t, t->step + 1) - before) / t->comm.ranks;
    const int64_t first = before + (int64_t)t->comm.rank * local;
    double level[LEVELS] = {0};
    int top = 0;
    *targets = 0;
    for (int i = 0; i < local; i++) {
        ch_batch_fill(&t->batch, c, t->seed, t->micro_batch, t->length, first + i);
        if (draws_depths(t))
            ch_batch_draw_depths(&t->batch, t->model->config.integrator.depth, t->seed, first + i);
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
    if (sums[1] < 1) { /* every row lies in what is masked: nothing to learn from, and no fault */
        *loss = *norm = (double)NAN;
        t->step++;
        return CH_OK;
    }
    *loss = sums[0] / sums[1];
    *norm = ch_grad_norm(g, t->model->bucket, t->pool) / sums[1];
    if (t->spike.limit <= 0 && (!isfinite(*loss) || !isfinite(*norm)))
        return ch_fail(
            e, CH_EFORMAT,
            "step %lld: the loss is %g and the gradient's norm %g; both must be finite"
            " (a smaller lr may help)",
            (long long)t->step + 1, *loss, *norm);
    if (!ch_spike_see(&t->spike, *loss, *norm)) {
        const double clipped = t->clip > 0 && *norm > t->clip ? t->clip / *norm : 1;
        ch_optimizer_step(t, g, clipped / sums[1], lr);
    } else if (t->spike.in_a_row >= CH_SPIKES_IN_A_ROW) {
        return ch_fail(e, CH_EFORMAT,
                       "step %lld: %d steps in a row leapt out of what came before, this one with a"
                       " loss of %g and a gradient's norm of %g (a smaller lr may help)",
                       (long long)t->step + 1, t->spike.in_a_row, *loss, *norm);
    }
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
    ch_trainer_swap_ema(t);
    for (int64_t at = 0; at < of; at += t->micro_batch) {
        ch_batch_fill_even(&t->batch, c, t->micro_batch, t->length, at, of);
        sum += run_batch(t, false);
        *scored += t->batch.targets;
    }
    ch_trainer_swap_ema(t);
    if (!isfinite(sum))
        return ch_fail(e, CH_EFORMAT, "step %lld: the held-out loss is %g; it must be finite",
                       (long long)t->step, sum);
    if (*scored > 0)
        *nll = sum / (double)*scored;
    return CH_OK;
}
