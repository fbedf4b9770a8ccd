/* http_reply.c - what goes back: whole replies, and streams
 *
 * A stream's bytes lie in x->out between those who send (any thread, never waiting) and the wire,
 * which takes what fits and suspends itself when there is nothing.  More than unsent_bytes there
 * means that the client does not read: it is cut off, and its chunked reply ends without the last
 * chunk, so it cannot be taken for a whole one.  SPDX-License-Identifier: MIT */
#include "http_in.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { PIECE = 16 << 10 };

/* ---- With x->lock --------------------------------------------------------------------------- */

void ch_http_set_reply(ch_exchange *x, int status, const char *type, const void *body, size_t n)
{
    ch_buf_clear(&x->out);
    free(x->type);
    x->type = type ? strdup(type) : NULL;
    x->status = status;
    if (!ch_buf_put(&x->out, body ? body : "", n)) {
        ch_buf_clear(&x->out);
        x->status = 500;
    }
    x->ready = true;
}

static void put_header(ch_exchange *x, const char *name, const char *value)
{
    if (!ch_http_pair(&x->reply_headers, name, true))
        ch_http_pair_put(&x->reply_headers, name, value, strlen(value));
}

void ch_http_set_refusal(ch_exchange *x, const ch_refusal *r, int retry_ms)
{
    json_t *v = ch_refusal_json(r, ch_exchange_wants_anthropic(x), x->id);
    char *text = v ? json_dumps(v, JSON_COMPACT) : NULL, number[32];
    if (retry_ms > 0) {
        snprintf(number, sizeof number, "%d", retry_ms / 1000 + (retry_ms % 1000 > 0));
        put_header(x, "Retry-After", number);
        snprintf(number, sizeof number, "%d", retry_ms);
        put_header(x, "retry-after-ms", number);
    }
    ch_http_set_reply(x, ch_refusal_status(r), "application/json", text, text ? strlen(text) : 0);
    free(text);
    json_decref(v);
}

/* Those of every reply. */
static void put_usual(ch_exchange *x)
{
    pthread_mutex_lock(&x->h->lock);
    const bool last = x->h->draining;
    pthread_mutex_unlock(&x->h->lock);
    put_header(x, "x-request-id", x->id);
    put_header(x, "request-id", x->id);
    put_header(x, "Cache-Control", "no-store");
    put_header(x, "X-Content-Type-Options", "nosniff");
    if (x->type)
        put_header(x, "Content-Type", x->type);
    if (x->streams)
        put_header(x, "X-Accel-Buffering", "no"); /* nginx then passes pieces on as they come */
    if (last)
        put_header(x, "Connection", "close");
}

/* libmicrohttpd wants bytes of a stream; x lives until it has said that all is over. */
static ssize_t pull(void *arg, uint64_t at, char *to, size_t most)
{
    ch_exchange *x = arg;
    ssize_t n = 0;
    (void)at;
    pthread_mutex_lock(&x->lock);
    const size_t left = x->out.size - x->out_at;
    if (x->gone || (left == 0 && x->app != APP_DONE && atomic_load(&x->h->closing))) {
        n = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (left > 0) {
        n = (ssize_t)CH_MIN(left, most);
        memcpy(to, x->out.data + x->out_at, (size_t)n);
        x->out_at += (size_t)n;
        x->bytes_out += (uint64_t)n;
        if (x->out_at >= x->out.size / 2) { /* each byte moves once at most */
            x->out.size -= x->out_at;
            memmove(x->out.data, x->out.data + x->out_at, x->out.size);
            x->out_at = 0;
        }
    } else if (x->app == APP_DONE) {
        n = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        MHD_suspend_connection(x->wire);
        x->suspended = true;
    }
    pthread_mutex_unlock(&x->lock);
    return n;
}

struct MHD_Response *ch_http_response(ch_exchange *x)
{
    struct MHD_Response *r;
    x->ready = false;
    put_usual(x);
    if (x->streams) {
        r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE, pull, x, NULL);
    } else if (x->out.size) {
        x->bytes_out = strcmp(x->method, "HEAD") ? x->out.size : 0;
        r = MHD_create_response_from_buffer(x->out.size, x->out.data, MHD_RESPMEM_MUST_FREE);
        if (r)
            ch_buf_init(&x->out, SIZE_MAX / 2); /* the bytes are libmicrohttpd's */
    } else {
        r = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    }
    const http_pairs *p = &x->reply_headers;
    for (const char *at = p->data; r && at && at < p->data + p->size;) {
        const char *value = at + strlen(at) + 1;
        MHD_add_response_header(r, at, value);
        at = value + strlen(value) + 1;
    }
    return r;
}

