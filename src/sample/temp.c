/* temp.c - temperature: below 1 the likely becomes likelier (Ackley, Hinton, Sejnowski 1985)
 *
 *   logit_i = (logit_i - max_j logit_j) / value
 *
 * The shift, which a softmax does not see, keeps a small temperature from overflowing upwards: the
 * best stay at 0 and the others reach -inf at worst.  1 leaves all as it is, and so does 0, for
 * which the draw takes the best instead.
 * SPDX-License-Identifier: MIT */
#include "sample.h"

void ch_sample_temp(ch_candidates *c, double value, const ch_sample_view *v)
{
    (void)v;
    if (value == 0 || value == 1)
        return;
    float most = -INFINITY;
    for (int i = 0; i < c->n; i++)
        most = c->at[i].logit > most ? c->at[i].logit : most;
    for (int i = 0; i < c->n; i++) {
        float *logit = &c->at[i].logit;
        if (*logit != -INFINITY) /* the difference of equal infinities would be NaN */
            *logit = *logit == most ? 0 : (float)(((double)*logit - (double)most) / value);
    }
}
