/* tests/serve/lines.c - lines of a log: whole, in order, and never waited for
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include "lines.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *say_lost(uint64_t n)
{
    char *line = NULL;
    return asprintf(&line, "lost %llu", (unsigned long long)n) > 0 ? line : NULL;
}

static ch_lines *open_lines(int fd, const char *path, size_t most)
{
    const ch_lines_options o = {.fd = fd, .path = path, .most_bytes = most, .lost = say_lost};
    ch_err e = {0};
    ch_lines *l;
    assert_ok(ch_lines_open(&l, &o, &e), e);
    return l;
}

static ch_buf text_of(const char *path)
{
    ch_err e = {0};
    ch_buf b;
    ch_buf_init(&b, 1 << 24);
    assert_ok(ch_io_read_file(&b, path, &e), e);
    ch_buf_put(&b, "", 1);
    return b;
}

/* ---- Whole, and in order --------------------------------------------------------------------- */

enum { THREADS = 4, LINES = 500 };

struct writer {
    pthread_t thread;
    ch_lines *l;
    int number;
};

/* "NUMBER LINE xxx...", of all lengths. */
static void *write_lines(void *arg)
{
    const struct writer *w = arg;
    char text[300];
    for (int i = 0; i < LINES; i++) {
        const int n = snprintf(text, sizeof text, "%d %d ", w->number, i);
        memset(text + n, 'x', (size_t)(i % 200));
        ch_lines_put(w->l, text, (size_t)(n + i % 200));
    }
    return NULL;
}

