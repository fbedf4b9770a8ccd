/* varying.c - tests of analyze/varying.c: what holds whatever step follows what, and what does not
 *
 * SPDX-License-Identifier: MIT */
#include "analyze.h"
#include "support.h"

#include <math.h>

enum { SEED = 8 };

static double draw(uint32_t which, uint64_t i)
{
    return ch_rng_uniform(SEED, CH_RNG_TEST, which, i);
}

struct state {
    double e, w;
};

static struct state step(struct state s, double alpha, double p)
{
    s.w = alpha * s.w - p * s.e;
    s.e += s.w;
    return s;
}

/* Two stable steps in turn: alpha 0.9 with p 0.1 and p 3.7. */
static void stable_steps_can_diverge_together(void **state)
{
    (void)state;
    const double alpha[] = {0.9, 0.9}, p[] = {0.1, 3.7};
    struct state s = {1, 0};
    for (int i = 0; i < 2; i++) {
        ch_spectrum z;
        ch_analyze_spectrum(&z, alpha[i], p[i]);
        assert_true(z.stable);
    }
    for (int n = 0; n < 40; n++)
        s = step(s, alpha[n % 2], p[n % 2]);
    assert_true(fabs(s.e) > 1e12);
    ch_switching w;
    ch_analyze_switching(&w, alpha, p, 1);
    /* trace t1 t2 - 2 alpha = -5.04, determinant 0.81 */
    assert_true(w.n1 == 1 && w.n2 == 1);
    assert_true(fabs(w.rate * w.rate - (2.52 + sqrt(2.52 * 2.52 - 0.81))) < 1e-12);
    /* Neither beyond the critical line, and still: resonance with period three. */
    const double gentle[] = {0.01, 1.9};
    ch_analyze_switching(&w, alpha, gentle, 4);
    assert_true(w.rate > 1);
    const double same[] = {1.9, 1.9};
    ch_analyze_switching(&w, alpha, same, 8);
    assert_true(fabs(w.rate - sqrt(0.9)) < 1e-12);
}

/* A step and its mirror image (t and -t): exactly |t| + alpha < 1 keeps them. */
static void the_triangle_is_sharp(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 2000; i++) {
        const double a = draw(0, i), p = 2 * (1 + a) * draw(1, i);
        const double alpha[] = {a, a}, pulls[] = {p, 2 * (1 + a) - p};
        ch_safety z;
        ch_switching w;
        ch_analyze_safety(&z, a, p);
        ch_analyze_switching(&w, alpha, pulls, 1);
        if (fabs(z.any - 1) > 1e-6 && (z.any < 1) != (w.rate < 1))
            fail_msg("alpha %g p %g: |t| + alpha = %g, rate %g", a, p, z.any, w.rate);
        assert_int_equal(z.any < 1, 2 * a < p && p < 2);
    }
}

static void any_order_in_the_triangle(void **state)
{
    (void)state;
    for (uint64_t run = 0; run < 200; run++) {
        struct state s = {1, 0};
        double largest = 1;
        for (uint64_t n = 0; n < 100; n += 2) {
            double most = 0;
            for (uint64_t i = 0; i < 2; i++) {
                ch_inside_point k;
                ch_safety z;
                const uint64_t at = run * 100 + n + i;
                ch_analyze_inside(&k, CH_INSIDE_ANY, 12 * draw(0, at) - 6, 12 * draw(1, at) - 6,
                                  0.05, 0);
                ch_analyze_safety(&z, k.alpha, k.p);
                assert_true(z.any <= 0.95 * (1 + 1e-15));
                most = fmax(most, z.any);
                s = step(s, k.alpha, k.p);
            }
            const double now = fmax(fabs(s.e), fabs(s.e - s.w));
            if (now > most * largest * (1 + 1e-14))
                fail_msg("run %d step %d: %g after %g", (int)run, (int)n, now, largest);
            largest = now;
        }
    }
}

static void shared_eigenvalue_intervals(void **state)
{
    (void)state;
    for (uint64_t run = 0; run < 300; run++) {
        const double r = 0.02 + 0.96 * draw(0, run);
        struct state s = {1, 0};
        double bound = 1;
        for (uint64_t n = 0; n < 60; n++) {
            ch_inside_point k;
            ch_safety z;
            const uint64_t at = run * 60 + n;
            ch_analyze_inside(&k, CH_INSIDE_MONOTONE, 12 * draw(1, at) - 6, 12 * draw(2, at) - 6,
                              0.02, r);
            ch_analyze_safety(&z, k.alpha, k.p);
            assert_true(z.least_r <= r && r <= z.most_r);
            s = step(s, k.alpha, k.p);
            bound *= 1 - k.p;
            const double before = s.e - s.w;
            const double now = fmax(fabs(s.e), fabs(s.e - r * before) / (1 - r));
            if (now > bound * (1 + 1e-12) || s.e <= 0)
                fail_msg("run %d step %d: %g, bound %g, e %g", (int)run, (int)n, now, bound, s.e);
        }
    }
    ch_safety z;
    ch_analyze_safety(&z, 0.5, 1);
    assert_true(isnan(z.least_r) && isnan(z.most_r));
}

