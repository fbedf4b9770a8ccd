/* tests/reply/hostile.c - limits, misuse, and replies put together at random
 *
 * SPDX-License-Identifier: MIT */
#include "told.h"

static const char *const pieces[] = {
    "<think>", "</think>", "<tool_call>", "</tool_call>", "<function=", "</function>",
    "<parameter=", "</parameter>", "[TOOL_CALLS]", "<TOOLCALL>", "</TOOLCALL>",
    "<tool_calls>", "<seed:tool_call>", "[ARGS]", "[CALL_ID]", "[THINK]", "[/THINK]",
    "<|python_tag|>", "<|start|>", "<|end|>", "<|channel|>", "<|message|>", "<|call|>",
    "<|return|>", "<|constrain|>", "analysis", "final", "commentary", " to=functions.f",
    "{\"name\": \"f\", \"arguments\": ", "{\"name\":\"g\",\"parameters\":{}}", "\"id\": \"i\"",
    "{}", "{", "}", "[", "]", "\"", "\\", ",", ";", ":", ">", "<", "|", " ", "\n", "f", "name",
    "null", "1e5", "-", "\\u00e9", "\xc3", "\xa9", "\xff", "\x01", "a=",
    "f.call(", ")", "}}", "}\n</tool_call>",
};

enum { LONGEST = 40 };

/* Whatever comes, every byte is told once (told_event), however it was cut. */
static void random_replies(void **state)
{
    (void)state;
    json_t *tools = told_json("[{\"name\": \"f\", \"parameters\": {\"properties\": {\"a\": "
                              "{\"type\": \"integer\"}}}}]");
    ch_buf b;
    ch_buf_init(&b, 1 << 16);
    size_t formats = 0;
    while (ch_reply_format_at(formats))
        formats++;
    assert_true(formats > 10);
    for (uint32_t k = 0; k < 4000; k++) {
        const ch_reply_format *f = ch_reply_format_at(k % formats);
        const ch_reply_options o = {.tools = k % 3 == 0 ? tools : NULL,
                                    .prompt = "<think>", .prompt_bytes = k % 5 == 0 ? 7 : 0};
        ch_buf_clear(&b);
        for (uint64_t i = 0; i < 2 + k % LONGEST; i++)
            ch_buf_str(&b, pieces[ch_rng_below(CH_COUNT(pieces), k, CH_RNG_TEST, 1, i)]);
        size_t cut[LONGEST * 40], n_cuts = 0;
        for (size_t i = 1; i < b.size; i++)
            if (ch_rng_below(3, k, CH_RNG_TEST, 2, i) == 0)
                cut[n_cuts++] = i;
        told whole, cuts;
        told_reply(&whole, NULL, ch_reply_format_name(f), &o, b.data, b.size, NULL, 0);
        told_reply(&cuts, NULL, ch_reply_format_name(f), &o, b.data, b.size, cut, n_cuts);
        assert_string_equal(told_text(&whole.all), told_text(&cuts.all));
        told_close(&whole);
        told_close(&cuts);
    }
    ch_buf_close(&b);
    json_decref(tools);
}

static ch_reply *opened(const char *format, size_t bytes)
{
    ch_reply *r;
    ch_err e = {0};
    const ch_reply_options o = {.bytes = bytes};
    assert_ok(ch_reply_open(&r, ch_reply_format_named(format), &o, &e), e);
    return r;
}

static void limits(void **state)
{
    (void)state;
    ch_err e = {0};
    json_t *m;
    ch_reply *r = opened("hermes", 10);
    assert_ok(ch_reply_feed(r, "12345678", 8, &e), e);
    assert_fails(ch_reply_feed(r, "abc", 3, &e), CH_ELIMIT, e, "more than 10 bytes");
    assert_ok(ch_reply_feed(r, "ab", 2, &e), e);
    assert_fails(ch_reply_token(r, -1, 0, &e), CH_EARG, e, "without a tokenizer");
    assert_ok(ch_reply_end(r, &e), e);
    assert_fails(ch_reply_end(r, &e), CH_EARG, e, "after its end");
    assert_fails(ch_reply_feed(r, "", 0, &e), CH_EARG, e, "after its end");
    assert_ok(ch_reply_message(&m, r, &e), e);
    assert_string_equal(json_string_value(json_object_get(m, "content")), "12345678ab");
    json_decref(m);
    ch_reply_close(&r);
    assert_null(r);
    ch_reply_close(&r);
    json_t *no_list = json_object();
    const ch_reply_options o = {.tools = no_list};
    assert_fails(ch_reply_open(&r, ch_reply_format_named("text"), &o, &e), CH_EARG, e,
                 "no JSON list");
    assert_null(r);
    json_decref(no_list);
    assert_null(ch_reply_format_named("none"));
}

