/* log_probs.c - how likely tokens were, drawn ones and fed ones; and draws with all that looks
 * back, drafted or not
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"
#include "tiny.h"

#include "generate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { V = 320, N = 40 };

static ch_model *model;
static ch_token text[N];

static int open_model(void **state)
{
    (void)state;
    model = tiny_open("qwen3", CH_F32, 9);
    for (int i = 0; i < N; i++)
        text[i] = (ch_token)ch_rng_below(V, 3, CH_RNG_TEST, 0, (uint64_t)i);
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    ch_model_close(&model);
    return 0;
}

static ch_session *open_session(void)
{
    ch_err e = {0};
    ch_session *s;
    const ch_session_options o = {
        .context = 128, .threads = 1, .page_size = 8, .step_rows = 7};
    assert_ok(ch_session_open(&s, model, &o, &e), e);
    return s;
}

static void check_row(const ch_log_prob *top, const float *logits, int n)
{
    double sum = 0, total = 0;
    bool seen[V] = {false};
    for (int i = 0; i < V; i++)
        sum += exp((double)logits[i]);
    for (int i = 0; i < n; i++) {
        assert_in_range(top[i].id, 0, V - 1);
        assert_false(seen[top[i].id]);
        seen[top[i].id] = true;
        assert_true(fabs(top[i].log_p - ((double)logits[top[i].id] - log(sum))) < 1e-9);
        assert_true(i == 0 || top[i].log_p <= top[i - 1].log_p);
        total += exp(top[i].log_p);
    }
    if (n == V)
        assert_true(fabs(total - 1) < 1e-12);
}

static void assert_same(const ch_log_prob *a, const ch_log_prob *b, int n)
{
    for (int i = 0; i < n; i++)
        assert_true(a[i].id == b[i].id && a[i].log_p == b[i].log_p);
}

/* Of a drawn token and all others: the model's own distribution, whatever the samplers did. */
static void log_probs_sum_to_one(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_session *s = open_session();
    ch_log_prob drawn, top[V + 2];
    ch_sampling how = CH_SAMPLING;
    how.temp = 3;
    how.repeat_penalty = 2;
    assert_fails(ch_session_log_probs(&drawn, NULL, 0, s, &e), CH_EARG, e, "no token was drawn");
    assert_ok(ch_session_feed(s, text, 5, &e), e);
    assert_fails(ch_session_log_probs(&drawn, NULL, 0, s, &e), CH_EARG, e, "no token was drawn");
    for (int i = 0; i < 12; i++) {
        ch_token t;
        assert_ok(ch_session_next(&t, s, &how, &e), e);
        assert_ok(ch_session_log_probs(&drawn, top, i % 2 ? V + 2 : 20, s, &e), e);
        check_row(top, ch_session_logits(s), i % 2 ? V : 20);
        assert_int_equal(drawn.id, t);
        if (i % 2) {
            assert_int_equal(top[V].id, -1);
            for (int k = 0; k < V; k++)
                assert_true(top[k].id != t || top[k].log_p == drawn.log_p);
        }
    }
    assert_ok(ch_session_rollback(s, 6, &e), e);
    assert_int_equal(ch_session_log_probs(&drawn, NULL, 0, s, &e), CH_EARG);
    ch_session_close(&s);
}

/* Fed tokens get what drawn ones get, however they are cut into calls, and the session is as if
 * they had been fed plainly. */
