/* merge.c - see merge.h.  SPDX-License-Identifier: MIT */
#include "merge.h"

#include <stdlib.h>

int ch_merger_room(ch_merger *m, size_t n, ch_err *e)
{
    if (n <= m->cap)
        return CH_OK;
    size_t cap = CH_MAX(n, m->cap * 2);
    ch_symbol *symbols = realloc(m->symbols, ch_size_mul(cap, sizeof *symbols));
    if (!symbols)
        return ch_fail(e, CH_ENOMEM, "out of memory for a piece of %zu symbols", n);
    m->symbols = symbols;
    m->cap = cap;
    return CH_OK;
}

void ch_merger_close(ch_merger *m)
{
    free(m->symbols);
    free(m->heap);
    *m = (ch_merger){0};
}

/* Every merge takes one candidate out and puts at most two in, and there are n-1 to begin with: 2n
 * are enough, with stale ones counted. */
static int heap_room(ch_merger *m, size_t n, ch_err *e)
{
    if (2 * n <= m->heap_cap)
        return CH_OK;
    size_t cap = CH_MAX(2 * n, m->heap_cap * 2);
    ch_candidate *heap = realloc(m->heap, ch_size_mul(cap, sizeof *heap));
    if (!heap)
        return ch_fail(e, CH_ENOMEM, "out of memory for a piece of %zu symbols", n);
    m->heap = heap;
    m->heap_cap = cap;
    return CH_OK;
}

static bool before(const ch_candidate *a, const ch_candidate *b)
{
    return a->priority != b->priority ? a->priority < b->priority : a->left < b->left;
}

static void heap_push(ch_merger *m, ch_candidate c)
{
    size_t i = m->heap_n++;
    while (i > 0 && before(&c, &m->heap[(i - 1) / 2])) {
        m->heap[i] = m->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    m->heap[i] = c;
}

static ch_candidate heap_pop(ch_merger *m)
{
    ch_candidate top = m->heap[0], last = m->heap[--m->heap_n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < m->heap_n; i = child) {
        if (child + 1 < m->heap_n && before(&m->heap[child + 1], &m->heap[child]))
            child++;
        if (!before(&m->heap[child], &last))
            break;
        m->heap[i] = m->heap[child];
    }
    m->heap[i] = last;
    return top;
}

static void consider(ch_merger *m, int32_t left, const ch_tokenizer *t, const char *text,
                     ch_pair_fn *pair)
{
    const ch_symbol *l = &m->symbols[left], *r = &m->symbols[l->next];
    ch_candidate c = {.left = (uint32_t)left, .bytes = l->n + r->n};
    if (pair(t, text, l, r, &c.priority, &c.id))
        heap_push(m, c);
}

int ch_merger_run(ch_merger *m, size_t n, const ch_tokenizer *t, const char *text,
                  ch_pair_fn *pair, ch_err *e)
{
    if (heap_room(m, n, e) < 0)
        return CH_ENOMEM;
    ch_symbol *s = m->symbols;
    m->heap_n = 0;
    for (size_t i = 0; i < n; i++) {
        s[i].prev = (int32_t)i - 1;
        s[i].next = i + 1 < n ? (int32_t)i + 1 : -1;
    }
    for (size_t i = 0; i + 1 < n; i++)
        consider(m, (int32_t)i, t, text, pair);
    while (m->heap_n > 0) {
        ch_candidate c = heap_pop(m);
        ch_symbol *l = &s[c.left];
        if (l->n == 0 || l->next < 0 || l->n + s[l->next].n != c.bytes)
            continue;
        ch_symbol *r = &s[l->next];
        l->n = c.bytes;
        l->id = c.id;
        l->next = r->next;
        r->n = 0;
        if (l->next >= 0)
            s[l->next].prev = (int32_t)c.left;
        if (l->prev >= 0)
            consider(m, l->prev, t, text, pair);
        if (l->next >= 0)
            consider(m, (int32_t)c.left, t, text, pair);
    }
    return CH_OK;
}

/* ---- Pairs ---- */

int ch_pairs_open(ch_pairs *p, size_t n, ch_err *e)
{
    size_t cap = 16;
    while (cap / 4 * 3 < n)
        cap *= 2;
    p->slots = malloc(ch_size_mul(cap, sizeof *p->slots));
    if (!p->slots)
        return ch_fail(e, CH_ENOMEM, "out of memory for %zu merges", n);
    for (size_t i = 0; i < cap; i++)
        p->slots[i].left = -1;
    p->cap = cap;
    p->n = 0;
    return CH_OK;
}

void ch_pairs_close(ch_pairs *p)
{
    free(p->slots);
    *p = (ch_pairs){0};
}

static size_t pair_slot(const ch_pairs *p, ch_token left, ch_token right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    size_t mask = p->cap - 1, i = (size_t)(h >> 32) & mask;
    while (p->slots[i].left >= 0 && (p->slots[i].left != left || p->slots[i].right != right))
        i = (i + 1) & mask;
    return i;
}

void ch_pairs_add(ch_pairs *p, ch_token left, ch_token right, ch_token id)
{
    ch_pair *s = &p->slots[pair_slot(p, left, right)];
    if (s->left < 0)
        *s = (ch_pair){left, right, (uint32_t)p->n++, id};
}

const ch_pair *ch_pairs_find(const ch_pairs *p, ch_token left, ch_token right)
{
    const ch_pair *s = &p->slots[pair_slot(p, left, right)];
    return s->left >= 0 ? s : NULL;
}

ch_pair *ch_pairs_sorted(const ch_pairs *p)
{
    ch_pair *all = malloc(ch_size_mul(CH_MAX(p->n, 1), sizeof *all));
    for (size_t i = 0; all && i < p->cap; i++)
        if (p->slots[i].left >= 0)
            all[p->slots[i].rank] = p->slots[i];
    return all;
}
