/* plot.c - tests of report/plot.c, curves.c and chart.c
 *
 * A program of our own stands in for gnuplot; what gnuplot itself says is asked where it is
 * installed.  SPDX-License-Identifier: MIT */
#include "report.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char *dir, *old_path;

static int open_dir(void **state)
{
    (void)state;
    dir = temp_dir();
    old_path = strdup(getenv("PATH"));
    return 0;
}

static int close_dir(void **state)
{
    (void)state;
    setenv("PATH", old_path, 1);
    free(old_path);
    temp_dir_remove(dir);
    return 0;
}

static const char *in_dir(const char *name)
{
    static char path[4][4096];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

static void expect_in_file(const char *name, const char *part, bool there)
{
    ch_err e = {0};
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    assert_ok(ch_io_read_file(&b, in_dir(name), &e), e);
    if ((b.data && strstr(b.data, part)) != there)
        fail_msg("%s: \"%s\" is %s", name, part, there ? "not there" : "there");
    ch_buf_close(&b);
}

static const double xs[] = {0, 1, 2, 3, 4}, ys[] = {8, 4, 2, (double)NAN, 1};

static ch_plot simple(const char *title, ch_curve curve[2])
{
    curve[0] = (ch_curve){.label = "training", .x = xs, .y = ys, .n = 5};
    curve[1] = (ch_curve){.label = "nothing", .x = xs, .y = ys, .n = 0,
                          .stroke = CH_STROKE_POINTS, .colour = 1};
    return (ch_plot){.title = title, .x_label = "tokens", .y_label = "loss", .curves = curve,
                     .n_curves = 2};
}

/* A gnuplot that writes down where it is and what it was told. */
static void stand_in(const char *says)
{
    ch_err e = {0};
    char text[512];
    assert_ok(ch_io_make_dir(in_dir("bin"), &e), e);
    snprintf(text, sizeof text, "#!/bin/sh\n%s\n", says);
    assert_ok(ch_io_write_file(in_dir("bin/gnuplot"), text, strlen(text), &e), e);
    chmod(in_dir("bin/gnuplot"), 0755);
    char path[8192];
    snprintf(path, sizeof path, "%s:%s", in_dir("bin"), old_path);
    setenv("PATH", path, 1);
}

static void without_gnuplot_the_files_are_there(void **state)
{
    (void)state;
    ch_err e = {0};
    bool drawn = true;
    ch_curve curve[2];
    const ch_plot p = simple("a run", curve);
    setenv("PATH", dir, 1);
    const int rc = ch_report_plot(&drawn, &p, in_dir("a.svg"), &e);
    setenv("PATH", old_path, 1);
    assert_ok(rc, e);
    assert_false(drawn);
    expect_in_file("a.dat", "# training\n0 8\n1 4\n2 2\n4 1\n\n\n# nothing\nNaN NaN\n", true);
    expect_in_file("a.gnuplot", "set output './a.svg'", true);
    expect_in_file("a.gnuplot", "data = './a.dat'", true);
    expect_in_file("a.gnuplot", "data index 1", true);
}

static void gnuplot_is_run_in_the_directory_without_a_shell(void **state)
{
    (void)state;
    ch_err e = {0};
    bool drawn;
    ch_curve curve[2];
    const ch_plot p = simple("a run", curve);
    stand_in("{ pwd; printf '<%s>' \"$@\"; } >told");
    const char *name = "|touch bad; `x` $(y) 'q'.svg";
    assert_ok(ch_report_plot(&drawn, &p, in_dir(name), &e), e);
    assert_true(drawn);
    expect_in_file("told", dir, true);
    expect_in_file("told", "<-d><./|touch bad; `x` $(y) 'q'.gnuplot>", true);
    expect_in_file("|touch bad; `x` $(y) 'q'.gnuplot",
                   "set output './|touch bad; `x` $(y) ''q''.svg'", true);
    assert_false(ch_io_exists(in_dir("bad")));
    stand_in("exit 1");
    assert_ok(ch_report_plot(&drawn, &p, in_dir("a.png"), &e), e);
    assert_false(drawn);
    expect_in_file("a.gnuplot", "pngcairo", true);
    setenv("PATH", old_path, 1);
}

static void titles_are_text(void **state)
{
    (void)state;
    ch_err e = {0};
    bool drawn;
    ch_curve curve[2];
    ch_plot p = simple("it's\n!touch bad\n'`touch bad`@x", curve);
    curve[0].label = "a\n0 0\n'";
    assert_ok(ch_report_plot(&drawn, &p, in_dir("t.svg"), &e), e);
    expect_in_file("t.gnuplot", "set title 'it''s !touch bad ''`touch bad`@x' textcolor", true);
    expect_in_file("t.gnuplot", "title 'a 0 0 '''", true);
    expect_in_file("t.dat", "# a 0 0 '\n", true);
    assert_false(ch_io_exists(in_dir("bad")));
    if (drawn) /* a real gnuplot understood it */
        expect_in_file("t.svg", "`touch bad`@x", true);
}

static void names_that_are_refused(void **state)
{
    (void)state;
    ch_err e = {0};
    bool drawn;
    ch_curve curve[2];
    const ch_plot p = simple("x", curve);
    static const char *const bad[] = {"", ".svg", "a.pdf", "a", "/.svg", "a\n.svg", "a\033.png"};
    for (size_t i = 0; i < CH_COUNT(bad); i++)
        assert_fails(ch_report_plot(&drawn, &p, bad[i], &e), CH_EARG, e, "a plot's name");
    assert_fails(ch_report_plot(&drawn, &p, in_dir("no/where.svg"), &e), CH_EIO, e, "where.dat");
}

/* ---- Curves of runs ------------------------------------------------------------------------- */

enum { STEPS = 5000 };
static double tokens[STEPS], loss[STEPS], val_tokens[2], val_loss[2];

static ch_run_log some_log(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        tokens[i] = 1000.0 * (double)(i + 1);
        loss[i] = i < n / 100 ? 50 : 3 + (i % 2 ? 0.5 : -0.5);
    }
    val_tokens[0] = tokens[n / 2];
    val_tokens[1] = tokens[n - 1];
    val_loss[0] = val_loss[1] = 3.2;
    return (ch_run_log){.n = n, .tokens = tokens, .loss = loss, .n_val = 2,
                        .val_tokens = val_tokens, .val_loss = val_loss};
}

