/* step.c - tokens through the layers: chunks, shared prefixes, page keys
 *
 * SPDX-License-Identifier: MIT */
#include "session.h"

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

/* What stands before each row; -1 before the first and where a vector does. */
static const ch_token *tokens_before(const ch_session *s, const ch_token *tokens, int n, int at)
{
    ch_token *before = ch_arena_take(&s->family->scratch, (size_t)n * sizeof *before);
    before[0] = at > 0 ? s->tokens[at - 1] : -1;
    for (int i = 1; i < n; i++)
        before[i] = tokens ? tokens[i - 1] : -1;
    return before;
}

static void describe_rows(ch_step *step, ch_session *s, const ch_token *tokens,
                          const real *vectors, int n)
{
    ch_arena *a = &s->family->scratch;
    int32_t *pos = ch_arena_take(a, (size_t)n * sizeof *pos);
    int32_t *seq = ch_arena_take_zero(a, (size_t)n * sizeof *seq);
    for (int i = 0; i < n; i++)
        pos[i] = s->sequence.length - n + i;
    step->rows = (ch_rows){.n = n,
                           .id = tokens,
                           .pos = pos,
                           .seq = seq,
                           .before = tokens_before(s, tokens, n, pos[0])};
    if (vectors) {
        const real **each = ch_arena_take(a, (size_t)n * sizeof *each);
        for (int i = 0; i < n; i++)
            each[i] = vectors + (ptrdiff_t)i * s->family->model->config.width;
        step->rows.vector = each;
    }
}

int ch_session_step(const ch_tensor **logits, ch_session *s, const ch_token *tokens,
                    const real *vectors, int n, const int32_t *wanted, int n_wanted, ch_err *e)
{
    ch_family *f = s->family;
    const int rc = ch_sequence_append(&s->sequence, n, e);
    if (rc < 0)
        return rc;
    ch_arena_reset(&f->scratch, 0);
    ch_sequence *const seqs[1] = {&s->sequence};
    ch_step step = {.seqs = seqs,
                    .n_seqs = 1,
                    .wanted = wanted,
                    .n_wanted = n_wanted,
                    .context = f->context,
                    .spent = ch_session_spent(s, n),
                    .tap = s->tap,
                    .tap_arg = s->tap_arg};
    describe_rows(&step, s, tokens, vectors, n);
    step.rows.adapter = f->adapters ? step.rows.seq : NULL; /* all zeros: the first there is */
    ch_run run = {.scratch = &f->scratch,
                  .pool = f->pool,
                  .kernels = &f->kernels,
                  .profile = s->profile,
                  .adapters = f->adapters};
    *logits = ch_forward_logits(&run, f->model, &step);
    ch_session_count_steps(s, step.spent, n);
    return CH_OK;
}

void ch_session_keep_logits(ch_session *s, const real *row)
{
    for (int i = 0; i < s->family->model->config.vocab; i++)
        s->last[i] = (float)row[i];
    s->has_last = true;
}

/* ---- Pages that other timelines may share -------------------------------------------------- */

static ch_hash128 key_before(const ch_session *s, int page)
{
    return page == 0 ? s->family->scope : s->page_keys[page - 1];
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

/* Whole pages of what is to come may have been computed before, here or in another session of the
 * family.  The last token is always computed: its logits are wanted.  Only sequences that are
 * pages and nothing else can do this. */
static void adopt(ch_session *s)
{
    const int size = ch_cache_get_options(s->family->cache)->page_size;
    if (s->private_pages || s->sequence.n_states != 1 || s->computed % size != 0)
        return;
    const int from = s->computed / size, to = (s->n_tokens - 1) / size;
    if (to <= from)
        return;
    make_keys(s, from, to);
    ch_state *pages = ch_sequence_state(&s->sequence, &ch_pages_kind);
    const int found = ch_pages_adopt(pages, s->page_keys + from, to - from);
    s->sequence.length = pages->length;
    s->has_last = s->has_last && found == 0;
    s->computed += found * size;
    s->keyed = s->computed / size;
    s->stats.shared_tokens += (uint64_t)found * (uint64_t)size;
}

/* ---- Catching up --------------------------------------------------------------------------- */

int ch_session_interrupted(ch_session *s, ch_err *e)
{
    if (atomic_exchange(&s->cancelled, 0))
        return ch_fail(e, CH_ECANCELED, "interrupted after %d tokens", s->computed);
    return CH_OK;
}

int ch_session_catch_up(ch_session *s, ch_err *e)
{
    adopt(s);
    while (s->computed < s->n_tokens) {
        int rc = ch_session_interrupted(s, e);
        const int n = CH_MIN(s->n_tokens - s->computed, s->family->step_rows);
        const bool ends = s->computed + n == s->n_tokens;
        const int32_t last_row = n - 1;
        const ch_tensor *logits = NULL;
        if (rc == CH_OK)
            rc = ch_session_step(&logits, s, s->tokens + s->computed, NULL, n, &last_row, 1, e);
        if (rc < 0)
            return rc;
        s->computed += n;
        s->has_last = false;
        if (ends)
            ch_session_keep_logits(s, ch_tensor_row(logits, 0));
        ch_session_seal(s);
    }
    return CH_OK;
}
