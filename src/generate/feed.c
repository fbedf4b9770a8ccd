/* feed.c - tokens and vectors into a timeline
 *
 * SPDX-License-Identifier: MIT */
#include "session.h"

#include <limits.h>

int ch_session_feed(ch_session *s, const ch_token *tokens, int n, ch_err *e)
{
    const uint64_t t0 = ch_clock_ns();
    const int before = s->n_tokens;
    int rc = ch_session_put(s, tokens, n, e);
    if (rc < 0)
        return rc;
    rc = ch_session_catch_up(s, e);
    if (rc < 0) /* what was there before stays, and with it what was computed of this */
        s->n_tokens = CH_MAX(before, s->computed);
    s->stats.prompt_tokens += (uint64_t)(s->n_tokens - before);
    s->stats.prompt_s += (double)(ch_clock_ns() - t0) * 1e-9;
    return rc;
}

struct listener {
    ch_logits_fn *each;
    void *arg;
};

static int pass_on(void *arg, int share, int position, const float *logits)
{
    const struct listener *l = arg;
    (void)share;
    return l->each ? l->each(l->arg, position, logits) : CH_OK;
}

int ch_session_feed_each(ch_session *s, const ch_token *tokens, int n, ch_logits_fn *each,
                         void *arg, ch_err *e)
{
    struct listener l = {each, arg};
    int rc = ch_session_accepts(s, tokens, n, e);
    if (rc == CH_OK && s->computed < s->n_tokens)
        rc = ch_session_catch_up(s, e);
    const int before = s->n_tokens;
    if (rc == CH_OK)
        rc = ch_session_put(s, tokens, n, e);
    while (rc == CH_OK && s->computed < s->n_tokens) {
        ch_share h = {.s = s, .rows = INT_MAX, .from = before};
        rc = ch_session_interrupted(s, e);
        if (rc == CH_OK)
            rc = ch_session_advance(&h, 1, pass_on, &l, e);
        if (rc == CH_OK)
            rc = h.rc;
    }
    if (rc < 0)
        s->n_tokens = CH_MAX(CH_MIN(before, s->n_tokens), s->computed);
    return rc;
}

/* ---- Vectors -------------------------------------------------------------------------------- */

/* Takes n vectors through the layers; the last one's logits stay.  On failure nothing has changed.
 */
static int step(ch_session *s, const real *vectors, int n, ch_err *e)
{
    ch_family *f = s->family;
    const int at = s->sequence.length, rc = ch_sequence_append(&s->sequence, n, e);
    if (rc < 0)
        return rc;
    ch_arena *a = &f->scratch;
    ch_arena_reset(a, 0);
    int32_t *pos = ch_arena_take(a, (size_t)n * sizeof *pos);
    int32_t *seq = ch_arena_take_zero(a, (size_t)n * sizeof *seq);
    ch_token *before = ch_arena_take(a, (size_t)n * sizeof *before);
    const real **each = ch_arena_take(a, (size_t)n * sizeof *each);
    for (int i = 0; i < n; i++) {
        pos[i] = at + i;
        before[i] = i == 0 && at > 0 ? s->tokens[at - 1] : -1;
        each[i] = vectors + (ptrdiff_t)i * f->model->config.width;
    }
    ch_sequence *const seqs[1] = {&s->sequence};
    const int32_t last = n - 1;
    ch_step step = {.rows = {.n = n, .vector = each, .pos = pos, .seq = seq, .before = before},
                    .seqs = seqs,
                    .n_seqs = 1,
                    .wanted = &last,
                    .n_wanted = 1,
                    .context = f->context,
                    .spent = ch_session_spent(s, n),
                    .tap = s->tap,
                    .tap_arg = s->tap_arg};
    step.rows.adapter = f->adapters ? seq : NULL; /* all zeros: the first there is */
    ch_run run = {.scratch = a,
                  .pool = f->pool,
                  .kernels = &f->kernels,
                  .profile = s->profile,
                  .inputs = s->inputs,
                  .inputs_arg = s->inputs_arg,
                  .adapters = f->adapters};
    ch_session_keep_logits(s, ch_tensor_row(ch_forward_logits(&run, f->model, &step), 0));
    ch_session_count_steps(s, step.spent, n, 0, n);
    return CH_OK;
}

int ch_session_feed_vectors(ch_session *s, const real *vectors, int n, ch_err *e)
{
    int rc = ch_session_accepts(s, NULL, n, e);
    if (rc == CH_OK)
        rc = ch_session_drop_guesses(s, e);
    if (rc == CH_OK && s->computed < s->n_tokens)
        rc = ch_session_catch_up(s, e);
    s->private_pages = s->private_pages || n > 0;
    for (int done = 0, rows; done < n && rc == CH_OK; done += rows) {
        rows = CH_MIN(n - done, s->family->step_rows);
        rc = ch_session_interrupted(s, e);
        if (rc == CH_OK)
            rc = step(s, vectors + (ptrdiff_t)done * s->family->model->config.width, rows, e);
        if (rc < 0)
            break;
        for (int i = 0; i < rows; i++)
            s->tokens[s->n_tokens++] = -1;
        s->computed += rows;
    }
    return rc;
}
