/* adamw.c - tests of train/adamw.c against known values and the formula in double
 *
 * SPDX-License-Identifier: MIT */
#include "nano.h"

enum { N = 64 * 1100 }; /* more than two tasks */

typedef struct problem {
    ch_adamw o;
    real *p, *g;
    uint8_t decays[N / 64];
} problem;

static void open_problem(problem *x, uint64_t seed)
{
    *x = (problem){.o = {.n = N, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1}};
    x->o.m = calloc(N, sizeof(real));
    x->o.v = calloc(N, sizeof(real));
    x->p = calloc(N, sizeof(real));
    x->g = calloc(N, sizeof(real));
    assert_true(x->o.m && x->o.v && x->p && x->g);
    for (int i = 0; i < N / 64; i++)
        x->decays[i] = i % 3 == 0;
    x->o.decays = x->decays;
    for (int i = 0; i < N; i++)
        x->p[i] = (real)ch_rng_normal(seed, CH_RNG_TEST, 0, (uint64_t)i);
}

static void next_gradient(problem *x, int step)
{
    for (int i = 0; i < N; i++)
        x->g[i] = (real)(100 * ch_rng_normal(2, CH_RNG_TEST, (uint32_t)step, (uint64_t)i));
}

static void close_problem(problem *x)
{
    free(x->o.m);
    free(x->o.v);
    free(x->p);
    free(x->g);
}

/* The first step goes lr towards the sign of the gradient, whatever its size, and shrinks what
 * decays. */
static void first_step_is_known(void **state)
{
    (void)state;
    problem x;
    open_problem(&x, 1);
    for (int i = 0; i < N; i++) {
        x.p[i] = 2;
        x.g[i] = i % 2 ? (real)-3e4 : (real)1e-3;
    }
    ch_adamw_step(&x.o, x.p, x.g, 1, 0.5, 1, NULL);
    for (int i = 0; i < N; i++) {
        const double step = i % 2 ? -0.5 : 0.5, shrink = x.decays[i / 64] ? 0.5 * 0.1 * 2 : 0;
        assert_true(fabs((double)x.p[i] - (2 - step - shrink)) < 1e-5);
    }
    close_problem(&x);
}

static void follows_the_formula_in_double(void **state)
{
    (void)state;
    problem x;
    open_problem(&x, 3);
    double *m = calloc(N, sizeof *m), *v = calloc(N, sizeof *v), *p = calloc(N, sizeof *p);
    assert_true(m && v && p);
    for (int i = 0; i < N; i++)
        p[i] = (double)x.p[i];
    for (int t = 1; t <= 25; t++) {
        const double lr = 0.01 / t, scale = 0.25;
        next_gradient(&x, t);
        ch_adamw_step(&x.o, x.p, x.g, scale, lr, t, NULL);
        for (int i = 0; i < N; i++) {
            const double g = (double)x.g[i] * scale;
            m[i] = 0.9 * m[i] + 0.1 * g;
            v[i] = 0.95 * v[i] + 0.05 * g * g;
            p[i] -= lr * (m[i] / (1 - pow(0.9, t)) / (sqrt(v[i] / (1 - pow(0.95, t))) + 1e-8) +
                          (x.decays[i / 64] ? 0.1 * p[i] : 0));
        }
    }
    double worst = 0;
    for (int i = 0; i < N; i++)
        worst = fmax(worst, fabs(p[i] - (double)x.p[i]));
    assert_true(worst < 3e-6); /* 25 roundings of numbers below 5 */
    assert_true(worst > 0 || sizeof(real) == 8);
    free(m);
    free(v);
    free(p);
    close_problem(&x);
}

static void threads_change_nothing(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_pool *pool;
    problem a, b;
    open_problem(&a, 4);
    open_problem(&b, 4);
    assert_ok(ch_pool_open(&pool, 3, &e), e);
    for (int t = 1; t <= 3; t++) {
        next_gradient(&a, t);
        ch_adamw_step(&a.o, a.p, a.g, 1, 0.01, t, NULL);
        ch_adamw_step(&b.o, b.p, a.g, 1, 0.01, t, pool);
    }
    assert_memory_equal(a.p, b.p, N * sizeof(real));
    assert_memory_equal(a.o.v, b.o.v, N * sizeof(real));
    ch_pool_close(&pool);
    close_problem(&a);
    close_problem(&b);
}

/* Padding between weights is zero and stays so. */
static void zeros_without_gradient_stay(void **state)
{
    (void)state;
    problem x;
    open_problem(&x, 5);
    memset(x.p, 0, N * sizeof(real));
    for (int t = 1; t <= 3; t++)
        ch_adamw_step(&x.o, x.p, x.g, 1, 0.01, t, NULL);
    for (int i = 0; i < N; i++)
        assert_true(x.p[i] == 0);
    close_problem(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_step_is_known),
        cmocka_unit_test(follows_the_formula_in_double),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(zeros_without_gradient_stay),
    };
    return cmocka_run_group_tests_name("train/adamw", tests, NULL, NULL);
}
