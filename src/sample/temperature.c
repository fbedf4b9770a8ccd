/* temperature.c - below 1 the likely becomes likelier (Ackley, Hinton, Sejnowski 1985)
 *
 *   logit_i = (logit_i - max_j logit_j) / T
 *   T = temp, or with a range r > 0: max(temp - r, 0) + (temp + r - max(temp - r, 0)) h^exponent,
 *   h = H / ln n, the share of the most possible entropy of n candidates (dynamic temperature)
 *
 * The shift, which a softmax does not see and `less` remembers, keeps a small temperature from
 * overflowing upwards: the best stay at 0 and the others reach -inf at worst.
 * SPDX-License-Identifier: MIT */
#include "sample.h"

static double dynamic(ch_candidates *c, const ch_sampling *s)
{
    if (s->dynatemp_range <= 0 || c->n < 2)
        return s->temp;
    ch_candidates_softmax(c);
    const double least = fmax(s->temp - s->dynatemp_range, 0), most = s->temp + s->dynatemp_range;
    const double share = fmin(fmax(ch_candidates_entropy(c) / log(c->n), 0), 1);
    return least + (most - least) * pow(share, s->dynatemp_exponent);
}

void ch_sample_temperature(ch_candidates *c, const ch_sampling *s, const ch_sample_view *v)
{
    (void)v;
    const double value = dynamic(c, s);
    const float most = ch_candidates_most(c);
    const double less = ((double)most + c->less) / value;
    c->less = isfinite(less) ? less : 0;
    for (int i = 0; i < c->n; i++) {
        float *logit = &c->at[i].logit;
        if (*logit != -INFINITY) /* the difference of equal infinities would be NaN */
            *logit = *logit == most ? 0 : (float)(((double)*logit - (double)most) / value);
    }
}
