/* top_k.c - the K best candidates (Fan et al. 2018, section 5.4)
 *
 * Ties at the border go to lower ids.  SPDX-License-Identifier: MIT */
#include "sample.h"

void ch_sample_top_k(ch_candidates *c, const ch_sampling *s, const ch_sample_view *v)
{
    (void)v;
    const int k = (int)s->top_k;
    if (k >= c->n)
        return;
    ch_candidates_sort(c, k);
    c->n = k;
    c->sorted = true;
}
