/* utf8.c - tests of base/utf8.c.  SPDX-License-Identifier: MIT */
#include "support.h"

#include <string.h>

/* The definition read backwards: an encoding is valid if it is what encoding its number gives. */
static int naive_write(unsigned char out[4], uint32_t cp)
{
    if (cp >= 0xd800 && cp < 0xe000)
        return 0;
    if (cp < 0x80)
        return out[0] = (unsigned char)cp, 1;
    if (cp < 0x800)
        return out[0] = (unsigned char)(0xc0 + cp / 64), out[1] = 0x80 + cp % 64, 2;
    if (cp < 0x10000) {
        out[0] = (unsigned char)(0xe0 + cp / 4096);
        out[1] = 0x80 + cp / 64 % 64;
        out[2] = 0x80 + cp % 64;
        return 3;
    }
    out[0] = (unsigned char)(0xf0 + cp / 262144);
    out[1] = 0x80 + cp / 4096 % 64;
    out[2] = 0x80 + cp / 64 % 64;
    out[3] = 0x80 + cp % 64;
    return cp < 0x110000 ? 4 : 0;
}

static void every_character(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        unsigned char want[4];
        char got[4];
        int n = naive_write(want, cp);
        if (n == 0)
            continue;
        if (ch_utf8_write(got, cp) != n || memcmp(got, want, (size_t)n) != 0)
            fail_msg("U+%04X is written wrongly", (unsigned)cp);
        uint32_t back = UINT32_MAX;
        if (ch_utf8_read(&back, got, (size_t)n) != n || back != cp)
            fail_msg("U+%04X is read as U+%04X", (unsigned)cp, (unsigned)back);
        for (int k = 1; k < n; k++)
            if (ch_utf8_read(&back, got, (size_t)k) != -1)
                fail_msg("%d bytes of U+%04X are not called a prefix", k, (unsigned)cp);
    }
}

/* Number of characters that start with each 1, 2 and 3 byte string. */
static unsigned char starts1[256], starts2[65536], starts3[1 << 24];

static void count_starts(void)
{
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        unsigned char b[4] = {0};
        int n = naive_write(b, cp);
        if (n > 0)
            starts1[b[0]] = (unsigned char)n;
        if (n > 1)
            starts2[b[0] << 8 | b[1]] = (unsigned char)n;
        if (n > 2)
            starts3[b[0] << 16 | b[1] << 8 | b[2]] = (unsigned char)n;
    }
}

static void every_three_bytes(void **state)
{
    (void)state;
    count_starts();
    for (uint32_t v = 0; v < 1 << 24; v++) {
        unsigned char b[3] = {(unsigned char)(v >> 16), (unsigned char)(v >> 8), (unsigned char)v};
        int want = 0;
        if (starts1[b[0]] == 1)
            want = 1;
        else if (starts2[v >> 8] == 2)
            want = 2;
        else if (starts3[v] == 3)
            want = 3;
        else if (starts3[v] == 4)
            want = -1;
        uint32_t cp;
        if (ch_utf8_read(&cp, (const char *)b, 3) != want)
            fail_msg("%06x: %d, wanted %d", (unsigned)v, ch_utf8_read(&cp, (const char *)b, 3),
                     want);
    }
}

/* Four bytes: every lead of four with every second byte, and the edges of the others. */
static void edges_of_four_bytes(void **state)
{
    (void)state;
    static const unsigned char edges[] = {0, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    for (unsigned lead = 0xee; lead < 0x100; lead++)
        for (unsigned second = 0; second < 256; second++)
            for (size_t i = 0; i < CH_COUNT(edges) * CH_COUNT(edges); i++) {
                unsigned char b[4] = {(unsigned char)lead, (unsigned char)second,
                                      edges[i / CH_COUNT(edges)], edges[i % CH_COUNT(edges)]};
                unsigned char want[4] = {0};
                uint32_t cp = 0;
                int n = ch_utf8_read(&cp, (const char *)b, 4);
                bool valid = starts3[b[0] << 16 | b[1] << 8 | b[2]] == 4 && (b[3] & 0xc0) == 0x80;
                if (lead >= 0xf0 && (n == 4) != valid)
                    fail_msg("%02x%02x%02x%02x: %d", b[0], b[1], b[2], b[3], n);
                if (n > 0 && (naive_write(want, cp) != n || memcmp(want, b, (size_t)n) != 0))
                    fail_msg("%02x%02x%02x%02x is read as U+%04X", b[0], b[1], b[2], b[3],
                             (unsigned)cp);
            }
}

static void whole_and_valid(void **state)
{
    (void)state;
    const char *text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
    static const size_t whole[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
    for (size_t n = 0; n < CH_COUNT(whole); n++) {
        char *p = guarded(n);
        memcpy(p, text, n);
        assert_int_equal(ch_utf8_whole(p, n), whole[n]);
        assert_int_equal(ch_utf8_valid(p, n), whole[n] == n);
        guarded_free(p, n);
    }
    /* What can never become a character is not held back. */
    assert_int_equal(ch_utf8_whole("ab\x80\x80\x80", 5), 5);
    assert_int_equal(ch_utf8_whole("ab\xed\xa0", 4), 4);
    assert_int_equal(ch_utf8_whole("ab\xff", 3), 3);
    assert_int_equal(ch_utf8_whole("\xf0\x9f\x98", 3), 0);
    assert_true(ch_utf8_valid(NULL, 0));
}

static void printable(void **state)
{
    (void)state;
    char text[] = "ok \x01\x1f\x7f\xc2\x80\xc2\x9f\xc2\xa0 \xed\xa0\x80\xf0\x9f\x98\x80\xf0\x9f";
    ch_utf8_printable(text, sizeof text - 1);
    assert_string_equal(text, "ok ???????\xc2\xa0 ???\xf0\x9f\x98\x80??");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character), cmocka_unit_test(every_three_bytes),
        cmocka_unit_test(edges_of_four_bytes), cmocka_unit_test(whole_and_valid),
        cmocka_unit_test(printable),
    };
    return cmocka_run_group_tests_name("base/utf8", tests, NULL, NULL);
}
