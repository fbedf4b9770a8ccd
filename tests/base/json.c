/* json.c - tests of base/json.c.  SPDX-License-Identifier: MIT */
#include "support.h"

#include <stdlib.h>
#include <string.h>

static json_t *parsed(const char *text)
{
    ch_err e = {0};
    json_t *v;
    assert_ok(ch_json_parse(&v, text, strlen(text), "test", &e), e);
    return v;
}

static void values_go_round(void **state)
{
    (void)state;
    static const char *const same[] = {
        "{\"z\":1,\"a\":[true,false,null],\"m\":\"\xc3\xa9 \\u0000 \\\" \\\\\"}",
        "[]", "{}", "3", "\"\"", "null",
        "[0.10000000000000001,1e+300,-9223372036854775808,9223372036854775807]",
    };
    for (size_t i = 0; i < CH_COUNT(same); i++) {
        ch_err e = {0};
        ch_buf b;
        json_t *v = parsed(same[i]);
        ch_buf_init(&b, 10000);
        assert_ok(ch_json_dump(&b, v, &e), e);
        if (i < 6)
            assert_string_equal(b.data, same[i]);
        json_t *again = parsed(b.data);
        assert_true(json_equal(v, again));
        json_decref(again);
        json_decref(v);
        ch_buf_close(&b);
    }
}

static void doubles_keep_their_bits(void **state)
{
    (void)state;
    ch_err e = {0};
    for (uint64_t i = 0; i < 2000; i++) {
        double x = ch_rng_normal(1, CH_RNG_TEST, 0, i) *
                   pow(10, (double)ch_rng_below(600, 1, 4, 1, i) - 300);
        ch_buf b;
        json_t *v = json_real(x);
        ch_buf_init(&b, 100);
        assert_ok(ch_json_dump(&b, v, &e), e);
        json_decref(v);
        v = parsed(b.data);
        assert_true(json_number_value(v) == x);
        json_decref(v);
        ch_buf_close(&b);
    }
}

static void errors_say_where(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } bad[] = {
        {"", "f.json:1:0: "},
        {"{\n  \"a\": 1,\n  \"a\": 2}", "f.json:3:5: duplicate"},
        {"[1,2,]", "f.json:1:6: "},
        {"[1] x", "f.json:1:5: end of file expected"},
        {"{'a':1}", "f.json:1:2: "},
        {"[01]", "f.json:1:"},
        {"[NaN]", "f.json:1:4: "},
        {"[1e999]", "overflow"},
        {"[99999999999999999999]", "too big"},
        {"\"\x80\"", "f.json:1:"},
        {"\"\xed\xa0\x80\"", "f.json:1:"},
        {"\"\\ud800\"", "f.json:1:"},
        {"\"a\nb\"", "f.json:1:"},
        {"\xef\xbb\xbf[]", "f.json:1:"},
        {"[\"\x1b[2J]", "f.json:1:"},
    };
    for (size_t i = 0; i < CH_COUNT(bad); i++) {
        ch_err e = {0};
        json_t *v = json_null();
        assert_fails(ch_json_parse(&v, bad[i].text, strlen(bad[i].text), "f.json", &e), CH_EFORMAT,
                     e, bad[i].part);
        assert_null(v);
        assert_null(strchr(e.text, '\x1b'));
    }
    json_t *v;
    assert_int_equal(ch_json_parse(&v, NULL, 0, "x", NULL), CH_EFORMAT);
}

/* Only text[0..n) counts, and nothing after it is read. */
static void the_length_counts(void **state)
{
    (void)state;
    ch_err e = {0};
    json_t *v;
    char *p = guarded(5);
    memcpy(p, "[123]", 5);
    assert_ok(ch_json_parse(&v, p, 5, "x", &e), e);
    json_decref(v);
    assert_fails(ch_json_parse(&v, p, 4, "x", &e), CH_EFORMAT, e, "x:1:");
    guarded_free(p, 5);
    assert_fails(ch_json_parse(&v, "1\0", 2, "x", &e), CH_EFORMAT, e, "x:1:2: a 0 byte");
    assert_fails(ch_json_parse(&v, "[\n\"\0\"]", 6, "x", &e), CH_EFORMAT, e, "x:2:2: a 0 byte");
}

