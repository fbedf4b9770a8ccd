/* pool.c - tasks claimed from atomic words, one a thread
 *
 *     claim = run number << 32 | tasks of the thread's share not yet claimed
 *
 * The tasks are cut into as many stretches as there are threads.  A thread does its own stretch
 * first, so that task 7 of 64 reads the same weights on the same core, from that core's cache,
 * every time; then it helps with the others' from the next thread's on.
 * It takes a task by lowering a count with compare-and-swap.  Because the word carries the
 * run's number, a thread that comes late from an earlier run can never take a task of a later one,
 * so a run ends as soon as its tasks are done: it need not wait for every worker to have seen it.
 * `fn`, `arg` and `tasks` are written before the claims are published and stay as they are while a
 * claimed task is not done; whoever wins a task has therefore read the values of its own run.
 * `run` follows the claims: who sees it sees them all.
 *
 * Sleeping follows one pattern twice: the sleeper raises its flag, then looks at the word; the
 * waker changes the word, then looks at the flag (both sequentially consistent), so at least one
 * of the two sees the other.  SPDX-License-Identifier: MIT */
#include "pool.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "quota.h"
#include "err.h"

enum { THREADS_MAX = 1024, LINE = 64 };

/* How long to spin before sleeping: longer than the gap between two operations of a layer,
 * shorter than anyone would notice on a laptop's battery.  With more threads than CPUs spinning
 * takes the CPU from the thread that is waited for. */
#ifdef CH_HOSTILE
enum { SPIN_NS = 0, SPIN_CROWDED_NS = 0 };
#else
enum { SPIN_NS = 50000, SPIN_CROWDED_NS = 1000 };
#endif

typedef struct worker {
    struct ch_pool *pool;
    pthread_t id;
    int thread;
} worker;

typedef struct share {
    alignas(LINE) _Atomic uint64_t claim;
} share;

struct ch_pool {
    alignas(LINE) _Atomic uint64_t run;
    alignas(LINE) _Atomic int done; /* tasks of this run that are finished */
    alignas(LINE) _Atomic int sleepers;
    _Atomic int caller_sleeps;
    _Atomic bool stop;
    _Atomic(ch_pool_task *) fn;
    _Atomic(void *) arg;
    _Atomic int tasks;
    alignas(LINE) pthread_mutex_t lock; /* for the two conditions only */
    pthread_cond_t work, finished;
    int threads, started; /* started: workers that really run */
    bool tried, running;
    uint64_t spin_ns;
    ch_pool_stats stats;
    worker *workers;
    share *shares; /* a thread that runs each; the caller's first */
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

static uint32_t unclaimed(uint64_t claim)
{
    return (uint32_t)claim;
}

/* Where share i of n ends. */
static int share_end(int tasks, int i, int n)
{
    return (int)((int64_t)tasks * (i + 1) / n);
}

/* Runs the tasks of a share that are left; returns their number. */
static int work_share(ch_pool *p, int number, int n, int thread)
{
    _Atomic uint64_t *word = &p->shares[number].claim;
    int finished = 0;
    uint64_t claim = atomic_load_explicit(word, memory_order_acquire);
    while (unclaimed(claim) > 0) {
        ch_pool_task *fn = atomic_load_explicit(&p->fn, memory_order_relaxed);
        void *arg = atomic_load_explicit(&p->arg, memory_order_relaxed);
        int tasks = atomic_load_explicit(&p->tasks, memory_order_relaxed);
        if (!atomic_compare_exchange_weak_explicit(word, &claim, claim - 1, memory_order_acq_rel,
                                                   memory_order_acquire))
            continue;
        fn(arg, share_end(tasks, number, n) - (int)unclaimed(claim), thread);
        finished++;
        claim = atomic_load_explicit(word, memory_order_acquire);
    }
    return finished;
}

/* Runs tasks as long as there are any. */
static void work(ch_pool *p, int thread)
{
    const int n = p->started + 1;
    int finished = 0;
    for (int i = 0; i < n; i++)
        finished += work_share(p, (thread + i) % n, n, thread);
    if (finished == 0)
        return;
    atomic_fetch_add(&p->done, finished);
    if (thread != 0 && atomic_load(&p->caller_sleeps)) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_signal(&p->finished);
        pthread_mutex_unlock(&p->lock);
    }
}

static bool is_news(ch_pool *p, uint64_t seen)
{
    return atomic_load(&p->run) != seen || atomic_load(&p->stop);
}

static bool is_done(ch_pool *p, uint64_t unused)
{
    (void)unused;
    return atomic_load(&p->done) == atomic_load_explicit(&p->tasks, memory_order_relaxed);
}

/* Looks for p->spin_ns whether `ready`; the clock is read once in 32 looks. */
static bool spin(ch_pool *p, bool (*ready)(ch_pool *, uint64_t), uint64_t seen)
{
    uint64_t until = ch_clock_ns() + p->spin_ns;
    do {
        for (int i = 0; i < 32; i++) {
            if (ready(p, seen))
                return true;
            relax();
        }
    } while (ch_clock_ns() < until);
    return ready(p, seen);
}

