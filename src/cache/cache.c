/* cache.c - a fixed budget of pages: users, free pages, findable pages, eviction
 *
 * Page memory is one reserved address range, and a page of it is taken when the free list is empty,
 * so a cache costs what was in use at its fullest.  Padding is zeroed at that moment and no writer
 * touches it afterwards.  Findable pages are indexed by their key; what is idle longest goes first.
 * SPDX-License-Identifier: MIT */
#include "page_store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#ifdef CH_HOSTILE
enum { DEFAULT_PAGE_SIZE = 1 };
#else
enum { DEFAULT_PAGE_SIZE = 32 };
#endif

enum { MAX_LAYERS = 65536, MAX_WIDTH = 1 << 20, MAX_PAGE_SIZE = 1 << 16, ALIGN = CH_ARENA_ALIGN };

/* ---- Opening ------------------------------------------------------------------------------- */

static int check_number(const char *name, int found, int most, ch_err *e)
{
    if (found < 1 || found > most)
        return ch_fail(e, CH_EARG, "cache: %s is %d, allowed is 1 to %d", name, found, most);
    return CH_OK;
}

static bool storable(ch_dtype t)
{
    return t == CH_F32 || t == CH_F16 || t == CH_BF16 || t == CH_Q8_0 || t == CH_REAL;
}

static int check_dtype(bool keys, ch_dtype t, ch_err *e)
{
    if ((unsigned)t < CH_DTYPES && (storable(t) || (t == CH_Q4_0 && !keys)))
        return CH_OK;
    return ch_fail(e, CH_EARG, "cache: %s cannot be kept as %s, allowed are f32, f16, bf16, q8_0%s",
                   keys ? "keys" : "values",
                   (unsigned)t < CH_DTYPES ? ch_dtype_get(t)->name : "an unknown format",
                   keys ? "" : ", q4_0");
}

static int check_options(const ch_cache_options *o, ch_err *e)
{
    int rc = check_number("layers", o->layers, MAX_LAYERS, e);
    if (rc == CH_OK)
        rc = check_number("kv_heads", o->kv_heads, MAX_WIDTH, e);
    if (rc == CH_OK)
        rc = check_number("head_width", o->head_width, MAX_WIDTH, e);
    if (rc == CH_OK)
        rc = check_number("page_size", o->page_size, MAX_PAGE_SIZE, e);
    if (rc == CH_OK)
        rc = check_number("max_tokens", o->max_tokens, INT32_MAX, e);
    if (rc == CH_OK)
        rc = check_dtype(true, o->k_dtype, e);
    if (rc == CH_OK)
        rc = check_dtype(false, o->v_dtype, e);
    return rc;
}

static int padding_of(ch_dtype t)
{
    return CH_MAX(ch_dtype_get(t)->block, 8);
}

static page_side side(ch_dtype t, const ch_kernels *k)
{
    return (page_side){.info = ch_dtype_get(t),
                       .plain = t == CH_REAL,
                       .put = t == CH_F16 && k ? k->row_f16 : NULL};
}

/* Offsets within a page.  The limits above keep every product below 2^63. */
static void lay_out(ch_cache *c)
{
    const ch_cache_options *o = &c->options;
    const size_t rows = (size_t)o->kv_heads * (size_t)o->page_size;
    const int padding = CH_MAX(padding_of(o->k_dtype), padding_of(o->v_dtype));
    c->width = (int)ch_round_up(o->head_width, padding);
    c->k = side(o->k_dtype, o->kernels);
    c->v = side(o->v_dtype, o->kernels);
    c->k.row_bytes = ch_dtype_bytes(o->k_dtype, c->width);
    c->v.row_bytes = ch_dtype_bytes(o->v_dtype, c->width);
    c->v.at = (size_t)ch_round_up((int64_t)(rows * c->k.row_bytes), ALIGN);
    c->pos_at = c->v.at + (size_t)ch_round_up((int64_t)(rows * c->v.row_bytes), ALIGN);
    c->page_bytes = c->pos_at + (size_t)ch_round_up(o->page_size * (int64_t)sizeof(int32_t), ALIGN);
}

