/* duplicates.c - how much of the texts was there before, in other documents, word for word
 *
 * Every run of 50 bytes (a blank for any number of blanks) has a rolling hash, a polynomial in it;
 * those whose mixed hash ends in k zero bits are a fair sample of all places, the same in every
 * copy of a text wherever it stands (Manber 1994).  k follows from the size of the texts, so that
 * the samples fit a table of fixed size.  A document is a near duplicate when at least half of its
 * sampled runs were in earlier documents; short ones without a sampled run are not judged.
 * SPDX-License-Identifier: MIT */
#include "train.h"

#include <stdlib.h>

enum { RUN = 50, BITS_MIN = 4 };
#ifdef CH_HOSTILE
#define SLOTS ((size_t)64)
#else
#define SLOTS ((size_t)1 << 20)
#endif
#define FACTOR 0x9e3779b97f4a7c15u /* odd, of the polynomial */

typedef struct table {
    struct slot {
        uint64_t hash;     /* 0: empty */
        uint32_t document; /* that it was first seen in, counted from 1 */
    } *slot;
    size_t n;
    int bits; /* k */
} table;

static uint64_t mix(uint64_t x)
{
    x ^= x >> 31;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static struct slot *find(const table *t, uint64_t hash)
{
    size_t i = (size_t)(hash >> 40) & (SLOTS - 1);
    while (t->slot[i].hash && t->slot[i].hash != hash)
        i = (i + 1) & (SLOTS - 1);
    return &t->slot[i];
}

typedef struct window {
    unsigned char at[RUN];
    int next, n;
    uint64_t hash, oldest; /* oldest: FACTOR to the power of RUN */
    bool blank;
} window;

/* One more byte; 0 where there is no run yet, or it is no new one. */
static uint64_t roll(window *w, unsigned char c)
{
    const bool blank = c == ' ' || (c >= '\t' && c <= '\r');
    if (blank && w->blank)
        return 0;
    w->blank = blank;
    const uint64_t in = blank ? ' ' : c, out = w->n == RUN ? w->at[w->next] + 1u : 0;
    w->at[w->next] = (unsigned char)in;
    w->next = w->next + 1 == RUN ? 0 : w->next + 1;
    w->n += w->n < RUN;
    w->hash = w->hash * FACTOR + in + 1 - out * w->oldest;
    return w->n == RUN ? mix(w->hash) : 0;
}

static void scan(table *t, uint64_t *runs, uint64_t *before, const ch_part *part, size_t n,
                 uint32_t document)
{
    window w = {.oldest = 1, .blank = true};
    for (int i = 0; i < RUN; i++)
        w.oldest *= FACTOR;
    *runs = *before = 0;
    for (size_t p = 0; p < n; p++)
        for (size_t i = 0; i < part[p].n; i++) {
            const uint64_t hash = roll(&w, (unsigned char)part[p].bytes[i]);
            if (!hash || hash & (((uint64_t)1 << t->bits) - 1))
                continue;
            struct slot *s = find(t, hash);
            ++*runs;
            *before += s->hash && s->document < document;
            if (!s->hash && t->n < SLOTS / 4 * 3) {
                *s = (struct slot){hash, document};
                t->n++;
            }
        }
}

int ch_texts_near(ch_texts *texts, ch_err *e)
{
    ch_duplicates *d = &texts->duplicates;
    table t = {.slot = calloc(SLOTS, sizeof *t.slot), .bits = BITS_MIN};
    if (!t.slot)
        return ch_fail(e, CH_ENOMEM, "no memory to look for near duplicates");
    while (texts->bytes >> t.bits > SLOTS / 2)
        t.bits++;
    d->near = d->near_bytes = 0;
    for (size_t i = 0; i < texts->n; i++) {
        const struct ch_text *text = &texts->at[i];
        uint64_t runs, before;
        scan(&t, &runs, &before, texts->part + text->first, text->parts,
             (uint32_t)CH_MIN(i + 1, (size_t)UINT32_MAX));
        if (runs > 0 && 2 * before >= runs) {
            d->near++;
            d->near_bytes += text->n;
        }
    }
    free(t.slot);
    return CH_OK;
}
