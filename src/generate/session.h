/* session.h - what the files of generate/ share.  SPDX-License-Identifier: MIT */
#ifndef CH_SESSION_H
#define CH_SESSION_H

#include "generate.h"
#include "grammar.h"
#include "lora.h"

#include <stdatomic.h>

enum { CH_DRAFT_MOST = 16, CH_GRAMMAR_BEGUN = 64 };

/* What a family of forks has in common; the last member to close frees it. */
typedef struct ch_family {
    int members;
    const ch_model *model;
    const ch_adapters *adapters; /* NULL, or one that every row has */
    ch_pool *pool;
    ch_cache *cache;
    ch_kernels kernels;
    ch_arena scratch;
    ch_hash128 scope; /* of page keys */
    ch_hash128 adapter; /* zero: none */
    unsigned features;  /* of the CPU, that kernels were chosen by */
    int context, step_rows;
    int logit_rows;     /* most rows whose logits one step may give */
    ch_candidate *work;  /* V */
    ch_candidate *lanes; /* (n_lanes, V), of in_advance.c */
    int n_lanes;
    float *hidden;      /* V times -inf, but while a token is drawn that obeys a grammar */
    const uint64_t *mask; /* of that one */
} ch_family;

/* tokens[0..n_tokens) is the timeline.  The first `computed` of them have been through the
 * layers; behind them the sequence may hold guesses that were computed ahead and are not part of
 * the timeline until drawn. */
struct ch_session {
    ch_family *family;
    ch_sequence sequence;  /* length: computed + guesses not yet used */
    ch_token *tokens;      /* room for `context`; -1 for rows that entered as vectors */
    int n_tokens, computed;
    ch_hash128 scope;      /* of its page keys */
    ch_hash128 *page_keys; /* of the first `keyed` whole pages */
    int keyed;
    bool private_pages;    /* vectors were fed, or the model trains: tokens do not tell what pages
                              hold */
    bool has_last;
    float *last; /* V logits after token computed-1, if has_last; where they are not, that token is
                    computed again when they are needed */

    int drawn_at;          /* tokens; 0: nothing is drawn in advance, or there are other logits */
    ch_token drawn;        /* what comes next, as sampled */
    ch_sampling drawn_by;  /* by this */

    ch_draft_fn *draft;
    void *draft_arg;
    int draft_most;
    ch_token guess[CH_DRAFT_MOST];
    float *guess_logits;   /* (guess_room, V), taken when a drafter is set: after guess[i] */
    int guess_room;        /* the most that a drafter ever had */
    int guesses, used;     /* used < guesses: a token that waits is guess[used] */

    double last_steps, guess_steps[CH_DRAFT_MOST]; /* ch_session_steps; guess: after guess[i] */
    double row_steps[CH_DRAFT_MOST + 1]; /* of the last step's last rows, the last one first */
    ch_grammar *grammar; /* NULL: anything goes */
    int grammar_from;    /* the token that is its first, but for what comes before it: */
    char grammar_begun[CH_GRAMMAR_BEGUN];
    int n_grammar_begun;
    int grammar_at;      /* tokens it has seen, `place` is where that led; -1: begin again */
    ch_place place;

    ch_own_sampler own;
    bool has_own;
    ch_tap_fn *tap;
    void *tap_arg;
    ch_profile *profile;
    ch_inputs_fn *inputs;
    void *inputs_arg;
    ch_session_stats stats;
    atomic_int cancelled;
};

/* Computes what is fed and not computed; leaves the last token's logits in s->last.  On failure the
 * first `computed` tokens are, and no token is dropped: that is the caller's. */
int ch_session_catch_up(ch_session *s, ch_err *e);
/* The last token's logits are in s->last, computed if need be; there is one. */
int ch_session_current(ch_session *s, ch_err *e);
/* CH_ECANCELED, once, after ch_session_cancel. */
int ch_session_interrupted(ch_session *s, ch_err *e);
void ch_session_keep_logits(ch_session *s, const real *row); /* in s->last */
/* The token at the end of s by those logits; no grammar is asked. */
ch_token ch_session_sampled(const ch_session *s, const float *logits, ch_candidate *work,
                            const ch_sampling *how);
/* (L, n) zeros for ch_step.spent, or NULL where all rows take as many; it is taken from the scratch
 * arena, which has so many bytes for a row.  count_steps reads those of rows [first, first + rows)
 * of n. */
int32_t *ch_session_spent(ch_session *s, int n);
size_t ch_session_spent_bytes(const ch_model *m);
void ch_session_count_steps(ch_session *s, const int32_t *spent, int n, int first, int rows);
/* Takes the sequence back to `length` <= computed tokens; their logits are gone then.  Where its
 * states do not go back so far, to nothing: all is computed again when it is needed. */
int ch_session_go_back(ch_session *s, int length, ch_err *e);
/* Keys for whole pages of computed tokens; makes newly sealed ones findable. */
void ch_session_seal(ch_session *s);
/* Asks the drafter for `most` guesses at most, into s->guess; returns how many they are. */
int ch_session_ask_drafter(ch_session *s, int most);
/* Takes guesses that were computed ahead out of the sequence again. */
int ch_session_drop_guesses(ch_session *s, ch_err *e);
/* The logits to draw from: s->last, or what the grammar leaves of it (obey.c).  After CH_OK nothing
 * may happen but a draw and ch_session_obeying, which puts s->last back and returns the token
 * drawn, or -1 where the grammar forbids it: nothing else could be drawn. */
int ch_session_allowed(const float **logits, ch_session *s, ch_err *e);
ch_token ch_session_obeying(ch_session *s, const float *logits, ch_token drawn);
void ch_session_grammar_back(ch_session *s, int length); /* the timeline is that long again */
/* Room for n more tokens, ids within the vocabulary: else CH_ELIMIT or CH_EARG with the numbers.
 */
int ch_session_accepts(const ch_session *s, const ch_token *tokens, int n, ch_err *e);

#endif
