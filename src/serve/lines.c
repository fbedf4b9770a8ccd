/* lines.c - a queue of lines, and the thread that writes them
 *
 * What waits lies in one piece, which the writer takes as a whole.  A line is one write(2) where it
 * has PIPE_BUF bytes at most, and the file is asked before whether it takes as many, so that even a
 * pipe that is full does not hold the writer when all is to end.  SPDX-License-Identifier: MIT */
#include "lines.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_BYTES = 1 << 20, ASK_MS = 50, MODE = 0640 };

struct ch_lines {
    char *path;
    char *(*say_lost)(uint64_t n);
    size_t most_bytes;
    int fd;     /* of the writer */
    bool owned; /* fd was opened here */
    bool torn;  /* a line was written in part */
    bool late;  /* it ends, and what is not written is not */
    pthread_t writer;
    bool started;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t more;
    ch_buf waiting;
    uint64_t lost, told; /* lines; told of those that are lost */
    int next_fd;         /* to be taken in place of fd; or -1 */
    bool closing;
    uint64_t until_ns;   /* when closing: what is not written by then is not */
};

/* ---- The writer ------------------------------------------------------------------------------ */

static void note_late(ch_lines *l)
{
    pthread_mutex_lock(&l->lock);
    l->late = l->closing && ch_clock_ns() >= l->until_ns;
    pthread_mutex_unlock(&l->lock);
}

/* false: the file does not take them, or not in time. */
static bool write_all(ch_lines *l, const char *bytes, size_t n)
{
    note_late(l);
    for (size_t at = 0; at < n && !l->late;) {
        struct pollfd p = {.fd = l->fd, .events = POLLOUT};
        const int ready = poll(&p, 1, ASK_MS);
        if (ready <= 0) {
            note_late(l);
            continue;
        }
        const ssize_t k = write(l->fd, bytes + at, CH_MIN(n - at, (size_t)PIPE_BUF));
        if (k < 0 && errno == EAGAIN) { /* room, but not for all of it */
            poll(NULL, 0, ASK_MS);
            note_late(l);
            continue;
        }
        if (k < 0 && errno != EINTR) {
            l->torn |= at > 0;
            return false;
        }
        at += k > 0 ? (size_t)k : 0;
    }
    return !l->late;
}

/* Behind half a line the next one begins on a line of its own. */
static bool write_line(ch_lines *l, const char *line, size_t n)
{
    if (l->torn && !write_all(l, "\n", 1))
        return false;
    l->torn = false;
    return write_all(l, line, n);
}

static uint64_t write_lines(ch_lines *l, const ch_buf *b)
{
    uint64_t lost = 0;
    for (size_t at = 0; at < b->size;) {
        const char *end = memchr(b->data + at, '\n', b->size - at);
        const size_t n = (size_t)(end - (b->data + at)) + 1;
        lost += !write_line(l, b->data + at, n);
        at += n;
    }
    return lost;
}

static bool tell_lost(ch_lines *l, uint64_t n)
{
    char *text = n > 0 ? l->say_lost(n) : NULL;
    const size_t size = text ? strlen(text) : 0;
    if (text)
        text[size] = '\n'; /* instead of its NUL */
    const bool told = text && write_line(l, text, size + 1);
    free(text);
    return told;
}

static void take_file(ch_lines *l)
{
    if (l->next_fd < 0)
        return;
    if (l->owned)
        close(l->fd);
    l->fd = l->next_fd;
    l->owned = true;
    l->torn = false;
    l->next_fd = -1;
}

static void *work(void *arg)
{
    ch_lines *l = arg;
    ch_buf taken;
    bool more = true;
    ch_buf_init(&taken, l->most_bytes);
    while (more) {
        pthread_mutex_lock(&l->lock);
        while (l->waiting.size == 0 && l->next_fd < 0 && !l->closing)
            pthread_cond_wait(&l->more, &l->lock);
        more = l->waiting.size > 0 || !l->closing;
        const ch_buf empty = taken;
        taken = l->waiting;
        l->waiting = empty;
        take_file(l);
        const uint64_t untold = l->lost - l->told;
        pthread_mutex_unlock(&l->lock);
        const uint64_t lost = write_lines(l, &taken);
        const bool told = tell_lost(l, untold);
        ch_buf_clear(&taken);
        pthread_mutex_lock(&l->lock);
        l->lost += lost;
        l->told += told ? untold : 0;
        pthread_mutex_unlock(&l->lock);
    }
    ch_buf_close(&taken);
    return NULL;
}

