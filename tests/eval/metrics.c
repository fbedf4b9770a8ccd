/* metrics.c - ROUGE, chrF and answers, against values worked out by hand, and what must hold
 *
 * SPDX-License-Identifier: MIT */
#include "eval.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static ch_text text(const char *s) { return (ch_text){s, strlen(s)}; }

static void near(double got, double want, const char *what)
{
    if (!(fabs(got - want) < 1e-12))
        fail_msg("%s: %.15g, wanted %.15g", what, got, want);
}

static void rouge(double f[3], const char *candidate, const char *reference)
{
    ch_err e = {0};
    const ch_text r = text(reference);
    assert_ok(ch_rouge(f, text(candidate), &r, 1, &e), e);
}

static void rouge_by_hand(void **state)
{
    (void)state;
    double f[3];
    /* words 5 of 6 and 6; pairs 3 of 5 and 5; the cat _ on the mat */
    rouge(f, "The cat sat on the mat.", "the cat lay on the mat");
    near(f[0], 5.0 / 6, "rouge1");
    near(f[1], 3.0 / 5, "rouge2");
    near(f[2], 5.0 / 6, "rougeL");
    /* Lin 2004, section 3: S1 "police killed the gunman"; S2, S3 and their subsequences */
    rouge(f, "police kill the gunman", "police killed the gunman");
    near(f[2], 3.0 / 4, "S2");
    rouge(f, "the gunman kill police", "police killed the gunman");
    near(f[2], 2.0 / 4, "S3");
    near(f[1], 1.0 / 3, "S3's pair");
    /* a word counts as often as where it is rarer: 2 of 3 and 2 of 5 */
    rouge(f, "a a a", "a b a c d");
    near(f[0], 2 * (2.0 / 3) * (2.0 / 5) / (2.0 / 3 + 2.0 / 5), "clipped");
    near(f[1], 0, "no pair");
}

static void rouge_properties(void **state)
{
    (void)state;
    ch_err e = {0};
    double f[3], g[3];
    static const char *const same[] = {"one", "Ein sch\xc3\xb6ner Tag",
                                       "\xd1\x81\xd0\xbe\xd0\xb1\xd0\xb0 2"};
    for (size_t i = 0; i < CH_COUNT(same); i++) {
        rouge(f, same[i], same[i]);
        near(f[0], 1, same[i]);
        near(f[2], 1, same[i]);
    }
    rouge(f, "SCH\xc3\x96N", "sch\xc3\xb6n");
    near(f[0], 1, "case in any script");
    rouge(f, "", "a word");
    near(f[0] + f[1] + f[2], 0, "nothing");
    rouge(f, "!?", "a word");
    near(f[0], 0, "marks alone");
    rouge(f, "b c a d", "a b c x d");
    rouge(g, "a b c x d", "b c a d");
    for (int i = 0; i < 3; i++)
        near(f[i], g[i], "either way round");
    const ch_text two[] = {text("x y z"), text("b c")};
    assert_ok(ch_rouge(f, text("b c"), two, 2, &e), e);
    near(f[0] + f[1] + f[2], 3, "the better reference");
    assert_ok(ch_rouge(f, (ch_text){"a\0b \xff a", 7}, &(ch_text){"\xff", 1}, 1, &e), e);
}

static double chrf(const char *candidate, const char *reference, int words)
{
    ch_err e = {0};
    double stats[CH_CHRF_STATS];
    const ch_text r = text(reference);
    assert_ok(ch_chrf_count(stats, text(candidate), &r, 1, &e), e);
    return ch_chrf(stats, words);
}

static double f2(double p, double r) { return 5 * p * r / (4 * p + r); }

