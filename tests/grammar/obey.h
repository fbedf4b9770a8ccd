/* obey.h - texts that a grammar allows, drawn without a model
 *
 * SPDX-License-Identifier: MIT */
#ifndef OBEY_H
#define OBEY_H

#include "grammar.h"
#include "support.h"

#include <string.h>

static inline ch_tokenizer *bundled_vocabulary(void)
{
    ch_tokenizer *t = NULL;
    ch_err e = {0};
    assert_ok(ch_tokenizer_open(&t, "models/chalcis-tiny.gguf", NULL, &e), e);
    return t;
}

/* CH_OK: the grammar allows the whole text. */
static inline int whole_text(ch_grammar *g, const char *text, size_t n, ch_err *e)
{
    ch_place p;
    int rc = ch_grammar_start(&p, g, e);
    if (rc == CH_OK)
        rc = ch_grammar_bytes(&p, g, text, n, e);
    if (rc == CH_OK && !ch_grammar_may_end(g, p))
        rc = ch_fail(e, CH_EARG, "the text is not complete");
    return rc;
}

static inline bool allowed(const uint64_t *mask, ch_token t)
{
    return mask[t >> 6] >> (t & 63) & 1;
}

/* The k-th token that is allowed, counted around from a random one. */
static inline ch_token draw_allowed(const uint64_t *mask, int vocab, uint64_t seed, uint64_t step)
{
    const ch_token from = (ch_token)ch_rng_below((uint64_t)vocab, seed, CH_RNG_TEST, 1, step);
    for (ch_token i = 0; i < vocab; i++)
        if (allowed(mask, (from + i) % vocab))
            return (from + i) % vocab;
    return -1;
}

/* Now and then, and more often as the text grows, what closes is preferred to what goes on. */
static inline ch_token draw_closing(const ch_tokenizer *t, const uint64_t *mask, int vocab)
{
    static const char closing[] = "\"}]0";
    for (const char *c = closing; *c; c++)
        for (ch_token i = 0; i < vocab; i++) {
            char piece[8];
            if (allowed(mask, i) && (ch_tokenizer_is_end(t, i) ||
                                     (ch_tokenizer_piece(piece, sizeof piece, t, 100, i) == 1 &&
                                      piece[0] == *c)))
                return i;
        }
    return -1;
}

/* Appends one text to b: true if it came to its end within `most` tokens. */
static inline bool draw_text(ch_buf *b, ch_grammar *g, const ch_tokenizer *t, uint64_t seed,
                             int most)
{
    ch_place p;
    ch_err e = {0};
    const int vocab = ch_grammar_vocab(g);
    ch_token before = 100;
    assert_ok(ch_grammar_start(&p, g, &e), e);
    for (int i = 0; i < most; i++) {
        const uint64_t *mask;
        assert_ok(ch_grammar_mask(&mask, &p, g, &e), e);
        ch_token next = -1;
        if ((int)ch_rng_below(64, seed, CH_RNG_TEST, 2, (uint64_t)i) < 8 + i)
            next = draw_closing(t, mask, vocab);
        if (next < 0)
            next = draw_allowed(mask, vocab, seed, (uint64_t)i);
        assert_true(next >= 0);
        if (ch_tokenizer_is_end(t, next)) {
            assert_true(ch_grammar_may_end(g, p));
            return true;
        }
        assert_ok(ch_grammar_token(&p, g, next, &e), e);
        assert_true(ch_tokenizer_append(b, t, before, next));
        before = next;
    }
    return false;
}

#endif
