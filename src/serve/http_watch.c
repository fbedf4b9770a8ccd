/* http_watch.c - one thread that accepts, notices who leaves or dawdles, and tells handlers
 *
 * libmicrohttpd does not look at a suspended connection, so this epoll set holds every one with
 * EPOLLRDHUP, edge by edge: a client that closes its side has left, whatever is being done for it.
 * Connections are also accepted here and handed over: the library's own way of ending that
 * (MHD_quiesce_daemon, 0.9.75) takes the listener out of its workers' epoll sets while they may do
 * the same, and stops the process if they were first.  SPDX-License-Identifier: MIT */
#include "http_in.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 64, TICK_MS = 250, PAUSE_MS = 20, HUP_MS = 500 };

void ch_http_wake(ch_http *h)
{
    const uint64_t one = 1;
    const ssize_t n = write(h->wake_fd, &one, sizeof one);
    (void)n; /* a full counter wakes, too */
}

/* ---- Who is to be told ---------------------------------------------------------------------- */

void ch_http_tell(ch_exchange *x)
{
    ch_http *h = x->h;
    pthread_mutex_lock(&h->lock);
    if (!x->queued) {
        x->queued = true;
        x->refs++;
        x->next_told = NULL;
        *h->telling_end = x;
        h->telling_end = &x->next_told;
    }
    pthread_mutex_unlock(&h->lock);
    ch_http_wake(h);
}

static void tell(ch_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    ch_gone_fn *fn = x->app == APP_DONE || x->told_gone ? NULL : x->gone_fn;
    void *arg = x->gone_arg;
    if (fn) {
        x->told_gone = x->telling = true;
        x->teller = pthread_self();
        pthread_mutex_unlock(&x->lock);
        fn(arg);
        pthread_mutex_lock(&x->lock);
        x->telling = false;
        pthread_cond_broadcast(&x->told);
    }
    pthread_mutex_unlock(&x->lock);
    ch_http_exchange_drop(x);
}

static void tell_all(ch_http *h)
{
    for (;;) {
        pthread_mutex_lock(&h->lock);
        ch_exchange *x = h->telling;
        if (x) {
            h->telling = x->next_told;
            if (!h->telling)
                h->telling_end = &h->telling;
            x->queued = false;
        }
        pthread_mutex_unlock(&h->lock);
        if (!x)
            return;
        tell(x);
    }
}

/* ---- Connections ---------------------------------------------------------------------------- */

static void watch(const ch_http *h, int op, int fd, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.fd = fd};
    epoll_ctl(h->poll_fd, op, fd, &ev); /* failing: leaving is noticed when something is sent */
}

/* One that nothing more can come from goes soon: libmicrohttpd 0.9.75 overlooks an end that comes
 * along with the last bytes, and would wait for more. */
void ch_http_limit(http_conn *c, int s)
{
    const uint64_t ms = c->hup ? HUP_MS : (uint64_t)s * 1000;
    c->until_ns = ch_clock_ns() + ms * 1000000;
}

void ch_http_connection(void *arg, struct MHD_Connection *c, void **state,
                        enum MHD_ConnectionNotificationCode what)
{
    ch_http *h = arg;
    http_conn *conn = *state;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        conn = calloc(1, sizeof *conn);
        *state = conn;
        if (!conn)
            return; /* its requests are refused */
        conn->fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        ch_http_limit(conn, h->o.idle_s);
        pthread_mutex_lock(&h->lock);
        conn->next = h->conns;
        if (conn->next)
            conn->next->prev = conn;
        h->conns = conn;
        pthread_mutex_unlock(&h->lock);
        watch(h, EPOLL_CTL_ADD, conn->fd, EPOLLRDHUP | EPOLLET);
        return;
    }
    pthread_mutex_lock(&h->lock);
    h->stats.open--;
    if (conn) {
        if (conn->next)
            conn->next->prev = conn->prev;
        if (conn->prev)
            conn->prev->next = conn->next;
        else
            h->conns = conn->next;
        epoll_ctl(h->poll_fd, EPOLL_CTL_DEL, conn->fd, NULL); /* before the number is another's */
    }
    pthread_mutex_unlock(&h->lock);
    free(conn);
    *state = NULL;
}

