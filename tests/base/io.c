/* io.c - tests of base/io.c, io_write.c and io_dir.c.  SPDX-License-Identifier: MIT */
#include "support.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *dir; /* made anew for each test */

static int make(void **state)
{
    (void)state;
    dir = temp_dir();
    return 0;
}

static int clear(void **state)
{
    (void)state;
    temp_dir_remove(dir);
    return 0;
}

/* dir/name; the latest four answers stay valid. */
static const char *in(const char *name)
{
    static char paths[4][4200];
    static int next;
    char *p = paths[next++ % 4];
    snprintf(p, sizeof paths[0], "%s/%s", dir, name);
    return p;
}

static void holds(const char *path, const char *text)
{
    ch_err e = {0};
    ch_mapping m;
    assert_ok(ch_io_map(&m, path, &e), e);
    assert_int_equal(m.size, strlen(text));
    assert_memory_equal(m.data, text, m.size);
    ch_io_unmap(&m);
    ch_buf b;
    ch_buf_init(&b, strlen(text));
    assert_ok(ch_io_read_file(&b, path, &e), e);
    assert_int_equal(b.size, strlen(text));
    assert_memory_equal(b.data == NULL ? "" : b.data, text, b.size);
    ch_buf_close(&b);
}

/* Entries of dir, hidden ones too. */
static int entries(void)
{
    char command[4300];
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", dir);
    int n = -1;
    FILE *f = popen(command, "r");
    if (f == NULL || fscanf(f, "%d", &n) != 1)
        fail_msg("cannot count files");
    pclose(f);
    return n;
}

static void files_arrive_whole(void **state)
{
    (void)state;
    ch_err e = {0};
    assert_ok(ch_io_write_file(in("a"), "hello", 5, &e), e);
    holds(in("a"), "hello");
    assert_ok(ch_io_write_file(in("a"), NULL, 0, &e), e);
    holds(in("a"), "");
    assert_int_equal(entries(), 1);

    /* Many small pieces and some larger than any buffer. */
    ch_writer w;
    enum { PIECES = 600 };
    char *piece = malloc(PIECES * 1000);
    assert_non_null(piece);
    for (size_t i = 0; i < PIECES * 1000; i++)
        piece[i] = (char)(i * 7 + i / 256);
    assert_ok(ch_io_create(&w, in("b"), &e), e);
    uint64_t want = 0;
    for (size_t i = 0; i < PIECES; i++) {
        size_t n = i % 100 == 99 ? i * 1000 : i;
        ch_io_write(&w, piece, n);
        want += n;
        assert_true(w.at == want);
    }
    assert_ok(ch_io_commit(&w, &e), e);
    ch_mapping m;
    assert_ok(ch_io_map(&m, in("b"), &e), e);
    assert_true(m.size == want);
    const unsigned char *p = m.data;
    for (size_t i = 0; i < PIECES; i++) {
        size_t n = i % 100 == 99 ? i * 1000 : i;
        assert_memory_equal(p, piece, n);
        p += n;
    }
    ch_io_unmap(&m);
    free(piece);
}

static void padding_is_zero(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_writer w;
    assert_ok(ch_io_create(&w, in("p"), &e), e);
    ch_io_pad(&w, 32);
    assert_int_equal(w.at, 0);
    ch_io_write(&w, "abc", 3);
    ch_io_pad(&w, 0);
    ch_io_pad(&w, 1);
    assert_int_equal(w.at, 3);
    ch_io_pad(&w, 8);
    assert_int_equal(w.at, 8);
    ch_io_pad(&w, 10000);
    ch_io_pad(&w, 10000);
    assert_int_equal(w.at, 10000);
    assert_ok(ch_io_commit(&w, &e), e);
    ch_mapping m;
    assert_ok(ch_io_map(&m, in("p"), &e), e);
    assert_int_equal(m.size, 10000);
    for (size_t i = 3; i < m.size; i++)
        assert_int_equal(m.data[i], 0);
    ch_io_unmap(&m);
}

