/* class.c - sets of characters, and the bytes that spell them
 *
 * A range of characters is cut until each part is a sequence of independent byte ranges: first
 * where the length changes, then where a byte but the last would have to go with those behind it
 * (Thompson's construction for UTF-8, as in Cox, "Regular Expression Matching in the Wild", 2010).
 * SPDX-License-Identifier: MIT */
#include "automaton.h"

#include <stdlib.h>
#include <string.h>

enum { LAST = 0x10ffff };

bool ch_ranges_add(ch_ranges *r, uint32_t lo, uint32_t hi)
{
    if (lo > hi)
        return true;
    if (!ch_array_room(&r->at, &r->cap, r->n + 1, sizeof *r->at))
        return false;
    r->at[r->n++] = (ch_range){lo, hi};
    return true;
}

static int by_start(const void *a, const void *b)
{
    const ch_range *x = a, *y = b;
    return x->lo < y->lo ? -1 : x->lo > y->lo;
}

/* Ranges that touch become one. */
static void join(ch_ranges *r)
{
    size_t n = 0;
    if (r->n)
        qsort(r->at, r->n, sizeof *r->at, by_start);
    for (size_t i = 0; i < r->n; i++) {
        if (n && r->at[i].lo <= r->at[n - 1].hi + 1)
            r->at[n - 1].hi = CH_MAX(r->at[n - 1].hi, r->at[i].hi);
        else
            r->at[n++] = r->at[i];
    }
    r->n = n;
}

bool ch_ranges_tidy(ch_ranges *r, bool negate)
{
    join(r);
    if (!negate)
        return true;
    ch_ranges others = {0};
    uint32_t next = 0;
    bool ok = true;
    for (size_t i = 0; i < r->n; i++) {
        if (r->at[i].lo > next)
            ok = ok && ch_ranges_add(&others, next, r->at[i].lo - 1);
        next = r->at[i].hi + 1;
    }
    ok = ok && (next > LAST || ch_ranges_add(&others, next, LAST));
    free(r->at);
    *r = others;
    return ok;
}

static void spell(ch_nfa *n, uint32_t from, uint32_t to, uint32_t lo, uint32_t hi)
{
    char a[4], b[4];
    const int size = ch_utf8_write(a, lo);
    ch_utf8_write(b, hi);
    for (int i = 0; i < size; i++) {
        const uint32_t next = i == size - 1 ? to : ch_nfa_state(n);
        ch_nfa_bytes(n, from, next, (uint8_t)a[i], (uint8_t)b[i]);
        from = next;
    }
}

/* All of one length. */
static void cut(ch_nfa *n, uint32_t from, uint32_t to, uint32_t lo, uint32_t hi, int size)
{
    for (int i = 1; i < size; i++) {
        const uint32_t low = (1u << 6 * i) - 1; /* what the last i bytes say */
        if ((lo & ~low) == (hi & ~low))
            continue;
        if (lo & low) {
            cut(n, from, to, lo, lo | low, size);
            cut(n, from, to, (lo | low) + 1, hi, size);
            return;
        }
        if ((hi & low) != low) {
            cut(n, from, to, lo, (hi & ~low) - 1, size);
            cut(n, from, to, hi & ~low, hi, size);
            return;
        }
    }
    spell(n, from, to, lo, hi);
}

void ch_nfa_class(ch_nfa *n, uint32_t from, uint32_t to, const ch_ranges *r)
{
    static const struct { uint32_t lo, hi; int size; } parts[] = {
        {0, 0x7f, 1}, {0x80, 0x7ff, 2}, {0x800, 0xd7ff, 3}, {0xe000, 0xffff, 3},
        {0x10000, LAST, 4}};
    for (size_t i = 0; i < r->n; i++)
        for (size_t k = 0; k < CH_COUNT(parts); k++) {
            const uint32_t lo = CH_MAX(r->at[i].lo, parts[k].lo);
            const uint32_t hi = CH_MIN(r->at[i].hi, parts[k].hi);
            if (lo <= hi)
                cut(n, from, to, lo, hi, parts[k].size);
        }
}
