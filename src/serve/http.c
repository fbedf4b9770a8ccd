/* http.c - the server: opened, drained, closed
 *
 * Threads: libmicrohttpd's pool reads requests, calls handlers and writes; the watcher
 * (http_watch.c) accepts and notices who leaves.  What they share is drawn in http_in.h.
 * Closing: no new connections; everything that waits is cut (handlers are told), so nothing is
 * suspended; libmicrohttpd ends; the watcher tells the last ones and ends.  An exchange that a
 * handler still holds keeps the memory of the server until it is ended.
 * SPDX-License-Identifier: MIT */
#include "http_in.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { PEM_BYTES = 1 << 20, LOG_MS = 3000 };

/* ---- Opening -------------------------------------------------------------------------------- */

static char *copy(const char *text, bool *ok)
{
    char *t = text ? strdup(text) : NULL;
    *ok = *ok && (t || !text);
    return t;
}

static int take_options(ch_http *h, const ch_http_options *o, ch_err *e)
{
    bool ok = true;
    h->o = *o;
    h->host = copy(o->host ? o->host : "127.0.0.1", &ok);
    h->keys_path = copy(o->keys, &ok);
    h->origins = copy(o->origins, &ok);
    h->log_path = copy(o->log, &ok);
    h->o.log = h->log_path;
    h->o.keys = h->keys_path;
    h->o.threads = o->threads > 0 ? o->threads : 4;
    h->o.connections = o->connections > 0 ? o->connections : 1024;
    h->o.body_bytes = CH_MIN(o->body_bytes ? o->body_bytes : (size_t)32 << 20, (size_t)1 << 40);
    h->o.unsent_bytes = CH_MIN(o->unsent_bytes ? o->unsent_bytes : (size_t)8 << 20,
                               (size_t)1 << 40);
    h->o.idle_s = o->idle_s > 0 ? o->idle_s : 30;
    h->o.body_s = o->body_s > 0 ? o->body_s : 60;
    if (!o->cert != !o->key)
        return ch_fail(e, CH_EARG, "serve: TLS wants a certificate and its key; only the %s is "
                       "named", o->cert ? "certificate" : "key");
    if (getrandom(&h->secret, sizeof h->secret, 0) != sizeof h->secret)
        return ch_fail(e, CH_EIO, "serve: no random numbers: %s", strerror(errno));
    return ok ? CH_OK : ch_fail(e, CH_ENOMEM, "serve: no memory for the server");
}

static int read_pem(ch_buf *b, const char *path, const char *label, const char *what, ch_err *e)
{
    const int rc = ch_io_read_file(b, path, e);
    if (rc < 0 || (b->data && strstr(b->data, label)))
        return rc;
    return ch_fail(e, CH_EFORMAT, "serve: %s: there is no %s in it, in PEM", path, what);
}

static int read_pems(ch_http *h, ch_err *e)
{
    if (!h->o.cert)
        return CH_OK;
    if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
        return ch_fail(e, CH_EUNSUPPORTED, "serve: this libmicrohttpd was built without TLS");
    const int rc = read_pem(&h->cert, h->o.cert, "-----BEGIN CERTIFICATE-----", "certificate", e);
    return rc < 0 ? rc
                  : read_pem(&h->cert_key, h->o.key, "PRIVATE KEY-----", "private key", e);
}

/* What libmicrohttpd says while it starts is the reason why it did not. */
static void complain(void *arg, const char *fmt, va_list list)
{
    ch_http *h = arg;
    if (!atomic_load(&h->started))
        vsnprintf(h->complaint, sizeof h->complaint, fmt, list);
}

static int start(ch_http *h, ch_err *e)
{
    const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
                           MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG |
                           (h->cert.data ? MHD_USE_TLS : 0);
    struct MHD_OptionItem more[4] = {{MHD_OPTION_END, 0, NULL}};
    int n = 0;
    if (h->o.threads > 1)
        more[n++] = (struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE, h->o.threads, NULL};
    if (h->cert.data) {
        more[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, h->cert.data};
        more[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, h->cert_key.data};
    }
    more[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    /* It shares its limit among its threads: the one that holds is ours (http_watch.c). */
    const unsigned most = (unsigned)(h->o.connections + 1) * (unsigned)h->o.threads;
    h->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, ch_http_answer, h, MHD_OPTION_EXTERNAL_LOGGER, complain, h,
        MHD_OPTION_CONNECTION_LIMIT, most, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)h->o.idle_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_URI_LOG_CALLBACK, ch_http_line, h, MHD_OPTION_NOTIFY_COMPLETED,
        ch_http_exchange_completed, h, MHD_OPTION_NOTIFY_CONNECTION, ch_http_connection, h,
        MHD_OPTION_ARRAY, more, MHD_OPTION_END);
    if (!h->daemon && h->cert.data) /* which it does not tell apart */
        return ch_fail(e, CH_EIO,
                       "serve: TLS does not start with %s and %s: they have to be a certificate "
                       "(and what signed it) and its own private key, without a password",
                       h->o.cert, h->o.key);
    if (!h->daemon)
        return ch_fail(e, CH_EIO, "serve: the server did not start%s%s",
                       h->complaint[0] ? ": " : "", h->complaint);
    atomic_store(&h->started, true);
    return CH_OK;
}

