/* beam.c - see beam.h
 *
 * Every hypothesis that is kept is a fork of the session; all of them take their step together
 * (Lowerre 1976; Graves 2012; lengths after Wu et al. 2016).  SPDX-License-Identifier: MIT */
#include "beam.h"

#include "session.h"

#include <stdlib.h>
#include <string.h>

/* One that is kept: its session holds the tokens, and the logits after them. */
struct live {
    ch_session *s;
    ch_token *id; /* room for o->most */
    ch_buf text;  /* of these, where there are stops */
    double sum;
};

/* A continuation of live[parent]. */
struct reach {
    double sum;
    int parent, rank;
    ch_token id; /* -1: nothing follows, and nothing has to */
};

struct search {
    const ch_beam_options *o;
    ch_session *from;
    struct live *live, *after; /* W each */
    struct reach *reach;       /* W x each */
    ch_feed *feed;             /* W */
    int n_live, looked, each; /* the best continuations: of all, of one */
    int most, written;
    ch_buf tail;
    ch_err stuck; /* why one that was kept could not go on, or code 0 */
    ch_beams *found;
};

static bool is_end(const ch_beam_options *o, ch_token t)
{
    for (int i = 0; i < o->n_ends; i++)
        if (o->ends[i] == t)
            return true;
    return false;
}

static double score_of(const ch_beam_options *o, double sum, int n)
{
    return sum / pow(CH_MAX(n, 1), o->length_penalty);
}

/* ---- What was found ------------------------------------------------------------------------ */

static int keep(struct search *s, const struct reach *r, ch_beam_why why, ch_err *e)
{
    ch_beams *f = s->found;
    const int n = s->written + (r->id >= 0);
    const double score = score_of(s->o, r->sum, n);
    if (f->n == s->o->width && score <= f->at[f->n - 1].score)
        return CH_OK;
    ch_token *id = malloc((size_t)CH_MAX(n, 1) * sizeof *id);
    if (!id)
        return ch_fail(e, CH_ENOMEM, "no memory for a hypothesis of %d tokens", n);
    memcpy(id, s->live[r->parent].id, (size_t)s->written * sizeof *id);
    if (r->id >= 0)
        id[n - 1] = r->id;
    if (f->n == s->o->width)
        free(f->at[--f->n].id);
    int i = f->n++;
    for (; i > 0 && f->at[i - 1].score < score; i--)
        f->at[i] = f->at[i - 1];
    f->at[i] = (ch_beam){.id = id, .n = n, .why = why, .log_p = r->sum, .score = score};
    return CH_OK;
}

/* Can nothing better come of what is kept, the best of which has this sum after n tokens? */
static bool is_done(const struct search *s, double best, int n)
{
    const ch_beam_options *o = s->o;
    if (s->found->n < o->width)
        return false;
    if (o->until == CH_BEAM_EARLY)
        return true;
    const bool at_the_end = o->until == CH_BEAM_NEVER && o->length_penalty > 0;
    return score_of(o, best, at_the_end ? s->most : n) <= s->found->at[o->width - 1].score;
}

/* ---- Stops --------------------------------------------------------------------------------- */

static bool put_text(ch_buf *b, const struct search *s, const struct live *l, ch_token id)
{
    const ch_token before = s->written > 0 ? l->id[s->written - 1]
                                           : s->from->tokens[s->from->n_tokens - 1];
    return ch_tokenizer_append(b, s->o->tokenizer, before, id);
}

/* Does this token complete a stop?  None was complete before it, so that it lies in the end of the
 * text that is as long as the longest. */
static int reaches_stop(bool *yes, struct search *s, const struct reach *r, ch_err *e)
{
    const struct live *l = &s->live[r->parent];
    const size_t n = CH_MIN(l->text.size, ch_stops_longest(s->o->stops) - 1);
    size_t safe;
    ch_buf_clear(&s->tail);
    if (n > 0)
        ch_buf_put(&s->tail, l->text.data + l->text.size - n, n);
    put_text(&s->tail, s, l, r->id);
    ch_stops_reset(s->o->stops);
    *yes = s->tail.size > 0 &&
           ch_stops_feed(&safe, s->o->stops, s->tail.data, s->tail.size) >= 0;
    return ch_buf_check(&s->tail, "the end of a text", e);
}

/* Why it ends; CH_BEAM_LENGTH: it does not. */
static int why_ends(ch_beam_why *why, struct search *s, const struct reach *r, ch_err *e)
{
    bool stop = false;
    *why = r->id < 0 ? CH_BEAM_GRAMMAR : is_end(s->o, r->id) ? CH_BEAM_END : CH_BEAM_LENGTH;
    if (*why != CH_BEAM_LENGTH || !s->o->stops)
        return CH_OK;
    const int rc = reaches_stop(&stop, s, r, e);
    *why = stop ? CH_BEAM_STOP : CH_BEAM_LENGTH;
    return rc;
}