static void chrf_by_hand(void **state)
{
    (void)state;
    /* "ab c" is abc: 1-grams 2 of 3 and 2 of 2 with "ab"; 2-grams 1 of 2 and 1 of 1; no 3-gram in
     * the reference, so the orders from 3 on are left out */
    near(chrf("ab c", "ab", 0), f2((2.0 / 3 + 1.0 / 2) / 2, 1), "abc against ab");
    /* "abcd" and "abce": 3/4, 2/3, 1/2, 0/1 both ways */
    const double m = (3.0 / 4 + 2.0 / 3 + 1.0 / 2 + 0) / 4;
    near(chrf("abcd", "abce", 0), f2(m, m), "abcd against abce");
    /* chrF++: the words ab , cd and ab . cd: 1-grams 2 of 3, 2-grams 0 of 2; characters ab,cd and
     * ab.cd: 4/5, 2/4, 0, 0, 0 */
    const double w = (4.0 / 5 + 2.0 / 4 + 0 + 0 + 0 + 2.0 / 3 + 0) / 7;
    near(chrf("ab, cd", "ab. cd", 2), f2(w, w), "words");
    near(chrf("\"ab", "ab", 2), f2((2.0 / 3 + 1.0 / 2 + 1.0 / 2) / 3, 1), "a mark in front");
}

static void chrf_properties(void **state)
{
    (void)state;
    ch_err e = {0};
    near(chrf("The same text.", "The same text.", 0), 1, "itself");
    near(chrf("The same text.", "The same text.", 2), 1, "itself, words");
    near(chrf("abc", "xyz", 2), 0, "nothing shared");
    near(chrf("", "xyz", 2), 0, "nothing");
    near(chrf("a b\tc\xe2\x80\x83" "d", "abcd", 0), 1, "white space is none");
    assert_true(chrf("Abc def", "abc def", 0) < 1);
    assert_true(chrf("abc", "abcdef", 0) < chrf("abcdef", "abc", 0)); /* recall counts more */
    double a[CH_CHRF_STATS], b[CH_CHRF_STATS];
    const ch_text two[] = {text("quite other words"), text("the right words")};
    assert_ok(ch_chrf_count(a, text("the right words"), two, 2, &e), e);
    assert_ok(ch_chrf_count(b, text("the right words"), &two[1], 1, &e), e);
    assert_memory_equal(a, b, sizeof a);
    /* three characters whatever their bytes: 3, 2, 1 n-grams */
    assert_ok(ch_chrf_count(a, text("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), two, 1, &e), e);
    assert_true(a[0] == 3 && a[3] == 2 && a[6] == 1 && a[9] == 0);
}

static void answers(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"The Cat!", "cat"},       {"  a  cat and\n the dog ", "cat and dog"},
        {"an", ""},                {"$1,234.50.", "1234.5"},
        {"72", "72"},              {"-3.0", "-3"},
        {"1,000,000", "1000000"},  {"72 clips", "72 clips"},
        {"\xc3\x89t\xc3\xa9", "\xc3\xa9t\xc3\xa9"}, {"", ""},
        {"theatre", "theatre"},    {"...", ""},
        {"1/2 cup", "1/2 cup"},    {"at 10:30.", "at 10:30"},
        {"3.14 m, or so", "3.14 m or so"}, {"1.5% of it", "1.5% of it"},
        {"x-1", "x-1"},            {"well-known", "wellknown"},
    };
    for (size_t i = 0; i < CH_COUNT(rows); i++) {
        ch_err e = {0};
        ch_buf b;
        ch_buf_init(&b, 1000);
        assert_ok(ch_answer_normal(&b, text(rows[i][0]), &e), e);
        assert_string_equal(b.data ? b.data : "", rows[i][1]);
        ch_buf_close(&b);
    }
}

static void parts_of_answers(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *marked, *number;
    } rows[] = {
        {"48/2 = 24\n#### 72", "72", "72"},       {"so #### 5 #### 1,200\nmore 9", "1,200", "9"},
        {"it is 3-4 or 5.", NULL, "5"},           {"####", "", NULL},
        {"none", NULL, NULL},                     {"$2,50 and -7.25,", NULL, "-7.25"},
        {"10,000,5", NULL, "5"},
    };
    for (size_t i = 0; i < CH_COUNT(rows); i++) {
        ch_text t;
        const bool marked = ch_answer_marked(&t, text(rows[i].answer));
        assert_int_equal(marked, rows[i].marked != NULL);
        if (marked && (t.n != strlen(rows[i].marked) || memcmp(t.p, rows[i].marked, t.n) != 0))
            fail_msg("%s: \"%.*s\"", rows[i].answer, (int)t.n, t.p);
        const bool number = ch_answer_last_number(&t, text(rows[i].answer));
        assert_int_equal(number, rows[i].number != NULL);
        if (number && (t.n != strlen(rows[i].number) || memcmp(t.p, rows[i].number, t.n) != 0))
            fail_msg("%s: \"%.*s\"", rows[i].answer, (int)t.n, t.p);
    }
}

