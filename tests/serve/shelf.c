/* tests/serve/shelf.c - compiled grammars: found again, shared at once, within bounds
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include "shelf.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static ch_tokenizer *tk;

static ch_shelf *open_shelf(size_t one, size_t used, size_t kept)
{
    const ch_shelf_options o = {.tk = tk, .most_one = one, .most_used = used, .most_kept = kept};
    ch_err e = {0};
    ch_shelf *s;
    assert_ok(ch_shelf_open(&s, &o, &e), e);
    return s;
}

static ch_shelf_want want(const char *regex)
{
    return (ch_shelf_want){.kind = CH_GRAMMAR_REGEX, .text = regex, .n = strlen(regex),
                           .memory = 2 << 20};
}

static ch_shelved *take(ch_shelf *s, const char *regex)
{
    const ch_shelf_want w = want(regex);
    ch_err e = {0};
    ch_shelved *g;
    assert_ok(ch_shelf_take(&g, s, &w, &e), e);
    assert_non_null(g->grammar);
    return g;
}

static ch_shelf_stats stats(ch_shelf *s)
{
    ch_shelf_stats t;
    ch_shelf_get_stats(&t, s);
    return t;
}

static void found_again(void **state)
{
    (void)state;
    ch_shelf *s = open_shelf(0, 0, 0);
    ch_err e = {0};
    ch_shelved *a = take(s, "a+"), *b = take(s, "a+"), *c = take(s, "b+"), *other;
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_int_equal(stats(s).compiled, 2);
    assert_int_equal(stats(s).found, 1);
    ch_shelved *const first = a;
    ch_shelf_give(s, &a);
    assert_null(a);
    ch_shelf_give(s, &a); /* nothing */
    ch_shelf_give(s, &b);
    b = take(s, "a+"); /* nobody had it */
    assert_ptr_equal(b, first);
    /* another user, another kind, another memory: others */
    ch_shelf_want w[3] = {want("a+"), want("a+"), want("a+")};
    w[0].salt = 1;
    w[1].kind = CH_GRAMMAR_CHOICE;
    w[1].text = "[\"a+\"]";
    w[1].n = 6;
    w[2].memory = 4 << 20;
    for (int i = 0; i < 3; i++) {
        assert_ok(ch_shelf_take(&other, s, &w[i], &e), e);
        assert_ptr_not_equal(other, b);
        ch_shelf_give(s, &other);
    }
    assert_int_equal(stats(s).compiled, 5);
    ch_shelf_give(s, &b);
    ch_shelf_give(s, &c);
    assert_int_equal(stats(s).used_bytes, 0);
    ch_shelf_close(&s);
    assert_null(s);
    ch_shelf_close(&s);
}

/* What was found out while it ran stays with it, and counts. */
static void measured_when_given_back(void **state)
{
    (void)state;
    ch_shelf *s = open_shelf(0, 0, 0);
    ch_err e = {0};
    ch_place p;
    const uint64_t *mask;
    ch_shelved *a = take(s, "[a-z]{1,30}");
    const size_t before = stats(s).used_bytes;
    assert_true(before > 0);
    assert_int_equal(stats(s).kept_bytes, 0);
    assert_ok(ch_grammar_start(&p, a->grammar, &e), e);
    assert_ok(ch_grammar_mask(&mask, &p, a->grammar, &e), e);
    ch_shelf_give(s, &a);
    assert_int_equal(stats(s).used_bytes, 0);
    assert_true(stats(s).kept_bytes > before);
    a = take(s, "[a-z]{1,30}");
    assert_int_equal(stats(s).kept_bytes, 0);
    assert_true(stats(s).used_bytes > before);
    ch_shelf_give(s, &a);
    ch_shelf_close(&s);
}

/* Of what nobody uses the least recently used goes first. */
static void least_recently_used(void **state)
{
    (void)state;
    static const char *const names[] = {"a+", "b+", "c+"};
    ch_shelf *s = open_shelf(0, 0, 0);
    ch_shelved *g[3] = {take(s, names[0])};
    const size_t one = stats(s).used_bytes;
    ch_shelf_give(s, &g[0]);
    ch_shelf_close(&s);
    s = open_shelf(0, 0, 2 * one + one / 2);
    for (int i = 0; i < 3; i++)
        g[i] = take(s, names[i]);
    for (int i = 0; i < 2; i++)
        ch_shelf_give(s, &g[i]);
    g[0] = take(s, names[0]);
    ch_shelf_give(s, &g[0]); /* now b is older */
    ch_shelf_give(s, &g[2]);
    assert_true(stats(s).kept_bytes <= 2 * one + one / 2);
    assert_int_equal(stats(s).compiled, 3);
    static const int order[] = {0, 2, 1}; /* a and c are there, b is made again */
    for (int i = 0; i < 3; i++) {
        g[0] = take(s, names[order[i]]);
        assert_int_equal(stats(s).compiled, i < 2 ? 3 : 4);
        ch_shelf_give(s, &g[0]);
    }
    ch_shelf_close(&s);
}

