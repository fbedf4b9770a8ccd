/* bpe_learn.c - byte-pair encoding learned from counted pieces
 *
 * The pieces lie one after another, a position is a byte of theirs.  symbol[p] is the token that
 * begins at p (-1: inside one), before[p] where the token before it begins; length gives the one
 * after it.  For each pair of neighbours: how often it occurs (occurrences that overlap, as in
 * "aaa", all count) and where it has occurred; places are never taken out, they are checked when
 * used.  A heap holds (count, pair).  A pair gains occurrences in one step only, the one that
 * makes the later of its tokens, and is pushed then; an entry found too high is pushed again. Each
 * merge costs time in its own occurrences, so all together cost about O(bytes * log), however long
 * pieces are.
 *
 * Ties: the smaller (left, right).  Within a piece occurrences are merged from left to right.
 * No two merges make the same text: until a text becomes one token no merge reaches over its ends,
 * so the same merges happen within it wherever it stands.  A merge that would make a special
 * token's name is left out.
 * Source: Sennrich et al. 2016, algorithm 1 and its incremental form.
 * SPDX-License-Identifier: MIT */
#include "bpe_learn.h"

#include <stdlib.h>
#include <string.h>

#include "alphabet.h"

typedef struct pair {
    ch_token left, right;
    uint64_t count;
    uint32_t *at; /* where it has occurred */
    uint32_t n, cap;
    uint32_t step; /* the last step that added to it */
} pair;

typedef struct candidate {
    uint64_t count;
    uint32_t pair;
} candidate;

typedef struct learner {
    const ch_bpe_pieces *pieces;
    const ch_bpe_options *o;
    ch_bpe_learned *out;
    ch_err *e;
    ch_token *symbol;
    uint32_t *before, *piece; /* piece: which one a position is of */
    pair *pairs;
    size_t n_pairs, pairs_cap;
    uint32_t *slots; /* pair + 1 */
    size_t slots_cap;
    candidate *heap;
    size_t n_heap, heap_cap;
    uint32_t *touched; /* pairs that the present step added to */
    size_t n_touched, touched_cap;
    uint32_t step;
    ch_map names; /* specials */
} learner;

/* An array with room for one more element; false: out of memory (told). */
static bool room(learner *l, void *array, size_t *cap, size_t n, size_t size)
{
    if (ch_array_room(array, cap, n + 1, size))
        return true;
    ch_fail(l->e, CH_ENOMEM, "out of memory in training: %zu elements of %zu bytes", n + 1, size);
    return false;
}

/* ---- The heap: most frequent first, then the smaller pair ---- */

static bool goes_first(const learner *l, const candidate *a, const candidate *b)
{
    if (a->count != b->count)
        return a->count > b->count;
    const pair *x = &l->pairs[a->pair], *y = &l->pairs[b->pair];
    return x->left != y->left ? x->left < y->left : x->right < y->right;
}

static int heap_push(learner *l, uint32_t i)
{
    if (!room(l, &l->heap, &l->heap_cap, l->n_heap, sizeof *l->heap))
        return CH_ENOMEM;
    candidate c = {l->pairs[i].count, i};
    size_t k = l->n_heap++;
    for (; k > 0 && goes_first(l, &c, &l->heap[(k - 1) / 2]); k = (k - 1) / 2)
        l->heap[k] = l->heap[(k - 1) / 2];
    l->heap[k] = c;
    return CH_OK;
}

static candidate heap_pop(learner *l)
{
    candidate top = l->heap[0], last = l->heap[--l->n_heap];
    size_t k = 0;
    for (size_t child; (child = 2 * k + 1) < l->n_heap; k = child) {
        child += child + 1 < l->n_heap && goes_first(l, &l->heap[child + 1], &l->heap[child]);
        if (!goes_first(l, &l->heap[child], &last))
            break;
        l->heap[k] = l->heap[child];
    }
    l->heap[k] = last;
    return top;
}

/* ---- Pairs ---- */

static size_t slot_of(const learner *l, ch_token left, ch_token right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    size_t s = (size_t)(h >> 32) & (l->slots_cap - 1);
    for (; l->slots[s] != 0; s = (s + 1) & (l->slots_cap - 1)) {
        const pair *p = &l->pairs[l->slots[s] - 1];
        if (p->left == left && p->right == right)
            break;
    }
    return s;
}

static int grow_slots(learner *l)
{
    free(l->slots);
    l->slots_cap = CH_MAX(l->slots_cap * 2, 1 << 12);
    l->slots = calloc(l->slots_cap, sizeof *l->slots);
    if (l->slots == NULL)
        return ch_fail(l->e, CH_ENOMEM, "out of memory in training: %zu pairs", l->n_pairs);
    for (size_t i = 0; i < l->n_pairs; i++)
        l->slots[slot_of(l, l->pairs[i].left, l->pairs[i].right)] = (uint32_t)i + 1;
    return CH_OK;
}

