/* dry.c - repeats by comparison of every place with the end, and what breaks them
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sample.h"
#include "support.h"
#include "token.h"

enum { V = 40, MOST = 3000 };
static float logits[V];
static ch_candidate work[V];
static ch_token text[MOST];

static bool breaks(const ch_sampling *s, ch_token t)
{
    for (int i = 0; i < s->n_dry_breakers; i++)
        if (s->dry_breakers[i] == t)
            return true;
    return t < 0; /* a vector is like no other */
}

/* The longest end of text[from..n) that stands before an earlier t; -1: there is no earlier t. */
static int longest_before(const ch_sampling *s, int from, int n, ch_token t)
{
    int longest = -1;
    for (int at = from + 1; at < n; at++) {
        int equal = 0;
        while (text[at] == t && at - 1 - equal >= from && equal < 1024 &&
               text[at - 1 - equal] == text[n - 1 - equal] && !breaks(s, text[n - 1 - equal]))
            equal++;
        if (text[at] == t)
            longest = CH_MAX(longest, equal);
    }
    return longest;
}

static void check(const ch_sampling *s, int n, const char *what)
{
    const ch_sample_view v = {.vocab = V, .tokens = text, .n_tokens = n};
    const int from = s->dry_penalty_last_n < 0 ? 0 : CH_MAX(0, n - (int)s->dry_penalty_last_n);
    ch_candidates c = {.at = work};
    ch_candidates_fill(&c, logits, V, 0);
    ch_sample_dry(&c, s, &v);
    assert_int_equal(c.n, V);
    for (int i = 0; i < c.n; i++) {
        const ch_token t = c.at[i].id;
        const int longest = longest_before(s, from, n, t);
        double want = (double)logits[t];
        if (longest >= s->dry_allowed_length && !breaks(s, t))
            want -= s->dry_multiplier * pow(s->dry_base, longest - s->dry_allowed_length);
        if (c.at[i].logit != (float)want)
            fail_msg("%s: token %d of %d tokens: %g, wanted %g (repeat of %d)", what, (int)t, n,
                     (double)c.at[i].logit, want, longest);
    }
}

static void repeats_are_found(void **state)
{
    (void)state;
    static const ch_token breakers[] = {2, 17, 30};
    fill(logits, V, FILL_NORMAL, 1);
    for (uint64_t seed = 0; seed < 1500; seed++) {
        const int n = (int)ch_rng_below(120, seed, CH_RNG_TEST, 1, 0);
        const int alphabet = 1 + (int)ch_rng_below(4, seed, CH_RNG_TEST, 2, 0);
        const int period = 1 + (int)ch_rng_below(40, seed, CH_RNG_TEST, 3, 0);
        ch_sampling s = {.dry_multiplier = 0.5,
                         .dry_base = 1.05,
                         .dry_allowed_length = (double)(seed % 4),
                         .dry_penalty_last_n = seed % 5 == 0 ? (double)(seed % 50) : -1};
        if (seed % 3 == 0) {
            s.dry_breakers = breakers;
            s.n_dry_breakers = CH_COUNT(breakers);
        }
        for (int i = 0; i < n; i++) { /* periods, with mistakes */
            const uint64_t at = seed % 2 ? (uint64_t)(i % period) : (uint64_t)i;
            text[i] = (ch_token)ch_rng_below((uint64_t)alphabet, seed, CH_RNG_TEST, 4, at);
            if (ch_rng_below(25, seed, CH_RNG_TEST, 5, (uint64_t)i) == 0)
                text[i] = (ch_token)ch_rng_below(V + 4, seed, CH_RNG_TEST, 6, (uint64_t)i) - 2;
        }
        check(&s, n, "random");
    }
}

/* A repeat longer than what is looked for, and penalties beyond all numbers. */
static void long_repeats_are_cut(void **state)
{
    (void)state;
    const ch_sampling mild = {.dry_multiplier = 0.5, .dry_base = 1.001, .dry_penalty_last_n = -1};
    for (int i = 0; i < MOST; i++)
        text[i] = i % 2;
    check(&mild, MOST, "long");
    const ch_sampling harsh = {.dry_multiplier = 100, .dry_base = 100, .dry_penalty_last_n = -1};
    const ch_sample_view v = {.vocab = V, .tokens = text, .n_tokens = MOST};
    ch_candidates c = {.at = work};
    ch_candidates_fill(&c, logits, V, 0);
    ch_sample_dry(&c, &harsh, &v);
    assert_true(work[0].logit < -9e29f && isfinite(work[0].logit));
    assert_true(work[2].logit == logits[2]);
}

/* The tokens that hold a text, each once and ascending, for several texts. */
static void breakers_hold_their_text(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_bpe_trainer *trainer;
    ch_tokenizer *tk;
    ch_tokens out = {0};
    const ch_bpe_options o = {.vocab = 300, .bos = -1, .eos = -1};
    const char *words = "ab: ab: ab: abab: \"ab\" \"ab\" cab: cab: \"ab\"\n";
    assert_ok(ch_bpe_trainer_open(&trainer, &o, &e), e);
    for (int i = 0; i < 400; i++) {
        char line[80];
        snprintf(line, sizeof line, "%s%d\n", words, i * i);
        assert_ok(ch_bpe_trainer_add(trainer, line, strlen(line), &e), e);
    }
    assert_ok(ch_bpe_trainer_finish(&tk, trainer, &e), e);
    ch_bpe_trainer_close(&trainer);
    assert_ok(ch_sampling_breakers(&out, tk, "ab", &e), e);
    assert_ok(ch_sampling_breakers(&out, tk, "\"", &e), e);
    assert_ok(ch_sampling_breakers(&out, tk, "b", &e), e);
    size_t n = 0;
    for (ch_token id = 0; id < ch_tokenizer_size(tk); id++) {
        char piece[64];
        ch_tokenizer_piece(piece, sizeof piece, tk, id, id);
        if (strstr(piece, "b") || strstr(piece, "\""))
            assert_int_equal(out.id[n++], id);
    }
    assert_int_equal(out.n, n);
    assert_in_range(n, 4, 100);
    assert_fails(ch_sampling_breakers(&out, tk, "zzzz", &e), CH_EARG, e, "\"zzzz\"");
    assert_fails(ch_sampling_breakers(&out, tk, "", &e), CH_EARG, e, "no token");
    assert_int_equal(out.n, n);
    ch_tokens_free(&out);
    ch_tokenizer_close(&tk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeats_are_found),
        cmocka_unit_test(long_repeats_are_cut),
        cmocka_unit_test(breakers_hold_their_text),
    };
    return cmocka_run_group_tests_name("sample/dry", tests, NULL, NULL);
}
