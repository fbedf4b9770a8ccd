/* hash.c - tests of base/hash.c.  SPDX-License-Identifier: MIT */
#include "support.h"

#include <string.h>

static ch_hash128 of_count(size_t n)
{
    unsigned char text[64];
    ch_hash128 key = {.lo = 0x0706050403020100u, .hi = 0x0f0e0d0c0b0a0908u};
    for (size_t i = 0; i < n; i++)
        text[i] = (unsigned char)i;
    return ch_hash_bytes(key, text, n);
}

/* The reference implementation's vectors: key 00 01 .. 0f, message 00 01 .. n-1. */
static void reference_vectors(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        unsigned char hash[16];
    } known[] = {
        {0, {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93}},
        {1, {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45}},
        {15, {0x54, 0x93, 0xe9, 0x99, 0x33, 0xb0, 0xa8, 0x11, 0x7e, 0x08, 0xec, 0x0f, 0x97, 0xcf, 0xc3, 0xd9}},
    };
    for (size_t k = 0; k < CH_COUNT(known); k++) {
        ch_hash128 h = of_count(known[k].n), want;
        memcpy(&want.lo, known[k].hash, 8);
        memcpy(&want.hi, known[k].hash + 8, 8);
        if (!ch_hash_equal(h, want))
            fail_msg("n=%zu: %016llx %016llx", known[k].n, (unsigned long long)h.lo,
                     (unsigned long long)h.hi);
    }
}

/* Every length, every single changed byte and the key count. */
static void everything_counts(void **state)
{
    (void)state;
    unsigned char text[40] = {0};
    ch_hash128 key = {.lo = 1, .hi = 2};
    for (size_t n = 0; n <= sizeof text; n++) {
        ch_hash128 plain = ch_hash_bytes(key, text, n);
        for (size_t i = 0; i < n; i++) {
            text[i] = 1;
            assert_false(ch_hash_equal(plain, ch_hash_bytes(key, text, n)));
            text[i] = 0;
        }
        for (size_t m = 0; m < n; m++)
            assert_false(ch_hash_equal(plain, ch_hash_bytes(key, text, m)));
        assert_false(ch_hash_equal(plain, ch_hash_bytes((ch_hash128){1, 3}, text, n)));
        assert_false(ch_hash_equal(plain, ch_hash_bytes((ch_hash128){0, 2}, text, n)));
    }
}

static void reads_no_further(void **state)
{
    (void)state;
    ch_hash128 key = {.lo = 5, .hi = 6};
    for (size_t n = 0; n < 20; n++) {
        unsigned char copy[20], *p = guarded(n);
        memset(copy, 0xa5, sizeof copy);
        assert_true(ch_hash_equal(ch_hash_bytes(key, p, n), ch_hash_bytes(key, copy, n)));
        guarded_free(p, n);
    }
    assert_true(ch_hash_equal(ch_hash_bytes(key, NULL, 0), ch_hash_bytes(key, "x", 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_vectors), cmocka_unit_test(everything_counts),
        cmocka_unit_test(reads_no_further),
    };
    return cmocka_run_group_tests_name("base/hash", tests, NULL, NULL);
}
