/* http_exchange.c - an exchange: made of a request line, asked by handlers, freed by its last owner
 *
 * What handlers may ask is copied: the connection may be gone while they still work.  Paths are
 * compared as they were sent, and only what {id} stands for is decoded, so a "%2F" in a name is
 * part of it.  SPDX-License-Identifier: MIT */
#include "http_in.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

static const ch_client nobody = {.name = ""};

/* ---- Names and values ----------------------------------------------------------------------- */

bool ch_http_pair_put(http_pairs *p, const char *name, const char *value, size_t n)
{
    return ch_buf_put(p, name, strlen(name) + 1) && ch_buf_put(p, value, strnlen(value, n)) &&
           ch_buf_put(p, "", 1);
}

const char *ch_http_pair(const http_pairs *p, const char *name, bool any_case)
{
    const char *end = p->data + p->size;
    for (const char *at = p->data; at && at < end;) {
        const char *value = at + strlen(at) + 1;
        if ((any_case ? strcasecmp(at, name) : strcmp(at, name)) == 0)
            return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

static int digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* Decodes %XX (but for %00) in place, in a query also "+"; returns the bytes. */
static size_t decode(char *s, bool plus)
{
    char *to = s;
    for (const char *p = s; *p; p++) {
        const bool hex = *p == '%' && isxdigit((unsigned char)p[1]) &&
                         isxdigit((unsigned char)p[2]) && (p[1] != '0' || p[2] != '0');
        if (hex) {
            *to++ = (char)(digit(p[1]) * 16 + digit(p[2]));
            p += 2;
        } else {
            *to++ = plus && *p == '+' ? ' ' : *p;
        }
    }
    *to = '\0';
    return (size_t)(to - s);
}

static bool read_query(http_pairs *out, const char *text)
{
    char *copy = strdup(text), *rest = copy;
    if (!copy)
        return false;
    bool ok = true;
    for (char *part; ok && (part = strsep(&rest, "&"));) {
        char *value = strchr(part, '=');
        if (value)
            *value++ = '\0';
        else
            value = part + strlen(part);
        decode(part, true);
        const size_t n = decode(value, true);
        ok = !*part || ch_http_pair_put(out, part, value, n);
    }
    free(copy);
    return ok;
}

/* ---- Life ----------------------------------------------------------------------------------- */

/* "/path?query", or the same behind "http://host". */
static bool read_line(ch_exchange *x, const char *uri)
{
    uri = uri ? uri : "";
    if (uri[0] != '/') {
        const char *host = strstr(uri, "://"), *path = host ? strchr(host + 3, '/') : NULL;
        uri = path ? path : uri;
    }
    const size_t n = strcspn(uri, "?");
    x->path = strndup(uri, n);
    return x->path && (uri[n] == '\0' || read_query(&x->query, uri + n + 1));
}

static void name_it(ch_exchange *x, uint64_t number)
{
    const ch_hash128 v = ch_hash_bytes(x->h->secret, &number, sizeof number);
    snprintf(x->id, sizeof x->id, "req_%016llx%08llx", (unsigned long long)v.lo,
             (unsigned long long)(v.hi & 0xffffffff));
}

static void free_it(ch_exchange *x)
{
    ch_buf_close(&x->headers);
    ch_buf_close(&x->query);
    ch_buf_close(&x->reply_headers);
    ch_buf_close(&x->body);
    ch_buf_close(&x->out);
    free(x->method);
    free(x->path);
    free(x->segment);
    free(x->type);
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->told);
    free(x);
}

/* Puts it into the server's list; false: there is no connection to it. */
static bool enlist(ch_exchange *x, http_conn *c)
{
    ch_http *h = x->h;
    pthread_mutex_lock(&h->lock);
    if (c) {
        name_it(x, ++h->last_id);
        x->late = h->draining;
        x->conn = c;
        c->x = x;
        ch_http_limit(c, h->o.body_s);
        x->next = h->exchanges;
        if (x->next)
            x->next->prev = x;
        h->exchanges = x;
        h->n_exchanges++;
        h->stats.requests++;
        h->stats.busy++;
    }
    pthread_mutex_unlock(&h->lock);
    return c;
}

ch_exchange *ch_http_exchange_open(ch_http *h, struct MHD_Connection *c, const char *uri)
{
    ch_exchange *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->h = h;
    x->wire = c;
    x->client = &nobody;
    x->began_ns = ch_clock_ns();
    x->refs = 1;
    ch_buf_init(&x->headers, 2 * HTTP_MEMORY);
    ch_buf_init(&x->query, 2 * HTTP_MEMORY);
    ch_buf_init(&x->reply_headers, 2 * HTTP_MEMORY);
    ch_buf_init(&x->body, h->o.body_bytes);
    ch_buf_init(&x->out, SIZE_MAX / 2); /* what is put in is counted */
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->told, NULL);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (!read_line(x, uri) || !enlist(x, info ? info->socket_context : NULL)) {
        free_it(x);
        return NULL;
    }
    return x;
}

