/* closed.c - many steps with the same parameters: by a closed form, and by the loop
 *
 * Cayley-Hamilton for J^2 = t J - alpha I gives J^n = U_n J - alpha U_(n-1) I.  Doubling:
 *     U_2n     = U_n (2 U_(n+1) - t U_n)
 *     U_(2n+1) = U_(n+1)^2 - alpha U_n^2
 *     G_2n     = G_n (1 + U_(n+1) - alpha U_n) + alpha U_n^2
 * The last loses digits where steps alternate, so from p = 1 on G_n is (1 - kept) / p.
 * SPDX-License-Identifier: MIT */
#include "analyze.h"

#include <math.h>

void ch_analyze_powers(ch_powers *out, double alpha, double p, int64_t n)
{
    const double t = 1 + alpha - p;
    double u = 0, next = 1, g = 0;
    int digits = 0;
    if (n < 0)
        u = next = g = (double)NAN;
    while (n > 0 && digits < 63 && n >> digits)
        digits++;
    for (int i = digits - 1; i >= 0; i--) {
        const double twice = u * (2 * next - t * u), after = next * next - alpha * u * u;
        g = g * (1 + next - alpha * u) + alpha * u * u;
        u = twice;
        next = after;
        if (n >> i & 1) {
            g += next;
            u = after;
            next = t * after - alpha * twice;
        }
    }
    const double kept = next - alpha * u;
    *out = (ch_powers){.u = u, .u_next = next, .g = p > 1 ? (1 - kept) / p : g, .kept = kept};
}

ch_motion ch_analyze_jump(const ch_integrator *k, ch_motion from, int64_t n)
{
    const double p = ch_analyze_pull(k);
    const double force = (1 - k->alpha) * k->target - k->beta * (from.x - k->mu);
    ch_powers j;
    ch_analyze_powers(&j, k->alpha, p, n);
    return (ch_motion){
        .x = from.x + k->dt * k->gate * (j.g * force + k->alpha * j.u * from.v),
        .v = j.u * force + (j.u_next - (1 - p) * j.u) * from.v,
    };
}

ch_motion ch_analyze_step(const ch_integrator *k, ch_motion s)
{
    s.v = k->alpha * s.v + (1 - k->alpha) * k->target - k->beta * (s.x - k->mu);
    s.x += k->dt * k->gate * s.v;
    return s;
}

double ch_analyze_closed_error(const ch_integrator *k, ch_motion from, int n)
{
    double worst = 0, largest = fmax(fabs(from.x), fabs(from.v));
    ch_motion s = from;
    for (int i = 1; i <= n; i++) {
        s = ch_analyze_step(k, s);
        const ch_motion c = ch_analyze_jump(k, from, i);
        if (!isfinite(s.x) || !isfinite(s.v))
            break; /* it left the numbers, as diverging steps do */
        largest = fmax(largest, fmax(fabs(s.x), fabs(s.v)));
        const double off = fmax(fabs(c.x - s.x), fabs(c.v - s.v));
        if (isnan(c.x) || isnan(c.v))
            return (double)NAN;
        if (off > worst * largest)
            worst = off / largest;
    }
    return worst;
}

/* |e| <= sqrt(V / (1 - sigma)) and V does not rise: once that is below the tolerance, it stays. */
int64_t ch_analyze_settling(double alpha, double p, double tolerance, int64_t most)
{
    ch_spectrum s;
    ch_analyze_spectrum(&s, alpha, p);
    if (!s.stable || isnan(tolerance) || most < 0)
        return -1;
    const double left = (s.limit - p) / s.limit;
    const int64_t end = most < INT64_MAX / 4 ? 4 * most : INT64_MAX - 1;
    double e = 1, w = 0;
    int64_t settled = 0; /* the first step from which on all that were seen are near enough */
    for (int64_t n = 0; n <= end; n++) {
        if (fabs(e) > tolerance)
            settled = n + 1;
        if (settled > most)
            return -1;
        if (ch_analyze_lyapunov(s.reach, e, w) <= left * tolerance * tolerance)
            return settled;
        w = alpha * w - p * e;
        e += w;
    }
    return -1;
}
