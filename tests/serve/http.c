/* tests/serve/http.c - exchanges: what is let in, replies at once, later and in pieces, who leaves
 *
 * SPDX-License-Identifier: MIT */
#include "held.h"

#if __has_include(<microhttpd.h>)

#define HOST "Host: localhost\r\n"

/* ---- A server to ask ------------------------------------------------------------------------ */

static void hello(ch_exchange *x, void *arg)
{
    (void)arg;
    ch_exchange_set_header(x, "X-More", "yes");
    ch_exchange_set_header(x, "X-Bad", "a\r\nb: c");
    ch_exchange_note(x, "tokens", 3);
    ch_exchange_reply(x, 200, "text/plain", "hello\n", 6);
}

static void echo(ch_exchange *x, void *arg)
{
    size_t n;
    const char *body = ch_exchange_body(x, &n);
    (void)arg;
    assert_int_equal(body[n], 0);
    ch_exchange_reply(x, 200, "application/octet-stream", body, n);
}

static void tell(ch_exchange *x, void *arg)
{
    (void)arg;
    const char *q = ch_exchange_query(x, "a b");
    const ch_client *c = ch_exchange_client(x);
    ch_exchange_json(x, 200,
                     json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:s, s:b, s:I, s:s}", "method",
                               ch_exchange_method(x), "path", ch_exchange_path(x), "segment",
                               ch_exchange_segment(x), "query", q, "agent",
                               ch_exchange_header(x, "user-agent"), "client", c->name, "anthropic",
                               ch_exchange_wants_anthropic(x), "user",
                               (json_int_t)(c->user >> 1), "id", ch_exchange_id(x)));
}

static void refuse(ch_exchange *x, void *arg)
{
    ch_refusal r;
    (void)arg;
    ch_refuse(&r, CH_REFUSED_BUSY, "max_tokens", "no room");
    ch_exchange_refuse(x, &r, 1200);
}

static void left(void *arg)
{
    (void)arg;
    atomic_fetch_add(&held.gone, 1);
}

static void later(ch_exchange *x, void *arg)
{
    (void)arg;
    ch_exchange_later(x, left, NULL);
    atomic_fetch_add(&held.calls, 1);
    atomic_store(&held.x, x);
}

static void stream(ch_exchange *x, void *arg)
{
    ch_exchange_begin(x, "text/event-stream");
    later(x, arg);
}

static void end_it(void *arg)
{
    ch_exchange_end(arg);
    atomic_fetch_add(&held.gone, 1);
}

static void self(ch_exchange *x, void *arg)
{
    (void)arg;
    ch_exchange_later(x, end_it, x);
}

static void nothing(ch_exchange *x, void *arg) { (void)x, (void)arg; }

static const ch_http_route routes[] = {
    {"GET", "/hello", hello, false, false},        {"POST", "/echo", echo, false, false},
    {"GET", "/v1/models/{id}", tell, false, false}, {"GET", "/{id}/of", tell, false, false},
    {"POST", "/v1/messages", refuse, false, false}, {"POST", "/busy", refuse, false, false},
    {"POST", "/later", later, false, false},        {"GET", "/stream", stream, false, false},
    {"POST", "/hello", echo, false, false},         {"GET", "/nothing", nothing, false, false},
    {"GET", "/health", hello, true, false},         {"GET", "/self", self, false, false},
    {NULL, NULL, NULL, false, false},
};

static const ch_http_options usual = {.routes = routes, .log_fd = -1};

/* ---- One request, one reply ----------------------------------------------------------------- */

