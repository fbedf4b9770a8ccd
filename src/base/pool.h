/* pool.h - a few threads that wait by spinning, then by sleeping
 *
 * ch_pool_run hands the tasks 0..n-1 to the caller and the workers; each is run exactly once, in no
 * fixed order, and all are done when it returns (that is one barrier).  What a task computes may
 * depend on its number only, never on the thread: this is how results stay equal for any thread
 * count.  A task of one number mostly comes to the same thread again, and finds there what it read
 * the last time.
 * Workers spin for a short while after each run (a layer's next operation follows within
 * microseconds) and then sleep on a futex/condition.
 * A NULL pool is legal everywhere and means: the calling thread alone.  One run at a time per pool.
 * SPDX-License-Identifier: MIT */
#ifndef CH_POOL_H
#define CH_POOL_H

#include <stdint.h>

#include "chalcis.h"

typedef struct ch_pool ch_pool;
typedef void ch_pool_task(void *arg, int task, int thread); /* 0 <= thread < ch_pool_threads() */

/* threads 0: one per CPU this process may use; counts the caller, so threads-1 are started, and
 * they start at the first run that has more than one task (a cold start pays nothing). */
int ch_pool_open(ch_pool **out, int threads, ch_err *e);
void ch_pool_close(ch_pool **p);
int ch_pool_threads(const ch_pool *p);
void ch_pool_run(ch_pool *p, ch_pool_task *fn, void *arg, int tasks);

/* Since opening: barriers passed with more than one thread, and the nanoseconds that the calling
 * thread waited in them for others. */
typedef struct ch_pool_stats {
    uint64_t runs, barriers, wait_ns;
} ch_pool_stats;
ch_pool_stats ch_pool_get_stats(const ch_pool *p);

/* CPUs this process may use by its affinity and its control groups' quota (quota.h), at least 1 */
int ch_pool_cpus(void);

#endif