static void *worker_main(void *arg)
{
    worker *w = arg;
    ch_pool *p = w->pool;
    uint64_t seen = 0;
    while (!atomic_load(&p->stop)) {
        if (spin(p, is_news, seen)) {
            seen = atomic_load(&p->run);
            work(p, w->thread);
            continue;
        }
        pthread_mutex_lock(&p->lock);
        atomic_fetch_add(&p->sleepers, 1);
        /* Once awake, spin again even if the others were quicker: the next run is near. */
        if (!is_news(p, seen))
            pthread_cond_wait(&p->work, &p->lock);
        atomic_fetch_sub(&p->sleepers, 1);
        pthread_mutex_unlock(&p->lock);
    }
    return NULL;
}

/* Where the system grants fewer threads than wanted, those it grants do the work. */
static void start_workers(ch_pool *p)
{
    sigset_t all, before;
    p->tried = true;
    sigfillset(&all); /* signals belong to the program's own threads */
    sigdelset(&all, SIGBUS); /* but for what a thread brings on itself (guard.h) */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (int i = 0; i < p->threads - 1; i++) {
        worker *w = &p->workers[i];
        *w = (worker){.pool = p, .thread = i + 1};
        if (pthread_create(&w->id, NULL, worker_main, w) != 0)
            break;
        p->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int ch_pool_open(ch_pool **out, int threads, ch_err *e)
{
    *out = NULL;
    if (threads < 0 || threads > THREADS_MAX)
        return ch_fail(e, CH_EARG, "threads: %d, allowed 0 to %d", threads, THREADS_MAX);
    int cpus = ch_pool_cpus();
    if (threads == 0)
        threads = cpus < THREADS_MAX ? cpus : THREADS_MAX;
    ch_pool *p = aligned_alloc(LINE, sizeof *p);
    worker *workers = calloc((size_t)threads, sizeof *workers);
    share *shares = aligned_alloc(LINE, (size_t)threads * sizeof *shares);
    if (p == NULL || workers == NULL || shares == NULL) {
        free(p);
        free(workers);
        free(shares);
        return ch_fail(e, CH_ENOMEM, "out of memory for a pool of %d threads", threads);
    }
    *p = (ch_pool){.threads = threads, .workers = workers, .shares = shares};
    for (int i = 0; i < threads; i++)
        atomic_init(&shares[i].claim, 0);
    p->spin_ns = threads > cpus ? SPIN_CROWDED_NS : SPIN_NS;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->finished, NULL);
    *out = p;
    return CH_OK;
}

void ch_pool_close(ch_pool **pool)
{
    ch_pool *p = *pool;
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->stop, true);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->started; i++)
        pthread_join(p->workers[i].id, NULL);
    pthread_cond_destroy(&p->finished);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    free(p->workers);
    free(p->shares);
    free(p);
    *pool = NULL;
}

int ch_pool_threads(const ch_pool *p)
{
    return p == NULL ? 1 : p->threads;
}

/* Offers the tasks to the workers, takes part, and waits until all are done. */
static void run_shared(ch_pool *p, ch_pool_task *fn, void *arg, int tasks)
{
    atomic_store_explicit(&p->fn, fn, memory_order_relaxed);
    atomic_store_explicit(&p->arg, arg, memory_order_relaxed);
    atomic_store_explicit(&p->tasks, tasks, memory_order_relaxed);
    atomic_store_explicit(&p->done, 0, memory_order_relaxed);
    const uint64_t run = p->stats.barriers + 1;
    for (int i = 0, from = 0, n = p->started + 1; i < n; i++) {
        const int end = share_end(tasks, i, n);
        atomic_store_explicit(&p->shares[i].claim, run << 32 | (uint32_t)(end - from),
                              memory_order_release);
        from = end;
    }
    atomic_store(&p->run, run);
    if (atomic_load(&p->sleepers) > 0) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->work);
        pthread_mutex_unlock(&p->lock);
    }
    work(p, 0);
    p->stats.barriers++;
    if (is_done(p, 0))
        return;
    uint64_t before = ch_clock_ns();
    if (!spin(p, is_done, 0)) {
        pthread_mutex_lock(&p->lock);
        atomic_store(&p->caller_sleeps, 1);
        while (!is_done(p, 0))
            pthread_cond_wait(&p->finished, &p->lock);
        atomic_store(&p->caller_sleeps, 0);
        pthread_mutex_unlock(&p->lock);
    }
    p->stats.wait_ns += ch_clock_ns() - before;
}

void ch_pool_run(ch_pool *p, ch_pool_task *fn, void *arg, int tasks)
{
    if (p == NULL) {
        for (int i = 0; i < tasks; i++)
            fn(arg, i, 0);
        return;
    }
    assert(!p->running);
    p->running = true;
    p->stats.runs++;
    if (tasks > 1 && p->threads > 1 && !p->tried)
        start_workers(p);
    if (tasks > 1 && p->started > 0)
        run_shared(p, fn, arg, tasks);
    else
        for (int i = 0; i < tasks; i++)
            fn(arg, i, 0);
    p->running = false;
}

ch_pool_stats ch_pool_get_stats(const ch_pool *p)
{
    return p == NULL ? (ch_pool_stats){0} : p->stats;
}

int ch_pool_cpus(void)
{
    const int quota = ch_quota_cpus("");
    long n = sysconf(_SC_NPROCESSORS_ONLN);
#ifdef CPU_COUNT
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        n = CPU_COUNT(&set);
#endif
    n = quota > 0 && quota < n ? quota : n;
    return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (int)n;
}
