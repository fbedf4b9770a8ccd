/* bias.c - what the caller wants or does not want, before any sampler
 *
 *   logit_i + bias_i;   -inf where bias_i is, where i is not among the allowed tokens, and for ends
 *                       while the position is below ends_from
 *
 * SPDX-License-Identifier: MIT */
#include "sample.h"

static void never(const ch_candidates *c, ch_token id)
{
    ch_candidate *a = ch_candidates_find(c, id);
    if (a)
        a->logit = -INFINITY;
}

static void none_but(ch_candidates *c, const ch_token *allowed, int n)
{
    ch_candidates_by_id(c);
    for (int i = 0; i < n; i++) {
        ch_candidate *a = ch_candidates_find(c, allowed[i]);
        if (a)
            a->p = 1;
    }
    for (int i = 0; i < c->n; i++)
        if (c->at[i].p == 0)
            c->at[i].logit = -INFINITY;
}

void ch_sample_bias(ch_candidates *c, const ch_sampling *s, uint64_t position)
{
    if (s->allowed)
        none_but(c, s->allowed, s->n_allowed);
    for (int i = 0; s->bias && i < s->n_bias; i++) {
        ch_candidate *a = ch_candidates_find(c, s->bias[i].id);
        if (a && s->bias[i].bias == -INFINITY) /* added to +inf it would be NaN */
            a->logit = -INFINITY;
        else if (a)
            a->logit += s->bias[i].bias;
    }
    for (int i = 0; s->ends && i < s->n_ends && (int64_t)position < s->ends_from; i++)
        never(c, s->ends[i]);
}