/* ---- Intervals ------------------------------------------------------------------------------- */

static void wilson(void **state)
{
    (void)state;
    static const struct {
        uint64_t right, n;
        double low, high;
    } rows[] = {{8, 10, 0.4901624715, 0.9433178485}, {0, 10, 0, 0.2775327999},
                {10, 10, 0.7224672001, 1},           {50, 100, 0.4038315304, 0.5961684696},
                {1, 1, 0.2065493144, 1},             {0, 0, 0, 1}};
    for (size_t i = 0; i < CH_COUNT(rows); i++) {
        double low, high;
        ch_wilson(&low, &high, rows[i].right, rows[i].n);
        if (!(fabs(low - rows[i].low) < 1e-9 && fabs(high - rows[i].high) < 1e-9))
            fail_msg("%d of %d: %.10f to %.10f", (int)rows[i].right, (int)rows[i].n, low, high);
    }
}

/* (0.75 -+ ..., 0.25 -+ ...): the halves' distances, squared, added, rooted, over 2. */
static void mean_of_shares(void **state)
{
    (void)state;
    const ch_interval two[] = {{0.75, 0.72, 0.79}, {0.25, 0.21, 0.28}}, one = {0, 0, 0.2};
    ch_interval m;
    ch_mean_interval(&m, two, 2);
    near(m.value, 0.5, "mean");
    near(m.low, 0.5 - 0.025, "low");
    near(m.high, 0.5 + 0.025, "high");
    ch_mean_interval(&m, &one, 1);
    near(m.low, 0, "low of one");
    near(m.high, 0.2, "high of one");
}

static double mean(const ch_stats *s, const uint32_t *pick, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += s->at[pick ? pick[i] : i];
    return sum / (double)n;
}

static void bootstrap(void **state)
{
    (void)state;
    enum { N = 401 };
    ch_err e = {0};
    double a[N], b[N], x[CH_DRAWS], y[CH_DRAWS], low, high;
    for (int i = 0; i < N; i++) {
        a[i] = ch_rng_normal(3, CH_RNG_TEST, 0, (uint64_t)i);
        b[i] = a[i] - 0.25;
    }
    const ch_stats sa = {a, N, 1, 0}, sb = {b, N, 1, 0};
    assert_ok(ch_bootstrap(x, &sa, mean, 7, &e), e);
    ch_draws_interval(&low, &high, x);
    const double m = mean(&sa, NULL, N), wide = 1.96 / sqrt(N);
    assert_true(low < m && m < high);
    assert_true(fabs((high - low) / (2 * wide) - 1) < 0.2); /* as theory has it for a mean */
    assert_ok(ch_bootstrap(y, &sa, mean, 7, &e), e);
    assert_memory_equal(x, y, sizeof x);
    assert_ok(ch_bootstrap(y, &sb, mean, 7, &e), e);
    for (int i = 0; i < CH_DRAWS; i++) /* the same items: what differs is the models alone */
        assert_true(fabs(x[i] - y[i] - 0.25) < 1e-9);
    assert_ok(ch_bootstrap(y, &sa, mean, 8, &e), e);
    assert_memory_not_equal(x, y, sizeof x);
    const ch_stats one = {a, 1, 1, 0};
    assert_ok(ch_bootstrap(x, &one, mean, 7, &e), e);
    ch_draws_interval(&low, &high, x);
    assert_true(isnan(low) && isnan(high)); /* one item says nothing of others */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rouge_by_hand),   cmocka_unit_test(rouge_properties),
        cmocka_unit_test(chrf_by_hand),    cmocka_unit_test(chrf_properties),
        cmocka_unit_test(answers),         cmocka_unit_test(parts_of_answers),
        cmocka_unit_test(wilson),          cmocka_unit_test(mean_of_shares),
        cmocka_unit_test(bootstrap),
    };
    return cmocka_run_group_tests_name("eval/metrics", tests, NULL, NULL);
}
