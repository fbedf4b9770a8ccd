/* map.c - tests of base/map.c.  SPDX-License-Identifier: MIT */
#include "support.h"

#include <string.h>

static void puts_and_gets(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_map m;
    int64_t old = 5;
    assert_ok(ch_map_open(&m, 0, &e), e);
    assert_int_equal(ch_map_get(&m, "a", 1), -1);
    assert_int_equal(ch_map_remove(&m, "a", 1), -1);
    assert_ok(ch_map_put(&m, "a", 1, 0, &old, &e), e);
    assert_int_equal(old, -1);
    assert_ok(ch_map_put(&m, "a\0b", 3, 2, NULL, &e), e);
    assert_ok(ch_map_put(&m, NULL, 0, INT64_MAX, &old, &e), e);
    assert_ok(ch_map_put(&m, "a", 1, 7, &old, &e), e);
    assert_int_equal(old, 0);
    assert_int_equal(m.count, 3);
    assert_int_equal(ch_map_get(&m, "a", 1), 7);
    assert_int_equal(ch_map_get(&m, "a\0b", 3), 2);
    assert_int_equal(ch_map_get(&m, "a\0c", 3), -1);
    assert_true(ch_map_get(&m, "", 0) == INT64_MAX);
    ch_map_close(&m);
    ch_map_close(&m);
    assert_int_equal(ch_map_get(&m, "a", 1), -1);
}

/* Random puts, gets and removes against an array; small key sets make long runs and many holes. */
static void agrees_with_an_array(void **state)
{
    (void)state;
    enum { KEYS = 3000, STEPS = 60000 };
    static char keys[KEYS][8];
    static int64_t naive[KEYS];
    ch_err e = {0};
    for (size_t used = 5; used <= KEYS;
         used = used * 7 + 11 > KEYS && used < KEYS ? KEYS : used * 7 + 11) {
        ch_map m;
        size_t count = 0;
        assert_ok(ch_map_open(&m, used % 2 ? 0 : used, &e), e);
        for (size_t i = 0; i < used; i++) {
            snprintf(keys[i], sizeof keys[i], "k%zu", i);
            naive[i] = -1;
        }
        for (uint64_t s = 0; s < STEPS; s++) {
            size_t k = (size_t)ch_rng_below(used, used, CH_RNG_TEST, 0, s);
            int64_t got, v = (int64_t)s;
            switch (ch_rng_below(3, used, CH_RNG_TEST, 1, s)) {
            case 0:
                assert_ok(ch_map_put(&m, keys[k], strlen(keys[k]), v, &got, &e), e);
                assert_true(got == naive[k]);
                count += naive[k] < 0;
                naive[k] = v;
                break;
            case 1:
                assert_true(ch_map_remove(&m, keys[k], strlen(keys[k])) == naive[k]);
                count -= naive[k] >= 0;
                naive[k] = -1;
                break;
            default:
                assert_true(ch_map_get(&m, keys[k], strlen(keys[k])) == naive[k]);
            }
            assert_int_equal(m.count, count);
            assert_true(m.count * 2 <= m.cap);
        }
        for (size_t i = 0; i < used; i++)
            assert_true(ch_map_get(&m, keys[i], strlen(keys[i])) == naive[i]);
        ch_map_close(&m);
    }
}

static void expected_keys_do_not_grow(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_map m;
    static uint32_t keys[5000];
    assert_ok(ch_map_open(&m, CH_COUNT(keys), &e), e);
    size_t cap = m.cap;
    for (uint32_t i = 0; i < CH_COUNT(keys); i++) {
        keys[i] = i;
        assert_ok(ch_map_put(&m, &keys[i], sizeof keys[i], i, NULL, &e), e);
    }
    assert_int_equal(m.cap, cap);
    for (uint32_t i = 0; i < CH_COUNT(keys); i++)
        assert_int_equal(ch_map_get(&m, &keys[i], sizeof keys[i]), i);
    ch_map_close(&m);
}

static void absurd_sizes_are_refused(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_map m;
    assert_fails(ch_map_open(&m, SIZE_MAX, &e), CH_ENOMEM, e, "out of memory");
    assert_fails(ch_map_open(&m, SIZE_MAX / 8, &e), CH_ENOMEM, e, "out of memory");
    ch_map_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_and_gets), cmocka_unit_test(agrees_with_an_array),
        cmocka_unit_test(expected_keys_do_not_grow), cmocka_unit_test(absurd_sizes_are_refused),
    };
    return cmocka_run_group_tests_name("base/map", tests, NULL, NULL);
}
