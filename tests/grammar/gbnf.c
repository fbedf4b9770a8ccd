/* tests/grammar/gbnf.c - GBNF, regular expressions and choices: what they allow, what is refused
 *
 * SPDX-License-Identifier: MIT */
#include "obey.h"

static ch_tokenizer *vocabulary;
static ch_grammar *shared;

static int open_kind(ch_grammar **g, ch_grammar_kind kind, const char *text, ch_err *e)
{
    const ch_grammar_options o = {.like = shared};
    return ch_grammar_open(g, vocabulary, kind, text, strlen(text), &o, e);
}

static bool takes(ch_grammar_kind kind, const char *grammar, const char *text)
{
    ch_grammar *g;
    ch_err e = {0};
    assert_ok(open_kind(&g, kind, grammar, &e), e);
    const int rc = whole_text(g, text, strlen(text), &e);
    assert_true(rc == CH_OK || rc == CH_EARG);
    ch_grammar_close(&g);
    return rc == CH_OK;
}

static void refuses(ch_grammar_kind kind, const char *grammar, int code, const char *part)
{
    ch_grammar *g;
    ch_err e = {0};
    assert_fails(open_kind(&g, kind, grammar, &e), code, e, part);
    assert_null(g);
}

static void gbnf_allows(void **state)
{
    (void)state;
    static const struct { const char *grammar, *yes[4], *no[4]; } cases[] = {
        {"root ::= \"a\" | \"bc\"+ # end\n", {"a", "bc", "bcbc"}, {"", "ab", "bcb", "aa"}},
        {"root ::= x{2,3} \"\\n\"?\nx ::= [a-c^] | \"\\x41\" | \"\\u00e9\"",
         {"aa", "A\xc3\xa9" "c", "^^\n"}, {"a", "aaaa", "aa\n\n"}},
        {"root ::= (\n  \"a\" root \"b\" |\n  [^a-z\\]\\\\]\n)", {"1", "a1b", "aa\xe2\x82\xac" "bb"},
         {"a1", "ab", "a]b", "x"}},
        {"root ::= .{2}", {"xy", "\xf0\x9f\x98\x80!"}, {"x", "\xff\xff", "xyz"}},
        {"root ::= a a\na ::= \"x\"? b*\nb ::= \"y\" | \"\"", {"", "xyyxy", "x", "yy"}, {"xxx"}},
        {"root ::= [+-]? (\"0\" | [1-9] [0-9]{0,3}) (\".\" [0-9]{1,})?", {"0", "-12.50", "+9999"},
         {"01", "12345", "1.", "-"}},
        {"root-1 ::= \"no\"\nroot ::= \"\" root-1{0} \"yes\"{1} \"!\"{,2}", {"yes", "yes!!"}, {"no"}},
    };
    for (size_t i = 0; i < CH_COUNT(cases); i++)
        for (int k = 0; k < 4; k++) {
            if (cases[i].yes[k] && !takes(CH_GRAMMAR_GBNF, cases[i].grammar, cases[i].yes[k]))
                fail_msg("case %zu forbids \"%s\"", i, cases[i].yes[k]);
            if (cases[i].no[k] && takes(CH_GRAMMAR_GBNF, cases[i].grammar, cases[i].no[k]))
                fail_msg("case %zu allows \"%s\"", i, cases[i].no[k]);
        }
}

static void gbnf_refuses(void **state)
{
    (void)state;
    static const struct { const char *grammar; int code; const char *part; } cases[] = {
        {"", CH_EFORMAT, "no rule \"root\""},
        {"root ::= a", CH_EFORMAT, "no rule \"a\""},
        {"root ::= \"a", CH_EFORMAT, "grammar:1:10:"},
        {"root ::= [a", CH_EFORMAT, "class that does not end"},
        {"root ::= [z-a]", CH_EFORMAT, "backwards"},
        {"root ::= (\"a\"", CH_EFORMAT, "expected \")\""},
        {"root ::= \"a\"\nroot ::= \"b\"", CH_EFORMAT, "grammar:2:1: this rule is there already"},
        {"root ::= \"\\q\"", CH_EFORMAT, "unknown escape"},
        {"root ::= \"\\ud800\"", CH_EFORMAT, "no character"},
        {"root ::= \"\xff\"", CH_EFORMAT, "no UTF-8"},
        {"root ::= <think> .*", CH_EFORMAT, "tokens"},
        {"root ::= \"a\"{3,2}", CH_EFORMAT, "below the lower"},
        {"root ::= \"a\"{", CH_EFORMAT, "without a number"},
        {"root = \"a\"", CH_EFORMAT, "\"::=\""},
        {"root ::= root \"a\" | \"b\"", CH_EUNSUPPORTED, "rule \"root\" is left-recursive"},
        {"root ::= a \"x\" | \"b\"\na ::= \"\" | b\nb ::= [c]* root", CH_EUNSUPPORTED,
         "left-recursive"},
        {"root ::= \"a\" root", CH_EARG, "no text at all"},
        {"root ::= ((\"a\"{0,1000}){0,1000}){0,1000}", CH_ELIMIT, "states"},
        {"root ::= \"a\"{999999999999}", CH_ELIMIT, "states"},
    };
    for (size_t i = 0; i < CH_COUNT(cases); i++)
        refuses(CH_GRAMMAR_GBNF, cases[i].grammar, cases[i].code, cases[i].part);
    char deep[1000] = "root ::= ";
    memset(deep + 9, '(', 500);
    refuses(CH_GRAMMAR_GBNF, deep, CH_EFORMAT, "200 nested");
}

