/* bf16.c - tests of dtype/bf16.c.  SPDX-License-Identifier: MIT */
#include "support.h"

#include <string.h>

#include "dtype.h"

static uint32_t bits(float f)
{
    uint32_t x;
    memcpy(&x, &f, sizeof x);
    return x;
}

static void every_value(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t h = (uint16_t)i;
        float f = ch_bf16_to_f32(h);
        assert_int_equal(bits(f), i << 16);
        uint16_t want = (h & 0x7fff) > 0x7f80 ? h | 0x40 : h;
        if (ch_f32_to_bf16(f) != want)
            fail_msg("%04x comes back as %04x", h, ch_f32_to_bf16(f));
    }
}

static void rounding(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 0x7f80; i++) {
        for (uint32_t sign = 0; sign < 2; sign++) {
            uint32_t base = sign << 31 | i << 16, lows[] = {0x7fff, 0x8000, 0x8001, 0xffff};
            uint16_t h = (uint16_t)(base >> 16), up = (uint16_t)(h + 1);
            uint16_t want[] = {h, h & 1 ? up : h, up, up};
            for (size_t k = 0; k < CH_COUNT(lows); k++) {
                uint32_t x = base | lows[k];
                float f;
                memcpy(&f, &x, sizeof f);
                if (ch_f32_to_bf16(f) != want[k])
                    fail_msg("%08x becomes %04x, wanted %04x", (unsigned)x, ch_f32_to_bf16(f),
                             want[k]);
            }
        }
    }
    assert_int_equal(ch_f32_to_bf16(FLT_MAX), 0x7f80);
    assert_int_equal(ch_f32_to_bf16(-INFINITY), 0xff80);
    uint32_t thin = 0x7f800001;
    float nan;
    memcpy(&nan, &thin, sizeof nan);
    assert_true(isnan(ch_bf16_to_f32(ch_f32_to_bf16(nan))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_value), cmocka_unit_test(rounding)};
    return cmocka_run_group_tests_name("dtype/bf16", tests, NULL, NULL);
}
