/* next.c - drawing tokens, with or without somebody guessing ahead
 *
 * Guesses.  The token drawn last waits to be computed.  When it is, the drafter's guesses go
 * through the layers behind it in the same step, and the logits after each are kept.  A draw is a
 * function of logits, sampling and position; so if it equals the guess, the guess's own logits
 * are exactly what would have been computed next, and are used; at the first difference the rest
 * is rolled back.  The text cannot change, only the number of steps (Leviathan et al. 2023, with
 * the draw fixed by its key instead of rejection sampling).  SPDX-License-Identifier: MIT */
#include "session.h"

#include <stdlib.h>
#include <string.h>

void ch_session_draft(ch_session *s, ch_draft_fn *draft, void *arg, int most)
{
    s->draft = NULL;
    s->draft_most = CH_MAX(0, CH_MIN(CH_MIN(most, CH_DRAFT_MOST), s->family->logit_rows - 1));
    if (!draft || s->draft_most == 0)
        return;
    const size_t vocab = (size_t)s->family->model->config.vocab;
    if (s->draft_most > s->guess_room) { /* never less: there may be guesses that wait */
        float *room =
            realloc(s->guess_logits, (size_t)s->draft_most * vocab * sizeof *s->guess_logits);
        if (!room)
            return; /* without room for guesses there are none: slower, not different */
        s->guess_logits = room;
        s->guess_room = s->draft_most;
    }
    s->draft = draft;
    s->draft_arg = arg;
}

int ch_session_drop_guesses(ch_session *s, ch_err *e)
{
    if (s->used == s->guesses)
        return CH_OK;
    const int rc = ch_sequence_rollback(&s->sequence, s->computed, e);
    if (rc == CH_OK)
        s->used = s->guesses = 0;
    return rc;
}

int ch_session_ask_drafter(ch_session *s, int most)
{
    const int vocab = s->family->model->config.vocab;
    most = CH_MIN(most, CH_MIN(s->draft_most, s->family->context - s->n_tokens));
    const int n = most > 0 ? s->draft(s->draft_arg, s->tokens, s->n_tokens, s->guess, most) : 0;
    for (int i = 0; i < n && i < most; i++)
        if (s->guess[i] < 0 || s->guess[i] >= vocab)
            return i; /* nonsense ends the guess */
    return CH_MAX(0, CH_MIN(n, most));
}

/* Computes the one waiting token with guesses behind it. */
static int compute_ahead(ch_session *s, ch_err *e)
{
    ch_share h = {.s = s, .rows = 1, .guesses = s->draft_most};
    const int rc = ch_session_advance(&h, 1, NULL, NULL, e);
    return rc < 0 ? rc : h.rc;
}

/* The token that waits was guessed and is computed already: its logits are here. */
static void use_guess(ch_session *s)
{
    const int vocab = s->family->model->config.vocab;
    memcpy(s->last, s->guess_logits + (ptrdiff_t)s->used * vocab, (size_t)vocab * sizeof *s->last);
    s->drawn_at = 0;
    s->last_steps = s->guess_steps[s->used++];
    s->computed++;
    s->stats.accepted++;
    ch_session_seal(s);
}

/* Logits that are gone (a rollback, an interrupted prompt) come from computing the last token
 * again, to the same bits.  A vector cannot be computed again. */
static int forget_last(ch_session *s, ch_err *e)
{
    if (s->tokens[s->n_tokens - 1] < 0)
        return ch_fail(e, CH_EARG,
                       "the timeline ends in a vector whose logits are gone: feed a token first");
    return ch_session_go_back(s, s->computed - 1, e);
}

bool ch_session_guessed(const ch_session *s) { return s->used < s->guesses; }

bool ch_session_ready(const ch_session *s)
{
    return s->computed == s->n_tokens ? s->has_last : s->used < s->guesses;
}

int ch_session_current(ch_session *s, ch_err *e)
{
    int rc = CH_OK;
    if (s->computed == s->n_tokens && s->has_last)
        return CH_OK;
    if (s->computed == s->n_tokens)
        rc = forget_last(s, e);
    if (rc == CH_OK)
        rc = ch_session_interrupted(s, e);
    if (rc < 0)
        return rc;
    if (s->used < s->guesses) {
        use_guess(s);
        return CH_OK;
    }
    if (s->draft && s->n_tokens - s->computed == 1)
        return compute_ahead(s, e);
    return ch_session_catch_up(s, e);
}

static int nothing_left(const ch_session *s, int vocab, ch_err *e)
{
    if (s->grammar && ch_grammar_may_end(s->grammar, s->place))
        return ch_fail(e, CH_EARG, "the text is complete by its grammar, and its end tokens are "
                                   "banned, as is all with which it could go on");
    return ch_fail(e, CH_EARG, "no token may be drawn: all %d are banned%s", vocab,
                   s->grammar ? " or against the grammar" : " or not allowed");
}

ch_token ch_session_sampled(const ch_session *s, const float *logits, ch_candidate *work,
                            const ch_sampling *how)
{
    const ch_sample_view view = {.logits = &logits,
                                 .n_sequences = 1,
                                 .vocab = s->family->model->config.vocab,
                                 .tokens = s->tokens,
                                 .n_tokens = s->n_tokens};
    return ch_sample_draw(work, &view, how, s->has_own ? &s->own : NULL, how->sample,
                          (uint64_t)s->n_tokens);
}

/* By in_advance.c: the same logits are there and nothing else was asked for. */
static bool drawn_in_advance(const ch_session *s, const ch_sampling *how)
{
    return s->drawn_at > 0 && s->drawn_at == s->n_tokens && !s->grammar && !s->has_own &&
           memcmp(&s->drawn_by, how, sizeof *how) == 0;
}

static int draw(ch_token *out, ch_session *s, const ch_sampling *how, ch_err *e)
{
    const float *logits;
    const int rc = ch_session_allowed(&logits, s, e);
    if (rc < 0)
        return rc;
    const ch_token t = drawn_in_advance(s, how)
                           ? s->drawn
                           : ch_session_sampled(s, logits, s->family->work, how);
    *out = ch_session_obeying(s, logits, t);
    return *out < 0 ? nothing_left(s, s->family->model->config.vocab, e) : CH_OK;
}

int ch_session_next(ch_token *out, ch_session *s, const ch_sampling *how, ch_err *e)
{
    int rc = ch_sampling_check(how, s->family->model->config.vocab, e);
    if (rc < 0)
        return rc;
    if (s->n_tokens == 0)
        return ch_fail(e, CH_EARG, "an empty session has no next token: feed at least one");
    if (s->n_tokens == s->family->context)
        return ch_fail(e, CH_ELIMIT, "the context of %d tokens is full", s->family->context);
    const uint64_t t0 = ch_clock_ns();
    rc = ch_session_current(s, e);
    if (rc == CH_OK)
        rc = draw(out, s, how, e);
    if (rc < 0)
        return rc;
    if (s->used < s->guesses && s->guess[s->used] != *out)
        rc = ch_session_drop_guesses(s, e);
    if (rc < 0)
        return rc;
    s->tokens[s->n_tokens++] = *out;
    s->stats.drawn_tokens++;
    s->stats.drawn_s += (double)(ch_clock_ns() - t0) * 1e-9;
    return rc;
}
