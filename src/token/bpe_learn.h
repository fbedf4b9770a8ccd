/* bpe_learn.h - the merges that counted pieces of text give; private to training
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_BPE_LEARN_H
#define CH_BPE_LEARN_H

#include "bpe_pieces.h"
#include "token.h"

typedef struct ch_bpe_word { /* a token's bytes, in the pieces' text (the 256 bytes: NULL) */
    const char *p;
    uint32_t n;
} ch_bpe_word;

typedef struct ch_bpe_merge {
    ch_token left, right, id;
} ch_bpe_merge;

typedef struct ch_bpe_learned {
    ch_bpe_word *word; /* o->vocab of them; the first o->n_special are unused */
    int words;         /* how many there are, specials counted */
    ch_bpe_merge *merge;
    size_t merges, cap;
} ch_bpe_learned;

/* Merges until there are o->vocab entries or no pair is left. */
int ch_bpe_learn(ch_bpe_learned *out, const ch_bpe_pieces *p, const ch_bpe_options *o, ch_err *e);
void ch_bpe_learned_close(ch_bpe_learned *l);

#endif