void ch_http_send_raw(ch_exchange *x, int fd)
{
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    put_header(x, "Connection", "close");
    put_usual(x);
    ch_buf_printf(&b, "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\n", x->status,
                  MHD_get_reason_phrase_for((unsigned)x->status), x->out.size);
    const http_pairs *p = &x->reply_headers;
    for (const char *at = p->data; at && at < p->data + p->size;) {
        const char *value = at + strlen(at) + 1;
        ch_buf_printf(&b, "%s: %s\r\n", at, value);
        at = value + strlen(value) + 1;
    }
    ch_buf_str(&b, "\r\n");
    ch_buf_put(&b, x->out.data, x->out.size);
    if (!b.failed && send(fd, b.data, b.size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)b.size)
        x->bytes_out = x->out.size;
    ch_buf_close(&b);
}

/* The handler's side is through, with x->lock, which it gives back: x may be gone afterwards. */
static void finish(ch_exchange *x)
{
    x->gone_fn = NULL;
    while (x->telling && !pthread_equal(x->teller, pthread_self()))
        pthread_cond_wait(&x->told, &x->lock);
    x->app = APP_DONE;
    pthread_mutex_lock(&x->h->lock);
    x->busy = false; /* before the client knows: it may ask again at once */
    pthread_mutex_unlock(&x->h->lock);
    ch_http_resume(x);
    pthread_mutex_unlock(&x->lock);
    ch_http_exchange_drop(x);
}

/* ---- How handlers reply --------------------------------------------------------------------- */

void ch_exchange_set_header(ch_exchange *x, const char *name, const char *value)
{
    if (strpbrk(name, "\r\n: ") || strpbrk(value, "\r\n"))
        return; /* would be more than a header */
    pthread_mutex_lock(&x->lock);
    put_header(x, name, value);
    pthread_mutex_unlock(&x->lock);
}

void ch_exchange_reply(ch_exchange *x, int status, const char *type, const void *body, size_t n)
{
    pthread_mutex_lock(&x->lock);
    if (x->app == APP_OWES && !x->gone)
        ch_http_set_reply(x, status, type, body, n);
    finish(x);
}

void ch_exchange_json(ch_exchange *x, int status, json_t *v)
{
    char *text = v ? json_dumps(v, JSON_COMPACT) : NULL;
    json_decref(v);
    if (text) {
        ch_exchange_reply(x, status, "application/json", text, strlen(text));
        free(text);
        return;
    }
    ch_refusal r;
    ch_refuse(&r, CH_REFUSED_FAULT, NULL, "no memory for the reply");
    ch_exchange_refuse(x, &r, 0);
}

void ch_exchange_refuse(ch_exchange *x, const ch_refusal *r, int retry_ms)
{
    pthread_mutex_lock(&x->lock);
    if (x->app == APP_OWES && !x->gone)
        ch_http_set_refusal(x, r, retry_ms);
    finish(x);
}

void ch_exchange_later(ch_exchange *x, ch_gone_fn *gone, void *arg)
{
    pthread_mutex_lock(&x->lock);
    x->later = true;
    x->gone_fn = gone;
    x->gone_arg = arg;
    if (x->gone)
        ch_http_tell(x);
    pthread_mutex_unlock(&x->lock);
}

bool ch_exchange_begin(ch_exchange *x, const char *type)
{
    pthread_mutex_lock(&x->lock);
    const bool takes = x->app == APP_OWES && !x->gone;
    if (takes) {
        ch_http_set_reply(x, 200, type, NULL, 0);
        x->streams = true;
        ch_http_resume(x);
    }
    x->app = x->app == APP_OWES ? APP_SENDS : x->app;
    pthread_mutex_unlock(&x->lock);
    return takes;
}

bool ch_exchange_send(ch_exchange *x, const void *bytes, size_t n)
{
    pthread_mutex_lock(&x->lock);
    bool takes = x->streams && x->app == APP_SENDS && !x->gone;
    const size_t left = x->out.size - x->out_at;
    if (takes && (n > x->h->o.unsent_bytes - left || !ch_buf_put(&x->out, bytes, n))) {
        takes = false;
        pthread_mutex_lock(&x->h->lock);
        x->h->stats.slow++;
        pthread_mutex_unlock(&x->h->lock);
        ch_http_cut(x);
    }
    if (takes && n > 0)
        ch_http_resume_soon(x);
    pthread_mutex_unlock(&x->lock);
    return takes;
}

void ch_exchange_end(ch_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    if (x->app == APP_OWES && !x->gone) {
        ch_refusal r;
        ch_refuse(&r, CH_REFUSED_FAULT, NULL, "the server has no reply");
        ch_http_set_refusal(x, &r, 0);
    }
    finish(x);
}

void ch_exchange_note(ch_exchange *x, const char *name, double value)
{
    pthread_mutex_lock(&x->lock);
    int i = 0;
    while (i < x->n_notes && strcmp(x->notes[i].name, name) != 0)
        i++;
    if (i < HTTP_NOTES) {
        snprintf(x->notes[i].name, sizeof x->notes[i].name, "%s", name);
        x->notes[i].value = value;
        x->n_notes = CH_MAX(x->n_notes, i + 1);
    }
    pthread_mutex_unlock(&x->lock);
}
