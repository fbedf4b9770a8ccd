/* rouge.c - how much of a reference text a candidate has (Lin 2004)
 *
 *     P = shared / n-grams of the candidate      R = shared / n-grams of the reference
 *     ROUGE-n = F1 = 2 P R / (P + R)             n = 1, 2; an n-gram is shared as often as in the
 *                                                text that has it less often
 *     ROUGE-L = the same of the longest common subsequence of their words (of the whole text)
 *
 * Words are runs of letters, marks and digits in lower case, of any script; no stemming.  Of
 * several references the best counts, for each figure alone.  The subsequence takes time
 * candidate x reference and memory of one row.  SPDX-License-Identifier: MIT */
#include "grams.h"

#include <stdlib.h>

static double f1(size_t shared, size_t candidate, size_t reference)
{
    if (shared == 0)
        return 0;
    const double p = (double)shared / (double)candidate, r = (double)shared / (double)reference;
    return 2 * p * r / (p + r);
}

static int longest_common(size_t *out, const ch_units *a, const ch_units *b, ch_err *e)
{
    size_t *row = calloc(b->n + 1, sizeof *row);
    *out = 0;
    if (!row)
        return ch_fail(e, CH_ENOMEM, "no memory to compare %zu words", b->n);
    for (size_t i = 0; i < a->n; i++)
        for (size_t j = 1, before = 0; j <= b->n; j++) { /* before: row[j-1] of the last i */
            const size_t here = row[j];
            row[j] = ch_hash_equal(a->at[i], b->at[j - 1]) ? before + 1
                                                           : CH_MAX(row[j], row[j - 1]);
            before = here;
        }
    *out = row[b->n];
    free(row);
    return CH_OK;
}

static int compare(double best[3], const ch_units *c, ch_text reference, ch_err *e)
{
    ch_units r = {0}, a = {0}, b = {0};
    int rc = ch_units_words(&r, reference, e);
    for (int order = 1; order <= 2 && rc == CH_OK; order++) {
        rc = ch_units_grams(&a, c, order, e);
        if (rc == CH_OK)
            rc = ch_units_grams(&b, &r, order, e);
        if (rc == CH_OK)
            best[order - 1] = CH_MAX(best[order - 1], f1(ch_grams_shared(&a, &b), a.n, b.n));
    }
    size_t common = 0;
    if (rc == CH_OK)
        rc = longest_common(&common, c, &r, e);
    if (rc == CH_OK)
        best[2] = CH_MAX(best[2], f1(common, c->n, r.n));
    ch_units_free(&r);
    ch_units_free(&a);
    ch_units_free(&b);
    return rc;
}

int ch_rouge(double f1_of[3], ch_text candidate, const ch_text *references, int n, ch_err *e)
{
    ch_units c = {0};
    f1_of[0] = f1_of[1] = f1_of[2] = 0;
    int rc = ch_units_words(&c, candidate, e);
    for (int i = 0; i < n && rc == CH_OK; i++)
        rc = compare(f1_of, &c, references[i], e);
    ch_units_free(&c);
    return rc;
}
