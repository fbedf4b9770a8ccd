/* score.c - the one scorer: log p(continuation | what is before it), for many at once
 *
 * A query is a text of tokens and the part of it that is scored.  What many have in common is
 * computed once:
 *
 *     base    the beginning of every query of a group (examples, instructions): kept from one
 *             group to the next, and never scored
 *     item    the common beginning of neighbours that belong to one item (a question's choices)
 *     tail    what is each query's own
 *
 * Items, and then tails, of a group go through the layers together (generate.h).  A query's sum is
 * taken over its tokens in order, and a row's bits do not depend on its company: neither does a
 * score.  SPDX-License-Identifier: MIT */
#include "eval.h"

#include <math.h>
#include <stdlib.h>

enum { GROUP_MOST = 256, GROUP_TOKENS = 4096, PAGE_OR = 32 };

struct ch_scorer {
    ch_session *empty, *base;
    int vocab, page, budget; /* tokens that a group may take beside the base */
};

double ch_eval_nll(const float *logits, int vocab, ch_token target)
{
    return ch_sample_log_sum(logits, vocab) - (double)logits[target];
}

int ch_scorer_open(ch_scorer **out, ch_model *m, const ch_session_options *o, ch_err *e)
{
    ch_session_options so = o ? *o : (ch_session_options){0};
    *out = calloc(1, sizeof **out);
    if (!*out)
        return ch_fail(e, CH_ENOMEM, "no memory for a scorer");
    if (so.context == 0)
        so.context = CH_MIN(m->config.context, 4096);
    (*out)->page = so.page_size > 0 ? so.page_size : PAGE_OR;
    (*out)->budget = CH_MIN(so.context, CH_MAX_CONTEXT) + 2 * (*out)->page + GROUP_TOKENS;
    so.cache_tokens = 3 * (*out)->budget; /* the base, items, tails */
    (*out)->vocab = m->config.vocab;
    int rc = ch_session_open(&(*out)->empty, m, &so, e);
    if (rc == CH_OK)
        rc = ch_session_fork(&(*out)->base, (*out)->empty, e);
    if (rc < 0)
        ch_scorer_close(out);
    return rc;
}

void ch_scorer_close(ch_scorer **s)
{
    if (*s) {
        ch_session_close(&(*s)->base);
        ch_session_close(&(*s)->empty);
    }
    free(*s);
    *s = NULL;
}

int ch_scorer_context(const ch_scorer *s) { return ch_session_context(s->empty); }
ch_session *ch_scorer_empty(ch_scorer *s) { return s->empty; }

/* ---- What queries have in common ------------------------------------------------------------ */

static int common(const ch_query *a, const ch_query *b, int most)
{
    int n = 0;
    while (n < most && a->id[n] == b->id[n])
        n++;
    return n;
}

/* The number of queries from q on that are of its item. */
static size_t item_size(const ch_query *q, size_t n)
{
    size_t k = 1;
    while (k < n && q[k].item == q->item)
        k++;
    return k;
}

static int item_begins(const ch_query *q, size_t k)
{
    int n = q->n - 1;
    for (size_t i = 1; i < k; i++)
        n = common(q, &q[i], CH_MIN(n, q[i].n - 1));
    return n;
}

/* Whole items that fit into the budget; one at least. */
static size_t group_size(const ch_scorer *s, const ch_query *q, size_t n)
{
    size_t k = 0;
    for (int64_t tokens = 0; k < n && k < GROUP_MOST;) {
        const size_t more = item_size(q + k, n - k);
        tokens += q[k].n + 2 * s->page;
        if (k > 0 && tokens > s->budget)
            break;
        k += more;
    }
    return k;
}

/* ---- Feeding -------------------------------------------------------------------------------- */

/* Feeds that go together; feed[i] is looked at by queries [from[i], to[i]). */
struct crowd {
    ch_query *q;
    ch_feed feed[GROUP_MOST];
    size_t from[GROUP_MOST], to[GROUP_MOST];
    int n, vocab;
    int64_t tokens;
};

static int see(void *arg, int feed, int position, const float *logits)
{
    struct crowd *c = arg;
    const int next = position + 1;
    const double sum = ch_sample_log_sum(logits, c->vocab);
    for (size_t i = c->from[feed]; i < c->to[feed]; i++) {
        ch_query *q = &c->q[i];
        if (next >= q->from && next < q->n)
            q->log_p -= sum - (double)logits[q->id[next]];
    }
    return CH_OK;
}

/* Tokens [at, at + n) of queries [from, to), which agree there. */
static void join(struct crowd *c, ch_session *s, int at, int n, size_t from, size_t to)
{
    int first = n;
    for (size_t i = from; i < to; i++)
        first = CH_MIN(first, CH_MAX(0, c->q[i].from - 1 - at));
    c->feed[c->n] = (ch_feed){.s = s, .tokens = c->q[from].id + at, .n = n, .first = first};
    c->from[c->n] = from;
    c->to[c->n++] = to;
    c->tokens += n;
}