static void the_old_file_lives_until_commit(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_writer w;
    assert_ok(ch_io_write_file(in("a"), "old", 3, &e), e);
    assert_int_equal(chmod(in("a"), 0640), 0);
    assert_ok(ch_io_create(&w, in("a"), &e), e);
    ch_io_write(&w, "newer", 5);
    holds(in("a"), "old");
    ch_io_abandon(&w);
    ch_io_abandon(&w);
    holds(in("a"), "old");
    assert_int_equal(entries(), 1);

    assert_ok(ch_io_create(&w, in("a"), &e), e);
    ch_io_write(&w, "newer", 5);
    assert_ok(ch_io_commit(&w, &e), e);
    holds(in("a"), "newer");
    struct stat st;
    assert_int_equal(stat(in("a"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(entries(), 1);
    assert_fails(ch_io_commit(&w, &e), CH_EARG, e, "no file");
    ch_io_write(&w, "late", 4);
    ch_io_abandon(&w);
    holds(in("a"), "newer");
}

/* A mapping made before a file is replaced keeps what it saw. */
static void mappings_outlive_replacement(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_mapping m;
    assert_ok(ch_io_write_file(in("a"), "first", 5, &e), e);
    assert_ok(ch_io_map(&m, in("a"), &e), e);
    assert_ok(ch_io_write_file(in("a"), "xy", 2, &e), e);
    assert_memory_equal(m.data, "first", 5);
    ch_io_unmap(&m);
    ch_io_unmap(&m);
}

static void links_are_followed(void **state)
{
    (void)state;
    ch_err e = {0};
    assert_ok(ch_io_make_dir(in("d"), &e), e);
    assert_ok(ch_io_write_file(in("d/real"), "1", 1, &e), e);
    assert_int_equal(symlink("d/real", in("link")), 0);
    assert_ok(ch_io_write_file(in("link"), "22", 2, &e), e);
    holds(in("d/real"), "22");
    struct stat st;
    assert_int_equal(lstat(in("link"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
}

static void a_full_disk_is_told(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_writer w;
    struct stat st;
    if (stat("/dev/full", &st) != 0 || !S_ISCHR(st.st_mode))
        skip();
    assert_ok(ch_io_create(&w, "/dev/full", &e), e);
    static char megabyte[1 << 20];
    ch_io_write(&w, "x", 1);
    ch_io_write(&w, megabyte, sizeof megabyte);
    assert_int_not_equal(w.failed_errno, 0);
    ch_io_write(&w, "x", 1);
    assert_fails(ch_io_commit(&w, &e), CH_EIO, e, "cannot write /dev/full: No space left");
    assert_fails(ch_io_write_file("/dev/full", "x", 1, &e), CH_EIO, e, "No space left");
    assert_int_equal(stat("/dev/full", &st), 0);
    assert_true(S_ISCHR(st.st_mode)); /* not replaced by a file */
    assert_ok(ch_io_write_file("/dev/null", "x", 1, &e), e);
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
}

/* An error after creation (here: the descriptor is taken away) leaves only the old file. */
static void failed_writes_leave_nothing(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_writer w;
    assert_ok(ch_io_write_file(in("a"), "old", 3, &e), e);
    assert_ok(ch_io_create(&w, in("a"), &e), e);
    int full = open("/dev/full", O_WRONLY);
    if (full < 0)
        skip();
    assert_true(dup2(full, w.fd) >= 0);
    close(full);
    ch_io_write(&w, "new", 3);
    assert_fails(ch_io_commit(&w, &e), CH_EIO, e, "No space left");
    holds(in("a"), "old");
    assert_int_equal(entries(), 1);
}

static void bad_paths_are_refused(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_writer w;
    ch_mapping m;
    ch_buf b;
    ch_buf_init(&b, 100);
    assert_fails(ch_io_map(&m, in("none"), &e), CH_EIO, e, "none: No such file");
    ch_io_unmap(&m);
    assert_fails(ch_io_map(&m, dir, &e), CH_EARG, e, "is a directory");
    assert_fails(ch_io_read_file(&b, dir, &e), CH_EARG, e, "is a directory");
    assert_fails(ch_io_read_file(&b, in("none"), &e), CH_EIO, e, "No such file");
    assert_fails(ch_io_create(&w, dir, &e), CH_EARG, e, "is a directory");
    ch_io_abandon(&w);
    assert_fails(ch_io_create(&w, in("none/x"), &e), CH_EIO, e, "No such file");
    ch_io_write(&w, "x", 1);
    ch_io_abandon(&w);
    assert_fails(ch_io_create(&w, "", &e), CH_EARG, e, "not the name");
    assert_fails(ch_io_create(&w, in("none/"), &e), CH_EARG, e, "not the name");
    assert_fails(ch_io_write_file(in("evil\x1b[2J/x"), "", 0, &e), CH_EIO, e, "evil?[2J");
    char longer[5000];
    memset(longer, 'n', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    assert_fails(ch_io_create(&w, longer, &e), CH_EIO, e, "cannot ");
    ch_writer zero = {0};
    ch_io_write(&zero, "x", 1);
    ch_io_pad(&zero, 8);
    ch_io_abandon(&zero);
    ch_buf_close(&b);
}

static void *feed(void *path)
{
    FILE *f = fopen(path, "w");
    if (f != NULL) {
        fputs("through", f);
        fclose(f);
    }
    return NULL;
}

static void pipes_and_limits(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_buf b;
    int ends[2];
    ch_buf_init(&b, 5);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "12345", 5), 5);
    close(ends[1]);
    FILE *f = fdopen(ends[0], "r");
    assert_ok(ch_io_read_stream(&b, f, "stdin", &e), e);
    assert_string_equal(b.data, "12345");
    fclose(f);

    assert_ok(ch_io_write_file(in("six"), "123456", 6, &e), e);
    ch_buf_clear(&b);
    assert_fails(ch_io_read_file(&b, in("six"), &e), CH_ELIMIT, e, "allowed 5 bytes");
    ch_buf_clear(&b);
    f = fopen(in("six"), "r");
    assert_fails(ch_io_read_stream(&b, f, "in", &e), CH_ELIMIT, e, "in: more than the allowed 5");
    fclose(f);
    ch_buf_close(&b);

    /* A file that claims 0 bytes and has some, and a pipe with a name. */
    ch_mapping m;
    assert_ok(ch_io_map(&m, "/proc/self/stat", &e), e);
    assert_true(m.size > 0 && !m.mapped);
    ch_io_unmap(&m);
    assert_int_equal(mkfifo(in("fifo"), 0600), 0);
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, feed, (void *)(uintptr_t)in("fifo")), 0);
    assert_ok(ch_io_map(&m, in("fifo"), &e), e);
    pthread_join(other, NULL);
    assert_int_equal(m.size, 7);
    assert_memory_equal(m.data, "through", 7);
    ch_io_unmap(&m);
}

static void directories(void **state)
{
    (void)state;
    ch_err e = {0};
    assert_ok(ch_io_make_dir(in("x/y/z"), &e), e);
    assert_ok(ch_io_make_dir(in("x//y/z/"), &e), e);
    assert_true(ch_io_is_dir(in("x/y/z")));
    assert_false(ch_io_is_dir(in("x/none")));
    assert_false(ch_io_exists(in("x/none")));
    assert_ok(ch_io_write_file(in("x/f"), "", 0, &e), e);
    assert_true(ch_io_exists(in("x/f")));
    assert_false(ch_io_is_dir(in("x/f")));
    assert_fails(ch_io_make_dir(in("x/f"), &e), CH_EIO, e, "in its way");
    assert_fails(ch_io_make_dir(in("x/f/g"), &e), CH_EIO, e, "in its way");
    assert_fails(ch_io_make_dir("", &e), CH_EIO, e, "No such file");
    static const char *const joins[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}, {"", "b", "b"}, {"a", "", "a/"},
    };
    for (size_t i = 0; i < CH_COUNT(joins); i++) {
        char *p = ch_io_join(joins[i][0], joins[i][1]);
        assert_string_equal(p, joins[i][2]);
        free(p);
    }
}

static void lists_are_sorted(void **state)
{
    (void)state;
    static const char *const files[] = {"b",     "a/2",     "a/10",  "a/sub/deep",
                                        "a.txt", ".hidden", "a/.h/x"};
    static const char *const want[] = {"a.txt", "a/10", "a/2", "a/sub/deep", "b", "to-b"};
    ch_err e = {0};
    assert_ok(ch_io_make_dir(in("a/sub"), &e), e);
    assert_ok(ch_io_make_dir(in("a/.h"), &e), e);
    assert_ok(ch_io_make_dir(in("empty"), &e), e);
    for (size_t i = 0; i < CH_COUNT(files); i++)
        assert_ok(ch_io_write_file(in(files[i]), "", 0, &e), e);
    assert_int_equal(symlink("b", in("to-b")), 0);
    assert_int_equal(symlink("..", in("a/loop")), 0);
    assert_int_equal(symlink("nowhere", in("dangling")), 0);
    assert_int_equal(mkfifo(in("pipe"), 0600), 0);
    char **paths;
    size_t n;
    assert_ok(ch_io_list(&paths, &n, dir, &e), e);
    assert_int_equal(n, CH_COUNT(want));
    for (size_t i = 0; i < n; i++)
        assert_string_equal(paths[i], in(want[i]));
    ch_io_free_list(paths, n);
    assert_ok(ch_io_list(&paths, &n, in("empty"), &e), e);
    assert_int_equal(n, 0);
    ch_io_free_list(paths, n);
    assert_fails(ch_io_list(&paths, &n, in("b"), &e), CH_EIO, e, "cannot list");
    assert_fails(ch_io_list(&paths, &n, in("none"), &e), CH_EIO, e, "cannot list");
}

static void depth_is_bounded(void **state)
{
    (void)state;
    ch_err e = {0};
    char path[4000];
    int at = snprintf(path, sizeof path, "%s", dir);
    for (int i = 0; i < 100; i++)
        at += snprintf(path + at, sizeof path - (size_t)at, "/d");
    assert_ok(ch_io_make_dir(path, &e), e);
    char **paths;
    size_t n;
    assert_fails(ch_io_list(&paths, &n, dir, &e), CH_ELIMIT, e, "directories deep");
}

static long resident_pages(void)
{
    long all, resident = -1;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%ld %ld", &all, &resident) != 2)
        resident = -1;
    if (f)
        fclose(f);
    return resident;
}

/* What is forgotten gives its memory back and reads the same again. */
static void test_forget(void **state)
{
    (void)state;
    enum { SIZE = 4 << 20 };
    ch_err e = {0};
    ch_mapping m, other = {.data = (const unsigned char *)"in memory", .size = 9};
    FILE *f = fopen(in("large"), "w");
    for (int i = 0; i < SIZE; i++)
        putc(i % 251, f);
    assert_int_equal(fclose(f), 0);
    assert_ok(ch_io_map(&m, in("large"), &e), e);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < SIZE; i++)
            if (m.data[i] != i % 251)
                fail_msg("byte %d is %d", i, m.data[i]);
        const long before = resident_pages();
        ch_io_forget(&m, m.data + 1, SIZE - 2); /* the pages at its ends stay */
        ch_io_forget(&m, m.data + 1, SIZE);     /* not within it */
        ch_io_forget(&m, m.data + 5, 3);
        ch_io_forget(&other, other.data, other.size);
        const long page = sysconf(_SC_PAGESIZE);
        if (before > 0)
            assert_true(before - resident_pages() > SIZE / page / 2);
    }
    assert_memory_equal(other.data, "in memory", 9);
    ch_io_unmap(&m);
}

#define IO_TEST(f) cmocka_unit_test_setup_teardown(f, make, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IO_TEST(test_forget),
        IO_TEST(files_arrive_whole),
        IO_TEST(padding_is_zero),
        IO_TEST(the_old_file_lives_until_commit),
        IO_TEST(mappings_outlive_replacement),
        IO_TEST(links_are_followed),
        IO_TEST(a_full_disk_is_told),
        IO_TEST(failed_writes_leave_nothing),
        IO_TEST(bad_paths_are_refused),
        IO_TEST(pipes_and_limits),
        IO_TEST(directories),
        IO_TEST(lists_are_sorted),
        IO_TEST(depth_is_bounded),
    };
    return cmocka_run_group_tests_name("base/io", tests, NULL, NULL);
}
