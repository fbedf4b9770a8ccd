/* inside.c - tests of analyze/inside.c: no free number leads out, gradients are right and bounded
 *
 * SPDX-License-Identifier: MIT */
#include "analyze.h"
#include "support.h"

#include <float.h>
#include <math.h>

static const double numbers[] = {0, 0.3, -0.3, 2, -2, 7, -7, 40, -40, 700, -700, 1e6, -1e6,
                                 DBL_MAX, -DBL_MAX};
static const ch_inside ways[] = {CH_INSIDE_STABLE, CH_INSIDE_ANY, CH_INSIDE_MONOTONE};

static void nothing_leads_out(void **state)
{
    (void)state;
    for (size_t w = 0; w < CH_COUNT(ways); w++)
        for (size_t i = 0; i < CH_COUNT(numbers); i++)
            for (size_t j = 0; j < CH_COUNT(numbers); j++) {
                ch_inside_point k;
                ch_spectrum s;
                ch_safety z;
                ch_analyze_inside(&k, ways[w], numbers[i], numbers[j], 0.05, 0.7);
                ch_analyze_spectrum(&s, k.alpha, k.p);
                ch_analyze_safety(&z, k.alpha, k.p);
                assert_true(s.stable && k.alpha >= 0 && k.alpha <= 0.95);
                if (ways[w] == CH_INSIDE_STABLE)
                    assert_true(s.reach > 0.05 - 1e-15 && s.reach < 0.95 + 1e-15);
                if (ways[w] == CH_INSIDE_ANY)
                    assert_true(z.any < 0.95 + 1e-15);
                if (ways[w] == CH_INSIDE_MONOTONE)
                    assert_true(z.least_r <= 0.7 && 0.7 <= z.most_r);
            }
}

static void gradients(void **state)
{
    (void)state;
    const double h = 1e-5;
    for (size_t w = 0; w < CH_COUNT(ways); w++)
        for (double a = -6; a <= 6; a += 0.37)
            for (double b = -6; b <= 6; b += 0.37) {
                ch_inside_point k, up, down;
                ch_analyze_inside(&k, ways[w], a, b, 0.05, 0.7);
                ch_analyze_inside(&up, ways[w], a + h, b, 0.05, 0.7);
                ch_analyze_inside(&down, ways[w], a - h, b, 0.05, 0.7);
                assert_true(fabs((up.alpha - down.alpha) / (2 * h) - k.dalpha_da) < 1e-9);
                assert_true(fabs((up.p - down.p) / (2 * h) - k.dp_da) < 1e-9);
                ch_analyze_inside(&up, ways[w], a, b + h, 0.05, 0.7);
                ch_analyze_inside(&down, ways[w], a, b - h, 0.05, 0.7);
                assert_true(up.alpha == down.alpha);
                assert_true(fabs((up.p - down.p) / (2 * h) - k.dp_db) < 1e-9);
                assert_true(fabs(k.dalpha_da) <= 0.25 && fabs(k.dp_da) <= 0.5);
                assert_true(fabs(k.dp_db) <= 1);
                /* Theorem D in b: logit sigma moves no more than b does. */
                const double sigma = k.p / (2 * (1 + k.alpha));
                if (ways[w] == CH_INSIDE_STABLE)
                    assert_true(k.dp_db / (2 * (1 + k.alpha)) <= sigma * (1 - sigma));
            }
}

int main(void)
{
    const struct CMUnitTest analyze_inside[] = {
        cmocka_unit_test(nothing_leads_out),
        cmocka_unit_test(gradients),
    };
    return cmocka_run_group_tests(analyze_inside, NULL, NULL);
}
