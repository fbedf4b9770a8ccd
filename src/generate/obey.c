/* obey.c - a session that obeys a grammar
 *
 * Where a timeline is in its grammar is a function of its tokens since the grammar was set; it is
 * caught up with when a token is drawn, so drafts, forks, rollbacks and tokens that are fed need
 * nothing of their own.  The mask is put on the logits before any sampler sees them: top-k is then
 * the best k that are allowed.  SPDX-License-Identifier: MIT */
#include "session.h"

#include <stdlib.h>
#include <string.h>

int ch_session_grammar(ch_session *s, ch_grammar *g, ch_err *e)
{
    return ch_session_grammar_begun(s, g, NULL, 0, e);
}

/* Where the grammar is before its first token. */
static int start(ch_place *out, ch_grammar *g, const char *begun, size_t n, ch_err *e)
{
    const int rc = ch_grammar_start(out, g, e);
    return rc == CH_OK && n > 0 ? ch_grammar_bytes(out, g, begun, n, e) : rc;
}

int ch_session_grammar_begun(ch_session *s, ch_grammar *g, const char *begun, size_t n, ch_err *e)
{
    ch_place at;
    if (n > CH_GRAMMAR_BEGUN)
        return ch_fail(e, CH_ELIMIT, "a grammar's text was begun with %zu bytes; allowed are %d", n,
                       CH_GRAMMAR_BEGUN);
    const int rc = g && n > 0 ? start(&at, g, begun, n, e) : CH_OK;
    if (rc < 0)
        return rc;
    ch_family *f = s->family;
    const int vocab = f->model->config.vocab;
    if (g && !f->hidden) {
        f->hidden = malloc((size_t)vocab * sizeof *f->hidden);
        if (!f->hidden)
            return ch_fail(e, CH_ENOMEM, "no memory for %d logits", vocab);
        for (int i = 0; i < vocab; i++)
            f->hidden[i] = -INFINITY;
    }
    if (n > 0)
        memcpy(s->grammar_begun, begun, n);
    s->n_grammar_begun = (int)n;
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
        rc = start(&s->place, s->grammar, s->grammar_begun, (size_t)s->n_grammar_begun, e);
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

bool ch_session_obeys(const ch_session *s) { return s->grammar != NULL; }

int ch_session_may_end(bool *yes, ch_session *s, ch_err *e)
{
    const int rc = s->grammar ? catch_up(s, e) : CH_OK;
    *yes = rc == CH_OK && (!s->grammar || ch_grammar_may_end(s->grammar, s->place));
    return rc;
}

static int finished(const ch_session *s, ch_err *e)
{
    return ch_grammar_may_end(s->grammar, s->place)
               ? ch_fail(e, CH_ELIMIT, "the text is complete by its grammar, and the vocabulary "
                                       "has no end token to say so")
               : ch_fail(e, CH_ELIMIT, "the vocabulary has no token with which the text could go "
                                       "on by its grammar");
}

int ch_session_allowed(const float **logits, ch_session *s, ch_err *e)
{
    *logits = s->last;
    if (!s->grammar)
        return CH_OK;
    ch_family *f = s->family;
    int rc = catch_up(s, e);
    if (rc == CH_OK)
        rc = ch_grammar_mask(&f->mask, &s->place, s->grammar, e);
    if (rc < 0)
        return rc;
    if (f->mask[ch_grammar_mask_words(s->grammar)] == 0)
        return finished(s, e);
    *logits = ch_grammar_hide(s->last, f->hidden, f->model->config.vocab, f->mask,
                              ch_grammar_vocab(s->grammar));
    return CH_OK;
}

ch_token ch_session_obeying(ch_session *s, const float *logits, ch_token drawn)
{
    if (!s->grammar)
        return drawn;
    const ch_family *f = s->family;
    const int known = CH_MIN(ch_grammar_vocab(s->grammar), f->model->config.vocab);
    const bool possible = drawn >= 0 && logits[drawn] > -INFINITY;
    ch_grammar_show(s->last, f->hidden, f->model->config.vocab, f->mask,
                    ch_grammar_vocab(s->grammar));
    const bool allowed = drawn >= 0 && drawn < known && f->mask[drawn >> 6] >> (drawn & 63) & 1;
    return possible || allowed ? drawn : -1;
}
