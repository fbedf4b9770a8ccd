/* pages.c - keys and values as a state: append, fork, roll back, adopt, publish
 *
 * A state is a table of page numbers.  Whole pages are shared by counting users; who may write is
 * decided in one place (own_tail): before an append, the open last page is copied if others use it,
 * and taken out of the index if it is findable.  So a rollback never needs room, and never fails.
 * What may fail is counted or allocated before anything changes.  SPDX-License-Identifier: MIT */
#include "page_store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int pages_for(const ch_cache *c, int64_t keys)
{
    return (int)((keys + c->options.page_size - 1) / c->options.page_size);
}

/* ---- Tables -------------------------------------------------------------------------------- */

/* Room for `need` pages a layer; the state stays as it is. */
static int grow(page_state *p, int need, ch_err *e)
{
    if (need <= p->cap)
        return CH_OK;
    const int layers = p->cache->options.layers, most = p->cache->n_pages / layers;
    const int cap = CH_MAX(need, CH_MIN(most, CH_MAX(2 * (int64_t)p->cap, 8)));
    const size_t slots = ch_size_mul((size_t)cap, (size_t)layers);
    const size_t bytes = ch_size_mul(slots, 3 * sizeof(void *) + sizeof *p->ids);
    void *tables = bytes < SIZE_MAX ? malloc(bytes) : NULL;
    if (!tables)
        return ch_fail(e, CH_ENOMEM, "out of memory for tables of %d pages in %d layers", cap,
                       layers);
    const void **pointers = tables;
    int32_t *ids = (int32_t *)(pointers + 3 * slots);
    for (int l = 0; l < layers; l++, pointers += 3 * (ptrdiff_t)cap) {
        page_layer *y = &p->layers[l];
        const size_t old = (size_t)y->n_pages * sizeof *pointers;
        if (old) {
            memcpy(pointers, y->k, old);
            memcpy(pointers + cap, y->v, old);
            memcpy(pointers + 2 * (ptrdiff_t)cap, y->pos, old);
        }
        y->k = pointers;
        y->v = pointers + cap;
        y->pos = (const int32_t **)(pointers + 2 * (ptrdiff_t)cap);
    }
    if (p->cap)
        memcpy(ids, p->ids, (size_t)p->cap * (size_t)layers * sizeof *ids);
    free(p->tables);
    p->tables = tables;
    p->ids = ids;
    p->cap = cap;
    return CH_OK;
}

static void set_page(page_state *p, int l, int index, int32_t id)
{
    const ch_cache *c = p->cache;
    page_layer *y = &p->layers[l];
    page_ids(p, index)[l] = id;
    y->k[index] = page_row(c, id, &c->k, 0, 0);
    y->v[index] = page_row(c, id, &c->v, 0, 0);
    y->pos[index] = page_pos(c, id);
}

static void add_page(page_state *p, int l, int32_t id)
{
    set_page(p, l, p->layers[l].n_pages++, id);
}

/* ---- The open page ------------------------------------------------------------------------- */

/* Rows in the last page of a layer if it is open, else 0. */
static int tail_rows(const page_state *p, int l)
{
    return p->layers[l].keys % p->cache->options.page_size;
}

static int32_t tail_id(const page_state *p, int l)
{
    return page_ids(p, p->layers[l].n_pages - 1)[l];
}

static int32_t copy_page(ch_cache *c, int32_t from, int rows)
{
    const int32_t to = ch_cache_take(c);
    memcpy(c->pages[to].bytes, c->pages[from].bytes, c->pos_at);
    memcpy(page_pos(c, to), page_pos(c, from), (size_t)rows * sizeof(int32_t));
    return to;
}

/* Makes the open page, if there is one, private and its unused rows invalid. */
static void own_tail(page_state *p, int l)
{
    ch_cache *c = p->cache;
    const int rows = tail_rows(p, l);
    if (rows == 0)
        return;
    const int32_t id = tail_id(p, l);
    if (c->pages[id].users > 1) {
        set_page(p, l, p->layers[l].n_pages - 1, copy_page(c, id, rows));
        ch_cache_drop(c, id);
        return;
    }
    ch_cache_hide(c, id);
    memset(page_pos(c, id) + rows, 0xff, (size_t)(c->options.page_size - rows) * sizeof(int32_t));
}

/* ---- The kind ------------------------------------------------------------------------------ */

static int check_room(const page_state *p, int64_t need, const char *what, int tokens, ch_err *e)
{
    const ch_cache *c = p->cache;
    const int64_t room = ch_cache_room(c);
    if (need <= room)
        return CH_OK;
    return ch_fail(e, CH_ELIMIT,
                   "the cache is full: %s %d tokens needs %lld more pages, %lld of %d can be had "
                   "(a page holds %d tokens of one of %d layers)",
                   what, tokens, (long long)need, (long long)room, (int)c->n_pages,
                   c->options.page_size, c->options.layers);
}

