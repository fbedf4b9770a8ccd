/* obey.c - a session that obeys a grammar
 *
 * Where a timeline is in its grammar is a function of its tokens since the grammar was set; it is
 * caught up with when a token is drawn, so drafts, forks, rollbacks and tokens that are fed need
 * nothing of their own.  The mask is put on the logits before any sampler sees them: top-k is then
 * the best k that are allowed.  SPDX-License-Identifier: MIT */
#include "session.h"

#include <stdlib.h>

int ch_session_grammar(ch_session *s, ch_grammar *g, ch_err *e)
{
    ch_family *f = s->family;
    if (g && !f->allowed)
        f->allowed = malloc((size_t)f->model->config.vocab * sizeof *f->allowed);
    if (g && !f->allowed)
        return ch_fail(e, CH_ENOMEM, "no memory for %d logits", f->model->config.vocab);
    s->grammar = g;
    s->grammar_from = s->n_tokens;
    s->grammar_at = -1;
    return CH_OK;
}

void ch_session_grammar_back(ch_session *s, int length)
{
    s->grammar_from = CH_MIN(s->grammar_from, length);
    if (s->grammar_at > length)
        s->grammar_at = -1;
}

/* The grammar has seen all tokens. */
static int catch_up(ch_session *s, ch_err *e)
{
    int rc = CH_OK;
    if (s->grammar_at < 0 || ch_grammar_stale(s->grammar, s->place)) {
        rc = ch_grammar_start(&s->place, s->grammar, e);
        s->grammar_at = s->grammar_from;
    }
    for (; rc == CH_OK && s->grammar_at < s->n_tokens; s->grammar_at++) {
        rc = ch_grammar_token(&s->place, s->grammar, s->tokens[s->grammar_at], e);
        if (rc < 0) {
            ch_fail_at(e, "token %d", s->grammar_at);
            s->grammar_at = -1;
            return rc;
        }
    }
    return rc;
}

static int finished(const ch_session *s, ch_err *e)
{
    return ch_grammar_may_end(s->grammar, s->place)
               ? ch_fail(e, CH_ELIMIT, "the text is complete by its grammar, and the vocabulary has "
                                       "no end token to say so")
               : ch_fail(e, CH_ELIMIT, "the vocabulary has no token with which the text could go on "
                                       "by its grammar");
}

int ch_session_allowed(const float **logits, ch_session *s, ch_err *e)
{
    *logits = s->last;
    if (!s->grammar)
        return CH_OK;
    const uint64_t *mask;
    int rc = catch_up(s, e);
    if (rc == CH_OK)
        rc = ch_grammar_mask(&mask, &s->place, s->grammar, e);
    if (rc < 0)
        return rc;
    bool any = false;
    for (size_t i = 0; i < ch_grammar_mask_words(s->grammar) && !any; i++)
        any = mask[i] != 0;
    if (!any)
        return finished(s, e);
    const int vocab = s->family->model->config.vocab;
    ch_grammar_apply(s->family->allowed, s->last, vocab, mask, ch_grammar_vocab(s->grammar));
    *logits = s->family->allowed;
    return CH_OK;
}

ch_token ch_session_obeying(const ch_session *s, const float *logits, ch_token drawn)
{
    const uint64_t *mask;
    ch_place p = s->place;
    if (!s->grammar || logits[drawn] > -INFINITY ||
        ch_grammar_mask(&mask, &p, s->grammar, NULL) < 0)
        return drawn;
    if (drawn < ch_grammar_vocab(s->grammar) && (mask[drawn >> 6] >> (drawn & 63) & 1))
        return drawn;
    for (ch_token t = 0; t < CH_MIN(ch_grammar_vocab(s->grammar), s->family->model->config.vocab);
         t++)
        if (mask[t >> 6] >> (t & 63) & 1)
            return t;
    return drawn;
}
