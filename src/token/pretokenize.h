/* pretokenize.h - cuts text into the pieces within which merging happens
 *
 * A pre-tokenizer is one or more patterns (pretokenizers.def).  The first cuts the text: every
 * match is a piece and so is what lies between matches; each further pattern cuts the pieces of
 * the one before.  Look-ahead therefore sees the end of a piece as the end of the text. Any bytes
 * are accepted: text is first cut into runs of valid UTF-8, which the patterns see, and runs of
 * bytes that are none, which stay as they are.  SPDX-License-Identifier: MIT */
#ifndef CH_PRETOKENIZE_H
#define CH_PRETOKENIZE_H

#include "base.h"

#define CH_PRE_LEVELS 5

typedef struct ch_pretokenizer {
    const char *names; /* GGUF's tokenizer.ggml.pre, separated by spaces, the usual name first */
    bool add_bos;      /* where the file does not say */
    bool whole_first;  /* a piece that is a token as it stands is not merged ("ignore_merges") */
    const char *pattern[CH_PRE_LEVELS]; /* as published; NULL ends the list */
} ch_pretokenizer;

extern const char ch_pattern_gpt2[];

const ch_pretokenizer *ch_pretokenizer_find(const char *name, size_t n); /* NULL: unknown */
const ch_pretokenizer *ch_pretokenizer_like(const char *const *pattern, int n, bool whole_first);
const char *ch_pretokenizer_names(char *out, size_t size); /* "gpt-2, llama-bpe, ..." */
const char *ch_pretokenizer_name(char *out, size_t size,
                                 const ch_pretokenizer *p); /* the usual one */

/* Compiled patterns: immutable, for any number of threads. */
typedef struct ch_cutter ch_cutter;
int ch_cutter_open(ch_cutter **out, const ch_pretokenizer *p, ch_err *e);
void ch_cutter_close(ch_cutter **c);

/* What one thread needs to use them. */
typedef struct ch_cut_work ch_cut_work;
int ch_cut_work_open(ch_cut_work **out, ch_err *e);
void ch_cut_work_close(ch_cut_work **w);

/* Calls piece for each piece in order (n >= 1); valid: whether it is UTF-8.  Stops at the first
 * negative answer. */
typedef int ch_piece_fn(void *arg, const char *piece, size_t n, bool valid);
int ch_cutter_cut(const ch_cutter *c, ch_cut_work *w, const char *text, size_t n,
                  ch_piece_fn *piece, void *arg, ch_err *e);

#endif
