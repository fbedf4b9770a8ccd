/* pool.c - tests of base/pool.c.  SPDX-License-Identifier: MIT */
#include "support.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TASKS_MAX = 1000 };

typedef struct tally {
    atomic_int runs[TASKS_MAX];
    atomic_int bad_thread, bad_task;
    int tasks, threads;
    int plain[TASKS_MAX]; /* written by the task alone: only the barrier orders it */
} tally;

static void count(void *arg, int task, int thread)
{
    tally *t = arg;
    if (thread < 0 || thread >= t->threads)
        atomic_fetch_add(&t->bad_thread, 1);
    if (task < 0 || task >= t->tasks) {
        atomic_fetch_add(&t->bad_task, 1);
        return;
    }
    atomic_fetch_add_explicit(&t->runs[task], 1, memory_order_relaxed);
    t->plain[task] += task + 1;
}

static void every_task_once(void **state)
{
    (void)state;
    ch_err e = {0};
    for (int threads = 1; threads <= 5; threads++) {
        ch_pool *p;
        tally *t = calloc(1, sizeof *t);
        assert_non_null(t);
        assert_ok(ch_pool_open(&p, threads, &e), e);
        assert_int_equal(ch_pool_threads(p), threads);
        t->threads = threads;
        int want[TASKS_MAX] = {0}, rounds = threads > 2 ? 400 : 1500;
        for (int round = 0; round < rounds; round++) {
            t->tasks = (int)ch_rng_below(round % 50 == 49 ? TASKS_MAX + 1 : 9, 1, CH_RNG_TEST, 0,
                                         (uint64_t)round);
            ch_pool_run(p, count, t, t->tasks);
            for (int i = 0; i < t->tasks; i++)
                want[i]++;
            for (int i = 0; i < TASKS_MAX; i++)
                if (t->plain[i] != want[i] * (i + 1) || atomic_load(&t->runs[i]) != want[i])
                    fail_msg("%d threads, round %d: task %d ran %d times, wanted %d", threads,
                             round, i, atomic_load(&t->runs[i]), want[i]);
        }
        assert_int_equal(t->bad_thread, 0);
        assert_int_equal(t->bad_task, 0);
        ch_pool_stats s = ch_pool_get_stats(p);
        assert_int_equal(s.runs, rounds);
        assert_true(threads == 1 ? s.barriers == 0 : s.barriers > 0 && s.barriers < s.runs);
        ch_pool_close(&p);
        assert_null(p);
        ch_pool_close(&p);
        free(t);
    }
}

static void no_pool_is_the_caller(void **state)
{
    (void)state;
    tally *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->threads = 1;
    t->tasks = 100;
    ch_pool_run(NULL, count, t, 100);
    ch_pool_run(NULL, count, t, 0);
    ch_pool_run(NULL, count, t, -5);
    for (int i = 0; i < TASKS_MAX; i++)
        assert_int_equal(t->runs[i], i < 100);
    assert_int_equal(ch_pool_threads(NULL), 1);
    assert_int_equal(ch_pool_get_stats(NULL).runs, 0);
    free(t);
}

static void sum_part(void *arg, int task, int thread)
{
    (void)thread;
    float *out = arg;
    float sum = 0;
    for (uint64_t i = 0; i < 300; i++)
        sum += (float)ch_rng_normal(9, CH_RNG_TEST, (uint32_t)task, i);
    out[task] = sum;
}

static void results_do_not_depend_on_threads(void **state)
{
    (void)state;
    enum { N = 64 };
    ch_err e = {0};
    float want[N], got[N];
    ch_pool_run(NULL, sum_part, want, N);
    for (int threads = 1; threads <= 5; threads++) {
        ch_pool *p;
        assert_ok(ch_pool_open(&p, threads, &e), e);
        for (int round = 0; round < 5; round++) {
            memset(got, 0, sizeof got);
            ch_pool_run(p, sum_part, got, N);
            assert_memory_equal(got, want, sizeof want);
        }
        ch_pool_close(&p);
    }
}

