/* closed.c - tests of analyze/closed.c
 *
 * SPDX-License-Identifier: MIT */
#include "analyze.h"
#include "support.h"

#include <math.h>

enum { SEED = 6 };

static double draw(uint32_t which, uint64_t i)
{
    return ch_rng_uniform(SEED, CH_RNG_TEST, which, i);
}

static double real_power(double s, int64_t n)
{
    return s < 0 && n % 2 ? -pow(-s, (double)n) : pow(fabs(s), (double)n);
}

/* U_n from the eigenvalues, by the case that they are. */
static double by_eigenvalues(const ch_spectrum *s, int64_t n)
{
    switch (s->regime) {
    case CH_REGIME_CRITICAL:
    case CH_REGIME_FLIPPED: return (double)n * real_power(s->re[0], n - 1);
    case CH_REGIME_OSCILLATING: {
        const double angle = acos(s->re[0] / s->rho);
        return pow(s->rho, (double)(n - 1)) * sin((double)n * angle) / sin(angle);
    }
    default:
        return (real_power(s->re[0], n) - real_power(s->re[1], n)) / (s->re[0] - s->re[1]);
    }
}

static void powers_agree_with_eigenvalues(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 5000; i++) {
        const double alpha = draw(0, i), p = 2 * (1 + alpha) * draw(1, i);
        const int64_t n = (int64_t)(200 * draw(2, i)) + 1;
        ch_spectrum s;
        ch_powers j;
        ch_analyze_spectrum(&s, alpha, p);
        if (hypot(s.re[0] - s.re[1], s.im[0] - s.im[1]) < 0.01)
            continue; /* there the formulas cancel; loop_and_closed_form_agree goes there */
        ch_analyze_powers(&j, alpha, p, n);
        const double want = by_eigenvalues(&s, n), size = pow(s.rho, (double)n) * 1e4;
        if (fabs(j.u - want) > 1e-11 * size)
            fail_msg("alpha %g p %g n %d: %.17g, wanted %.17g", alpha, p, (int)n, j.u, want);
        if (fabs(j.kept - (1 - p * j.g)) > 1e-11)
            fail_msg("alpha %g p %g n %d: kept %g, 1 - p G %g", alpha, p, (int)n, j.kept,
                     1 - p * j.g);
    }
}

static void powers_of_double_eigenvalues(void **state)
{
    (void)state;
    for (int n = 0; n < 40; n++) {
        ch_powers j;
        ch_analyze_powers(&j, 0.25, 0.25, n); /* both 1/2 */
        assert_true(fabs(j.u - n * pow(0.5, n - 1)) < 1e-15);
        ch_analyze_powers(&j, 0.25, 2.25, n); /* both -1/2 */
        assert_true(fabs(j.u + n * real_power(-0.5, n) * 2) < 1e-15);
        ch_analyze_powers(&j, 0, 1, n); /* both 0: there after one step */
        assert_true(j.u == (n == 1) && j.kept == (n == 0));
        ch_analyze_powers(&j, 0.5, 0, n); /* frozen: U_n = 1 + 1/2 + 1/4 + ... */
        assert_true(fabs(j.u - (2 - pow(0.5, n - 1))) < 1e-15 && fabs(j.kept - 1) < 1e-15);
    }
    ch_powers j;
    ch_analyze_powers(&j, 0.5, 1, -1);
    assert_true(isnan(j.u) && isnan(j.kept));
    ch_analyze_powers(&j, 0.5, 1, INT64_MAX);
    assert_true(j.u == 0 && fabs(j.g - 1) < 1e-12);
}

static ch_integrator draw_parameters(uint64_t i)
{
    const double alpha = draw(0, i), root = sqrt(alpha);
    const double line[] = {2 * (1 + alpha) * draw(1, i), (1 - root) * (1 - root),
                           (1 + root) * (1 + root), 0};
    ch_integrator k = {.alpha = alpha, .gate = 0.2 + draw(2, i), .dt = 0.05 + draw(3, i),
                       .target = 4 * draw(4, i) - 2, .mu = 4 * draw(5, i) - 2};
    k.beta = line[i % 4] / (k.gate * k.dt);
    return k;
}

