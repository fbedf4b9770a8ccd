/* spectrum.c - tests of analyze/spectrum.c and published.c
 *
 * The judge is the matrix itself in long double: its spectral radius by Gelfand's formula from
 * repeated squaring, the signs under the root and Jury's conditions from its entries.
 * SPDX-License-Identifier: MIT */
#include "analyze.h"
#include "support.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { POINTS = 100000, SEED = 5 };

static double draw(uint32_t which, uint64_t i)
{
    return ch_rng_uniform(SEED, CH_RNG_TEST, which, i);
}

static bool near(double a, double b, double relative)
{
    return fabs(a - b) <= relative * fmax(fabs(a), fabs(b)) + DBL_MIN;
}

/* rho(J) = lim |J^n|^(1/n), n = 2^60: the logarithm of the norm, halved with each squaring. */
static long double radius(long double alpha, long double p)
{
    long double a = 1 - p, b = alpha, c = -p, d = alpha;
    long double log_norm = 0, share = 1;
    for (int i = 0; i < 60; i++, share /= 2) {
        const long double most = fmaxl(fmaxl(fabsl(a), fabsl(b)), fmaxl(fabsl(c), fabsl(d)));
        if (most == 0)
            return 0;
        log_norm += share * logl(most);
        a /= most;
        b /= most;
        c /= most;
        d /= most;
        const long double bc = b * c, trace = a + d;
        a = a * a + bc;
        b *= trace;
        c *= trace;
        d = d * d + bc;
    }
    return expl(log_norm);
}

/* A random point; three of four lie near p1, p2 and the limit, down to a distance of 1e-9. */
static void point(double *alpha, double *p, uint64_t i)
{
    *alpha = draw(0, i);
    const double root = sqrt(*alpha);
    const double line[] = {0, (1 - root) * (1 - root), (1 + root) * (1 + root), 2 * (1 + *alpha)};
    const unsigned which = i % 4;
    const double off = pow(10, -9 * draw(2, i)) * (draw(3, i) < 0.5 ? -1 : 1);
    *p = which == 0 ? 6 * draw(1, i) - 0.5 : line[which] * (1 + off);
}

/* What the judge can tell: near a double eigenvalue its squares lose digits. */
static long double blur(long double alpha, long double p)
{
    const long double t = 1 + alpha - p;
    return 1e-14L + 100 * LDBL_EPSILON / fabsl(t * t - 4 * alpha);
}

static ch_regime judge(long double a, long double p)
{
    /* (J11 - J22)^2 + 4 J12 J21 tells a pair from two reals, trace and determinant their signs. */
    const long double under = (1 - p - a) * (1 - p - a) - 4 * a * p, trace = 1 + a - p;
    const bool jury = fabsl(a) < 1 && 1 - trace + a > 0 && 1 + trace + a > 0;
    if (!jury)
        return CH_REGIME_DIVERGING;
    if (under < 0)
        return CH_REGIME_OSCILLATING;
    return trace > 0 ? CH_REGIME_OVERDAMPED : CH_REGIME_ALTERNATING;
}

static void random_points_agree_with_the_matrix(void **state)
{
    (void)state;
    int seen[CH_REGIMES] = {0};
    for (uint64_t i = 0; i < POINTS; i++) {
        double alpha, p;
        point(&alpha, &p, i);
        ch_spectrum s;
        ch_analyze_spectrum(&s, alpha, p);
        const long double a = (long double)alpha, q = (long double)p, rho = radius(a, q);
        const long double off = blur(a, q);
        seen[s.regime]++;
        if (fabsl((long double)s.rho - rho) > off * rho)
            fail_msg("alpha %.17g p %.17g: rho %.17g, matrix %.17Lg", alpha, p, s.rho, rho);
        if (s.stable != (rho < 1) || s.regime != judge(a, q))
            fail_msg("alpha %.17g p %.17g: %s, stable %d, matrix rho %.17Lg", alpha, p,
                     ch_analyze_regime_name(s.regime), s.stable, rho);
        if (fabsl((long double)s.gap - (1 - rho)) > off)
            fail_msg("alpha %.17g p %.17g: gap %.17g", alpha, p, s.gap);
    }
    assert_true(seen[CH_REGIME_OVERDAMPED] > 10000 && seen[CH_REGIME_OSCILLATING] > 10000);
    assert_true(seen[CH_REGIME_ALTERNATING] > 10000 && seen[CH_REGIME_DIVERGING] > 10000);
}

