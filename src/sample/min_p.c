/* min_p.c - candidates at least `value` times as likely as the best (Nguyen et al. 2024)
 *
 *   keep i if p_i >= value max_j p_j, that is logit_i >= max_j logit_j + ln(value)
 *
 * Their order stays.  SPDX-License-Identifier: MIT */
#include "sample.h"

void ch_sample_min_p(ch_candidates *c, const ch_sampling *s, const ch_sample_view *v)
{
    (void)v;
    const double least = (double)ch_candidates_most(c) + log(s->min_p);
    int n = 0;
    for (int i = 0; i < c->n; i++)
        if ((double)c->at[i].logit >= least)
            c->at[n++] = c->at[i];
    c->n = n;
}
