/* held.h - a server of handlers that leave their exchanges to the test
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_TEST_HELD_H
#define CH_TEST_HELD_H

#include "wire.h"

/* What handlers leave to the test. */
static struct {
    _Atomic(ch_exchange *) x;
    atomic_int calls, gone;
} held;

static inline ch_http *serve(const ch_http_options *o)
{
    ch_http *h;
    ch_err e;
    held.x = NULL;
    held.calls = held.gone = 0;
    assert_ok(ch_http_open(&h, o, &e), e);
    return h;
}

static inline ch_exchange *held_one(void)
{
    ch_exchange *x;
    until((x = atomic_exchange(&held.x, NULL)) != NULL);
    return x;
}

static inline ch_http_stats stats(const ch_http *h)
{
    ch_http_stats s;
    ch_http_get_stats(&s, h);
    return s;
}

#endif