/* ---- Everybody else -------------------------------------------------------------------------- */

/* A pipe without a reader is an error, and none that has one is waited for. */
static int open_file(const char *path, ch_err *e)
{
    const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    const int fd = open(path, flags, MODE);
    return fd >= 0 ? fd : ch_fail(e, CH_EIO, "%s: the log cannot be opened: %s", path,
                                  strerror(errno));
}

/* Signals are for the threads of the program. */
static int start(ch_lines *l, ch_err *e)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = pthread_create(&l->writer, NULL, work, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    l->started = !failed;
    return failed ? ch_fail(e, CH_ENOMEM, "no thread for a log: %s", strerror(failed)) : CH_OK;
}

int ch_lines_open(ch_lines **out, const ch_lines_options *o, ch_err *e)
{
    ch_lines *l = *out = calloc(1, sizeof *l);
    if (!l)
        return ch_fail(e, CH_ENOMEM, "no memory for a log");
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->more, NULL);
    l->most_bytes = o->most_bytes ? o->most_bytes : MOST_BYTES;
    ch_buf_init(&l->waiting, l->most_bytes);
    l->say_lost = o->lost;
    l->next_fd = -1;
    l->fd = o->path ? -1 : o->fd;
    int rc = CH_OK;
    if (o->path) {
        l->path = strdup(o->path);
        l->fd = l->path ? open_file(o->path, e) : ch_fail(e, CH_ENOMEM, "no memory for a log");
        l->owned = l->fd >= 0;
        rc = l->owned ? CH_OK : l->fd;
    }
    if (rc == CH_OK)
        rc = start(l, e);
    if (rc < 0)
        ch_lines_close(out, 0);
    return rc;
}

void ch_lines_put(ch_lines *l, const char *text, size_t n)
{
    pthread_mutex_lock(&l->lock);
    ch_buf *b = &l->waiting;
    char *to = n < b->limit - b->size ? ch_buf_room(b, n + 1) : NULL;
    if (to) {
        memcpy(to, text, n);
        to[n] = '\n';
        pthread_cond_signal(&l->more);
    } else {
        l->lost++;
        b->failed = b->starved = false; /* there may be memory for the next one */
    }
    pthread_mutex_unlock(&l->lock);
}

int ch_lines_reopen(ch_lines *l, ch_err *e)
{
    const int fd = l->path ? open_file(l->path, e) : -1;
    if (fd < 0)
        return l->path ? fd : CH_OK;
    pthread_mutex_lock(&l->lock);
    if (l->next_fd >= 0)
        close(l->next_fd);
    l->next_fd = fd;
    pthread_cond_signal(&l->more);
    pthread_mutex_unlock(&l->lock);
    return CH_OK;
}

uint64_t ch_lines_lost(ch_lines *l)
{
    pthread_mutex_lock(&l->lock);
    const uint64_t n = l->lost;
    pthread_mutex_unlock(&l->lock);
    return n;
}

void ch_lines_close(ch_lines **out, int most_ms)
{
    ch_lines *l = *out;
    *out = NULL;
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->closing = true;
    l->until_ns = ch_clock_ns() + (uint64_t)most_ms * 1000000;
    pthread_cond_signal(&l->more);
    pthread_mutex_unlock(&l->lock);
    if (l->started)
        pthread_join(l->writer, NULL);
    if (l->next_fd >= 0)
        close(l->next_fd);
    if (l->owned)
        close(l->fd);
    ch_buf_close(&l->waiting);
    pthread_cond_destroy(&l->more);
    pthread_mutex_destroy(&l->lock);
    free(l->path);
    free(l);
}
