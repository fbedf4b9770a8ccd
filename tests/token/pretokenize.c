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

/* ---- Steps of tokenizer.json ---- */

static void assert_steps(const ch_pre_step *step, int n, const char *text, const char *want)
{
    ch_err e = {0};
    ch_cutter *c;
    ch_cut_work *w;
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    ch_buf_put(&b, "", 0);
    assert_ok(ch_cutter_open_steps(&c, step, n, &e), e);
    assert_ok(ch_cut_work_open(&w, &e), e);
    assert_ok(ch_cutter_cut(c, w, text, strlen(text), true, show, &b, &e), e);
    assert_string_equal(b.data != NULL ? b.data : "", want);
    ch_buf_close(&b);
    ch_cut_work_close(&w);
    ch_cutter_close(&c);
}

static void behaviours(void **state)
{
    (void)state;
    static const struct {
        ch_pre_behaviour behaviour;
        bool invert;
        const char *want;
    } cases[] = { /* of "the-final--countdown", cut at each '-' as Hugging Face documents it */
        {CH_PRE_ISOLATED, false, "the|-|final|-|-|countdown"},
        {CH_PRE_REMOVED, false, "the|final|countdown"},
        {CH_PRE_WITH_PREVIOUS, false, "the-|final-|-|countdown"},
        {CH_PRE_WITH_NEXT, false, "the|-final|-|-countdown"},
        {CH_PRE_CONTIGUOUS, false, "the|-|final|--|countdown"},
        {CH_PRE_REMOVED, true, "-|-|-"},
        {CH_PRE_WITH_PREVIOUS, true, "the|-final|-|-countdown"},
    };
    for (size_t i = 0; i < CH_COUNT(cases); i++) {
        const ch_pre_step step = {.behaviour = cases[i].behaviour,
                                  .invert = cases[i].invert,
                                  .pattern = "-",
                                  .n = 1};
        assert_steps(&step, 1, "the-final--countdown", cases[i].want);
    }
    const ch_pre_step empty = {.pattern = "(?=(\\d{3})+(?!\\d))", .n = 18};
    assert_steps(&empty, 1, "1234567", "1|234|567");
}

static void meta(void **state)
{
    (void)state;
#define M "\xe2\x96\x81"
    ch_pre_step s = {.kind = CH_PRE_META, .prefix = CH_META_ALWAYS, .cut = CH_META_EACH};
    assert_steps(&s, 1, "a b  c", M "a|" M "b|" M "|" M "c");
    assert_steps(&s, 1, " a", M "a");
    s = (ch_pre_step){.kind = CH_PRE_META, .prefix = CH_META_FORCE, .cut = CH_META_WORDS};
    assert_steps(&s, 1, " a  b", M M "a|" M M "b");
    s = (ch_pre_step){.kind = CH_PRE_META, .cut = CH_META_WORDS, .keep = true};
    assert_steps(&s, 1, "a b" M "c", "a b|" M "c");
#undef M
    const ch_pre_step both[] = {{.kind = CH_PRE_SPACE},
                                {.pattern = ch_pattern_gpt2, .n = strlen(ch_pattern_gpt2)}};
    assert_steps(both, 2, "a b", " a| b");
}

/* Cut by a pattern of ours, or by the same one of a stranger, into b. */
static int cut_as(ch_buf *b, const char *pattern, const char *text, size_t n, bool ours, ch_err *e)
{
    ch_cutter *c;
    ch_cut_work *w;
    const ch_pre_step step = {.pattern = pattern, .n = strlen(pattern), .ours = ours};
    ch_buf_clear(b);
    assert_ok(ch_cutter_open_steps(&c, &step, 1, e), *e);
    assert_ok(ch_cut_work_open(&w, e), *e);
    const int rc = ch_cutter_cut(c, w, text, n, true, show, b, e);
    ch_cut_work_close(&w);
    ch_cutter_close(&c);
    return rc;
}

/* A stranger's pattern sees windows: it must cut as if it saw everything. */
static void windows_do_not_show(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "a+b|a+(?=c)|\\s+$|\\s+", ".*c|b+\\b", "(?<=a)b+|a", "\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
        "(a|b)*c|\\z|\xc3\xa9+", "^b+|a*", "a(?!.*b)", "a{100,200}b|a{300}"};
    static const char *const units[] = {"a", "b", "c", " ", "\n", "\xc3\xa9"};
    ch_buf one, two;
    ch_buf_init(&one, 1 << 20);
    ch_buf_init(&two, 1 << 20);
    for (uint64_t i = 0; i < 20 * CH_COUNT(patterns); i++) {
        ch_err e = {0};
        ch_buf text;
        ch_buf_init(&text, 1 << 20);
        for (uint32_t k = 0; text.size < 900; k++) {
            const uint64_t r = ch_rng_below(6 * 400, 1, CH_RNG_TEST, k, i);
            for (uint64_t j = 0; j < (r % 7 ? 1 : r % 400); j++) /* some are long runs */
                ch_buf_str(&text, units[r / 400]);
        }
        const char *p = patterns[i % CH_COUNT(patterns)];
        assert_ok(cut_as(&one, p, text.data, text.size, true, &e), e);
        assert_ok(cut_as(&two, p, text.data, text.size, false, &e), e);
        if (one.size != two.size || memcmp(one.data, two.data, one.size) != 0)
            fail_msg("%s cuts otherwise through windows: %s", p, text.data);
        ch_buf_close(&text);
    }
    ch_buf_close(&one);
    ch_buf_close(&two);
}

