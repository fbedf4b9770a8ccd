/* added.c - tokens that are looked for in text before anything else
 *
 * Control and unknown tokens (when the caller asks) and user-defined ones (always: they are words
 * of the vocabulary that no merge makes).  The leftmost match wins, the longest at one place. The
 * names are kept sorted; a search narrows the range of names that agree with the text byte by
 * byte, so a place costs O(length log count), and most places cost one look at added_from.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "vocab.h"

typedef struct entry {
    const char *name;
    size_t n;
    ch_token id;
} entry;

static int compare(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    int c = memcmp(x->name, y->name, CH_MIN(x->n, y->n));
    if (c == 0)
        c = (x->n > y->n) - (x->n < y->n);
    return c != 0 ? c : (x->id > y->id) - (x->id < y->id);
}

static bool is_added(const ch_tokenizer *t, ch_token id)
{
    return t->type[id] == CH_TOKEN_CONTROL || t->type[id] == CH_TOKEN_UNKNOWN ||
           t->type[id] == CH_TOKEN_USER;
}

int ch_token_find_added(ch_tokenizer *t, ch_err *e)
{
    size_t count = 0, k = 0;
    for (ch_token id = 0; id < t->n; id++)
        count += is_added(t, id);
    entry *all = malloc((count + 1) * sizeof *all);
    t->added = malloc((count + 1) * sizeof *t->added);
    if (all == NULL || t->added == NULL) {
        free(all);
        return ch_fail(e, CH_ENOMEM, "out of memory for %zu added tokens", count);
    }
    for (ch_token id = 0; id < t->n; id++) {
        if (!is_added(t, id))
            continue;
        entry x = {.id = id};
        x.name = ch_token_name(t, id, &x.n);
        if (x.n > CH_ADDED_MAX_BYTES) {
            free(all);
            return ch_fail(e, CH_ELIMIT, "added token %d has %zu bytes; %d are allowed", id, x.n,
                           CH_ADDED_MAX_BYTES);
        }
        if (x.n > 0)
            all[k++] = x;
    }
    qsort(all, k, sizeof *all, compare);
    for (size_t i = 0; i < k; i++) {
        t->added[i] = all[i].id;
        t->added_from[(unsigned char)all[i].name[0] + 1] = (int)i + 1;
    }
    for (int b = 1; b <= 256; b++)
        t->added_from[b] = CH_MAX(t->added_from[b], t->added_from[b - 1]);
    t->n_added = (int)k;
    free(all);
    return CH_OK;
}

/* The first of added[lo..hi), which agree in `depth` bytes and are longer, whose next byte is >=
 * c. */
static int first_from(const ch_tokenizer *t, int lo, int hi, size_t depth, int c)
{
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if ((unsigned char)t->text[t->at[t->added[mid]] + depth] < c)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

ch_token ch_token_added_at(const ch_tokenizer *t, const char *text, size_t n, bool special,
                           size_t *length)
{
    int lo = t->added_from[(unsigned char)text[0]], hi = t->added_from[(unsigned char)text[0] + 1];
    ch_token best = -1;
    *length = 0;
    for (size_t depth = 1; lo < hi; depth++) {
        for (; lo < hi; lo++) {
            ch_token id = t->added[lo];
            if (t->at[id + 1] - t->at[id] > depth)
                break;
            if ((special || t->type[id] == CH_TOKEN_USER) && *length < depth) {
                best = id;
                *length = depth;
            }
        }
        if (depth == n)
            break;
        int c = (unsigned char)text[depth];
        lo = first_from(t, lo, hi, depth, c);
        hi = first_from(t, lo, hi, depth, c + 1);
    }
    return best;
}

ch_token ch_tokenizer_special(const ch_tokenizer *t, const char *text)
{
    size_t length = 0, n = strlen(text);
    ch_token id = n > 0 ? ch_token_added_at(t, text, n, true, &length) : -1;
    return id >= 0 && length == n ? id : -1;
}
