/* exchange.h - HTTP as handlers see it: a request, and a reply that may take its time
 *
 *     static void hello(ch_exchange *x, void *arg)
 *     {
 *         ch_exchange_reply(x, 200, "text/plain", "hello\n", 6);
 *     }
 *
 * libmicrohttpd is behind this and nowhere else.  A handler is called with the whole body, on one
 * of the server's threads, and returns soon; it replies then or later, from any thread, at once or
 * piece by piece.  Every exchange is ended by exactly one of reply (json, refuse) and end, also
 * when its client went away, which `gone` is told within a second also while nothing is sent.
 * SPDX-License-Identifier: MIT */
#ifndef CH_EXCHANGE_H
#define CH_EXCHANGE_H

#include "ask.h"

typedef struct ch_exchange ch_exchange;
typedef struct ch_http ch_http;
typedef void ch_handler(ch_exchange *x, void *arg);

/* Who asks: a line of the key file, or nobody where no keys are wanted. */
typedef struct ch_client {
    const char *name; /* of the key, for logs; never the key.  "" without keys */
    uint64_t user, salt; /* for ch_request */
    int most_at_once; /* requests; 0: no limit of its own */
} ch_client;

typedef struct ch_http_route {
    const char *method, *path; /* "GET", "/v1/models/{id}": {id} takes one segment */
    ch_handler *handle;
    bool open;                 /* no key is wanted */
    bool quiet;                /* polled: no line in the log while all is well (2xx) */
} ch_http_route;

typedef struct ch_http_options {
    const char *host;        /* "127.0.0.1"; "unix:/path" */
    int port;                /* 0: any free one */
    const char *keys;        /* file: a line a key: NAME KEY [AT_ONCE]; NULL: none */
    bool allow_open;         /* another host than a loopback one without keys */
    const char *cert, *key;  /* PEM files: TLS */
    const char *origins;     /* of CORS: "*" or "https://a.example, ..."; NULL: localhost's */
    int threads;             /* that read requests; 0: 4 */
    int connections;         /* 0: 1024 */
    size_t body_bytes;       /* 0: 32 MiB */
    size_t unsent_bytes;     /* of one stream: beyond, its client is too slow, and gone; 0: 8 MiB */
    int gather_ms;           /* what a stream sends within it goes out together; 0: at once */
    int idle_s;              /* without a byte from the client, or a first line; 0: 30 */
    int body_s;              /* for a whole request from its first line on; 0: 60 */
    int log_fd;              /* JSON lines; -1: none.  It stays the caller's */
    const char *log;         /* instead: a file that they are appended to; NULL: none */
    size_t log_bytes;        /* of lines that wait: what comes beyond is lost; 0: 1 MiB */
    const ch_http_route *routes; /* ends with method NULL; borrowed until close */
    void *arg;               /* of handlers */
} ch_http_options;

int ch_http_open(ch_http **out, const ch_http_options *o, ch_err *e); /* listens and serves */
int ch_http_port(const ch_http *h);
/* Reads the keys again; on failure those that were stay. */
int ch_http_keys(ch_http *h, ch_err *e);
/* The log's file is opened anew, after somebody has moved it. */
int ch_http_log_again(ch_http *h, ch_err *e);
/* No new connections; those that are open may end their exchanges, for most_ms (new ones are
 * refused: 503).  Not for handlers. */
void ch_http_drain(ch_http *h, int most_ms);
/* Cuts off what is left, and tells its handlers.  What they still hold has to be ended by them, and
 * may be after this. */
void ch_http_close(ch_http **h);

typedef struct ch_http_stats {
    uint64_t requests, by_status[6]; /* [2]: 2xx ...; [0]: left before there was one */
    uint64_t gone, slow; /* clients that left before the end; that did not read */
    uint64_t bytes_in, bytes_out; /* of bodies, of exchanges that have ended */
    uint64_t log_lost; /* lines */
    uint64_t held;  /* bytes of bodies, in memory now */
    int open, busy; /* connections; exchanges */
} ch_http_stats;
void ch_http_get_stats(ch_http_stats *out, const ch_http *h);

/* ---- What a handler may ask ---- */

const char *ch_exchange_method(const ch_exchange *x);
const char *ch_exchange_path(const ch_exchange *x); /* as it was sent, without the query */
const char *ch_exchange_segment(const ch_exchange *x); /* what {id} stood for, decoded, or "" */
const char *ch_exchange_query(const ch_exchange *x, const char *name); /* or NULL */
const char *ch_exchange_header(const ch_exchange *x, const char *name); /* or NULL */
const char *ch_exchange_body(const ch_exchange *x, size_t *n); /* NUL behind it */
/* "req_...", or what the client said: also in the log and x-request-id. */
const char *ch_exchange_id(const ch_exchange *x);
const ch_client *ch_exchange_client(const ch_exchange *x);
bool ch_exchange_wants_anthropic(const ch_exchange *x); /* for errors: by path and headers */

/* ---- How it replies ---- */

/* Copied; the first of a name counts, and is put before those of the server. */
void ch_exchange_set_header(ch_exchange *x, const char *name, const char *value);
/* x is not used after one of these three. */
void ch_exchange_reply(ch_exchange *x, int status, const char *type, const void *body, size_t n);
void ch_exchange_json(ch_exchange *x, int status, json_t *v); /* takes v */
/* retry_ms > 0: Retry-After (seconds, rounded up) and retry-after-ms. */
void ch_exchange_refuse(ch_exchange *x, const ch_refusal *r, int retry_ms);

/* Not yet: the handler returns, and others reply.  gone (may be NULL) is called once if the client
 * goes away first: on a thread of the server, soon to return, never after reply or end have
 * returned (they wait for it: hold no lock around them that gone takes).  It is news, not the end:
 * x stays until reply or end, which may be called within gone. */
typedef void ch_gone_fn(void *arg);
void ch_exchange_later(ch_exchange *x, ch_gone_fn *gone, void *arg);
/* 200 and the headers, then pieces as they come.  False: the client is gone, or too slow; nothing
 * more is taken, but end must still be called. */
bool ch_exchange_begin(ch_exchange *x, const char *type);
bool ch_exchange_send(ch_exchange *x, const void *bytes, size_t n);
void ch_exchange_end(ch_exchange *x); /* x is not used after it */
/* For the log: a number of this exchange. */
void ch_exchange_note(ch_exchange *x, const char *name, double value);

#endif
