/* words.c - a vocabulary as a tree of bytes
 *
 * Tokens that are sorted by their bytes are a tree, depth first: what two neighbours have in common
 * is their common ancestor.  Control, unknown and unused tokens and those without text are not in
 * it, so no grammar can allow them.  SPDX-License-Identifier: MIT */
#include "machine.h"
#include "vocab.h"

#include <stdlib.h>
#include <string.h>

void ch_words_close(struct ch_words **w)
{
    if (!*w || --(*w)->holders > 0) {
        *w = NULL;
        return;
    }
    free((*w)->byte);
    free((*w)->depth);
    free((*w)->skip);
    free((*w)->first);
    free((*w)->token);
    free((*w)->at);
    free((*w)->text);
    free((*w)->end);
    free(*w);
    *w = NULL;
}

size_t ch_words_bytes(const struct ch_words *w)
{
    return w->n_nodes * (sizeof *w->byte + sizeof *w->depth + sizeof *w->skip + sizeof *w->first) +
           (size_t)w->n_ids * (sizeof *w->token + sizeof *w->at) + w->at[w->n_ids];
}

static bool has_text(const ch_tokenizer *t, ch_token id)
{
    const int type = t->type[id];
    return (type == CH_TOKEN_NORMAL || type == CH_TOKEN_USER || type == CH_TOKEN_BYTE) &&
           !ch_tokenizer_is_end(t, id);
}

/* The text of each token in the middle of a line. */
static int collect(struct ch_words *w, const ch_tokenizer *t, ch_err *e)
{
    ch_token before = 0;
    while (before < w->n_ids - 1 && t->type[before] != CH_TOKEN_NORMAL)
        before++;
    ch_buf b;
    ch_buf_init(&b, (size_t)1 << 30);
    for (ch_token id = 0; id < w->n_ids; id++) {
        w->at[id] = (uint32_t)b.size;
        if (ch_tokenizer_is_end(t, id))
            w->end[w->n_end++] = id;
        else if (has_text(t, id) && !ch_tokenizer_append(&b, t, before, id))
            break;
        if (b.size - w->at[id] > UINT16_MAX)
            b.size = w->at[id]; /* longer than any text that is worth a token */
    }
    w->at[w->n_ids] = (uint32_t)b.size;
    w->text = b.data;
    return ch_buf_check(&b, "the text of a vocabulary", e);
}

struct word {
    const char *p;
    uint32_t n;
    ch_token id;
};

static int by_bytes(const void *a, const void *b)
{
    const struct word *x = a, *y = b;
    const int d = memcmp(x->p, y->p, CH_MIN(x->n, y->n));
    if (d != 0)
        return d;
    return x->n != y->n ? (x->n < y->n ? -1 : 1) : x->id < y->id ? -1 : 1;
}

static uint32_t common(const struct word *a, const struct word *b)
{
    uint32_t n = 0;
    while (n < a->n && n < b->n && a->p[n] == b->p[n])
        n++;
    return n;
}

static bool take_nodes(struct ch_words *w, const struct word *word, size_t n)
{
    size_t nodes = 0;
    for (size_t i = 0; i < n; i++) {
        nodes += word[i].n - (i > 0 ? common(&word[i - 1], &word[i]) : 0);
        w->deepest = CH_MAX(w->deepest, (int)word[i].n);
    }
    w->n_nodes = (uint32_t)nodes;
    w->byte = malloc(nodes + 1);
    w->depth = malloc((nodes + 1) * sizeof *w->depth);
    w->skip = malloc((nodes + 1) * sizeof *w->skip);
    w->first = malloc((nodes + 1) * sizeof *w->first);
    return w->byte && w->depth && w->skip && w->first;
}

static int plant(struct ch_words *w, const struct word *word, size_t n, ch_err *e)
{
    uint32_t *open = NULL, at = 0;
    if (take_nodes(w, word, n))
        open = malloc(((size_t)w->deepest + 1) * sizeof *open);
    if (!open)
        return ch_fail(e, CH_ENOMEM, "no memory for the tree of a vocabulary");
    uint32_t depth = 0;
    for (size_t i = 0; i < n; i++) {
        const uint32_t shared = i > 0 ? common(&word[i - 1], &word[i]) : 0;
        while (depth > shared)
            w->skip[open[--depth]] = at;
        for (; depth < word[i].n; depth++) {
            w->byte[at] = (uint8_t)word[i].p[depth];
            w->depth[at] = (uint16_t)(depth + 1);
            w->first[at] = (uint32_t)i;
            open[depth] = at++;
        }
        w->token[i] = word[i].id;
    }
    while (depth > 0)
        w->skip[open[--depth]] = at;
    w->first[at] = (uint32_t)n;
    free(open);
    return CH_OK;
}

static int sort_and_plant(struct ch_words *w, ch_err *e)
{
    struct word *word = malloc((size_t)w->n_ids * sizeof *word);
    if (!word)
        return ch_fail(e, CH_ENOMEM, "no memory for a vocabulary of %d tokens", w->n_ids);
    size_t n = 0;
    for (ch_token id = 0; id < w->n_ids; id++)
        if (w->at[id + 1] > w->at[id])
            word[n++] = (struct word){w->text + w->at[id], w->at[id + 1] - w->at[id], id};
    if (n)
        qsort(word, n, sizeof *word, by_bytes);
    const int rc = plant(w, word, n, e);
    free(word);
    return rc;
}

int ch_words_open(struct ch_words **out, const ch_tokenizer *t, ch_err *e)
{
    struct ch_words *w = *out = calloc(1, sizeof *w);
    if (!w)
        return ch_fail(e, CH_ENOMEM, "no memory for a vocabulary");
    const size_t n = (size_t)ch_tokenizer_size(t);
    w->holders = 1;
    w->n_ids = (int)n;
    w->of = ch_tokenizer_hash(t);
    w->at = malloc((n + 1) * sizeof *w->at);
    w->token = malloc((n + 1) * sizeof *w->token);
    w->end = malloc((n + 1) * sizeof *w->end);
    int rc = w->at && w->token && w->end
                 ? collect(w, t, e)
                 : ch_fail(e, CH_ENOMEM, "no memory for a vocabulary of %zu tokens", n);
    if (rc == CH_OK)
        rc = sort_and_plant(w, e);
    if (rc < 0)
        ch_words_close(out);
    return rc;
}
