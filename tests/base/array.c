/* array.c - tests of base/array.c.  SPDX-License-Identifier: MIT */
#include "support.h"

#include <stdlib.h>

static void grows_and_keeps(void **state)
{
    (void)state;
    int *at = NULL;
    size_t cap = 0;
    for (int i = 0; i < 1000; i++) {
        const size_t before = cap;
        assert_true(ch_array_room(&at, &cap, (size_t)i + 1, sizeof *at));
        assert_true(cap >= (size_t)i + 1);
        assert_true(cap == before || cap >= 2 * before);
        at[i] = i;
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(at[i], i);
    const int *same = at;
    const size_t had = cap;
    assert_true(ch_array_room(&at, &cap, 5, sizeof *at));
    assert_true(at == same && cap == had);
    free(at);
}

/* What cannot be had changes nothing, and a size that does not fit cannot be had. */
static void too_much(void **state)
{
    (void)state;
    char *at = NULL;
    size_t cap = 0;
    assert_true(ch_array_room(&at, &cap, 8, 1));
    const char *same = at;
    const size_t had = cap;
    assert_false(ch_array_room(&at, &cap, SIZE_MAX / 2, 4));
    assert_false(ch_array_room(&at, &cap, SIZE_MAX, 1));
    assert_true(at == same && cap == had);
    free(at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_keeps),
        cmocka_unit_test(too_much),
    };
    return cmocka_run_group_tests_name("base/array", tests, NULL, NULL);
}
