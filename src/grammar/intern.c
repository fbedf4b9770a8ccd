/* intern.c - see intern.h: open addressing, at most half full.  SPDX-License-Identifier: MIT */
#include "intern.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash_of(const uint32_t *v, size_t n)
{
    uint64_t h = 0x9e3779b97f4a7c15u ^ n;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ v[i]) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    return h;
}

static size_t place(const ch_intern *i, const uint32_t *v, size_t n)
{
    size_t s = (size_t)hash_of(v, n) & (i->n_slots - 1);
    for (; i->slot[s]; s = (s + 1) & (i->n_slots - 1)) {
        const struct ch_interned *l = &i->list[i->slot[s] - 1];
        if (l->n == n && (n == 0 || memcmp(i->pool + l->at, v, n * sizeof *v) == 0))
            break;
    }
    return s;
}

static bool grow(ch_intern *i)
{
    if (i->n_slots > 2 * i->n)
        return true;
    const size_t slots = i->n_slots ? 2 * i->n_slots : 64;
    uint32_t *slot = calloc(slots, sizeof *slot);
    if (!slot)
        return false;
    free(i->slot);
    i->slot = slot;
    i->n_slots = slots;
    for (size_t k = 0; k < i->n; k++)
        slot[place(i, i->pool + i->list[k].at, i->list[k].n)] = (uint32_t)k + 1;
    return true;
}

uint32_t ch_intern_add(ch_intern *i, const uint32_t *v, size_t n)
{
    if (!grow(i))
        return CH_NO_ID;
    const size_t s = place(i, v, n);
    if (i->slot[s])
        return i->slot[s] - 1;
    if (i->pool_used + n > UINT32_MAX / 8 ||
        !ch_array_room(&i->pool, &i->pool_cap, i->pool_used + n + 1, sizeof *i->pool) ||
        !ch_array_room(&i->list, &i->cap, i->n + 1, sizeof *i->list))
        return CH_NO_ID;
    if (n)
        memcpy(i->pool + i->pool_used, v, n * sizeof *v);
    i->list[i->n] = (struct ch_interned){(uint32_t)i->pool_used, (uint32_t)n};
    i->pool_used += n;
    i->slot[s] = (uint32_t)++i->n;
    return (uint32_t)i->n - 1;
}

const uint32_t *ch_intern_get(const ch_intern *i, uint32_t id, size_t *n)
{
    *n = i->list[id].n;
    return i->pool + i->list[id].at;
}

size_t ch_intern_bytes(const ch_intern *i)
{
    return i->pool_cap * sizeof *i->pool + i->cap * sizeof *i->list + i->n_slots * sizeof *i->slot;
}

void ch_intern_clear(ch_intern *i)
{
    i->pool_used = i->n = 0;
    if (i->n_slots)
        memset(i->slot, 0, i->n_slots * sizeof *i->slot);
}

void ch_intern_close(ch_intern *i)
{
    free(i->pool);
    free(i->list);
    free(i->slot);
    *i = (ch_intern){0};
}
