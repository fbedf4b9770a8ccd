/* http_in.h - what the files of the server share; no one else includes it
 *
 * An exchange has two owners, and is freed when both are through with it:
 *
 *   the wire (libmicrohttpd's thread of the connection)      the handler's side (any thread)
 *
 *     HEAD --headers--> BODY --all of it--> CALLED             NONE --the handler is called--> OWES
 *       CALLED: suspended <--> running                         OWES --reply--> DONE
 *       any --NOTIFY_COMPLETED--> over                         OWES --begin--> SENDS --end--> DONE
 *
 * - The wire is suspended only by its own thread, under x->lock, when there is nothing to write
 *   and neither `gone` nor DONE; whoever changes that (reply, begin, send, end, cut) sees
 *   `suspended` under the same lock, clears it and resumes: once a suspension.  A response is
 *   queued by the wire's thread alone, in the call that follows a resumption.
 * - `gone`: the client went away, was too slow or the server closes, before DONE.  It never goes
 *   back.  The wire then ends as soon as it runs; the handler's side still ends the exchange.
 * - Who notices it puts the exchange into h->telling; the watcher calls the handler's gone_fn from
 *   there, once, without any lock.  reply and end take gone_fn away, or wait for its call to
 *   return, so it never runs after them.
 *
 * Locks: x->lock before h->lock; under h->lock nothing else is locked or called.  Under x->lock
 * libmicrohttpd's suspend and resume may be called, which lock only what is its own.
 * Counts (refs), lists, keys and figures are under h->lock.  SPDX-License-Identifier: MIT */
#ifndef CH_HTTP_IN_H
#define CH_HTTP_IN_H

#include "exchange.h"
#include "lines.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    HTTP_HEADER_BYTES = 16 << 10, /* of a request line and its headers: above it 431 */
    HTTP_MEMORY = 40 << 10,       /* libmicrohttpd's of a connection: those, and as much again */
    HTTP_ID = 72,
    HTTP_NOTES = 24,
    HTTP_LOG_PATH = 1024 /* more is not logged: a line is mostly one write to a pipe */
};

/* Names and values, "name\0value\0...", found by walking: a request has few. */
typedef ch_buf http_pairs;
bool ch_http_pair_put(http_pairs *p, const char *name, const char *value, size_t n);
const char *ch_http_pair(const http_pairs *p, const char *name, bool any_case);

typedef struct http_key {
    ch_hash128 hash; /* by h->secret */
    char *name;
    ch_client client;
} http_key;

typedef struct http_keys {
    int refs, n;
    http_key key[];
} http_keys;

/* A connection, from its beginning to its end. */
typedef struct http_conn {
    struct http_conn *next, *prev;
    int fd;
    bool hup;           /* the client has closed its side */
    uint64_t until_ns;  /* it is closed then; 0: never, a handler has it */
    ch_exchange *x;     /* that is on it now, or NULL */
} http_conn;

enum { APP_NONE, APP_OWES, APP_SENDS, APP_DONE };
enum { WIRE_HEAD, WIRE_BODY, WIRE_CALLED };

struct ch_exchange {
    ch_http *h;
    struct MHD_Connection *wire; /* of its thread, and while suspended */

    /* Fixed once the headers have been read. */
    char id[HTTP_ID];
    char *method, *path, *segment;
    http_pairs headers, query;
    const ch_http_route *route;
    http_keys *keys;   /* that client is of */
    const ch_client *client;
    uint64_t began_ns;
    bool late; /* the request line came when the server was draining */

    /* Of the wire's thread, and of the handler's once it is called. */
    int stage;
    ch_buf body;
    bool answered_early; /* past libmicrohttpd: what still comes is thrown away */

    pthread_mutex_t lock; /* over what follows */
    pthread_cond_t told;  /* gone_fn has returned */
    int app;
    bool ready;     /* a reply, or the beginning of one, is to be queued */
    bool streams;   /* begin, not reply */
    bool suspended, over, gone, later;
    http_pairs reply_headers;
    int status;
    char *type;
    ch_buf out;     /* the reply, or what of it has not been taken */
    size_t out_at;
    int writes;     /* by send, up to those that are not held */
    uint64_t woken_ns;
    uint64_t bytes_in, bytes_out;
    ch_gone_fn *gone_fn;
    void *gone_arg;
    bool told_gone, telling;
    pthread_t teller;
    int n_notes;
    struct http_note {
        char name[32];
        double value;
    } notes[HTTP_NOTES];

