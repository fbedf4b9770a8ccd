/* merge.h - the merging loop that both algorithms share
 *
 * A piece of text is a list of symbols.  Of all adjacent pairs that may be merged the one with the
 * smallest priority goes first, the leftmost on ties, until none is left.  A binary heap holds the
 * candidates; a candidate whose symbols have changed since is recognised by its length and
 * dropped.  Cost O(n log n) for n symbols. Source: Sennrich et al. 2016; the list and heap as in
 * SentencePiece (Kudo, Richardson 2018). SPDX-License-Identifier: MIT */
#ifndef CH_MERGE_H
#define CH_MERGE_H

#include "base.h"

/* n bytes of the piece from `at`; n = 0: merged into its left neighbour.  id -1: no token yet. */
typedef struct ch_symbol {
    uint32_t at, n;
    int32_t prev, next; /* -1: none */
    ch_token id;
} ch_symbol;

typedef struct ch_candidate {
    uint32_t priority, left, bytes;
    ch_token id;
} ch_candidate;

/* May l and r, neighbours in text, be merged?  Then their priority and the id they make. */
typedef bool ch_pair_fn(const ch_tokenizer *t, const char *text, const ch_symbol *l,
                        const ch_symbol *r, uint32_t *priority, ch_token *id);

typedef struct ch_merger {
    ch_symbol *symbols; /* filled by the caller, from ch_merger_room */
    ch_candidate *heap;
    size_t cap, heap_cap, heap_n;
} ch_merger;

/* Room for n symbols. */
int ch_merger_room(ch_merger *m, size_t n, ch_err *e);
void ch_merger_close(ch_merger *m);
/* Merges symbols 0..n-1, n >= 1, whose at, n and id are set; what is left is linked by `next` from
 * symbol 0. */
int ch_merger_run(ch_merger *m, size_t n, const ch_tokenizer *t, const char *text,
                  ch_pair_fn *pair, ch_err *e);

/* ---- Merges of a byte-pair encoding: (left, right) -> rank and result
 * --------------------------- Open addressing, load below 3/4.  A slot is one quarter of a cache
 * line. */
typedef struct ch_pair {
    ch_token left, right; /* left -1: empty */
    uint32_t rank;
    ch_token id;
} ch_pair;

typedef struct ch_pairs {
    ch_pair *slots;
    size_t cap, n;
} ch_pairs;

int ch_pairs_open(ch_pairs *p, size_t n, ch_err *e); /* for n merges at most */
void ch_pairs_close(ch_pairs *p);
/* The next rank goes to (left, right); a pair that is there already keeps its first rank. */
void ch_pairs_add(ch_pairs *p, ch_token left, ch_token right, ch_token id);
const ch_pair *ch_pairs_find(const ch_pairs *p, ch_token left,
                             ch_token right); /* NULL: no merge */
/* All merges in order of rank, in new memory (free it); p->n of them. */
ch_pair *ch_pairs_sorted(const ch_pairs *p);

#endif
