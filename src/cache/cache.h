/* cache.h - what a sequence remembers, and the pages of keys and values
 *
 * Sequence state is one small interface: append, fork, roll back, snapshot, restore.  Pages of keys
 * and values are one kind of it; convolutions, windows and state-space layers are others.  A
 * sequence holds one state of each kind that its model needs and keeps them at the same length.
 *
 * Pages.  All sequences of one model share a ch_cache: a fixed budget of pages, reference counted.
 * A page holds page_size keys and values of one layer.  It is *sealed* when full; only sealed pages
 * at page-aligned positions are shared: by forks (which copy the open last page), and by prefix
 * look-up under a page key.  A page that somebody else can see is never written: a state that was
 * rolled back into one goes on in a copy.  Pages that nobody uses stay findable until their room is
 * needed, least recently used first.
 * One cache and its sequences belong to one thread at a time.  SPDX-License-Identifier: MIT */
#ifndef CH_CACHE_H
#define CH_CACHE_H

#include "base.h"
#include "kernel.h"
#include "tensor.h"

/* ---- Sequence state ------------------------------------------------------------------------ */

typedef struct ch_state ch_state;

typedef struct ch_state_kind {
    const char *name;
    /* Room for `rows` more tokens; they count as appended at once and their contents are written by
     * the step that follows, before anything but a rollback to the length before, which undoes it.
     * On failure nothing has changed (CH_ELIMIT: the cache is full). */
    int (*append)(ch_state *s, int rows, ch_err *e);
    /* A second state equal to s from here on independent of it. */
    int (*fork)(ch_state **out, ch_state *s, ch_err *e);
    /* The least length but 0 that rollback can go back to now; 0 can be reached always. */
    int (*least)(const ch_state *s);
    /* Forgets all but the first `length` tokens, 0 <= length <= s->length.  CH_ELIMIT when the kind
     * cannot go back so far (it says how far it can); nothing has changed then.  It fails in no
     * other way. */
    int (*rollback)(ch_state *s, int length, ch_err *e);
    /* Appends bytes to b from which restore rebuilds the same state, to the bit, in a state that is
     * empty. */
    int (*snapshot)(const ch_state *s, ch_buf *b, ch_err *e);
    /* Consumes *n <= size bytes.  Bytes that do not fit this state's shape: CH_EFORMAT, and s stays
     * empty. */
    int (*restore)(ch_state *s, const void *bytes, size_t size, size_t *n, ch_err *e);
    void (*close)(ch_state *s);
} ch_state_kind;

struct ch_state { /* first member of every kind's struct */
    const ch_state_kind *kind;
    int length; /* tokens */
};

enum { CH_MAX_STATES = 4 };

typedef struct ch_sequence {
    ch_state *state[CH_MAX_STATES]; /* owned */
    int n_states;
    int length;
} ch_sequence;

/* Each acts on all states or, on failure, on none. */
int ch_sequence_append(ch_sequence *q, int rows, ch_err *e);
int ch_sequence_fork(ch_sequence *out, ch_sequence *q, ch_err *e);
int ch_sequence_rollback(ch_sequence *q, int length, ch_err *e);
int ch_sequence_snapshot(const ch_sequence *q, ch_buf *b, ch_err *e);
int ch_sequence_restore(ch_sequence *q, const void *bytes, size_t size, ch_err *e); /* q empty */
void ch_sequence_close(ch_sequence *q);
/* The state of a kind, or NULL. */
ch_state *ch_sequence_state(const ch_sequence *q, const ch_state_kind *kind);

/* ---- Pages --------------------------------------------------------------------------------- */

typedef struct ch_cache ch_cache;

typedef struct ch_cache_options {
    int layers, kv_heads, head_width;
    int page_size;             /* 0: 32 */
    ch_dtype k_dtype, v_dtype; /* f32, f16, bf16, q8_0, values also q4_0 (CH_REAL in double
                                  builds) */
    int max_tokens;            /* budget over all sequences, in whole pages, taken lazily */
    const ch_kernels *kernels; /* that write rows: faster, the same bits; copied; NULL: plain C */
} ch_cache_options;

int ch_cache_open(ch_cache **out, const ch_cache_options *o, ch_err *e);
void ch_cache_close(ch_cache **c); /* after all its states */
const ch_cache_options *ch_cache_get_options(const ch_cache *c); /* with defaults filled in */
int ch_cache_width(const ch_cache *c); /* padded head width */
typedef struct ch_cache_stats {
    size_t pages, used, findable, page_bytes; /* findable: unused but kept for prefix look-up */
    uint64_t hits, misses, evictions;         /* each counts one page of every layer together */
} ch_cache_stats;
ch_cache_stats ch_cache_get_stats(const ch_cache *c);

extern const ch_state_kind ch_pages_kind;
int ch_pages_open(ch_state **out, ch_cache *c, ch_err *e); /* an empty state of ch_pages_kind */

/* Writes the keys and values (n rows of kv_heads * head_width reals, ld apart) of tokens [at, at+n)
 * in `layer`; they must have been appended, and only writes may have happened since.  pos: their
 * positions.  Converted to the stored dtype row by row. */
void ch_pages_write(ch_state *s, int layer, int at, int n, const real *k, const real *v,
                    ptrdiff_t ld, const int32_t *pos);
/* What attention reads of `layer`; valid until the state changes.  The first `length` keys
 * (<= s->length). */
void ch_pages_view(ch_kv_view *out, const ch_state *s, int layer, int length);

/* Page keys.  A scope hashes everything besides tokens that decides a page's contents; keys chain
 * from it, page by page, so equal keys mean equal prefixes.  NULL strings count as empty. */
ch_hash128 ch_page_scope(ch_hash128 model, const char *adapters, const ch_cache_options *o,
                         const char *policy);
ch_hash128 ch_page_key(ch_hash128 before, const ch_token *tokens, int n);

/* Appends to an empty-tailed state (length a multiple of page_size) every page found under keys[0],
 * keys[1], ... in turn; returns how many.  For sequences that are pages alone: the caller then sets
 * the sequence's length to the state's. */
int ch_pages_adopt(ch_state *s, const ch_hash128 *keys, int n_keys);
/* Makes the sealed page number `page` of all layers findable under key; a key that is taken keeps
 * its pages. */
void ch_pages_publish(ch_state *s, int page, ch_hash128 key);

/* ---- Short convolutions ------------------------------------------------------------------------
 *
 * What layers of ch_op_convolve need of the past: of each of `layers` such layers, the inputs of
 * the last tokens.  Going back is possible by CH_CONVOLUTION_BACK tokens at least, and to 0. */
enum { CH_CONVOLUTION_BACK = 64 };

typedef struct ch_convolution_options {
    int layers, width, taps; /* layers that convolve, D, J */
} ch_convolution_options;

extern const ch_state_kind ch_convolution_kind;
int ch_convolution_open(ch_state **out, const ch_convolution_options *o, ch_err *e);
/* The J - 1 rows before token `at`, the nearest last, for ch_op_convolve; NULL: none.  Valid until
 * the layer is written to. */
void ch_convolution_before(const real **rows, const ch_state *s, int layer, int at);
/* Inputs (n rows of D reals, ld apart) of tokens [at, at+n), which have been appended and end with
 * the last one. */
void ch_convolution_write(ch_state *s, int layer, int at, int n, const real *x, ptrdiff_t ld);

#endif
