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

double ch_analyze_follow(ch_following *f, ch_tally *t, ch_spectrum *z, const ch_integrator *k)
{
    const double stride = k->dt * k->gate;
    /* The inertia of displacements: that of velocities times the growth of dt gate. */
    const double inertia = f->g.steps || f->g.outside ? k->alpha * stride / f->stride : k->alpha;
    ch_analyze_spectrum(z, k->alpha, ch_analyze_pull(k));
    ch_analyze_count(t, z);
    const double growth = ch_analyze_growth(&f->g, inertia, z->p);
    t->growth_most = fmax(t->growth_most, growth);
    f->stride = stride;
    return growth;
}

size_t ch_analyze_count_samples(ch_tally *tallies, int n_layers, const ch_sample *samples,
                                size_t n)
{
    ch_following f = {0};
    size_t counted = 0;
    for (size_t i = 0; i < n; i++) {
        const ch_sample *s = &samples[i];
        if (s->layer < 0 || s->layer >= n_layers)
            continue;
        if (i == 0 || !follows(s - 1, s))
            f = (ch_following){0};
        ch_spectrum z;
        ch_analyze_follow(&f, &tallies[s->layer], &z, &s->k);
        counted++;
    }
    return counted;
}