static int reserve(ch_cache *c, int64_t pages, ch_err *e)
{
    ch_arena one;
    ch_arena_measure(&one);
    ch_arena_take(&one, c->page_bytes);
    const size_t bytes = ch_size_mul((size_t)pages, one.used);
    ch_arena_close(&one);
    return ch_arena_open(&c->arena, bytes, e);
}

static int allocate(ch_cache *c, ch_err *e)
{
    const ch_cache_options *o = &c->options;
    const int64_t entries = ((int64_t)o->max_tokens + o->page_size - 1) / o->page_size;
    const int64_t pages = entries * o->layers;
    if (pages > INT32_MAX)
        return ch_fail(e, CH_EARG, "cache: %d tokens in %d layers are %lld pages, allowed are %d",
                       o->max_tokens, o->layers, (long long)pages, INT32_MAX);
    c->n_pages = (int32_t)pages;
    c->pages = calloc((size_t)pages, sizeof *c->pages);
    c->entries = calloc((size_t)entries, sizeof *c->entries);
    c->entry_pages = calloc((size_t)pages, sizeof *c->entry_pages);
    if (!c->pages || !c->entries || !c->entry_pages)
        return ch_fail(e, CH_ENOMEM, "out of memory for the tables of %lld cache pages",
                       (long long)pages);
    int rc = ch_map_open(&c->index, 0, e);
    if (rc == CH_OK)
        rc = reserve(c, pages, e);
    return rc;
}

int ch_cache_open(ch_cache **out, const ch_cache_options *o, ch_err *e)
{
    *out = NULL;
    ch_cache_options full = *o;
    if (full.page_size == 0)
        full.page_size = DEFAULT_PAGE_SIZE;
    int rc = check_options(&full, e);
    if (rc < 0)
        return rc;
    ch_cache *c = calloc(1, sizeof *c);
    if (!c)
        return ch_fail(e, CH_ENOMEM, "out of memory for a cache");
    c->options = full;
    c->free_page = c->free_entry = c->oldest = c->newest = -1;
    lay_out(c);
    rc = allocate(c, e);
    if (rc < 0)
        ch_cache_close(&c);
    *out = c;
    return rc;
}

void ch_cache_close(ch_cache **cache)
{
    ch_cache *c = *cache;
    if (!c)
        return;
    assert(c->used == 0);
    ch_arena_close(&c->arena);
    ch_map_close(&c->index);
    free(c->entry_pages);
    free(c->entries);
    free(c->pages);
    free(c);
    *cache = NULL;
}

const ch_cache_options *ch_cache_get_options(const ch_cache *c)
{
    return &c->options;
}

int ch_cache_width(const ch_cache *c)
{
    return c->width;
}

ch_cache_stats ch_cache_get_stats(const ch_cache *c)
{
    const size_t free_pages = (size_t)c->n_free + (size_t)(c->n_pages - c->fresh);
    return (ch_cache_stats){.pages = (size_t)c->n_pages, .used = c->used,
                            .findable = (size_t)c->n_pages - c->used - free_pages,
                            .page_bytes = c->page_bytes, .hits = c->hits, .misses = c->misses,
                            .evictions = c->evictions};
}

/* ---- Idle entries, by age ------------------------------------------------------------------ */

static void link_newest(ch_cache *c, int32_t i)
{
    c->entries[i].older = c->newest;
    c->entries[i].newer = -1;
    *(c->newest < 0 ? &c->oldest : &c->entries[c->newest].newer) = i;
    c->newest = i;
    c->n_idle++;
}

static void unlink_idle(ch_cache *c, int32_t i)
{
    const cache_entry *x = &c->entries[i];
    *(x->older < 0 ? &c->oldest : &c->entries[x->older].newer) = x->newer;
    *(x->newer < 0 ? &c->newest : &c->entries[x->newer].older) = x->older;
    c->n_idle--;
}

