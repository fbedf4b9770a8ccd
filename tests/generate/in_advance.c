/* in_advance.c - tokens that the pool draws before they are asked for are the same tokens
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"
#include "tiny.h"

#include "generate.h"

enum { V = 320, TEXTS = 5, STEPS = 24 };

static ch_model *model;

static int open_model(void **state)
{
    (void)state;
    model = tiny_open("qwen3", CH_F32, 9);
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    ch_model_close(&model);
    return 0;
}

typedef struct texts {
    ch_session *s[TEXTS];
    ch_sampling how[TEXTS];
    const ch_sampling *by[TEXTS];
} texts;

/* Timelines of one family that have begun differently, each with its own sampling. */
static void open_texts(texts *t)
{
    ch_err e = {0};
    const ch_sampling usual = CH_SAMPLING;
    const ch_session_options o = {.context = 96, .threads = 3, .page_size = 8, .step_rows = 16};
    for (int i = 0; i < TEXTS; i++) {
        const ch_token begin[3] = {10 + i, 20, 30};
        if (i == 0)
            assert_ok(ch_session_open(&t->s[0], model, &o, &e), e);
        else
            assert_ok(ch_session_another(&t->s[i], t->s[0], &e), e);
        assert_ok(ch_session_put(t->s[i], begin, 3, &e), e);
        t->how[i] = usual;
        t->how[i].seed = (uint64_t)i;
        t->how[i].temp = i == 1 ? 0 : 0.9;
        t->how[i].top_k = i == 2 ? 0 : 40;
        t->how[i].repeat_penalty = i == 3 ? 1.3 : 1;
        t->by[i] = &t->how[i];
    }
}

static void close_texts(texts *t)
{
    for (int i = 0; i < TEXTS; i++)
        ch_session_close(&t->s[i]);
}

static void advance(texts *t)
{
    ch_err e = {0};
    ch_share h[TEXTS] = {0};
    for (int i = 0; i < TEXTS; i++)
        h[i] = (ch_share){.s = t->s[i], .rows = ch_session_waiting(t->s[i])};
    assert_ok(ch_session_advance(h, TEXTS, NULL, NULL, &e), e);
}

static void next(ch_token out[TEXTS], texts *t)
{
    ch_err e = {0};
    for (int i = 0; i < TEXTS; i++)
        assert_ok(ch_session_next(&out[i], t->s[i], &t->how[i], &e), e);
}

static void the_same_tokens(void **state)
{
    (void)state;
    texts a, b;
    open_texts(&a);
    open_texts(&b);
    for (int k = 0; k < STEPS; k++) {
        ch_token x[TEXTS], y[TEXTS];
        advance(&a);
        advance(&b);
        ch_sessions_draw(a.s, a.by, TEXTS);
        next(x, &a);
        next(y, &b);
        assert_memory_equal(x, y, sizeof x);
    }
    close_texts(&a);
    close_texts(&b);
}

/* What was drawn does not count when something else is asked for. */
static void asked_for_something_else(void **state)
{
    (void)state;
    ch_err e = {0};
    texts a, b;
    ch_token x[TEXTS], y[TEXTS];
    open_texts(&a);
    open_texts(&b);
    for (int k = 0; k < STEPS; k++) { /* another seed, then other samplers */
        advance(&a);
        advance(&b);
        ch_sessions_draw(a.s, a.by, TEXTS);
        for (int i = 0; i < TEXTS; i++) {
            a.how[i].seed += 100;
            a.how[i].temp = k % 2 ? 0 : 2;
            b.how[i] = a.how[i];
        }
        next(x, &a);
        next(y, &b);
        assert_memory_equal(x, y, sizeof x);
    }
    advance(&a);
    advance(&b);
    ch_sessions_draw(a.s, a.by, TEXTS); /* other tokens where those would have come */
    for (int i = 0; i < TEXTS; i++)
        for (int which = 0; which < 2; which++) {
            ch_session *s = which ? b.s[i] : a.s[i];
            const ch_token other[2] = {7, (ch_token)(40 + i)};
            assert_ok(ch_session_rollback(s, ch_session_length(s) - 2, &e), e);
            assert_ok(ch_session_feed(s, other, 2, &e), e);
        }
    next(x, &a);
    next(y, &b);
    assert_memory_equal(x, y, sizeof x);
    close_texts(&a);
    close_texts(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_tokens),
        cmocka_unit_test(asked_for_something_else),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