/* One sigma, any alphas: V never rises, and two steps shrink it. */
static void one_sigma_any_inertia(void **state)
{
    (void)state;
    for (uint64_t run = 0; run < 500; run++) {
        const double sigma = 0.01 + 0.98 * draw(0, run), most = 0.99 * draw(1, run);
        const double two = ch_analyze_two_steps(sigma, most);
        assert_true(two < 1 && two > 0);
        struct state s = {1, 0};
        for (uint64_t n = 0; n < 40; n += 2) {
            const double before = sqrt(ch_analyze_lyapunov(sigma, s.e, s.w));
            for (uint64_t i = 0; i < 2; i++) {
                const double alpha = most * draw(2, run * 40 + n + i);
                const double v = ch_analyze_lyapunov(sigma, s.e, s.w);
                s = step(s, alpha, 2 * (1 + alpha) * sigma);
                assert_true(ch_analyze_lyapunov(sigma, s.e, s.w) <= v * (1 + 1e-13));
            }
            const double now = sqrt(ch_analyze_lyapunov(sigma, s.e, s.w));
            if (now > two * before * (1 + 1e-12))
                fail_msg("sigma %g alpha <= %g: %g after %g, allowed %g", sigma, most, now, before,
                         two);
            assert_true(fabs(s.e) <= 1 / sqrt(1 - sigma));
        }
    }
    assert_true(fabs(ch_analyze_two_steps(0.3, 1) - 1) < 1e-12);
    assert_true(isnan(ch_analyze_two_steps(1, 0.5)) && isnan(ch_analyze_two_steps(0.5, 1.5)));
    assert_true(isnan(ch_analyze_two_steps((double)NAN, 0.5)));
}

static void growth_is_a_bound(void **state)
{
    (void)state;
    for (uint64_t run = 0; run < 2000; run++) {
        struct state s = {1, 0};
        ch_growth g = {0};
        for (uint64_t n = 0; n < 12; n++) {
            const uint64_t at = run * 12 + n;
            const double alpha = draw(0, at) < 0.3 ? 1 : draw(1, at);
            const double p = 2 * (1 + alpha) * (0.001 + 0.998 * draw(2, at));
            s = step(s, alpha, p);
            const double bound = ch_analyze_growth(&g, alpha, p);
            if (fabs(s.e) > bound * (1 + 1e-9))
                fail_msg("run %d step %d: |e| %g, bound %g", (int)run, (int)n, fabs(s.e), bound);
        }
    }
    ch_growth g = {0};
    assert_true(fabs(ch_analyze_growth(&g, 0.5, 1) - sqrt(1.5)) < 1e-15);
    assert_true(isinf(ch_analyze_growth(&g, 0.5, 3)) && isinf(ch_analyze_growth(&g, 0.5, 1)));
}

/* The exponent cannot be smaller: without damping (alpha = 1) a quarter turn with a small sigma,
 * one with 1 - sigma, and so on, grow by exp(fall / 2) each round. */
static void growth_is_reached(void **state)
{
    (void)state;
    const double pi = acos(-1.0);
    for (int quarter = 2; quarter <= 6; quarter++) {
        const double sigma[2] = {(1 - cos(pi / (2 * quarter))) / 2,
                                 (1 + cos(pi / (2 * quarter))) / 2};
        struct state s = {0, 0};
        s.w = 2; /* the midpoint e - w/2 at 0: the first sigma turns it to the front */
        s.e = 1;
        ch_growth g = {0};
        double size[4] = {0};
        for (int round = 0; round < 4; round++) {
            for (int n = 0; n < 2 * quarter; n++) {
                s = step(s, 1, 4 * sigma[n / quarter]);
                ch_analyze_growth(&g, 1, 4 * sigma[n / quarter]);
            }
            size[round] = sqrt(ch_analyze_lyapunov(sigma[0], s.e, s.w));
        }
        const double fall = log(sigma[1] / sigma[0]) * 2; /* logit of sigma and of 1 - sigma */
        for (int round = 1; round < 4; round++)
            assert_true(fabs(size[round] / size[round - 1] / exp(fall / 2) - 1) < 1e-9);
        assert_true(fabs(g.falls - 3 * fall) < 1e-9);
    }
}

int main(void)
{
    const struct CMUnitTest analyze_varying[] = {
        cmocka_unit_test(stable_steps_can_diverge_together),
        cmocka_unit_test(the_triangle_is_sharp),
        cmocka_unit_test(any_order_in_the_triangle),
        cmocka_unit_test(shared_eigenvalue_intervals),
        cmocka_unit_test(one_sigma_any_inertia),
        cmocka_unit_test(growth_is_a_bound),
        cmocka_unit_test(growth_is_reached),
    };
    return cmocka_run_group_tests(analyze_varying, NULL, NULL);
}
