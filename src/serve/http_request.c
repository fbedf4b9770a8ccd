/* http_request.c - a request on its way in: let in or refused, its body, the call of its handler
 *
 * libmicrohttpd calls for the headers, for each piece of the body, when all is there, and again
 * after each suspension.  What is refused by its headers is answered when the body has passed by
 * (clients read no reply while they write), unless that is too long: then the reply is written
 * past libmicrohttpd, which cannot reply in the middle of a body, and as much again is read and
 * thrown away, so that closing does not take the reply back.  With TLS such a connection is just
 * closed; where the client waits to be asked for the body (100-continue) or says its length, it
 * is answered at once.  SPDX-License-Identifier: MIT */
#include "http_in.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum { BODIES = 16 /* times body_bytes: all bodies that are held at once */ };

static void refuse(ch_exchange *x, const ch_refusal *r, int retry_ms)
{
    pthread_mutex_lock(&x->lock);
    ch_http_set_refusal(x, r, retry_ms);
    pthread_mutex_unlock(&x->lock);
}

/* ---- The headers ---------------------------------------------------------------------------- */

typedef struct framing {
    int lengths, encodings, hosts;
    uint64_t n;
    bool odd; /* an encoding that is not chunked */
    bool full;
    http_pairs *headers;
} framing;

static enum MHD_Result take_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                   size_t n_name, const char *value, size_t n_value)
{
    framing *f = arg;
    (void)kind;
    value = value ? value : "";
    if (memchr(name, '\0', n_name) || memchr(value, '\0', n_value))
        f->odd = true;
    if (strcasecmp(name, "content-length") == 0) {
        f->lengths++;
        f->n = strtoull(value, NULL, 10); /* libmicrohttpd has checked it */
    }
    if (strcasecmp(name, "transfer-encoding") == 0) {
        f->encodings++;
        f->odd = f->odd || strcasecmp(value, "chunked") != 0;
    }
    f->hosts += strcasecmp(name, "host") == 0;
    f->full = f->full || !ch_http_pair_put(f->headers, name, value, n_value);
    return f->full ? MHD_NO : MHD_YES;
}

/* A client's own id is taken over where it can stand in a log. */
static void take_id(ch_exchange *x)
{
    const char *id = ch_http_pair(&x->headers, "x-request-id", true);
    const size_t n = id ? strlen(id) : 0;
    if (n == 0 || n >= sizeof x->id)
        return;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)id[i]) && !strchr("._-", id[i]))
            return;
    memcpy(x->id, id, n + 1);
}

/* Headers that two readers may understand differently, and too many of them. */
static bool is_sound(ch_exchange *x, struct MHD_Connection *c, const framing *f)
{
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    ch_refusal r;
    if (f->full || (size && size->header_size > HTTP_HEADER_BYTES))
        ch_refuse(&r, CH_REFUSED_HEADERS, NULL, "the headers are longer than %d bytes",
                  HTTP_HEADER_BYTES);
    else if (f->odd || f->lengths + f->encodings > 1 || f->hosts > 1)
        ch_refuse(&r, CH_REFUSED_INVALID, NULL, "the length of the body or the host is not clear: "
                  "%d Content-Length, %d Transfer-Encoding (allowed: chunked), %d Host", f->lengths,
                  f->encodings, f->hosts);
    else
        return true;
    refuse(x, &r, 0);
    return false;
}

static bool is_from_here(ch_exchange *x)
{
    const char *host = ch_http_pair(&x->headers, "host", true);
    const char *origin = ch_http_pair(&x->headers, "origin", true);
    ch_refusal r;
    if (host && !ch_http_host_is_ours(x->h, host))
        ch_refuse(&r, CH_REFUSED_FORBIDDEN, NULL, "\"%.100s\" is not a name of this computer; "
                  "behind a proxy, list its origin as an allowed one", host);
    else if (origin && !ch_http_origin_may(x->h, origin, host))
        ch_refuse(&r, CH_REFUSED_FORBIDDEN, NULL, "pages of \"%.100s\" may not ask here; list the "
                  "origin as an allowed one", origin);
    else
        return true;
    refuse(x, &r, 0);
    return false;
}

static bool is_method(const ch_http_route *r, const char *method)
{
    return strcmp(r->method, method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(r->method, "GET") == 0);
}

/* Finds x->route; methods: what the path knows, for Allow. */
static bool find_route(ch_exchange *x, ch_buf *methods)
{
    bool known = false;
    for (const ch_http_route *r = x->h->o.routes; r && r->method; r++) {
        char *segment = ch_http_match(r->path, x->path);
        if (!segment)
            continue;
        known = true;
        ch_buf_printf(methods, "%s%s, ", r->method, strcmp(r->method, "GET") ? "" : ", HEAD");
        if (!x->route && is_method(r, x->method)) {
            x->route = r;
            x->segment = segment;
        } else {
            free(segment);
        }
    }
    ch_buf_str(methods, "OPTIONS");
    return known;
}

