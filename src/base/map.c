/* map.c - open addressing with linear probing, at most half full
 *
 * Removing shifts the rest of the run back, so there are no tombstones and a search ends at the
 * first empty slot.  SPDX-License-Identifier: MIT */
#include "map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "hash.h"

struct ch_map_slot {
    const void *key;
    size_t n;
    uint64_t hash;
    int64_t value; /* -1: empty */
};

static uint64_t hash_of(const void *key, size_t n)
{
    return ch_hash_bytes((ch_hash128){.lo = 0x63686d6170u, .hi = 1}, key, n).lo;
}

static int allocate(ch_map *m, size_t cap, ch_err *e)
{
    struct ch_map_slot *slots = NULL;
    if (cap <= SIZE_MAX / sizeof *slots)
        slots = malloc(cap * sizeof *slots);
    if (slots == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for a map with %zu slots", cap);
    for (size_t i = 0; i < cap; i++)
        slots[i].value = -1;
    m->slots = slots;
    m->cap = cap;
    return CH_OK;
}

int ch_map_open(ch_map *m, size_t expected, ch_err *e)
{
    *m = (ch_map){0};
    size_t cap = 4;
    while (cap / 2 < expected) {
        if (cap > SIZE_MAX / 4)
            return ch_fail(e, CH_ENOMEM, "out of memory for a map of %zu keys", expected);
        cap *= 2;
    }
    return allocate(m, cap, e);
}

void ch_map_close(ch_map *m)
{
    free(m->slots);
    *m = (ch_map){0};
}

/* The slot that holds the key, or the empty one where it belongs. */
static size_t find(const ch_map *m, const void *key, size_t n, uint64_t hash)
{
    size_t i = (size_t)hash & (m->cap - 1);
    for (;; i = (i + 1) & (m->cap - 1)) {
        const struct ch_map_slot *s = &m->slots[i];
        if (s->value < 0)
            return i;
        if (s->hash == hash && s->n == n && (n == 0 || memcmp(s->key, key, n) == 0))
            return i;
    }
}

static int grow(ch_map *m, ch_err *e)
{
    ch_map bigger = {.count = m->count};
    int rc = allocate(&bigger, m->cap * 2, e);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < m->cap; i++) {
        const struct ch_map_slot *s = &m->slots[i];
        if (s->value >= 0)
            bigger.slots[find(&bigger, s->key, s->n, s->hash)] = *s;
    }
    free(m->slots);
    *m = bigger;
    return CH_OK;
}

int ch_map_put(ch_map *m, const void *key, size_t n, int64_t value, int64_t *old, ch_err *e)
{
    assert(value >= 0);
    uint64_t hash = hash_of(key, n);
    size_t i = find(m, key, n, hash);
    if (old != NULL)
        *old = m->slots[i].value;
    if (m->slots[i].value >= 0) {
        m->slots[i].value = value;
        return CH_OK;
    }
    if (m->count + 1 > m->cap / 2) {
        int rc = grow(m, e);
        if (rc < 0)
            return rc;
        i = find(m, key, n, hash);
    }
    m->slots[i] = (struct ch_map_slot){.key = key, .n = n, .hash = hash, .value = value};
    m->count++;
    return CH_OK;
}

int64_t ch_map_get(const ch_map *m, const void *key, size_t n)
{
    if (m->count == 0)
        return -1;
    return m->slots[find(m, key, n, hash_of(key, n))].value;
}

int64_t ch_map_remove(ch_map *m, const void *key, size_t n)
{
    if (m->count == 0)
        return -1;
    size_t mask = m->cap - 1, hole = find(m, key, n, hash_of(key, n));
    int64_t value = m->slots[hole].value;
    if (value < 0)
        return -1;
    /* A later entry of the run moves into the hole unless it lives between the hole and itself. */
    for (size_t i = (hole + 1) & mask; m->slots[i].value >= 0; i = (i + 1) & mask) {
        size_t home = (size_t)m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole].value = -1;
    m->count--;
    return value;
}