static void depth_is_bounded(void **state)
{
    (void)state;
    enum { DEEP = 200000 };
    char *text = malloc(DEEP);
    ch_err e = {0};
    json_t *v;
    assert_non_null(text);
    memset(text, '[', DEEP);
    assert_fails(ch_json_parse(&v, text, DEEP, "deep", &e), CH_EFORMAT, e, "depth");
    memset(text + 1000, ']', 1000);
    assert_ok(ch_json_parse(&v, text, 2000, "deep", &e), e);
    json_decref(v);
    free(text);
}

static void files_have_limits(void **state)
{
    (void)state;
    ch_err e = {0};
    json_t *v;
    char *dir = temp_dir(), *path = ch_io_join(dir, "x.json");
    assert_ok(ch_io_write_file(path, "[1, 2]", 6, &e), e);
    assert_ok(ch_json_load(&v, path, 6, &e), e);
    assert_int_equal(json_array_size(v), 2);
    json_decref(v);
    assert_fails(ch_json_load(&v, path, 5, &e), CH_ELIMIT, e, "x.json: more than the allowed 5");
    assert_null(v);
    assert_ok(ch_io_write_file(path, "", 0, &e), e);
    assert_fails(ch_json_load(&v, path, 5, &e), CH_EFORMAT, e, "x.json:1:0");
    assert_fails(ch_json_load(&v, dir, 5, &e), CH_EARG, e, "directory");
    free(path);
    temp_dir_remove(dir);
}

static void dumping_stops_at_the_limit(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_buf b;
    json_t *v = parsed("[1,2,3,4,5,6,7,8,9]");
    ch_buf_init(&b, 10);
    assert_fails(ch_json_dump(&b, v, &e), CH_ELIMIT, e, "allowed 10 bytes");
    ch_buf_close(&b);
    json_decref(v);
}

static void integers(void **state)
{
    (void)state;
    ch_err e = {0};
    int64_t n;
    json_t *o = parsed("{\"a\":7,\"r\":4096.0,\"h\":0.5,\"s\":\"7\",\"n\":null,\"big\":1e300,"
                       "\"edge\":9007199254740994.0,\"t\":true,\"low\":-9223372036854775808}");
    assert_ok(ch_json_int(&n, o, "a", 1, 0, 10, "c", &e), e);
    assert_int_equal(n, 7);
    assert_ok(ch_json_int(&n, o, "r", 1, 0, 5000, "c", &e), e);
    assert_int_equal(n, 4096);
    assert_ok(ch_json_int(&n, o, "none", 5, 6, 7, "c", &e), e); /* the default may lie outside */
    assert_int_equal(n, 5);
    assert_ok(ch_json_int(&n, o, "n", 9, 0, 10, "c", &e), e);
    assert_int_equal(n, 9);
    assert_ok(ch_json_int(&n, NULL, "a", 3, 0, 10, "c", &e), e);
    assert_int_equal(n, 3);
    assert_ok(ch_json_int(&n, o, "low", 3, INT64_MIN, 0, "c", &e), e);
    assert_true(n == INT64_MIN);
    assert_fails(ch_json_int(&n, o, "a", 1, 0, 6, "c", &e), CH_EFORMAT, e,
                 "c: \"a\" is 7, wanted 0 to 6");
    assert_fails(ch_json_int(&n, o, "h", 1, 0, 6, "c", &e), CH_EFORMAT, e, "\"h\" is a number");
    assert_fails(ch_json_int(&n, o, "s", 1, 0, 6, "c", &e), CH_EFORMAT, e, "\"s\" is a string");
    assert_fails(ch_json_int(&n, o, "t", 1, 0, 6, "c", &e), CH_EFORMAT, e, "\"t\" is true");
    assert_fails(ch_json_int(&n, o, "big", 1, INT64_MIN, INT64_MAX, "c", &e), CH_EFORMAT, e,
                 "a number");
    assert_fails(ch_json_int(&n, o, "edge", 1, INT64_MIN, INT64_MAX, "c", &e), CH_EFORMAT, e,
                 "a number");
    json_t *list = parsed("[1]");
    assert_fails(ch_json_int(&n, list, "a", 1, 0, 6, "c", &e), CH_EFORMAT, e,
                 "found an array where");
    json_decref(list);
    json_decref(o);
}

