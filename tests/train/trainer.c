/* trainer.c - tests of train/trainer.c: the same bits from any number of threads and processes
 *
 * SPDX-License-Identifier: MIT */
#include "nano.h"

#include <pthread.h>

enum { STEPS = 10 };

static ch_corpus small_corpus(void)
{
    return nano_corpus(3000, 40, 40, 2);
}

static void threads_change_nothing(void **state)
{
    (void)state;
    ch_corpus c = small_corpus();
    for (int arch = 0; arch < 2; arch++) {
        const ch_train_options o = nano_options(arch ? "llama" : "qwen3");
        nano one, many;
        double loss[STEPS], again[STEPS];
        nano_open(&one, &o, 1, NULL);
        nano_steps(&one, &c, STEPS, loss);
        for (int threads = 2; threads <= 3; threads++) {
            nano_open(&many, &o, threads, NULL);
            nano_steps(&many, &c, STEPS, again);
            assert_memory_equal(loss, again, sizeof loss);
            assert_true(nano_equal(&one, &many));
            nano_close(&many);
        }
        assert_true(loss[STEPS - 1] < loss[0]);
        nano_close(&one);
    }
    ch_corpus_free(&c);
}

/* ---- Two processes, as two threads here ----------------------------------------------------- */

typedef struct meeting {
    pthread_barrier_t barrier;
    real *bucket[2];
    double *values[2];
    void *data[2];
} meeting;

typedef struct seat {
    meeting *at;
    int rank;
    const ch_train_options *o;
    const ch_corpus *c;
    nano n;
    double loss[STEPS];
} seat;

static int meet_sum(void *arg, real *bucket, int64_t n, ch_err *e)
{
    const seat *s = arg;
    meeting *m = s->at;
    (void)e;
    m->bucket[s->rank] = bucket;
    pthread_barrier_wait(&m->barrier);
    for (int64_t i = 0; s->rank == 0 && i < n; i++)
        m->bucket[0][i] = m->bucket[1][i] = m->bucket[0][i] + m->bucket[1][i];
    pthread_barrier_wait(&m->barrier);
    return CH_OK;
}

static int meet_sum_double(void *arg, double *values, int n, ch_err *e)
{
    const seat *s = arg;
    meeting *m = s->at;
    (void)e;
    m->values[s->rank] = values;
    pthread_barrier_wait(&m->barrier);
    for (int i = 0; s->rank == 0 && i < n; i++)
        m->values[0][i] = m->values[1][i] = m->values[0][i] + m->values[1][i];
    pthread_barrier_wait(&m->barrier);
    return CH_OK;
}

static int meet_broadcast(void *arg, void *data, size_t bytes, int root, ch_err *e)
{
    const seat *s = arg;
    meeting *m = s->at;
    (void)e;
    m->data[s->rank] = data;
    pthread_barrier_wait(&m->barrier);
    if (s->rank == root)
        memcpy(m->data[!root], data, bytes);
    pthread_barrier_wait(&m->barrier);
    return CH_OK;
}

static ch_comm comm_of(seat *s)
{
    return (ch_comm){s->rank, 2, meet_sum, meet_sum_double, meet_broadcast, s};
}

/* Both ranks at once: fn(&s[0]) here, fn(&s[1]) in a thread. */
static void both(seat s[2], void *(*fn)(void *))
{
    static meeting m;
    pthread_t other;
    m = (meeting){0};
    assert_int_equal(pthread_barrier_init(&m.barrier, NULL, 2), 0);
    s[0].at = s[1].at = &m;
    assert_int_equal(pthread_create(&other, NULL, fn, &s[1]), 0);
    fn(&s[0]);
    pthread_join(other, NULL);
    pthread_barrier_destroy(&m.barrier);
}

static void *train_seat(void *arg)
{
    seat *s = arg;
    const ch_comm comm = comm_of(s);
    nano_open(&s->n, s->o, 1 + s->rank, &comm);
    nano_steps(&s->n, s->c, STEPS, s->loss);
    return NULL;
}