/* ---- Pages --------------------------------------------------------------------------------- */

static void set_free(ch_cache *c, int32_t id)
{
    c->pages[id].next_free = c->free_page;
    c->free_page = id;
    c->n_free++;
}

static void remove_entry(ch_cache *c, int32_t i)
{
    cache_entry *x = &c->entries[i];
    const int layers = c->options.layers;
    if (x->used_pages == 0)
        unlink_idle(c, i);
    ch_map_remove(&c->index, &x->key, sizeof x->key);
    for (int l = 0; l < layers; l++) {
        const int32_t id = c->entry_pages[(ptrdiff_t)i * layers + l];
        c->pages[id].entry = -1;
        if (c->pages[id].users == 0)
            set_free(c, id);
    }
    x->newer = c->free_entry;
    c->free_entry = i;
}

int64_t ch_cache_room(const ch_cache *c)
{
    return (int64_t)c->n_free + (c->n_pages - c->fresh) + (int64_t)c->n_idle * c->options.layers;
}

int32_t ch_cache_take(ch_cache *c)
{
    assert(ch_cache_room(c) > 0);
    int32_t id;
    if (c->free_page < 0 && c->fresh < c->n_pages) {
        id = c->fresh++;
        c->pages[id].bytes = ch_arena_take_zero(&c->arena, c->page_bytes);
    } else {
        if (c->free_page < 0) {
            remove_entry(c, c->oldest);
            c->evictions++;
        }
        id = c->free_page;
        c->free_page = c->pages[id].next_free;
        c->n_free--;
    }
    c->pages[id].users = 1;
    c->pages[id].entry = -1;
    c->used++;
    memset(page_pos(c, id), 0xff, (size_t)c->options.page_size * sizeof(int32_t));
    return id;
}

void ch_cache_hold(ch_cache *c, int32_t id)
{
    cache_page *p = &c->pages[id];
    if (p->users++ > 0)
        return;
    c->used++;
    if (c->entries[p->entry].used_pages++ == 0)
        unlink_idle(c, p->entry);
}

void ch_cache_drop(ch_cache *c, int32_t id)
{
    cache_page *p = &c->pages[id];
    assert(p->users > 0);
    if (--p->users > 0)
        return;
    c->used--;
    if (p->entry < 0)
        set_free(c, id);
    else if (--c->entries[p->entry].used_pages == 0)
        link_newest(c, p->entry);
}

/* ---- Findable pages ------------------------------------------------------------------------ */

void ch_cache_hide(ch_cache *c, int32_t id)
{
    if (c->pages[id].entry >= 0)
        remove_entry(c, c->pages[id].entry);
}

const int32_t *ch_cache_find(const ch_cache *c, ch_hash128 key)
{
    const int64_t i = ch_map_get(&c->index, &key, sizeof key);
    return i < 0 ? NULL : &c->entry_pages[i * c->options.layers];
}

void ch_cache_show(ch_cache *c, const int32_t *ids, ch_hash128 key)
{
    const int layers = c->options.layers;
    for (int l = 0; l < layers; l++)
        if (c->pages[ids[l]].entry >= 0)
            return;
    if (ch_cache_find(c, key))
        return;
    /* Each entry holds a page of every layer of its own, so there is always one left. */
    const int32_t i = c->free_entry >= 0 ? c->free_entry : c->fresh_entry;
    cache_entry *x = &c->entries[i];
    const int32_t next_free = x->newer;
    x->key = key;
    if (ch_map_put(&c->index, &x->key, sizeof x->key, i, NULL, NULL) < 0)
        return;
    if (c->free_entry >= 0)
        c->free_entry = next_free;
    else
        c->fresh_entry++;
    x->used_pages = layers;
    memcpy(&c->entry_pages[(ptrdiff_t)i * layers], ids, (size_t)layers * sizeof *ids);
    for (int l = 0; l < layers; l++)
        c->pages[ids[l]].entry = i;
}