static int append(ch_state *s, int rows, ch_err *e)
{
    page_state *p = (page_state *)s;
    ch_cache *c = p->cache;
    if (rows < 0)
        return ch_fail(e, CH_EARG, "cannot append %d tokens", rows);
    int64_t need = 0;
    int most = 0;
    for (int l = 0; l < c->options.layers; l++) {
        const page_layer *y = &p->layers[l];
        const int wanted = pages_for(c, (int64_t)y->keys + rows);
        need += wanted - y->n_pages;
        if (rows > 0 && tail_rows(p, l) && c->pages[tail_id(p, l)].users > 1)
            need++;
        most = CH_MAX(most, wanted);
    }
    int rc = check_room(p, need, "appending", rows, e);
    if (rc == CH_OK)
        rc = grow(p, most, e);
    if (rc < 0 || rows == 0)
        return rc;
    for (int l = 0; l < c->options.layers; l++) {
        page_layer *y = &p->layers[l];
        own_tail(p, l);
        y->keys += rows;
        while (y->n_pages < pages_for(c, y->keys))
            add_page(p, l, ch_cache_take(c));
    }
    s->length += rows;
    return CH_OK;
}

/* Last pages first: what is idle longest is evicted first, and a page helps nobody without those
 * before it. */
static void shrink(page_state *p, int length)
{
    ch_cache *c = p->cache;
    const int layers = c->options.layers;
    int most = 0;
    for (int l = 0; l < layers; l++) {
        p->layers[l].keys = CH_MIN(p->layers[l].keys, length);
        most = CH_MAX(most, p->layers[l].n_pages);
    }
    for (int i = most - 1; i >= 0; i--)
        for (int l = layers - 1; l >= 0; l--)
            if (p->layers[l].n_pages == i + 1 && pages_for(c, p->layers[l].keys) <= i) {
                ch_cache_drop(c, page_ids(p, i)[l]);
                p->layers[l].n_pages = i;
            }
    p->state.length = length;
}

static int least(const ch_state *s)
{
    (void)s;
    return 0;
}

static int rollback(ch_state *s, int length, ch_err *e)
{
    if (length < 0 || length > s->length)
        return ch_fail(e, CH_EARG, "cannot go back to %d tokens, allowed is 0 to %d", length,
                       s->length);
    shrink((page_state *)s, length);
    return CH_OK;
}

static void close_pages(ch_state *s)
{
    page_state *p = (page_state *)s;
    shrink(p, 0);
    free(p->tables);
    free(p);
}

int ch_pages_open(ch_state **out, ch_cache *c, ch_err *e)
{
    const size_t bytes = sizeof(page_state) + (size_t)c->options.layers * sizeof(page_layer);
    page_state *p = calloc(1, bytes);
    *out = (ch_state *)p;
    if (!p)
        return ch_fail(e, CH_ENOMEM, "out of memory for the pages of a sequence");
    p->state.kind = &ch_pages_kind;
    p->cache = c;
    return CH_OK;
}

/* Shares all pages but a private open one, which is copied.  (An open page that is not private is
 * copied by whoever appends to it first.) */
static int fork_pages(ch_state **out, ch_state *s, ch_err *e)
{
    const page_state *p = (const page_state *)s;
    ch_cache *c = p->cache;
    const int layers = c->options.layers;
    int64_t copies = 0;
    int most = 0;
    for (int l = 0; l < layers; l++) {
        copies += tail_rows(p, l) && page_is_private(c, tail_id(p, l));
        most = CH_MAX(most, p->layers[l].n_pages);
    }
    *out = NULL;
    int rc = check_room(p, copies, "forking", s->length, e);
    if (rc == CH_OK)
        rc = ch_pages_open(out, c, e);
    if (rc < 0)
        return rc;
    page_state *q = (page_state *)*out;
    rc = grow(q, most, e);
    if (rc < 0) {
        close_pages(*out);
        *out = NULL;
        return rc;
    }
    for (int l = 0; l < layers; l++) {
        const page_layer *y = &p->layers[l];
        const int rows = tail_rows(p, l);
        for (int i = 0; i < y->n_pages; i++) {
            int32_t id = page_ids(p, i)[l];
            if (rows && i == y->n_pages - 1 && page_is_private(c, id))
                id = copy_page(c, id, rows);
            else
                ch_cache_hold(c, id);
            add_page(q, l, id);
        }
        q->layers[l].keys = y->keys;
    }
    q->state.length = s->length;
    return CH_OK;
}

const ch_state_kind ch_pages_kind = {
    .name = "pages",
    .append = append,
    .fork = fork_pages,
    .least = least,
    .rollback = rollback,
    .snapshot = ch_pages_snapshot,
    .restore = ch_pages_restore,
    .close = close_pages,
};

/* ---- Sharing by key ------------------------------------------------------------------------ */

int ch_pages_adopt(ch_state *s, const ch_hash128 *keys, int n_keys)
{
    page_state *p = (page_state *)s;
    ch_cache *c = p->cache;
    const int size = c->options.page_size, layers = c->options.layers;
    int found = 0;
    if (s->length % size != 0)
        return 0;
    for (; found < n_keys; found++) {
        const int32_t *ids = ch_cache_find(c, keys[found]);
        if (!ids || grow(p, s->length / size + 1, NULL) < 0)
            break;
        for (int l = 0; l < layers; l++) {
            ch_cache_hold(c, ids[l]);
            add_page(p, l, ids[l]);
            p->layers[l].keys += size;
        }
        s->length += size;
    }
    c->hits += (uint64_t)found;
    c->misses += (uint64_t)(n_keys - found);
    return found;
}

void ch_pages_publish(ch_state *s, int page, ch_hash128 key)
{
    page_state *p = (page_state *)s;
    assert(page >= 0 && page < s->length / p->cache->options.page_size);
    ch_cache_show(p->cache, page_ids(p, page), key);
}
