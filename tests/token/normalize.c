/* tests/token/normalize.c - normal forms by Unicode's own table, the other steps by hand
 *
 * SPDX-License-Identifier: MIT */
#include "normalize.h"

#include <stdlib.h>
#include <string.h>

#include "support.h"
#include "unicode.h"

static void assert_step(ch_norm_kind kind, int flags, const char *a, const char *b,
                        const char *text, const char *want)
{
    ch_normalizer *z;
    ch_norm_work w;
    ch_err e = {0};
    const char *out;
    size_t n;
    ch_norm_work_init(&w);
    assert_ok(ch_normalizer_open(&z, &e), e);
    assert_ok(ch_normalizer_add(z, kind, flags, a, strlen(a), b, strlen(b), &e), e);
    assert_ok(ch_normalizer_run(&out, &n, z, &w, text, strlen(text), &e), e);
    assert_int_equal(n, strlen(want));
    assert_memory_equal(out, want, n);
    ch_norm_work_close(&w);
    ch_normalizer_close(&z);
}

/* "0041 0308;..." -> UTF-8 of the field. */
static void field(char *out, const char **p)
{
    size_t at = 0;
    for (; **p != ';'; *p += **p == ' ') {
        char *end;
        at += (size_t)ch_utf8_write(out + at, (uint32_t)strtoul(*p, &end, 16));
        *p = end;
    }
    out[at] = 0;
    ++*p;
}

static void table(void **state)
{
    (void)state;
    skip_without("conform/unicode/NormalizationTest.txt");
    ch_mapping m = shared_map("conform/unicode/NormalizationTest.txt");
    char *all = strndup((const char *)m.data, m.size);
    int lines = 0;
    for (char *line = strtok(all, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if ((*line < '0' || *line > '9') && (*line < 'A' || *line > 'F'))
            continue;
        char c[5][200];
        const char *p = line;
        for (int i = 0; i < 5; i++)
            field(c[i], &p);
        for (int form = 0; form < 4; form++) {
            ch_buf b;
            ch_buf_init(&b, 1 << 16);
            ch_unicode_normalize(&b, c[0], strlen(c[0]), form % 2 == 0, form >= 2);
            if (strcmp(b.data, c[form + 1]) != 0)
                fail_msg("form %d of: %s", form, line);
            ch_buf_close(&b);
        }
        lines++;
    }
    assert_true(lines > 18000);
    free(all);
    ch_io_unmap(&m);
}

/* Marks in falling order, which exchanging neighbours would sort in quadratic time. */
static void many_marks(void **state)
{
    (void)state;
    const size_t n = 400000;
    char *text = malloc(2 * n);
    ch_buf b;
    ch_buf_init(&b, 8 * n);
    for (size_t i = 0; i < n; i++)
        memcpy(text + 2 * i, i < n / 2 ? "\xcc\x81" : "\xcc\xa3", 2); /* 230, then 220 */
    ch_unicode_normalize(&b, text, 2 * n, false, false);
    assert_int_equal(b.size, 2 * n);
    assert_memory_equal(b.data, "\xcc\xa3\xcc\xa3", 4);
    assert_memory_equal(b.data + n, "\xcc\x81\xcc\x81", 4);
    ch_buf_close(&b);
    free(text);
}

static void steps(void **state)
{
    (void)state;
    assert_step(CH_NORM_NFC, 0, "", "", "abc e\xcc\x81\xff" "e\xcc\x81",
                "abc \xc3\xa9\xff\xc3\xa9");
    assert_step(CH_NORM_LOWER, 0, "", "", "\xc3\x84" "B\xc4\xb0\xce\xa3",
                "\xc3\xa4" "bi\xcc\x87\xcf\x83");
    assert_step(CH_NORM_STRIP_ACCENTS, 0, "", "", "e\xcc\x81x\xe0\xa4\xbe", "ex");
    assert_step(CH_NORM_REPLACE, 0, "ab", "c", "ababa", "cca");
    assert_step(CH_NORM_REPLACE_PATTERN, 0, " {2,}", "_", "a   b c  ", "a_b c_");
    assert_step(CH_NORM_REPLACE_PATTERN, 0, "\\A | \\z", "", " \xff a ", "\xff a");
    assert_step(CH_NORM_REPLACE_PATTERN, 0, "x*", "-", "axb", "-a-b-");
    assert_step(CH_NORM_PREPEND, 0, "", "_", "a", "_a");
    assert_step(CH_NORM_PREPEND, 0, "", "_", "", "");
    assert_step(CH_NORM_STRIP, CH_NORM_LEFT | CH_NORM_RIGHT, "", "", " \xe3\x80\x80" "a b\t\n",
                "a b");
    assert_step(CH_NORM_STRIP, CH_NORM_RIGHT, "", "", "   ", "");
    assert_step(CH_NORM_COLLAPSE, 0, "", "", "  a   b\n ", "a b\n");
    assert_step(CH_NORM_BERT, CH_NORM_CLEAN | CH_NORM_CHINESE | CH_NORM_ACCENTS | CH_NORM_LOWERCASE,
                "", "", "\xc3\x89\x01\tx\xe4\xb8\xad\xff", "e x \xe4\xb8\xad ");
}

static void put32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> 8 * i);
}

/* A table of one entry, "A" by "xy": the root's offset is 256, its child at 256 ^ 'A', whose value
 * lies at that ^ 1. */
static void charsmap(void **state)
{
    (void)state;
    enum { UNITS = 512, SIZE = 4 + 4 * UNITS + 4 };
    unsigned char map[SIZE] = {0};
    put32(map, 4 * UNITS);
    const uint32_t child = 256 ^ 'A';
    put32(map + 4, 256u << 10);
    put32(map + 4 + 4 * child, 1u << 10 | 1u << 8 | 'A');
    put32(map + 4 + 4 * (child ^ 1), 1u << 31 | 0);
    memcpy(map + 4 + 4 * UNITS, "xy", 3);
    assert_true(ch_charsmap_check(map, SIZE));
    ch_buf b;
    ch_buf_init(&b, 1 << 16);
    ch_charsmap_run(&b, map, SIZE, "AaA\xff", 4);
    assert_string_equal(b.data, "xyaxy\xef\xbf\xbd");
    /* Any bytes that pass the check are safe to walk. */
    for (uint64_t k = 0; k < 2000; k++) {
        for (size_t i = 4; i + 1 < SIZE; i++)
            map[i] = (unsigned char)ch_rng_below(256, k, CH_RNG_TEST, 5, i);
        ch_buf_clear(&b);
        ch_charsmap_run(&b, map, SIZE, "The quick \xc3\xa9\xff", 13);
    }
    map[SIZE - 1] = 'x';
    assert_false(ch_charsmap_check(map, SIZE));
    assert_false(ch_charsmap_check(map, 3));
    ch_buf_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table), cmocka_unit_test(many_marks), cmocka_unit_test(steps),
        cmocka_unit_test(charsmap),
    };
    return cmocka_run_group_tests_name("token/normalize", tests, NULL, NULL);
}
