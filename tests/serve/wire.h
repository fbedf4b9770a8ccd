/* wire.h - a client of bytes, and a server to ask, for the tests of HTTP
 *
 * Reads wait ten seconds at most.  SPDX-License-Identifier: MIT */
#ifndef CH_TEST_WIRE_H
#define CH_TEST_WIRE_H

#include "support.h"

#include "exchange.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct answer {
    int status; /* 0: the connection ended before one */
    bool whole; /* the body ended as it said */
    char *head; /* with the empty line */
    ch_buf body;
} answer;

static inline int wire_ready(int fd, const struct sockaddr *at, socklen_t n)
{
    const struct timeval most = {.tv_sec = 120}; /* what takes that long will not come */
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
    assert_int_equal(connect(fd, at, n), 0);
    return fd;
}

static inline int wire_open_port(int port)
{
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return wire_ready(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                      (const struct sockaddr *)&at, sizeof at);
}

static inline int wire_open(const ch_http *h) { return wire_open_port(ch_http_port(h)); }

static inline int wire_open_unix(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    return wire_ready(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                      (const struct sockaddr *)&at, sizeof at);
}

static inline bool wire_send(int fd, const char *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        const ssize_t k = send(fd, bytes + at, n - at, MSG_NOSIGNAL);
        if (k <= 0)
            return false;
        at += (size_t)k;
    }
    return true;
}

static inline bool wire_say(int fd, const char *text) { return wire_send(fd, text, strlen(text)); }

/* One more byte; -1: the end. */
static inline int wire_byte(int fd)
{
    unsigned char c;
    return recv(fd, &c, 1, 0) == 1 ? c : -1;
}

static inline bool wire_line(int fd, ch_buf *b)
{
    for (int c; (c = wire_byte(fd)) >= 0;) {
        const char byte = (char)c;
        ch_buf_put(b, &byte, 1);
        if (c == '\n')
            return true;
    }
    return false;
}

static inline bool wire_bytes(int fd, ch_buf *b, size_t n)
{
    char piece[4096];
    while (n > 0) {
        const ssize_t k = recv(fd, piece, n < sizeof piece ? n : sizeof piece, 0);
        if (k <= 0)
            return false;
        ch_buf_put(b, piece, (size_t)k);
        n -= (size_t)k;
    }
    return true;
}

/* The value of a header, to be freed; NULL: there is none. */
static inline char *answer_header(const answer *a, const char *name)
{
    const size_t n = strlen(name);
    for (const char *p = a->head; p && (p = strchr(p, '\n'));) {
        p++;
        if (strncasecmp(p, name, n) == 0 && p[n] == ':')
            return strndup(p + n + 2, strcspn(p + n + 2, "\r"));
    }
    return NULL;
}

static inline bool answer_says(const answer *a, const char *name, const char *value)
{
    char *v = answer_header(a, name);
    const bool same = v && strcmp(v, value) == 0;
    free(v);
    return same;
}

/* The next chunk of a body; false: the last one, or the end. */
static inline bool wire_chunk(int fd, ch_buf *b, bool *whole)
{
    ch_buf line;
    ch_buf_init(&line, 1 << 16);
    const bool got = wire_line(fd, &line);
    const size_t n = got ? strtoul(line.data, NULL, 16) : 0;
    ch_buf_clear(&line);
    const bool in = n && wire_bytes(fd, b, n);
    const bool closed = got && (n == 0 || in) && wire_line(fd, &line);
    ch_buf_close(&line);
    *whole = closed && n == 0;
    return closed && n > 0;
}

static inline bool wire_head(int fd, answer *a)
{
    ch_buf head;
    memset(a, 0, sizeof *a);
    ch_buf_init(&head, 1 << 20);
    ch_buf_init(&a->body, (size_t)1 << 30);
    size_t before = 0;
    bool more = true;
    while (more && wire_line(fd, &head)) {
        more = head.size - before > 2;
        before = head.size;
    }
    if (!more && strncmp(head.data, "HTTP/1.1 ", 9) == 0)
        a->status = atoi(head.data + 9);
    a->head = strdup(head.data ? head.data : "");
    ch_buf_close(&head);
    return a->status > 0;
}

/* head_only: the reply to HEAD. */
static inline answer wire_answer(int fd, bool head_only)
{
    answer a;
    if (!wire_head(fd, &a))
        return a;
    char *length = answer_header(&a, "Content-Length");
    if (head_only || a.status == 204 || a.status == 100)
        a.whole = true;
    else if (length)
        a.whole = wire_bytes(fd, &a.body, strtoul(length, NULL, 10));
    else if (answer_says(&a, "Transfer-Encoding", "chunked"))
        while (wire_chunk(fd, &a.body, &a.whole))
            continue;
    else
        while (wire_bytes(fd, &a.body, 1))
            continue;
    free(length);
    return a;
}

static inline void answer_close(answer *a)
{
    free(a->head);
    ch_buf_close(&a->body);
}

/* A connection of its own for one request. */
static inline answer wire_ask(const ch_http *h, const char *request)
{
    const int fd = wire_open(h);
    wire_say(fd, request);
    answer a = wire_answer(fd, strncmp(request, "HEAD", 4) == 0);
    close(fd);
    return a;
}

static inline int wire_status(const ch_http *h, const char *request)
{
    answer a = wire_ask(h, request);
    const int status = a.status;
    answer_close(&a);
    return status;
}

/* The server has closed its side. */
static inline bool wire_ends(int fd) { return wire_byte(fd) < 0; }

static inline int count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

/* Waits, two minutes at most, for a condition that comes by itself. */
#define until(condition)                                              \
    do {                                                              \
        for (int n_ = 0; !(condition); n_++) {                        \
            if (n_ == 24000)                                          \
                fail_msg("never: %s", #condition);                    \
            usleep(5000);                                             \
        }                                                             \
    } while (0)

#endif
