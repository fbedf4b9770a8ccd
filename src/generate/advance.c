/* advance.c - one step of several timelines
 *
 * Each brings tokens that wait to be computed and, where they are the last ones and it has a
 * drafter, guesses behind them.  Rows are taken in the order of the shares, as many as a step has;
 * no row's bits depend on its neighbours.  SPDX-License-Identifier: MIT */
#include "session.h"

#include <string.h>

struct gathering {
    ch_family *f;
    int rows, wanted, parts; /* so far */
    ch_token *id, *before;
    int32_t *pos, *seq, *want;
    ch_sequence **seqs;
    ch_share **share; /* of each part */
    int32_t *first;   /* its first row */
    ch_feed_fn *each;
    void *arg;
};

static void begin(struct gathering *g, ch_family *f)
{
    ch_arena *a = &f->scratch;
    const size_t n = (size_t)f->step_rows;
    ch_arena_reset(a, 0);
    g->f = f;
    g->id = ch_arena_take(a, n * sizeof *g->id);
    g->before = ch_arena_take(a, n * sizeof *g->before);
    g->pos = ch_arena_take(a, n * sizeof *g->pos);
    g->seq = ch_arena_take(a, n * sizeof *g->seq);
    g->want = ch_arena_take(a, n * sizeof *g->want);
    g->seqs = ch_arena_take(a, n * sizeof *g->seqs);
    g->share = ch_arena_take(a, n * sizeof *g->share);
    g->first = ch_arena_take(a, n * sizeof *g->first);
}

/* The first of `rows` rows whose logits are wanted, counted from the session's first one. */
static int first_wanted(const struct gathering *g, const ch_share *h, int rows)
{
    const ch_session *s = h->s;
    const int last = s->computed + rows == s->n_tokens && !h->silent ? rows - 1 : rows;
    return g->each ? CH_MIN(last, CH_MAX(0, h->from - s->computed)) : last;
}

/* As many of its rows as the step has room for. */
static int room_for(const struct gathering *g, const ch_share *h)
{
    const int left = g->f->logit_rows - g->wanted;
    int rows = CH_MIN(CH_MIN(h->rows, ch_session_waiting(h->s)), g->f->step_rows - g->rows);
    while (rows > 0 && rows - first_wanted(g, h, rows) > left)
        rows = CH_MIN(rows - 1, first_wanted(g, h, rows) + left);
    return rows;
}

static int guesses_behind(const struct gathering *g, const ch_share *h, int rows)
{
    ch_session *s = h->s;
    if (!s->draft || h->guesses <= 0 || h->silent || s->computed + rows < s->n_tokens)
        return 0;
    const int wanted = g->wanted + rows - first_wanted(g, h, rows);
    const int most = CH_MIN(g->f->logit_rows - wanted, g->f->step_rows - g->rows - rows);
    return ch_session_ask_drafter(s, CH_MIN(h->guesses, most));
}

static void describe(struct gathering *g, ch_share *h)
{
    const ch_session *s = h->s;
    const int n = h->rows + h->guesses, wanted = first_wanted(g, h, h->rows);
    for (int i = 0; i < n; i++) {
        const int row = g->rows + i, at = s->computed + i;
        g->id[row] = i < h->rows ? s->tokens[at] : s->guess[i - h->rows];
        g->before[row] = i > h->rows ? s->guess[i - h->rows - 1] : at > 0 ? s->tokens[at - 1] : -1;
        g->pos[row] = at;
        g->seq[row] = g->parts;
        if (i >= wanted)
            g->want[g->wanted++] = row;
    }
    g->seqs[g->parts] = &h->s->sequence;
    g->share[g->parts] = h;
    g->first[g->parts++] = g->rows;
    g->rows += n;
}

/* Room in the cache decides last: without any for guesses there are none. */
static void add(struct gathering *g, ch_share *h, ch_err *e)
{
    ch_session *s = h->s;
    const int rows = room_for(g, h);
    h->rc = CH_OK;
    h->rows = rows;
    h->guesses = rows > 0 ? guesses_behind(g, h, rows) : 0;
    if (h->guesses > 0 && ch_sequence_append(&s->sequence, rows + h->guesses, NULL) < 0)
        h->guesses = 0;
    if (rows > 0 && h->guesses == 0)
        h->rc = ch_sequence_append(&s->sequence, rows, e);
    if (h->rc < 0)
        h->rows = 0;
    else if (rows > 0)
        describe(g, h);
}

