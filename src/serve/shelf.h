/* shelf.h - compiled grammars: the same again is found, not made
 *
 *     ch_shelved *g;
 *     ch_shelf_take(&g, shelf, &want, &e);     from any thread; may take its time
 *     ... g->grammar, of the engine's thread alone ...
 *     ch_shelf_give(shelf, &g);
 *
 * Requests that send the same schema share what was made of it, also at once: of those that come
 * together one compiles and the others wait for it.  One that forgets again and again is shared
 * with nobody new: each of its users would make the others' places stale.  What nobody uses is kept
 * within a number of bytes; the least recently used goes first.  Time and memory have bounds: so
 * many threads compile at once, one grammar has so many bytes, those in use have so many, and who
 * cannot be served in time is told to come again.  A user (salt) finds its own alone, as in the
 * cache of prompts: a list of names is soon guessed, and the clock would say whether somebody else
 * has sent it.
 * SPDX-License-Identifier: MIT */
#ifndef CH_SHELF_H
#define CH_SHELF_H

#include "base.h"
#include "grammar.h"

typedef struct ch_shelf ch_shelf;

typedef struct ch_shelved {
    ch_grammar *grammar; /* borrowed, until it is given back */
    size_t bytes;        /* as it was compiled */
} ch_shelved;

typedef struct ch_shelf_options {
    const ch_tokenizer *tk; /* outlives it */
    size_t most_one;  /* bytes of one, as it was compiled; 0: 8 MiB */
    size_t most_used; /* from here on nothing is compiled until some are given back; 0: 512 MiB */
    size_t most_kept; /* of those that nobody uses; 0: 64 MiB */
    int compilers;    /* threads that compile at once; 0: 2 */
} ch_shelf_options;

typedef struct ch_shelf_want {
    ch_grammar_kind kind;
    const char *text; /* n bytes; copied */
    size_t n;
    size_t memory;    /* as in ch_grammar_options */
    uint64_t salt;
    uint64_t *wait_ns; /* how long it may yet wait for others; what it waits goes off.  NULL: 0 */
} ch_shelf_want;

typedef struct ch_shelf_stats {
    uint64_t compiled, found;
    size_t used_bytes, kept_bytes; /* as they were when they were taken, and given back */
} ch_shelf_stats;

int ch_shelf_open(ch_shelf **out, const ch_shelf_options *o, ch_err *e);
void ch_shelf_close(ch_shelf **s); /* when all has been given back */
/* CH_EBUSY: not in time.  CH_ELIMIT: it is too large, with both numbers.  Else what
 * ch_grammar_open says. */
int ch_shelf_take(ch_shelved **out, ch_shelf *s, const ch_shelf_want *w, ch_err *e);
void ch_shelf_give(ch_shelf *s, ch_shelved **g); /* *g may be NULL */
/* What one request may have, of bytes as they were compiled: a quarter of most_used.  The others
 * could else compile nothing, nor could it itself, however often it came again. */
size_t ch_shelf_share(const ch_shelf *s);
void ch_shelf_get_stats(ch_shelf_stats *out, ch_shelf *s);

#endif
