/* bpe_pieces.h - how often each piece of text occurs: what training a BPE starts from
 *
 * Memory grows with distinct pieces only.  SPDX-License-Identifier: MIT */
#ifndef CH_BPE_PIECES_H
#define CH_BPE_PIECES_H

#include "base.h"

typedef struct ch_bpe_piece {
    size_t at; /* bytes text[at .. at+n) */
    uint64_t count;
    uint32_t n, hash;
} ch_bpe_piece;

typedef struct ch_bpe_pieces {
    char *text; /* the pieces one after another, each once */
    size_t bytes, text_cap;
    ch_bpe_piece *piece;
    size_t n, cap;
    uint32_t *slots; /* index + 1, 0: empty */
    size_t slots_cap;
} ch_bpe_pieces;

int ch_bpe_pieces_add(ch_bpe_pieces *p, const char *piece, size_t n, ch_err *e);
void ch_bpe_pieces_close(ch_bpe_pieces *p);

#endif
