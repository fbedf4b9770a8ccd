/* exp.c - e^x inside softmax, swiglu and gelu against double precision, on every ISA that runs
 *
 * An ulp is that of the true value, 2^-149 where it is subnormal.  SPDX-License-Identifier: MIT */
#include "support.h"

#include <float.h>
#include <string.h>

#include "kernel.h"

enum { N = 4096, STRIDE = 4099 }; /* of the 2^32 floats: about a million */

static unsigned features;

static double error_ulps(float got, double want)
{
    int exponent;
    frexp(want, &exponent);
    return fabs((double)got - want) / ldexp(1, CH_MAX(exponent - FLT_MANT_DIG, -149));
}

/* The next N of the sampled floats within [low, high]; false when there are no more. */
static bool next_floats(float *x, uint64_t *at, float low, float high)
{
    int n = 0;
    for (; n < N && *at < (uint64_t)1 << 32; *at += STRIDE) {
        const uint32_t bits = (uint32_t)*at;
        memcpy(&x[n], &bits, sizeof bits);
        n += x[n] >= low && x[n] <= high;
    }
    for (int i = n; n > 0 && i < N; i++)
        x[i] = x[0];
    return n > 0;
}

static bool runs(const ch_variant *v, const char *family)
{
    return !strcmp(v->family, family) && (v->needs & features) == v->needs;
}

static void softmax_is_exp(void **state)
{
    static float x[1 + N], p[1 + N];
    float max;
    (void)state;
    for (const ch_variant *v = ch_variants; v->name; v++) {
        double worst = 0;
        uint64_t at = 0;
        while (runs(v, "softmax") && next_floats(x + 1, &at, -FLT_MAX, 0)) {
            x[0] = 0;
            ((ch_softmax_fn *)v->fn)(p, x, 1 + N, &max);
            for (int i = 0; i < 1 + N; i++)
                worst = fmax(worst, error_ulps(p[i], exp((double)x[i])));
        }
        if (at)
            print_message("# %s: e^x for x <= 0 within %.3f ulp\n", v->name, worst);
        assert_true(worst <= 1.05);
    }
}

static void exact_values(void **state)
{
    (void)state;
    for (const ch_variant *v = ch_variants; v->name; v++) {
        if (!runs(v, "softmax"))
            continue;
        float x[] = {0, -0.0f, -INFINITY, -FLT_MAX, -104, FLT_TRUE_MIN, -FLT_MIN}, max;
        const float want[] = {1, 1, 0, 0, 0, 1, 1};
        const float sum = ((ch_softmax_fn *)v->fn)(x, x, CH_COUNT(x), &max);
        assert_memory_equal(x, want, sizeof x);
        assert_true(sum == 4);
        float y[] = {1, NAN, -INFINITY};
        assert_true(isnan(((ch_softmax_fn *)v->fn)(y, y, CH_COUNT(y), &max)));
        assert_true(max == 1 && y[0] == 1 && isnan(y[1]) && y[2] == 0);
    }
}

/* Below -87 e^-a nears overflow and silu is smaller than 1e-35. */
static void swiglu_is_silu(void **state)
{
    static float x[N], one[N], y[N];
    (void)state;
    for (int i = 0; i < N; i++)
        one[i] = 1;
    for (const ch_variant *v = ch_variants; v->name; v++) {
        double worst = 0;
        uint64_t at = 0;
        while (runs(v, "swiglu") && next_floats(x, &at, -FLT_MAX, FLT_MAX)) {
            ((ch_binary_fn *)v->fn)(y, x, one, N);
            for (int i = 0; i < N; i++) {
                const double want = (double)x[i] / (1 + exp(-(double)x[i]));
                if (x[i] < -87)
                    assert_true(fabs((double)y[i] - want) <= 1e-35);
                else
                    worst = fmax(worst, error_ulps(y[i], want));
            }
        }
        if (at)
            print_message("# %s: silu for x >= -87 within %.3f ulp\n", v->name, worst);
        assert_true(worst <= 3);
    }
}

/* Relative errors grow with |u| on the negative side, where the value vanishes. */
static void gelu_is_gelu(void **state)
{
    static float x[N], y[N];
    (void)state;
    for (const ch_variant *v = ch_variants; v->name; v++) {
        double worst = 0, vanishing = 0;
        uint64_t at = 0;
        while (runs(v, "gelu") && next_floats(x, &at, -FLT_MAX, FLT_MAX)) {
            ((ch_unary_fn *)v->fn)(y, x, N);
            for (int i = 0; i < N; i++) {
                const double t = (double)x[i], z = 1.5957691216057308 * (t + 0.044715 * t * t * t);
                const double want = t / (1 + exp(-z));
                if (x[i] < -1)
                    vanishing = fmax(vanishing, fabs((double)y[i] - want));
                else
                    worst = fmax(worst, error_ulps(y[i], want));
            }
        }
        if (at)
            print_message("# %s: gelu for x >= -1 within %.3f ulp, below within %.2g\n", v->name,
                          worst, vanishing);
        assert_true(worst <= 6);
        assert_true(vanishing <= 2e-7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax_is_exp),
        cmocka_unit_test(exact_values),
        cmocka_unit_test(swiglu_is_silu),
        cmocka_unit_test(gelu_is_gelu),
    };
    ch_err e;
    if (ch_cpu_features(&features, NULL, &e) != CH_OK) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    return cmocka_run_group_tests_name("kernel/exp", tests, NULL, NULL);
}