/* What is linear in each match and not in all of them; a long run alone is no reason to refuse. */
static void the_whole_is_bounded(void **state)
{
    (void)state;
    enum { N = 1 << 16 };
    static const char *const evil[] = {"a+(?=b)", "a(?=.*b)|a", "(?:(?=a*+b)|a)+"};
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    char *text = malloc(N);
    memset(text, 'a', N);
    for (size_t i = 0; i < CH_COUNT(evil); i++) {
        ch_err e = {0};
        assert_fails(cut_as(&b, evil[i], text, N / 8, false, &e), CH_ELIMIT, e, "too many steps");
    }
    ch_err e = {0};
    assert_ok(cut_as(&b, "a+", text, N, false, &e), e);
    memset(text, ' ', N);
    for (size_t i = 5000; i < N; i += 5000)
        text[i] = 'x';
    assert_ok(cut_as(&b, "\\s*[\r\n]+|\\s+(?!\\S)|\\s+|x", text, N, false, &e), e);
    free(text);
    ch_buf_close(&b);
}

/* A stranger's pattern that walks back and forth ends with a sentence. */
static void bounded(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_cutter *c;
    ch_cut_work *w;
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    const ch_pre_step evil = {.pattern = "(a|aa)+$", .n = 8};
    assert_ok(ch_cutter_open_steps(&c, &evil, 1, &e), e);
    assert_ok(ch_cut_work_open(&w, &e), e);
    char text[2001];
    memset(text, 'a', 2000);
    text[1999] = 0x21;
    text[2000] = 0;
    assert_fails(ch_cutter_cut(c, w, text, 2000, true, show, &b, &e), CH_ELIMIT, e,
                 "too many steps");
    ch_buf_close(&b);
    ch_cut_work_close(&w);
    ch_cutter_close(&c);
    static const char *const refused[] = {"\\h", "a\\R", "[a[b]]", "[a&&b]", "[[:alpha:]]",
                                          "(*FAIL)",
                                          "a{2}+", "a{3,1001}", "[\\W]", "\\u12", "("};
    for (size_t i = 0; i < CH_COUNT(refused); i++) {
        ch_pattern *p;
        assert_fails(ch_pattern_open(&p, refused[i], strlen(refused[i]), false, &e),
                     CH_EUNSUPPORTED, e, "pattern");
        assert_null(p);
    }
}

/* The scanners by hand cut as the patterns do. */
static void scanners(void **state)
{
    (void)state;
    static const char *const names[] = {"gpt-2", "dbrx", "qwen2", "smollm"};
    static const char *const parts[] = {"a", "B", "word", " ", "  ", "\t", "\n", "\r\n", "1",
                                        "12345", "'",
                                        "'s", "'LL", "'re", "'V", ".", "?!", "(", "\x01", "\x7f",
                                        "\xc3\xa9", "\xe4\xb8\xad", "\xc2\xa0", "\xe2\x80\xa8",
                                        "\xc2\xbd",
                                        "\xc5\xbf", "\xf0\x9f\xa6\x99", "\xff"};
    for (size_t k = 0; k < CH_COUNT(names); k++) {
        ch_cutter *fast, *slow;
        ch_cut_work *w;
        ch_err e = {0};
        const ch_pretokenizer *p = ch_pretokenizer_find(names[k], strlen(names[k]));
        assert_ok(ch_cutter_open(&fast, p, &e), e);
        assert_ok(ch_cutter_open(&slow, p, &e), e);
        ch_cutter_general(slow);
        assert_ok(ch_cut_work_open(&w, &e), e);
        for (uint64_t seed = 0; seed < 1500; seed++) {
            char text[400];
            size_t n = 0;
            const size_t most = CH_COUNT(parts) - (seed % 2 ? 8 : 0), count = 1 + seed % 40;
            for (uint64_t i = 0; i < count; i++) {
                const char *part = parts[ch_rng_below(most, seed, CH_RNG_TEST, 7, i)];
                memcpy(text + n, part, strlen(part));
                n += strlen(part);
            }
            ch_buf a, b;
            ch_buf_init(&a, 1 << 16);
            ch_buf_init(&b, 1 << 16);
            assert_ok(ch_cutter_cut(fast, w, text, n, true, show, &a, &e), e);
            assert_ok(ch_cutter_cut(slow, w, text, n, true, show, &b, &e), e);
            assert_string_equal(a.data, b.data);
            ch_buf_close(&a);
            ch_buf_close(&b);
        }
        ch_cut_work_close(&w);
        ch_cutter_close(&fast);
        ch_cutter_close(&slow);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt2),  cmocka_unit_test(white_space), cmocka_unit_test(others),
        cmocka_unit_test(bytes), cmocka_unit_test(long_runs),   cmocka_unit_test(names),
        cmocka_unit_test(behaviours), cmocka_unit_test(meta), cmocka_unit_test(bounded),
        cmocka_unit_test(windows_do_not_show), cmocka_unit_test(the_whole_is_bounded),
        cmocka_unit_test(scanners),
    };
    return cmocka_run_group_tests_name("token/pretokenize", tests, NULL, NULL);
}
