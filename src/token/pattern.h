/* pattern.h - regular expressions as tokenizer files write them, over PCRE2
 *
 * The files mean Oniguruma's Ruby syntax with Unicode classes.  What PCRE2 would read differently
 * is spelled out (\s \d \w and their opposites, \uHHHH) or refused by name (\h, \R, classes within
 * classes, &&, [:name:], verbs, }+, more than 1000 repetitions).  ^ and $ are at lines, as there.
 * SPDX-License-Identifier: MIT */
#ifndef CH_PATTERN_H
#define CH_PATTERN_H

#include "base.h"

#define CH_PATTERN_MAX (1 << 15) /* bytes of a pattern */

/* Compiled: immutable, for any number of threads. */
typedef struct ch_pattern ch_pattern;
/* ours: the pattern is of our own list, linear in the text, and runs without limits.  What all
 * matches of a stranger's in a text may take is a multiple of the text, and more is CH_ELIMIT. */
int ch_pattern_open(ch_pattern **out, const char *text, size_t n, bool ours, ch_err *e);
void ch_pattern_close(ch_pattern **p);

/* What one thread needs to use patterns. */
typedef struct ch_pattern_work ch_pattern_work;
int ch_pattern_work_open(ch_pattern_work **out, ch_err *e);
void ch_pattern_work_close(ch_pattern_work **w);

/* Walks the matches in text[0..n), which is UTF-8, from left to right: 1 and the match's place, 0
 * at the end, or an error.  An empty match counts where no match ended just there. */
typedef struct ch_matches {
    const ch_pattern *p;
    ch_pattern_work *w;
    const char *text;
    size_t n, from, last_end; /* last_end SIZE_MAX: none yet */
    size_t start, end;
    uint64_t left; /* work that a stranger's pattern may still make */
    size_t seen;   /* where it was counted last */
} ch_matches;
int ch_matches_next(ch_matches *m, ch_err *e);

#endif
