/* generate.h - a session: one timeline of tokens
 *
 * The public part is in chalcis.h ("Sessions").  A family of forked sessions shares a cache, a
 * thread pool and scratch memory, and belongs to one thread at a time.  Everything that changes
 * bits (the dtype of the cache) is chosen when the first of the family is opened and is part of
 * its page keys.  SPDX-License-Identifier: MIT */
#ifndef CH_GENERATE_H
#define CH_GENERATE_H

#include "cache.h"
#include "model.h"
#include "sample.h"

/* V logits, after the last token fed or before the one drawn last; NULL in an empty session and
 * after going back.  Valid until the next call on the session. */
const float *ch_session_logits(const ch_session *s);
/* Steps that the token behind which these logits stand took in the layers where each token has its
 * own number of them (docs/integrator.md), their mean; 0: there are none, or it is not known, as
 * after loading. */
double ch_session_steps(const ch_session *s);
/* Feeds tokens and hands every row's logits to `each` (perplexity, tests), rows in order.  What it
 * returns, if not CH_OK, ends the feeding and is returned; the rows of the step stay fed.  It must
 * not use the session's family. */
typedef int ch_logits_fn(void *arg, int position, const float *logits);
int ch_session_feed_each(ch_session *s, const ch_token *tokens, int n, ch_logits_fn *each,
                         void *arg, ch_err *e);
/* ---- Many timelines of one family in one step ---- */

/* An empty session of s's family. */
int ch_session_another(ch_session **out, ch_session *s, ch_err *e);
/* Its pages are found by sessions of the same salt alone; s is empty (else CH_EARG). */
int ch_session_salt(ch_session *s, uint64_t salt, ch_err *e);
/* Appends tokens that are computed later, when they are needed or by ch_session_advance. */
int ch_session_put(ch_session *s, const ch_token *tokens, int n, ch_err *e);
int ch_session_waiting(const ch_session *s); /* tokens that are not computed */
/* Takes whole pages of what waits from the cache, where it has them; returns their tokens. */
int ch_session_adopt(ch_session *s);
/* The page key of the next whole page to be computed; false: there is none that others could use.
 */
bool ch_session_next_key(ch_hash128 *out, ch_session *s);
/* Gives its pages back: all its tokens wait again, and adopt may find them.  Not after vectors. */
void ch_session_release(ch_session *s);
/* A fork without pages, as if it had been released: where the cache has no room for one.  Not after
 * vectors. */
int ch_session_fork_later(ch_session **out, ch_session *s, ch_err *e);
/* Tokens for which the family's cache has pages that nobody uses. */
int64_t ch_session_room(const ch_session *s);
int ch_session_step_rows(const ch_session *s);   /* rows that a step has at most, */
int ch_session_step_logits(const ch_session *s); /* and of those with logits */
/* Draws in advance, in the family's pool, what ch_session_next will return of n sessions of one
 * family, each with the same sampling then (and what that points to): only sooner, and only where
 * it could not be another token. */
void ch_sessions_draw(ch_session *const *s, const ch_sampling *const *how, int n);
/* Would ch_session_next draw without computing anything?  The token drawn last was a guess? */
bool ch_session_ready(const ch_session *s);
bool ch_session_guessed(const ch_session *s);

typedef struct ch_share {
    ch_session *s;
    int rows;    /* in: most of its waiting tokens to compute; out: how many were */
    int guesses; /* in: most guesses of its drafter behind the last one; out: how many */
    int from;    /* rows at positions from here on are told to `each` */
    bool silent; /* nobody else looks at its logits */
    int rc;      /* out: CH_ELIMIT, the cache is full; then rows is 0 */
} ch_share;
typedef int ch_feed_fn(void *arg, int share, int position, const float *logits);
/* Computes as much of what waits as a step holds, shares in order; what comes out does not depend
 * on the company.  Each session occurs once, and none is tapped unless it is alone (else CH_EARG).
 * each (may be NULL): gets the logits after rows from `from` on, as ch_session_feed_each does. */
int ch_session_advance(ch_share *shares, int n, ch_feed_fn *each, void *arg, ch_err *e);

/* Computes `most` tokens at most of what waits, alone, and tells what the head makes of each row
 * before logits: D reals. */
typedef void ch_hidden_fn(void *arg, int position, const real *hidden);
int ch_session_hidden(ch_session *s, int most, ch_hidden_fn *each, void *arg, ch_err *e);

/* Feeds several sessions of one family, none tapped, each of them once (else CH_EARG), in as few
 * steps as hold their rows; what they compute does not depend on the company.  The logits of rows
 * [first, n) of a feed go to `each`, the feeds in order, as above. */
typedef struct ch_feed {
    ch_session *s;
    const ch_token *tokens;
    int n, first; /* first = n: nobody looks at this one's logits */
} ch_feed;
int ch_session_feed_together(const ch_feed *feeds, int n, ch_feed_fn *each, void *arg, ch_err *e);
/* Tokens of a saved session, by its file's head alone. */
int ch_session_saved_length(int *out, const char *path, ch_err *e);
/* May the text end here by the session's grammar?  Without one it may anywhere.  What
 * ch_session_next fails with where nothing can be drawn is then no fault: the text is complete, but
 * its end token is banned (ends_from, a bias of -inf), or there is none. */
bool ch_session_obeys(const ch_session *s); /* has it a grammar? */
int ch_session_may_end(bool *yes, ch_session *s, ch_err *e);
/* ch_session_grammar, where n bytes (64 at most, else CH_ELIMIT) of the grammar's text are there
 * already; CH_EARG: it forbids them. */
int ch_session_grammar_begun(ch_session *s, ch_grammar *g, const char *begun, size_t n, ch_err *e);
void ch_session_own_sampler(ch_session *s, const ch_own_sampler *own); /* NULL: none; copied */
void ch_session_tap(ch_session *s, ch_tap_fn *tap, void *arg);
/* From now on `inputs` is told what every linear map is given (op.h), for each token that is fed:
 * pages of others are not taken.  Alone in its steps, as one that is tapped. */
void ch_session_inputs(ch_session *s, ch_inputs_fn *inputs, void *arg);
/* Appends what ch_session_save writes; errors name it `name`. */
int ch_session_dump(ch_buf *b, ch_session *s, const char *name, ch_err *e);
/* Feeds rows that enter as vectors of D reals instead of tokens; not shared through page keys. */
int ch_session_feed_vectors(ch_session *s, const real *vectors, int n, ch_err *e);
void ch_session_profile(ch_session *s, ch_profile *p); /* NULL: stop counting */
ch_pool_stats ch_session_pool_stats(const ch_session *s);
const ch_cache *ch_session_cache(const ch_session *s);
size_t ch_session_scratch(const ch_session *s); /* bytes that a step may take */

#endif
