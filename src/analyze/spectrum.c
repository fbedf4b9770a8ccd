/* spectrum.c - eigenvalues, stability and regime of one step
 *
 * Characteristic polynomial s^2 - t s + alpha, t = 1 + alpha - p.  Near p1 and p2 its discriminant
 * t^2 - 4 alpha is a small difference, so the parts are added with what rounding leaves; the
 * distance of the largest root from the unit circle is root of a polynomial of its own:
 *     s = 1 - q:     q^2 - (1 - alpha + p) q + p = 0
 *     s = -(1 - q):  q^2 - (1 - alpha + room) q + room = 0,  room = 2 (1 + alpha) - p
 * SPDX-License-Identifier: MIT */
#include "analyze.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* How near counts as equal: p1 moves by about this much when alpha does by its last place. */
#define NEAR (8 * DBL_EPSILON)

const char *ch_analyze_regime_name(ch_regime r)
{
    static const char *const names[CH_REGIMES] = {
        [CH_REGIME_NONE] = "undefined",         [CH_REGIME_FROZEN] = "frozen",
        [CH_REGIME_OVERDAMPED] = "overdamped",  [CH_REGIME_CRITICAL] = "critical",
        [CH_REGIME_OSCILLATING] = "oscillating", [CH_REGIME_FLIPPED] = "critical, alternating",
        [CH_REGIME_ALTERNATING] = "alternating", [CH_REGIME_MIXED] = "mixed",
        [CH_REGIME_MARGINAL] = "marginal",      [CH_REGIME_DIVERGING] = "diverging"};
    return (unsigned)r < CH_REGIMES ? names[r] : names[CH_REGIME_NONE];
}

/* The smaller root of q^2 - b q + c = 0, whose discriminant has the root d. */
static double smaller_root(double b, double c, double d)
{
    return b >= 0 ? 2 * c / (b + d) : (b - d) / 2;
}

/* What the rest is made of, with the last places that rounding would take. */
struct parts {
    double t;     /* trace */
    double under; /* t^2 - 4 alpha */
    double room;  /* limit - p */
};

static struct parts take_apart(double alpha, double p)
{
    const double sum = 1 + alpha;
    const double rest = fabs(alpha) > 1 ? 1 - (sum - alpha) : alpha - (sum - 1);
    const double t = sum - p, moved = t - sum; /* two differences (Knuth) */
    const double low = (sum - (t - moved)) - (p + moved) + rest;
    const double square = t * t;
    return (struct parts){.t = t,
                          .under = square - 4 * alpha + (fma(t, t, -square) + 2 * t * low),
                          .room = 2 * sum - p + 2 * rest};
}

/* d: the root of the discriminant. */
static void real_pair(ch_spectrum *s, const struct parts *k, double d)
{
    const double far = k->t < 0 ? (k->t - d) / 2 : (k->t + d) / 2;
    s->re[0] = far;
    s->re[1] = far != 0 ? s->alpha / far : 0;
    s->gap = k->t < 0 ? smaller_root(1 - s->alpha + k->room, k->room, d)
                      : smaller_root(1 - s->alpha + s->p, s->p, d);
}

static void complex_pair(ch_spectrum *s, const struct parts *k, double d)
{
    s->re[0] = s->re[1] = k->t / 2;
    s->im[0] = d / 2;
    s->im[1] = -d / 2;
    s->gap = (1 - s->alpha) / (1 + sqrt(s->alpha));
}

static void solve(ch_spectrum *s, const struct parts *k)
{
    const double root = s->alpha > 0 ? sqrt(s->alpha) : 0;
    if (s->alpha >= 0) {
        s->critical = (1 - s->alpha) / (1 + root);
        s->critical *= s->critical;
        s->flip = (1 + root) * (1 + root);
    }
    if (isfinite(k->under) && k->under < 0)
        complex_pair(s, k, sqrt(-k->under));
    else if (isfinite(k->under))
        real_pair(s, k, sqrt(k->under));
    else /* t^2 has no place in a double; 4 alpha may still matter */
        real_pair(s, k, sqrt(fabs(k->t - 2 * root)) * sqrt(fabs(k->t + 2 * root)));
}

static ch_regime regime_of(const ch_spectrum *s, const struct parts *k)
{
    const double root = s->alpha > 0 ? sqrt(s->alpha) : 0;
    if (s->p == 0)
        return CH_REGIME_FROZEN;
    if (fabs(k->room) <= NEAR * s->limit && s->alpha > -1 && s->alpha <= 1)
        return CH_REGIME_MARGINAL;
    if (!s->stable)
        return s->gap < 0 ? CH_REGIME_DIVERGING : CH_REGIME_MARGINAL;
    if (s->alpha < 0)
        return CH_REGIME_MIXED;
    if (fabs(s->p - s->critical) <= NEAR * (1 - root))
        return CH_REGIME_CRITICAL;
    if (fabs(s->p - s->flip) <= NEAR * (1 + root))
        return CH_REGIME_FLIPPED;
    if (s->p < s->critical)
        return CH_REGIME_OVERDAMPED;
    return s->p < s->flip ? CH_REGIME_OSCILLATING : CH_REGIME_ALTERNATING;
}

void ch_analyze_spectrum(ch_spectrum *out, double alpha, double p)
{
    const double none = (double)NAN;
    *out = (ch_spectrum){.alpha = alpha, .p = p, .re = {none, none}, .im = {none, none},
                         .rho = none, .gap = none, .critical = none, .flip = none, .limit = none,
                         .reach = none};
    if (!isfinite(alpha) || !isfinite(p))
        return;
    out->im[0] = out->im[1] = 0;
    out->limit = 2 * (1 + alpha);
    out->reach = p / out->limit;
    const struct parts k = take_apart(alpha, p);
    solve(out, &k);
    out->rho = 1 - out->gap;
    out->stable = alpha > -1 && alpha < 1 && p > 0 && k.room > 0;
    out->regime = regime_of(out, &k);
    if (out->regime == CH_REGIME_MARGINAL)
        out->stable = false; /* equal to the limit but for rounding */
}

double ch_analyze_fixed_point(const ch_integrator *k)
{
    const double p = ch_analyze_pull(k);
    if (!isfinite(p) || p == 0)
        return (double)NAN;
    return k->mu + (1 - k->alpha) * k->target / k->beta;
}