/* One call more than may be is text. */
static void many_calls(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_reply *r = opened("mistral", 0);
    for (int i = 0; i <= CH_REPLY_CALLS; i++)
        assert_ok(ch_reply_feed(r, "[TOOL_CALLS]f{}", 15, &e), e);
    assert_ok(ch_reply_end(r, &e), e);
    assert_int_equal(ch_reply_calls(r), CH_REPLY_CALLS);
    assert_int_equal(ch_reply_failed_calls(r), 1);
    ch_reply_close(&r);
}

/* Brackets in one another: as many as may be, and one more. */
static void depth(void **state)
{
    (void)state;
    ch_err e = {0};
    for (int more = 0; more < 2; more++) {
        ch_reply *r = opened("mistral", 0);
        assert_ok(ch_reply_feed(r, "[TOOL_CALLS]f[ARGS]{\"a\":", 24, &e), e);
        for (int i = 1; i < CH_REPLY_DEPTH + more; i++)
            assert_ok(ch_reply_feed(r, "[", 1, &e), e);
        for (int i = 1; i < CH_REPLY_DEPTH + more; i++)
            assert_ok(ch_reply_feed(r, "]", 1, &e), e);
        assert_ok(ch_reply_feed(r, "}", 1, &e), e);
        assert_ok(ch_reply_end(r, &e), e);
        assert_int_equal(ch_reply_calls(r), 1 - more);
        assert_int_equal(ch_reply_failed_calls(r), more);
        ch_reply_close(&r);
    }
}

/* Megabytes that never stop being the beginning of something. */
static void long_replies(void **state)
{
    (void)state;
    static const struct {
        const char *format, *first, *again;
    } rows[] = {
        {"hermes", "<tool_call>{\"name\": \"", "a"},
        {"hermes", "<tool_call>", "<tool_call>"},
        {"hermes", "", "<tool_cal"},
        {"hermes", "a", " "},
        {"mistral", "[TOOL_CALLS]f[ARGS]{\"a\":", "["},
        {"mistral", "[TOOL_CALLS]", "x"},
        {"qwen3-coder", "<function=f>", "<parameter=a>b</parameter>"},
        {"llama3", "", "{"},
        {"harmony", "<|channel|>", "<|message|><|channel|>"},
    };
    for (size_t i = 0; i < CH_COUNT(rows); i++) {
        ch_err e = {0};
        json_t *m;
        ch_reply *r = opened(rows[i].format, 0);
        assert_ok(ch_reply_feed(r, rows[i].first, strlen(rows[i].first), &e), e);
        for (size_t n = 0; n < 1 << 19; n += strlen(rows[i].again))
            assert_ok(ch_reply_feed(r, rows[i].again, strlen(rows[i].again), &e), e);
        assert_ok(ch_reply_end(r, &e), e);
        assert_ok(ch_reply_message(&m, r, &e), e);
        assert_int_equal(ch_reply_calls(r), 0);
        json_decref(m);
        ch_reply_close(&r);
    }
}

/* Which numbers, strings and literals are JSON. */
static void values(void **state)
{
    (void)state;
    static const char *const good[] = {"0", "-0", "1.5", "1e5", "1E+5", "10.25e-3", "true", "null",
                                       "\"\\u00e9\\n\\/\"", "[]", "[ 1 , {} ]", "\"\""};
    static const char *const bad[] = {"01", "1.", ".5", "+1", "1e", "--1", "tru", "nul l", "True",
                                      "\"\\x\"", "\"\\u12g4\"", "\"a\nb\"", "[1,]", "[1 2]", "{1}",
                                      "[}", "{\"a\"}", "1,2", "", "\"a", "\"\\ud800\""};
    for (size_t i = 0; i < CH_COUNT(good) + CH_COUNT(bad); i++) {
        const bool is_good = i < CH_COUNT(good);
        char text[200];
        told t;
        snprintf(text, sizeof text, "[TOOL_CALLS]f[ARGS]{\"a\" : %s }",
                 is_good ? good[i] : bad[i - CH_COUNT(good)]);
        told_reply(&t, NULL, "mistral", NULL, text, strlen(text), NULL, 0);
        if ((strncmp(told_text(&t.seen), "CALL", 4) == 0) != is_good)
            fail_msg("%s told %s", text, told_text(&t.seen));
        told_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_replies), cmocka_unit_test(limits),
        cmocka_unit_test(many_calls),     cmocka_unit_test(depth),
        cmocka_unit_test(long_replies),   cmocka_unit_test(values),
    };
    return cmocka_run_group_tests_name("reply/hostile", tests, NULL, NULL);
}
