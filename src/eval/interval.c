/* interval.c - how sure a score is: Wilson 1927 for shares, percentiles of the bootstrap for others
 *
 *     (p + z^2/2n  +-  z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)            z = 1.96
 *
 * A mean of k shares p from intervals (l, u) of their own (MOVER, Zou & Donner 2008):
 *
 *     m - sqrt(sum (p - l)^2) / k   to   m + sqrt(sum (u - p)^2) / k
 *
 * Bootstrap (Efron 1979): the score of n items drawn with replacement, CH_DRAWS times.  What draw i
 * picks depends on the seed, n and i: the same items for both of two models.
 * SPDX-License-Identifier: MIT */
#include "eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void ch_wilson(double *low, double *high, uint64_t right, uint64_t n)
{
    const double z = 1.959963984540054, N = (double)n, p = n ? (double)right / N : 0;
    const double middle = p + z * z / (2 * N), root = sqrt(p * (1 - p) / N + z * z / (4 * N * N));
    *low = n ? fmax(0, (middle - z * root) / (1 + z * z / N)) : 0;
    *high = n ? fmin(1, (middle + z * root) / (1 + z * z / N)) : 1;
}

void ch_mean_interval(ch_interval *out, const ch_interval *share, int k)
{
    double sum = 0, below = 0, above = 0;
    for (int i = 0; i < k; i++) {
        sum += share[i].value;
        below += (share[i].value - share[i].low) * (share[i].value - share[i].low);
        above += (share[i].high - share[i].value) * (share[i].high - share[i].value);
    }
    out->value = k ? sum / k : 0;
    out->low = k ? out->value - sqrt(below) / k : 0;
    out->high = k ? out->value + sqrt(above) / k : 1;
}

int ch_bootstrap(double draws[CH_DRAWS], const ch_stats *s, ch_score_of_fn *score, uint64_t seed,
                 ch_err *e)
{
    uint32_t *pick = malloc((s->n + 4) * sizeof *pick);
    if (!pick)
        return ch_fail(e, CH_ENOMEM, "no memory to draw from %zu items", s->n);
    for (int d = 0; d < CH_DRAWS; d++) {
        for (size_t i = 0; i < s->n; i += 4) {
            uint32_t random[4];
            ch_rng_block(random, seed, CH_RNG_EVAL, (uint32_t)d, i);
            for (int j = 0; j < 4; j++)
                pick[i + (size_t)j] = (uint32_t)(((uint64_t)random[j] * s->n) >> 32);
        }
        draws[d] = score(s, pick, s->n);
    }
    free(pick);
    return CH_OK;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void ch_draws_interval(double *low, double *high, const double draws[CH_DRAWS])
{
    double sorted[CH_DRAWS];
    memcpy(sorted, draws, sizeof sorted);
    qsort(sorted, CH_DRAWS, sizeof *sorted, ascending);
    const bool vary = sorted[0] < sorted[CH_DRAWS - 1];
    *low = vary ? sorted[CH_DRAWS / 40] : (double)NAN;
    *high = vary ? sorted[CH_DRAWS - 1 - CH_DRAWS / 40] : (double)NAN;
}