    /* Under h->lock. */
    ch_exchange *next, *prev, *next_told, *next_held;
    http_conn *conn; /* NULL: over */
    int refs;
    bool busy;       /* admitted, and not DONE */
    bool queued;     /* in h->telling */
    bool held;       /* in h->held */
    bool to_cut;     /* by ch_http_close */
};

struct ch_http {
    ch_http_options o; /* with the defaults put in; strings are its own */
    char *host, *keys_path, *origins, *unix_path, *log_path;
    ch_buf cert, cert_key;
    struct MHD_Daemon *daemon;
    int listen_fd, poll_fd, wake_fd, port;
    bool loopback, paused; /* paused: there are as many connections as may be */
    pthread_t watcher;
    bool watched;
    ch_lines *log; /* NULL: none */
    ch_hash128 secret;
    char complaint[200]; /* libmicrohttpd's, while it starts */
    atomic_bool started;
    atomic_bool closing; /* nothing is suspended any more */

    pthread_mutex_t lock; /* over what follows */
    pthread_cond_t less;  /* an exchange has ended, or the listener */
    bool draining, stop, closed;
    http_conn *conns;
    ch_exchange *exchanges, *telling, **telling_end;
    ch_exchange *held; /* streams that have more to send, all at held_until_ns */
    uint64_t held_until_ns;
    int n_exchanges, logging;
    uint64_t last_id;
    http_keys *keys;
    ch_http_stats stats;
};

/* http_request.c */
enum MHD_Result ch_http_answer(void *arg, struct MHD_Connection *c, const char *url,
                               const char *method, const char *version, const char *upload,
                               size_t *n_upload, void **state);
void *ch_http_line(void *arg, const char *uri, struct MHD_Connection *c);

/* http_exchange.c */
ch_exchange *ch_http_exchange_open(ch_http *h, struct MHD_Connection *c, const char *uri);
void ch_http_exchange_drop(ch_exchange *x); /* one of its refs */
void ch_http_exchange_completed(void *arg, struct MHD_Connection *c, void **state,
                                enum MHD_RequestTerminationCode why);
void ch_http_cut(ch_exchange *x); /* gone, with x->lock */
/* Of a route: what {id} stands for in path ("" without one), to be freed; NULL: another path. */
char *ch_http_match(const char *route, const char *path);

/* http_reply.c: all with x->lock */
void ch_http_set_reply(ch_exchange *x, int status, const char *type, const void *body, size_t n);
void ch_http_set_refusal(ch_exchange *x, const ch_refusal *r, int retry_ms);
struct MHD_Response *ch_http_response(ch_exchange *x);
void ch_http_send_raw(ch_exchange *x, int fd);

/* http_gather.c */
void ch_http_resume(ch_exchange *x);       /* with x->lock */
void ch_http_resume_soon(ch_exchange *x);  /* with x->lock: together with others */
int ch_http_held_ms(const ch_http *h);     /* with h->lock: until then; -1: nothing is held */
void ch_http_release_held(ch_http *h);     /* what is due; when it stops, all */

/* http_watch.c */
void ch_http_limit(http_conn *c, int s); /* it is closed in s seconds; with h->lock */
int ch_http_watch(ch_http *h, ch_err *e); /* starts the watcher */
void ch_http_unwatch(ch_http *h); /* it calls what is left to be told, and ends */
void ch_http_wake(ch_http *h);
void ch_http_tell(ch_exchange *x); /* with x->lock: gone_fn is to be called */
void ch_http_connection(void *arg, struct MHD_Connection *c, void **state,
                        enum MHD_ConnectionNotificationCode what);

/* http_keys.c */
int ch_http_keys_read(http_keys **out, const ch_http *h, ch_err *e);
void ch_http_keys_drop(http_keys *k); /* with h->lock, or alone */
/* Who sent these headers; NULL: nobody of the file. */
const ch_client *ch_http_who(const http_keys *k, ch_hash128 secret, const http_pairs *headers);

/* http_cors.c */
bool ch_http_host_is_ours(const ch_http *h, const char *host);
bool ch_http_origin_may(const ch_http *h, const char *origin, const char *host);
void ch_http_cors_headers(ch_exchange *x);
void ch_http_preflight(ch_exchange *x, const char *methods); /* replies */

/* http.c */
void ch_http_free(ch_http *h);

/* http_listen.c */
int ch_http_listen(ch_http *h, ch_err *e);
void ch_http_unlisten(ch_http *h); /* of the watcher, or when there is none */

/* http_log.c */
int ch_http_log_open(ch_http *h, ch_err *e);
void ch_http_log(const ch_exchange *x, int status);
void ch_http_warn(const ch_http *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
