/* small.h - vocabularies made on the spot, for tests without files
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_TEST_SMALL_H
#define CH_TEST_SMALL_H

#include <string.h>

#include "support.h"
#include "token.h"

/* A BPE of `vocab` entries trained on text, with "<|end|>" as BOS and EOS. */
static inline ch_tokenizer *small_bpe(const char *text, size_t n, int vocab)
{
    static const char *const specials[] = {"<|end|>"};
    ch_bpe_options o = {.vocab = vocab, .specials = specials, .n_special = 1};
    ch_bpe_trainer *trainer;
    ch_tokenizer *t;
    ch_err e = {0};
    assert_ok(ch_bpe_trainer_open(&trainer, &o, &e), e);
    assert_ok(ch_bpe_trainer_add(trainer, text, n, &e), e);
    assert_ok(ch_bpe_trainer_finish(&t, trainer, &e), e);
    ch_bpe_trainer_close(&trainer);
    return t;
}

/* Text of small words over few letters, a function of seed alone. */
static inline void small_text(char *out, size_t n, uint64_t seed, const char *letters)
{
    for (size_t i = 0; i < n; i++)
        out[i] = letters[ch_rng_below(strlen(letters), seed, CH_RNG_TEST, 2, i)];
}

static const char small_story[] =
    "the cat and the dog went to the sea. the sea was blue and the cat was wet; the dog's tail "
    "was wetter. then the other cats came and they went there together, all of them, again and "
    "again. 1 2 10 100 1000! na\xc3\xafve caf\xc3\xa9s, the theatre there, another and another.";

#endif
