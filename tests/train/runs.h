/* runs.h - runs of ch_train in a folder of the test program's own
 *
 * SPDX-License-Identifier: MIT */
#ifndef RUNS_H
#define RUNS_H

#include "nano.h"

/* The folder that open_dir makes and close_dir removes. */
static char *dir;

/* dir/run/name, or dir/run; the four latest answers stay valid. */
static inline char *path_of(const char *run, const char *name)
{
    static char path[4][4096];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s%s%s", dir, run, *name ? "/" : "", name);
    return p;
}

static inline int close_dir(void **state)
{
    (void)state;
    temp_dir_remove(dir);
    return 0;
}

/* A progress function that cancels the run after step `at`. */
struct stopping {
    volatile int cancel;
    int at;
};

static inline void stop_at(void *arg, const ch_train_progress *p)
{
    struct stopping *s = arg;
    if (strcmp(p->phase, "training") == 0 && p->step >= s->at)
        s->cancel = 1;
}

static inline void expect_same_file(const char *a, const char *b)
{
    ch_err e = {0};
    ch_mapping x, y;
    assert_ok(ch_io_map(&x, a, &e), e);
    assert_ok(ch_io_map(&y, b, &e), e);
    if (x.size != y.size || memcmp(x.data, y.data, x.size) != 0)
        fail_msg("%s and %s differ", a, b);
    ch_io_unmap(&x);
    ch_io_unmap(&y);
}

#endif
