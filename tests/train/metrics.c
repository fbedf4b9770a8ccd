/* metrics.c - tests of train/metrics.c.  SPDX-License-Identifier: MIT */
#include "nano.h"

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

static void write_lines(const char *text)
{
    ch_err e = {0};
    char *path = ch_io_join(dir, "metrics.jsonl");
    assert_ok(ch_io_write_file(path, text, strlen(text), &e), e);
    free(path);
}

static void expect_lines(const char *text)
{
    ch_err e = {0};
    char *path = ch_io_join(dir, "metrics.jsonl");
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    assert_ok(ch_io_read_file(&b, path, &e), e);
    assert_string_equal(b.data ? b.data : "", text);
    ch_buf_close(&b);
    free(path);
}

static void put_step(ch_metrics *m, int step)
{
    ch_err e = {0};
    assert_ok(ch_metrics_put(m, json_pack("{s:i}", "step", step), &e), e);
}

static void lines_are_there_at_once(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_metrics m;
    assert_ok(ch_metrics_open(&m, dir, "metrics.jsonl", 0, &e), e);
    put_step(&m, 1);
    expect_lines("{\"step\":1}\n");
    put_step(&m, 2);
    expect_lines("{\"step\":1}\n{\"step\":2}\n");
    ch_metrics_close(&m);
}

/* What came after the checkpoint, and what a kill left half written, goes. */
static void a_resumed_run_goes_on_from_its_step(void **state)
{
    (void)state;
    static const char *const tails[] = {
        "",     "{\"step\":3}\n{\"step\":4}\n", "{\"step\":3",       "{\"st", "\n",
        "{}\n", "garbage\n{\"step\":1}\n",      "{\"step\":\"2\"}\n"};
    for (size_t i = 0; i < CH_COUNT(tails); i++) {
        ch_err e = {0};
        ch_metrics m;
        char text[256];
        snprintf(text, sizeof text, "{\"step\":1}\n{\"step\":2}\n{\"step\":2,\"val_loss\":3}\n%s",
                 tails[i]);
        write_lines(text);
        assert_ok(ch_metrics_open(&m, dir, "metrics.jsonl", 2, &e), e);
        put_step(&m, 3);
        expect_lines("{\"step\":1}\n{\"step\":2}\n{\"step\":2,\"val_loss\":3}\n{\"step\":3}\n");
        ch_metrics_close(&m);
    }
}

static void a_new_run_begins_empty(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_metrics m;
    write_lines("{\"step\":1}\nold\n");
    assert_ok(ch_metrics_open(&m, dir, "metrics.jsonl", 0, &e), e);
    ch_metrics_close(&m);
    expect_lines("");
}

static void a_place_that_cannot_be_written_to_is_told(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_metrics m;
    assert_fails(ch_metrics_open(&m, "/proc/nowhere", "metrics.jsonl", 0, &e), CH_EIO, e,
                 "/proc/nowhere/metrics.jsonl");
    ch_metrics_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_are_there_at_once, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(a_resumed_run_goes_on_from_its_step, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(a_new_run_begins_empty, open_dir, close_dir),
        cmocka_unit_test(a_place_that_cannot_be_written_to_is_told),
    };
    return cmocka_run_group_tests_name("train/metrics", tests, NULL, NULL);
}