/* The pair (left, right) occurs `count` times more, at p. */
static int pair_add(learner *l, ch_token left, ch_token right, uint64_t count, uint32_t p)
{
    if (l->n_pairs + 1 > l->slots_cap / 2 && grow_slots(l) < 0)
        return CH_ENOMEM;
    size_t s = slot_of(l, left, right);
    if (l->slots[s] == 0) {
        if (!room(l, &l->pairs, &l->pairs_cap, l->n_pairs, sizeof *l->pairs))
            return CH_ENOMEM;
        l->pairs[l->n_pairs++] = (pair){.left = left, .right = right};
        l->slots[s] = (uint32_t)l->n_pairs;
    }
    pair *x = &l->pairs[l->slots[s] - 1];
    if (x->step != l->step) {
        if (!room(l, &l->touched, &l->touched_cap, l->n_touched, sizeof *l->touched))
            return CH_ENOMEM;
        l->touched[l->n_touched++] = l->slots[s] - 1;
        x->step = l->step;
    }
    if (x->n == x->cap) {
        uint32_t cap = x->cap < 4 ? 4 : x->cap * 2;
        uint32_t *at = realloc(x->at, cap * sizeof *at);
        if (at == NULL)
            return ch_fail(l->e, CH_ENOMEM, "out of memory in training: a pair's %u places", cap);
        x->at = at;
        x->cap = cap;
    }
    x->at[x->n++] = p;
    x->count += count;
    return CH_OK;
}

static void pair_take(learner *l, ch_token left, ch_token right, uint64_t count)
{
    l->pairs[l->slots[slot_of(l, left, right)] - 1].count -= count;
}

static int push_touched(learner *l)
{
    int rc = CH_OK;
    for (size_t i = 0; i < l->n_touched && rc == CH_OK; i++)
        rc = heap_push(l, l->touched[i]);
    l->n_touched = 0;
    return rc;
}

/* ---- One merge ---- */

static uint32_t length(const learner *l, ch_token id)
{
    return l->out->word[id].n;
}

/* The token at p takes the one at q, its right neighbour, and becomes id. */
static int merge_at(learner *l, uint32_t p, uint32_t q, ch_token id)
{
    ch_token left = l->symbol[p], right = l->symbol[q];
    uint32_t in = l->piece[p], next = q + length(l, right);
    uint64_t count = l->pieces->piece[in].count;
    int rc = CH_OK;
    pair_take(l, left, right, count);
    if (p > 0 && l->piece[p - 1] == in) {
        uint32_t prev = l->before[p];
        pair_take(l, l->symbol[prev], left, count);
        rc = pair_add(l, l->symbol[prev], id, count, prev);
    }
    if (rc == CH_OK && next < l->pieces->bytes && l->piece[next] == in) {
        pair_take(l, right, l->symbol[next], count);
        rc = pair_add(l, id, l->symbol[next], count, p);
        l->before[next] = p;
    }
    l->symbol[p] = id;
    l->symbol[q] = -1;
    return rc;
}

static bool stands_at(const learner *l, const pair *x, uint32_t p)
{
    uint32_t q = p + length(l, x->left);
    return l->symbol[p] == x->left && q < l->pieces->bytes && l->piece[q] == l->piece[p] &&
           l->symbol[q] == x->right;
}

/* Its places are in ascending order, as they were found: what overlaps is merged from the left. */
static int merge_everywhere(learner *l, uint32_t which, ch_token id)
{
    pair x = l->pairs[which];
    l->pairs[which].at = NULL; /* what this step adds to the pair itself begins a new list */
    l->pairs[which].n = l->pairs[which].cap = 0;
    int rc = CH_OK;
    l->step++;
    for (uint32_t i = 0; i < x.n && rc == CH_OK; i++)
        if (stands_at(l, &x, x.at[i]))
            rc = merge_at(l, x.at[i], x.at[i] + length(l, x.left), id);
    free(x.at);
    return rc < 0 ? rc : push_touched(l);
}

/* ---- Words ---- */

/* Would the bytes be written like a special token's name? */
static bool is_special_name(const learner *l, const char *bytes, uint32_t n)
{
    char name[2 * 1024];
    size_t at = 0;
    if (l->o->n_special == 0 || n > sizeof name / 2)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        char c[4];
        int size = ch_utf8_write(c, ch_alphabet_char((unsigned char)bytes[i]));
        memcpy(name + at, c, (size_t)size);
        at += (size_t)size;
    }
    return ch_map_get(&l->names, name, at) >= 0;
}

