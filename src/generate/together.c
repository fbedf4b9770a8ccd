/* together.c - tokens for several timelines of a family
 *
 * Short texts alone would leave most rows of a step empty.  A feed may begin in one step and end in
 * the next.  SPDX-License-Identifier: MIT */
#include "session.h"

#include <limits.h>
#include <stdlib.h>

static int check(const ch_feed *feeds, int n, ch_err *e)
{
    for (int i = 0; i < n; i++)
        if (feeds[i].first < 0 || feeds[i].first > feeds[i].n)
            return ch_fail(e, CH_EARG, "feed %d: first is %d; allowed are 0 to %d", i,
                           feeds[i].first, feeds[i].n);
    return CH_OK;
}

static int make_ready(ch_share *h, const ch_feed *feed, ch_err *e)
{
    ch_session *s = feed->s;
    int rc = ch_session_accepts(s, feed->tokens, feed->n, e);
    if (rc == CH_OK)
        rc = ch_session_drop_guesses(s, e);
    if (rc == CH_OK && s->computed < s->n_tokens)
        rc = ch_session_catch_up(s, e);
    *h = (ch_share){.s = s, .from = s->n_tokens + feed->first, .silent = feed->first == feed->n};
    return rc;
}

/* The first share that has tokens left, or n. */
static int unfinished(const ch_share *h, int n)
{
    int i = 0;
    while (i < n && ch_session_waiting(h[i].s) == 0)
        i++;
    return i;
}

struct listener {
    ch_feed_fn *each;
    void *arg;
    int begin; /* the feed of a step's first share */
};

static int pass_on(void *arg, int share, int position, const float *logits)
{
    const struct listener *l = arg;
    return l->each ? l->each(l->arg, l->begin + share, position, logits) : CH_OK;
}

static int compute(ch_share *h, int n, struct listener *l, ch_err *e)
{
    int rc = CH_OK;
    while (rc == CH_OK && (l->begin = unfinished(h, n)) < n) {
        ch_share *left = h + l->begin;
        for (ch_share *i = left; i < h + n; i++)
            i->rows = INT_MAX;
        rc = ch_session_interrupted(h[0].s, e);
        if (rc == CH_OK)
            rc = ch_session_advance(left, n - l->begin, pass_on, l, e);
        for (ch_share *i = left; i < h + n && rc == CH_OK; i++)
            rc = i->rc;
    }
    return rc;
}

/* What was not computed is not part of a timeline, whatever ended it. */
static int feed_all(ch_share *h, const ch_feed *feeds, int n, struct listener *l, ch_err *e)
{
    int rc = CH_OK;
    for (int i = 0; i < n && rc == CH_OK; i++)
        rc = ch_session_put(feeds[i].s, feeds[i].tokens, feeds[i].n, e);
    if (rc == CH_OK)
        rc = compute(h, n, l, e);
    for (int i = 0; i < n; i++)
        h[i].s->n_tokens = h[i].s->computed;
    return rc;
}

int ch_session_feed_together(const ch_feed *feeds, int n, ch_feed_fn *each, void *arg, ch_err *e)
{
    struct listener l = {each, arg, 0};
    int rc = check(feeds, n, e);
    if (rc < 0 || n == 0)
        return rc;
    ch_share *h = calloc((size_t)n, sizeof *h);
    if (!h)
        return ch_fail(e, CH_ENOMEM, "no memory for %d feeds", n);
    for (int i = 0; i < n && rc == CH_OK; i++)
        rc = make_ready(&h[i], &feeds[i], e);
    if (rc == CH_OK)
        rc = feed_all(h, feeds, n, &l, e);
    free(h);
    return rc;
}
