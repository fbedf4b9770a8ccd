/* nano.h - a model, a corpus and a text so small that a test can train on them
 *
 * SPDX-License-Identifier: MIT */
#ifndef NANO_H
#define NANO_H

#include "support.h"
#include "train.h"

#include <stdlib.h>
#include <string.h>

typedef struct nano {
    ch_pool *pool;
    ch_model *model;
    ch_trainer trainer;
} nano;

static inline ch_train_options nano_options(const char *arch)
{
    ch_err e = {0};
    ch_train_options o = {.arch = arch,
                          .optimizer = "adamw",
                          .layers = 2,
                          .width = 32,
                          .heads = 4,
                          .kv_heads = 2,
                          .head_width = 8,
                          .hidden = 48,
                          .vocab = 40,
                          .length = 16,
                          .micro_batch = 2,
                          .accumulate = 8,
                          .steps = 100,
                          .seed = 5};
    assert_ok(ch_train_settle(&o, NULL, &e), e);
    return o;
}

static inline void nano_open(nano *n, const ch_train_options *o, int threads, const ch_comm *comm)
{
    ch_err e = {0};
    ch_config c = ch_train_config(o);
    const ch_comm self = ch_comm_self();
    assert_non_null(c.arch);
    assert_ok(c.arch->configure(&c, NULL, &e), e);
    assert_ok(ch_pool_open(&n->pool, threads, &e), e);
    assert_ok(ch_model_create(&n->model, &c, o->seed, NULL, &e), e);
    assert_ok(ch_trainer_open(&n->trainer, n->model, o, comm ? comm : &self, n->pool, &e), e);
}

static inline void nano_close(nano *n)
{
    ch_trainer_close(&n->trainer);
    ch_model_free(&n->model);
    ch_pool_close(&n->pool);
}

/* Steps until `to` are done; each one's loss goes to loss[step - 1] where loss is not NULL. */
static inline void nano_steps(nano *n, const ch_corpus *c, int to, double *loss)
{
    ch_err e = {0};
    while (n->trainer.step < to) {
        double nll, norm;
        const ch_schedule schedule = {"cosine", 100, 0.05, 0, 0.1};
        const double lr = 3e-3 * ch_schedule_at(&schedule, n->trainer.step + 1);
        assert_ok(ch_trainer_step(&n->trainer, c, lr, &nll, &norm, &e), e);
        if (loss)
            loss[n->trainer.step - 1] = nll;
    }
}

/* Parameters and both moments are the same bits. */
static inline bool nano_equal(const nano *a, const nano *b)
{
    const size_t bytes = (size_t)a->model->bucket * sizeof(real);
    return a->model->bucket == b->model->bucket && a->trainer.step == b->trainer.step &&
           memcmp(a->model->parameters, b->model->parameters, bytes) == 0 &&
           memcmp(a->trainer.adamw.m, b->trainer.adamw.m, bytes) == 0 &&
           memcmp(a->trainer.adamw.v, b->trainer.adamw.v, bytes) == 0;
}

/* Documents of 1 to `longest` tokens: 0, then numbers below vocab that follow one another loosely.
 * */
static inline ch_corpus nano_corpus(int64_t n, int longest, int vocab, uint64_t seed)
{
    ch_corpus c = {.n = n, .targets = n, .bytes = (uint64_t)n * 3, .end = 0};
    uint32_t *token = malloc((size_t)n * sizeof *token);
    int64_t *start = malloc((size_t)(n + 1) * sizeof *start);
    assert_true(token && start);
    c.wide = token;
    c.start = start;
    for (int64_t at = 0; at < n; c.documents++) {
        const uint64_t most = CH_MIN((uint64_t)longest, (uint64_t)(n - at));
        const int64_t length = 1 + (int64_t)ch_rng_below(most, seed, CH_RNG_TEST, 1, (uint64_t)at);
        start[c.documents] = at;
        for (int64_t i = 0; i < length; i++, at++)
            token[at] =
                i == 0 ? 0
                       : 1 + (uint32_t)(((uint64_t)(i * 7) + ch_rng_below(3, seed, CH_RNG_TEST, 2,
                                                                          (uint64_t)at)) %
                                        (uint64_t)(vocab - 1));
    }
    start[c.documents] = n;
    return c;
}

/* Sentences about who does what where, about `bytes` of them, a paragraph a line. */
static inline void nano_text(const char *path, size_t bytes, uint64_t seed)
{
    static const char *const who[] = {"the cat", "a small dog", "my aunt", "the old king",
                                      "nobody"};
    static const char *const does[] = {"sees", "wants", "has eaten", "looks for", "dreams of"};
    static const char *const what[] = {"the moon", "a red apple", "two fish", "the sea", "bread"};
    ch_err e = {0};
    ch_buf b;
    ch_buf_init(&b, bytes + 4096);
    for (uint64_t i = 0; b.size < bytes; i++) {
        const uint64_t r = ch_rng_below(125, seed, CH_RNG_TEST, 9, i);
        ch_buf_printf(&b, "%s %s %s.%s", who[r % 5], does[r / 5 % 5], what[r / 25],
                      i % 8 == 7 ? "\n" : " ");
    }
    assert_ok(ch_io_write_file(path, b.data, b.size, &e), e);
    ch_buf_close(&b);
}

#endif
