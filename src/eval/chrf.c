/* chrf.c - n-grams of characters, and of words, that a translation shares with its reference
 *
 *     P = mean over orders of shared / candidate's     R = mean over orders of shared / reference's
 *     chrF = (1 + b^2) P R / (b^2 P + R)               b = 2: recall counts twice as much
 *
 * Orders: 1 to 6 of characters without white space (Popovic 2015); chrF++ adds 1 and 2 of words
 * (Popovic 2017).  Over many segments the numbers are added up first; an order that a side has
 * none of is left out.  Case counts.  SPDX-License-Identifier: MIT */
#include "grams.h"

#include <string.h>

enum { CANDIDATE, REFERENCE, SHARED, PARTS };

double ch_chrf(const double stats[CH_CHRF_STATS], int words)
{
    enum { BETA2 = 4 };
    double p = 0, r = 0;
    int orders = 0;
    for (int i = 0; i < CH_CHRF_CHARS + words; i++) {
        const double *s = stats + PARTS * i;
        if (s[CANDIDATE] <= 0 || s[REFERENCE] <= 0)
            continue;
        p += s[SHARED] / s[CANDIDATE];
        r += s[SHARED] / s[REFERENCE];
        orders++;
    }
    if (p <= 0 || r <= 0)
        return 0;
    p /= orders;
    r /= orders;
    return (1 + BETA2) * p * r / (BETA2 * p + r);
}

static int count(double *stats, const ch_units *candidate, const ch_units *reference, int orders,
                 ch_err *e)
{
    ch_units a = {0}, b = {0};
    int rc = CH_OK;
    for (int order = 1; order <= orders && rc == CH_OK; order++, stats += PARTS) {
        rc = ch_units_grams(&a, candidate, order, e);
        if (rc == CH_OK)
            rc = ch_units_grams(&b, reference, order, e);
        stats[CANDIDATE] = (double)a.n;
        stats[REFERENCE] = (double)b.n;
        stats[SHARED] = rc == CH_OK ? (double)ch_grams_shared(&a, &b) : 0;
    }
    ch_units_free(&a);
    ch_units_free(&b);
    return rc;
}

static int compare(double stats[CH_CHRF_STATS], ch_text candidate, ch_text reference, ch_err *e)
{
    ch_units c[2] = {{0}}, r[2] = {{0}};
    int rc = ch_units_chars(&c[0], candidate, e);
    if (rc == CH_OK)
        rc = ch_units_tokens(&c[1], candidate, e);
    if (rc == CH_OK)
        rc = ch_units_chars(&r[0], reference, e);
    if (rc == CH_OK)
        rc = ch_units_tokens(&r[1], reference, e);
    if (rc == CH_OK)
        rc = count(stats, &c[0], &r[0], CH_CHRF_CHARS, e);
    if (rc == CH_OK)
        rc = count(stats + PARTS * CH_CHRF_CHARS, &c[1], &r[1], CH_CHRF_WORDS, e);
    for (int i = 0; i < 2; i++) {
        ch_units_free(&c[i]);
        ch_units_free(&r[i]);
    }
    return rc;
}

int ch_chrf_count(double stats[CH_CHRF_STATS], ch_text candidate, const ch_text *references, int n,
                  ch_err *e)
{
    double best = -1;
    memset(stats, 0, CH_CHRF_STATS * sizeof *stats);
    for (int i = 0; i < n; i++) {
        double these[CH_CHRF_STATS];
        const int rc = compare(these, candidate, references[i], e);
        if (rc < 0)
            return rc;
        const double score = ch_chrf(these, CH_CHRF_WORDS);
        if (score > best)
            memcpy(stats, these, sizeof these);
        best = CH_MAX(best, score);
    }
    return CH_OK;
}