static void two_times_four_is_one_times_eight(void **state)
{
    (void)state;
    ch_corpus c = small_corpus();
    const ch_train_options o = nano_options("qwen3");
    seat s[2];
    nano alone;
    double loss[STEPS];
    for (int rank = 0; rank < 2; rank++)
        s[rank] = (seat){.rank = rank, .o = &o, .c = &c};
    both(s, train_seat);
    nano_open(&alone, &o, 1, NULL);
    nano_steps(&alone, &c, STEPS, loss);
    for (int rank = 0; rank < 2; rank++) {
        assert_memory_equal(loss, s[rank].loss, sizeof loss);
        assert_true(nano_equal(&alone, &s[rank].n));
        nano_close(&s[rank].n);
    }
    nano_close(&alone);
    ch_corpus_free(&c);
}

static void *fail_seat(void *arg)
{
    seat *s = arg;
    const ch_comm comm = comm_of(s);
    ch_err e = {0};
    int rc = s->rank == 1 ? ch_fail(&e, CH_EIO, "the disk of rank 1 is full") : CH_OK;
    rc = ch_comm_agree(&comm, rc, &e);
    s->loss[0] = rc;
    s->loss[1] = strcmp(e.text, "the disk of rank 1 is full");
    rc = s->rank == 1 ? ch_fail(&e, CH_EIO, "one") : ch_fail(&e, CH_EFORMAT, "nought");
    s->loss[2] = ch_comm_agree(&comm, rc, &e);
    s->loss[3] = strcmp(e.text, "nought"); /* the lowest */
    s->loss[4] = ch_comm_agree(&comm, CH_OK, &e);
    return NULL;
}

static void all_fail_together(void **state)
{
    (void)state;
    seat s[2] = {{.rank = 0}, {.rank = 1}};
    both(s, fail_seat);
    for (int rank = 0; rank < 2; rank++) {
        assert_true(s[rank].loss[0] == CH_EIO && s[rank].loss[1] == 0);
        assert_true(s[rank].loss[2] == CH_EFORMAT && s[rank].loss[3] == 0);
        assert_true(s[rank].loss[4] == CH_OK);
    }
}

static void *share_seat(void *arg)
{
    seat *s = arg;
    const ch_comm comm = comm_of(s);
    ch_train_options o = *s->o;
    ch_err e = {0};
    o.seed = 5 + (uint64_t)s->rank; /* other parameters */
    nano_open(&s->n, &o, 1, &comm);
    for (int64_t i = 0; i < s->n.model->bucket; i++)
        s->n.trainer.adamw.m[i] = (real)(s->rank + 1);
    s->n.trainer.step = 3 + s->rank;
    s->loss[0] = ch_trainer_share(&s->n.trainer, &e);
    return NULL;
}

static void rank_0_s_state_is_everyone_s(void **state)
{
    (void)state;
    ch_train_options o = nano_options("qwen3");
    o.ema = 0.9;
    seat s[2] = {{.rank = 0, .o = &o}, {.rank = 1, .o = &o}};
    both(s, share_seat);
    const nano *a = &s[0].n, *b = &s[1].n;
    assert_true(s[0].loss[0] == CH_OK && s[1].loss[0] == CH_OK && b->trainer.step == 3);
    assert_true(nano_equal(a, b));
    assert_true(b->trainer.adamw.m[0] == 1);
    assert_memory_equal(a->trainer.ema, b->trainer.ema, (size_t)a->model->bucket * sizeof(real));
    nano_close(&s[0].n);
    nano_close(&s[1].n);
}

/* The gradient of a leaf does not know how many others there are: 16 leaves of one sequence lie
 * along the tree of 8 leaves of two up to the sums inside a leaf. */
