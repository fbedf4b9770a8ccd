/* grammar.h - text that obeys: from a grammar or a schema to the tokens that may come next
 *
 * The public part is in chalcis.h ("Grammars").  A grammar is an automaton over bytes, made once
 * (automaton.h), with the vocabulary of one tokenizer beside it (machine.h); what it finds out
 * while it runs is remembered, so it belongs to one thread at a time, as a family of sessions does.
 * SPDX-License-Identifier: MIT */
#ifndef CH_GRAMMAR_H
#define CH_GRAMMAR_H

#include "base.h"
#include "token.h"

/* How far a text is within a grammar: two numbers, to be copied at will.  A grammar that has run
 * out of its memory forgets all places but the one it was given; the others are then stale. */
typedef struct ch_place {
    uint32_t config, generation;
} ch_place;

int ch_grammar_start(ch_place *out, ch_grammar *g, ch_err *e);
bool ch_grammar_stale(const ch_grammar *g, ch_place p);
/* How often it has forgotten; for any thread. */
uint32_t ch_grammar_forgotten(const ch_grammar *g);
/* Goes on with bytes, or a token.  CH_EARG: the grammar does not allow it here, and *p is as it
 * was; CH_ELIMIT: the text can be read in too many ways at once. */
int ch_grammar_bytes(ch_place *p, ch_grammar *g, const char *bytes, size_t n, ch_err *e);
int ch_grammar_token(ch_place *p, ch_grammar *g, ch_token t, ch_err *e);
bool ch_grammar_may_end(const ch_grammar *g, ch_place p);
/* Bit t of word t / 64: may token t come next?  End tokens may where the text may end.  Behind the
 * last word: how many may.  Borrowed, until the next call. */
int ch_grammar_mask(const uint64_t **out, ch_place *p, ch_grammar *g, ch_err *e);
size_t ch_grammar_mask_words(const ch_grammar *g);
int ch_grammar_vocab(const ch_grammar *g);
size_t ch_grammar_bytes_used(const ch_grammar *g);
size_t ch_grammar_bytes_own(const ch_grammar *g); /* all but the vocabulary, which is shared */
/* One of logits and hidden (`vocab` each; hidden: all -inf) becomes the logits of the tokens that
 * the mask allows and -inf elsewhere, and is returned: the one for which less has to move.  show
 * puts back what hide did; both must be as they were left. */
float *ch_grammar_hide(float *logits, float *hidden, int vocab, const uint64_t *mask, int n_mask);
void ch_grammar_show(float *logits, float *hidden, int vocab, const uint64_t *mask, int n_mask);

#endif
