/* in_advance.c - the next tokens of several timelines, drawn at once by the threads of their pool
 *
 * A draw is a function of logits, tokens, sampling and position, so it may as well be made by
 * another thread and before it is asked for; it is kept in the session, with what it was drawn by,
 * until ch_session_next asks for just that or the logits change.  Between two steps of a small
 * model the draws of many texts are most of what one thread does while the others wait.
 * SPDX-License-Identifier: MIT */
#include "session.h"

#include <stdlib.h>
#include <string.h>

enum { LANES = 8, FEW = 3 }; /* with fewer draws it is not worth waking anybody */

typedef struct drawing {
    ch_session *const *s;
    const ch_sampling *const *how;
    ch_candidate *work; /* (lanes, V) */
    int n, lanes;
} drawing;

/* Its logits are there, and nothing is involved that the family has only one of. */
static bool can(const ch_session *s, const ch_sampling *how)
{
    return s->computed == s->n_tokens && s->has_last && !s->grammar && !s->has_own &&
           s->n_tokens > 0 && s->n_tokens < s->family->context &&
           ch_sampling_check(how, s->family->model->config.vocab, NULL) == CH_OK;
}

static void draw_lane(void *arg, int lane, int thread)
{
    const drawing *d = arg;
    (void)thread;
    for (int i = lane; i < d->n; i += d->lanes) {
        ch_session *s = d->s[i];
        const int vocab = s->family->model->config.vocab;
        if (!can(s, d->how[i]))
            continue;
        s->drawn = ch_session_sampled(s, s->last, d->work + (ptrdiff_t)lane * vocab, d->how[i]);
        s->drawn_at = s->n_tokens;
        memcpy(&s->drawn_by, d->how[i], sizeof s->drawn_by);
    }
}

void ch_sessions_draw(ch_session *const *s, const ch_sampling *const *how, int n)
{
    if (n < FEW || ch_pool_threads(s[0]->family->pool) < 2)
        return;
    ch_family *f = s[0]->family;
    const size_t lane_size = (size_t)f->model->config.vocab * sizeof *f->lanes;
    const int lanes = CH_MIN(CH_MIN(n, ch_pool_threads(f->pool)), LANES);
    if (lanes > f->n_lanes) {
        ch_candidate *more = realloc(f->lanes, (size_t)lanes * lane_size);
        if (!more)
            return; /* they are drawn one by one, then */
        f->lanes = more;
        f->n_lanes = lanes;
    }
    drawing d = {.s = s, .how = how, .work = f->lanes, .n = n, .lanes = lanes};
    ch_pool_run(f->pool, draw_lane, &d, lanes);
}
