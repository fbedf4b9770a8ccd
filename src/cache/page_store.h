/* page_store.h - the pages that all sequences of one cache share (this folder's own)
 *
 * A page is one of
 *   free      on the free list, or never used so far (number >= fresh)
 *   used      users > 0: so many states have it in their tables
 *   kept      users == 0, but in an entry: findable under a page key
 * An entry is one page of every layer under one key.  It is idle when none of its pages is used;
 * idle entries stand in a list by age, oldest first, and make room when free pages run out.
 *
 *   page:  K (kv_heads, page_size, width) | V, likewise | pos (page_size)     each 64-byte aligned
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_PAGE_STORE_H
#define CH_PAGE_STORE_H

#include "cache.h"

typedef struct cache_page {
    unsigned char *bytes; /* NULL until first used; padding is zero from then on */
    int32_t users;
    int32_t entry;        /* -1: none */
    int32_t next_free;
} cache_page;

typedef struct cache_entry {
    ch_hash128 key;
    int32_t used_pages; /* how many of its pages have users */
    int32_t older, newer; /* idle: neighbours in age; unused entry: newer is the next unused one */
} cache_entry;

/* How one side, keys or values, is stored. */
typedef struct page_side {
    const ch_dtype_info *info;
    bool plain;        /* stored as reals, */
    ch_row_fn *put;    /* or by this kernel, or (NULL) by info's own conversion */
    size_t row_bytes;  /* of one head */
    size_t at;         /* offset in a page */
} page_side;

struct ch_cache {
    ch_cache_options options;
    int width;
    page_side k, v;
    size_t pos_at, page_bytes;
    ch_arena arena;
    cache_page *pages;
    int32_t n_pages, fresh, n_free, free_page; /* free_page: head of the free list, -1: empty */
    cache_entry *entries;       /* n_pages / layers of them */
    int32_t *entry_pages; /* (entries, layers) */
    int32_t fresh_entry, free_entry, oldest, newest, n_idle;
    size_t used;
    ch_map index; /* key -> entry */
    uint64_t hits, misses, evictions;
};

/* Pages that ch_cache_take can hand out, idle entries included. */
int64_t ch_cache_room(const ch_cache *c);
/* A page with one user and every pos -1, evicting if need be; there must be room. */
int32_t ch_cache_take(ch_cache *c);
void ch_cache_hold(ch_cache *c, int32_t id); /* one more user */
void ch_cache_drop(ch_cache *c, int32_t id); /* one less */
/* Takes the page's entry, if it has one, out of the index. */
void ch_cache_hide(ch_cache *c, int32_t id);
/* One used page a layer, all sealed, findable under a key; does nothing when the key or one of the
 * pages is findable already, or without memory. */
void ch_cache_show(ch_cache *c, const int32_t *ids, ch_hash128 key);
/* The pages under a key, one a layer, or NULL. */
const int32_t *ch_cache_find(const ch_cache *c, ch_hash128 key);

/* A state of ch_pages_kind: which pages hold its tokens, and where they are for attention to read.
 * Only the last page may be open.  It need not be private: after a rollback into a shared or
 * findable page it becomes so at the next append. */
typedef struct page_layer {
    int keys, n_pages;
    const void **k, **v; /* (cap) each */
    const int32_t **pos;
} page_layer;

typedef struct page_state {
    ch_state state;
    ch_cache *cache;
    int cap;       /* pages a layer that the tables have room for */
    void *tables;  /* the memory of all of them */
    int32_t *ids;  /* (cap, layers) */
    page_layer layers[];
} page_state;

/* Nobody else can see it: it may be written. */
static inline bool page_is_private(const ch_cache *c, int32_t id)
{
    return c->pages[id].users == 1 && c->pages[id].entry < 0;
}

static inline int32_t *page_ids(const page_state *p, int index)
{
    return p->ids + (ptrdiff_t)index * p->cache->options.layers;
}

static inline void *page_row(const ch_cache *c, int32_t id, const page_side *s, int head, int row)
{
    const size_t at = (size_t)head * (size_t)c->options.page_size + (size_t)row;
    return c->pages[id].bytes + s->at + at * s->row_bytes;
}

static inline int32_t *page_pos(const ch_cache *c, int32_t id)
{
    return (int32_t *)(void *)(c->pages[id].bytes + c->pos_at);
}

/* pages_snapshot.c */
int ch_pages_snapshot(const ch_state *s, ch_buf *b, ch_err *e);
int ch_pages_restore(ch_state *s, const void *bytes, size_t size, size_t *n, ch_err *e);

#endif