static void grouping_is_rounding_alone(void **state)
{
    (void)state;
    ch_corpus c = small_corpus();
    ch_train_options o = nano_options("qwen3");
    nano a, b;
    double loss[2] = {0}, again[2] = {0};
    nano_open(&a, &o, 1, NULL);
    nano_steps(&a, &c, 2, loss);
    o.micro_batch = 1;
    o.accumulate = 16;
    nano_open(&b, &o, 1, NULL);
    nano_steps(&b, &c, 2, again);
    assert_true(fabs(loss[0] - again[0]) < 1e-6 && fabs(loss[1] - again[1]) < 1e-5);
    nano_close(&a);
    nano_close(&b);
    ch_corpus_free(&c);
}

/* ---- What is updated, and what is not ------------------------------------------------------- */

static int count_decaying(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    const nano *n = arg;
    (void)layer;
    const int64_t at = ((const real *)w->stored.data - n->model->parameters) / 64;
    if (!w->stored.data)
        return 0;
    const bool table = strcmp(w->name, "token_embd.weight") == 0;
    const bool want = w->stored.rank == 2 && !table;
    (void)row;
    assert_int_equal(n->trainer.adamw.decays[at], want);
    assert_int_equal(n->trainer.adamw.decays[at + (ch_tensor_count(&w->stored) - 1) / 64], want);
    return 0;
}

static void matrices_decay(void **state)
{
    (void)state;
    ch_train_options o = nano_options("qwen3");
    for (int untied = 0; untied < 2; untied++) {
        nano n;
        o.untied = untied;
        nano_open(&n, &o, 1, NULL);
        ch_model_each(n.model, count_decaying, &n);
        nano_close(&n);
    }
}

static void clipping_bounds_the_step(void **state)
{
    (void)state;
    ch_corpus c = small_corpus();
    ch_train_options o = nano_options("qwen3");
    ch_err e = {0};
    double loss, norm, norms[2];
    for (int i = 0; i < 2;
         i++) { /* first moments after a step: 0.1 g, so their norm tells what was applied */
        nano n;
        o.clip = i ? 0.01 : -1;
        nano_open(&n, &o, 1, NULL);
        assert_ok(ch_trainer_step(&n.trainer, &c, 1e-3, &loss, &norm, &e), e);
        norms[i] = ch_grad_norm(n.trainer.adamw.m, n.model->bucket, NULL) / 0.1;
        assert_true(fabs(norms[i] - (i ? 0.01 : norm)) < 1e-5 * norms[i]);
        nano_close(&n);
    }
    assert_true(norms[0] > 0.02);
    ch_corpus_free(&c);
}

static void what_is_not_finite_changes_nothing(void **state)
{
    (void)state;
    ch_corpus c = small_corpus();
    const ch_train_options o = nano_options("qwen3");
    ch_err e = {0};
    double loss, norm;
    nano a, b;
    nano_open(&a, &o, 1, NULL);
    nano_open(&b, &o, 1, NULL);
    nano_steps(&a, &c, 2, NULL);
    nano_steps(&b, &c, 2, NULL);
    const real kept = a.model->parameters[5];
    a.model->parameters[5] = (real)
        NAN; /* in the row of token 0, which every document begins with */
    assert_fails(ch_trainer_step(&a.trainer, &c, 1e-3, &loss, &norm, &e), CH_EFORMAT, e,
                 "step 3: the loss is nan");
    a.model->parameters[5] = kept;
    assert_true(nano_equal(&a, &b));
    nano_steps(&a, &c, 4, NULL); /* and the trainer is as good as before */
    nano_steps(&b, &c, 4, NULL);
    assert_true(nano_equal(&a, &b));
    nano_close(&a);
    nano_close(&b);
    ch_corpus_free(&c);
}