static void nap(void *arg, int task, int thread)
{
    (void)thread;
    struct timespec t = {.tv_nsec = 300 * 1000};
    if (task == *(int *)arg)
        nanosleep(&t, NULL);
}

/* Pauses longer than any spinning between runs, and tasks longer than the caller spins: both kinds
 * of sleep and waking. */
static void sleepers_wake(void **state)
{
    (void)state;
    ch_err e = {0};
    for (int threads = 2; threads <= 4; threads++) {
        ch_pool *p;
        assert_ok(ch_pool_open(&p, threads, &e), e);
        for (int round = 0; round < 100; round++) {
            int slow = round % 3 == 2 ? -1 : round % 4;
            struct timespec pause = {.tv_nsec = 150 * 1000};
            ch_pool_run(p, nap, &slow, 4);
            if (round % 5 == 0)
                nanosleep(&pause, NULL);
        }
        assert_int_equal(ch_pool_get_stats(p).barriers, 100);
        ch_pool_close(&p);
    }
}

/* Each of two tasks begins only when the other has: they are on two threads. */
static void meet(void *arg, int task, int thread)
{
    (void)task;
    struct timespec t = {.tv_nsec = 300 * 1000};
    atomic_int *here = arg;
    atomic_fetch_add(here, 1);
    while (atomic_load(here) < 2)
        sched_yield();
    if (thread != 0)
        nanosleep(&t, NULL);
}

static void tasks_run_at_once_and_waiting_is_counted(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_pool *p;
    assert_ok(ch_pool_open(&p, 2, &e), e);
    /* On a busy machine the caller may sleep through the other's nap, but not every time. */
    for (int round = 0; round < 1000 && ch_pool_get_stats(p).wait_ns == 0; round++) {
        atomic_int here = 0;
        ch_pool_run(p, meet, &here, 2);
    }
    assert_true(ch_pool_get_stats(p).wait_ns > 0);
    ch_pool_close(&p);
}

static void opening(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_pool *p;
    assert_fails(ch_pool_open(&p, -1, &e), CH_EARG, e, "threads: -1, allowed 0 to");
    assert_null(p);
    assert_fails(ch_pool_open(&p, 1 << 20, &e), CH_EARG, e, "threads: 1048576");
    assert_ok(ch_pool_open(&p, 0, &e), e);
    assert_int_equal(ch_pool_threads(p), ch_pool_cpus());
    ch_pool_close(&p); /* without a run, so without threads */
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (int c = 0; c < CPU_SETSIZE && CPU_COUNT(&one) == 0; c++)
        if (CPU_ISSET(c, &before))
            CPU_SET(c, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(ch_pool_cpus(), 1);
    /* Four threads on one CPU still finish. */
    assert_ok(ch_pool_open(&p, 4, &e), e);
    for (int round = 0; round < 50; round++) {
        int slow = -1;
        ch_pool_run(p, nap, &slow, 16);
    }
    ch_pool_close(&p);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

/* A thread's first sight of a pool may come after many runs: opening and closing at once. */
static void short_lives(void **state)
{
    (void)state;
    ch_err e = {0};
    for (int i = 0; i < 100; i++) {
        ch_pool *p;
        int slow = -1;
        assert_ok(ch_pool_open(&p, 2 + i % 4, &e), e);
        for (int round = 0; round < i % 4; round++)
            ch_pool_run(p, nap, &slow, 3);
        ch_pool_close(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_once), cmocka_unit_test(no_pool_is_the_caller),
        cmocka_unit_test(results_do_not_depend_on_threads), cmocka_unit_test(sleepers_wake),
        cmocka_unit_test(tasks_run_at_once_and_waiting_is_counted), cmocka_unit_test(opening),
        cmocka_unit_test(short_lives),
    };
    return cmocka_run_group_tests_name("base/pool", tests, NULL, NULL);
}
