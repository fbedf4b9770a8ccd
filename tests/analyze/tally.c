/* tally.c - tests of analyze/tally.c
 *
 * SPDX-License-Identifier: MIT */
#include "analyze.h"
#include "support.h"

#include <math.h>

static void a_grid_is_counted(void **state)
{
    (void)state;
    ch_tally t = {0};
    for (int i = 0; i <= 10; i++)
        for (int j = 1; j <= 100; j++) {
            ch_spectrum s;
            ch_analyze_spectrum(&s, i / 10.0, j / 20.0);
            ch_analyze_count(&t, &s);
        }
    uint64_t sum = 0;
    for (int r = 0; r < CH_REGIMES; r++)
        sum += t.regime[r];
    assert_int_equal(t.n, 1100);
    assert_int_equal(sum, 1100);
    /* p = j / 20 < 2 (1 + i / 10) for j = 1 .. 39 + 4 i, i = 0 .. 9 */
    assert_int_equal(t.stable, 10 * 39 + 4 * 45);
    assert_int_equal(t.published_stable - t.wrongly_stable, t.stable - t.wrongly_unstable);
    /* alpha 0.9: p = 3.85 .. 4.55 and 3.8 itself; below 0.84 the bound is the smaller one */
    assert_int_equal(t.wrongly_stable, 16);
    assert_int_equal(t.wrongly_unstable, 75);
    assert_int_equal(t.regime[CH_REGIME_NONE] + t.regime[CH_REGIME_FROZEN], 0);
    assert_true(t.reach_most == 2.5 && t.reach_least == 0.05 / 4 && t.rho_most == 4);
}

static ch_sample at(int layer, int64_t token, int channel, int64_t step, double alpha, double p)
{
    return (ch_sample){.layer = layer, .token = token, .channel = channel, .step = step,
                       .k = {.alpha = alpha, .beta = p / 0.1, .gate = 1, .dt = 0.1}};
}

static void samples_by_layer_and_sequence(void **state)
{
    (void)state;
    const ch_sample samples[] = {
        at(0, 0, 0, 0, 0.5, 2), at(0, 0, 0, 1, 0.5, 1), /* sigma 2/3, then 1/3: falls */
        at(0, 0, 1, 0, 0.5, 2), at(0, 1, 1, 1, 0.5, 1), /* another token: two sequences */
        at(1, 0, 0, 0, 0.5, 3.5),                       /* diverges */
        at(7, 0, 0, 0, 0.5, 1), at(-1, 0, 0, 0, 0.5, 1) /* no such layer */
    };
    ch_tally t[3] = {0};
    assert_int_equal(ch_analyze_count_samples(t, 3, samples, CH_COUNT(samples)), 5);
    assert_true(t[0].n == 4 && t[0].stable == 4 && t[1].n == 1 && t[1].stable == 0 && t[2].n == 0);
    /* exp((logit 2/3 - logit 1/3) / 2) / sqrt(1 - 1/3) = 2 sqrt(3/2) */
    assert_true(fabs(t[0].growth_most - 2 * sqrt(1.5)) < 1e-12);
    assert_true(isinf(t[1].growth_most));
    assert_true(fabs(t[0].rho_sum - 4 * sqrt(0.5)) < 1e-12);
}

/* A gate that opens pushes displacements like inertia above one. */
static void velocity_is_seen_as_displacement(void **state)
{
    (void)state;
    ch_sample samples[] = {at(0, 0, 0, 0, 0.5, 0.2), at(0, 0, 0, 1, 0.5, 0.2)};
    ch_tally t = {0};
    ch_analyze_count_samples(&t, 1, samples, 2);
    assert_true(isfinite(t.growth_most));
    samples[0].k.gate = 0.2;
    ch_analyze_count_samples(&t, 1, samples, 2);
    assert_true(isinf(t.growth_most));
    samples[0].k.gate = 0; /* nothing moved yet, and nothing is known */
    t = (ch_tally){0};
    ch_analyze_count_samples(&t, 1, samples, 2);
    assert_true(isinf(t.growth_most) && t.regime[CH_REGIME_FROZEN] == 1);
}

int main(void)
{
    const struct CMUnitTest analyze_tally[] = {
        cmocka_unit_test(a_grid_is_counted),
        cmocka_unit_test(samples_by_layer_and_sequence),
        cmocka_unit_test(velocity_is_seen_as_displacement),
    };
    return cmocka_run_group_tests(analyze_tally, NULL, NULL);
}
