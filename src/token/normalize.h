/* normalize.h - what is done to text before it is cut
 *
 * A list of steps, each over the whole text.  Any bytes are accepted; those that are not UTF-8 stay
 * (BERT's cleaning and SentencePiece's table make U+FFFD of them).
 * Sources: Hugging Face tokenizers, normalizers; SentencePiece, normalizer.cc.
 * SPDX-License-Identifier: MIT */
#ifndef CH_NORMALIZE_H
#define CH_NORMALIZE_H

#include "pattern.h"

#define CH_NORM_STEPS 16

typedef enum ch_norm_kind {
    CH_NORM_NFC,
    CH_NORM_NFD,
    CH_NORM_NFKC,
    CH_NORM_NFKD,
    CH_NORM_LOWER,
    CH_NORM_STRIP_ACCENTS,
    CH_NORM_REPLACE, /* string by content */
    CH_NORM_REPLACE_PATTERN,
    CH_NORM_PREPEND, /* content, before text that is not empty */
    CH_NORM_STRIP,
    CH_NORM_CHARSMAP, /* SentencePiece's compiled table */
    CH_NORM_COLLAPSE, /* SentencePiece's remove_extra_whitespaces */
    CH_NORM_BERT,
} ch_norm_kind;

enum { /* flags of CH_NORM_STRIP and CH_NORM_BERT */
    CH_NORM_LEFT = 1,
    CH_NORM_RIGHT = 2,
    CH_NORM_CLEAN = 4,
    CH_NORM_CHINESE = 8,
    CH_NORM_ACCENTS = 16,
    CH_NORM_LOWERCASE = 32,
};

typedef struct ch_normalizer ch_normalizer;
int ch_normalizer_open(ch_normalizer **out, ch_err *e); /* without steps */
void ch_normalizer_close(ch_normalizer **n);
/* `a` is what REPLACE looks for or the table of CHARSMAP, `b` the content; both are copied. */
int ch_normalizer_add(ch_normalizer *z, ch_norm_kind kind, int flags, const void *a, size_t na,
                      const void *b, size_t nb, ch_err *e);
/* The table of the first CHARSMAP step; NULL: there is none. */
const void *ch_normalizer_charsmap(const ch_normalizer *z, size_t *n);
/* Its steps as flags: bit CH_NORM_...; and those of its BERT step. */
unsigned ch_normalizer_kinds(const ch_normalizer *z, int *bert);

typedef struct ch_norm_work {
    ch_buf a, b;
    ch_pattern_work *match;
} ch_norm_work;
void ch_norm_work_init(ch_norm_work *w);
void ch_norm_work_close(ch_norm_work *w);

/* *out is text itself or lies in w until the next call. */
int ch_normalizer_run(const char **out, size_t *n_out, const ch_normalizer *z, ch_norm_work *w,
                      const char *text, size_t n, ch_err *e);

/* charsmap.c: SentencePiece's precompiled_charsmap.  check: is it one, to the last byte? */
bool ch_charsmap_check(const unsigned char *map, size_t n);
void ch_charsmap_run(ch_buf *b, const unsigned char *map, size_t n_map, const char *text,
                     size_t n);

#endif
