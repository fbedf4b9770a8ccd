/* err.c - tests of base/err.c and base/log.c.  SPDX-License-Identifier: MIT */
#include "support.h"

#include <string.h>

static void codes_have_meanings(void **state)
{
    (void)state;
    assert_string_equal(ch_err_name(CH_OK), "ok");
    assert_string_equal(ch_err_name(CH_ELIMIT), "a stated limit was reached");
    assert_string_equal(ch_err_name(1), "unknown error");
    assert_string_equal(ch_err_name(-1000), "unknown error");
}

static void sentences_are_kept(void **state)
{
    (void)state;
    ch_err e = {0};
    assert_int_equal(ch_fail(&e, CH_EFORMAT, "%s: %d rows, allowed %d", "a.gguf", 7, 5),
                     CH_EFORMAT);
    assert_int_equal(e.code, CH_EFORMAT);
    assert_string_equal(e.text, "a.gguf: 7 rows, allowed 5");
    assert_int_equal(ch_fail_at(&e, "layer %d", 3), CH_EFORMAT);
    assert_string_equal(e.text, "layer 3: a.gguf: 7 rows, allowed 5");
    assert_int_equal(ch_fail(&e, CH_EIO, "again: %s", e.text), CH_EIO);
    assert_string_equal(e.text, "again: layer 3: a.gguf: 7 rows, allowed 5");
    assert_int_equal(ch_fail(NULL, CH_EIO, "%s", "nobody listens"), CH_EIO);
    assert_int_equal(ch_fail_at(NULL, "x"), CH_OK);
}

static void terminals_are_safe(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_fail(&e, CH_EARG, "%s", "\x1b[2J\n\ttab\x7f end");
    assert_string_equal(e.text, "?[2J??tab? end");
    ch_fail(&e, CH_EARG, "%s",
            "C1 \xc2\x9b" "31m, lone \x9b and \xff, good \xc2\xa0 \xc3\xa9 \xe2\x82\xac");
    assert_string_equal(e.text, "C1 ??31m, lone ? and ?, good \xc2\xa0 \xc3\xa9 \xe2\x82\xac");
    ch_fail(&e, CH_EARG, "%s", "cut short by its maker \xe2\x82");
    assert_string_equal(e.text, "cut short by its maker ??");
    ch_fail_at(&e, "%s", "tensor\r\x08");
    assert_string_equal(e.text, "tensor??: cut short by its maker ??");
}

/* A character of each length is pushed over the end one byte at a time. */
static void long_sentences_end_whole(void **state)
{
    (void)state;
    static const char *const characters[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    enum { ROOM = sizeof((ch_err *)NULL)->text };
    for (size_t c = 0; c < CH_COUNT(characters); c++)
        for (int lead = ROOM - 12; lead < ROOM + 12; lead++) {
            ch_err e;
            char text[2 * ROOM];
            memset(&e, 'x', sizeof e);
            memset(text, '-', sizeof text);
            text[lead] = 0;
            ch_fail(&e, CH_EARG, "%s%s%s", text, characters[c], characters[c]);
            assert_true(memchr(e.text, 0, ROOM) != NULL);
            assert_true(ch_utf8_valid(e.text, strlen(e.text)));
            assert_null(strchr(e.text, '?'));
            size_t whole = (size_t)lead + 2 * strlen(characters[c]);
            assert_true(strlen(e.text) >= CH_MIN(whole, ROOM - 4));
            ch_fail_at(&e, "%s%s", text, characters[c]);
            assert_true(memchr(e.text, 0, ROOM) != NULL);
            assert_true(ch_utf8_valid(e.text, strlen(e.text)));
        }
}

static void note(void *arg, int level, const char *text)
{
    ch_buf_printf(arg, "%d:%s;", level, text);
}

static void log_lines_are_lines(void **state)
{
    (void)state;
    ch_buf b;
    ch_buf_init(&b, 10000);
    ch_log log = {.line = note, .arg = &b};
    ch_log_say(NULL, CH_LOG_WARN, "unheard %d", 1);
    ch_log_say(&(ch_log){0}, CH_LOG_WARN, "unheard");
    ch_log_say(&log, CH_LOG_WARN, "one\ntwo %d", 2);
    ch_log_say(&log, CH_LOG_DEBUG, "%s", "");
    assert_string_equal(b.data, "0:one?two 2;2:;");
    ch_buf_clear(&b);
    ch_log_say(&log, CH_LOG_INFO, "%s%2000d", "\xe2\x82\xac", 1);
    assert_in_range(b.size, 500, 1100);
    ch_buf_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_meanings),      cmocka_unit_test(sentences_are_kept),
        cmocka_unit_test(terminals_are_safe),       cmocka_unit_test(long_sentences_end_whole),
        cmocka_unit_test(log_lines_are_lines),
    };
    return cmocka_run_group_tests_name("base/err", tests, NULL, NULL);
}
