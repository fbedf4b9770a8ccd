/* io_write.c - files that are never seen half written
 *
 * Bytes go to "<dir>/.chalcis-<pid>-<n>.tmp", which is synced, renamed over the target and made
 * durable by syncing the directory.  write(2) is called from a buffer of our own: stdio loses
 * what it held when a write is interrupted.  SPDX-License-Identifier: MIT */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"

#ifdef CH_HOSTILE
enum { HELD_MAX = 7 };
#else
enum { HELD_MAX = 1 << 17 };
#endif

static void release(ch_writer *w)
{
    free(w->path);
    free(w->temp);
    free(w->held);
    *w = (ch_writer){.fd = -1};
}

/* Opens a new file beside w->path.  Sets w->temp. */
static int open_temp(ch_writer *w)
{
    const char *slash = strrchr(w->path, '/');
    int dir = slash == NULL ? 0 : (int)(slash - w->path) + 1;
    for (int n = 0; n < 1000; n++) {
        ch_buf name;
        ch_buf_init(&name, PATH_MAX);
        ch_buf_put(&name, w->path, (size_t)dir);
        ch_buf_printf(&name, ".chalcis-%ld-%d.tmp", (long)getpid(), n);
        if (name.failed) {
            errno = name.starved ? ENOMEM : ENAMETOOLONG;
            ch_buf_close(&name);
            return -1;
        }
        int fd = open(name.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        w->temp = name.data;
        if (fd >= 0)
            return fd;
        free(w->temp);
        w->temp = NULL;
        if (errno != EEXIST && errno != EINTR)
            return -1;
    }
    return -1;
}

int ch_io_create(ch_writer *w, const char *path, ch_err *e)
{
    struct stat st;
    *w = (ch_writer){.fd = -1};
    bool old = stat(path, &st) == 0;
    if (old && S_ISDIR(st.st_mode))
        return ch_fail(e, CH_EARG, "cannot write %s: it is a directory", path);
    if (!old && errno != ENOENT)
        return ch_fail(e, CH_EIO, "cannot write %s: %s", path, strerror(errno));
    if (*path == 0 || path[strlen(path) - 1] == '/')
        return ch_fail(e, CH_EARG, "cannot write \"%s\": not the name of a file", path);
    w->path = old ? realpath(path, NULL) : strdup(path);
    w->held = malloc(HELD_MAX);
    if (w->path == NULL || w->held == NULL) {
        int code = errno == ENOMEM ? CH_ENOMEM : CH_EIO;
        ch_fail(e, code, "cannot write %s: %s", path, strerror(errno));
        release(w);
        return code;
    }
    /* Renaming over /dev/null or a named pipe would replace it. */
    bool direct = old && !S_ISREG(st.st_mode);
    w->fd = direct ? open(w->path, O_WRONLY | O_CLOEXEC) : open_temp(w);
    if (w->fd < 0) {
        ch_fail(e, CH_EIO, "cannot create %s: %s", path, strerror(errno));
        release(w);
        return CH_EIO;
    }
    if (old && !direct && fchmod(w->fd, st.st_mode & 07777) != 0)
        w->failed_errno = errno;
    return CH_OK;
}

static void put(ch_writer *w, const unsigned char *p, size_t n)
{
    while (n > 0 && w->failed_errno == 0) {
        ssize_t done = write(w->fd, p, n < ((size_t)1 << 30) ? n : (size_t)1 << 30);
        if (done < 0 && errno != EINTR)
            w->failed_errno = errno;
        if (done > 0) {
            p += done;
            n -= (size_t)done;
        }
    }
}

static void flush(ch_writer *w)
{
    put(w, w->held, w->n_held);
    w->n_held = 0;
}

void ch_io_write(ch_writer *w, const void *bytes, size_t n)
{
    if (w->path == NULL || n == 0)
        return;
    w->at += n;
    if (n > HELD_MAX - w->n_held)
        flush(w);
    if (n > HELD_MAX) {
        put(w, bytes, n);
        return;
    }
    memcpy(w->held + w->n_held, bytes, n);
    w->n_held += n;
}

void ch_io_pad(ch_writer *w, uint64_t to_multiple_of)
{
    static const unsigned char zeros[4096];
    uint64_t over = to_multiple_of > 1 ? w->at % to_multiple_of : 0;
    for (uint64_t left = over == 0 ? 0 : to_multiple_of - over; left > 0;) {
        size_t n = left < sizeof zeros ? (size_t)left : sizeof zeros;
        ch_io_write(w, zeros, n);
        left -= n;
    }
}

/* Makes the directory entry of path durable; file systems that cannot say so are left in peace. */
static void sync_dir_of(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash != NULL)
        slash[slash == path] = 0;
    int fd = open(slash == NULL ? "." : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

int ch_io_commit(ch_writer *w, ch_err *e)
{
    if (w->path == NULL)
        return ch_fail(e, CH_EARG, "no file was being written");
    flush(w);
    if (w->temp != NULL && w->failed_errno == 0 && fsync(w->fd) != 0)
        w->failed_errno = errno;
    if (close(w->fd) != 0 && w->failed_errno == 0 && errno != EINTR)
        w->failed_errno = errno;
    w->fd = -1;
    if (w->temp != NULL && w->failed_errno == 0 && rename(w->temp, w->path) != 0)
        w->failed_errno = errno;
    int rc = CH_OK;
    if (w->failed_errno != 0) {
        rc = ch_fail(e, CH_EIO, "cannot write %s: %s (after %llu bytes)", w->path,
                     strerror(w->failed_errno), (unsigned long long)w->at);
        if (w->temp != NULL)
            unlink(w->temp);
    } else if (w->temp != NULL) {
        sync_dir_of(w->path);
    }
    release(w);
    return rc;
}

void ch_io_abandon(ch_writer *w)
{
    if (w->path == NULL)
        return;
    close(w->fd);
    if (w->temp != NULL)
        unlink(w->temp);
    release(w);
}

int ch_io_write_file(const char *path, const void *bytes, size_t n, ch_err *e)
{
    ch_writer w;
    int rc = ch_io_create(&w, path, e);
    if (rc < 0)
        return rc;
    ch_io_write(&w, bytes, n);
    return ch_io_commit(&w, e);
}
