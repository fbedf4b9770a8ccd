/* stop.c - stop texts against a naive search, however the text is cut
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include "stop.h"

#include <stdlib.h>
#include <string.h>

static ch_stops *open_stops(const char *const *text, int n)
{
    ch_err e = {0};
    ch_stops *s;
    assert_ok(ch_stops_open(&s, text, n, &e), e);
    return s;
}

/* The first byte at which a stop is complete, the longest there; its index or -1. */
static int naive_end(size_t *begins, const char *text, size_t n, const char *const *stop, int stops)
{
    for (size_t end = 1; end <= n; end++) {
        int found = -1;
        for (int i = 0; i < stops; i++) {
            const size_t length = strlen(stop[i]);
            if (length <= end && memcmp(text + end - length, stop[i], length) == 0 &&
                (found < 0 || length > strlen(stop[found])))
                found = i;
        }
        if (found >= 0) {
            *begins = end - strlen(stop[found]);
            return found;
        }
    }
    return -1;
}

/* How much of the text cannot become part of a stop. */
static size_t naive_safe(const char *text, size_t n, const char *const *stop, int stops)
{
    size_t held = 0;
    for (int i = 0; i < stops; i++)
        for (size_t k = 1; k < strlen(stop[i]) && k <= n; k++)
            if (memcmp(text + n - k, stop[i], k) == 0)
                held = CH_MAX(held, k);
    return ch_utf8_whole(text, n - held);
}

static void ends_where_a_search_finds_it(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 3000; seed++) {
        char text[60], words[4][12];
        const char *stop[4];
        const int n = (int)ch_rng_below(60, seed, CH_RNG_TEST, 1, 0);
        const int stops = 1 + (int)ch_rng_below(4, seed, CH_RNG_TEST, 2, 0);
        for (int i = 0; i < n; i++)
            text[i] = "aab"[ch_rng_below(3, seed, CH_RNG_TEST, 3, (uint64_t)i)];
        for (int i = 0; i < stops; i++) {
            const int length = 1 + (int)ch_rng_below(10, seed, CH_RNG_TEST, 4, (uint64_t)i);
            for (int k = 0; k < length; k++)
                words[i][k] = "aab"[ch_rng_below(3, seed, CH_RNG_TEST, 5, (uint64_t)(20 * i + k))];
            words[i][length] = '\0';
            stop[i] = words[i];
        }
        ch_stops *s = open_stops(stop, stops);
        int found = -1;
        size_t fed = 0, safe = 0, shown = 0;
        while (fed < (size_t)n && found < 0) {
            fed += 1 + ch_rng_below((uint64_t)n - fed, seed, CH_RNG_TEST, 6, fed);
            found = ch_stops_feed(&safe, s, text, fed);
            size_t begins;
            const int want = naive_end(&begins, text, fed, stop, stops);
            if (found >= 0) {
                assert_string_equal(stop[found], stop[want]);
                assert_int_equal(safe, begins);
                assert_int_equal(ch_stops_feed(&safe, s, text, (size_t)n), found); /* it stays */
                assert_int_equal(safe, begins);
            } else {
                assert_int_equal(want, -1);
                assert_int_equal(safe, naive_safe(text, fed, stop, stops));
            }
            assert_true(safe >= shown); /* nothing that was shown is taken back */
            shown = safe;
        }
        ch_stops_close(&s);
    }
}

/* Neither half a stop nor half a character is shown. */
static void characters_stay_whole(void **state)
{
    (void)state;
    static const char text[] = "h\xc3\xa9 \xe2\x82\xac\xf0\x9f\x98\x80\xe2\x82\xacz\xf0\x9f";
    static const char *const stop[] = {"\xe2\x82\xacx", "\xf0\x9f\x98\x81"};
    static const size_t safe_after[] = {0, 1, 1,  3,  4,  4,  4,  4,  7,
                                        7, 7, 11, 11, 11, 11, 15, 15, 15};
    ch_stops *s = open_stops(stop, 2);
    for (size_t n = 1; n < sizeof text; n++) {
        size_t safe;
        assert_int_equal(ch_stops_feed(&safe, s, text, n), -1);
        assert_true(ch_utf8_valid(text, safe));
        if (safe != safe_after[n])
            fail_msg("after %zu bytes %zu are safe, wanted %zu", n, safe, safe_after[n]);
    }
    ch_stops_reset(s);
    size_t safe;
    assert_int_equal(ch_stops_feed(&safe, s, "a\xe2\x82\xacx\xf0\x9f\x98\x81", 9), 0);
    assert_int_equal(safe, 1);
    ch_stops_close(&s);
}

static void hostile_stops_are_refused_or_fast(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_stops *s;
    const char *many[65], *empty[] = {"x", ""};
    for (int i = 0; i < 65; i++)
        many[i] = "x";
    assert_fails(ch_stops_open(&s, many, 65, &e), CH_EARG, e, "65");
    assert_fails(ch_stops_open(&s, empty, 2, &e), CH_EARG, e, "0 bytes");
    assert_null(s);
    enum { LONG = 4096, TEXT = 1 << 18 };
    char *a = malloc(LONG + 2), *text = malloc(TEXT);
    memset(a, 'a', LONG + 2);
    a[LONG + 1] = '\0';
    const char *one[] = {a};
    assert_fails(ch_stops_open(&s, one, 1, &e), CH_EARG, e, "4097");
    a[LONG] = '\0';
    a[LONG - 1] = 'b'; /* every text of a's is almost one */
    for (int i = 0; i < 64; i++)
        many[i] = a;
    s = open_stops(many, 64);
    memset(text, 'a', TEXT);
    size_t safe;
    for (size_t n = 1 << 12; n <= TEXT; n += 1 << 12)
        assert_int_equal(ch_stops_feed(&safe, s, text, n), -1);
    assert_int_equal(safe, TEXT - (LONG - 1));
    ch_stops_close(&s);
    free(a);
    free(text);
}

static void no_stops_hold_nothing(void **state)
{
    (void)state;
    ch_stops *s = open_stops(NULL, 0);
    size_t safe = 7;
    assert_int_equal(ch_stops_feed(&safe, s, NULL, 0), -1);
    assert_int_equal(safe, 0);
    assert_int_equal(ch_stops_feed(&safe, s, "abc", 3), -1);
    assert_int_equal(safe, 3);
    ch_stops_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_where_a_search_finds_it),
        cmocka_unit_test(characters_stay_whole),
        cmocka_unit_test(hostile_stops_are_refused_or_fast),
        cmocka_unit_test(no_stops_hold_nothing),
    };
    return cmocka_run_group_tests_name("generate/stop", tests, NULL, NULL);
}
