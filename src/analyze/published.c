/* published.c - the published stability bound, criterion and parameter sets, kept as they are so
 * that what is wrong with them can be shown
 *
 * Source: the model card of the integrator network.  What is so was found with spectrum.c, and is
 * derived in docs/integrator.md.  SPDX-License-Identifier: MIT */
#include "analyze.h"

#include <math.h>

double ch_analyze_published_bound(double alpha)
{
    return 2 / sqrt(1 - alpha * alpha);
}

bool ch_analyze_published_stable(double alpha, double p)
{
    return alpha >= 0 && alpha < 1 && p > 0 && p < ch_analyze_published_bound(alpha);
}

ch_regime ch_analyze_published_regime(double alpha, double p)
{
    if (!isfinite(alpha) || !isfinite(p))
        return CH_REGIME_NONE;
    const double left = alpha * alpha, right = 4 * p;
    if (left == right)
        return CH_REGIME_CRITICAL;
    return left > right ? CH_REGIME_OVERDAMPED : CH_REGIME_OSCILLATING;
}

const ch_published_set ch_published_sets[] = {
    {"Safe", "stable", 0.1, 0.4, 0.5, CH_CLAIM_STABLE},
    {"Near-bound", "near the bound", 0.3, 1.6, 0.57, CH_CLAIM_NEAR_BOUND},
    {"Unstable", "unstable", 0.5, 2.5, 0.7, CH_CLAIM_UNSTABLE},
    {"Damped", "damped", 0.7, 0.2, 0.83, CH_CLAIM_DAMPED},
    {"High-alpha", "near-critical", 0.9, 1.0, 0.95, CH_CLAIM_NEAR_CRITICAL},
    {"Unstable (plot)", "unstable", 0.8, 2.5, (double)NAN, CH_CLAIM_UNSTABLE},
    {NULL, NULL, 0, 0, 0, CH_CLAIM_STABLE},
};

bool ch_analyze_published_holds(const ch_published_set *set, const ch_spectrum *s)
{
    switch (set->claim) {
    case CH_CLAIM_STABLE: return s->stable;
    case CH_CLAIM_NEAR_BOUND: return s->stable && s->reach >= 0.9;
    case CH_CLAIM_UNSTABLE: return !s->stable;
    case CH_CLAIM_DAMPED:
        return s->regime == CH_REGIME_OVERDAMPED || s->regime == CH_REGIME_CRITICAL;
    case CH_CLAIM_NEAR_CRITICAL: return fabs(s->p - s->critical) <= s->critical / 10;
    }
    return false;
}
