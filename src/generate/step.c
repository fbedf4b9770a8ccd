/* step.c - tokens that wait: page keys, shared prefixes, catching up
 *
 * SPDX-License-Identifier: MIT */
#include "session.h"

#include <limits.h>
#include <string.h>

int ch_session_accepts(const ch_session *s, const ch_token *tokens, int n, ch_err *e)
{
    const int vocab = s->family->model->config.vocab;
    if (n < 0 || n > s->family->context - s->n_tokens)
        return ch_fail(e, CH_ELIMIT, "%d tokens do not fit: the context holds %d, %d are taken", n,
                       s->family->context, s->n_tokens);
    for (int i = 0; tokens && i < n; i++)
        if (tokens[i] < 0 || tokens[i] >= vocab)
            return ch_fail(e, CH_EARG, "token %d is %d, the vocabulary has 0 to %d", i,
                           (int)tokens[i], vocab - 1);
    return CH_OK;
}

void ch_session_keep_logits(ch_session *s, const real *row)
{
    for (int i = 0; i < s->family->model->config.vocab; i++)
        s->last[i] = (float)row[i];
    s->has_last = true;
    s->drawn_at = 0;
}

/* ---- Pages that other timelines may share -------------------------------------------------- */

static ch_hash128 key_before(const ch_session *s, int page)
{
    return page == 0 ? s->scope : s->page_keys[page - 1];
}

/* Extends page_keys to the first `pages` pages of tokens; returns how many there are. */
static int make_keys(ch_session *s, int from, int pages)
{
    const int size = ch_cache_get_options(s->family->cache)->page_size;
    for (int p = from; p < pages; p++)
        s->page_keys[p] = ch_page_key(key_before(s, p), s->tokens + (ptrdiff_t)p * size, size);
    return pages;
}

void ch_session_seal(ch_session *s)
{
    if (s->private_pages || s->sequence.n_states != 1) /* see adopt */
        return;
    const int sealed = s->computed / ch_cache_get_options(s->family->cache)->page_size;
    if (sealed <= s->keyed)
        return;
    make_keys(s, s->keyed, sealed);
    ch_state *pages = ch_sequence_state(&s->sequence, &ch_pages_kind);
    for (int p = s->keyed; p < sealed; p++)
        ch_pages_publish(pages, p, s->page_keys[p]);
    s->keyed = sealed;
}

/* Whole pages of what waits, but for the last token: its logits are wanted.  Only sequences that
 * are pages and nothing else can share them. */
static int whole_pages(const ch_session *s, int *from)
{
    const int size = ch_cache_get_options(s->family->cache)->page_size;
    *from = s->computed / size;
    if (s->private_pages || s->sequence.n_states != 1 || s->computed % size != 0)
        return 0;
    return CH_MAX(0, (s->n_tokens - 1) / size - *from);
}

int ch_session_adopt(ch_session *s)
{
    const int size = ch_cache_get_options(s->family->cache)->page_size;
    int from;
    const int pages = whole_pages(s, &from);
    if (pages == 0 || s->used < s->guesses)
        return 0;
    make_keys(s, from, from + pages);
    ch_state *state = ch_sequence_state(&s->sequence, &ch_pages_kind);
    const int found = ch_pages_adopt(state, s->page_keys + from, pages);
    s->sequence.length = state->length;
    s->has_last = s->has_last && found == 0;
    s->computed += found * size;
    s->keyed = s->computed / size;
    s->stats.shared_tokens += (uint64_t)found * (uint64_t)size;
    return found * size;
}

bool ch_session_next_key(ch_hash128 *out, ch_session *s)
{
    int from;
    if (whole_pages(s, &from) == 0)
        return false;
    make_keys(s, from, from + 1);
    *out = s->page_keys[from];
    return true;
}

int ch_session_salt(ch_session *s, uint64_t salt, ch_err *e)
{
    if (s->n_tokens > 0)
        return ch_fail(e, CH_EARG, "a salt is for an empty session; this one has %d tokens",
                       s->n_tokens);
    s->scope = s->family->scope;
    if (salt != 0)
        s->scope = ch_hash_bytes(s->scope, &salt, sizeof salt);
    return CH_OK;
}

/* ---- Tokens that wait ---------------------------------------------------------------------- */

int ch_session_put(ch_session *s, const ch_token *tokens, int n, ch_err *e)
{
    int rc = ch_session_accepts(s, tokens, n, e);
    if (rc == CH_OK)
        rc = ch_session_drop_guesses(s, e);
    if (rc < 0)
        return rc;
    if (n > 0)
        memcpy(s->tokens + s->n_tokens, tokens, (size_t)n * sizeof *tokens);
    s->n_tokens += n;
    return CH_OK;
}

int ch_session_waiting(const ch_session *s) { return s->n_tokens - s->computed; }

void ch_session_release(ch_session *s)
{
    ch_sequence_rollback(&s->sequence, 0, NULL); /* which always can be gone back to */
    s->computed = s->keyed = 0;
    s->guesses = s->used = 0;
    s->has_last = false;
}

int64_t ch_session_room(const ch_session *s)
{
    const ch_cache_options *o = ch_cache_get_options(s->family->cache);
    const ch_cache_stats now = ch_cache_get_stats(s->family->cache);
    return o->layers ? (int64_t)(now.pages - now.used) / o->layers * o->page_size : INT64_MAX;
}

int ch_session_interrupted(ch_session *s, ch_err *e)
{
    if (atomic_exchange(&s->cancelled, 0))
        return ch_fail(e, CH_ECANCELED, "interrupted after %d tokens", s->computed);
    return CH_OK;
}

int ch_session_catch_up(ch_session *s, ch_err *e)
{
    int rc = ch_session_drop_guesses(s, e);
    if (rc == CH_OK)
        ch_session_adopt(s);
    while (rc == CH_OK && s->computed < s->n_tokens) {
        rc = ch_session_interrupted(s, e);
        ch_share h = {.s = s, .rows = INT_MAX};
        if (rc == CH_OK)
            rc = ch_session_advance(&h, 1, NULL, NULL, e);
        if (rc == CH_OK)
            rc = h.rc;
    }
    return rc;
}
