/* varying.c - steps whose parameters change: what is safe in any order, and what it can cost
 *
 * In displacements, e_(n+1) = (1 + alpha_n - p_n) e_n - alpha_n e_(n-1).  A model that keeps v
 * instead of w = dt gate v has alpha_n dt_n gate_n / (dt_(n-1) gate_(n-1)) in the place of alpha_n.
 * docs/integrator.md proves what is computed here.  SPDX-License-Identifier: MIT */
#include "analyze.h"

#include <math.h>

void ch_analyze_safety(ch_safety *out, double alpha, double p)
{
    ch_spectrum s;
    ch_analyze_spectrum(&s, alpha, p);
    *out = (ch_safety){.any = fabs(1 + alpha - p) + fabs(alpha), .least_r = (double)NAN,
                       .most_r = (double)NAN, .sigma = s.reach};
    if (s.regime == CH_REGIME_OVERDAMPED || s.regime == CH_REGIME_CRITICAL) {
        out->least_r = s.re[1];
        out->most_r = s.re[0];
    }
}

/* ---- Products of two-by-two matrices ------------------------------------------------------- */

struct matrix {
    double a, b, c, d; /* rows: a b, c d */
};

static struct matrix step_matrix(double alpha, double p)
{
    return (struct matrix){1 - p, alpha, -p, alpha};
}

static struct matrix times(struct matrix x, struct matrix y)
{
    return (struct matrix){x.a * y.a + x.b * y.c, x.a * y.b + x.b * y.d, x.c * y.a + x.d * y.c,
                           x.c * y.b + x.d * y.d};
}

static double radius(struct matrix m)
{
    const double half = (m.a + m.d) / 2, det = m.a * m.d - m.b * m.c;
    const double under = (m.a - m.d) * (m.a - m.d) / 4 + m.b * m.c; /* half^2 - det */
    return under < 0 ? sqrt(det) : fabs(half) + sqrt(under);
}

/* The largest singular value of L m L^-1, where sqrt V = |L (e, w)|, L = [1 -1/2; 0 h]. */
static double norm_in(struct matrix m, double sigma)
{
    const double h = sqrt((1 - sigma) / sigma) / 2;
    const struct matrix l = {1, -0.5, 0, h}, inverse = {1, 0.5 / h, 0, 1 / h};
    m = times(times(l, m), inverse);
    const double squares = m.a * m.a + m.b * m.b + m.c * m.c + m.d * m.d;
    const double det = m.a * m.d - m.b * m.c;
    const double under = (squares - 2 * fabs(det)) * (squares + 2 * fabs(det));
    return sqrt((squares + sqrt(fmax(under, 0))) / 2);
}

/* For one state the norm after two steps is a convex function of either alpha, so the largest is
 * in a corner. */
double ch_analyze_two_steps(double sigma, double alpha_most)
{
    if (!(sigma > 0 && sigma < 1) || !(alpha_most >= 0 && alpha_most <= 1))
        return (double)NAN;
    double worst = 0;
    for (int corner = 0; corner < 4; corner++) {
        const double first = corner & 1 ? alpha_most : 0, second = corner & 2 ? alpha_most : 0;
        const struct matrix m = times(step_matrix(second, 2 * (1 + second) * sigma),
                                      step_matrix(first, 2 * (1 + first) * sigma));
        const double norm = norm_in(m, sigma); /* gcc 12 stops at fmax here, for AArch64 */
        worst = norm > worst ? norm : worst;
    }
    return worst;
}

double ch_analyze_growth(ch_growth *g, double alpha, double p)
{
    const double limit = 2 * (1 + alpha);
    g->outside |= !(alpha > -1 && alpha <= 1 && p > 0 && p < limit);
    if (g->outside)
        return (double)INFINITY;
    const double logit = log(p / (limit - p));
    if (g->steps++)
        g->falls += fmax(0, g->logit - logit);
    g->logit = logit;
    return exp(g->falls / 2) * sqrt(limit / (limit - p));
}

void ch_analyze_switching(ch_switching *out, const double alpha[2], const double p[2], int most)
{
    const struct matrix one = step_matrix(alpha[0], p[0]), two = step_matrix(alpha[1], p[1]);
    struct matrix ones = one;
    *out = (ch_switching){0};
    for (int n1 = 1; n1 <= most; n1++, ones = times(one, ones)) {
        struct matrix all = times(two, ones);
        for (int n2 = 1; n2 <= most; n2++, all = times(two, all)) {
            const double rate = pow(radius(all), 1.0 / (n1 + n2));
            if (rate > out->rate || isnan(rate))
                *out = (ch_switching){.rate = rate, .n1 = n1, .n2 = n2};
        }
    }
}
