/* energy.c - tests of analyze/energy.c
 *
 * SPDX-License-Identifier: MIT */
#include "analyze.h"
#include "support.h"

#include <math.h>

enum { SEED = 7, DRAWS = 20000 };

static double draw(uint32_t which, uint64_t i)
{
    return ch_rng_uniform(SEED, CH_RNG_TEST, which, i);
}

static void v_changes_by_the_identity(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < DRAWS; i++) {
        const double alpha = draw(0, i), sigma = 0.001 + 0.998 * draw(1, i);
        const double p = 2 * (1 + alpha) * sigma;
        const double e = 2 * draw(2, i) - 1, w = 2 * draw(3, i) - 1;
        const double w1 = alpha * w - p * e, e1 = e + w1;
        const double v = ch_analyze_lyapunov(sigma, e, w), v1 = ch_analyze_lyapunov(sigma, e1, w1);
        const double want = -(1 - alpha) / (2 * p) * (w1 + w) * (w1 + w);
        const double size = v + v1 - want;
        if (fabs(v1 - v - want) > 1e-13 * size)
            fail_msg("draw %d: V changes by %.17g, wanted %.17g", (int)i, v1 - v, want);
        if (!(v > 0) || (1 - sigma) * e * e > v * (1 + 1e-12))
            fail_msg("draw %d: V = %g, e = %g", (int)i, v, e);
        /* The Schur-Cohn form, 2 p V, written out. */
        const double form = p * e * e * 2 - 2 * p * e * w + (1 + alpha) * w * w;
        if (fabs(form - 2 * p * v) > 1e-13 * (form + 2 * p * fabs(e * w)))
            fail_msg("draw %d: %g, %g", (int)i, form, 2 * p * v);
    }
}

/* It is a Lyapunov function nowhere else. */
static void v_is_positive_inside_only(void **state)
{
    (void)state;
    assert_true(isnan(ch_analyze_lyapunov(0, 1, 1)) && isnan(ch_analyze_lyapunov(1, 1, 1)));
    assert_true(isnan(ch_analyze_lyapunov(-0.5, 1, 1)));
    assert_true(isnan(ch_analyze_lyapunov((double)NAN, 1, 1)));
    assert_true(ch_analyze_lyapunov(0.5, 0, 0) == 0);
}

/* alpha 0.5, dt 0.1, gate 1, beta 10: p = 1, in the middle of the stable range. */
static void the_published_energy_rises(void **state)
{
    (void)state;
    const ch_integrator k = {.alpha = 0.5, .beta = 10, .gate = 1, .dt = 0.1};
    static const double want[] = {0.5, 50, 12.625, 3.15625, 7.0390625};
    ch_motion m = {.x = 1};
    double v = (double)INFINITY;
    int rises = 0;
    for (size_t n = 0; n < 40; n++) {
        const double e = ch_analyze_published_energy(&k, m);
        const double now = ch_analyze_lyapunov(1.0 / 3, m.x, 0.1 * m.v);
        if (n < CH_COUNT(want))
            assert_true(fabs(e - want[n]) < 1e-12);
        assert_true(now <= v * (1 + 1e-14));
        v = now;
        m = ch_analyze_step(&k, m);
        rises += ch_analyze_published_energy(&k, m) > e;
    }
    assert_true(rises >= 8);
    assert_true(v < 1e-10);
}

/* With a target the published energy does not even end at 0, where x and v are at their limits. */
static void the_published_energy_keeps_a_rest(void **state)
{
    (void)state;
    const ch_integrator k = {.alpha = 0.4, .beta = 2, .gate = 0.5, .dt = 1, .target = 2, .mu = 1};
    ch_motion m = {.x = 3};
    for (int n = 0; n < 500; n++)
        m = ch_analyze_step(&k, m);
    const double off = 0.6 * 2 / 2;
    assert_true(fabs(ch_analyze_published_energy(&k, m) - (off * off + 4) / 2) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest analyze_energy[] = {
        cmocka_unit_test(v_changes_by_the_identity),
        cmocka_unit_test(v_is_positive_inside_only),
        cmocka_unit_test(the_published_energy_rises),
        cmocka_unit_test(the_published_energy_keeps_a_rest),
    };
    return cmocka_run_group_tests(analyze_energy, NULL, NULL);
}