static void regexes(void **state)
{
    (void)state;
    static const struct { const char *regex, *yes[3], *no[3]; } cases[] = {
        {"a|b+", {"a", "bbb"}, {"", "ab"}},
        {"^(?:x{2}|\\d{2,3}?)$", {"xx", "12", "123"}, {"x", "1234"}},
        {"[^\\w\\s-]+", {"!?", "\xe2\x82\xac"}, {"a!", " ", "-"}},
        {"\\u{1F600}|\\ud83d\\ude01|\\x41\\/", {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x81", "A/"}, {"A"}},
        {"(?<year>[0-9]{4})-.\\S", {"2024-xy"}, {"2024-\nx", "2024-x "}},
        {"", {""}, {"a"}},
    };
    for (size_t i = 0; i < CH_COUNT(cases); i++)
        for (int k = 0; k < 3; k++) {
            if (cases[i].yes[k] && !takes(CH_GRAMMAR_REGEX, cases[i].regex, cases[i].yes[k]))
                fail_msg("\"%s\" forbids \"%s\"", cases[i].regex, cases[i].yes[k]);
            if (cases[i].no[k] && takes(CH_GRAMMAR_REGEX, cases[i].regex, cases[i].no[k]))
                fail_msg("\"%s\" allows \"%s\"", cases[i].regex, cases[i].no[k]);
        }
    refuses(CH_GRAMMAR_REGEX, "(?=a)b", CH_EUNSUPPORTED, "look-around");
    refuses(CH_GRAMMAR_REGEX, "(?<!a)b", CH_EUNSUPPORTED, "look-around");
    refuses(CH_GRAMMAR_REGEX, "(a)\\1", CH_EUNSUPPORTED, "references back");
    refuses(CH_GRAMMAR_REGEX, "\\bword", CH_EUNSUPPORTED, "\\b is not supported");
    refuses(CH_GRAMMAR_REGEX, "\\p{L}", CH_EUNSUPPORTED, "\\p is not supported");
    refuses(CH_GRAMMAR_REGEX, "(^a)", CH_EUNSUPPORTED, "anchor");
    refuses(CH_GRAMMAR_REGEX, "a**", CH_EFORMAT, "nothing to repeat");
    refuses(CH_GRAMMAR_REGEX, "(a", CH_EFORMAT, "does not end");
    refuses(CH_GRAMMAR_REGEX, "a)", CH_EFORMAT, "\")\" without");
    refuses(CH_GRAMMAR_REGEX, "[b-a]", CH_EFORMAT, "backwards");
    /* Deterministic it would have 2^40 states; it is followed as it is. */
    char text[44];
    memset(text, 'b', 43);
    text[43] = 0;
    assert_false(takes(CH_GRAMMAR_REGEX, "(a|b)*a(a|b){40}", text));
    text[2] = 'a';
    assert_true(takes(CH_GRAMMAR_REGEX, "(a|b)*a(a|b){40}", text));
}

/* Neither as sets nor as it is can that be had within the bounds: the one that was met is told. */
static void explosive(void **state)
{
    (void)state;
    refuses(CH_GRAMMAR_REGEX, "(a?){12000}", CH_ELIMIT,
            "rule \"root\" it comes to more than 67108864 steps");
    assert_true(takes(CH_GRAMMAR_REGEX, "(a?){1000}", "aaa"));
}

static void choices(void **state)
{
    (void)state;
    assert_true(takes(CH_GRAMMAR_CHOICE, "[\"yes\", \"no\", \"yes, but\"]", "yes, but"));
    assert_false(takes(CH_GRAMMAR_CHOICE, "[\"yes\", \"no\"]", "y"));
    refuses(CH_GRAMMAR_CHOICE, "[]", CH_EFORMAT, "one string at least");
    refuses(CH_GRAMMAR_CHOICE, "[1]", CH_EFORMAT, "entry 0 is no string");
    refuses((ch_grammar_kind)9, "", CH_EARG, "9 is no kind");
}

/* All that llama.cpp ships can be read, and texts drawn under it are texts of it. */
static void shipped(void **state)
{
    (void)state;
    static const char *const names[] = {"arithmetic", "c", "chess", "english", "japanese", "json",
                                        "json_arr", "list"};
    skip_without("conform/gbnf/json.gbnf");
    for (size_t i = 0; i < CH_COUNT(names); i++) {
        char rel[100];
        ch_err e = {0};
        ch_grammar *g;
        const ch_grammar_options o = {.like = shared};
        snprintf(rel, sizeof rel, "conform/gbnf/%s.gbnf", names[i]);
        ch_mapping m = shared_map(rel);
        assert_ok(ch_grammar_open(&g, vocabulary, CH_GRAMMAR_GBNF, (const char *)m.data, m.size, &o,
                                  &e), e);
        for (uint64_t seed = 0; seed < 10; seed++) {
            ch_buf b;
            ch_buf_init(&b, 1 << 20);
            if (draw_text(&b, g, vocabulary, seed, 60))
                assert_ok(whole_text(g, b.data, b.size, &e), e);
            assert_true(ch_utf8_whole(b.data, b.size) + 4 > b.size);
            ch_buf_close(&b);
        }
        ch_grammar_close(&g);
        ch_io_unmap(&m);
    }
}

static int open_all(void **state)
{
    (void)state;
    ch_err e = {0};
    vocabulary = bundled_vocabulary();
    return ch_grammar_open(&shared, vocabulary, CH_GRAMMAR_JSON, "", 0, NULL, &e);
}

static int close_all(void **state)
{
    (void)state;
    ch_grammar_close(&shared);
    ch_tokenizer_close(&vocabulary);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gbnf_allows), cmocka_unit_test(gbnf_refuses), cmocka_unit_test(regexes),
        cmocka_unit_test(explosive),   cmocka_unit_test(choices),   cmocka_unit_test(shipped),
    };
    return cmocka_run_group_tests_name("grammar/gbnf", tests, open_all, close_all);
}
