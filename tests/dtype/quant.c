/* quant.c - tests of dtype/q8_0.c and q4_0.c.  SPDX-License-Identifier: MIT */
#include "support.h"

#include <string.h>

#include "dtype.h"

enum { N = 32 };

static void encode(ch_dtype t, unsigned char *block, float *back, const float *x)
{
    ch_dtype_get(t)->encode(block, x, N);
    ch_dtype_get(t)->decode(back, block, N);
}

/* Half a step of the grid and what binary16 takes from the scale. */
static void errors_are_bounded(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 500; seed++) {
        float x[N], back[N], most = 0;
        unsigned char block[34];
        fill(x, N, FILL_NORMAL, seed);
        for (int i = 0; i < N; i++)
            most = fmaxf(most, fabsf(x[i]));
        encode(CH_Q8_0, block, back, x);
        for (int i = 0; i < N; i++)
            assert_true(fabsf(x[i] - back[i]) <= most / 127 * 0.5f + most * 0x1p-10f);
        encode(CH_Q4_0, block, back, x);
        for (int i = 0; i < N; i++) /* the end that m does not take is cut at 7 of 8 */
            assert_true(fabsf(x[i] - back[i]) <= most / 8 * 1.001f + most * 0x1p-10f);
    }
}

/* Values on the grid come back as they are. */
static void the_grid_is_exact(void **state)
{
    (void)state;
    float x[N], back[N];
    unsigned char block[34];
    for (int power = -14; power <= 8; power++) {
        for (int i = 0; i < N; i++)
            x[i] = ldexpf((float)(i * 8 - 127), power);
        encode(CH_Q8_0, block, back, x);
        assert_memory_equal(back, x, sizeof x);
        for (int i = 0; i < N; i++)
            x[i] = ldexpf((float)(i % 16 - 8), power);
        encode(CH_Q4_0, block, back, x);
        for (int i = 0; i < N; i++)
            assert_true(back[i] == x[i]);
    }
}

/* Element i of the first half sits in the low nibble of byte 2 + i. */
static void the_layout(void **state)
{
    (void)state;
    unsigned char block[34] = {0x00, 0x3c}; /* d = 1 */
    float x[N];
    for (int i = 0; i < 16; i++)
        block[2 + i] = (unsigned char)(i | (15 - i) << 4);
    ch_dtype_get(CH_Q4_0)->decode(x, block, N);
    for (int i = 0; i < 16; i++) {
        assert_true(x[i] == (float)(i - 8));
        assert_true(x[16 + i] == (float)(7 - i));
    }
    for (int i = 0; i < N; i++)
        block[2 + i] = (unsigned char)(i * 8 - 128);
    ch_dtype_get(CH_Q8_0)->decode(x, block, N);
    for (int i = 0; i < N; i++)
        assert_true(x[i] == (float)(i * 8 - 128));
}

/* Halves go away from zero in q8_0 and up in q4_0. */
static void ties(void **state)
{
    (void)state;
    float x[N] = {127, 0.5f, -0.5f, 1.5f, -1.5f, 2.5f, -2.5f}, back[N];
    const float want8[] = {127, 1, -1, 2, -2, 3, -3}, want4[] = {-8, 1, 0, 2, -1, 3, -2, 7, -8};
    unsigned char block[34];
    encode(CH_Q8_0, block, back, x);
    assert_memory_equal(back, want8, sizeof want8);
    float y[N] = {-8, 0.5f, -0.5f, 1.5f, -1.5f, 2.5f, -2.5f, 8, -8};
    encode(CH_Q4_0, block, back, y);
    assert_memory_equal(back, want4, sizeof want4);
}

static void nothing_is_nothing(void **state)
{
    (void)state;
    static const ch_dtype formats[] = {CH_Q8_0, CH_Q4_0};
    static const float sizes[] = {0, -0.0f, FLT_TRUE_MIN, -FLT_TRUE_MIN, FLT_MIN, 1e-30f};
    for (size_t f = 0; f < CH_COUNT(formats); f++)
        for (size_t s = 0; s < CH_COUNT(sizes); s++) {
            float x[N] = {0}, back[N];
            unsigned char block[34];
            x[5] = x[17] = sizes[s];
            encode(formats[f], block, back, x);
            for (int i = 0; i < N; i++)
                assert_true(back[i] == 0);
        }
}

/* One value that is not finite makes the block NaN; one too large for the scale makes it not
 * finite. */
static void damage_shows(void **state)
{
    (void)state;
    static const ch_dtype formats[] = {CH_Q8_0, CH_Q4_0};
    static const float sizes[] = {NAN, INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, 1e9f};
    for (size_t f = 0; f < CH_COUNT(formats); f++)
        for (size_t s = 0; s < CH_COUNT(sizes); s++)
            for (int at = 0; at < N; at += 31) {
                float x[N], back[N];
                unsigned char block[34];
                fill(x, N, FILL_NORMAL, s);
                x[at] = sizes[s];
                encode(formats[f], block, back, x);
                assert_false(isfinite(back[at]));
                for (int i = 0; i < N && !isfinite(sizes[s]); i++)
                    assert_true(isnan(back[i]));
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_bounded), cmocka_unit_test(the_grid_is_exact),
        cmocka_unit_test(the_layout),         cmocka_unit_test(ties),
        cmocka_unit_test(nothing_is_nothing), cmocka_unit_test(damage_shows),
    };
    return cmocka_run_group_tests_name("dtype/quant", tests, NULL, NULL);
}
