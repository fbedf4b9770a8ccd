/* run_log.c - tests of report/run_log.c.  SPDX-License-Identifier: MIT */
#include "report.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static char *dir;

static int open_dir(void **state)
{
    (void)state;
    dir = temp_dir();
    return 0;
}

static int close_dir(void **state)
{
    (void)state;
    temp_dir_remove(dir);
    return 0;
}

static int read_text(ch_run_log *l, const char *text, ch_err *e)
{
    char *path = ch_io_join(dir, "metrics.jsonl");
    assert_ok(ch_io_write_file(path, text, strlen(text), e), *e);
    free(path);
    return ch_report_log_read(l, dir, e);
}

static const char run[] =
    "{\"step\":1,\"loss\":7.0,\"lr\":0.1,\"tokens\":100,\"seconds\":2}\n"
    "{\"step\":2,\"loss\":6.0,\"lr\":0.2,\"tokens\":200,\"seconds\":3,\"of a later version\":[1]}\n"
    "{\"step\":2,\"val_loss\":6.5,\"val_bpb\":3.0}\n"
    "{\"step\":3,\"loss\":null,\"grad_norm\":null}\n"
    "{\"step\":3,\"note\":\"neither\"}\n"
    "\n"
    "{\"step\":4,\"loss\":4.0,\"lr\":0.2,\"tokens\":400,\"seconds\":3}\n"
    "{\"step\":4,\"val_loss\":4.5,\"val_bpb\":2.0}\n"
    "{\"step\":4,\"val_loss\":5.5,\"val_bpb\":2.5}\n";

static void steps_and_looks(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_run_log l;
    assert_ok(read_text(&l, run, &e), e);
    assert_int_equal(l.n, 4);
    assert_int_equal(l.n_val, 3);
    assert_true(l.loss[1] == 6 && isnan(l.loss[2]) && l.tokens[2] == 200 &&
                l.tokens[3] == 400 && l.seconds[0] == 2);
    assert_true(l.val_tokens[0] == 200 && l.val_tokens[1] == 400 && l.val_bpb[1] == 2);
    assert_int_equal(ch_report_log_best(&l), 1);
    assert_true(ch_report_log_loss(&l, 1e9) == 4 && ch_report_log_loss(&l, 150) == 7);
    assert_true(isnan(ch_report_log_loss(&l, 50)));
    assert_true(ch_report_log_val(&l, 200) == 6.5 && ch_report_log_val(&l, 300) == 5.5);
    assert_true(isnan(ch_report_log_val(&l, 100)) && isnan(ch_report_log_val(&l, 500)));
    ch_report_log_free(&l);
    ch_report_log_free(&l);
}

static void a_line_that_is_being_written_is_not_read(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_run_log l;
    char text[sizeof run];
    size_t steps = 0, last = 0;
    for (size_t n = 0; n < sizeof run; n++) {
        memcpy(text, run, n);
        text[n] = '\0';
        assert_ok(read_text(&l, text, &e), e);
        assert_true(l.n + l.n_val >= steps);
        steps = l.n + l.n_val;
        last = l.n_val;
        ch_report_log_free(&l);
    }
    assert_int_equal(steps, 7);
    assert_int_equal(last, 3);
}

static void what_is_no_log_is_refused(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_run_log l;
    static const char *const bad[] = {"{\"step\":1\n",
                                      "[1]\n",
                                      "7\n",
                                      "{\"loss\":\"low\",\"tokens\":1}\n",
                                      "{\"loss\":1,\"tokens\":[]}\n",
                                      "{\"val_loss\":[]}\n",
                                      "\xff\n"};
    for (size_t i = 0; i < CH_COUNT(bad); i++) {
        assert_fails(read_text(&l, bad[i], &e), CH_EFORMAT, e, "metrics.jsonl, line 1");
        assert_null(l.memory);
    }
    assert_fails(ch_report_log_read(&l, "/nonexistent", &e), CH_EARG, e, "is no run");
    assert_ok(read_text(&l, "", &e), e);
    assert_true(l.n == 0 && isnan(ch_report_log_loss(&l, 1e9)) && ch_report_log_best(&l) == -1);
    ch_report_log_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_and_looks),
        cmocka_unit_test(a_line_that_is_being_written_is_not_read),
        cmocka_unit_test(what_is_no_log_is_refused),
    };
    return cmocka_run_group_tests_name("report/run_log", tests, open_dir, close_dir);
}
