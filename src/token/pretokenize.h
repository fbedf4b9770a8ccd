/* pretokenize.h - cuts text into the pieces within which tokens are made
 *
 * A pre-tokenizer is a list of steps; each works on every piece that the one before made, so
 * look-ahead sees the end of a piece as the end of the text.  A step cuts by a pattern, or puts a
 * space in front, or writes spaces as U+2581.  The families' own are lists of patterns
 * (pretokenizers.def); tokenizer.json may ask for others (json_pre.c).  Any bytes are accepted:
 * before the first pattern text is cut into runs of valid UTF-8, which patterns see, and runs of
 * bytes that are none, which stay as they are.  SPDX-License-Identifier: MIT */
#ifndef CH_PRETOKENIZE_H
#define CH_PRETOKENIZE_H

#include "base.h"
#include "pattern.h"

#define CH_PRE_LEVELS 8

#define CH_META       "\xe2\x96\x81" /* U+2581, a space in vocabularies */
#define CH_META_BYTES 3

typedef enum ch_pre_kind {
    CH_PRE_SPLIT, /* by a pattern */
    CH_PRE_SPACE, /* a space in front of a piece that has none */
    CH_PRE_META,  /* spaces become U+2581 */
} ch_pre_kind;

/* What becomes of a match (Hugging Face's SplitDelimiterBehavior). */
typedef enum ch_pre_behaviour {
    CH_PRE_ISOLATED, /* a piece of its own */
    CH_PRE_REMOVED,
    CH_PRE_WITH_PREVIOUS,
    CH_PRE_WITH_NEXT,
    CH_PRE_CONTIGUOUS, /* one piece with the matches beside it */
} ch_pre_behaviour;

/* Where CH_PRE_META puts a U+2581 in front. */
typedef enum ch_meta_prefix {
    CH_META_NEVER,
    CH_META_FIRST,  /* at the very start of the text, unless one is there */
    CH_META_ALWAYS, /* before every piece, unless one is there */
    CH_META_FORCE,  /* before every piece */
} ch_meta_prefix;

/* Where it cuts. */
typedef enum ch_meta_cut {
    CH_META_WHOLE,
    CH_META_EACH,  /* before each U+2581 */
    CH_META_WORDS, /* before a U+2581 that follows something else */
} ch_meta_cut;

typedef struct ch_pre_step {
    ch_pre_kind kind;
    ch_pre_behaviour behaviour;
    bool invert; /* what lies between matches counts as the match */
    ch_meta_prefix prefix;
    ch_meta_cut cut;
    bool keep; /* CH_PRE_META: cuts only, spaces stay */
    const char *pattern; /* borrowed while the cutter is opened */
    size_t n;
    bool ours; /* see ch_pattern_open */
} ch_pre_step;

/* A line of pretokenizers.def. */
typedef struct ch_pretokenizer {
    const char *names; /* GGUF's tokenizer.ggml.pre, separated by spaces, the usual name first */
    bool add_bos;      /* where the file does not say */
    bool whole_first;  /* a piece that is a token as it stands is not merged ("ignore_merges") */
    const char *pattern[CH_PRE_LEVELS]; /* as published; NULL ends the list */
} ch_pretokenizer;

extern const char ch_pattern_gpt2[];

const ch_pretokenizer *ch_pretokenizer_find(const char *name, size_t n); /* NULL: unknown */
/* The line that cuts as these steps do. */
const ch_pretokenizer *ch_pretokenizer_like(const ch_pre_step *step, int n, bool whole_first);
int ch_pretokenizer_steps(ch_pre_step out[CH_PRE_LEVELS], const ch_pretokenizer *p);
const char *ch_pretokenizer_names(char *out, size_t size); /* "gpt-2, llama-bpe, ..." */
const char *ch_pretokenizer_name(char *out, size_t size,
                                 const ch_pretokenizer *p); /* the usual one */

/* Compiled steps: immutable, for any number of threads.  No steps: pieces are runs of valid and
 * invalid text. */
typedef struct ch_cutter ch_cutter;
int ch_cutter_open(ch_cutter **out, const ch_pretokenizer *p, ch_err *e);
int ch_cutter_open_steps(ch_cutter **out, const ch_pre_step *step, int n, ch_err *e);
void ch_cutter_close(ch_cutter **c);
/* Only patterns are run, never the hand-written scanners (ascii_scan.c): for tests. */
void ch_cutter_general(ch_cutter *c);

/* What one thread needs to use them. */
typedef struct ch_cut_work ch_cut_work;
int ch_cut_work_open(ch_cut_work **out, ch_err *e);
void ch_cut_work_close(ch_cut_work **w);

/* Calls piece for each piece in order (n >= 1; its bytes live as long as the call); valid: whether
 * it is UTF-8.  Stops at the first negative answer.  first: text stands at the very start. */
typedef int ch_piece_fn(void *arg, const char *piece, size_t n, bool valid);
int ch_cutter_cut(const ch_cutter *c, ch_cut_work *w, const char *text, size_t n, bool first,
                  ch_piece_fn *piece, void *arg, ch_err *e);

#endif