/* Any place where the pair still stands: there its text can be read. */
static uint32_t find_place(const learner *l, const pair *x)
{
    for (uint32_t i = 0; i < x->n; i++)
        if (stands_at(l, x, x->at[i]))
            return x->at[i];
    return 0; /* not reached: its count is not 0 */
}

/* The token that merging pair x makes; -1: it is not to be merged. */
static ch_token new_word(learner *l, const pair *x)
{
    ch_bpe_learned *out = l->out;
    uint32_t n = length(l, x->left) + length(l, x->right);
    const char *text = l->pieces->text + find_place(l, x);
    if (is_special_name(l, text, n))
        return -1;
    out->word[out->words] = (ch_bpe_word){text, n, x->left, x->right};
    return out->words++;
}

static int learn_all(learner *l)
{
    const int first = l->out->words, of = l->o->vocab - first;
    while (l->out->words < l->o->vocab && l->n_heap > 0) {
        candidate c = heap_pop(l);
        const pair *x = &l->pairs[c.pair];
        int rc = CH_OK;
        if (x->count == 0)
            continue;
        if (x->count < c.count) {
            rc = heap_push(l, c.pair);
        } else {
            ch_token id = new_word(l, x);
            if (id >= 0)
                rc = merge_everywhere(l, c.pair, id);
            if (l->o->progress != NULL && rc == CH_OK)
                l->o->progress(l->o->arg, l->out->words - first, of);
        }
        if (rc < 0)
            return rc;
    }
    return CH_OK;
}

/* ---- Setting up ---- */

static int count_pairs(learner *l)
{
    const ch_bpe_pieces *p = l->pieces;
    int rc = grow_slots(l);
    l->step = 1;
    for (size_t i = 0; i < p->n && rc == CH_OK; i++) {
        const ch_bpe_piece *x = &p->piece[i];
        for (uint32_t k = 0; k < x->n; k++) {
            size_t at = x->at + k;
            l->symbol[at] = l->o->n_special + (unsigned char)p->text[at];
            l->before[at] = (uint32_t)(k > 0 ? at - 1 : at);
            l->piece[at] = (uint32_t)i;
        }
        for (uint32_t k = 0; k + 1 < x->n && rc == CH_OK; k++)
            rc = pair_add(l, l->symbol[x->at + k], l->symbol[x->at + k + 1], x->count,
                          (uint32_t)(x->at + k));
    }
    return rc < 0 ? rc : push_touched(l);
}

static int set_up(learner *l)
{
    const ch_bpe_options *o = l->o;
    ch_bpe_learned *out = l->out;
    size_t n = l->pieces->bytes + 1;
    l->symbol = malloc(n * sizeof *l->symbol);
    l->before = malloc(n * sizeof *l->before);
    l->piece = malloc(n * sizeof *l->piece);
    out->word = calloc((size_t)o->vocab, sizeof *out->word);
    if (l->symbol == NULL || l->before == NULL || l->piece == NULL || out->word == NULL)
        return ch_fail(l->e, CH_ENOMEM, "out of memory in training: %zu bytes of distinct pieces",
                       n);
    int rc = ch_map_open(&l->names, (size_t)o->n_special, l->e);
    for (int i = 0; i < o->n_special && rc == CH_OK; i++)
        rc = ch_map_put(&l->names, o->specials[i], strlen(o->specials[i]), i, NULL, l->e);
    for (int b = 0; b < 256; b++)
        out->word[o->n_special + b].n = 1;
    out->words = o->n_special + 256;
    return rc < 0 ? rc : count_pairs(l);
}

int ch_bpe_learn(ch_bpe_learned *out, const ch_bpe_pieces *p, const ch_bpe_options *o, ch_err *e)
{
    learner l = {.pieces = p, .o = o, .out = out, .e = e};
    *out = (ch_bpe_learned){0};
    int rc = set_up(&l);
    if (rc == CH_OK)
        rc = learn_all(&l);
    for (size_t i = 0; i < l.n_pairs; i++)
        free(l.pairs[i].at);
    free(l.pairs);
    free(l.symbol);
    free(l.before);
    free(l.piece);
    free(l.slots);
    free(l.heap);
    free(l.touched);
    ch_map_close(&l.names);
    if (rc < 0)
        ch_bpe_learned_close(out);
    return rc;
}

void ch_bpe_learned_close(ch_bpe_learned *l)
{
    free(l->word);
    *l = (ch_bpe_learned){0};
}
