/* grad_tree.c - tests of train/grad_tree.c: the tree is the pairwise one, to the bit
 *
 * SPDX-License-Identifier: MIT */
#include "nano.h"

enum { N = 70000, LEAVES = 32 }; /* more than one task of the tree's */

static real leaf_value(int leaf, int64_t i)
{
    return (real)ch_rng_normal(1, CH_RNG_TEST, (uint32_t)leaf, (uint64_t)i);
}

static real *make_leaf(int leaf)
{
    real *g = malloc(N * sizeof *g);
    assert_non_null(g);
    for (int64_t i = 0; i < N; i++)
        g[i] = leaf_value(leaf, i);
    return g;
}

static real pairwise(real *const *leaf, int n, int64_t i)
{
    return n == 1 ? leaf[0][i] : pairwise(leaf, n / 2, i) + pairwise(leaf + n / 2, n / 2, i);
}

static void sums_are_pairwise(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_pool *pool;
    real *leaf[LEAVES];
    assert_ok(ch_pool_open(&pool, 3, &e), e);
    for (int i = 0; i < LEAVES; i++)
        leaf[i] = make_leaf(i);
    for (int leaves = 1; leaves <= LEAVES; leaves *= 2) {
        ch_grad_tree t;
        assert_ok(ch_grad_tree_open(&t, N, leaves, leaves % 4 ? pool : NULL, &e), e);
        for (int round = 0; round < 3; round++) { /* the tree is used again and again */
            if (round == 2)
                for (int i = 0; i < leaves; i++)
                    ch_grad_tree_add(&t, leaf[0]);
            ch_grad_tree_clear(&t);
            for (int i = 0; i < leaves; i++)
                ch_grad_tree_add(&t, leaf[i]);
            const real *sum = ch_grad_tree_sum(&t);
            assert_non_null(sum);
            for (int64_t i = 0; i < N; i++)
                if (sum[i] != pairwise(leaf, leaves, i))
                    fail_msg("%d leaves, element %d", leaves, (int)i);
        }
        ch_grad_tree_close(&t);
    }
    for (int i = 0; i < LEAVES; i++)
        free(leaf[i]);
    ch_pool_close(&pool);
}

/* Two halves, summed apart and then added, are the whole: what makes 2 x 4 equal 1 x 8. */
static void halves_make_the_whole(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_grad_tree whole, half;
    real *first = malloc(N * sizeof *first);
    assert_non_null(first);
    assert_ok(ch_grad_tree_open(&whole, N, 8, NULL, &e), e);
    assert_ok(ch_grad_tree_open(&half, N, 4, NULL, &e), e);
    for (int i = 0; i < 8; i++) {
        real *g = make_leaf(i);
        ch_grad_tree_add(&whole, g);
        ch_grad_tree_add(&half, g);
        free(g);
        if (i == 3)
            memcpy(first, ch_grad_tree_sum(&half), N * sizeof *first);
    }
    const real *sum = ch_grad_tree_sum(&whole), *second = ch_grad_tree_sum(&half);
    int in_sequence = 0;
    for (int64_t i = 0; i < N; i++) {
        assert_true(sum[i] == first[i] + second[i]);
        real plain = 0;
        for (int l = 0; l < 8; l++)
            plain += leaf_value(l, i);
        in_sequence += plain == sum[i];
    }
    assert_true(in_sequence < N); /* the order matters, so this test can fail */
    ch_grad_tree_close(&whole);
    ch_grad_tree_close(&half);
    free(first);
}

static void odd_numbers_of_leaves_are_refused(void **state)
{
    (void)state;
    static const int wrong[] = {0, -4, 3, 12, 1 << 16};
    for (size_t i = 0; i < CH_COUNT(wrong); i++) {
        ch_grad_tree t;
        ch_err e = {0};
        assert_fails(ch_grad_tree_open(&t, 64, wrong[i], NULL, &e), CH_EARG, e, "powers of two");
        ch_grad_tree_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_pairwise),
        cmocka_unit_test(halves_make_the_whole),
        cmocka_unit_test(odd_numbers_of_leaves_are_refused),
    };
    return cmocka_run_group_tests_name("train/grad_tree", tests, NULL, NULL);
}