static void loop_and_closed_form_agree(void **state)
{
    (void)state;
    double worst = 0;
    for (uint64_t i = 0; i < 3000; i++) {
        const ch_integrator k = draw_parameters(i);
        const ch_motion from = {4 * draw(6, i) - 2, 4 * draw(7, i) - 2};
        worst = fmax(worst, ch_analyze_closed_error(&k, from, 60));
    }
    if (!(worst < 2e-12))
        fail_msg("largest relative distance %g", worst);
    assert_true(worst > 0);
    /* At rest in the fixed point nothing moves. */
    const ch_integrator k = {.alpha = 0.5, .beta = 2, .gate = 0.5, .dt = 0.5, .target = 3, .mu = 1};
    const ch_motion m = ch_analyze_jump(&k, (ch_motion){ch_analyze_fixed_point(&k), 0}, 1000);
    assert_true(m.x == 1.75 && m.v == 0);
}

/* The size of a step, |x_n - x_(n-1)| = p |U_n| |x0 - x*| from rest: what the published model
 * compares with its threshold. */
static void step_sizes(void **state)
{
    (void)state;
    const ch_integrator k = {.alpha = 0.6, .beta = 3, .gate = 0.8, .dt = 0.4, .target = 1,
                             .mu = -1};
    const double p = ch_analyze_pull(&k), x = ch_analyze_fixed_point(&k);
    ch_motion m = {.x = 5}, before;
    for (int n = 1; n < 40; n++) {
        before = m;
        m = ch_analyze_step(&k, m);
        ch_powers j;
        ch_analyze_powers(&j, k.alpha, p, n);
        assert_true(fabs(fabs(m.x - before.x) - p * fabs(j.u) * fabs(5 - x)) < 1e-13);
    }
}

static void settling_is_when_it_says(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 400; i++) {
        const double alpha = 0.98 * draw(0, i), p = 2 * (1 + alpha) * (0.01 + 0.98 * draw(1, i));
        const int64_t n = ch_analyze_settling(alpha, p, 1e-3, 100000);
        assert_true(n > 0);
        ch_powers j;
        ch_analyze_powers(&j, alpha, p, n - 1);
        assert_true(fabs(j.kept) > 1e-3 * (1 - 1e-9));
        for (int64_t later = n; later < n + 300; later++) {
            ch_analyze_powers(&j, alpha, p, later);
            assert_true(fabs(j.kept) <= 1e-3 * (1 + 1e-9));
        }
    }
    assert_int_equal(ch_analyze_settling(0, 1, 0, 10), 1);
    assert_int_equal(ch_analyze_settling(0.5, 1, 1, 10), 0);
    assert_int_equal(ch_analyze_settling(0.5, 3.1, 1e-3, 1000), -1);
    assert_int_equal(ch_analyze_settling(0.5, 0, 1e-3, 1000), -1);
    assert_int_equal(ch_analyze_settling(0.999, 1e-6, 1e-3, 1000), -1);
    assert_int_equal(ch_analyze_settling(0.5, 1, (double)NAN, 1000), -1);
    assert_int_equal(ch_analyze_settling(0.5, 1, 1e-3, -1), -1);
}

int main(void)
{
    const struct CMUnitTest analyze_closed[] = {
        cmocka_unit_test(powers_agree_with_eigenvalues),
        cmocka_unit_test(powers_of_double_eigenvalues),
        cmocka_unit_test(loop_and_closed_form_agree),
        cmocka_unit_test(step_sizes),
        cmocka_unit_test(settling_is_when_it_says),
    };
    return cmocka_run_group_tests(analyze_closed, NULL, NULL);
}
