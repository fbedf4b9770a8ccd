/* suffix.c - guessing by what followed when the text was like this before
 *
 * Each pair of tokens is chained to the place where it was last (as in LZ77 compressors).  Of the
 * latest places whose pair equals the last two tokens, the one that agrees longest backwards is
 * taken, and what follows it is the guess.  (Prompt look-up decoding, Saxena 2023.)
 * SPDX-License-Identifier: MIT */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

enum { HASH_BITS = 12, PLACES = 16, AGREE_MOST = 32 };

int ch_suffix_open(ch_suffix *x, int context, ch_err *e)
{
    const size_t heads = (size_t)1 << HASH_BITS;
    *x = (ch_suffix){.cap = context};
    x->head = malloc((heads + (size_t)context) * sizeof *x->head);
    if (!x->head)
        return ch_fail(e, CH_ENOMEM, "no memory to index %d tokens", context);
    x->before = x->head + heads;
    memset(x->head, 0xff, heads * sizeof *x->head);
    return CH_OK;
}

void ch_suffix_close(ch_suffix *x)
{
    free(x->head);
    *x = (ch_suffix){0};
}

/* Of the pair that ends at i. */
static uint32_t slot(const ch_token *t, int i)
{
    const uint64_t pair = (uint64_t)(uint32_t)t[i - 1] << 32 | (uint32_t)t[i];
    return (uint32_t)(pair * 0x9E3779B97F4A7C15u >> (64 - HASH_BITS));
}

static int agree(const ch_token *t, int a, int b)
{
    int n = 0;
    while (n < AGREE_MOST && n <= a && t[a - n] == t[b - n])
        n++;
    return n;
}

/* The latest of the places that agree longest with the end of n tokens; -1: none does. */
static int look_up(ch_suffix *x, const ch_token *tokens, int n)
{
    int best = -1, longest = 1;
    for (int i = CH_MAX(x->indexed, 1); i < n - 1; i++) { /* all pairs but the last one */
        const uint32_t h = slot(tokens, i);
        x->before[i] = x->head[h];
        x->head[h] = i;
    }
    x->indexed = CH_MAX(x->indexed, n - 1);
    int at = x->head[slot(tokens, n - 1)];
    for (int i = 0; i < PLACES && at >= 0; i++, at = x->before[at]) {
        const int same = agree(tokens, at, n - 1);
        if (same > longest) {
            longest = same;
            best = at;
        }
    }
    return best;
}

int ch_suffix_guess(void *arg, const ch_token *tokens, int n, ch_token *out, int most)
{
    ch_suffix *x = arg;
    n = CH_MIN(n, x->cap);
    if (n < 3)
        return 0;
    if (x->asked != n) {
        x->best = look_up(x, tokens, n);
        x->asked = n;
    }
    const int found = x->best < 0 ? 0 : CH_MIN(most, n - 1 - x->best);
    if (found > 0)
        memcpy(out, tokens + x->best + 1, (size_t)found * sizeof *out);
    return found;
}