/* ---- A step -------------------------------------------------------------------------------- */

static int by_sum(const void *a, const void *b)
{
    const struct reach *x = a, *y = b;
    if (x->sum != y->sum)
        return x->sum > y->sum ? -1 : 1;
    return x->parent != y->parent ? x->parent - y->parent : x->rank - y->rank;
}

/* Appends the best continuations of live[b]; returns how many. */
static int look_at(struct reach *out, struct search *s, int b, const float *logits, double sum)
{
    ch_family *f = s->from->family;
    int n = 0;
    ch_candidates c = {.at = f->work};
    ch_candidates_fill(&c, logits, f->model->config.vocab, s->each);
    ch_candidates_sort(&c, s->each);
    for (int i = 0; i < CH_MIN(c.n, s->each); i++) {
        const double log_p = (double)c.at[i].logit - sum;
        if (isfinite(log_p) && (s->written >= s->o->least || !is_end(s->o, c.at[i].id)))
            out[n++] = (struct reach){s->live[b].sum + log_p, b, i, c.at[i].id};
    }
    return n;
}

/* The best continuations of every one that is kept, in order.  One that a grammar lets go nowhere
 * is whole, or is lost. */
static int look(int *n, struct search *s, ch_err *e)
{
    const int vocab = s->from->family->model->config.vocab;
    *n = 0;
    for (int b = 0; b < s->n_live; b++) {
        ch_session *live = s->live[b].s;
        const float *logits = ch_session_logits(live);
        const double sum = ch_sample_log_sum(logits, vocab);
        const int rc = ch_session_allowed(&logits, live, &s->stuck);
        const int more = rc == CH_OK ? look_at(s->reach + *n, s, b, logits, sum) : 0;
        bool whole = false;
        if (rc == CH_OK)
            ch_session_obeying(live, logits, -1);
        else if (rc != CH_ELIMIT)
            return ch_fail(e, rc, "%s", s->stuck.text);
        if (more == 0 && live->grammar)
            ch_session_may_end(&whole, live, NULL);
        if (whole)
            s->reach[*n] = (struct reach){s->live[b].sum, b, 0, -1};
        *n += more + whole;
    }
    qsort(s->reach, (size_t)*n, sizeof *s->reach, by_sum);
    return CH_OK;
}

/* What ends becomes a hypothesis; the others that are kept move to the front. */
static int choose(int *kept, struct search *s, int n, ch_err *e)
{
    int rc = CH_OK;
    *kept = 0;
    for (int i = 0; i < n && i < s->looked && *kept < s->o->width && rc == CH_OK; i++) {
        ch_beam_why why;
        rc = why_ends(&why, s, &s->reach[i], e);
        if (rc == CH_OK && why == CH_BEAM_LENGTH)
            s->reach[(*kept)++] = s->reach[i];
        else if (rc == CH_OK && i < s->o->width)
            rc = keep(s, &s->reach[i], why, e);
    }
    return rc;
}

/* Sessions for the n that are kept: the last child of one takes its own, others a fork of it. */
static int inherit(struct search *s, int n, ch_err *e)
{
    int children[CH_BEAMS_MOST] = {0}, rc = CH_OK;
    for (int i = 0; i < n; i++)
        children[s->reach[i].parent]++;
    for (int b = 0; b < s->n_live; b++)
        if (children[b] == 0)
            ch_session_close(&s->live[b].s); /* its pages may be needed */
    for (int i = 0; i < n && rc == CH_OK; i++) {
        const struct reach *r = &s->reach[i];
        struct live *parent = &s->live[r->parent], *child = &s->after[i];
        if (--children[r->parent] > 0)
            rc = ch_session_fork(&child->s, parent->s, e);
        else {
            child->s = parent->s;
            parent->s = NULL;
        }
        memcpy(child->id, parent->id, (size_t)s->written * sizeof *child->id);
        child->id[s->written] = r->id;
        child->sum = r->sum;
        ch_buf_clear(&child->text);
        if (s->o->stops && rc == CH_OK) {
            ch_buf_put(&child->text, parent->text.data ? parent->text.data : "", parent->text.size);
            put_text(&child->text, s, child, r->id);
            rc = ch_buf_check(&child->text, "a text", e);
        }
    }
    struct live *const before = s->live;
    s->live = s->after;
    s->after = before;
    s->n_live = n;
    return rc;
}

static int advance(struct search *s, int n, ch_err *e)
{
    int rc = inherit(s, n, e);
    for (int i = 0; i < n && rc == CH_OK; i++)
        s->feed[i] = (ch_feed){.s = s->live[i].s, .tokens = s->live[i].id + s->written, .n = 1};
    if (rc == CH_OK)
        rc = ch_session_feed_together(s->feed, n, NULL, NULL, e);
    s->written++;
    return rc;
}

