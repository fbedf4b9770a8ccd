/* optimizer.c - tests of train/optimizer.c.  SPDX-License-Identifier: MIT */
#include "nano.h"

static void norm_is_the_sum_of_squares(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_pool *pool;
    assert_ok(ch_pool_open(&pool, 3, &e), e);
    static const int64_t sizes[] = {0, 1, 63, 64, 65, 16384, 100000, 999999};
    for (size_t s = 0; s < CH_COUNT(sizes); s++) {
        const int64_t n = sizes[s];
        real *g = malloc((size_t)(n + 1) * sizeof *g);
        assert_non_null(g);
        double sum = 0;
        for (int64_t i = 0; i < n; i++) {
            g[i] = (real)(ch_rng_normal(8, CH_RNG_TEST, 0, (uint64_t)i) *
                          1e-9); /* squares: 1e-18 */
            sum += (double)g[i] * (double)g[i];
        }
        const double norm = ch_grad_norm(g, n, NULL);
        assert_true(fabs(norm - sqrt(sum)) <= 1e-12 * norm);
        assert_true(norm == ch_grad_norm(g, n, pool));
        if (n > 0) {
            g[n / 2] = (real)NAN;
            assert_true(isnan(ch_grad_norm(g, n, pool)));
        }
        free(g);
    }
    ch_pool_close(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norm_is_the_sum_of_squares),
    };
    return cmocka_run_group_tests_name("train/optimizer", tests, NULL, NULL);
}
