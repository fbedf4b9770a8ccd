/* rng.c - tests of base/rng.c.  SPDX-License-Identifier: MIT */
#include "support.h"

/* The known answers that Random123 publishes for philox4x32-10. */
static void known_answers(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed;
        uint32_t stream, sub;
        uint64_t counter;
        uint32_t out[4];
    } known[] = {
        {0, 0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT32_MAX, UINT32_MAX, UINT64_MAX,
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x299f31d0a4093822u, 0x13198a2e, 0x03707344, 0x85a308d3243f6a88u,
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t k = 0; k < CH_COUNT(known); k++) {
        uint32_t out[4];
        ch_rng_block(out, known[k].seed, known[k].stream, known[k].sub, known[k].counter);
        for (int i = 0; i < 4; i++)
            assert_int_equal(out[i], known[k].out[i]);
    }
}

static void uniform_is_uniform(void **state)
{
    (void)state;
    enum { N = 100000, BINS = 100 };
    int bins[BINS] = {0};
    double sum = 0;
    for (uint64_t i = 0; i < N; i++) {
        double x = ch_rng_uniform(7, CH_RNG_TEST, 0, i);
        assert_true(x >= 0 && x < 1);
        bins[(int)(x * BINS)]++;
        sum += x;
    }
    assert_true(fabs(sum / N - 0.5) < 0.005);
    double chi2 = 0;
    for (int b = 0; b < BINS; b++)
        chi2 += (bins[b] - N / BINS) * (double)(bins[b] - N / BINS) / (N / BINS);
    assert_true(chi2 > 50 && chi2 < 160); /* 99 degrees of freedom */
}

static void normal_is_normal(void **state)
{
    (void)state;
    enum { N = 100000 };
    double m1 = 0, m2 = 0, m3 = 0, m4 = 0;
    for (uint64_t i = 0; i < N; i++) {
        double x = ch_rng_normal(7, CH_RNG_TEST, 1, i);
        assert_true(isfinite(x));
        m1 += x, m2 += x * x, m3 += x * x * x, m4 += x * x * x * x;
    }
    assert_true(fabs(m1 / N) < 0.015);
    assert_true(fabs(m2 / N - 1) < 0.02);
    assert_true(fabs(m3 / N) < 0.05);
    assert_true(fabs(m4 / N - 3) < 0.15);
}

static void below_stays_below(void **state)
{
    (void)state;
    static const uint64_t limits[] = {1, 2, 3, 10, 1000003, 1ull << 32, UINT64_MAX};
    for (size_t k = 0; k < CH_COUNT(limits); k++)
        for (uint64_t i = 0; i < 2000; i++)
            assert_true(ch_rng_below(limits[k], 3, CH_RNG_TEST, 2, i) < limits[k]);
    int counts[3] = {0};
    for (uint64_t i = 0; i < 30000; i++)
        counts[ch_rng_below(3, 4, CH_RNG_TEST, 0, i)]++;
    for (int v = 0; v < 3; v++)
        assert_in_range(counts[v], 9700, 10300);
}

/* A draw depends on all four coordinates and on nothing else. */
static void coordinates_count(void **state)
{
    (void)state;
    double x = ch_rng_uniform(1, 2, 3, 4);
    assert_true(x != ch_rng_uniform(2, 2, 3, 4));
    assert_true(x != ch_rng_uniform(1 + (1ull << 40), 2, 3, 4));
    assert_true(x != ch_rng_uniform(1, 3, 3, 4));
    assert_true(x != ch_rng_uniform(1, 2, 4, 4));
    assert_true(x != ch_rng_uniform(1, 2, 3, 5));
    assert_true(x != ch_rng_uniform(1, 2, 3, 4 + (1ull << 40)));
    assert_true(x == ch_rng_uniform(1, 2, 3, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers), cmocka_unit_test(uniform_is_uniform),
        cmocka_unit_test(normal_is_normal), cmocka_unit_test(below_stays_below),
        cmocka_unit_test(coordinates_count),
    };
    return cmocka_run_group_tests_name("base/rng", tests, NULL, NULL);
}