static void reals_and_strings(void **state)
{
    (void)state;
    ch_err e = {0};
    double x;
    const char *s;
    json_t *o =
        parsed("{\"i\":3,\"r\":2.5,\"s\":\"text\",\"z\":\"a\\u0000b\",\"n\":null,\"o\":{}}");
    assert_ok(ch_json_real(&x, o, "i", 1, "c", &e), e);
    assert_true(x == 3);
    assert_ok(ch_json_real(&x, o, "r", 1, "c", &e), e);
    assert_true(x == 2.5);
    assert_ok(ch_json_real(&x, o, "n", 1.5, "c", &e), e);
    assert_true(x == 1.5);
    assert_fails(ch_json_real(&x, o, "s", 1, "c", &e), CH_EFORMAT, e,
                 "\"s\" is a string, wanted a number");
    assert_ok(ch_json_str(&s, o, "s", "d", "c", &e), e);
    assert_string_equal(s, "text");
    assert_ok(ch_json_str(&s, o, "none", NULL, "c", &e), e);
    assert_null(s);
    assert_ok(ch_json_str(&s, o, "n", "d", "c", &e), e);
    assert_string_equal(s, "d");
    assert_fails(ch_json_str(&s, o, "z", NULL, "c", &e), CH_EFORMAT, e, "0 byte");
    assert_fails(ch_json_str(&s, o, "o", NULL, "c", &e), CH_EFORMAT, e, "\"o\" is an object");
    json_decref(o);
}

/* The parser against JSONTestSuite: y_ must be read, n_ must be refused, i_ is free but must not
 * crash. */
static void test_suite(void **state)
{
    (void)state;
    skip_without("conform/JSONTestSuite");
    char **paths;
    size_t n;
    int read[2] = {0};
    ch_err e = {0};
    assert_ok(ch_io_list(&paths, &n, shared_path("conform/JSONTestSuite"), &e), e);
    for (size_t i = 0; i < n; i++) {
        const char *name = strrchr(paths[i], '/') + 1;
        json_t *v = NULL;
        if (strstr(paths[i], "parsing") == NULL || strstr(name, ".json") == NULL)
            continue;
        int rc = ch_json_load(&v, paths[i], 1 << 20, &e);
        /* Keys are C strings and have to differ. */
        bool zero_key = strcmp(name, "y_object_escaped_null_in_key.json") == 0;
        bool twice = strncmp(name, "y_object_duplicated_key", 23) == 0;
        if (name[0] == 'y' && rc < 0 && !zero_key && !twice)
            fail_msg("%s is refused: %s", name, e.text);
        if (name[0] == 'n' && rc == CH_OK)
            fail_msg("%s is accepted", name);
        read[rc == CH_OK]++;
        json_decref(v);
    }
    ch_io_free_list(paths, n);
    assert_true(read[0] > 100 && read[1] > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_go_round),   cmocka_unit_test(doubles_keep_their_bits),
        cmocka_unit_test(errors_say_where),  cmocka_unit_test(the_length_counts),
        cmocka_unit_test(depth_is_bounded),  cmocka_unit_test(files_have_limits),
        cmocka_unit_test(integers),          cmocka_unit_test(dumping_stops_at_the_limit),
        cmocka_unit_test(reals_and_strings), cmocka_unit_test(test_suite),
    };
    return cmocka_run_group_tests_name("base/json", tests, NULL, NULL);
}
