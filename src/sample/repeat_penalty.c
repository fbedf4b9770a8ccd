/* repeat_penalty.c - tokens seen lately become less likely (Keskar et al. 2019, CTRL, section 4.1)
 *
 *   logit > 0: logit / value     else: logit * value     for every token of the last 64, once each
 *
 * 1 leaves all as it is.  One pass over the candidates in whatever order they stand: a bitmap turns
 * most of them away, the others are looked up among the 64.  SPDX-License-Identifier: MIT */
#include "sample.h"

enum { SEEN = 64, BITS = 1024 };

static bool contains(const ch_token *tokens, int n, ch_token id)
{
    for (int i = 0; i < n; i++)
        if (tokens[i] == id)
            return true;
    return false;
}

void ch_sample_repeat_penalty(ch_candidates *c, double value, const ch_sample_view *v)
{
    const int n = CH_MIN(v->n_tokens, (int)SEEN);
    if (value == 1 || n <= 0)
        return;
    const ch_token *seen = v->tokens + v->n_tokens - n;
    uint64_t bitmap[BITS / 64] = {0};
    for (int i = 0; i < n; i++) {
        const uint32_t bit = (uint32_t)seen[i] % BITS;
        bitmap[bit / 64] |= UINT64_C(1) << bit % 64;
    }
    for (int i = 0; i < c->n; i++) {
        ch_candidate *a = &c->at[i];
        const uint32_t bit = (uint32_t)a->id % BITS;
        if ((bitmap[bit / 64] >> bit % 64 & 1) == 0 || !contains(seen, n, a->id))
            continue;
        a->logit = (float)(a->logit > 0 ? (double)a->logit / value : (double)a->logit * value);
        c->sorted = false;
    }
}
