/* dry.c - "don't repeat yourself": what would continue a repeat becomes less likely
 *
 *   logit_t - multiplier base^(L - allowed)     where L >= allowed is the length of the longest
 *                                               end of the context that stands before an earlier t
 *
 * (P. E. Weber, text-generation-webui PR 5677; names and defaults as llama.cpp has them.)  Ends
 * reach back to the last breaker, and 1024 tokens at most; breakers themselves are left alone.
 *
 * With the tokens read backwards, L is, at each place, how far what stands there equals the
 * beginning: Gusfield's Z, in one pass, whose memory is the beginning's alone.
 * SPDX-License-Identifier: MIT */
#include "sample.h"

enum { LONGEST = 1024 };

struct backwards {
    const ch_token *last; /* token k is last[-k] */
    int n, beginning;     /* n tokens; the first `beginning` are what is looked for */
};

static bool breaks(const ch_sampling *s, ch_token t)
{
    int low = 0, high = s->dry_breakers ? s->n_dry_breakers : 0;
    while (low < high) {
        const int mid = low + (high - low) / 2;
        if (s->dry_breakers[mid] < t)
            low = mid + 1;
        else
            high = mid;
    }
    return t < 0 || (s->dry_breakers && low < s->n_dry_breakers && s->dry_breakers[low] == t);
}

static int equal_from(const struct backwards *b, int k, int known)
{
    int n = known;
    while (n < b->beginning && k + n < b->n && b->last[-n] == b->last[-(k + n)])
        n++;
    return n;
}

/* What followed the n tokens that end at k, going backwards: it would make the repeat longer. */
static void mark(ch_candidates *c, const struct backwards *b, int k, int n)
{
    ch_candidate *a = ch_candidates_find(c, b->last[-(k - 1)]);
    if (a && a->p < (float)(n + 1))
        a->p = (float)(n + 1);
}

/* p becomes 1 + the longest repeat that the candidate would continue; 0: none. */
static void mark_all(ch_candidates *c, const struct backwards *b, int allowed)
{
    int z[LONGEST];
    int left = 0, right = 0; /* tokens [left, right) equal the beginning */
    for (int k = 1; k < b->n; k++) {
        int n = 0;
        if (k < right)
            n = CH_MIN(z[k - left], right - k);
        if (k >= right || k + n == right) {
            n = equal_from(b, k, n);
            left = k;
            right = k + n;
        }
        if (k < b->beginning)
            z[k] = n;
        if (n >= allowed)
            mark(c, b, k, n);
    }
}

void ch_sample_dry(ch_candidates *c, const ch_sampling *s, const ch_sample_view *v)
{
    const int all = v->n_tokens, allowed = (int)s->dry_allowed_length;
    const double last_n = s->dry_penalty_last_n;
    struct backwards b = {.n = last_n < 0 || last_n > all ? all : (int)last_n};
    if (b.n <= 0)
        return;
    b.last = v->tokens + all - 1;
    while (b.beginning < CH_MIN(b.n, (int)LONGEST) && !breaks(s, b.last[-b.beginning]))
        b.beginning++;
    if (b.beginning < allowed)
        return;
    ch_candidates_by_id(c);
    mark_all(c, &b, allowed);
    for (int i = 0; i < c->n; i++) {
        ch_candidate *a = &c->at[i];
        if (a->p == 0 || breaks(s, a->id))
            continue;
        const double less = s->dry_multiplier * pow(s->dry_base, (double)a->p - 1 - allowed);
        a->logit = (float)((double)a->logit - CH_MIN(less, 1e30));
    }
}
