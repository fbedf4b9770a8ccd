/* batch.c - tests of train/batch.c: what an epoch covers, what a row sees, what a leaf depends on
 *
 * SPDX-License-Identifier: MIT */
#include "nano.h"

enum { VOCAB = 40, TOKENS = 1000 };

/* A corpus whose token p is p: rows tell where they come from.  Its end is its size. */
static ch_corpus numbered(int64_t n, int longest, uint64_t seed)
{
    ch_corpus c = nano_corpus(n, longest, VOCAB, seed);
    uint32_t *token = (uint32_t *)(uintptr_t)c.wide;
    for (int64_t i = 0; i < n; i++)
        token[i] = (uint32_t)i;
    c.end = (ch_token)n;
    return c;
}

static int64_t document_of(const ch_corpus *c, int64_t p)
{
    int64_t d = 0;
    while (p >= c->start[d + 1])
        d++;
    return d;
}

/* In each epoch every token but the first of a document is a target once, and every end once. */
static void check_epoch(const ch_corpus *c, int count, int length, int64_t epoch)
{
    ch_err e = {0};
    ch_batch b;
    const int64_t S = (c->n + length - 1) / length;
    int *seen = calloc((size_t)c->n + 1, sizeof *seen), *from = calloc((size_t)c->n, sizeof *from);
    assert_true(seen && from);
    assert_ok(ch_batch_open(&b, count, length, &e), e);
    int64_t targets = 0;
    for (int64_t leaf = epoch * S / count; leaf * count < (epoch + 1) * S; leaf++) {
        ch_batch_fill(&b, c, 77, count, length, leaf);
        for (int t = 0; t < b.n; t++) {
            const int64_t q = leaf * count + t / length;
            if (q / S != epoch || b.target[t] < 0)
                continue;
            targets++;
            seen[b.target[t]]++;
            from[b.id[t]]++;
        }
    }
    assert_int_equal(targets, c->n);
    for (int64_t p = 0; p < c->n; p++) {
        const bool first = p == c->start[document_of(c, p)];
        assert_int_equal(from[p], 1);
        assert_int_equal(seen[p], first ? 0 : 1);
    }
    assert_int_equal(seen[c->n], c->documents);
    ch_batch_close(&b);
    free(seen);
    free(from);
}

static void an_epoch_covers_everything_once(void **state)
{
    (void)state;
    static const struct {
        int64_t n;
        int longest, count, length;
    } cases[] = {{TOKENS, 50, 1, 16}, {TOKENS, 1, 3, 16}, {TOKENS, TOKENS, 4, 10},
                 {17, 5, 2, 16},      {16, 16, 2, 16},    {33, 40, 5, 2}};
    for (size_t i = 0; i < CH_COUNT(cases); i++) {
        ch_corpus c = numbered(cases[i].n, cases[i].longest, i);
        for (int64_t epoch = 0; epoch < 3; epoch++)
            check_epoch(&c, cases[i].count, cases[i].length, epoch);
        ch_corpus_free(&c);
    }
}

static void check_rows(const ch_corpus *c, const ch_batch *b, int length)
{
    int64_t targets = 0;
    for (int t = 0; t < b->n; t++) {
        const int first = b->first[t];
        targets += b->target[t] >= 0;
        assert_true(first >= t / length * length && first <= t);
        assert_int_equal(b->pos[t], t - first);
        assert_true(b->id[t] >= 0 && b->id[t] < c->n);
        if (b->target[t] < 0) {
            assert_int_equal(first, t); /* padding is seen by none and sees none */
            continue;
        }
        const int64_t p = b->id[t], d = document_of(c, p);
        assert_int_equal(d, document_of(c, b->id[first]));
        assert_int_equal(p - b->id[first], t - first); /* what lies between is its own document */
        assert_int_equal(b->target[t], p + 1 < c->start[d + 1] ? p + 1 : c->end);
    }
    assert_int_equal(targets, b->targets);
}

