/* serving.h - a server with a model, and what asks it, for tests; needs libmicrohttpd
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_TEST_SERVING_H
#define CH_TEST_SERVING_H

#include "wire.h"

#include "asking.h"
#include "serve.h"

/* What a program serves, from open_model on. */
static ch_model *model;
static ch_tokenizer *tk;

static inline ch_server *serve(const ch_engine_options *engine)
{
    ch_err e = {0};
    ch_server *s;
    ch_server_options o = {.model = model, .tk = tk, .name = "tiny", .log_fd = -1,
                           .any_model = true, .silent_ms = 40};
    if (engine)
        o.engine = *engine;
    o.engine.session.threads = 2;
    assert_ok(ch_server_open(&s, &o, &e), e);
    return s;
}

/* ---- Asking ---------------------------------------------------------------------------------- */

/* The body is JSON with ' in place of ". */
static inline char *request_of(const char *path, const char *body)
{
    char *out;
    const int n = asprintf(&out,
                           "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                           "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                           path, strlen(body), body);
    assert_true(n > 0);
    for (char *c = strstr(out, "\r\n\r\n"); *c; c++)
        *c = *c == '\'' ? '"' : *c;
    return out;
}

static inline int begin(int port, const char *path, const char *body)
{
    char *request = request_of(path, body);
    const int fd = wire_open_port(port);
    wire_say(fd, request);
    free(request);
    return fd;
}

static inline answer ask(const ch_server *s, const char *path, const char *body)
{
    const int fd = begin(ch_server_port(s), path, body);
    answer a = wire_answer(fd, false);
    close(fd);
    return a;
}

/* The body of a reply that is fine. */
static inline json_t *json_in(answer *a)
{
    json_error_t e;
    if (a->status != 200 || !a->whole)
        fail_msg("%d: %.*s", a->status, (int)a->body.size, a->body.data ? a->body.data : "");
    json_t *v = json_loadb(a->body.data, a->body.size, 0, &e);
    assert_non_null(v);
    answer_close(a);
    return v;
}

static inline json_t *reply(const ch_server *s, const char *path, const char *body)
{
    answer a = ask(s, path, body);
    return json_in(&a);
}

static inline json_int_t load(const ch_server *s, const char *name)
{
    const int fd = wire_open_port(ch_server_port(s));
    wire_say(fd, "GET /load HTTP/1.1\r\nHost: localhost\r\n\r\n");
    answer a = wire_answer(fd, false);
    close(fd);
    json_t *v = json_in(&a);
    const json_int_t n = json_integer_value(json_object_get(v, name));
    json_decref(v);
    return n;
}

static inline bool idle(const ch_server *s)
{
    return load(s, "active") == 0 && load(s, "waiting") == 0 && load(s, "cache_used") == 0;
}

static inline const json_t *choice(const json_t *reply)
{
    const json_t *c = json_array_get(json_object_get(reply, "choices"), 0);
    assert_non_null(c);
    return c;
}

static inline int open_model(const char *path)
{
    ch_err e = {0};
    if (ch_model_open(&model, path, 2, &e) < 0 || ch_tokenizer_open(&tk, path, NULL, &e) < 0) {
        print_message("# %s\n", e.text);
        return -1;
    }
    return 0;
}

static inline int close_model(void **state)
{
    (void)state;
    ch_tokenizer_close(&tk);
    ch_model_close(&model);
    return 0;
}

#endif