static void eigenvalues_are_roots(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < POINTS; i++) {
        double alpha, p;
        point(&alpha, &p, i);
        ch_spectrum s;
        ch_analyze_spectrum(&s, alpha, p);
        const double size = 1 + fabs(p);
        const double product = s.re[0] * s.re[1] - s.im[0] * s.im[1];
        if (fabs(s.re[0] + s.re[1] - (1 + alpha - p)) > 1e-14 * size ||
            fabs(product - alpha) > 1e-14 * size || s.im[0] + s.im[1] != 0 ||
            !near(hypot(s.re[0], s.im[0]), s.rho, 1e-14) ||
            hypot(s.re[1], s.im[1]) > s.rho * (1 + 1e-14))
            fail_msg("alpha %.17g p %.17g: %g%+gi %g%+gi", alpha, p, s.re[0], s.im[0], s.re[1],
                     s.im[1]);
    }
}

static void lines_between_regimes(void **state)
{
    (void)state;
    static const struct {
        double alpha, p, rho;
        ch_regime regime;
    } cases[] = {
        {0.25, 0.25, 0.5, CH_REGIME_CRITICAL},      {0.25, 2.25, 0.5, CH_REGIME_FLIPPED},
        {0.25, 0.2, 0.6850781059358212, CH_REGIME_OVERDAMPED},
        {0.25, 2.4, 0.8589454172900135, CH_REGIME_ALTERNATING},  {0.25, 2.5, 1, CH_REGIME_MARGINAL},
        {0.9, 3.8, 1, CH_REGIME_MARGINAL},          {0.9, 4.2, 1.8, CH_REGIME_DIVERGING},
        {0.9, 3.7, 0.9486832980505138, CH_REGIME_OSCILLATING},
        {0, 1, 0, CH_REGIME_CRITICAL},              {0, 0.5, 0.5, CH_REGIME_OVERDAMPED},
        {0, 1.5, 0.5, CH_REGIME_ALTERNATING},       {1, 1, 1, CH_REGIME_MARGINAL},
        {0.5, 0, 1, CH_REGIME_FROZEN},              {0.5, -0.1, 1.1741657386773941, CH_REGIME_DIVERGING},
        {-0.5, 0.5, 0.7071067811865476, CH_REGIME_MIXED},
        {1.1, 1, 1.0488088481701516, CH_REGIME_DIVERGING},
        {-1, 0.5, 1.2807764064044151, CH_REGIME_DIVERGING},
        {0.5, 1e-300, 1, CH_REGIME_OVERDAMPED},
    };
    for (size_t i = 0; i < CH_COUNT(cases); i++) {
        ch_spectrum s;
        ch_analyze_spectrum(&s, cases[i].alpha, cases[i].p);
        if (s.regime != cases[i].regime ||
            !near(s.rho, cases[i].rho, 1e-12))
            fail_msg("case %zu: %s, rho %.17g", i, ch_analyze_regime_name(s.regime), s.rho);
        const bool stable = cases[i].regime != CH_REGIME_DIVERGING &&
                            cases[i].regime != CH_REGIME_MARGINAL &&
                            cases[i].regime != CH_REGIME_FROZEN;
        assert_int_equal(s.stable, stable);
    }
}

static void anything_is_answered(void **state)
{
    (void)state;
    static const double odd[] = {0, -0.0, 1, -1, 0.5, 2, -3, 1e-320, 1e300, -1e300, DBL_MAX,
                                 -DBL_MAX, 1 - DBL_EPSILON, (double)NAN, (double)INFINITY,
                                 -(double)INFINITY};
    for (size_t i = 0; i < CH_COUNT(odd); i++)
        for (size_t k = 0; k < CH_COUNT(odd); k++) {
            ch_spectrum s;
            ch_safety safe;
            ch_powers powers;
            ch_analyze_spectrum(&s, odd[i], odd[k]);
            assert_true((unsigned)s.regime < CH_REGIMES);
            assert_int_equal(s.regime == CH_REGIME_NONE, !isfinite(odd[i]) || !isfinite(odd[k]));
            if (s.regime == CH_REGIME_NONE || s.regime == CH_REGIME_DIVERGING)
                assert_false(s.stable || s.rho < 1);
            ch_analyze_published_bound(odd[i]);
            ch_analyze_published_regime(odd[i], odd[k]);
            ch_analyze_safety(&safe, odd[i], odd[k]);
            ch_analyze_powers(&powers, odd[i], odd[k], 1000000007);
            assert_true(ch_analyze_settling(odd[i], odd[k], 1e-3, 1000) <= 1000);
        }
    assert_string_equal(ch_analyze_regime_name((ch_regime)99), "undefined");
}