static void from_many_threads(void **state)
{
    (void)state;
    char *dir = temp_dir(), *path = ch_io_join(dir, "log");
    ch_lines *l = open_lines(-1, path, 0);
    struct writer w[THREADS];
    int next[THREADS] = {0}, lines = 0;
    for (int i = 0; i < THREADS; i++) {
        w[i] = (struct writer){.l = l, .number = i};
        assert_int_equal(pthread_create(&w[i].thread, NULL, write_lines, &w[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(w[i].thread, NULL);
    assert_int_equal(ch_lines_lost(l), 0);
    ch_lines_close(&l, 10000);
    assert_null(l);
    ch_buf b = text_of(path);
    for (char *rest = b.data, *line; (line = strsep(&rest, "\n")) && *line; lines++) {
        int number = -1, i = -1, at = 0;
        assert_int_equal(sscanf(line, "%d %d %n", &number, &i, &at), 2);
        assert_in_range(number, 0, THREADS - 1);
        assert_int_equal(i, next[number]++);
        assert_int_equal(strlen(line + at), i % 200);
    }
    assert_int_equal(lines, THREADS * LINES);
    ch_buf_close(&b);
    free(path);
    temp_dir_remove(dir);
}

/* ---- Nobody waits ---------------------------------------------------------------------------- */

/* All that comes out of a pipe until its other end is closed. */
static ch_buf drained(int fd)
{
    ch_buf b;
    char piece[1 << 14];
    ssize_t n;
    ch_buf_init(&b, 1 << 24);
    while ((n = read(fd, piece, sizeof piece)) > 0)
        ch_buf_put(&b, piece, (size_t)n);
    ch_buf_put(&b, "", 1);
    return b;
}

/* The lines that have come whole, and those that they tell as lost. */
static uint64_t accounted_for(const ch_buf *b)
{
    uint64_t lines = 0;
    for (size_t at = 0; at < b->size;) {
        const char *line = b->data + at, *end = memchr(line, '\n', b->size - at);
        if (!end)
            break;
        lines += strncmp(line, "lost ", 5) != 0 ? 1 : strtoull(line + 5, NULL, 10);
        at += (size_t)(end - line) + 1;
    }
    return lines;
}

/* A pipe that nobody reads takes nothing: what is put still returns.  When it is read again, each
 * line came, or is counted. */
static void a_pipe_that_nobody_reads(void **state)
{
    (void)state;
    enum { PUT = 2000, SIZE = 200, MOST = 32 << 10 };
    char text[SIZE];
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fcntl(ends[1], F_SETPIPE_SZ, 4096);
    ch_lines *l = open_lines(ends[1], NULL, MOST);
    memset(text, 'y', sizeof text);
    for (int i = 0; i < PUT; i++)
        ch_lines_put(l, text, sizeof text);
    const uint64_t lost = ch_lines_lost(l);
    assert_in_range(lost, PUT - 4 * MOST / SIZE, PUT);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    ch_buf b;
    char piece[1 << 14];
    ch_buf_init(&b, 1 << 24);
    for (int quiet = 0; quiet < 60000 && accounted_for(&b) < PUT;) { /* or "last" finds no room */
        const ssize_t n = read(ends[0], piece, sizeof piece);
        if (n > 0)
            ch_buf_put(&b, piece, (size_t)n);
        quiet = n > 0 ? 0 : quiet + 1;
        usleep(n > 0 ? 0 : 1000);
    }
    ch_lines_put(l, "last", 4);
    fcntl(ends[0], F_SETFL, 0);
    ch_lines_close(&l, 10000);
    close(ends[1]);
    ch_buf more = drained(ends[0]);
    ch_buf_put(&b, more.data, more.size);
    int lines = 0;
    unsigned long long told = 0, one;
    char *end = NULL;
    for (char *rest = b.data, *line; (line = strsep(&rest, "\n")) && *line; end = line) {
        if (sscanf(line, "lost %llu", &one) == 1)
            told += one;
        else if (strcmp(line, "last") != 0)
            assert_int_equal(strlen(line), SIZE), lines++;
    }
    assert_string_equal(end, "last");
    assert_int_equal(told, lost);
    assert_int_equal(lines + told, PUT);
    ch_buf_close(&b);
    ch_buf_close(&more);
    close(ends[0]);
}

/* Neither does the end wait for it for longer than it is told to. */
static void an_end_that_nobody_reads(void **state)
{
    (void)state;
    int ends[2];
    char text[6000]; /* longer than what a pipe takes at once */
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fcntl(ends[1], F_SETPIPE_SZ, 4096);
    ch_lines *l = open_lines(ends[1], NULL, 0);
    memset(text, 'z', sizeof text);
    for (int i = 0; i < 20; i++)
        ch_lines_put(l, text, sizeof text);
    ch_lines_close(&l, 20);
    close(ends[1]);
    ch_buf b = drained(ends[0]);
    assert_true(b.size <= 4097);
    ch_buf_close(&b);
    close(ends[0]);
}

/* Nobody is there any more: no signal, and all are counted. */
static void a_broken_pipe(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    ch_lines *l = open_lines(ends[1], NULL, 0);
    for (int i = 0; i < 10; i++)
        ch_lines_put(l, "line", 4);
    for (int i = 0; i < 2000 && ch_lines_lost(l) < 10; i++)
        usleep(1000);
    assert_int_equal(ch_lines_lost(l), 10);
    ch_lines_close(&l, 1000);
    close(ends[1]);
}

/* ---- Files ----------------------------------------------------------------------------------- */

/* The file was moved, as programs do that keep logs small. */
static void a_file_that_is_moved(void **state)
{
    (void)state;
    char *dir = temp_dir(), *path = ch_io_join(dir, "log"), *old = ch_io_join(dir, "log.1");
    char *none = ch_io_join(dir, "none/log");
    const ch_lines_options bad = {.path = none, .lost = say_lost};
    ch_err e = {0};
    ch_lines *l = open_lines(-1, path, 0), *no;
    ch_lines_put(l, "one", 3);
    for (int i = 0; i < 2000 && access(path, F_OK) == 0; i++) {
        ch_buf b = text_of(path);
        const bool there = b.size > 4;
        ch_buf_close(&b);
        if (there)
            break;
        usleep(1000);
    }
    assert_int_equal(rename(path, old), 0);
    assert_ok(ch_lines_reopen(l, &e), e);
    ch_lines_put(l, "two", 3);
    ch_lines_close(&l, 10000);
    ch_buf first = text_of(old), second = text_of(path);
    assert_string_equal(first.data, "one\n");
    assert_string_equal(second.data, "two\n");
    l = open_lines(-1, path, 0); /* appended to */
    ch_lines_put(l, "three", 5);
    temp_dir_remove(strdup(dir)); /* nothing can be opened there now: lines go where they went */
    assert_fails(ch_lines_reopen(l, &e), CH_EIO, e, "log");
    ch_lines_close(&l, 10000);
    assert_fails(ch_lines_open(&no, &bad, &e), CH_EIO, e, "none/log");
    assert_null(no);
    ch_buf_close(&first);
    ch_buf_close(&second);
    free(path), free(old), free(none), free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_many_threads),        cmocka_unit_test(a_pipe_that_nobody_reads),
        cmocka_unit_test(an_end_that_nobody_reads), cmocka_unit_test(a_broken_pipe),
        cmocka_unit_test(a_file_that_is_moved),
    };
    return cmocka_run_group_tests_name("serve/lines", tests, NULL, NULL);
}
