/* http_log.c - one JSON line an exchange, written by a thread of its own (lines.h)
 *
 *   {"ts":"2026-08-01T12:00:00.123Z","id":"req_...","client":"alice","method":"POST",
 *    "path":"/v1/messages","status":200,"in":120,"out":512,"ms":34.5,"gone":true,
 *    "notes":{"tokens":40}}
 *
 * Neither keys nor queries nor bodies.  gone: the client left before the end; status 499: before
 * there was one.
 * SPDX-License-Identifier: MIT */
#include "http_in.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static json_t *now_json(void)
{
    struct timespec t;
    struct tm tm;
    char day[32], text[48];
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, sizeof text, "%s.%03dZ", day, (int)(t.tv_nsec / 1000000));
    return json_string(text);
}

/* Clients write anything. */
static json_t *text_json(const char *text, size_t most)
{
    ch_buf b;
    ch_buf_init(&b, 4 * most + 16);
    ch_buf_utf8(&b, text, strnlen(text, most));
    json_t *v = json_stringn(b.data ? b.data : "", b.size);
    ch_buf_close(&b);
    return v;
}

static void put(const ch_http *h, json_t *v)
{
    char *text = v ? json_dumps(v, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
    if (text)
        ch_lines_put(h->log, text, strlen(text));
    free(text);
    json_decref(v);
}

static json_t *warning(const char *text, size_t most)
{
    return json_pack("{s:o, s:s, s:o}", "ts", now_json(), "level", "warn", "text",
                     text_json(text, most));
}

static char *say_lost(uint64_t n)
{
    char text[100];
    snprintf(text, sizeof text, "%llu lines of the log are lost: they could not be written in time",
             (unsigned long long)n);
    json_t *v = warning(text, sizeof text);
    char *line = v ? json_dumps(v, JSON_COMPACT) : NULL;
    json_decref(v);
    return line;
}

int ch_http_log_open(ch_http *h, ch_err *e)
{
    const ch_lines_options o = {.fd = h->o.log_fd, .path = h->o.log, .most_bytes = h->o.log_bytes,
                                .lost = say_lost};
    return h->o.log_fd < 0 && !h->o.log ? CH_OK : ch_lines_open(&h->log, &o, e);
}

void ch_http_log(const ch_exchange *x, int status)
{
    const ch_http *h = x->h;
    if (!h->log || (x->route && x->route->quiet && status / 100 == 2))
        return;
    const double ms = (double)(ch_clock_ns() - x->began_ns) / 1e6;
    json_t *v = json_pack("{s:o, s:s, s:s, s:o, s:o, s:i, s:I, s:I, s:f}", "ts", now_json(), "id",
                          x->id, "client", x->client->name, "method",
                          text_json(x->method ? x->method : "", 32), "path",
                          text_json(x->path ? x->path : "", HTTP_LOG_PATH), "status", status, "in",
                          (json_int_t)x->bytes_in, "out", (json_int_t)x->bytes_out, "ms",
                          round(ms * 1000) / 1000);
    if (v && x->gone)
        json_object_set_new(v, "gone", json_true());
    json_t *notes = v && x->n_notes ? json_object() : NULL;
    for (int i = 0; notes && i < x->n_notes; i++)
        json_object_set_new(notes, x->notes[i].name, json_real(x->notes[i].value));
    if (notes)
        json_object_set_new(v, "notes", notes);
    put(h, v);
}

void ch_http_warn(const ch_http *h, const char *fmt, ...)
{
    char text[600];
    va_list list;
    if (!h->log)
        return;
    va_start(list, fmt);
    vsnprintf(text, sizeof text, fmt, list);
    va_end(list);
    put(h, warning(text, sizeof text));
}
