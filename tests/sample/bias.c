/* bias.c - biases, bans and what is left when nothing is
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sample.h"
#include "support.h"

enum { V = 3000 };
static float logits[V];
static ch_candidate work[V];

static ch_token draw(int n, const ch_sampling *s, uint64_t position)
{
    const float *rows[1] = {logits};
    const ch_sample_view v = {.logits = rows, .n_sequences = 1, .vocab = n};
    return ch_sample_draw(work, &v, s, NULL, 0, position);
}

static void lists_are_checked(void **state)
{
    (void)state;
    ch_err e = {0};
    const ch_logit_bias far = {10, 1}, none = {3, NAN}, always = {3, INFINITY};
    const ch_logit_bias never = {9, -INFINITY};
    const ch_token bad[] = {4, -1}, twice[] = {4, 4}, good[] = {4, 5};
    ch_sampling s = CH_SAMPLING;
    s.bias = &far, s.n_bias = 1;
    assert_fails(ch_sampling_check(&s, 10, &e), CH_EARG, e, "is 10, the vocabulary has 0 to 9");
    s.bias = &none;
    assert_fails(ch_sampling_check(&s, 10, &e), CH_EARG, e, "the bias of token 3 is nan");
    s.bias = &always;
    assert_fails(ch_sampling_check(&s, 10, &e), CH_EARG, e, "the bias of token 3 is inf");
    s.bias = &never;
    assert_ok(ch_sampling_check(&s, 10, &e), e);
    s.allowed = bad, s.n_allowed = 2;
    assert_fails(ch_sampling_check(&s, 10, &e), CH_EARG, e, "allowed: token 1 is -1");
    s.n_allowed = -1;
    assert_fails(ch_sampling_check(&s, 10, &e), CH_EARG, e, "allowed has -1");
    s.allowed = NULL;
    s.n_allowed = 0;
    s.ends = bad, s.n_ends = 2;
    assert_fails(ch_sampling_check(&s, 10, &e), CH_EARG, e, "ends: token 1");
    s.ends = good;
    s.dry_breakers = twice, s.n_dry_breakers = 2;
    assert_fails(ch_sampling_check(&s, 10, &e), CH_EARG, e, "ascend");
    s.dry_breakers = good;
    assert_ok(ch_sampling_check(&s, 10, &e), e);
    assert_fails(ch_sampling_check(&s, 5, &e), CH_EARG, e, "0 to 4");
}

/* What is banned is never drawn, and does not take the place of what is not. */
static void bans_hold(void **state)
{
    (void)state;
    ch_logit_bias banned[20];
    for (uint64_t seed = 0; seed < 60; seed++) {
        fill(logits, V, seed % 2 ? FILL_SMALL : FILL_NORMAL, seed);
        ch_sampling s = CH_SAMPLING, plain;
        s.temp = seed % 3 ? 1.5 : 0;
        s.top_k = 5;
        s.min_p = 0;
        plain = s;
        float copy[V];
        memcpy(copy, logits, sizeof copy);
        for (int i = 0; i < 20; i++) { /* the twenty best */
            int best = 0;
            for (int t = 0; t < V; t++)
                best = copy[t] > copy[best] ? t : best;
            banned[i] = (ch_logit_bias){best, -INFINITY};
            copy[best] = -INFINITY;
        }
        s.bias = banned;
        s.n_bias = 20;
        for (uint64_t position = 0; position < 20; position++) {
            const ch_token t = draw(V, &s, position);
            float whole[V];
            memcpy(whole, logits, sizeof whole);
            memcpy(logits, copy, sizeof copy);
            const ch_token want = draw(V, &plain, position); /* as if they were not there */
            memcpy(logits, whole, sizeof whole);
            assert_int_equal(t, want);
        }
    }
}

static void biases_lift_what_was_low(void **state)
{
    (void)state;
    fill(logits, V, FILL_NORMAL, 3);
    const ch_logit_bias up = {2222, 100};
    ch_sampling s = CH_SAMPLING;
    s.bias = &up, s.n_bias = 1;
    for (uint64_t position = 0; position < 50; position++) {
        s.temp = position % 2 ? 0 : 0.8;
        assert_int_equal(draw(V, &s, position), 2222);
    }
}

static void ends_wait(void **state)
{
    (void)state;
    const ch_token ends[] = {7, 8};
    for (int i = 0; i < 20; i++)
        logits[i] = -(float)i;
    logits[7] = 50, logits[8] = 40;
    ch_sampling s = CH_SAMPLING;
    s.temp = 0;
    s.ends = ends, s.n_ends = 2, s.ends_from = 100;
    assert_int_equal(draw(20, &s, 99), 0);
    assert_int_equal(draw(20, &s, 100), 7);
    assert_int_equal(draw(20, &s, UINT64_C(1) << 40), 7);
}

/* The best finite logit that may be drawn; else a number; else any that may; else nothing. */
static void last_resorts_are_allowed_ones(void **state)
{
    (void)state;
    const ch_token some[] = {5, 9, 7};
    const ch_logit_bias five = {5, -INFINITY};
    const ch_logit_bias all[] = {five, {7, -INFINITY}, {9, -INFINITY}};
    for (int t = 0; t < 2; t++) {
        ch_sampling s = CH_SAMPLING;
        s.temp = t;
        s.allowed = some, s.n_allowed = 3;
        for (int i = 0; i < 20; i++)
            logits[i] = (float)i;
        logits[5] = logits[7] = logits[9] = NAN;
        assert_int_equal(draw(20, &s, 0), 5);
        logits[9] = -INFINITY;
        assert_int_equal(draw(20, &s, 0), 9);
        logits[9] = NAN;
        s.bias = &five, s.n_bias = 1;
        assert_int_equal(draw(20, &s, 0), 7);
        s.bias = all, s.n_bias = 3;
        assert_int_equal(draw(20, &s, 0), -1);
        s.allowed = some, s.n_allowed = 0;
        s.n_bias = 0;
        assert_int_equal(draw(20, &s, 0), -1);
        logits[3] = INFINITY; /* and infinity is no way around a ban */
        const ch_logit_bias three = {3, -INFINITY};
        s.allowed = NULL;
        s.bias = &three, s.n_bias = 1;
        for (uint64_t position = 0; position < 20; position++)
            assert_true(draw(20, &s, position) != 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_checked),
        cmocka_unit_test(bans_hold),
        cmocka_unit_test(biases_lift_what_was_low),
        cmocka_unit_test(ends_wait),
        cmocka_unit_test(last_resorts_are_allowed_ones),
    };
    return cmocka_run_group_tests_name("sample/bias", tests, NULL, NULL);
}