/* Signals are for the threads of the program, but those that a thread brings on itself. */
static int start_threads(ch_http *h, ch_err *e)
{
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = start(h, e);
    if (rc == CH_OK)
        rc = ch_http_watch(h, e);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

int ch_http_open(ch_http **out, const ch_http_options *o, ch_err *e)
{
    pthread_condattr_t monotonic;
    ch_http *h = calloc(1, sizeof *h);
    *out = NULL;
    if (!h)
        return ch_fail(e, CH_ENOMEM, "serve: no memory for the server");
    pthread_mutex_init(&h->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&h->less, &monotonic);
    pthread_condattr_destroy(&monotonic);
    ch_buf_init(&h->cert, PEM_BYTES);
    ch_buf_init(&h->cert_key, PEM_BYTES);
    h->telling_end = &h->telling;
    h->listen_fd = -1;
    h->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    h->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc = CH_OK;
    if (h->poll_fd < 0 || h->wake_fd < 0)
        rc = ch_fail(e, CH_EIO, "serve: no descriptors: %s", strerror(errno));
    if (rc == CH_OK)
        rc = take_options(h, o, e);
    if (rc == CH_OK)
        rc = ch_http_log_open(h, e);
    if (rc == CH_OK && h->keys_path)
        rc = ch_http_keys_read(&h->keys, h, e);
    if (rc == CH_OK)
        rc = read_pems(h, e);
    if (rc == CH_OK)
        rc = ch_http_listen(h, e);
    *out = h; /* handlers may ask for its figures as soon as it serves */
    if (rc == CH_OK)
        rc = start_threads(h, e);
    if (rc < 0)
        ch_http_close(out);
    return rc;
}

/* ---- While it runs -------------------------------------------------------------------------- */

int ch_http_port(const ch_http *h) { return h->port; }

int ch_http_keys(ch_http *h, ch_err *e)
{
    http_keys *k;
    if (!h->keys_path)
        return CH_OK;
    const int rc = ch_http_keys_read(&k, h, e);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&h->lock);
    ch_http_keys_drop(h->keys);
    h->keys = k;
    pthread_mutex_unlock(&h->lock);
    return CH_OK;
}

void ch_http_get_stats(ch_http_stats *out, const ch_http *h)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&h->lock; /* it is not changed by it */
    pthread_mutex_lock(lock);
    *out = h->stats;
    pthread_mutex_unlock(lock);
    out->log_lost = h->log ? ch_lines_lost(h->log) : 0;
}

int ch_http_log_again(ch_http *h, ch_err *e)
{
    return h->log ? ch_lines_reopen(h->log, e) : CH_OK;
}

/* ---- Its end -------------------------------------------------------------------------------- */

void ch_http_drain(ch_http *h, int most_ms)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += most_ms / 1000;
    end.tv_nsec += (long)(most_ms % 1000) * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_nsec -= 1000000000;
        end.tv_sec++;
    }
    pthread_mutex_lock(&h->lock);
    h->draining = true;
    ch_http_wake(h);
    while ((h->n_exchanges > 0 || h->listen_fd >= 0) &&
           pthread_cond_timedwait(&h->less, &h->lock, &end) == 0)
        continue;
    pthread_mutex_unlock(&h->lock);
}

/* One that is not gone yet, or NULL. */
static ch_exchange *next_to_cut(ch_http *h, bool first)
{
    pthread_mutex_lock(&h->lock);
    ch_exchange *x = h->exchanges;
    if (first)
        for (ch_exchange *y = x; y; y = y->next)
            y->to_cut = true;
    while (x && !x->to_cut)
        x = x->next;
    if (x) {
        x->to_cut = false;
        x->refs++;
    }
    pthread_mutex_unlock(&h->lock);
    return x;
}

static void cut_all(ch_http *h)
{
    ch_exchange *x;
    atomic_store(&h->closing, true);
    for (bool first = true; (x = next_to_cut(h, first)); first = false) {
        pthread_mutex_lock(&x->lock);
        ch_http_cut(x);
        pthread_mutex_unlock(&x->lock);
        ch_http_exchange_drop(x);
    }
}

void ch_http_free(ch_http *h)
{
    if (h->cert_key.data)
        explicit_bzero(h->cert_key.data, h->cert_key.size);
    ch_buf_close(&h->cert);
    ch_buf_close(&h->cert_key);
    ch_http_keys_drop(h->keys);
    pthread_mutex_destroy(&h->lock);
    pthread_cond_destroy(&h->less);
    if (h->poll_fd >= 0)
        close(h->poll_fd);
    if (h->wake_fd >= 0)
        close(h->wake_fd);
    free(h->host);
    free(h->keys_path);
    free(h->origins);
    free(h->log_path);
    free(h->unix_path);
    free(h);
}

void ch_http_close(ch_http **ph)
{
    ch_http *h = *ph;
    *ph = NULL;
    if (!h)
        return;
    if (h->watched) {
        ch_http_drain(h, 0);
        cut_all(h);
    }
    /* The watcher accepts no more once it has closed the listener; it still tells. */
    pthread_mutex_lock(&h->lock);
    while (h->watched && h->listen_fd >= 0)
        pthread_cond_wait(&h->less, &h->lock);
    pthread_mutex_unlock(&h->lock);
    if (h->daemon)
        MHD_stop_daemon(h->daemon);
    ch_http_unwatch(h);
    ch_http_unlisten(h);
    pthread_mutex_lock(&h->lock);
    h->closed = true;
    while (h->logging)
        pthread_cond_wait(&h->less, &h->lock);
    ch_lines *log = h->log;
    const bool last = h->n_exchanges == 0;
    pthread_mutex_unlock(&h->lock);
    if (last)
        ch_http_free(h);
    ch_lines_close(&log, LOG_MS);
}