/* Sends the crowd through the layers; its sessions are closed when they are its own. */
static int feed(struct crowd *c, bool close, ch_err *e)
{
    const int rc = c->n ? ch_session_feed_together(c->feed, c->n, see, c, e) : CH_OK;
    for (int i = 0; i < c->n && close; i++)
        ch_session_close(&c->feed[i].s);
    c->n = 0;
    c->tokens = 0;
    return rc;
}

/* The base becomes what all of q[0..n) begin with and none of them scores. */
static int set_base(ch_scorer *s, const ch_query *q, size_t n, ch_err *e)
{
    int most = q->from - 1;
    for (size_t i = 1; i < n; i++)
        most = common(q, &q[i], CH_MIN(most, q[i].from - 1));
    const int has = ch_session_length(s->base);
    const ch_query base = {.id = ch_session_tokens(s->base), .n = has};
    const int same = common(&base, q, CH_MIN(has, most));
    int rc = CH_OK;
    if (same < has && same > 0)
        rc = ch_session_rollback(s->base, same, e);
    else if (same < has) {
        ch_session_close(&s->base);
        rc = ch_session_fork(&s->base, s->empty, e);
    }
    return rc == CH_OK ? ch_session_feed(s->base, q->id + same, most - same, e) : rc;
}

/* Tails of q[0..k), an item whose beginning is in `s`. */
static int join_tails(struct crowd *c, ch_scorer *sc, ch_session *s, size_t first, size_t k,
                      ch_err *e)
{
    const int has = ch_session_length(s);
    for (size_t i = first; i < first + k; i++) {
        const int tail = c->q[i].n - 1 - has;
        ch_session *own = NULL;
        int rc = CH_OK;
        if (tail <= 0)
            continue;
        if (c->n > 0 && (c->n == GROUP_MOST ||
                         c->tokens + tail + 2LL * sc->page * (c->n + 1) > sc->budget))
            rc = feed(c, true, e);
        if (rc == CH_OK)
            rc = ch_session_fork(&own, s, e);
        if (rc < 0)
            return rc;
        join(c, own, has, tail, i, i + 1);
    }
    return CH_OK;
}

struct group {
    struct crowd items, tails;
    ch_session *item[GROUP_MOST]; /* NULL: the base will do */
};

static int score_group(ch_scorer *s, struct group *g, ch_query *q, size_t n, ch_err *e)
{
    g->items.q = g->tails.q = q;
    int rc = set_base(s, q, n, e), items = 0;
    const int base = ch_session_length(s->base);
    for (size_t i = 0, k; i < n && rc == CH_OK; i += k) {
        k = item_size(q + i, n - i);
        const int begins = item_begins(q + i, k);
        g->item[items] = NULL;
        if (k > 1 && begins > base) {
            rc = ch_session_fork(&g->item[items], s->base, e);
            if (rc == CH_OK)
                join(&g->items, g->item[items], base, begins - base, i, i + k);
        }
        items++;
    }
    if (rc == CH_OK)
        rc = feed(&g->items, false, e);
    items = 0;
    for (size_t i = 0, k; i < n; i += k, items++) {
        k = item_size(q + i, n - i);
        if (rc == CH_OK)
            rc = join_tails(&g->tails, s, g->item[items] ? g->item[items] : s->base, i, k, e);
    }
    if (rc == CH_OK)
        rc = feed(&g->tails, true, e);
    for (int i = 0; i < g->tails.n; i++)
        ch_session_close(&g->tails.feed[i].s);
    for (int i = 0; i < items; i++)
        ch_session_close(&g->item[i]);
    return rc;
}

static int check(const ch_scorer *s, const ch_query *q, ch_err *e)
{
    if (q->from < 1 || q->from > q->n)
        return ch_fail(e, CH_EARG, "tokens %d to %d of %d cannot be scored", q->from, q->n, q->n);
    if (q->n - 1 > ch_scorer_context(s))
        return ch_fail(e, CH_ELIMIT, "%d tokens, the context holds %d", q->n,
                       ch_scorer_context(s));
    return CH_OK;
}

int ch_scorer_run(ch_scorer *s, ch_query *q, size_t n, ch_count_fn *told, void *arg, ch_err *e)
{
    struct group *g = calloc(1, sizeof *g);
    if (!g)
        return ch_fail(e, CH_ENOMEM, "no memory for a group of queries");
    g->items.vocab = g->tails.vocab = s->vocab;
    int rc = CH_OK;
    if (!s->base) /* a fork failed before */
        rc = ch_session_fork(&s->base, s->empty, e);
    for (size_t i = 0; i < n && rc == CH_OK; i++) {
        q[i].log_p = 0;
        rc = check(s, &q[i], e);
    }
    for (size_t i = 0, k; i < n && rc == CH_OK; i += k) {
        k = group_size(s, q + i, n - i);
        g->items.n = g->tails.n = 0;
        g->items.tokens = g->tails.tokens = 0;
        rc = score_group(s, g, q + i, k, e);
        if (told)
            told(arg, (int64_t)(i + k), (int64_t)n);
    }
    free(g);
    return rc;
}
