/* buf.c - tests of base/buf.c.  SPDX-License-Identifier: MIT */
#include "support.h"

#include <string.h>

static void appends_arrive(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_buf b;
    ch_buf_init(&b, 100000);
    assert_null(b.data);
    assert_true(ch_buf_put(&b, "ab", 2));
    assert_true(ch_buf_str(&b, ""));
    assert_true(ch_buf_str(&b, "cd"));
    assert_true(ch_buf_printf(&b, "[%d|%s]", 42, "x"));
    assert_true(ch_buf_put(&b, "\0\0", 2));
    char *room = ch_buf_room(&b, 3);
    assert_non_null(room);
    memcpy(room, "end", 3);
    assert_int_equal(b.size, 15);
    assert_memory_equal(b.data, "abcd[42|x]\0\0end", 16);
    for (int i = 0; i < 1000; i++)
        assert_true(ch_buf_printf(&b, "%06d", i));
    assert_int_equal(b.size, 15 + 6000);
    assert_int_equal(strlen(b.data + 12), 6003);
    for (int i = 0; i < 1000; i++) {
        char want[16];
        snprintf(want, sizeof want, "%06d", i);
        assert_memory_equal(b.data + 15 + 6 * i, want, 6);
    }
    assert_ok(ch_buf_check(&b, "text", &e), e);
    ch_buf_clear(&b);
    assert_int_equal(b.size, 0);
    assert_int_equal(b.data[0], 0);
    ch_buf_close(&b);
    ch_buf_close(&b);
}

static void empty_appends_make_a_string(void **state)
{
    (void)state;
    ch_buf b;
    ch_buf_init(&b, 0);
    assert_true(ch_buf_put(&b, NULL, 0));
    assert_true(ch_buf_printf(&b, "%s", ""));
    assert_non_null(ch_buf_room(&b, 0));
    assert_string_equal(b.data, "");
    assert_false(ch_buf_put(&b, "x", 1));
    ch_buf_close(&b);
}

/* Exactly the limit fits, one more does not, and failing sticks until cleared. */
static void the_limit_holds(void **state)
{
    (void)state;
    ch_err e = {0};
    for (size_t limit = 1; limit < 200; limit += 3) {
        ch_buf b;
        ch_buf_init(&b, limit);
        for (size_t i = 0; i < limit; i++)
            assert_true(ch_buf_put(&b, "z", 1));
        assert_false(b.failed);
        assert_false(ch_buf_put(&b, "y", 1));
        assert_true(b.failed);
        assert_false(ch_buf_put(&b, "", 0));
        assert_false(ch_buf_printf(&b, "%d", 1));
        assert_null(ch_buf_room(&b, 0));
        assert_int_equal(b.size, limit);
        assert_int_equal(strspn(b.data, "z"), limit);
        assert_fails(ch_buf_check(&b, "the answer", &e), CH_ELIMIT, e, "the answer: more than");
        ch_buf_clear(&b);
        assert_true(ch_buf_put(&b, "a", 1));
        assert_string_equal(b.data, "a");
        ch_buf_close(&b);
    }
}

static void huge_requests_fail(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_buf b;
    ch_buf_init(&b, SIZE_MAX);
    assert_true(ch_buf_put(&b, "abc", 3));
    assert_null(ch_buf_room(&b, SIZE_MAX));
    assert_fails(ch_buf_check(&b, "big", &e), CH_ELIMIT, e, "big: more than");
    ch_buf_clear(&b);
    assert_null(ch_buf_room(&b, SIZE_MAX - 2));
    ch_buf_clear(&b);
    assert_true(ch_buf_str(&b, "still here"));
    assert_string_equal(b.data, "still here");
    b.failed = b.starved = true;
    assert_fails(ch_buf_check(&b, "big", &e), CH_ENOMEM, e, "out of memory");
    ch_buf_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_arrive), cmocka_unit_test(empty_appends_make_a_string),
        cmocka_unit_test(the_limit_holds), cmocka_unit_test(huge_requests_fail),
    };
    return cmocka_run_group_tests_name("base/buf", tests, NULL, NULL);
}
