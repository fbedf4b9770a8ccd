/* io.c - reading whole files, by mapping or into memory
 *
 * SPDX-License-Identifier: MIT */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"
#include "guard.h"

static int open_to_read(int *fd, struct stat *st, const char *path, ch_err *e)
{
    do
        *fd = open(path, O_RDONLY | O_CLOEXEC);
    while (*fd < 0 && errno == EINTR);
    if (*fd < 0)
        return ch_fail(e, CH_EIO, "cannot open %s: %s", path, strerror(errno));
    int rc = CH_OK;
    if (fstat(*fd, st) != 0)
        rc = ch_fail(e, CH_EIO, "cannot examine %s: %s", path, strerror(errno));
    else if (S_ISDIR(st->st_mode))
        rc = ch_fail(e, CH_EARG, "%s is a directory, wanted a file", path);
    if (rc < 0)
        close(*fd);
    return rc;
}

static int read_all(ch_buf *b, int fd, const char *name, ch_err *e)
{
    char chunk[16384];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ch_fail(e, CH_EIO, "cannot read %s: %s", name, strerror(errno));
        if (n == 0)
            return CH_OK;
        if (!ch_buf_put(b, chunk, (size_t)n))
            return ch_buf_check(b, name, e);
    }
}

int ch_io_map(ch_mapping *m, const char *path, ch_err *e)
{
    int fd;
    struct stat st;
    *m = (ch_mapping){.data = (const unsigned char *)""};
    int rc = open_to_read(&fd, &st, path, e);
    if (rc < 0)
        return rc;
    if (S_ISREG(st.st_mode) && st.st_size > 0 && (uintmax_t)st.st_size <= SIZE_MAX / 2) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p != MAP_FAILED) {
            if (!ch_guard_add(p, (size_t)st.st_size, fd, path))
                close(fd);
            *m = (ch_mapping){.data = p, .size = (size_t)st.st_size, .mapped = true};
            return CH_OK;
        }
    }
    /* What cannot be mapped, and files under /proc, which say that they hold 0 bytes. */
    ch_buf b;
    ch_buf_init(&b, CH_IO_READ_MAX);
    rc = read_all(&b, fd, path, e);
    close(fd);
    if (rc < 0 || b.size == 0)
        ch_buf_close(&b);
    else
        *m = (ch_mapping){.data = (unsigned char *)b.data, .size = b.size};
    return rc;
}

void ch_io_unmap(ch_mapping *m)
{
    if (m->mapped) {
        ch_guard_remove(m->data);
        munmap((void *)(uintptr_t)m->data, m->size);
    } else if (m->size > 0) {
        free((void *)(uintptr_t)m->data);
    }
    *m = (ch_mapping){0};
}

void ch_io_forget(const ch_mapping *m, const void *p, size_t n)
{
    const uintptr_t begin = (uintptr_t)m->data, at = (uintptr_t)p;
    if (!m->mapped || at < begin || at - begin > m->size || n > m->size - (at - begin))
        return;
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t first = (at + page - 1) / page * page, end = (at + n) / page * page;
    if (first < end) /* advice: nothing is lost where it is not taken */
        madvise((void *)first, end - first, MADV_DONTNEED);
}

int ch_io_read_stream(ch_buf *b, FILE *f, const char *name, ch_err *e)
{
    char chunk[16384];
    for (;;) {
        errno = 0;
        size_t n = fread(chunk, 1, sizeof chunk, f);
        if (!ch_buf_put(b, chunk, n))
            return ch_buf_check(b, name, e);
        if (n == sizeof chunk)
            continue;
        if (feof(f))
            return CH_OK;
        if (errno != EINTR)
            return ch_fail(e, CH_EIO, "cannot read %s: %s", name, strerror(errno));
        clearerr(f);
    }
}

int ch_io_read_file(ch_buf *b, const char *path, ch_err *e)
{
    int fd;
    struct stat st;
    int rc = open_to_read(&fd, &st, path, e);
    if (rc < 0)
        return rc;
    rc = read_all(b, fd, path, e);
    close(fd);
    return rc;
}
