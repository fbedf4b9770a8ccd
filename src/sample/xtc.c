/* xtc.c - "exclude top choices": sometimes the likeliest candidates are dropped
 *
 *   if u < probability and two candidates or more have p >= threshold: of these only the least
 *   likely stays (in a tie the highest id)
 *
 * u is uniform in [0,1), a function of (seed, sample, position) in a stream of its own (P. E.
 * Weber, text-generation-webui PR 6335).  Order stays.  SPDX-License-Identifier: MIT */
#include "sample.h"

static bool is_top(const ch_candidate *a, double threshold)
{
    return a->p > 0 && (double)a->p >= threshold;
}

void ch_sample_xtc(ch_candidates *c, const ch_sampling *s, const ch_sample_view *v)
{
    if (ch_rng_uniform(s->seed, CH_RNG_XTC, v->sample, v->position) >= s->xtc_probability)
        return;
    ch_candidates_softmax(c);
    const ch_candidate *stays = NULL;
    for (int i = 0; i < c->n; i++) {
        const ch_candidate *a = &c->at[i];
        if (is_top(a, s->xtc_threshold) &&
            (!stays || a->logit < stays->logit || (a->logit == stays->logit && a->id > stays->id)))
            stays = a;
    }
    const ch_token id = stays ? stays->id : -1;
    int n = 0;
    for (int i = 0; i < c->n; i++)
        if (c->at[i].id == id || !is_top(&c->at[i], s->xtc_threshold))
            c->at[n++] = c->at[i];
    c->n = n;
}