static void bounds(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_shelved *g = NULL, *a;
    ch_shelf *s = open_shelf(20000, 0, 0);
    ch_shelf_want w = want("[a-z]{0,2000}");
    assert_fails(ch_shelf_take(&g, s, &w, &e), CH_ELIMIT, e, "MiB; allowed are 0.0 MiB");
    assert_null(g);
    w = want("(a");
    for (int i = 0; i < 2; i++) /* a failure is not kept */
        assert_true(ch_shelf_take(&g, s, &w, &e) < 0);
    assert_int_equal(stats(s).compiled, 3);
    assert_int_equal(stats(s).kept_bytes + stats(s).used_bytes, 0);
    ch_shelf_close(&s);
    /* all memory is in use: nothing new, until some of it is given back */
    s = open_shelf(0, 1, 0);
    uint64_t wait_ns = 2000000;
    w = want("[a-z]{0,2000}"); /* what it compiles itself is no waiting */
    w.wait_ns = &wait_ns;
    assert_ok(ch_shelf_take(&a, s, &w, &e), e);
    assert_int_equal(wait_ns, 2000000);
    ch_shelf_give(s, &a);
    a = take(s, "a+");
    w = want("b+");
    w.wait_ns = &wait_ns;
    assert_fails(ch_shelf_take(&g, s, &w, &e), CH_EBUSY, e, "try later");
    assert_int_equal(wait_ns, 0);
    g = take(s, "a+"); /* what is there is found */
    ch_shelf_give(s, &g);
    ch_shelf_give(s, &a);
    g = take(s, "b+");
    ch_shelf_give(s, &g);
    ch_shelf_close(&s);
}

/* Deeper and deeper, until it has forgotten so often. */
static void forget(ch_grammar *g, uint32_t times)
{
    const uint64_t *mask;
    ch_err e = {0};
    ch_place p;
    assert_ok(ch_grammar_start(&p, g, &e), e);
    for (int step = 0; step < 20000 && ch_grammar_forgotten(g) < times; step++) {
        assert_ok(ch_grammar_bytes(&p, g, "[", 1, &e), e);
        assert_ok(ch_grammar_mask(&mask, &p, g, &e), e);
    }
    assert_int_equal(ch_grammar_forgotten(g), times);
}

/* Who forgets alone is shared again when it is given back; in use, it is not shared any more. */
static void forgetful(void **state)
{
    (void)state;
    const char *text = "root ::= \"[\" root* \"]\"";
    ch_shelf *s = open_shelf(0, 0, 0);
    ch_err e = {0};
    ch_shelved *a, *b, *c;
    ch_shelf_want w = want(text);
    w.kind = CH_GRAMMAR_GBNF;
    w.memory = 0x100000;
    assert_ok(ch_shelf_take(&a, s, &w, &e), e);
    forget(a->grammar, 3);
    assert_ok(ch_shelf_take(&b, s, &w, &e), e);
    assert_ptr_equal(a, b);
    forget(a->grammar, 4);
    assert_ok(ch_shelf_take(&c, s, &w, &e), e);
    assert_ptr_not_equal(a, c);
    assert_int_equal(stats(s).compiled, 2);
    ch_shelf_give(s, &a); /* b is it, too */
    forget(b->grammar, 5);
    ch_shelf_give(s, &b);
    assert_int_equal(stats(s).kept_bytes, 0);
    forget(c->grammar, 4);
    ch_shelf_give(s, &c);
    assert_ok(ch_shelf_take(&a, s, &w, &e), e); /* kept; what it forgot before does not count */
    assert_ok(ch_shelf_take(&b, s, &w, &e), e);
    assert_ptr_equal(a, b);
    assert_int_equal(stats(s).compiled, 2);
    ch_shelf_give(s, &a);
    ch_shelf_give(s, &b);
    assert_int_equal(stats(s).used_bytes, 0);
    ch_shelf_close(&s);
    /* Where nothing can be compiled it is shared none the less. */
    s = open_shelf(0, 1, 0);
    assert_ok(ch_shelf_take(&a, s, &w, &e), e);
    forget(a->grammar, 4);
    assert_ok(ch_shelf_take(&b, s, &w, &e), e);
    assert_ptr_equal(a, b);
    ch_shelf_give(s, &a);
    ch_shelf_give(s, &b);
    ch_shelf_close(&s);
}

