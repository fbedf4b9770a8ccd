/* gate.c - the fit of a depth gate against what it has to find
 *
 * SPDX-License-Identifier: MIT */
#include "gate.h"

#include <math.h>
#include <string.h>

#include "support.h"

enum { ROWS = 400, D = 12, OUT = 2 };

static double normal(uint64_t i)
{
    return ch_rng_normal(3, CH_RNG_TEST, 1, i);
}

/* y = w h + b + noise, with columns that have means and are correlated. */
static void make(real *h, double *y, const double *w, const double *b, double noise)
{
    for (int t = 0; t < ROWS; t++) {
        for (int i = 0; i < D; i++)
            h[t * D + i] = (real)(normal((uint64_t)(t * D + i)) + 0.3 * i +
                                  (i > 0 ? 0.5 * (double)h[t * D + i - 1] : 0));
        for (int k = 0; k < OUT; k++) {
            double *to = &y[t * OUT + k];
            *to = b[k] + noise * normal((uint64_t)(100000 + t * OUT + k));
            for (int i = 0; i < D; i++)
                *to += w[k * D + i] * (double)h[t * D + i];
        }
    }
}

static void finds_what_is_linear(void **state)
{
    (void)state;
    static real h[ROWS * D], w[OUT * D], b[OUT];
    static double y[ROWS * OUT], is[OUT * D], r2[OUT];
    const double offset[OUT] = {-4, 0.5};
    ch_err e = {0};
    for (int i = 0; i < OUT * D; i++)
        is[i] = normal((uint64_t)(200000 + i));
    make(h, y, is, offset, 0);
    assert_ok(ch_gate_fit(w, b, r2, h, y, ROWS, D, OUT, 0, &e), e);
    for (int i = 0; i < OUT * D; i++)
        assert_true(fabs((double)w[i] - is[i]) < 1e-4);
    for (int k = 0; k < OUT; k++) {
        assert_true(fabs((double)b[k] - offset[k]) < 1e-3);
        assert_true(r2[k] > 1 - 1e-6);
    }
}

/* No direction lowers the mean square and the ridge: central differences of it are zero. */
static void is_the_least(void **state)
{
    (void)state;
    static real h[ROWS * D], w[OUT * D], b[OUT];
    static double y[ROWS * OUT], is[OUT * D];
    const double offset[OUT] = {1, 2}, ridge = 0.05, step = 1e-3;
    ch_err e = {0};
    for (int i = 0; i < OUT * D; i++)
        is[i] = normal((uint64_t)(300000 + i));
    make(h, y, is, offset, 2);
    assert_ok(ch_gate_fit(w, b, NULL, h, y, ROWS, D, OUT, ridge, &e), e);
    for (int i = 0; i <= D; i++) {
        double cost[2] = {0};
        for (int side = 0; side < 2; side++) {
            const double by = side ? step : -step;
            for (int t = 0; t < ROWS; t++) {
                double z = (double)b[0] + (i == D ? by : 0) - y[t * OUT];
                for (int j = 0; j < D; j++)
                    z += ((double)w[j] + (i == j ? by : 0)) * (double)h[t * D + j];
                cost[side] += z * z / ROWS;
            }
            for (int j = 0; j < D; j++)
                cost[side] += ridge * pow((double)w[j] + (i == j ? by : 0), 2);
        }
        if (fabs(cost[1] - cost[0]) / (2 * step) > 1e-3)
            fail_msg("direction %d: slope %g", i, (cost[1] - cost[0]) / (2 * step));
    }
}

static void columns_that_say_nothing(void **state)
{
    (void)state;
    static real h[ROWS * D], w[D], b[1];
    static double y[ROWS], r2[1];
    ch_err e = {0};
    for (int t = 0; t < ROWS; t++)
        y[t] = normal((uint64_t)t);
    assert_ok(ch_gate_fit(w, b, r2, h, y, ROWS, D, 1, 1e-3, &e), e);
    for (int i = 0; i < D; i++)
        assert_true(w[i] == 0);
    assert_true(fabs(r2[0]) < 1e-9);
}

static void too_little_and_too_wide(void **state)
{
    (void)state;
    real w[1], b[1], h[1] = {0};
    double y[1] = {0};
    ch_err e = {0};
    assert_fails(ch_gate_fit(w, b, NULL, h, y, 1, 1, 1, 0, &e), CH_EARG, e, "at least 2 tokens");
    assert_fails(ch_gate_fit(w, b, NULL, h, y, 2, 50000, 1, 0, &e), CH_EARG, e, "up to 8192");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_is_linear),
        cmocka_unit_test(is_the_least),
        cmocka_unit_test(columns_that_say_nothing),
        cmocka_unit_test(too_little_and_too_wide),
    };
    return cmocka_run_group_tests_name("compress/gate", tests, NULL, NULL);
}
