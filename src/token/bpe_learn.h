/* bpe_learn.h - the merges that counted pieces of text give; private to training
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_BPE_LEARN_H
#define CH_BPE_LEARN_H

#include "bpe_pieces.h"
#include "token.h"

typedef struct ch_bpe_word {
    const char *p; /* n bytes in the pieces' text; of the 256 bytes only n is set */
    uint32_t n;
    ch_token left, right; /* what was merged */
} ch_bpe_word;

/* Entries by id: o->n_special unused ones, the bytes, then the merges as they were learned. */
typedef struct ch_bpe_learned {
    ch_bpe_word *word;
    int words;
} ch_bpe_learned;

/* Merges until there are o->vocab entries or no pair is left. */
int ch_bpe_learn(ch_bpe_learned *out, const ch_bpe_pieces *p, const ch_bpe_options *o, ch_err *e);
void ch_bpe_learned_close(ch_bpe_learned *l);

#endif
