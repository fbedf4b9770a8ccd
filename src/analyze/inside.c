/* inside.c - free numbers into a region where steps are safe: stability by construction
 *
 * With s the logistic function, 0 < s' <= 1/4, every partial derivative is bounded by a constant
 * below 1: a parameter cannot leave the region, and its gradient cannot explode on the way to the
 * boundary.  SPDX-License-Identifier: MIT */
#include "analyze.h"

#include <math.h>

static double logistic(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

void ch_analyze_inside(ch_inside_point *out, ch_inside how, double a, double b, double margin,
                       double r)
{
    const double most = 1 - margin, sa = logistic(a), sb = logistic(b), slope = sa * (1 - sa);
    const double share = margin + (most - margin) * sb, dshare = (most - margin) * sb * (1 - sb);
    ch_inside_point o = {.alpha = most * sa, .dalpha_da = most * slope};
    switch (how) {
    case CH_INSIDE_STABLE:
        o.p = 2 * (1 + o.alpha) * share;
        o.dp_da = 2 * share * o.dalpha_da;
        o.dp_db = 2 * (1 + o.alpha) * dshare;
        break;
    case CH_INSIDE_ANY: {
        const double turn = tanh(b);
        o.p = 1 + o.alpha - (most - o.alpha) * turn;
        o.dp_da = (1 + turn) * o.dalpha_da;
        o.dp_db = -(most - o.alpha) * (1 - turn * turn);
        break;
    }
    case CH_INSIDE_MONOTONE:
        o.alpha *= r;
        o.dalpha_da *= r;
        o.p = (1 - r) * (1 - o.alpha / r) * share;
        o.dp_da = -(1 - r) * share * most * slope;
        o.dp_db = (1 - r) * (1 - o.alpha / r) * dshare;
        break;
    }
    *out = o;
}
