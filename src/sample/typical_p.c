/* typical_p.c - the candidates whose surprise is nearest to what is expected (Meister et al. 2022)
 *
 *   H = -sum p ln p;   keep those with the least |-ln p_i - H|, as few as reach sum p_i >= value
 *
 * In descending order of p these are neighbours: a window that begins where -ln p passes H and
 * grows towards the nearer side, to the likelier one in a tie.  Cost: a full sort.
 * SPDX-License-Identifier: MIT */
#include "sample.h"

#include <string.h>

static double distance(const ch_candidates *c, int i, double entropy)
{
    return i < 0 || i >= c->n || c->at[i].p == 0 ? HUGE_VAL
                                                 : fabs(-log((double)c->at[i].p) - entropy);
}

void ch_sample_typical_p(ch_candidates *c, const ch_sampling *s, const ch_sample_view *v)
{
    (void)v;
    if (c->n < 2)
        return;
    ch_candidates_sort(c, c->n);
    ch_candidates_softmax(c);
    const double entropy = ch_candidates_entropy(c);
    int from = 0, to = 0;
    while (from < c->n && c->at[from].p > 0 && -log((double)c->at[from].p) < entropy)
        from++;
    to = from;
    double sum = 0;
    while (sum < s->typical_p || from == to) {
        const double likelier = distance(c, from - 1, entropy), rarer = distance(c, to, entropy);
        if (likelier == HUGE_VAL && rarer == HUGE_VAL)
            break;
        sum += (double)c->at[likelier <= rarer ? --from : to++].p;
    }
    if (from == to) /* nothing has a probability */
        return;
    memmove(c->at, c->at + from, (size_t)(to - from) * sizeof *c->at);
    c->n = to - from;
}