static void test_replies(void **state)
{
    (void)state;
    const int fds = count_fds();
    ch_http *h = serve(&usual);
    const int fd = wire_open(h);
    for (int i = 0; i < 3; i++) { /* on one connection */
        wire_say(fd, "GET /hello?x=1 HTTP/1.1\r\n" HOST "\r\n");
        answer a = wire_answer(fd, false);
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body.data, "hello\n");
        assert_true(answer_says(&a, "Content-Type", "text/plain"));
        assert_true(answer_says(&a, "X-More", "yes"));
        assert_null(strstr(a.head, "X-Bad"));
        char *id = answer_header(&a, "x-request-id");
        assert_memory_equal(id, "req_", 4);
        free(id);
        answer_close(&a);
    }
    wire_say(fd, "HEAD /hello HTTP/1.1\r\n" HOST "X-Request-Id: mine-1\r\n\r\n"
                 "GET /hello HTTP/1.1\r\n" HOST "\r\n"); /* pipelined */
    answer a = wire_answer(fd, true), b = wire_answer(fd, false);
    assert_int_equal(a.status, 200);
    assert_true(answer_says(&a, "Content-Length", "6"));
    assert_true(answer_says(&a, "x-request-id", "mine-1"));
    assert_string_equal(b.body.data, "hello\n");
    answer_close(&a);
    answer_close(&b);
    close(fd);
    assert_int_equal(wire_status(h, "GET /nothing HTTP/1.1\r\n" HOST "\r\n"), 500);
    assert_int_equal(stats(h).requests, 6);
    ch_http_close(&h);
    assert_null(h);
    assert_int_equal(count_fds(), fds);
}

static json_t *ask_json(const ch_http *h, const char *request, int status)
{
    answer a = wire_ask(h, request);
    assert_int_equal(a.status, status);
    json_t *v = json_loadb(a.body.data, a.body.size, 0, NULL);
    assert_non_null(v);
    answer_close(&a);
    return v;
}

static const char *text_of(const json_t *v, const char *key)
{
    return json_string_value(json_object_get(v, key));
}

