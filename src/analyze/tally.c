/* tally.c - points and samples counted: regimes, the reach, and how far sequences can grow
 *
 * SPDX-License-Identifier: MIT */
#include "analyze.h"

#include <math.h>

void ch_analyze_count(ch_tally *t, const ch_spectrum *s)
{
    const bool published = ch_analyze_published_stable(s->alpha, s->p);
    if (t->n == 0) {
        t->reach_least = (double)INFINITY;
        t->reach_most = -(double)INFINITY;
        t->growth_most = fmax(t->growth_most, 0);
    }
    t->n++;
    t->regime[s->regime]++;
    t->stable += s->stable;
    t->published_stable += published;
    t->wrongly_stable += published && !s->stable;
    t->wrongly_unstable += s->stable && !published;
    t->rho_sum += s->rho;
    t->rho_most = fmax(t->rho_most, s->rho);
    t->reach_least = fmin(t->reach_least, s->reach);
    t->reach_most = fmax(t->reach_most, s->reach);
}

static bool follows(const ch_sample *a, const ch_sample *b)
{
    return a->layer == b->layer && a->token == b->token && a->channel == b->channel &&
           a->step + 1 == b->step;
}

/* The inertia of displacements: that of velocities times the growth of dt gate. */
static double inertia(const ch_sample *s, const ch_sample *before)
{
    if (!before)
        return s->k.alpha;
    return s->k.alpha * (s->k.dt * s->k.gate) / (before->k.dt * before->k.gate);
}

size_t ch_analyze_count_samples(ch_tally *tallies, int n_layers, const ch_sample *samples,
                                size_t n)
{
    ch_growth g = {0};
    size_t counted = 0;
    for (size_t i = 0; i < n; i++) {
        const ch_sample *s = &samples[i];
        if (s->layer < 0 || s->layer >= n_layers)
            continue;
        const ch_sample *before = i > 0 && follows(s - 1, s) ? s - 1 : NULL;
        ch_tally *t = &tallies[s->layer];
        ch_spectrum z;
        ch_analyze_spectrum(&z, s->k.alpha, ch_analyze_pull(&s->k));
        ch_analyze_count(t, &z);
        if (!before)
            g = (ch_growth){0};
        t->growth_most = fmax(t->growth_most, ch_analyze_growth(&g, inertia(s, before), z.p));
        counted++;
    }
    return counted;
}
