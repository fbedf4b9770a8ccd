/* f16.c - tests of dtype/f16.c.  SPDX-License-Identifier: MIT */
#include "support.h"

#include <string.h>

#include "dtype.h"

static uint32_t bits(float f)
{
    uint32_t x;
    memcpy(&x, &f, sizeof x);
    return x;
}

/* The value by the book: (-1)^s 2^(e-15) (1 + f/1024), or 2^-14 f/1024. */
static double by_the_book(uint16_t h)
{
    int exponent = h >> 10 & 31, fraction = h & 1023;
    double v = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
    return h & 0x8000 ? -v : v;
}

static void every_half(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t h = (uint16_t)i;
        float f = ch_f16_to_f32(h);
        bool special = (h & 0x7c00) == 0x7c00, nan = special && (h & 0x3ff) != 0;
        bool right = nan ? isnan(f) : special ? isinf(f) : (double)f == by_the_book(h);
        if (!right)
            fail_msg("%04x decodes to %a", h, (double)f);
        if ((bits(f) >> 31) != (uint32_t)(h >> 15))
            fail_msg("%04x: the sign is lost", h);
        uint16_t want = nan ? h | 0x200 : h, back = ch_f32_to_f16(f);
        if (back != want)
            fail_msg("%04x comes back as %04x, wanted %04x", h, back, want);
    }
}

/* Between two neighbours: the middle goes to the even one, just beside it to the nearer. */
static void rounding(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 0x7c00; i++) {
        uint16_t low = (uint16_t)i, high = (uint16_t)(i + 1);
        float a = ch_f16_to_f32(low), b = high == 0x7c00 ? 65536.0f : ch_f16_to_f32(high);
        float middle = (a + b) / 2; /* exact */
        uint16_t even = low & 1 ? high : low;
        for (int sign = 0; sign < 2; sign++) {
            uint16_t s = (uint16_t)(sign << 15);
            float m = sign ? -middle : middle;
            if (ch_f32_to_f16(m) != (s | even))
                fail_msg("the tie %a becomes %04x, wanted %04x", (double)m, ch_f32_to_f16(m),
                         s | even);
            if (ch_f32_to_f16(nextafterf(m, 0)) != (s | low))
                fail_msg("below the tie %a", (double)m);
            if (ch_f32_to_f16(nextafterf(m, sign ? -INFINITY : INFINITY)) != (s | high))
                fail_msg("above the tie %a", (double)m);
        }
    }
}

static void the_ends(void **state)
{
    (void)state;
    assert_int_equal(ch_f32_to_f16(65504.0f), 0x7bff);
    assert_int_equal(ch_f32_to_f16(nextafterf(65520.0f, 0)), 0x7bff);
    assert_int_equal(ch_f32_to_f16(65520.0f), 0x7c00);
    assert_int_equal(ch_f32_to_f16(-65536.0f), 0xfc00);
    assert_int_equal(ch_f32_to_f16(FLT_MAX), 0x7c00);
    assert_int_equal(ch_f32_to_f16(INFINITY), 0x7c00);
    assert_int_equal(ch_f32_to_f16(-INFINITY), 0xfc00);
    assert_int_equal(ch_f32_to_f16(0.0f), 0);
    assert_int_equal(ch_f32_to_f16(-0.0f), 0x8000);
    assert_int_equal(ch_f32_to_f16(0x1p-25f), 0);
    assert_int_equal(ch_f32_to_f16(nextafterf(0x1p-25f, 1)), 1);
    assert_int_equal(ch_f32_to_f16(FLT_TRUE_MIN), 0);
    assert_int_equal(ch_f32_to_f16(-FLT_MIN), 0x8000);
    /* NaN stays NaN even when the payload is below what binary16 keeps. */
    uint32_t patterns[] = {0x7f800001, 0xff800001, 0x7fc00000, 0x7fffffff};
    for (size_t i = 0; i < CH_COUNT(patterns); i++) {
        float f;
        memcpy(&f, &patterns[i], sizeof f);
        uint16_t h = ch_f32_to_f16(f);
        assert_true((h & 0x7c00) == 0x7c00 && (h & 0x3ff) != 0);
        assert_int_equal(h >> 15, patterns[i] >> 31);
    }
}

static void arrays(void **state)
{
    (void)state;
    const ch_dtype_info *f = ch_dtype_get(CH_F16);
    for (size_t n = 0; n < 40; n++) {
        unsigned char *packed = guarded(2 * n);
        float *in = guarded(4 * n), *out = guarded(4 * n);
        fill(in, n, FILL_POISON, n);
        f->encode(packed, in, (int64_t)n);
        f->decode(out, packed, (int64_t)n);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(bits(out[i]), bits(ch_f16_to_f32(ch_f32_to_f16(in[i]))));
        guarded_free(packed, 2 * n);
        guarded_free(in, 4 * n);
        guarded_free(out, 4 * n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half), cmocka_unit_test(rounding), cmocka_unit_test(the_ends),
        cmocka_unit_test(arrays),
    };
    return cmocka_run_group_tests_name("dtype/f16", tests, NULL, NULL);
}