static const ch_tensor *compute(struct gathering *g, int32_t *spent)
{
    ch_family *f = g->f;
    const ch_session *s = g->share[0]->s;
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
                    .context = f->context,
                    .spent = spent,
                    .tap = s->tap,
                    .tap_arg = s->tap_arg};
    if (f->adapters) /* the first there is */
        step.rows.adapter = ch_arena_take_zero(&f->scratch, (size_t)g->rows * sizeof(int32_t));
    ch_run run = {.scratch = &f->scratch,
                  .pool = f->pool,
                  .kernels = &f->kernels,
                  .profile = s->profile,
                  .inputs = s->inputs,
                  .inputs_arg = s->inputs_arg,
                  .adapters = f->adapters};
    return ch_forward_logits(&run, f->model, &step);
}

/* The rows of one share, whose logits begin at *row.  Those of guesses are kept aside. */
static int hand_out(const struct gathering *g, ch_share *h, int index, const ch_tensor *logits,
                    int *row)
{
    ch_session *s = h->s;
    const int vocab = g->f->model->config.vocab, begin = s->computed;
    int rc = CH_OK;
    s->has_last = false;
    for (int i = first_wanted(g, h, h->rows); i < h->rows; i++) {
        ch_session_keep_logits(s, ch_tensor_row(logits, (*row)++));
        if (g->each && rc == CH_OK && begin + i >= h->from)
            rc = g->each(g->arg, index, begin + i, s->last);
    }
    for (int i = 0; i < h->guesses; i++) {
        const real *from = ch_tensor_row(logits, (*row)++);
        float *to = s->guess_logits + (ptrdiff_t)i * vocab;
        for (int v = 0; v < vocab; v++)
            to[v] = (float)from[v];
    }
    return rc;
}

static int finish(const struct gathering *g, const ch_share *shares, const ch_tensor *logits,
                  const int32_t *spent)
{
    int rc = CH_OK, row = 0;
    for (int p = 0; p < g->parts; p++) {
        ch_share *h = g->share[p];
        ch_session *s = h->s;
        const int said = hand_out(g, h, (int)(h - shares), logits, &row);
        rc = rc == CH_OK ? said : rc;
        s->computed += h->rows;
        ch_session_count_steps(s, spent, g->rows, g->first[p], h->rows + h->guesses);
        for (int i = 0; i < h->guesses; i++)
            s->guess_steps[i] = s->row_steps[h->guesses - 1 - i];
        s->last_steps = s->row_steps[h->guesses];
        s->guesses = h->guesses;
        s->used = 0;
        s->stats.drafted += (uint64_t)h->guesses;
        ch_session_seal(s);
    }
    return rc;
}

static int check(const ch_share *shares, int n, ch_err *e)
{
    for (int i = 0; i < n; i++) {
        const bool watched = shares[i].s->tap || shares[i].s->inputs;
        if (shares[i].s->family != shares[0].s->family || (n > 1 && watched))
            return ch_fail(e, CH_EARG, "share %d is of another family than the first, or tapped",
                           i);
        for (int j = 0; j < i; j++)
            if (shares[j].s == shares[i].s)
                return ch_fail(e, CH_EARG, "shares %d and %d are of one session", j, i);
    }
    return CH_OK;
}

/* As if the step had not been: what it computed is not to be believed. */
static void take_back(const struct gathering *g)
{
    for (int p = 0; p < g->parts; p++) {
        ch_session *s = g->share[p]->s;
        s->has_last = false;
        if (ch_sequence_rollback(&s->sequence, s->computed, NULL) < 0)
            ch_session_release(s);
    }
}

int ch_session_advance(ch_share *shares, int n, ch_feed_fn *each, void *arg, ch_err *e)
{
    struct gathering g = {.each = each, .arg = arg};
    int rc = check(shares, n, e);
    for (int i = 0; i < n && rc == CH_OK; i++)
        rc = ch_session_drop_guesses(shares[i].s, e);
    if (rc < 0 || n == 0)
        return rc;
    begin(&g, shares[0].s->family);
    for (int i = 0; i < n; i++)
        add(&g, &shares[i], e);
    if (g.parts == 0)
        return CH_OK;
    int32_t *spent = ch_session_spent(shares[0].s, g.rows);
    const ch_tensor *logits = compute(&g, spent);
    rc = ch_model_whole(g.f->model, e);
    if (rc < 0) {
        take_back(&g);
        return rc;
    }
    return finish(&g, shares, logits, spent);
}
