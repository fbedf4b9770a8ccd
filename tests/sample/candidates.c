/* The candidate list against qsort and plain sums.  SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sample.h"
#include "support.h"

enum { MOST = 5000 };
static ch_candidate at[MOST], want[MOST];
static float logits[MOST];

static int by_order(const void *a, const void *b)
{
    const ch_candidate *x = a, *y = b;
    if (x->logit != y->logit)
        return x->logit > y->logit ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void random_logits(int n, int how, uint64_t seed)
{
    fill(logits, (size_t)n, how, seed);
    if (how == FILL_NORMAL) /* with ties */
        for (int i = 0; i < n; i++)
            logits[i] = roundf(logits[i] * 64) / 16;
}

static bool same(const ch_candidate *a, const ch_candidate *b)
{
    return a->id == b->id && a->logit == b->logit;
}

static void fill_leaves_out_nan_alone(void **state)
{
    (void)state;
    random_logits(1000, FILL_POISON, 1);
    ch_candidates c = {.at = at, .sorted = true};
    ch_candidates_fill(&c, logits, 1000, 0);
    int n = 0;
    for (int i = 0; i < 1000; i++)
        if (!isnan(logits[i])) {
            assert_int_equal(c.at[n].id, i);
            assert_true(c.at[n++].logit == logits[i]);
        }
    assert_int_equal(c.n, n);
    assert_in_range(n, 900, 999);
    assert_false(c.sorted);
}

/* Filling for the best k, then sorting k, gives what sorting everything gives. */
static void the_best_come_to_the_front(void **state)
{
    (void)state;
    static const int sizes[] = {1, 2, 15, 16, 17, 31, 33, 100, 257, 511, 2047, 2048, 2049, 4999};
    static const int firsts[] = {1, 2, 3, 40, 64, 255, 256, 257, 1000, 5000};
    for (size_t s = 0; s < CH_COUNT(sizes); s++)
        for (size_t f = 0; f < CH_COUNT(firsts); f++)
            for (int how = FILL_NORMAL; how <= FILL_POISON; how++) {
                const int n = sizes[s], first = firsts[f];
                random_logits(n, how, (uint64_t)(n * 7 + first));
                ch_candidates all = {.at = want};
                ch_candidates_fill(&all, logits, n, 0);
                qsort(want, (size_t)all.n, sizeof *want, by_order);
                int above = 0; /* -inf */
                while (above < all.n && want[above].logit > -INFINITY)
                    above++;
                for (int narrow = 0; narrow < 2; narrow++) {
                    const int sure = CH_MIN(first, narrow ? above : all.n);
                    ch_candidates c = {.at = at};
                    ch_candidates_fill(&c, logits, n, narrow ? first : 0);
                    assert_in_range(c.n, sure, all.n);
                    ch_candidates_sort(&c, first);
                    assert_true(c.sorted == (first >= c.n && c.n > 0));
                    for (int i = 0; i < sure; i++)
                        if (!same(&c.at[i], &want[i]))
                            fail_msg("%d of %d (%d, %d): place %d", first, n, how, narrow, i);
                    if (narrow)
                        continue;
                    qsort(at, (size_t)c.n, sizeof *at, by_order); /* nobody was lost */
                    for (int i = 0; i < all.n; i++)
                        assert_true(same(&at[i], &want[i]));
                }
            }
}

/* Sorted, reversed, equal, organ pipes, saws: a median of three finds no easy prey in them. */
static void patterns_are_sorted_too(void **state)
{
    (void)state;
    for (int how = 0; how < 6; how++)
        for (int n = 1; n <= MOST; n = n * 3 + 1) {
            for (int i = 0; i < n; i++)
                logits[i] = (float)(how == 0   ? i
                                    : how == 1 ? -i
                                    : how == 2 ? 7
                                    : how == 3 ? CH_MIN(i, n - i)
                                    : how == 4 ? i % 17
                                               : (i * 7919) % 2048);
            ch_candidates all = {.at = want}, c = {.at = at};
            ch_candidates_fill(&all, logits, n, 0);
            qsort(want, (size_t)n, sizeof *want, by_order);
            ch_candidates_fill(&c, logits, n, 0);
            ch_candidates_sort(&c, n / 2 + 1);
            for (int i = 0; i < n / 2 + 1; i++)
                assert_true(same(&at[i], &want[i]));
            ch_candidates_sort(&c, n); /* what is half sorted */
            for (int i = 0; i < n; i++)
                assert_true(same(&at[i], &want[i]));
        }
}

