/* top_p.c - the smallest set of best candidates whose probability reaches p (Holtzman et al. 2019)
 *
 *   keep the first n in descending order, n least with sum_{i<n} p_i >= value; at least one
 *
 * Probabilities are those among the candidates that are left here.  The list is sorted no further
 * than the set reaches (twice as far each time).  SPDX-License-Identifier: MIT */
#include "sample.h"

void ch_sample_top_p(ch_candidates *c, const ch_sampling *s, const ch_sample_view *v)
{
    (void)v;
    if (c->n < 2)
        return;
    ch_candidates_softmax(c);
    double sum = 0;
    int n = 0;
    for (int front = 0; n < c->n;) {
        if (n == front)
            front = ch_candidates_more(c, front);
        sum += (double)c->at[n++].p;
        if (sum >= s->top_p) {
            c->n = n;
            c->sorted = true;
            return;
        }
    }
}
