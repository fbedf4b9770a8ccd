/* guard.c - tests of base/guard.c: files that lose bytes while they are mapped
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guard.h"

enum { PAGE = 4096, PAGES = 40, SIZE = PAGES * PAGE + 100 };

static char *dir;
static char path[4200];

static int make(void **state)
{
    (void)state;
    static char bytes[SIZE];
    dir = temp_dir();
    snprintf(path, sizeof path, "%s/a\nfile", dir);
    memset(bytes, 'x', sizeof bytes);
    return ch_io_write_file(path, bytes, sizeof bytes, NULL);
}

static int clear(void **state)
{
    (void)state;
    temp_dir_remove(dir);
    return 0;
}

static ch_mapping mapped(void)
{
    ch_err e = {0};
    ch_mapping m;
    assert_ok(ch_io_map(&m, path, &e), e);
    assert_true(m.mapped);
    return m;
}

static int count(const ch_mapping *m, unsigned char byte)
{
    int n = 0;
    for (size_t i = 0; i < m->size; i++)
        n += m->data[i] == byte;
    return n;
}

/* What is left is read as it is, zeros instead of the rest, and it is said; for good. */
static void test_cut(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_mapping m = mapped(), other;
    assert_ok(ch_guard_files(&e), e);
    ch_io_unmap(&m);
    m = mapped();
    other = mapped();
    assert_ok(ch_guard_whole(m.data, &e), e);
    assert_int_equal(truncate(path, 7 * PAGE + 1), 0);
    assert_int_equal(count(&m, 'x'), 7 * PAGE + 1);
    assert_int_equal(count(&m, 0), SIZE - 7 * PAGE - 1);
    assert_fails(ch_guard_whole(m.data, &e), CH_EIO, e,
                 "a?file was cut from 163940 bytes to 28673");
    assert_int_equal(truncate(path, SIZE), 0);
    assert_fails(ch_guard_whole(m.data, &e), CH_EIO, e, "a part of it could not be read");
    assert_ok(ch_guard_whole(other.data, &e), e); /* of which nobody has read or asked */
    ch_io_unmap(&m);
    ch_io_unmap(&other);
}

struct reading {
    ch_mapping m;
    atomic_int right; /* tasks */
};

static void read_all(void *arg, int task, int thread)
{
    struct reading *r = arg;
    (void)task;
    (void)thread;
    r->right += count(&r->m, 'x') == PAGE;
}

/* Whichever thread reads it, and several at once. */
static void test_cut_under_a_pool(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_pool *pool;
    struct reading r = {.m = mapped()};
    assert_ok(ch_guard_files(&e), e); /* in each test: cmocka sets a handler of its own around it */
    assert_ok(ch_pool_open(&pool, 3, &e), e);
    assert_int_equal(truncate(path, PAGE), 0);
    ch_pool_run(pool, read_all, &r, 64);
    assert_int_equal(r.right, 64);
    assert_fails(ch_guard_whole(r.m.data, &e), CH_EIO, e, "was cut");
    ch_pool_close(&pool);
    ch_io_unmap(&r.m);
}

/* A cut within a page brings no signal. */
static void test_cut_within_a_page(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_mapping m = mapped();
    assert_int_equal(truncate(path, SIZE - 50), 0);
    assert_int_equal(count(&m, 'x'), SIZE - 50);
    assert_fails(ch_guard_whole(m.data, &e), CH_EIO, e, "was cut");
    ch_io_unmap(&m);
}

static void test_replaced(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_mapping m = mapped();
    assert_ok(ch_io_write_file(path, "y", 1, &e), e);
    assert_int_equal(count(&m, 'x'), SIZE);
    assert_ok(ch_guard_whole(m.data, &e), e);
    ch_io_unmap(&m);
    assert_ok(ch_guard_whole(m.data, &e), e); /* no longer known */
}

static void test_path(void **state)
{
    (void)state;
    ch_mapping m = mapped();
    const unsigned char *data = m.data;
    assert_non_null(strstr(ch_guard_path(data), "a?file"));
    assert_non_null(strstr(ch_guard_path(data + SIZE - 1), "a?file"));
    assert_null(ch_guard_path(data + SIZE));
    assert_null(ch_guard_path(&m));
    ch_io_unmap(&m);
    assert_null(ch_guard_path(data));
}

/* Files are closed, and places are used again. */
static void test_many(void **state)
{
    (void)state;
    ch_mapping m[30];
    const int fd = open(path, O_RDONLY);
    for (int again = 0; again < 3; again++) {
        for (size_t i = 0; i < CH_COUNT(m); i++)
            m[i] = mapped();
        for (size_t i = 0; i < CH_COUNT(m); i++)
            ch_io_unmap(&m[i]);
    }
    const int last = open(path, O_RDONLY);
    assert_int_equal(last, fd + 1);
    close(fd);
    close(last);
}

static void other_handler(int sig)
{
    (void)sig;
    _exit(77);
}

/* How a child ends that reads behind the end of a file of its own making. */
static int fate_of(bool handler, bool sent)
{
    const pid_t child = fork();
    if (child == 0) {
        signal(SIGBUS, handler ? other_handler : SIG_DFL);
        if (ch_guard_files(NULL) != CH_OK)
            _exit(1);
        if (sent)
            raise(SIGBUS);
        const int fd = open(path, O_RDWR);
        const volatile char *p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
        _exit(ftruncate(fd, 0) == 0 && p[PAGE] == 'x' ? 2 : 3);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* First of all: the children inherit no handler. */
static void test_other_signals(void **state)
{
    (void)state;
    assert_int_equal(fate_of(false, false), -SIGBUS);
    assert_int_equal(fate_of(false, true), -SIGBUS);
    assert_int_equal(fate_of(true, false), 77);
    assert_int_equal(fate_of(true, true), 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_other_signals, make, clear),
        cmocka_unit_test_setup_teardown(test_cut, make, clear),
        cmocka_unit_test_setup_teardown(test_cut_under_a_pool, make, clear),
        cmocka_unit_test_setup_teardown(test_cut_within_a_page, make, clear),
        cmocka_unit_test_setup_teardown(test_replaced, make, clear),
        cmocka_unit_test_setup_teardown(test_path, make, clear),
        cmocka_unit_test_setup_teardown(test_many, make, clear),
    };
    return cmocka_run_group_tests_name("base/guard", tests, NULL, NULL);
}
