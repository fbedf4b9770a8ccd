/* fit.c - tests of dtype/fit.c, fit_super.c and the formats that are written with them, of mxfp4
 * and of tq*.
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include <string.h>

#include "fit.h"

enum { N = 2048, MOST_BYTES = N * 2 };

/* Root mean square error of normal values, of their own: what b bits can do, less some per cent. */
static void errors_are_those_of_the_bits(void **state)
{
    (void)state;
    static const struct {
        ch_dtype type;
        double most;
    } cases[] = {{CH_Q6_K, 0.020},   {CH_Q5_K, 0.038},   {CH_Q5_1, 0.038}, {CH_Q5_0, 0.046},
                 {CH_Q4_K, 0.076},   {CH_Q4_1, 0.077},   {CH_Q3_K, 0.16},  {CH_Q2_K, 0.29},
                 {CH_IQ4_NL, 0.080}, {CH_IQ4_XS, 0.081}, {CH_MXFP4, 0.13}, {CH_Q4_0, 0.10}};
    static float x[N], back[N];
    static unsigned char bytes[MOST_BYTES];
    fill(x, N, FILL_NORMAL, 7);
    for (size_t c = 0; c < CH_COUNT(cases); c++) {
        const ch_dtype_info *f = ch_dtype_get(cases[c].type);
        double error = 0, size = 0;
        f->encode(bytes, x, N);
        f->decode(back, bytes, N);
        for (int i = 0; i < N; i++) {
            error += (double)(back[i] - x[i]) * (double)(back[i] - x[i]);
            size += (double)x[i] * (double)x[i];
        }
        if (!(sqrt(error / size) < cases[c].most))
            fail_msg("%s: %.4f, allowed %.4f", f->name, sqrt(error / size), cases[c].most);
    }
}

/* Of a group with s added to its scale and m to its minimum, and the nearest codes for those. */
static double group_error(const ch_codes *c, int g, int s, int m, const float *x, const float *w,
                          const ch_fit_form *f)
{
    const int si = c->scale[g] + s, mi = c->min[g] + m;
    if (si < -f->low || si > f->high || mi < 0 || mi > f->high || si == 0)
        return (double)INFINITY;
    const double scale = (double)ch_f16_to_f32(c->d) * si;
    const double min = f->min ? (double)ch_f16_to_f32(c->e) * mi : 0;
    double error = 0;
    for (int i = g * f->group; i < (g + 1) * f->group; i++) {
        const double q = round(((double)x[i] + min) / scale) + f->offset;
        const double code = fmin(fmax(q, 0), f->most) - f->offset;
        const double off = (double)x[i] - (scale * code - min);
        error += (double)w[i] * off * off;
    }
    return error;
}

/* No group has a neighbouring scale or minimum that leaves less of the error that is searched. */
static void no_neighbour_is_better(void **state)
{
    (void)state;
    static const ch_fit_form forms[] = {
        {.group = 32, .most = 15, .high = 63, .min = true},
        {.group = 16, .most = 63, .offset = 32, .low = 128, .high = 127},
    };
    float x[CH_SUPER], w[CH_SUPER];
    for (size_t i = 0; i < 2 * CH_COUNT(forms) * 16; i++) {
        const ch_fit_form *f = &forms[i % CH_COUNT(forms)];
        ch_codes c;
        fill(x, CH_SUPER, FILL_NORMAL, 300 + i);
        for (int k = 0; k < CH_SUPER; k += 32)
            ch_fit_weights(w + k, x + k, NULL, 32);
        ch_fit_super(&c, x, NULL, f);
        for (int g = 0; g < CH_SUPER / f->group; g++) {
            const double least = group_error(&c, g, 0, 0, x, w, f);
            for (int s = -1; s <= 1; s++)
                for (int m = f->min ? -1 : 0; m <= (f->min ? 1 : 0); m++)
                    if (group_error(&c, g, s, m, x, w, f) < least * (1 - 1e-4))
                        fail_msg("block %d, group %d: %+d, %+d is better", (int)i, g, s, m);
        }
    }
}

static double weighed(const float *x, const float *back, const float *importance)
{
    double error = 0;
    for (int i = 0; i < N; i++)
        error += (double)importance[i] * (double)(back[i] - x[i]) * (double)(back[i] - x[i]);
    return error;
}

/* Rows whose columns matter more or less: what is written by importance has less of an error that
 * is weighed by it than what is not, in every row; without importance the bytes are encode's. */
