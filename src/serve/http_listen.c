/* http_listen.c - where the server listens: an address and port, or a Unix socket
 *
 * A Unix socket that nobody listens on any more is replaced; another file, or a socket that is in
 * use, is not.  SPDX-License-Identifier: MIT */
#include "http_in.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static int fail(const ch_http *h, const char *what, ch_err *e)
{
    return ch_fail(e, CH_EIO, "serve: %s cannot be %s: %s", h->host, what, strerror(errno));
}

/* ---- Unix sockets --------------------------------------------------------------------------- */

static int remove_stale(const ch_http *h, const struct sockaddr_un *at, ch_err *e)
{
    struct stat s;
    if (lstat(at->sun_path, &s) != 0)
        return CH_OK;
    if (!S_ISSOCK(s.st_mode))
        return ch_fail(e, CH_EARG, "serve: %s is there, and no socket", at->sun_path);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(h, "listened on", e);
    const bool used = connect(fd, (const struct sockaddr *)at, sizeof *at) == 0 || errno == EAGAIN;
    close(fd);
    if (used)
        return ch_fail(e, CH_EARG, "serve: another program listens on %s", at->sun_path);
    return unlink(at->sun_path) == 0 ? CH_OK : fail(h, "replaced", e);
}

static int listen_unix(ch_http *h, ch_err *e)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    const char *path = h->host + strlen("unix:");
    const size_t n = strlen(path);
    if (n == 0 || n >= sizeof at.sun_path)
        return ch_fail(e, CH_EARG, "serve: the path of a Unix socket has %zu bytes; allowed are 1 "
                       "to %zu", n, sizeof at.sun_path - 1);
    memcpy(at.sun_path, path, n);
    const int rc = remove_stale(h, &at, e);
    if (rc < 0)
        return rc;
    h->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (h->listen_fd < 0 || bind(h->listen_fd, (const struct sockaddr *)&at, sizeof at) != 0)
        return fail(h, "listened on", e);
    h->unix_path = strdup(path);
    h->loopback = true;
    /* Who may write to it may ask: its owner and group, before it can be connected to. */
    if (chmod(path, 0660) != 0 || listen(h->listen_fd, BACKLOG) != 0)
        return fail(h, "listened on", e);
    return h->unix_path ? CH_OK : ch_fail(e, CH_ENOMEM, "serve: no memory for the server");
}

/* ---- Addresses ------------------------------------------------------------------------------ */

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
    return a->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

static int bound_port(int fd)
{
    struct sockaddr_storage a = {0};
    socklen_t n = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &n) != 0)
        return 0;
    return ntohs(a.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)&a)->sin6_port
                                         : ((const struct sockaddr_in *)&a)->sin_port);
}

static int listen_at(ch_http *h, const struct addrinfo *a, ch_err *e)
{
    const int yes = 1, no = 0;
    h->loopback = is_loopback(a->ai_addr);
    if (!h->loopback && !h->o.keys && !h->o.allow_open)
        return ch_fail(e, CH_EARG, "serve: %s can be reached from other computers, and there are "
                       "no keys; name a file of keys, or allow an open server", h->host);
    h->listen_fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (h->listen_fd < 0)
        return fail(h, "listened on", e);
    setsockopt(h->listen_fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (a->ai_family == AF_INET6)
        setsockopt(h->listen_fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    if (bind(h->listen_fd, a->ai_addr, a->ai_addrlen) != 0 || listen(h->listen_fd, BACKLOG) != 0)
        return ch_fail(e, CH_EIO, "serve: port %d of %s cannot be listened on: %s", h->o.port,
                       h->host, strerror(errno));
    h->port = bound_port(h->listen_fd);
    return CH_OK;
}

int ch_http_listen(ch_http *h, ch_err *e)
{
    struct addrinfo *found = NULL;
    /* "localhost" has two addresses; what is written as 127.0.0.1 elsewhere has to work */
    const struct addrinfo want = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                  .ai_family = strcmp(h->host, "localhost") ? AF_UNSPEC : AF_INET,
                                  .ai_socktype = SOCK_STREAM};
    char port[16], name[256];
    if (strncmp(h->host, "unix:", 5) == 0)
        return listen_unix(h, e);
    if (h->o.port < 0 || h->o.port > 65535)
        return ch_fail(e, CH_EARG, "serve: port %d; allowed are 0 (any free one) to 65535",
                       h->o.port);
    const size_t n = strlen(h->host), cut = n > 1 && h->host[0] == '['; /* "[::1]" */
    snprintf(name, sizeof name, "%.*s", (int)(n - 2 * cut), h->host + cut);
    snprintf(port, sizeof port, "%d", h->o.port);
    const int why = getaddrinfo(name, port, &want, &found);
    if (why)
        return ch_fail(e, CH_EARG, "serve: \"%s\" is no address of this computer: %s", h->host,
                       gai_strerror(why));
    const int rc = listen_at(h, found, e);
    freeaddrinfo(found);
    return rc;
}

void ch_http_unlisten(ch_http *h)
{
    if (h->listen_fd < 0)
        return;
    if (h->unix_path)
        unlink(h->unix_path);
    pthread_mutex_lock(&h->lock);
    close(h->listen_fd);
    h->listen_fd = -1;
    pthread_cond_broadcast(&h->less);
    pthread_mutex_unlock(&h->lock);
}