static void curves_are_smooth_thin_and_within_their_frame(void **state)
{
    (void)state;
    ch_err e = {0};
    const ch_run_log l = some_log(STEPS);
    const ch_run_log *const logs[] = {&l, &l};
    const char *const names[] = {"one", "two"};
    ch_run_curves c;
    assert_ok(ch_report_curves(&c, logs, names, 1, "run", &e), e);
    assert_int_equal(c.plot.n_curves, 3); /* every step, smoothed, validation */
    assert_string_equal(c.plot.x_label, "tokens (millions)");
    for (int i = 0; i < 3; i++)
        assert_true(c.curve[i].n <= 2000);
    const ch_curve *s = &c.curve[1];
    assert_true(fabs(s->y[s->n - 10] - 3) < 0.1 && s->x[s->n - 1] == 5);
    assert_true(c.plot.y_most < 45 && c.plot.y_least <= 2.5);
    ch_report_curves_free(&c);
    assert_ok(ch_report_curves(&c, logs, names, 2, "both", &e), e);
    assert_int_equal(c.plot.n_curves, 4);
    assert_string_equal(c.curve[2].label, "two, training");
    assert_int_equal(c.curve[2].colour, c.curve[3].colour);
    ch_report_curves_free(&c);
    assert_fails(ch_report_curves(&c, logs, names, CH_RUNS_MOST + 1, "x", &e), CH_EARG, e,
                 "1 to 8");
    ch_report_curves_free(&c);
}

static void a_run_without_a_step_has_empty_curves(void **state)
{
    (void)state;
    ch_err e = {0};
    bool drawn;
    const ch_run_log l = {0};
    const ch_run_log *const logs[] = {&l};
    ch_run_curves c;
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    assert_ok(ch_report_curves(&c, logs, NULL, 1, "run", &e), e);
    assert_ok(ch_report_plot(&drawn, &c.plot, in_dir("empty.svg"), &e), e);
    assert_fails(ch_report_chart(&b, &c.plot, 60, 10, &e), CH_EARG, e, "nothing to draw");
    ch_report_curves_free(&c);
    ch_buf_close(&b);
}

static void a_chart_of_characters(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_curve curve[2];
    const ch_plot p = simple("x", curve);
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    assert_ok(ch_report_chart(&b, &p, 28, 8, &e), e);
    assert_string_equal(b.data, "     8.00 |*\n"
                                "          |\n"
                                "          |\n"
                                "          |\n"
                                "     4.00 |    *\n"
                                "          |\n"
                                "          |        *\n"
                                "     1.00 |                *\n"
                                "          +-----------------\n"
                                "           0               4\n"
                                "           tokens   * training   o nothing\n");
    for (int columns = -1; columns < 200; columns += 7)
        for (int rows = -1; rows < 60; rows += 13) {
            ch_buf_clear(&b);
            assert_ok(ch_report_chart(&b, &p, columns, rows, &e), e);
        }
    ch_buf_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_gnuplot_the_files_are_there),
        cmocka_unit_test(gnuplot_is_run_in_the_directory_without_a_shell),
        cmocka_unit_test(titles_are_text),
        cmocka_unit_test(names_that_are_refused),
        cmocka_unit_test(curves_are_smooth_thin_and_within_their_frame),
        cmocka_unit_test(a_run_without_a_step_has_empty_curves),
        cmocka_unit_test(a_chart_of_characters),
    };
    return cmocka_run_group_tests_name("report/plot", tests, open_dir, close_dir);
}