static int cut(struct search *s, int n, ch_err *e)
{
    int rc = CH_OK;
    for (int i = 0; i < n && rc == CH_OK; i++)
        rc = keep(s, &s->reach[i], CH_BEAM_LENGTH, e);
    return rc;
}

static int search(struct search *s, ch_err *e)
{
    int rc = ch_session_fork(&s->live[0].s, s->from, e);
    s->n_live = 1;
    if (rc == CH_OK)
        rc = ch_session_current(s->live[0].s, e);
    while (rc == CH_OK) {
        int n;
        rc = look(&n, s, e);
        if (rc == CH_OK)
            rc = choose(&n, s, n, e);
        if (rc == CH_OK && n == 0 && s->found->n == 0 && s->stuck.code < 0)
            rc = ch_fail(e, s->stuck.code, "%s", s->stuck.text);
        if (rc < 0 || n == 0)
            return rc; /* nothing goes on */
        if (s->written + 1 == s->most)
            return cut(s, n, e);
        if (is_done(s, s->reach[0].sum, s->written + 1))
            return CH_OK;
        rc = ch_session_interrupted(s->from, e);
        if (rc == CH_OK)
            rc = advance(s, n, e);
    }
    return rc;
}

/* ---- Opening and closing ------------------------------------------------------------------- */

static int check(const ch_session *s, const ch_beam_options *o, ch_err *e)
{
    if (o->width < 1 || o->width > CH_BEAMS_MOST)
        return ch_fail(e, CH_EARG, "%d beams were asked for, allowed are 1 to %d", o->width,
                       CH_BEAMS_MOST);
    if (o->most < 1 || o->n_ends < 0 || !isfinite(o->length_penalty))
        return ch_fail(e, CH_EARG,
                       "beams of %d tokens, %d ends and a length penalty of %g are not possible",
                       o->most, o->n_ends, o->length_penalty);
    if (o->stops && !o->tokenizer)
        return ch_fail(e, CH_EARG, "beams with stops need a tokenizer to see their text");
    if (s->has_own)
        return ch_fail(e, CH_EUNSUPPORTED, "beam search cannot follow a session's own sampler");
    if (s->n_tokens == 0)
        return ch_fail(e, CH_EARG, "an empty session has no next token: feed at least one");
    if (s->n_tokens == s->family->context)
        return ch_fail(e, CH_ELIMIT, "the context of %d tokens is full", s->family->context);
    return CH_OK;
}

static bool open_search(struct search *s)
{
    const size_t w = (size_t)s->o->width;
    bool room = true;
    s->live = calloc(w, sizeof *s->live);
    s->after = calloc(w, sizeof *s->after);
    s->reach = malloc(w * (size_t)s->each * sizeof *s->reach);
    s->feed = malloc(w * sizeof *s->feed);
    for (size_t i = 0; s->live && s->after && i < w && room; i++) {
        s->live[i].id = malloc((size_t)s->most * sizeof *s->live[i].id);
        s->after[i].id = malloc((size_t)s->most * sizeof *s->after[i].id);
        room = s->live[i].id && s->after[i].id;
        ch_buf_init(&s->live[i].text, SIZE_MAX);
        ch_buf_init(&s->after[i].text, SIZE_MAX);
    }
    return room && s->live && s->after && s->reach && s->feed;
}

static void close_live(struct live *live, int w)
{
    for (int i = 0; live && i < w; i++) {
        ch_session_close(&live[i].s);
        free(live[i].id);
        ch_buf_close(&live[i].text);
    }
    free(live);
}

int ch_beam_search(ch_beams *out, ch_session *s, const ch_beam_options *o, ch_err *e)
{
    out->n = 0;
    int rc = check(s, o, e);
    if (rc < 0)
        return rc;
    const int vocab = s->family->model->config.vocab;
    struct search b = {.o = o,
                       .from = s,
                       .found = out,
                       .looked = CH_MAX(2, 1 + CH_MIN(o->n_ends, vocab)) * o->width,
                       .most = CH_MIN(o->most, s->family->context - s->n_tokens)};
    b.each = CH_MIN(vocab, b.looked);
    ch_buf_init(&b.tail, SIZE_MAX);
    rc = open_search(&b) ? search(&b, e)
                         : ch_fail(e, CH_ENOMEM, "no memory for %d beams", o->width);
    close_live(b.live, o->width);
    close_live(b.after, o->width);
    free(b.reach);
    free(b.feed);
    ch_buf_close(&b.tail);
    return rc;
}

void ch_beams_free(ch_beams *b)
{
    for (int i = 0; i < b->n; i++)
        free(b->at[i].id);
    b->n = 0;
}
