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
    if (!*w || atomic_fetch_sub(&(*w)->holders, 1) > 1) {
        *w = NULL;
        return;
    }
    for (int i = 0; i < CH_TREES; i++) {
        free((*w)->tree[i].byte);
        free((*w)->tree[i].depth);
        free((*w)->tree[i].skip);
        free((*w)->tree[i].first);
        free((*w)->tree[i].token);
    }
    free((*w)->at);
    free((*w)->text);
    free((*w)->end);
    free(*w);
    *w = NULL;
}

size_t ch_words_bytes(const struct ch_words *w)
{
    size_t n = (size_t)w->n_ids * (sizeof(ch_token) + sizeof *w->at) + w->at[w->n_ids];
    for (int i = 0; i < CH_TREES; i++)
        n += w->tree[i].n_nodes * (sizeof(uint8_t) + sizeof(uint16_t) + 2 * sizeof(uint32_t));
    return n;
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

static bool take_nodes(ch_word_tree *t, const struct word *word, size_t n)
{
    size_t nodes = 0;
    for (size_t i = 0; i < n; i++)
        nodes += word[i].n - (i > 0 ? common(&word[i - 1], &word[i]) : 0);
    t->n_nodes = (uint32_t)nodes;
    t->byte = malloc(nodes + 1);
    t->depth = malloc((nodes + 1) * sizeof *t->depth);
    t->skip = malloc((nodes + 1) * sizeof *t->skip);
    t->first = malloc((nodes + 1) * sizeof *t->first);
    t->token = malloc((n + 1) * sizeof *t->token);
    return t->byte && t->depth && t->skip && t->first && t->token;
}

/* open: room for as many nodes as the longest word has bytes. */
static void plant(ch_word_tree *t, const struct word *word, size_t n, uint32_t *open)
{
    uint32_t depth = 0, at = 0;
    for (size_t i = 0; i < n; i++) {
        const uint32_t shared = i > 0 ? common(&word[i - 1], &word[i]) : 0;
        while (depth > shared)
            t->skip[open[--depth]] = at;
        for (; depth < word[i].n; depth++) {
            t->byte[at] = (uint8_t)word[i].p[depth];
            t->depth[at] = (uint16_t)(depth + 1);
            t->first[at] = (uint32_t)i;
            open[depth] = at++;
        }
        t->token[i] = word[i].id;
    }
    while (depth > 0)
        t->skip[open[--depth]] = at;
    t->first[at] = (uint32_t)n;
}

/* The short words, or the others, into a tree. */
static int sort_and_plant(struct ch_words *w, struct word *word, int tree, ch_err *e)
{
    size_t n = 0;
    for (ch_token id = 0; id < w->n_ids; id++) {
        const uint32_t size = w->at[id + 1] - w->at[id];
        if (size > 0 && (size > CH_SHORT) == (tree > 0))
            word[n++] = (struct word){w->text + w->at[id], size, id};
        w->deepest = CH_MAX(w->deepest, (int)size);
    }
    if (n)
        qsort(word, n, sizeof *word, by_bytes);
    uint32_t *open = malloc(((size_t)w->deepest + 1) * sizeof *open);
    const bool ok = open && take_nodes(&w->tree[tree], word, n);
    if (ok)
        plant(&w->tree[tree], word, n, open);
    free(open);
    return ok ? CH_OK : ch_fail(e, CH_ENOMEM, "no memory for the tree of a vocabulary");
}

static int plant_all(struct ch_words *w, ch_err *e)
{
    struct word *word = malloc((size_t)w->n_ids * sizeof *word + 1);
    int rc = word ? CH_OK
                  : ch_fail(e, CH_ENOMEM, "no memory for a vocabulary of %d tokens", w->n_ids);
    for (int tree = 0; tree < CH_TREES && rc == CH_OK; tree++)
        rc = sort_and_plant(w, word, tree, e);
    free(word);
    return rc;
}

int ch_words_open(struct ch_words **out, const ch_tokenizer *t, ch_err *e)
{
    struct ch_words *w = *out = calloc(1, sizeof *w);
    if (!w)
        return ch_fail(e, CH_ENOMEM, "no memory for a vocabulary");
    const size_t n = (size_t)ch_tokenizer_size(t);
    atomic_init(&w->holders, 1);
    w->n_ids = (int)n;
    w->of = t;
    w->at = malloc((n + 1) * sizeof *w->at);
    w->end = malloc((n + 1) * sizeof *w->end);
    int rc = w->at && w->end
                 ? collect(w, t, e)
                 : ch_fail(e, CH_ENOMEM, "no memory for a vocabulary of %zu tokens", n);
    if (rc == CH_OK)
        rc = plant_all(w, e);
    if (rc < 0)
        ch_words_close(out);
    return rc;
}