static void importance_counts(void **state)
{
    (void)state;
    static float x[N], plain[N], fitted[N], importance[N];
    static unsigned char bytes[MOST_BYTES], same[MOST_BYTES];
    for (int t = 0; t < CH_DTYPES; t++) {
        const ch_dtype_info *f = ch_dtype_get((ch_dtype)t);
        for (uint64_t row = 0; f->fit && row < 24; row++) {
            fill(x, N, FILL_NORMAL, 100 + row);
            fill(importance, N, FILL_NORMAL, 200 + row / 8); /* of rows of one matrix the same */
            for (int i = 0; i < N; i++)
                importance[i] = expf((float)(row / 8 + 1) * importance[i]);
            f->encode(bytes, x, N);
            f->fit(same, x, NULL, N);
            assert_memory_equal(same, bytes, (size_t)(N / f->block * f->bytes));
            f->decode(plain, bytes, N);
            f->fit(bytes, x, importance, N);
            f->decode(fitted, bytes, N);
            const double with = weighed(x, fitted, importance);
            const double without = weighed(x, plain, importance);
            if (with > without)
                fail_msg("%s, row %d: %g with importance, %g without", f->name, (int)row, with,
                         without);
        }
    }
}

/* Zeros, constants and values too small for a scale come back as small; nothing becomes NaN. */
static void edges(void **state)
{
    (void)state;
    static const float values[] = {0, -0.0f, 1, -1, FLT_TRUE_MIN, 1e-30f, -1e-20f, 100};
    static float x[256], back[256];
    static unsigned char bytes[2048];
    for (int t = 0; t < CH_DTYPES; t++)
        for (size_t v = 0; v < CH_COUNT(values); v++) {
            const ch_dtype_info *f = ch_dtype_get((ch_dtype)t);
            if (!f->encode)
                continue;
            for (int i = 0; i < 256; i++)
                x[i] = values[v];
            f->encode(bytes, x, 256);
            f->decode(back, bytes, 256);
            for (int i = 0; i < 256; i++)
                if (!(fabsf(back[i] - x[i]) <= 0.17f * fabsf(x[i]) + 1e-7f))
                    fail_msg("%s: %g comes back as %g", f->name, (double)x[i], (double)back[i]);
        }
}

/* One value that is not finite shows in its block. */
static void damage_shows(void **state)
{
    (void)state;
    static const float values[] = {NAN, INFINITY, -INFINITY};
    static float x[256], back[256];
    static unsigned char bytes[2048];
    for (int t = 0; t < CH_DTYPES; t++)
        for (size_t v = 0; v < CH_COUNT(values); v++) {
            const ch_dtype_info *f = ch_dtype_get((ch_dtype)t);
            if (!f->encode || t == CH_MXFP4) /* which has no NaN that others read */
                continue;
            fill(x, 256, FILL_NORMAL, v);
            x[100] = values[v];
            f->encode(bytes, x, 256);
            f->decode(back, bytes, 256);
            assert_false(isfinite(back[100]));
        }
}

static void mxfp4_by_hand(void **state)
{
    (void)state;
    float x[32] = {6, -6, 4, 3, 2, 1.5f, 1, 0.5f, 0, 5, 3.5f, 2.5f, 0.25f, 0.75f, -0.74f, 1.25f};
    const float want[16] = {6, -6, 4, 3, 2, 1.5f, 1, 0.5f, 0, 4, 4, 2, 0, 1, -0.5f, 1};
    unsigned char block[17];
    float back[32];
    const ch_dtype_info *f = ch_dtype_get(CH_MXFP4);
    f->encode(block, x, 32);
    f->decode(back, block, 32);
    assert_int_equal(block[0], 127); /* 2^0 */
    for (int i = 0; i < 16; i++)
        assert_true(back[i] == want[i]);
    block[0] = 0;
    f->decode(back, block, 32);
    assert_true(back[0] == 12 * 0x1p-128f);
    block[0] = 254;
    f->decode(back, block, 32);
    assert_true(back[0] == 12 * 0x1p126f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_those_of_the_bits),
        cmocka_unit_test(no_neighbour_is_better),
        cmocka_unit_test(importance_counts),
        cmocka_unit_test(edges),
        cmocka_unit_test(damage_shows),
        cmocka_unit_test(mxfp4_by_hand),
    };
    return cmocka_run_group_tests_name("dtype/fit", tests, NULL, NULL);
}