static void more_continues_the_order(void **state)
{
    (void)state;
    for (int how = FILL_NORMAL; how <= FILL_POISON; how++) {
        random_logits(1500, how, 31);
        ch_candidates all = {.at = want}, c = {.at = at};
        ch_candidates_fill(&all, logits, 1500, 0);
        qsort(want, (size_t)all.n, sizeof *want, by_order);
        ch_candidates_fill(&c, logits, 1500, 0);
        for (int front = 0, next; front < c.n; front = next) {
            next = ch_candidates_more(&c, front);
            assert_in_range(next, CH_MIN(c.n, CH_MAX(2 * front, 1)), c.n);
            for (int i = 0; i < next; i++)
                assert_true(same(&at[i], &want[i]));
        }
        assert_true(c.sorted);
        assert_int_equal(ch_candidates_more(&c, c.n), c.n);
    }
}

/* One bad logit must not make filling for the best cost as much as filling all. */
static void filling_for_the_best_is_narrow(void **state)
{
    (void)state;
    fill(logits, MOST, FILL_NORMAL, 3);
    logits[7] = NAN;
    logits[8] = -INFINITY;
    ch_candidates c = {.at = at};
    ch_candidates_fill(&c, logits, MOST, 40);
    assert_in_range(c.n, 40, 120);
}

static void softmax_is_softmax(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        const int n = 1 + (int)ch_rng_below(300, seed, CH_RNG_TEST, 9, 0);
        random_logits(n, FILL_NORMAL, seed);
        ch_candidates c = {.at = at};
        ch_candidates_fill(&c, logits, n, 0);
        ch_candidates_softmax(&c);
        double sum = 0;
        for (int i = 0; i < n; i++)
            sum += exp((double)logits[i]);
        for (int i = 0; i < n; i++)
            assert_true(fabs((double)at[i].p - exp((double)logits[i]) / sum) < 1e-6);
    }
}

static void softmax_meets_infinities(void **state)
{
    (void)state;
    ch_candidate three[3] = {{0, INFINITY, 7}, {1, 3, 7}, {2, INFINITY, 7}};
    ch_candidates c = {.at = three, .n = 3};
    ch_candidates_softmax(&c);
    assert_true(three[0].p == 0.5f && three[1].p == 0 && three[2].p == 0.5f);
    three[0].logit = three[2].logit = -INFINITY;
    ch_candidates_softmax(&c);
    assert_true(three[0].p == 0 && three[1].p == 1 && three[2].p == 0);
    three[1].logit = -INFINITY;
    ch_candidates_softmax(&c);
    assert_true(three[0].p == 0 && three[1].p == 0 && three[2].p == 0);
    assert_int_equal(ch_candidates_best(&c), -1);
    c.n = 0;
    ch_candidates_softmax(&c);
    ch_candidates_sort(&c, 5);
    assert_int_equal(ch_candidates_best(&c), -1);
}

static void best_has_the_lowest_id(void **state)
{
    (void)state;
    ch_candidate four[4] = {{9, 1, 0}, {5, 2, 0}, {3, NAN, 0}, {4, 2, 0}};
    ch_candidates c = {.at = four, .n = 4};
    assert_int_equal(ch_candidates_best(&c), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fill_leaves_out_nan_alone),
        cmocka_unit_test(the_best_come_to_the_front),
        cmocka_unit_test(patterns_are_sorted_too),
        cmocka_unit_test(more_continues_the_order),
        cmocka_unit_test(filling_for_the_best_is_narrow),
        cmocka_unit_test(softmax_is_softmax),
        cmocka_unit_test(softmax_meets_infinities),
        cmocka_unit_test(best_has_the_lowest_id),
    };
    return cmocka_run_group_tests_name("candidates", tests, NULL, NULL);
}
