/* batch.c - the rows of a leaf, from (seed, leaf number) alone
 *
 *   number of a sequence   q = leaf * count + i      epoch = q / S, its place there = q mod S
 *                          (in a mixture q becomes its number in its source: sources.c)
 *   S = ceil(n / length)   sequence s of an epoch: tokens offset + s * length ... of the ring
 *
 * Which s stands at a place is a permutation of 0..S-1 that needs no memory: a Feistel network
 * (six rounds of Philox) over the smallest even number of bits that holds S, walked until it lands
 * inside (Black & Rogaway 2002). SPDX-License-Identifier: MIT */
#include "train.h"

#include <stdlib.h>

enum { ROUNDS = 6 };

int ch_batch_open(ch_batch *b, int count, int length, ch_err *e)
{
    *b = (ch_batch){.n = count * length};
    const size_t n = (size_t)b->n;
    b->id = calloc(n, sizeof *b->id);
    b->target = calloc(n, sizeof *b->target);
    b->pos = calloc(n, sizeof *b->pos);
    b->first = calloc(n, sizeof *b->first);
    b->depth = calloc(n, sizeof *b->depth);
    if (b->id && b->target && b->pos && b->first && b->depth)
        return CH_OK;
    ch_batch_close(b);
    return ch_fail(e, CH_ENOMEM, "no memory for a batch of %zu rows", n);
}

void ch_batch_close(ch_batch *b)
{
    free(b->id);
    free(b->target);
    free(b->pos);
    free(b->first);
    free(b->depth);
    *b = (ch_batch){0};
}

static uint64_t permute(uint64_t place, uint64_t n, uint64_t seed, uint64_t epoch)
{
    int bits = 1; /* of each half */
    while (bits < 31 && (uint64_t)1 << (2 * bits) < n)
        bits++;
    const uint32_t mask = ((uint32_t)1 << bits) - 1;
    do {
        uint32_t left = (uint32_t)(place >> bits), right = (uint32_t)place & mask;
        for (uint32_t round = 1; round <= ROUNDS; round++) {
            uint32_t random[4];
            ch_rng_block(random, seed, CH_RNG_DATA, round, epoch << 32 | right);
            const uint32_t next = left ^ (random[0] & mask);
            left = right;
            right = next;
        }
        place = (uint64_t)left << bits | right;
    } while (place >= n);
    return place;
}

/* The document that holds token p. */
static int64_t document_of(const ch_corpus *c, int64_t p)
{
    int64_t low = 0, high = c->documents;
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        if (c->start[middle] <= p)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* What follows token p of a document that ends before `end`. */
static ch_token target_of(const ch_corpus *c, int64_t p, int64_t end)
{
    if (p + 1 < end)
        return ch_corpus_trains(c, p + 1) ? ch_corpus_token(c, p + 1) : -1;
    return ch_corpus_trains(c, p) ? c->end : -1;
}

/* Rows [row, row + length): `rows` tokens from p on, then padding, each row of which is a document
 * of its own. */
static void cut(ch_batch *b, int row, int length, const ch_corpus *c, int64_t p, int64_t rows)
{
    int32_t first = row;
    int64_t document = rows > 0 ? document_of(c, p) : 0;
    for (int32_t t = row; t < row + rows; t++, p++) {
        if (p == c->start[document + 1]) {
            document = p == c->n ? 0 : document + 1;
            p = c->start[document];
            first = t;
        }
        b->id[t] = ch_corpus_token(c, p);
        b->first[t] = first;
        b->pos[t] = t - first;
        b->target[t] = target_of(c, p, c->start[document + 1]);
        b->targets += b->target[t] >= 0;
    }
    for (int32_t t = row + (int32_t)rows; t < row + length; t++) {
        b->id[t] = ch_corpus_token(c, 0);
        b->first[t] = t;
        b->pos[t] = 0;
        b->target[t] = -1;
    }
}

/* Sequence q of a corpus that is no mixture. */
static void sequence(ch_batch *b, int row, int length, const ch_corpus *c, uint64_t seed,
                     int64_t q)
{
    const int64_t S = (c->n + length - 1) / length, epoch = q / S;
    const int64_t s = (int64_t)permute((uint64_t)(q % S), (uint64_t)S, seed, (uint64_t)epoch);
    const int64_t offset =
        (int64_t)ch_rng_below((uint64_t)c->n, seed, CH_RNG_DATA, 0, (uint64_t)epoch);
    cut(b, row, length, c, (offset + s * length) % c->n,
        CH_MIN((int64_t)length, c->n - s * length));
}

void ch_batch_fill(ch_batch *b, const ch_corpus *c, uint64_t seed, int count, int length,
                   int64_t leaf)
{
    b->targets = 0;
    for (int i = 0; i < count; i++) {
        int64_t q = leaf * count + i;
        const ch_corpus *from =
            c->sources > 0 ? &c->source[ch_sources_pick(c->share, c->sources, &q)] : c;
        sequence(b, i * length, length, from, seed, q);
    }
}

void ch_batch_draw_depths(ch_batch *b, int most, uint64_t seed, int64_t leaf)
{
    for (int t = 0; t < b->n; t++)
        b->depth[t] = 1 + (int32_t)ch_rng_below((uint64_t)most, seed, CH_RNG_DEPTH, (uint32_t)t,
                                                (uint64_t)leaf);
}

void ch_batch_fill_even(ch_batch *b, const ch_corpus *c, int count, int length, int64_t at,
                        int64_t of)
{
    const int64_t S = (c->n + length - 1) / length;
    b->targets = 0;
    for (int i = 0; i < count; i++) {
        const int64_t s = at + i < of ? (at + i) * S / of : S;
        const int64_t p = CH_MIN(s * length, c->n);
        cut(b, i * length, length, c, p, CH_MIN((int64_t)length, c->n - p));
    }
}
