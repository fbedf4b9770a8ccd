/* tests/token/pretokenize.c - where text is cut, by every pattern of the list
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "pretokenize.h"
#include "support.h"

#include <string.h>

/* Pieces are joined by '|'; bytes that are no UTF-8 are shown as '~'. */
static int show(void *arg, const char *piece, size_t n, bool valid)
{
    ch_buf *b = arg;
    if (b->size > 0)
        ch_buf_str(b, "|");
    for (size_t i = 0; i < n; i++)
        ch_buf_put(b, valid ? piece + i : "~", 1);
    return CH_OK;
}

static void assert_cut(const char *pre, const char *text, const char *want)
{
    ch_err e = {0};
    ch_cutter *c;
    ch_cut_work *w;
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    const ch_pretokenizer *p = ch_pretokenizer_find(pre, strlen(pre));
    assert_non_null(p);
    assert_ok(ch_cutter_open(&c, p, &e), e);
    assert_ok(ch_cut_work_open(&w, &e), e);
    assert_ok(ch_cutter_cut(c, w, text, strlen(text), true, show, &b, &e), e);
    assert_string_equal(b.data, want);
    ch_buf_close(&b);
    ch_cut_work_close(&w);
    ch_cutter_close(&c);
}

static void gpt2(void **state)
{
    (void)state;
    assert_cut("gpt-2", "Hello world's  1234 a\n\n b!?", "Hello| world|'s| | 1234| a|\n\n| b|!?");
    assert_cut("gpt-2", "I'LL we'll", "I|'|LL| we|'ll");
    assert_cut("gpt-2", "  x   ", " | x|   ");
    assert_cut("gpt-2", "\xd0\x9d\xd0\xb0 \xc2\xbd", "\xd0\x9d\xd0\xb0| \xc2\xbd");
}

/* White_Space has U+0085 and U+3000, but not U+180E. */
static void white_space(void **state)
{
    (void)state;
    assert_cut("gpt-2", "a\xc2\x85\xe3\x80\x80", "a|\xc2\x85\xe3\x80\x80");
    assert_cut("gpt-2", "a \xe1\xa0\x8e", "a| \xe1\xa0\x8e");
    assert_cut("llama-bpe", "a \xe1\xa0\x8e", "a| \xe1\xa0\x8e");
}

static void others(void **state)
{
    (void)state;
    assert_cut("llama-bpe", "I'LL 12345  x\r\n\r\n (y)", "I|'LL| |123|45| | x|\r\n\r\n| (|y|)");
    assert_cut("qwen2", "a 12345", "a| |1|2|3|4|5");
    assert_cut("smollm", "ab 123's", "ab| |1|2|3|'s");
    assert_cut("tekken", "HelloWorld ABC abcD", "Hello|World| ABC| abc|D");
    assert_cut("deepseek-coder", "a,b\n1 \xe4\xb8\xad", "a|,|b|\n|1| |\xe4\xb8\xad");
    assert_cut("default", "a+b 12345", "a|+|b| |123|45");
}

static void bytes(void **state)
{
    (void)state;
    assert_cut("gpt-2", "ab\xff\xfe c", "ab|~~| c");
    assert_cut("gpt-2", "\xe2\x82", "~~");
    assert_cut("gpt-2", "a\xc3", "a|~");
    assert_cut("gpt-2", "\xed\xa0\x80x\xf4\x90\x80\x80", "~~~|x|~~~~");
    assert_cut("gpt-2", "abcdefgh\xc3\xa9 abcdefgh\x80", "abcdefgh\xc3\xa9| abcdefgh|~");
}

/* Runs that a matcher could walk again and again, and more matching than a match limit allows. */
static void long_runs(void **state)
{
    (void)state;
    static const char *const fills[] = {" ", "\n", "a", "1", "'", "\xff", "\xcc\x81", "aA"};
    static const char *const names[] = {"gpt-2",  "llama-bpe",      "qwen2",  "smollm",
                                        "tekken", "deepseek-coder", "default"};
    const size_t n = 1 << 18;
    char *text = malloc(n);
    for (size_t row = 0; row < CH_COUNT(names); row++) {
        ch_cutter *c;
        ch_cut_work *w;
        ch_err e = {0};
        const ch_pretokenizer *p = ch_pretokenizer_find(names[row], strlen(names[row]));
        assert_ok(ch_cutter_open(&c, p, &e), e);
        assert_ok(ch_cut_work_open(&w, &e), e);
        for (size_t k = 0; k < CH_COUNT(fills); k++) {
            ch_buf b;
            ch_buf_init(&b, 4 * n);
            for (size_t i = 0; i < n; i++)
                text[i] = fills[k][i % strlen(fills[k])];
            text[n - 1] = 'x';
            assert_ok(ch_cutter_cut(c, w, text, n, true, show, &b, &e), e);
            assert_true(b.size >= n);
            ch_buf_close(&b);
        }
        ch_cut_work_close(&w);
        ch_cutter_close(&c);
    }
    free(text);
}

static int stop(void *arg, const char *piece, size_t n, bool valid)
{
    (void)piece;
    (void)n;
    (void)valid;
    return --*(int *)arg < 0 ? CH_ECANCELED : CH_OK;
}

static void names(void **state)
{
    (void)state;
    char name[32];
    assert_null(ch_pretokenizer_find("gpt", 3));
    assert_null(ch_pretokenizer_find("", 0));
    assert_null(ch_pretokenizer_find("gpt-2 phi-2", 11));
    const ch_pretokenizer *p = ch_pretokenizer_find("mpt", 3);
    assert_ptr_equal(p, ch_pretokenizer_find("gpt-2", 5));
    assert_string_equal(ch_pretokenizer_name(name, sizeof name, p), "gpt-2");
    const ch_pre_step step = {.pattern = ch_pattern_gpt2, .n = strlen(ch_pattern_gpt2)};
    const ch_pre_step pattern[] = {step, step};
    assert_ptr_equal(ch_pretokenizer_like(pattern, 1, false), p);
    assert_null(ch_pretokenizer_like(pattern, 1, true));
    assert_null(ch_pretokenizer_like(pattern, 2, false));
    assert_null(ch_pretokenizer_like(pattern, 0, false));

    ch_cutter *c;
    ch_cut_work *w;
    ch_err e = {0};
    int left = 2;
    assert_ok(ch_cutter_open(&c, p, &e), e);
    assert_ok(ch_cut_work_open(&w, &e), e);
    assert_int_equal(ch_cutter_cut(c, w, "a b c d", 7, true, stop, &left, &e), CH_ECANCELED);
    assert_int_equal(left, -1);
    ch_cut_work_close(&w);
    ch_cutter_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt2),  cmocka_unit_test(white_space), cmocka_unit_test(others),
        cmocka_unit_test(bytes), cmocka_unit_test(long_runs),   cmocka_unit_test(names),
    };
    return cmocka_run_group_tests_name("token/pretokenize", tests, NULL, NULL);
}