/* The event may be about an earlier connection of that number: the socket is asked again. */
static void left(ch_http *h, int fd)
{
    ch_exchange *x = NULL;
    struct pollfd now = {.fd = fd, .events = POLLRDHUP};
    pthread_mutex_lock(&h->lock);
    http_conn *c = h->conns;
    while (c && c->fd != fd)
        c = c->next;
    if (c && poll(&now, 1, 0) == 1) {
        c->hup = true;
        if (c->until_ns)
            ch_http_limit(c, 0);
        x = c->x;
        if (x)
            x->refs++;
    }
    pthread_mutex_unlock(&h->lock);
    if (!x)
        return;
    pthread_mutex_lock(&x->lock);
    ch_http_cut(x);
    pthread_mutex_unlock(&x->lock);
    ch_http_exchange_drop(x);
}

static void end_late_ones(ch_http *h)
{
    const uint64_t now = ch_clock_ns();
    pthread_mutex_lock(&h->lock);
    for (http_conn *c = h->conns; c; c = c->next)
        if (c->until_ns && now > c->until_ns) {
            c->until_ns = 0;
            shutdown(c->fd, SHUT_RDWR);
        }
    pthread_mutex_unlock(&h->lock);
}

/* ---- The listener --------------------------------------------------------------------------- */

/* Takes who waits, as many as there is room for. */
static void accept_all(ch_http *h)
{
    for (;;) {
        struct sockaddr_storage from;
        socklen_t n = sizeof from;
        pthread_mutex_lock(&h->lock);
        h->paused = h->stats.open >= h->o.connections;
        pthread_mutex_unlock(&h->lock);
        if (h->paused)
            break;
        const int fd = accept4(h->listen_fd, (struct sockaddr *)&from, &n,
                               SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        h->paused = fd < 0 && errno != EAGAIN && errno != EWOULDBLOCK; /* no descriptors */
        if (fd < 0)
            break;
        pthread_mutex_lock(&h->lock);
        h->stats.open++;
        pthread_mutex_unlock(&h->lock);
        if (MHD_add_connection(h->daemon, fd, (struct sockaddr *)&from, n) != MHD_YES) {
            pthread_mutex_lock(&h->lock);
            h->stats.open--;
            pthread_mutex_unlock(&h->lock);
        }
    }
    watch(h, EPOLL_CTL_MOD, h->listen_fd, h->paused ? 0 : EPOLLIN);
}

static int next_ms(ch_http *h)
{
    pthread_mutex_lock(&h->lock);
    const int ms = h->paused ? PAUSE_MS : h->stats.open ? TICK_MS : -1, held = ch_http_held_ms(h);
    pthread_mutex_unlock(&h->lock);
    return held >= 0 ? held : ms;
}

static void *run(void *arg)
{
    ch_http *h = arg;
    struct epoll_event events[EVENTS];
    for (bool stop = false; !stop;) {
        const int n = epoll_wait(h->poll_fd, events, EVENTS, next_ms(h));
        bool knock = h->paused;
        for (int i = 0; i < n; i++) {
            const int fd = events[i].data.fd;
            uint64_t count;
            if (fd == h->wake_fd)
                (void)!read(fd, &count, sizeof count);
            else if (fd == h->listen_fd)
                knock = true;
            else
                left(h, fd);
        }
        pthread_mutex_lock(&h->lock);
        const bool draining = h->draining;
        stop = h->stop;
        pthread_mutex_unlock(&h->lock);
        if (h->listen_fd >= 0 && (knock || draining))
            accept_all(h);
        if (h->listen_fd >= 0 && draining)
            ch_http_unlisten(h);
        ch_http_release_held(h);
        end_late_ones(h);
        tell_all(h);
    }
    return NULL;
}

int ch_http_watch(ch_http *h, ch_err *e)
{
    watch(h, EPOLL_CTL_ADD, h->wake_fd, EPOLLIN);
    watch(h, EPOLL_CTL_ADD, h->listen_fd, EPOLLIN);
    h->watched = pthread_create(&h->watcher, NULL, run, h) == 0;
    return h->watched ? CH_OK : ch_fail(e, CH_ENOMEM, "serve: the thread that accepts did not "
                                                      "start");
}

void ch_http_unwatch(ch_http *h)
{
    if (!h->watched)
        return;
    pthread_mutex_lock(&h->lock);
    h->draining = h->stop = true;
    pthread_mutex_unlock(&h->lock);
    ch_http_wake(h);
    pthread_join(h->watcher, NULL);
    h->watched = false;
    ch_http_release_held(h);
    tell_all(h);
}
