/* top_n_sigma.c - logits near the best, in standard deviations of all (Tang et al. 2024)
 *
 *   keep i if logit_i >= max_j logit_j - value sigma,   sigma^2 = mean (logit - mean logit)^2
 *
 * over the finite logits that are left here.  Order stays.  SPDX-License-Identifier: MIT */
#include "sample.h"

void ch_sample_top_n_sigma(ch_candidates *c, const ch_sampling *s, const ch_sample_view *v)
{
    (void)v;
    double sum = 0, squares = 0;
    int finite = 0, n = 0;
    for (int i = 0; i < c->n; i++)
        if (isfinite(c->at[i].logit)) {
            sum += (double)c->at[i].logit;
            finite++;
        }
    const double mean = finite ? sum / finite : 0;
    for (int i = 0; i < c->n; i++) {
        const double off = (double)c->at[i].logit - mean;
        squares += isfinite(off) ? off * off : 0;
    }
    const double sigma = finite ? sqrt(squares / finite) : 0;
    const double least = (double)ch_candidates_most(c) - s->top_n_sigma * sigma;
    for (int i = 0; i < c->n; i++)
        if ((double)c->at[i].logit >= least)
            c->at[n++] = c->at[i];
    c->n = n;
}