/* The last owner has left: figures, log, memory. */
static void bury(ch_exchange *x)
{
    ch_http *h = x->h;
    const int status = x->status ? x->status : 499;
    pthread_mutex_lock(&h->lock);
    const bool log = !h->closed;
    h->logging += log;
    pthread_mutex_unlock(&h->lock);
    if (log)
        ch_http_log(x, status);
    pthread_mutex_lock(&h->lock);
    h->logging -= log;
    if (x->status / 100 < (int)CH_COUNT(h->stats.by_status))
        h->stats.by_status[x->status / 100]++;
    h->stats.bytes_in += x->bytes_in;
    h->stats.bytes_out += x->bytes_out;
    h->stats.busy--;
    h->stats.held -= x->body.size;
    if (x->keys)
        ch_http_keys_drop(x->keys);
    h->n_exchanges--;
    pthread_cond_broadcast(&h->less);
    const bool last = h->closed && h->n_exchanges == 0;
    pthread_mutex_unlock(&h->lock);
    free_it(x);
    if (last)
        ch_http_free(h);
}

void ch_http_exchange_drop(ch_exchange *x)
{
    ch_http *h = x->h;
    pthread_mutex_lock(&h->lock);
    const bool last = --x->refs == 0;
    if (last) { /* nobody finds it any more */
        if (x->next)
            x->next->prev = x->prev;
        if (x->prev)
            x->prev->next = x->next;
        else
            h->exchanges = x->next;
    }
    pthread_mutex_unlock(&h->lock);
    if (last)
        bury(x);
}

void ch_http_cut(ch_exchange *x)
{
    ch_http *h = x->h;
    if (x->gone || x->app == APP_NONE || x->app == APP_DONE)
        return;
    x->gone = true;
    ch_http_resume(x);
    pthread_mutex_lock(&h->lock);
    if (x->conn)
        shutdown(x->conn->fd, SHUT_RDWR); /* wakes the wire if it waits to write */
    h->stats.gone++;
    pthread_mutex_unlock(&h->lock);
    ch_http_tell(x);
}

void ch_http_exchange_completed(void *arg, struct MHD_Connection *c, void **state,
                                enum MHD_RequestTerminationCode why)
{
    ch_http *h = arg;
    ch_exchange *x = *state;
    *state = NULL;
    if (!x)
        return;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_HTTP_STATUS);
    pthread_mutex_lock(&x->lock);
    x->over = true;
    x->suspended = false;
    if (!x->status && info)
        x->status = (int)info->http_status; /* one that libmicrohttpd gave by itself */
    pthread_mutex_lock(&h->lock);
    if (x->conn) {
        x->conn->x = NULL;
        ch_http_limit(x->conn, h->o.idle_s);
        x->conn = NULL;
    }
    h->stats.slow += why == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED && x->stage == WIRE_CALLED;
    pthread_mutex_unlock(&h->lock);
    ch_http_cut(x);
    pthread_mutex_unlock(&x->lock);
    ch_http_exchange_drop(x);
}

/* ---- What a handler may ask ----------------------------------------------------------------- */

const char *ch_exchange_method(const ch_exchange *x) { return x->method; }
const char *ch_exchange_path(const ch_exchange *x) { return x->path; }
const char *ch_exchange_id(const ch_exchange *x) { return x->id; }
const ch_client *ch_exchange_client(const ch_exchange *x) { return x->client; }

const char *ch_exchange_segment(const ch_exchange *x) { return x->segment ? x->segment : ""; }

const char *ch_exchange_query(const ch_exchange *x, const char *name)
{
    return ch_http_pair(&x->query, name, false);
}

const char *ch_exchange_header(const ch_exchange *x, const char *name)
{
    return ch_http_pair(&x->headers, name, true);
}

const char *ch_exchange_body(const ch_exchange *x, size_t *n)
{
    *n = x->body.size;
    return x->body.data ? x->body.data : "";
}

bool ch_exchange_wants_anthropic(const ch_exchange *x)
{
    const char *at = strstr(x->path, "/messages");
    return (at && (at[9] == '\0' || at[9] == '/')) ||
           ch_http_pair(&x->headers, "anthropic-version", true);
}

char *ch_http_match(const char *route, const char *path)
{
    const char *id = strstr(route, "{id}");
    if (!id)
        return strcmp(route, path) == 0 ? strdup("") : NULL;
    const size_t before = (size_t)(id - route), n = strlen(path), after = strlen(id + 4);
    if (n <= before + after || strncmp(route, path, before) != 0 ||
        strcmp(path + n - after, id + 4) != 0)
        return NULL;
    char *found = strndup(path + before, n - before - after);
    if (found && strchr(found, '/')) {
        free(found);
        found = NULL;
    }
    if (found)
        decode(found, false);
    return found;
}
