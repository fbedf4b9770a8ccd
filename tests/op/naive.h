/* naive.h - attention by its formula, in double
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_TEST_NAIVE_H
#define CH_TEST_NAIVE_H

#include "op.h"

enum { NAIVE_MOST = 256 }; /* rows */

/* Row t of head h over keys from row `first` on; *slack: how far float may be from it.  A score is
 * a sum of E terms (E + 4 roundings, the scale and the slope included); a weight moves by the error
 * of its score and of the sum of weights, relatively; the mix adds a rounding a key.  Exponentials
 * are good to 4 units, capped scores to 10 of the cap. */
static inline void naive_row(double *o, double *slack, const ch_tensor *q, const ch_tensor *k,
                             const ch_tensor *v, int first, const ch_attention_spec *s, int t,
                             int h)
{
    const int E = s->width, kv = h / (s->heads / s->kv_heads);
    const double slope = s->alibi ? pow(2, -8.0 * (h + 1) / s->heads) : 0, eps = ldexp(1, -24);
    double p[NAIVE_MOST], most = -(double)INFINITY, sum = 0, score_error = 0, largest = 0;
    const int lo = s->window ? CH_MAX(first, t - s->window + 1) : first;
    for (int j = lo; j <= t; j++) {
        double dot = 0, size = 0;
        for (int e = 0; e < E; e++) {
            const double term =
                (double)ch_tensor_row(q, t)[h * E + e] * (double)ch_tensor_row(k, j)[kv * E + e];
            dot += term;
            size += fabs(term);
            largest = CH_MAX(largest, fabs((double)ch_tensor_row(v, j)[kv * E + e]));
        }
        const double cap = (double)s->softcap, score = dot * (double)s->scale;
        p[j] = (cap > 0 ? cap * tanh(score / cap) : score) - slope * (t - j);
        most = CH_MAX(most, p[j]);
        const double reach = size * (double)s->scale + slope * (t - j);
        score_error = CH_MAX(score_error, ((E + 4) * reach + 10 * cap) * eps);
    }
    for (int j = lo; j <= t; j++)
        sum += p[j] = exp(p[j] - most);
    for (int e = 0; e < E; e++)
        o[e] = 0;
    for (int j = lo; j <= t; j++)
        for (int e = 0; e < E; e++)
            o[e] += p[j] / sum * (double)ch_tensor_row(v, j)[kv * E + e];
    *slack = (2 * score_error + (2 * (t - lo + 1) + 12) * eps) * largest;
}

#endif
