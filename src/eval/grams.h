/* grams.h - texts as words or characters, and the n-grams that two of them share
 *
 * A unit is known by its hash, an n-gram by the hash of its units: 128 bits, so that none are taken
 * for others.  SPDX-License-Identifier: MIT */
#ifndef CH_GRAMS_H
#define CH_GRAMS_H

#include "eval.h"

typedef struct ch_units {
    ch_hash128 *at; /* malloc'ed */
    size_t n, cap;
} ch_units;

/* Appends: runs of letters, marks and digits, in lower case (ROUGE). */
int ch_units_words(ch_units *u, ch_text t, ch_err *e);
/* What stands between white space, with a punctuation mark at its end, or else at its beginning,
 * apart (chrF++). */
int ch_units_tokens(ch_units *u, ch_text t, ch_err *e);
/* Characters but white space; bytes that are none stand for themselves. */
int ch_units_chars(ch_units *u, ch_text t, ch_err *e);
void ch_units_free(ch_units *u);

/* The n-grams of u, as hashes in ascending order. */
int ch_units_grams(ch_units *out, const ch_units *u, int order, ch_err *e);
/* Of two such lists: how many are in both, each as often as in the one that has fewer. */
size_t ch_grams_shared(const ch_units *a, const ch_units *b);

#endif
