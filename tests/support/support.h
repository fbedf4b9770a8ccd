/* support.h - what several test programs share
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_TEST_SUPPORT_H
#define CH_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base.h"

/* $CHALCIS_SHARED/rel, or NULL when the variable is unset or nothing is there.  The four latest
 * answers stay valid; not for threads. */
const char *shared_path(const char *rel);

/* Ends the running test as skipped, by name, unless $CHALCIS_SHARED/rel exists. */
#define skip_without(rel)                                             \
    do {                                                              \
        if (shared_path(rel) == NULL) {                               \
            print_message("# skipped: needs $CHALCIS_SHARED/%s\n", rel); \
            skip();                                                   \
        }                                                             \
    } while (0)

/* The thread sanitizer slows all down by ten and finds nothing in one thread: what tries several
 * numbers of threads begins there with two, and a long test of one thread is skipped. */
#ifdef __SANITIZE_THREAD__
enum { FEWEST_THREADS = 2 };
#else
enum { FEWEST_THREADS = 1 };
#endif
#define skip_one_thread()                                                                 \
    do {                                                                                  \
        if (FEWEST_THREADS > 1) {                                                         \
            print_message("# skipped: one thread, nothing for the thread sanitizer\n"); \
            skip();                                                                       \
        }                                                                                 \
    } while (0)

/* The file $CHALCIS_SHARED/rel, mapped (end it with ch_io_unmap); else the test fails. */
ch_mapping shared_map(const char *rel);

/* A new empty directory below $TMPDIR or /tmp; the path is the caller's (free).  temp_dir_remove
 * deletes it with all that is in it. */
char *temp_dir(void);
void temp_dir_remove(char *path); /* frees path too */

/* n bytes that end exactly where reading stops the program, 0xa5 in each; n may be 0.  Aligned as n
 * is: the end is a page boundary.  guarded_front: the same, but what lies before the first byte
 * traps (and the start is page aligned). */
void *guarded(size_t n);
void *guarded_front(size_t n);
void guarded_free(void *p, size_t n);

/* Fills x with numbers that find mistakes, a function of (seed, index) alone. */
enum {
    FILL_NORMAL,  /* standard normal */
    FILL_SMALL,   /* integers -8..8: sums and products are exact */
    FILL_HOSTILE, /* both zeros, subnormals, the largest floats, normals among them: all finite */
    FILL_POISON,  /* as FILL_HOSTILE, and infinities and NaN */
};
void fill(float *x, size_t n, int how, uint64_t seed);

/* The distance of two floats in units in the last place, through zero; of two NaN: 0, of a NaN and
 * a number: the largest. */
uint32_t ulps(float a, float b);

/* CH_OK, or the test fails and shows the sentence. */
#define assert_ok(rc, e)                                                                     \
    do {                                                                                     \
        int rc_ = (rc);                                                                      \
        if (rc_ != CH_OK)                                                                    \
            fail_msg("%s: %d (%s)", #rc, rc_, (e).text);                                     \
    } while (0)

/* The code is `want` and the sentence holds `part`. */
#define assert_fails(rc, want, e, part)                                                      \
    do {                                                                                     \
        int rc_ = (rc);                                                                      \
        if (rc_ != (want) || (e).code != (want) || strstr((e).text, part) == NULL)           \
            fail_msg("%s: %d \"%s\", wanted %d with \"%s\"", #rc, rc_, (e).text, want, part); \
    } while (0)

#endif
