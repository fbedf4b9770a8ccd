/* gain.c - whether guesses pay, by what steps really took
 *
 *   gain(k) = (n + sum over answers of p + p^2 + ... + p^k) / n  *  T(n) / T(n (1 + k))
 *
 * T is measured, p is how often an answer's first guess was right lately, which is known without
 * computing it.  An unknown T is taken for as much as the nearest one below, so that it is tried,
 * once.  Now and then a choice is made as if T were not known: machines change.  None of this
 * changes a token.  SPDX-License-Identifier: MIT */
#include "engine.h"

enum { PROBE_EVERY = 512 };

void ch_gain_measure(ch_gain *g, int rows, double seconds)
{
    if (rows < 1 || rows > CH_GAIN_ROWS)
        return;
    double *t = &g->seconds[rows];
    *t = *t > 0 ? *t + 0.1 * (seconds - *t) : seconds;
}

static double time_of(const ch_gain *g, int rows)
{
    for (int i = CH_MIN(rows, CH_GAIN_ROWS); i > 0; i--)
        if (g->seconds[i] > 0)
            return g->seconds[i];
    return 0;
}

int ch_gain_choose(ch_gain *g, const double *p, int n, int most)
{
    const double alone = time_of(g, n);
    double best = 1 + CH_GAIN_LEAST_PERCENT / 100.0, more = 0;
    int choice = 0;
    g->last = 0;
    if (g->always)
        return CH_MIN(g->always, most);
    if (n < 1 || alone <= 0)
        return 0;
    const bool probe = ++g->probe % PROBE_EVERY == 0;
    for (int k = 1; k <= most && n * (1 + k) <= CH_GAIN_ROWS; k++) {
        for (int i = 0; i < n; i++) {
            double all = 1;
            for (int j = 0; j < k; j++)
                all *= p[i];
            more += all;
        }
        const double took = probe ? alone : time_of(g, n * (1 + k));
        const double gain = (n + more) / n * alone / CH_MAX(took, alone);
        if (gain > best) {
            best = gain;
            choice = k;
            g->last = gain;
        }
    }
    return choice;
}