static void rows_see_their_own_document(void **state)
{
    (void)state;
    ch_err e = {0};
    for (int longest = 1; longest < 100; longest += 13) {
        ch_corpus c = numbered(TOKENS, longest, 3);
        ch_batch b;
        assert_ok(ch_batch_open(&b, 3, 32, &e), e);
        for (int64_t leaf = 0; leaf < 40; leaf++) {
            ch_batch_fill(&b, &c, 1, 3, 32, leaf);
            check_rows(&c, &b, 32);
        }
        ch_batch_close(&b);
        ch_corpus_free(&c);
    }
}

static bool same(const ch_batch *a, const ch_batch *b)
{
    const size_t bytes = (size_t)a->n * sizeof *a->id;
    return memcmp(a->id, b->id, bytes) == 0 && memcmp(a->target, b->target, bytes) == 0 &&
           memcmp(a->pos, b->pos, bytes) == 0 && memcmp(a->first, b->first, bytes) == 0 &&
           a->targets == b->targets;
}

static void a_leaf_depends_on_seed_and_number(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_corpus c = numbered(TOKENS, 30, 4);
    ch_batch a, b;
    assert_ok(ch_batch_open(&a, 2, 16, &e), e);
    assert_ok(ch_batch_open(&b, 2, 16, &e), e);
    int other_seed = 0, other_leaf = 0, other_epoch = 0;
    for (int64_t leaf = 0; leaf < 60; leaf++) {
        ch_batch_fill(&a, &c, 9, 2, 16, leaf);
        for (int64_t between = 0; between < 3; between++) /* what was drawn before is forgotten */
            ch_batch_fill(&b, &c, 10 + (uint64_t)between, 2, 16, 100 - leaf);
        ch_batch_fill(&b, &c, 9, 2, 16, leaf);
        assert_true(same(&a, &b));
        ch_batch_fill(&b, &c, 10, 2, 16, leaf);
        other_seed += !same(&a, &b);
        ch_batch_fill(&b, &c, 9, 2, 16, leaf + 1);
        other_leaf += !same(&a, &b);
        ch_batch_fill(&b, &c, 9, 2, 16, leaf + 63 / 2);
        other_epoch += !same(&a, &b);
    }
    assert_true(other_seed > 55 && other_leaf > 55 && other_epoch > 55);
    ch_batch_close(&a);
    ch_batch_close(&b);
    ch_corpus_free(&c);
}

static void without_an_end_nothing_is_predicted_there(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_corpus c = numbered(TOKENS, 30, 5);
    ch_batch b;
    c.end = -1;
    assert_ok(ch_batch_open(&b, 1, 8, &e), e);
    int64_t targets = 0;
    for (int64_t leaf = 0; leaf < TOKENS / 8; leaf++) {
        ch_batch_fill(&b, &c, 2, 1, 8, leaf);
        targets += b.targets;
    }
    assert_int_equal(targets, TOKENS - c.documents);
    ch_batch_close(&b);
    ch_corpus_free(&c);
}

static void evaluation_takes_what_it_is_told(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_corpus c = numbered(TOKENS + 3, 30, 6);
    ch_batch b;
    assert_ok(ch_batch_open(&b, 4, 16, &e), e);
    const int64_t S = (c.n + 15) / 16;
    for (int64_t of = 1; of <= S; of++) {
        int64_t rows = 0, last = -1;
        for (int64_t at = 0; at < of; at += 4) {
            ch_batch_fill_even(&b, &c, 4, 16, at, of);
            check_rows(&c, &b, 16);
            rows += b.targets;
            for (int t = 0; t < b.n; t++)
                if (b.target[t] >= 0) {
                    assert_true(b.id[t] > last);
                    last = b.id[t];
                }
        }
        assert_true(rows <= of * 16 && rows > (of - 1) * 16);
        assert_true(of < S || rows == c.n);
    }
    ch_batch_close(&b);
    ch_corpus_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_epoch_covers_everything_once),
        cmocka_unit_test(rows_see_their_own_document),
        cmocka_unit_test(a_leaf_depends_on_seed_and_number),
        cmocka_unit_test(without_an_end_nothing_is_predicted_there),
        cmocka_unit_test(evaluation_takes_what_it_is_told),
    };
    return cmocka_run_group_tests_name("train/batch", tests, NULL, NULL);
}