/* Sets x->route, or replies. */
static bool is_routed(ch_exchange *x)
{
    ch_buf methods;
    ch_refusal r;
    ch_buf_init(&methods, 1024);
    const bool known = find_route(x, &methods);
    const char *list = methods.failed ? "" : methods.data;
    if (!known) {
        ch_refuse(&r, CH_REFUSED_NOT_FOUND, NULL, "there is no %.200s here", x->path);
        refuse(x, &r, 0);
    } else if (!x->route) {
        ch_exchange_set_header(x, "Allow", list);
        if (strcmp(x->method, "OPTIONS") == 0) {
            ch_http_preflight(x, list);
        } else {
            ch_refuse(&r, CH_REFUSED_METHOD, NULL, "%.200s takes %s, not %.20s", x->path, list,
                      x->method);
            refuse(x, &r, 0);
        }
    }
    ch_buf_close(&methods);
    return known && x->route;
}

static bool is_known(ch_exchange *x)
{
    ch_http *h = x->h;
    pthread_mutex_lock(&h->lock);
    x->keys = h->keys;
    if (x->keys)
        x->keys->refs++;
    pthread_mutex_unlock(&h->lock);
    const ch_client *who = x->keys ? ch_http_who(x->keys, h->secret, &x->headers) : NULL;
    if (who)
        x->client = who;
    if (who || !x->keys || x->route->open)
        return true;
    ch_refusal r;
    ch_refuse(&r, CH_REFUSED_KEY, NULL, "a key is wanted that is known here, as \"Authorization: "
              "Bearer KEY\" or \"x-api-key: KEY\"");
    r.code = "invalid_api_key";
    ch_exchange_set_header(x, "WWW-Authenticate", "Bearer");
    refuse(x, &r, 0);
    return false;
}

static bool is_short(ch_exchange *x, uint64_t n)
{
    ch_refusal r;
    if (n <= x->h->o.body_bytes)
        return true;
    ch_refuse(&r, CH_REFUSED_TOO_LARGE, NULL, "the body is longer than %zu bytes",
              x->h->o.body_bytes);
    refuse(x, &r, 0);
    return false;
}

/* Replies in the middle of a request.  MHD_NO: the connection cannot be kept. */
static enum MHD_Result reply_early(ch_exchange *x)
{
    if (x->h->cert.data)
        return MHD_NO;
    pthread_mutex_lock(&x->lock);
    pthread_mutex_lock(&x->h->lock);
    const int fd = x->conn->fd;
    pthread_mutex_unlock(&x->h->lock);
    ch_http_send_raw(x, fd);
    shutdown(fd, SHUT_WR);
    x->answered_early = true;
    pthread_mutex_unlock(&x->lock);
    return MHD_YES;
}

static enum MHD_Result settle(ch_exchange *x, struct MHD_Connection *c);

/* The first call: x->ready if the reply is known by the headers. */
static enum MHD_Result read_head(ch_exchange *x, struct MHD_Connection *c, const char *method)
{
    framing f = {.headers = &x->headers};
    x->stage = WIRE_BODY;
    x->method = strdup(method);
    if (!x->method)
        return MHD_NO;
    MHD_get_connection_values_n(c, MHD_HEADER_KIND, take_header, &f);
    take_id(x);
    const bool sound = is_sound(x, c, &f);
    if (sound && is_from_here(x)) {
        ch_http_cors_headers(x);
        (void)(is_routed(x) && is_known(x) && is_short(x, f.n));
    }
    if (!x->ready)
        return MHD_YES;
    const bool asks = ch_http_pair(&x->headers, "expect", true);
    if (!sound || asks || (f.n > x->h->o.body_bytes && x->h->cert.data))
        return settle(x, c);
    return f.n > x->h->o.body_bytes ? reply_early(x) : MHD_YES;
}

/* ---- The body ------------------------------------------------------------------------------- */

/* False: it does not go in with all the others. */
static bool hold(ch_http *h, size_t n)
{
    pthread_mutex_lock(&h->lock);
    const bool fits = n <= BODIES * h->o.body_bytes - h->stats.held;
    if (fits)
        h->stats.held += n;
    pthread_mutex_unlock(&h->lock);
    return fits;
}

