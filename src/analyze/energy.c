/* energy.c - the published energy and a Lyapunov function that deserves the name
 *
 *     V = e^2 - e w + w^2 / (4 sigma) = (e - w/2)^2 + (1 - sigma) / sigma (w/2)^2
 *
 * e - w/2 is the midpoint of the last two positions, w/2 half of their distance.  V is the
 * Schur-Cohn form of s^2 - t s + alpha, divided by 2 p.  SPDX-License-Identifier: MIT */
#include "analyze.h"

#include <math.h>

double ch_analyze_published_energy(const ch_integrator *k, ch_motion s)
{
    const double e = s.x - k->mu, d = s.v - k->target;
    return (e * e + d * d) / 2;
}

double ch_analyze_lyapunov(double sigma, double e, double w)
{
    if (!(sigma > 0 && sigma < 1))
        return (double)NAN;
    const double middle = e - w / 2, half = w / 2;
    return middle * middle + (1 - sigma) / sigma * half * half;
}