static void test_paths(void **state)
{
    (void)state;
    ch_http *h = serve(&usual);
    json_t *v = ask_json(h, "GET /v1/models/a%2Fb%20c%00?x&a%20b=%C3%A9+1&a%20b=2 HTTP/1.1\r\n" HOST
                            "User-Agent: me\r\nanthropic-version: 1\r\n\r\n", 200);
    assert_string_equal(text_of(v, "segment"), "a/b c%00");
    assert_string_equal(text_of(v, "path"), "/v1/models/a%2Fb%20c%00");
    assert_string_equal(text_of(v, "query"), "\xC3\xA9 1");
    assert_string_equal(text_of(v, "agent"), "me");
    assert_string_equal(text_of(v, "client"), "");
    assert_true(json_is_true(json_object_get(v, "anthropic")));
    json_decref(v);
    v = ask_json(h, "GET http://localhost/q/of HTTP/1.1\r\n" HOST "\r\n", 200);
    assert_string_equal(text_of(v, "segment"), "q");
    assert_true(json_is_false(json_object_get(v, "anthropic")));
    json_decref(v);
    assert_int_equal(wire_status(h, "GET /v1/models/a/b HTTP/1.1\r\n" HOST "\r\n"), 404);
    assert_int_equal(wire_status(h, "GET /v1/models/ HTTP/1.1\r\n" HOST "\r\n"), 404);
    v = ask_json(h, "GET /none HTTP/1.1\r\n" HOST "\r\n", 404);
    assert_string_equal(text_of(json_object_get(v, "error"), "type"), "not_found_error");
    json_decref(v);
    answer a = wire_ask(h, "DELETE /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.status, 405);
    assert_true(answer_says(&a, "Allow", "GET, HEAD, POST, OPTIONS"));
    answer_close(&a);
    ch_http_close(&h);
}

static void test_refusals(void **state)
{
    (void)state;
    ch_http *h = serve(&usual);
    answer a = wire_ask(h, "POST /busy HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}");
    assert_int_equal(a.status, 503);
    assert_true(answer_says(&a, "Retry-After", "2"));
    assert_true(answer_says(&a, "retry-after-ms", "1200"));
    assert_non_null(strstr(a.body.data, "\"param\":\"max_tokens\""));
    answer_close(&a);
    json_t *v = ask_json(h, "POST /v1/messages HTTP/1.1\r\n" HOST "X-Request-Id: r1\r\n"
                            "Content-Length: 0\r\n\r\n", 503);
    assert_string_equal(text_of(v, "type"), "error");
    assert_string_equal(text_of(v, "request_id"), "r1");
    assert_string_equal(text_of(json_object_get(v, "error"), "type"), "overloaded_error");
    json_decref(v);
    ch_http_close(&h);
}

/* ---- Bodies and headers --------------------------------------------------------------------- */

static void test_bodies(void **state)
{
    (void)state;
    ch_http_options o = usual;
    o.body_bytes = 1000;
    ch_http *h = serve(&o);
    answer a = wire_ask(h, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                           "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body.data, "abcde");
    answer_close(&a);
    /* waits to be asked */
    int fd = wire_open(h);
    wire_say(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n"
                 "Expect: 100-continue\r\n\r\n");
    a = wire_answer(fd, false);
    assert_int_equal(a.status, 100);
    answer_close(&a);
    wire_say(fd, "xyz");
    a = wire_answer(fd, false);
    assert_string_equal(a.body.data, "xyz");
    answer_close(&a);
    close(fd);
    /* exactly the limit, and one more */
    char text[2200];
    for (int n = 1000; n <= 1001; n++) {
        const int k = snprintf(text, sizeof text, "POST /echo HTTP/1.1\r\n" HOST
                               "Content-Length: %d\r\n\r\n", n);
        memset(text + k, 'a', (size_t)n);
        text[k + n] = '\0';
        a = wire_ask(h, text);
        assert_int_equal(a.status, n == 1000 ? 200 : 413);
        assert_int_equal(a.whole, true);
        assert_true(n == 1000 ? a.body.size == 1000 : strstr(a.body.data, "1000 bytes") != NULL);
        answer_close(&a);
    }
    /* before a byte of it, and while it comes */
    assert_int_equal(wire_status(h, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 99999\r\n"
                                    "\r\n"), 413);
    assert_int_equal(wire_status(h, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 99999\r\n"
                                    "Expect: 100-continue\r\n\r\n"), 413);
    fd = wire_open(h);
    wire_say(fd, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    memcpy(text, "400\r\n", 5);
    memset(text + 5, 'b', 1024);
    wire_send(fd, text, 5 + 1024);
    a = wire_answer(fd, false);
    assert_int_equal(a.status, 413);
    assert_true(answer_says(&a, "Connection", "close"));
    answer_close(&a);
    assert_true(wire_ends(fd));
    close(fd);
    ch_http_close(&h);
}

static void test_headers(void **state)
{
    (void)state;
    ch_http *h = serve(&usual);
    static char text[70000];
    for (int n = 1000; n <= 64000; n *= 4) {
        const int k = snprintf(text, sizeof text, "GET /hello HTTP/1.1\r\n" HOST "X-Long: ");
        memset(text + k, 'a', (size_t)n);
        strcpy(text + k + n, "\r\n\r\n");
        assert_int_equal(wire_status(h, text), n <= 16000 ? 200 : 431);
    }
    assert_int_equal(wire_status(h, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\n"
                                    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400);
    assert_int_equal(wire_status(h, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\n"
                                    "Content-Length: 1\r\n\r\n1"), 400);
    assert_int_equal(wire_status(h, "POST /echo HTTP/1.1\r\n" HOST
                                    "Transfer-Encoding: identity\r\n\r\n1"), 400);
    assert_int_equal(wire_status(h, "GET /hello HTTP/1.1\r\n\r\n"), 400);
    assert_int_equal(wire_status(h, "GET /hello HTTP/1.1\r\n" HOST HOST "\r\n"), 400);
    ch_http_close(&h);
}

/* ---- Later, and in pieces ------------------------------------------------------------------- */

static void test_later(void **state)
{
    (void)state;
    ch_http *h = serve(&usual);
    const int fd = wire_open(h);
    for (int i = 0; i < 2; i++) {
        wire_say(fd, "POST /later HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc");
        ch_exchange *x = held_one();
        assert_int_equal(stats(h).busy, 1);
        size_t n;
        assert_string_equal(ch_exchange_body(x, &n), "abc");
        ch_exchange_json(x, 201, json_pack("{s:i}", "i", i));
        answer a = wire_answer(fd, false);
        assert_int_equal(a.status, 201);
        assert_string_equal(a.body.data, i ? "{\"i\":1}" : "{\"i\":0}");
        answer_close(&a);
    }
    assert_int_equal(held.gone, 0);
    close(fd);
    until(stats(h).busy == 0);
    assert_int_equal(stats(h).gone, 0);
    ch_http_close(&h);
}

/* What is held back to go out together comes by itself: whatever the pauses, nothing has to
 * follow. */
static void test_gathered(void **state)
{
    (void)state;
    ch_http_options o = usual;
    o.gather_ms = 3;
    ch_http *h = serve(&o);
    const int fd = wire_open(h);
    wire_say(fd, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    ch_exchange *x = held_one();
    answer a;
    bool whole;
    char piece[16];
    ch_buf all;
    ch_buf_init(&all, 1 << 20);
    assert_true(wire_head(fd, &a));
    for (int burst = 0; burst < 100; burst++) {
        for (int i = 0; i <= burst % 13; i++) {
            const int n = snprintf(piece, sizeof piece, "%d;", burst * 100 + i);
            assert_true(ch_exchange_send(x, piece, (size_t)n));
            ch_buf_put(&all, piece, (size_t)n);
            if (burst % 5 == 4)
                usleep((useconds_t)(100 * (i % 7)));
        }
        while (a.body.size < all.size)
            assert_true(wire_chunk(fd, &a.body, &whole));
    }
    ch_exchange_send(x, "last", 4);
    ch_buf_put(&all, "last", 4);
    ch_exchange_end(x);
    while (wire_chunk(fd, &a.body, &whole))
        continue;
    assert_true(whole);
    assert_int_equal(a.body.size, all.size);
    assert_memory_equal(a.body.data, all.data, all.size);
    answer_close(&a);
    ch_buf_close(&all);
    /* one that goes away, and a server that ends, while something is held */
    wire_say(fd, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    x = held_one();
    for (int i = 0; i < 20; i++)
        ch_exchange_send(x, "x", 1);
    close(fd);
    until(held.gone > 0);
    ch_exchange_end(x);
    const int other = wire_open(h);
    wire_say(other, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    x = held_one();
    for (int i = 0; i < 20; i++)
        ch_exchange_send(x, "x", 1);
    ch_exchange_end(x);
    ch_http_close(&h);
    close(other);
}

static void test_streams(void **state)
{
    (void)state;
    ch_http *h = serve(&usual);
    const int fd = wire_open(h);
    wire_say(fd, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    ch_exchange *x = held_one();
    answer a;
    assert_true(wire_head(fd, &a)); /* before there is anything else */
    assert_int_equal(a.status, 200);
    assert_true(answer_says(&a, "Content-Type", "text/event-stream"));
    bool whole;
    for (int i = 0; i < 50; i++) { /* each piece goes out by itself */
        assert_true(ch_exchange_send(x, "data: 1\n\n", 9));
        assert_true(wire_chunk(fd, &a.body, &whole));
    }
    assert_int_equal(a.body.size, 450);
    static char big[300000];
    memset(big, 'z', sizeof big);
    assert_true(ch_exchange_send(x, big, sizeof big));
    ch_exchange_end(x);
    while (wire_chunk(fd, &a.body, &whole))
        continue;
    assert_true(whole);
    assert_int_equal(a.body.size, 450 + sizeof big);
    answer_close(&a);
    /* the connection goes on */
    wire_say(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    a = wire_answer(fd, false);
    assert_int_equal(a.status, 200);
    answer_close(&a);
    close(fd);
    /* an older client: until the connection ends */
    const int old = wire_open(h);
    wire_say(old, "GET /stream HTTP/1.0\r\n\r\n");
    x = held_one();
    ch_exchange_send(x, "abc", 3);
    ch_exchange_end(x);
    a = wire_answer(old, false);
    assert_int_equal(a.body.size, 3);
    answer_close(&a);
    close(old);
    assert_int_equal(held.gone, 0);
    ch_http_close(&h);
}

static void test_gone(void **state)
{
    (void)state;
    ch_http *h = serve(&usual);
    /* before any reply */
    int fd = wire_open(h);
    wire_say(fd, "POST /later HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
    ch_exchange *x = held_one();
    close(fd);
    until(held.gone == 1);
    ch_exchange_reply(x, 200, NULL, "", 0);
    /* in a stream, with a reset */
    fd = wire_open(h);
    wire_say(fd, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    x = held_one();
    assert_true(ch_exchange_send(x, "a", 1));
    const struct linger now = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
    until(held.gone == 2);
    assert_false(ch_exchange_send(x, "b", 1));
    assert_string_equal(ch_exchange_path(x), "/stream"); /* still there */
    ch_exchange_end(x);
    /* its side alone, with the request */
    fd = wire_open(h);
    wire_say(fd, "POST /later HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\na");
    shutdown(fd, SHUT_WR);
    x = held_one();
    until(held.gone == 3);
    ch_exchange_end(x);
    close(fd);
    /* which may end it there and then */
    fd = wire_open(h);
    wire_say(fd, "GET /self HTTP/1.1\r\n" HOST "\r\n");
    until(stats(h).busy == 1);
    close(fd);
    until(held.gone == 4 && stats(h).busy == 0);
    /* in the middle of an upload: nobody is called */
    const int calls = held.calls;
    fd = wire_open(h);
    wire_say(fd, "POST /later HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nabc");
    until(stats(h).busy == 1);
    close(fd);
    until(stats(h).busy == 0);
    assert_int_equal(held.calls, calls);
    until(stats(h).open == 0);
    ch_http_close(&h);
}

static void test_slow_reader(void **state)
{
    (void)state;
    ch_http_options o = usual;
    o.unsent_bytes = 1 << 20;
    ch_http *h = serve(&o);
    const int slow = wire_open(h);
    wire_say(slow, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    ch_exchange *x = held_one();
    const int quick = wire_open(h);
    wire_say(quick, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    ch_exchange *y = held_one();
    answer a;
    assert_true(wire_head(quick, &a));
    static char piece[64 << 10];
    int n = 0;
    bool whole;
    while (ch_exchange_send(x, piece, sizeof piece)) { /* nobody reads */
        assert_true(n++ < 1000);
        assert_true(ch_exchange_send(y, "tick", 4));
        assert_true(wire_chunk(quick, &a.body, &whole));
    }
    assert_int_equal(stats(h).slow, 1);
    until(held.gone == 1);
    assert_false(ch_exchange_send(x, "more", 4));
    ch_exchange_end(x);
    assert_true(ch_exchange_send(y, "tock", 4));
    ch_exchange_end(y);
    while (wire_chunk(quick, &a.body, &whole))
        continue;
    assert_true(whole);
    assert_int_equal(a.body.size, 4 * (size_t)n + 4);
    answer_close(&a);
    /* what was cut off does not end like a whole one */
    a = wire_answer(slow, false);
    assert_false(a.whole);
    answer_close(&a);
    close(slow);
    close(quick);
    ch_http_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies), cmocka_unit_test(test_paths),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_headers), cmocka_unit_test(test_later),
        cmocka_unit_test(test_streams), cmocka_unit_test(test_gathered),
        cmocka_unit_test(test_gone), cmocka_unit_test(test_slow_reader),
    };
    return cmocka_run_group_tests_name("serve/http", tests, NULL, NULL);
}

#else

int main(void)
{
    print_message("# skipped: needs libmicrohttpd\n");
    return 0;
}

#endif