/* Forgets the body, and `more` bytes that did not get into it. */
static void unhold(ch_exchange *x, size_t more)
{
    pthread_mutex_lock(&x->h->lock);
    x->h->stats.held -= x->body.size + more;
    pthread_mutex_unlock(&x->h->lock);
    ch_buf_close(&x->body);
    ch_buf_init(&x->body, x->h->o.body_bytes);
}

static enum MHD_Result read_body(ch_exchange *x, const char *bytes, size_t n)
{
    ch_refusal r;
    const size_t most = x->h->o.body_bytes;
    x->bytes_in += n;
    if (!x->ready) {
        if (!is_short(x, x->bytes_in)) {
            unhold(x, 0);
        } else if (!hold(x->h, n)) {
            unhold(x, 0);
            ch_refuse(&r, CH_REFUSED_BUSY, NULL, "too many long bodies arrive at once");
            refuse(x, &r, 1000);
        } else if (!ch_buf_put(&x->body, bytes, n)) {
            unhold(x, n);
            ch_refuse(&r, CH_REFUSED_FAULT, NULL, "no memory for the body");
            refuse(x, &r, 1000);
        }
    }
    if (x->bytes_in <= most)
        return MHD_YES;
    if (!x->answered_early)
        return reply_early(x);
    return x->bytes_in / 2 <= most ? MHD_YES : MHD_NO;
}

/* ---- The call ------------------------------------------------------------------------------- */

/* Is there room for it?  Else replies. */
static bool admit(ch_exchange *x)
{
    ch_http *h = x->h;
    ch_refusal r;
    int busy = 0;
    pthread_mutex_lock(&h->lock);
    if (x->client->most_at_once)
        for (const ch_exchange *y = h->exchanges; y; y = y->next)
            busy += y->busy && y->client->user == x->client->user;
    const bool fits = busy < x->client->most_at_once || !x->client->most_at_once;
    x->busy = fits && !x->late;
    if (x->busy) {
        x->refs++; /* the handler's side */
        x->conn->until_ns = 0;
    }
    pthread_mutex_unlock(&h->lock);
    if (x->busy)
        return true;
    if (x->late)
        ch_refuse(&r, CH_REFUSED_BUSY, NULL, "the server is about to stop");
    else
        ch_refuse(&r, CH_REFUSED_RATE, NULL, "%d requests with this key are being answered; that "
                  "is as many as are allowed at once", busy);
    refuse(x, &r, 1000);
    return false;
}

static void call_handler(ch_exchange *x)
{
    ch_http *h = x->h;
    pthread_mutex_lock(&x->lock);
    x->app = APP_OWES;
    pthread_mutex_unlock(&x->lock);
    x->route->handle(x, h->o.arg);
    pthread_mutex_lock(&x->lock);
    const bool forgotten = x->app == APP_OWES && !x->later;
    pthread_mutex_lock(&h->lock);
    const bool hup = x->conn && x->conn->hup;
    pthread_mutex_unlock(&h->lock);
    if (hup)
        ch_http_cut(x);
    pthread_mutex_unlock(&x->lock);
    if (forgotten)
        ch_exchange_end(x);
}

/* What libmicrohttpd is to do now. */
static enum MHD_Result settle(ch_exchange *x, struct MHD_Connection *c)
{
    enum MHD_Result done = MHD_NO;
    pthread_mutex_lock(&x->lock);
    if (x->answered_early || x->gone || (!x->ready && atomic_load(&x->h->closing))) {
        pthread_mutex_unlock(&x->lock);
        return MHD_NO;
    }
    if (!x->ready) {
        MHD_suspend_connection(c);
        x->suspended = true;
        pthread_mutex_unlock(&x->lock);
        return MHD_YES;
    }
    struct MHD_Response *r = ch_http_response(x);
    const unsigned status = (unsigned)x->status;
    pthread_mutex_unlock(&x->lock);
    if (r) {
        done = MHD_queue_response(c, status, r);
        MHD_destroy_response(r);
    }
    return done;
}

void *ch_http_line(void *arg, const char *uri, struct MHD_Connection *c)
{
    return ch_http_exchange_open(arg, c, uri);
}

enum MHD_Result ch_http_answer(void *arg, struct MHD_Connection *c, const char *url,
                               const char *method, const char *version, const char *upload,
                               size_t *n_upload, void **state)
{
    ch_exchange *x = *state;
    (void)arg, (void)url, (void)version;
    if (!x)
        return MHD_NO;
    if (x->stage == WIRE_HEAD)
        return read_head(x, c, method);
    if (*n_upload) {
        const size_t n = *n_upload;
        *n_upload = 0;
        return read_body(x, upload, n);
    }
    if (x->stage == WIRE_BODY) {
        x->stage = WIRE_CALLED;
        if (!x->ready && admit(x))
            call_handler(x);
    }
    return settle(x, c);
}
