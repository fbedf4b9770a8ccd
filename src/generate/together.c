/* together.c - several timelines of a family in one step
 *
 * Short texts alone would leave most rows of a step empty.  Rows are taken in the order of the
 * feeds, as many as a step has, so a feed may begin in one step and end in the next; no row's bits
 * depend on its neighbours.  SPDX-License-Identifier: MIT */
#include "session.h"

#include <string.h>

/* Rows of one feed within one step. */
struct part {
    int feed, at, rows;
};

struct gathering {
    const ch_feed *feeds;
    int n_feeds, next, at;   /* feed that comes next, and how much of it is done */
    int rows, wanted, parts; /* of this step */
    ch_token *id, *before;
    int32_t *pos, *seq, *want;
    ch_sequence **seqs;
    struct part *part;
};

static int make_ready(const ch_feed *feed, ch_err *e)
{
    int rc = ch_session_accepts(feed->s, feed->tokens, feed->n, e);
    if (rc == CH_OK)
        rc = ch_session_drop_guesses(feed->s, e);
    if (rc == CH_OK && feed->s->computed < feed->s->n_tokens)
        rc = ch_session_catch_up(feed->s, e);
    return rc;
}

static void begin_step(struct gathering *g, ch_family *f)
{
    ch_arena *a = &f->scratch;
    const size_t n = (size_t)f->step_rows;
    ch_arena_reset(a, 0);
    g->rows = g->wanted = g->parts = 0;
    g->id = ch_arena_take(a, n * sizeof *g->id);
    g->before = ch_arena_take(a, n * sizeof *g->before);
    g->pos = ch_arena_take(a, n * sizeof *g->pos);
    g->seq = ch_arena_take(a, n * sizeof *g->seq);
    g->want = ch_arena_take(a, n * sizeof *g->want);
    g->seqs = ch_arena_take(a, n * sizeof *g->seqs);
    g->part = ch_arena_take(a, n * sizeof *g->part);
}

/* As many rows of the next feed as fit; 0: none do. */
static int room_for(const struct gathering *g, const ch_family *f)
{
    const ch_feed *feed = &g->feeds[g->next];
    const int rows = CH_MIN(feed->n - g->at, f->step_rows - g->rows);
    const int silent = CH_MAX(0, feed->first - g->at);
    return CH_MIN(rows, silent + f->logit_rows - g->wanted);
}

static int add_part(struct gathering *g, int rows, ch_err *e)
{
    const ch_feed *feed = &g->feeds[g->next];
    ch_session *s = feed->s;
    const int start = s->sequence.length;
    const int rc = ch_sequence_append(&s->sequence, rows, e);
    if (rc < 0)
        return rc;
    for (int i = 0; i < rows; i++) {
        const int row = g->rows + i, at = g->at + i;
        g->id[row] = feed->tokens[at];
        g->before[row] = at > 0 ? feed->tokens[at - 1] : start > 0 ? s->tokens[start - 1] : -1;
        g->pos[row] = start + i;
        g->seq[row] = g->parts;
        if (at >= feed->first)
            g->want[g->wanted++] = row;
    }
    g->seqs[g->parts] = &s->sequence;
    g->part[g->parts++] = (struct part){g->next, g->at, rows};
    g->rows += rows;
    g->at += rows;
    if (g->at == feed->n) {
        g->next++;
        g->at = 0;
    }
    return CH_OK;
}

static void take_back(const struct gathering *g)
{
    for (int p = 0; p < g->parts; p++) {
        ch_sequence *q = g->seqs[p];
        ch_sequence_rollback(q, q->length - g->part[p].rows, NULL);
    }
}

static const ch_tensor *compute(struct gathering *g, ch_family *f)
{
    if (g->wanted == 0) /* nobody looks; a step has one at least */
        g->want[0] = g->rows - 1;
    ch_step step = {.rows = {.n = g->rows,
                             .id = g->id,
                             .pos = g->pos,
                             .seq = g->seq,
                             .before = g->before},
                    .seqs = g->seqs,
                    .n_seqs = g->parts,
                    .wanted = g->want,
                    .n_wanted = CH_MAX(g->wanted, 1),
                    .context = f->context};
    if (f->adapters)
        step.rows.adapter = ch_arena_take_zero(&f->scratch, (size_t)g->rows * sizeof(int32_t));
    ch_run run = {.scratch = &f->scratch,
                  .pool = f->pool,
                  .kernels = &f->kernels,
                  .adapters = f->adapters};
    return ch_forward_logits(&run, f->model, &step);
}

/* All rows are part of their timelines, also when `each` ends it before. */
static int hand_out(const struct gathering *g, const ch_tensor *logits, ch_feed_fn *each,
                    void *arg)
{
    int rc = CH_OK, row = 0;
    for (int p = 0; p < g->parts; p++) {
        const struct part *part = &g->part[p];
        const ch_feed *feed = &g->feeds[part->feed];
        ch_session *s = feed->s;
        memcpy(s->tokens + s->n_tokens, feed->tokens + part->at,
               (size_t)part->rows * sizeof *s->tokens);
        s->n_tokens += part->rows;
        s->computed += part->rows;
        s->has_last = false;
        s->last_steps = 0;
        for (int i = CH_MAX(part->at, feed->first); i < part->at + part->rows; i++, row++) {
            ch_session_keep_logits(s, ch_tensor_row(logits, row));
            if (rc == CH_OK && each)
                rc = each(arg, part->feed, s->n_tokens - part->at - part->rows + i, s->last);
        }
        ch_session_seal(s);
    }
    return rc;
}

static int check(const ch_feed *feeds, int n, ch_err *e)
{
    for (int i = 0; i < n; i++) {
        if (feeds[i].s->family != feeds[0].s->family || feeds[i].s->tap)
            return ch_fail(e, CH_EARG, "feed %d is of another family than the first, or tapped", i);
        if (feeds[i].first < 0 || feeds[i].first > feeds[i].n)
            return ch_fail(e, CH_EARG, "feed %d: first is %d; allowed are 0 to %d", i,
                           feeds[i].first, feeds[i].n);
        for (int j = 0; j < i; j++)
            if (feeds[j].s == feeds[i].s)
                return ch_fail(e, CH_EARG, "feeds %d and %d are of one session", j, i);
    }
    return CH_OK;
}

int ch_session_feed_together(const ch_feed *feeds, int n, ch_feed_fn *each, void *arg, ch_err *e)
{
    struct gathering g = {.feeds = feeds, .n_feeds = n};
    int rc = check(feeds, n, e);
    for (int i = 0; i < n && rc == CH_OK; i++)
        rc = make_ready(&feeds[i], e);
    while (rc == CH_OK) {
        while (g.next < n && feeds[g.next].n == 0)
            g.next++;
        if (g.next == n)
            break;
        ch_family *f = feeds[0].s->family;
        begin_step(&g, f);
        while (g.next < n && rc == CH_OK) {
            const int rows = room_for(&g, f);
            if (feeds[g.next].n == 0)
                g.next++;
            else if (rows == 0)
                break;
            else
                rc = add_part(&g, rows, e);
        }
        if (rc == CH_OK)
            rc = ch_session_interrupted(feeds[0].s, e);
        if (rc == CH_OK)
            rc = hand_out(&g, compute(&g, f), each, arg);
        else
            take_back(&g);
    }
    return rc;
}