/* ---- At once --------------------------------------------------------------------------------- */

enum { THREADS = 6, ROUNDS = 60 };

struct taker {
    pthread_t thread;
    ch_shelf *s;
    const char *regex;
    ch_shelved *got;
    ch_err e;
    uint64_t seed;
    int rc, wrong;
};

static void *take_one(void *arg)
{
    struct taker *t = arg;
    ch_shelf_want w = want(t->regex);
    uint64_t wait_ns = 60000000000;
    w.wait_ns = &wait_ns;
    t->rc = ch_shelf_take(&t->got, t->s, &w, &t->e);
    return NULL;
}

static void run(struct taker *t, ch_shelf *s, const char *regex, void *(*work)(void *))
{
    for (int i = 0; i < THREADS; i++) {
        t[i] = (struct taker){.s = s, .regex = regex, .seed = (uint64_t)i};
        assert_int_equal(pthread_create(&t[i].thread, NULL, work, &t[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i].thread, NULL);
}

/* One compiles, all have it; or all hear why not. */
static void together(void **state)
{
    (void)state;
    ch_shelf *s = open_shelf(0, 0, 0);
    struct taker t[THREADS];
    run(t, s, "([a-z]{0,20} ){0,40}", take_one);
    assert_int_equal(stats(s).compiled, 1);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(t[i].rc, CH_OK);
        assert_ptr_equal(t[i].got, t[0].got);
    }
    for (int i = 0; i < THREADS; i++)
        ch_shelf_give(s, &t[i].got);
    run(t, s, "(a{1,9}", take_one);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(t[i].rc, t[0].rc);
        assert_true(t[i].rc < 0 && t[i].got == NULL);
        assert_string_equal(t[i].e.text, t[0].e.text);
    }
    assert_int_equal(stats(s).used_bytes, 0);
    ch_shelf_close(&s);
}

/* They take and give and take again, where there is room for few. */
static void *come_and_go(void *arg)
{
    struct taker *t = arg;
    ch_shelved *has[3] = {NULL};
    for (uint32_t i = 0; i < ROUNDS; i++) {
        char regex[32];
        const uint32_t at = (uint32_t)ch_rng_below(3, 1, CH_RNG_TEST, t->seed, 2 * i);
        ch_shelf_give(t->s, &has[at]);
        snprintf(regex, sizeof regex, "[a-c]{1,%d}",
                 (int)ch_rng_below(8, 1, CH_RNG_TEST, t->seed, 2 * i + 1) + 1);
        ch_shelf_want w = want(regex);
        uint64_t wait_ns = 100000;
        w.wait_ns = &wait_ns;
        const int rc = ch_shelf_take(&has[at], t->s, &w, &t->e);
        t->wrong += rc != CH_OK && rc != CH_EBUSY;
    }
    for (int i = 0; i < 3; i++)
        ch_shelf_give(t->s, &has[i]);
    return NULL;
}

static void coming_and_going(void **state)
{
    (void)state;
    ch_shelf *s = open_shelf(0, 60000, 20000);
    struct taker t[THREADS];
    run(t, s, "", come_and_go);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(t[i].wrong, 0);
    assert_int_equal(stats(s).used_bytes, 0);
    assert_true(stats(s).kept_bytes <= 20000);
    ch_shelf_close(&s);
}

static int open_tokenizer(void **state)
{
    ch_err e = {0};
    (void)state;
    return ch_tokenizer_open(&tk, "models/chalcis-tiny.gguf", NULL, &e);
}

static int close_tokenizer(void **state)
{
    (void)state;
    ch_tokenizer_close(&tk);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_again),         cmocka_unit_test(measured_when_given_back),
        cmocka_unit_test(least_recently_used), cmocka_unit_test(bounds),
        cmocka_unit_test(forgetful),           cmocka_unit_test(together),
        cmocka_unit_test(coming_and_going),
    };
    return cmocka_run_group_tests_name("serve/shelf", tests, open_tokenizer, close_tokenizer);
}