static void published_sets_get_their_labels(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double rho;
        ch_regime regime;
        bool holds;
    } truth[] = {
        {"Safe", 0.5, CH_REGIME_OVERDAMPED, true},
        {"Near-bound", 0.5477225575051661, CH_REGIME_OSCILLATING, false},
        {"Unstable", 0.7071067811865476, CH_REGIME_OSCILLATING, false},
        {"Damped", 0.8366600265340756, CH_REGIME_OSCILLATING, false},
        {"High-alpha", 0.9486832980505138, CH_REGIME_OSCILLATING, false},
        {"Unstable (plot)", 0.8944271909999159, CH_REGIME_OSCILLATING, false},
    };
    size_t n = 0;
    for (; ch_published_sets[n].name; n++) {
        assert_true(n < CH_COUNT(truth));
        const ch_published_set *p = &ch_published_sets[n];
        ch_spectrum s;
        ch_analyze_spectrum(&s, p->alpha, p->p);
        assert_string_equal(p->name, truth[n].name);
        assert_int_equal(s.regime, truth[n].regime);
        assert_true(s.stable && near(s.rho, truth[n].rho, 1e-14));
        assert_int_equal(ch_analyze_published_holds(p, &s), truth[n].holds);
    }
    assert_int_equal(n, CH_COUNT(truth));
}

/* alpha 0.9, p 4.2 is within the published bound, and diverges; alpha 0.5, p 2.5 is beyond it, and
 * converges. */
static void the_published_bound_errs_both_ways(void **state)
{
    (void)state;
    ch_spectrum s;
    ch_analyze_spectrum(&s, 0.9, 4.2);
    assert_true(4.2 < ch_analyze_published_bound(0.9));
    assert_false(s.stable);
    ch_motion m = {.x = 1};
    const ch_integrator bad = {.alpha = 0.9, .beta = 42, .gate = 1, .dt = 0.1};
    for (int i = 0; i < 40; i++)
        m = ch_analyze_step(&bad, m);
    assert_true(fabs(m.x) > 1e9);
    ch_analyze_spectrum(&s, 0.5, 2.5);
    assert_true(2.5 > ch_analyze_published_bound(0.5) && s.stable);
    const ch_integrator good = {.alpha = 0.5, .beta = 25, .gate = 1, .dt = 0.1};
    m = (ch_motion){.x = 1};
    for (int i = 0; i < 100; i++)
        m = ch_analyze_step(&good, m);
    assert_true(fabs(m.x) < 1e-12);
    /* They cross where (1 + alpha)^3 (1 - alpha) = 1. */
    assert_true(ch_analyze_published_bound(0.8392) < 2 * 1.8392);
    assert_true(ch_analyze_published_bound(0.8394) > 2 * 1.8394);
    assert_int_equal(ch_analyze_published_regime(0.9, 0.002), CH_REGIME_OVERDAMPED);
    assert_int_equal(ch_analyze_published_regime(0.2, 0.3), CH_REGIME_OSCILLATING);
    ch_analyze_spectrum(&s, 0.2, 0.3); /* p1 is 0.3056 */
    assert_int_equal(s.regime, CH_REGIME_OVERDAMPED);
}

static void fixed_points_by_iteration(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 2000; i++) {
        const double alpha = 0.95 * draw(0, i), share = 0.02 + 0.95 * draw(1, i);
        ch_integrator k = {.alpha = alpha, .gate = 0.1 + draw(2, i), .dt = 0.1 + draw(3, i),
                           .target = 4 * draw(4, i) - 2, .mu = 4 * draw(5, i) - 2};
        k.beta = share * 2 * (1 + alpha) / (k.gate * k.dt);
        ch_motion m = {.x = 3 * draw(6, i), .v = draw(7, i)};
        for (int n = 0; n < 3000; n++)
            m = ch_analyze_step(&k, m);
        const double x = ch_analyze_fixed_point(&k);
        if (fabs(m.x - x) > 1e-11 * (1 + fabs(x)) || fabs(m.v) > 1e-10)
            fail_msg("draw %d: x %.17g, fixed point %.17g, v %g", (int)i, m.x, x, m.v);
    }
    /* Where the gate is shut nothing is pulled: v goes to target - beta e / (1 - alpha). */
    const ch_integrator shut = {.alpha = 0.5, .beta = 2, .dt = 0.1, .target = 3, .mu = 1};
    ch_motion m = {.x = 2};
    for (int n = 0; n < 200; n++)
        m = ch_analyze_step(&shut, m);
    assert_true(m.x == 2 && fabs(m.v - (3 - 2 / 0.5)) < 1e-12);
    assert_true(isnan(ch_analyze_fixed_point(&shut)));
}

int main(void)
{
    const struct CMUnitTest analyze_spectrum[] = {
        cmocka_unit_test(random_points_agree_with_the_matrix),
        cmocka_unit_test(eigenvalues_are_roots),
        cmocka_unit_test(lines_between_regimes),
        cmocka_unit_test(anything_is_answered),
        cmocka_unit_test(published_sets_get_their_labels),
        cmocka_unit_test(the_published_bound_errs_both_ways),
        cmocka_unit_test(fixed_points_by_iteration),
    };
    return cmocka_run_group_tests(analyze_spectrum, NULL, NULL);
}
