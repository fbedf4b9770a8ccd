/* hidden.c - what the head makes of rows, before logits: for embeddings
 *
 * SPDX-License-Identifier: MIT */
#include "session.h"

int ch_session_hidden(ch_session *s, int most, ch_hidden_fn *each, void *arg, ch_err *e)
{
    ch_family *f = s->family;
    int rc = ch_session_drop_guesses(s, e);
    const int at = s->computed;
    const int step = CH_MIN(f->step_rows, f->logit_rows);
    const int n = CH_MAX(0, CH_MIN(s->n_tokens - at, CH_MIN(most, step)));
    if (rc == CH_OK && n > 0)
        rc = ch_sequence_append(&s->sequence, n, e);
    if (rc < 0 || n == 0)
        return rc;
    ch_arena *a = &f->scratch;
    ch_arena_reset(a, 0);
    int32_t *pos = ch_arena_take(a, (size_t)n * sizeof *pos);
    int32_t *seq = ch_arena_take_zero(a, (size_t)n * sizeof *seq);
    ch_token *before = ch_arena_take(a, (size_t)n * sizeof *before);
    for (int i = 0; i < n; i++) {
        pos[i] = at + i;
        before[i] = at + i > 0 ? s->tokens[at + i - 1] : -1;
    }
    ch_sequence *const seqs[1] = {&s->sequence};
    const ch_step all = {.rows = {.n = n,
                                   .id = s->tokens + at,
                                   .pos = pos,
                                   .seq = seq,
                                   .before = before,
                                   .adapter = f->adapters ? seq : NULL},
                          .seqs = seqs,
                          .n_seqs = 1,
                          .context = f->context};
    ch_run run = {.scratch = a, .pool = f->pool, .kernels = &f->kernels, .adapters = f->adapters};
    const ch_tensor *x = ch_forward_hidden(&run, f->model, &all);
    rc = ch_model_whole(f->model, e);
    s->has_last = false;
    if (rc < 0) { /* what was computed is not to be believed */
        if (ch_sequence_rollback(&s->sequence, at, NULL) < 0)
            ch_session_release(s);
        return rc;
    }
    for (int i = 0; i < n; i++)
        each(arg, at + i, ch_tensor_row(x, i));
    s->computed += n;
    ch_session_seal(s);
    return CH_OK;
}