static void fed_tokens_are_told_too(void **state)
{
    (void)state;
    enum { TOP = 3 };
    ch_err e = {0};
    ch_session *a = open_session(), *b = open_session();
    static ch_log_prob own[N], top[N * TOP], drawn, best[TOP];
    assert_ok(ch_session_feed_log_probs(own, top, TOP, a, text, N, &e), e);
    assert_true(isnan(own[0].log_p) && own[0].id == text[0] && top[0].id == -1);
    for (int i = 1; i < N; i++) {
        const ch_token only[1] = {text[i]};
        ch_sampling how = CH_SAMPLING;
        how.allowed = only, how.n_allowed = 1;
        ch_token t;
        if (i == 1)
            assert_ok(ch_session_feed(b, text, 1, &e), e);
        assert_ok(ch_session_next(&t, b, &how, &e), e);
        assert_int_equal(t, text[i]);
        assert_ok(ch_session_log_probs(&drawn, best, TOP, b, &e), e);
        assert_same(&drawn, &own[i], 1);
        assert_same(best, top + TOP * i, TOP);
    }
    ch_session_close(&b);
    b = open_session();
    static ch_log_prob pieces[N];
    for (int from = 0, n; from < N; from += n) {
        n = CH_MIN(1 + from / 2, N - from);
        assert_ok(ch_session_feed_log_probs(pieces + from, NULL, 0, b, text + from, n, &e), e);
    }
    assert_same(pieces + 1, own + 1, N - 1);
    assert_memory_equal(ch_session_logits(a), ch_session_logits(b), V * sizeof(float));
    assert_ok(ch_session_feed_log_probs(own, NULL, 0, b, text, 0, &e), e);
    assert_int_equal(ch_session_feed_log_probs(own, NULL, 0, b, text, 100, &e), CH_ELIMIT);
    ch_session_close(&a);
    ch_session_close(&b);
}

static void nothing_allowed_is_told(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_session *s = open_session();
    ch_token t;
    ch_sampling how = CH_SAMPLING;
    how.allowed = text;
    assert_ok(ch_session_feed(s, text, 3, &e), e);
    assert_fails(ch_session_next(&t, s, &how, &e), CH_EARG, e, "no token may be drawn: all 320");
    assert_int_equal(ch_session_length(s), 3);
    how.n_allowed = 1;
    assert_ok(ch_session_next(&t, s, &how, &e), e);
    assert_int_equal(t, text[0]);
    ch_session_close(&s);
}

/* Guesses what came after the last two tokens before, and sometimes nonsense. */
static int look_up(void *arg, const ch_token *tokens, int n, ch_token *out, int most)
{
    (void)arg;
    for (int i = n - 3; i >= 2; i--)
        if (tokens[i - 1] == tokens[n - 1]) {
            const int found = CH_MIN(most, n - i);
            memcpy(out, tokens + i, (size_t)found * sizeof *out);
            return found;
        }
    out[0] = n % 7;
    return 1;
}

/* Penalties, repeats, choices left out, ends that wait: drafts do not show. */
static void drafts_see_the_tokens_before_them(void **state)
{
    (void)state;
    enum { DRAWN = 90 };
    static const ch_token breakers[] = {4, 9};
    uint64_t accepted = 0, differ = 0;
    for (uint64_t seed = 0; seed < 6; seed++) {
        ch_token draws[3][DRAWN];
        static ch_log_prob told[3][DRAWN];
        for (int run = 0; run < 3; run++) {
            ch_err e = {0};
            ch_session *s = open_session();
            ch_sampling how = CH_SAMPLING;
            how.seed = seed;
            how.temp = 0.3;
            how.top_k = 5;
            how.ends = breakers, how.n_ends = 2, how.ends_from = 60;
            if (run < 2) {
                how.repeat_penalty = 1.02;
                how.frequency_penalty = 0.02;
                how.repeat_last_n = seed % 2 ? 16 : -1;
                how.dry_multiplier = 0.05;
                how.dry_base = 1.1;
                how.dry_breakers = breakers, how.n_dry_breakers = 2;
                how.xtc_probability = 0.2;
            }
            if (run == 0)
                ch_session_draft(s, look_up, NULL, 5);
            assert_ok(ch_session_feed(s, text, 10, &e), e);
            for (int i = 0; i < DRAWN; i++) {
                assert_ok(ch_session_next(&draws[run][i], s, &how, &e), e);
                assert_ok(ch_session_log_probs(&told[run][i], NULL, 0, s, &e), e);
            }
            accepted += ch_session_get_stats(s).accepted;
            ch_session_close(&s);
        }
        assert_memory_equal(draws[0], draws[1], sizeof draws[0]);
        assert_same(told[0], told[1], DRAWN);
        differ += memcmp(draws[1], draws[2], sizeof draws[1]) != 0;
    }
    assert_true(accepted > 20);
    assert_int_equal(differ, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_probs_sum_to_one),
        cmocka_unit_test(fed_tokens_are_told_too),
        cmocka_unit_test(nothing_allowed_is_told),
        cmocka_unit_test(drafts_see_the_tokens_before_them),
    };
    return cmocka_run_group_tests_name("generate/log_probs", tests, open_model, close_model);
}