/* Every third step's window or so lies in a prompt: it counts, and does nothing else. */
static void a_step_without_targets_passes(void **state)
{
    (void)state;
    enum { N = 960, PERIOD = 96, ANSWER = 24, ALL = 40 };
    static uint8_t trains[N / 8], nothing[N / 8];
    ch_corpus c = nano_corpus(N, N, 40, 2);
    ch_train_options o = nano_options("qwen3");
    ch_err e = {0};
    int without = 0;
    nano n, copy;
    memset(trains, 0, sizeof trains);
    for (int i = 0; i < N; i++)
        trains[i / 8] |= (uint8_t)((i % PERIOD >= PERIOD - ANSWER) << i % 8);
    c.trains = trains;
    o.micro_batch = o.accumulate = 1;
    o.spike = 1e6;
    nano_open(&n, &o, 1, NULL);
    nano_open(&copy, &o, 1, NULL);
    for (int64_t i = 1; i <= ALL; i++) {
        const ch_spike seen = n.trainer.spike;
        double loss, norm;
        c.trains = nothing; /* the copy never has any */
        assert_ok(ch_trainer_step(&copy.trainer, &c, 1e-3, &loss, &norm, &e), e);
        assert_true(isnan(loss) && isnan(norm));
        c.trains = trains;
        assert_ok(ch_trainer_step(&n.trainer, &c, 1e-3, &loss, &norm, &e), e);
        assert_int_equal(n.trainer.step, i);
        const bool none = isnan(loss);
        assert_true(none == isnan(norm) && none == (n.trainer.batch.targets == 0));
        assert_int_equal(n.trainer.spike.seen, seen.seen + !none);
        assert_int_equal(n.trainer.spike.skipped, 0);
        without += none;
    }
    assert_true(without > 0 && without < ALL);
    assert_false(nano_equal(&n, &copy));
    nano_close(&n);
    nano_open(&n, &o, 1, NULL);
    n.trainer.step = ALL;
    assert_true(nano_equal(&n, &copy)); /* steps without targets left it as it was made */
    nano_close(&n);
    nano_close(&copy);
    c.trains = NULL; /* not from malloc */
    ch_corpus_free(&c);
}

static void evaluation_is_pure(void **state)
{
    (void)state;
    ch_corpus c = small_corpus(), held = nano_corpus(500, 40, 40, 3), none = {.end = 0};
    const ch_train_options o = nano_options("llama");
    ch_err e = {0};
    nano a, b;
    nano_open(&a, &o, 2, NULL);
    nano_open(&b, &o, 1, NULL);
    for (int step = 1; step <= 3; step++) {
        double nll[2];
        int64_t scored[2];
        nano_steps(&a, &c, step, NULL);
        nano_steps(&b, &c, step, NULL);
        for (int i = 0; i < 2; i++)
            assert_ok(ch_trainer_eval(&a.trainer, &held, 1 << 20, &nll[i], &scored[i], &e), e);
        assert_true(nll[0] == nll[1] && scored[0] == scored[1]);
        assert_int_equal(scored[0], 500); /* each token or end once */
        assert_ok(ch_trainer_eval(&a.trainer, &held, 160, &nll[1], &scored[1], &e), e);
        assert_int_equal(scored[1], 160);
    }
    assert_true(nano_equal(&a, &b));
    double nll;
    int64_t scored;
    assert_ok(ch_trainer_eval(&a.trainer, &none, 100, &nll, &scored, &e), e);
    assert_true(isnan(nll) && scored == 0);
    nano_close(&a);
    nano_close(&b);
    ch_corpus_free(&held);
    ch_corpus_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(two_times_four_is_one_times_eight),
        cmocka_unit_test(all_fail_together),
        cmocka_unit_test(rank_0_s_state_is_everyone_s),
        cmocka_unit_test(grouping_is_rounding_alone),
        cmocka_unit_test(matrices_decay),
        cmocka_unit_test(clipping_bounds_the_step),
        cmocka_unit_test(what_is_not_finite_changes_nothing),
        cmocka_unit_test(a_step_without_targets_passes),
        cmocka_unit_test(evaluation_is_pure),
    };
    return cmocka_run_group_tests_name("train/trainer", tests, NULL, NULL);
}
