/* bench_measure.c - runs tests and takes their times
 *
 * Tokens are pseudo-random and no two of a run alike, so that nothing is found in a cache; drawing
 * and text are not counted.  What a test finds in the cache is computed once; its streams are
 * forks of it.
 * SPDX-License-Identifier: MIT */
#include "benching.h"

#include <limits.h>
#include <stdlib.h>

enum { CHUNK = 4096 };

struct bench {
    ch_bench *b;
    ch_session *base;  /* empty: its forks share memory and threads */
    ch_session **deep; /* one of each depth, NULL: not made yet; b->n of them */
    uint64_t tokens;   /* counts tokens made, for tokens that differ */
};

static int put(ch_session *s, struct bench *m, int n, ch_err *e)
{
    ch_token t[CHUNK];
    int rc = CH_OK;
    while (n > 0 && rc == CH_OK) {
        const int part = CH_MIN(n, CHUNK);
        for (int i = 0; i < part; i++)
            t[i] = (ch_token)ch_rng_below((uint64_t)m->b->info.vocab, 1, CH_RNG_TEST, 0,
                                          m->tokens++);
        rc = ch_session_put(s, t, part, e);
        n -= part;
    }
    return rc;
}

/* Computes what waits in all of them, in steps of as many rows as there are. */
static int settle(ch_session *const *s, int n, ch_err *e)
{
    int rc = CH_OK, waiting;
    do {
        ch_share share[CH_BENCH_STREAMS];
        for (int i = 0; i < n; i++)
            share[i] = (ch_share){.s = s[i], .rows = INT_MAX, .from = INT_MAX};
        rc = ch_session_advance(share, n, NULL, NULL, e);
        waiting = 0;
        for (int i = 0; i < n && rc == CH_OK; i++) {
            rc = share[i].rc < 0 ? ch_fail(e, share[i].rc, "the cache is full") : CH_OK;
            waiting += ch_session_waiting(s[i]);
        }
    } while (waiting > 0 && rc == CH_OK);
    return rc;
}

static int append(ch_session *const *s, int streams, struct bench *m, int tokens, ch_err *e)
{
    int rc = CH_OK;
    for (int i = 0; i < streams && rc == CH_OK; i++)
        rc = put(s[i], m, tokens, e);
    return rc == CH_OK ? settle(s, streams, e) : rc;
}

/* The first test of the same depth. */
static int first_of(const ch_bench *b, int test)
{
    int first = 0;
    while (b->test[first].depth != b->test[test].depth)
        first++;
    return first;
}

/* The session with a test's depth, which is computed when it is first wanted. */
static int deep_of(ch_session **out, struct bench *m, int test, ch_err *e)
{
    const ch_bench_test *t = m->b->test;
    const int first = first_of(m->b, test);
    int rc = CH_OK;
    if (!m->deep[first]) {
        rc = ch_session_fork(&m->deep[first], m->base, e);
        if (rc == CH_OK && t[test].depth > 0)
            rc = append(&m->deep[first], 1, m, t[test].depth, e);
    }
    *out = m->deep[first];
    return rc;
}

/* A timeline that only generates has a token to begin with, which is not counted. */
static int begin(ch_session **s, struct bench *m, int test, ch_err *e)
{
    const ch_bench_test *t = &m->b->test[test];
    ch_session *deep;
    int rc = deep_of(&deep, m, test, e);
    for (int i = 0; i < t->streams && rc == CH_OK; i++)
        rc = ch_session_fork(&s[i], deep, e);
    if (rc == CH_OK && t->prompt == 0)
        rc = append(s, t->streams, m, 1, e);
    return rc;
}

static int round_of(struct bench *m, int test, double *seconds, ch_profile *profile, ch_err *e)
{
    const ch_bench_test *t = &m->b->test[test];
    ch_session *s[CH_BENCH_STREAMS] = {0};
    int rc = begin(s, m, test, e);
    if (rc == CH_OK)
        ch_session_profile(s[0], profile);
    const uint64_t t0 = ch_clock_ns();
    if (rc == CH_OK && t->prompt > 0)
        rc = append(s, t->streams, m, t->prompt, e);
    for (int i = 0; i < t->generate && rc == CH_OK; i++)
        rc = append(s, t->streams, m, 1, e);
    *seconds = (double)(ch_clock_ns() - t0) * 1e-9;
    for (int i = 0; i < t->streams; i++)
        ch_session_close(&s[i]);
    return rc;
}

static int profile(struct bench *m, ch_err *e)
{
    int rc = CH_OK;
    for (int test = 0; test < m->b->n && rc == CH_OK; test++) {
        ch_bench_profile *p = &m->b->test[test].profile;
        rc = round_of(m, test, &p->seconds, NULL, e); /* warm */
        const ch_pool_stats before = ch_session_pool_stats(m->base);
        if (rc == CH_OK)
            rc = round_of(m, test, &p->seconds, &p->cost, e);
        const ch_pool_stats after = ch_session_pool_stats(m->base);
        p->barriers = after.barriers - before.barriers;
        p->wait_ns = after.wait_ns - before.wait_ns;
    }
    return rc;
}

static int rounds(struct bench *m, ch_err *e)
{
    int rc = CH_OK;
    for (int round = -1; round < m->b->rounds && rc == CH_OK; round++)
        for (int test = 0; test < m->b->n && rc == CH_OK; test++) {
            double s = 0;
            rc = round_of(m, test, &s, NULL, e);
            if (round >= 0)
                m->b->test[test].seconds[round] = s;
        }
    return rc;
}

/* ---- Sessions ------------------------------------------------------------------------------ */

/* One context for all, and a cache for all depths and the largest test. */
static int open_base(struct bench *m, ch_model *model, ch_err *e)
{
    const ch_bench *b = m->b;
    enum { PAGE = 32 }; /* of ch_session_options; each stream begins one of its own */
    int64_t context = 1, deep = 0, streams = 0;
    for (int i = 0; i < b->n; i++) {
        const ch_bench_test *t = &b->test[i];
        const int64_t own = (int64_t)t->prompt + t->generate + 1;
        context = CH_MAX(context, t->depth + own);
        streams = CH_MAX(streams, t->streams * (own + 2 * PAGE));
        deep += first_of(b, i) == i ? t->depth + PAGE : 0;
    }
    if (deep + streams > INT_MAX / 2)
        return ch_fail(e, CH_EARG, "tests that want a cache of %lld tokens are too long",
                       (long long)(deep + streams));
    if (context > b->info.context)
        ch_cli_note_context((int)context, b->info.context);
    const ch_session_options o = {.threads = b->threads,
                                  .context = (int)context,
                                  .cache_tokens = (int)CH_MAX(2 * context, deep + streams),
                                  .k_type = b->k_type,
                                  .v_type = b->v_type};
    return ch_session_open(&m->base, model, &o, e);
}

int ch_bench_measure(ch_bench *b, ch_model *model, bool with_profile, ch_err *e)
{
    struct bench m = {.b = b, .deep = calloc((size_t)b->n, sizeof(ch_session *))};
    if (!m.deep)
        return ch_fail(e, CH_ENOMEM, "no memory for %d tests", b->n);
    int rc = open_base(&m, model, e);
    if (rc == CH_OK)
        rc = with_profile ? profile(&m, e) : rounds(&m, e);
    for (int i = 0; i < b->n; i++)
        ch_session_close(&m.deep[i]);
    ch_session_close(&m.base);
    free(m.deep);
    return rc;
}
