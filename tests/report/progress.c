/* progress.c - tests of report/progress.c.  SPDX-License-Identifier: MIT */
#include "report.h"
#include "support.h"

#include <math.h>
#include <string.h>

#define S UINT64_C(1000000000)

static void the_time_left_follows_the_rate(void **state)
{
    (void)state;
    ch_rate r;
    ch_report_rate_start(&r, 0, 5 * S);
    assert_true(isnan(ch_report_rate_eta(&r, 100)));
    for (int i = 1; i <= 20; i++)
        ch_report_rate_see(&r, 2 * i, (5 + (uint64_t)i) * S);
    assert_true(fabs(ch_report_rate_eta(&r, 100) - 30) < 1e-6); /* 60 left, 2 a second */
    /* Half as fast from here on: the mean since the start would still say 1.5 a second. */
    for (int i = 1; i <= 40; i++)
        ch_report_rate_see(&r, 40 + i, (25 + (uint64_t)i) * S);
    const double eta = ch_report_rate_eta(&r, 180);
    assert_true(eta > 95 && eta < 100);
    assert_true(isnan(ch_report_rate_eta(&r, 10))); /* done, and more */
}

static void a_clock_that_stands_changes_nothing(void **state)
{
    (void)state;
    ch_rate r;
    ch_report_rate_start(&r, 0, 5 * S);
    ch_report_rate_see(&r, 10, 5 * S);
    ch_report_rate_see(&r, 10, 4 * S);
    assert_true(isnan(ch_report_rate_eta(&r, 100)));
    ch_report_rate_see(&r, 10, 6 * S);
    assert_true(fabs(ch_report_rate_eta(&r, 100) - 9) < 1e-9);
    ch_report_rate_see(&r, 3, 7 * S); /* back: not seen */
    assert_true(fabs(ch_report_rate_eta(&r, 100) - 9) < 1e-9);
}

/* What came before a resumed start is no work of this run. */
static void a_start_in_the_middle(void **state)
{
    (void)state;
    ch_rate r;
    ch_report_rate_start(&r, 500, 1 * S);
    ch_report_rate_see(&r, 501, 2 * S);
    assert_true(fabs(ch_report_rate_eta(&r, 600) - 99) < 1e-9);
}

static void expect_time(double s, const char *text)
{
    char out[32];
    ch_report_time(out, sizeof out, s);
    assert_string_equal(out, text);
}

static void expect_count(double x, const char *text)
{
    char out[32];
    ch_report_count(out, sizeof out, x);
    assert_string_equal(out, text);
}

static void times_and_counts(void **state)
{
    (void)state;
    expect_time(0, "0:00");
    expect_time(59.6, "1:00");
    expect_time(3599.4, "59:59");
    expect_time(3599.6, "1:00:00");
    expect_time(90061, "25:01:01");
    expect_time(-1, "?");
    expect_time((double)NAN, "?");
    expect_time((double)INFINITY, "?");
    expect_count(0, "0");
    expect_count(999.4, "999");
    expect_count(999.6, "1.00k");
    expect_count(12345, "12.3k");
    expect_count(99951, "100k");
    expect_count(1e6, "1.00M");
    expect_count(3.1e11, "310G");
    expect_count(5e16, "50000T");
}

static const char *const parts[] = {"eta 1:20", "loss 2.1034", "", "9.1k tok/s", "|g| 1"};

static void a_line_fits_its_width(void **state)
{
    (void)state;
    char out[128];
    for (int columns = 1; columns < 140; columns++) {
        ch_report_line(out, sizeof out, columns, "training", 120, 800, parts, 5);
        assert_true(strlen(out) <= (size_t)columns && strlen(out) < sizeof out);
        assert_memory_equal(out, "training", (size_t)CH_MIN(columns, 8));
        if (columns >= 16)
            assert_non_null(strstr(out, "120/800"));
        if (columns >= 32)
            assert_non_null(strstr(out, "eta 1:20"));
        assert_null(strstr(out, "    ")); /* an empty part leaves no gap */
    }
}

static void the_bar_is_as_full_as_the_work(void **state)
{
    (void)state;
    char out[128];
    ch_report_line(out, sizeof out, 60, "x", 0, 4, NULL, 0);
    assert_null(strchr(out, '#'));
    assert_string_equal(out, "x ................................ 0/4");
    ch_report_line(out, sizeof out, 60, "x", 1, 4, NULL, 0);
    assert_string_equal(out, "x ########........................ 1/4");
    ch_report_line(out, sizeof out, 60, "x", 4, 4, NULL, 0);
    assert_null(strchr(out, '.'));
}

static void a_line_for_a_log(void **state)
{
    (void)state;
    char out[128], small[20];
    ch_report_line(out, sizeof out, 0, "training", 120, 800, parts, 5);
    assert_string_equal(out, "training 120/800  eta 1:20  loss 2.1034  9.1k tok/s  |g| 1");
    ch_report_line(out, sizeof out, 0, "saving", 120, 0, parts, 0);
    assert_string_equal(out, "saving");
    ch_report_line(small, sizeof small, 0, "training", 120, 800, parts, 5);
    assert_string_equal(small, "training 120/800"); /* nothing is cut in the middle */
    ch_report_line(small, sizeof small, 60, "a phase with a long name", 1, 2, parts, 5);
    assert_string_equal(small, "a phase with a long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_time_left_follows_the_rate),
        cmocka_unit_test(a_clock_that_stands_changes_nothing),
        cmocka_unit_test(a_start_in_the_middle),
        cmocka_unit_test(times_and_counts),
        cmocka_unit_test(a_line_fits_its_width),
        cmocka_unit_test(the_bar_is_as_full_as_the_work),
        cmocka_unit_test(a_line_for_a_log),
    };
    return cmocka_run_group_tests_name("report/progress", tests, NULL, NULL);
}
