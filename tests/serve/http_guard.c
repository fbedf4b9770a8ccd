/* tests/serve/http_guard.c - keys, pages, logs, listening, hostile bytes, the end under load
 *
 * SPDX-License-Identifier: MIT */
#include "held.h"

#if __has_include(<microhttpd.h>)

#include <fcntl.h>
#include <sys/stat.h>

#define HOST "Host: localhost\r\n"
#define ASK "GET /hello HTTP/1.1\r\n" HOST

static void hello(ch_exchange *x, void *arg)
{
    (void)arg;
    const ch_client *c = ch_exchange_client(x);
    ch_exchange_note(x, "tokens", 3);
    ch_exchange_json(x, 200, json_pack("{s:s, s:I, s:I, s:i}", "name", c->name, "user",
                                       (json_int_t)(c->user >> 1), "salt",
                                       (json_int_t)(c->salt >> 1), "most", c->most_at_once));
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

static char much[32 << 20];

static void big(ch_exchange *x, void *arg)
{
    (void)arg;
    ch_exchange_reply(x, 200, "text/plain", much, sizeof much);
}

/* A thread of its own for each, as an engine would: some pieces, then the end, after which the
 * job is no more. */
typedef struct job {
    ch_exchange *x;
    int gone;
} job;

static void job_left(void *arg)
{
    job *j = arg;
    j->gone++;
    atomic_fetch_add(&held.gone, 1);
}

static void *work(void *arg)
{
    job *j = arg;
    usleep(20000);
    ch_exchange_begin(j->x, "text/plain");
    for (int i = 0; i < 10; i++) {
        usleep(2000);
        ch_exchange_send(j->x, "0123456789", 10);
    }
    ch_exchange_end(j->x);
    if (j->gone > 1)
        atomic_fetch_add(&held.gone, 1000000);
    free(j);
    return NULL;
}

static void busy(ch_exchange *x, void *arg)
{
    pthread_t t;
    job *j = calloc(1, sizeof *j);
    (void)arg;
    j->x = x;
    ch_exchange_later(x, job_left, j);
    atomic_fetch_add(&held.calls, 1);
    assert_int_equal(pthread_create(&t, NULL, work, j), 0);
    pthread_detach(t);
}

static const ch_http_route routes[] = {
    {"GET", "/hello", hello, false, false}, {"GET", "/later", later, false, false},
    {"GET", "/busy", busy, false, false},   {"POST", "/v1/messages", hello, false, false},
    {"GET", "/big", big, false, false},     {"GET", "/health", hello, true, false},
    {NULL, NULL, NULL, false, false},
};

static const ch_http_options usual = {.routes = routes, .log_fd = -1};

static void write_text(const char *path, const char *text)
{
    ch_err e;
    assert_ok(ch_io_write_file(path, text, strlen(text), &e), e);
    chmod(path, 0600);
}

/* ---- Keys ----------------------------------------------------------------------------------- */

static json_t *who(const ch_http *h, const char *headers)
{
    char text[400];
    snprintf(text, sizeof text, ASK "%s\r\n", headers);
    answer a = wire_ask(h, text);
    json_t *v = a.status == 200 ? json_loadb(a.body.data, a.body.size, 0, NULL) : NULL;
    if (!v) {
        assert_int_equal(a.status, 401);
        assert_non_null(strstr(a.body.data, "\"code\":\"invalid_api_key\""));
        assert_true(answer_says(&a, "WWW-Authenticate", "Bearer"));
    }
    answer_close(&a);
    return v;
}

static void test_keys(void **state)
{
    char *dir = temp_dir(), *path = ch_io_join(dir, "keys");
    ch_err e;
    (void)state;
    write_text(path, "# who may ask\n\nalice sk-alice-0001 2 # two at once\r\n"
                     "  bob\tsk-bob-00002\n");
    ch_http_options o = usual;
    o.keys = path;
    ch_http *h = serve(&o);
    assert_null(who(h, ""));
    assert_null(who(h, "Authorization: Bearer sk-alice-000\r\n"));
    assert_null(who(h, "Authorization: Bearer sk-alice-00011\r\n"));
    assert_null(who(h, "Authorization: Bearer \r\n"));
    assert_null(who(h, "Authorization: sk-alice-0001\r\n"));
    json_t *a = who(h, "Authorization: bearer  sk-alice-0001\r\n");
    json_t *b = who(h, "X-Api-Key: sk-bob-00002\r\n");
    assert_string_equal(json_string_value(json_object_get(a, "name")), "alice");
    assert_int_equal(json_integer_value(json_object_get(a, "most")), 2);
    assert_string_equal(json_string_value(json_object_get(b, "name")), "bob");
    assert_int_not_equal(json_integer_value(json_object_get(a, "user")),
                         json_integer_value(json_object_get(b, "user")));
    assert_int_not_equal(json_integer_value(json_object_get(a, "user")), 0);
    assert_int_equal(wire_status(h, "GET /health HTTP/1.1\r\n" HOST "\r\n"), 200);
    answer m = wire_ask(h, "POST /v1/messages HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}");
    assert_int_equal(m.status, 401);
    assert_memory_equal(m.body.data, "{\"type\":\"error\"", 15);
    answer_close(&m);
    /* read again: the same key is the same user; what cannot be read changes nothing */
    write_text(path, "carol sk-alice-0001\n");
    assert_ok(ch_http_keys(h, &e), e);
    json_t *c = who(h, "x-api-key: sk-alice-0001\r\n");
    assert_string_equal(json_string_value(json_object_get(c, "name")), "carol");
    assert_int_equal(json_integer_value(json_object_get(c, "user")),
                     json_integer_value(json_object_get(a, "user")));
    assert_int_equal(json_integer_value(json_object_get(c, "salt")),
                     json_integer_value(json_object_get(a, "salt")));
    assert_null(who(h, "x-api-key: sk-bob-00002\r\n"));
    write_text(path, "carol\n");
    assert_fails(ch_http_keys(h, &e), CH_EFORMAT, e, "keys:1: 1 words");
    json_t *d = who(h, "x-api-key: sk-alice-0001\r\n");
    assert_non_null(d);
    json_decref(a), json_decref(b), json_decref(c), json_decref(d);
    ch_http_close(&h);
    free(path);
    temp_dir_remove(dir);
}

static void test_bad_keys(void **state)
{
    static const struct {
        const char *text, *part;
    } bad[] = {
        {"", "no key"},
        {"# alice sk-alice-0001\n", "no key"},
        {"alice sk-alice-0001 2 3\n", "4 words"},
        {"alice short\n", "5 bytes"},
        {"al/ice sk-alice-0001\n", "a name is"},
        {"alice sk-alice-0001 -1\n", "AT_ONCE"},
        {"alice sk-alice-0001 99999999999999999999\n", "AT_ONCE"},
        {"alice sk-alice-0001\nbob sk-alice-0001\n", ":2: the key is that of \"alice\""},
        {"alice sk-alice-\x01\x02\x03\n", "can be printed"},
    };
    char *dir = temp_dir(), *path = ch_io_join(dir, "keys");
    ch_err e;
    (void)state;
    ch_http_options o = usual;
    ch_http *h;
    o.keys = path;
    assert_fails(ch_http_open(&h, &o, &e), CH_EIO, e, "keys");
    for (size_t i = 0; i < CH_COUNT(bad); i++) {
        write_text(path, bad[i].text);
        assert_fails(ch_http_open(&h, &o, &e), CH_EFORMAT, e, bad[i].part);
        assert_null(strstr(e.text, "sk-"));
        assert_null(h);
    }
    free(path);
    temp_dir_remove(dir);
}

static void test_at_once(void **state)
{
    char *dir = temp_dir(), *path = ch_io_join(dir, "keys");
    (void)state;
    write_text(path, "alice sk-alice-0001 1\nbob sk-bob-00002\n");
    ch_http_options o = usual;
    o.keys = path;
    ch_http *h = serve(&o);
    const int fd = wire_open(h);
    for (int i = 0; i < 20; i++) { /* as soon as there is a reply, there is room */
        wire_say(fd, "GET /later HTTP/1.1\r\n" HOST "x-api-key: sk-alice-0001\r\n\r\n");
        ch_exchange *x = held_one();
        answer a = wire_ask(h, ASK "x-api-key: sk-alice-0001\r\n\r\n");
        assert_int_equal(a.status, 429);
        assert_true(answer_says(&a, "Retry-After", "1"));
        answer_close(&a);
        assert_int_equal(wire_status(h, ASK "x-api-key: sk-bob-00002\r\n\r\n"), 200);
        ch_exchange_reply(x, 200, NULL, "", 0);
        a = wire_answer(fd, false);
        assert_int_equal(a.status, 200);
        answer_close(&a);
        assert_int_equal(wire_status(h, ASK "x-api-key: sk-alice-0001\r\n\r\n"), 200);
    }
    close(fd);
    ch_http_close(&h);
    free(path);
    temp_dir_remove(dir);
}

/* ---- Pages and hosts ------------------------------------------------------------------------ */

static int from(const ch_http *h, const char *host, const char *origin)
{
    char text[400];
    snprintf(text, sizeof text, "GET /hello HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", host,
             origin ? "Origin: " : "", origin ? origin : "", origin ? "\r\n" : "");
    answer a = wire_ask(h, text);
    const int status = a.status;
    char *may = answer_header(&a, "Access-Control-Allow-Origin");
    assert_true((may != NULL) == (origin && status == 200));
    free(may);
    answer_close(&a);
    return status;
}

static void test_pages(void **state)
{
    (void)state;
    ch_http *h = serve(&usual);
    assert_int_equal(from(h, "localhost:8000", NULL), 200);
    assert_int_equal(from(h, "127.0.0.1", NULL), 200);
    assert_int_equal(from(h, "[::1]:1", NULL), 200);
    assert_int_equal(from(h, "evil.example", NULL), 403);
    assert_int_equal(from(h, "localhost.evil.example", NULL), 403);
    assert_int_equal(from(h, "localhost:80@evil.example", NULL), 403);
    assert_int_equal(from(h, "[::1", NULL), 403);
    assert_int_equal(from(h, "", NULL), 403);
    assert_int_equal(from(h, "localhost", "http://localhost:3000"), 200);
    assert_int_equal(from(h, "localhost", "https://127.0.0.1"), 200);
    assert_int_equal(from(h, "localhost", "https://evil.example"), 403);
    assert_int_equal(from(h, "localhost", "http://localhost.evil.example"), 403);
    assert_int_equal(from(h, "localhost", "null"), 403);
    answer a = wire_ask(h, "OPTIONS /v1/messages HTTP/1.1\r\n" HOST "Origin: http://localhost:1\r\n"
                           "Access-Control-Request-Method: POST\r\n"
                           "Access-Control-Request-Headers: x-mine, authorization\r\n\r\n");
    assert_int_equal(a.status, 204);
    assert_true(answer_says(&a, "Access-Control-Allow-Origin", "http://localhost:1"));
    assert_true(answer_says(&a, "Access-Control-Allow-Methods", "POST, OPTIONS"));
    assert_true(answer_says(&a, "Access-Control-Allow-Headers", "x-mine, authorization"));
    answer_close(&a);
    assert_int_equal(wire_status(h, "OPTIONS /none HTTP/1.1\r\n" HOST "\r\n"), 404);
    ch_http_close(&h);
    ch_http_options o = usual;
    o.origins = "https://a.example, http://b.example:81";
    h = serve(&o);
    assert_int_equal(from(h, "a.example", "https://a.example"), 200);
    assert_int_equal(from(h, "b.example:81", NULL), 200);
    assert_int_equal(from(h, "b.example", NULL), 403);
    assert_int_equal(from(h, "localhost", "http://a.example"), 403);
    assert_int_equal(from(h, "localhost", "http://localhost:3000"), 403);
    assert_int_equal(from(h, "localhost:3000", "http://localhost:3000"), 200); /* its own */
    ch_http_close(&h);
    o.origins = "*";
    h = serve(&o);
    assert_int_equal(from(h, "any.example", "https://evil.example"), 200);
    ch_http_close(&h);
}

/* ---- Logs ----------------------------------------------------------------------------------- */

static void test_log(void **state)
{
    char *dir = temp_dir(), *path = ch_io_join(dir, "log"), *keys = ch_io_join(dir, "keys");
    ch_err e;
    (void)state;
    write_text(keys, "alice sk-alice-0001\n");
    chmod(keys, 0644);
    ch_http_options o = usual;
    o.keys = keys;
    o.log_fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ch_http *h = serve(&o);
    wire_status(h, "GET /hello?secret=1 HTTP/1.1\r\n" HOST "x-api-key: sk-alice-0001\r\n"
                   "X-Request-Id: mine\r\n\r\n");
    wire_status(h, "GET /\xff\"\\x HTTP/1.1\r\n" HOST "x-api-key: sk-alice-0001\r\n\r\n");
    wire_status(h, "GET /hello HTTP/1.1\r\n\r\n");
    ch_http_close(&h);
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    assert_ok(ch_io_read_file(&b, path, &e), e);
    assert_null(strstr(b.data, "sk-alice"));
    assert_null(strstr(b.data, "secret"));
    int lines = 0, refused = 0, replied = 0; /* of three requests, in any order */
    for (char *rest = b.data, *line; (line = strsep(&rest, "\n")) && *line; lines++) {
        json_t *v = json_loads(line, 0, NULL);
        assert_non_null(v);
        assert_int_equal(strlen(json_string_value(json_object_get(v, "ts"))), 24);
        if (lines == 0)
            assert_non_null(strstr(line, "chmod 600"));
        const json_int_t status = json_integer_value(json_object_get(v, "status"));
        refused += status == 400; /* by libmicrohttpd itself */
        if (status == 200) {
            assert_string_equal(json_string_value(json_object_get(v, "id")), "mine");
            assert_string_equal(json_string_value(json_object_get(v, "client")), "alice");
            assert_string_equal(json_string_value(json_object_get(v, "path")), "/hello");
            assert_true(json_integer_value(json_object_get(v, "out")) > 10);
            assert_true(json_real_value(json_object_get(v, "ms")) > 0);
            const json_t *notes = json_object_get(v, "notes");
            assert_true(json_real_value(json_object_get(notes, "tokens")) == 3);
            replied++;
        }
        json_decref(v);
    }
    assert_int_equal(lines, 4);
    assert_int_equal(refused, 1);
    assert_int_equal(replied, 1);
    ch_buf_close(&b);
    close(o.log_fd);
    free(path), free(keys);
    temp_dir_remove(dir);
}

/* ---- Listening ------------------------------------------------------------------------------ */

static void test_listening(void **state)
{
    (void)state;
    ch_err e;
    ch_http *h, *h2;
    ch_http_options o = usual;
    o.host = "0.0.0.0";
    assert_fails(ch_http_open(&h, &o, &e), CH_EARG, e, "can be reached from other computers");
    o.allow_open = true;
    h = serve(&o);
    assert_int_equal(from(h, "any.example", NULL), 200);
    ch_http_options same = usual;
    same.port = ch_http_port(h);
    assert_fails(ch_http_open(&h2, &same, &e), CH_EIO, e, "cannot be listened on");
    ch_http_close(&h);
    o = usual;
    o.host = "no.such.host.invalid";
    assert_fails(ch_http_open(&h, &o, &e), CH_EARG, e, "no address");
    o.host = "127.0.0.1";
    o.port = 70000;
    assert_fails(ch_http_open(&h, &o, &e), CH_EARG, e, "70000");
    o.host = "localhost";
    o.port = 0;
    o.threads = 1;
    h = serve(&o);
    assert_int_equal(wire_status(h, ASK "\r\n"), 200);
    ch_http_close(&h);
}

static void test_unix_socket(void **state)
{
    (void)state;
    ch_err e;
    char *dir = temp_dir(), *path = ch_io_join(dir, "sock"), host[300];
    snprintf(host, sizeof host, "unix:%s", path);
    ch_http *h, *h2;
    ch_http_options o = usual;
    o.host = host;
    write_text(path, "mine");
    assert_fails(ch_http_open(&h, &o, &e), CH_EARG, e, "no socket");
    assert_true(ch_io_is_file(path));
    unlink(path);
    /* what a killed server leaves */
    const int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    assert_int_equal(bind(stale, (struct sockaddr *)&at, sizeof at), 0);
    close(stale);
    h = serve(&o);
    assert_fails(ch_http_open(&h2, &o, &e), CH_EARG, e, "another program listens");
    const int fd = wire_open_unix(path);
    wire_say(fd, "GET /hello HTTP/1.1\r\nHost: whatever\r\n\r\n");
    answer a = wire_answer(fd, false);
    assert_int_equal(a.status, 200);
    answer_close(&a);
    wire_say(fd, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    ch_exchange *x = held_one();
    close(fd);
    until(held.gone == 1);
    ch_exchange_end(x);
    ch_http_close(&h);
    assert_false(ch_io_exists(path));
    memset(host + 5, 'a', 200);
    host[205] = '\0';
    assert_fails(ch_http_open(&h, &o, &e), CH_EARG, e, "200 bytes");
    free(path);
    temp_dir_remove(dir);
}

static void test_tls_files(void **state)
{
    (void)state;
    ch_err e;
    char *dir = temp_dir(), *path = ch_io_join(dir, "pem");
    ch_http *h;
    ch_http_options o = usual;
    write_text(path, "no PEM\n");
    o.cert = path;
    assert_fails(ch_http_open(&h, &o, &e), CH_EARG, e, "only the certificate");
    o.key = path;
    int rc = ch_http_open(&h, &o, &e);
    assert_true(rc == CH_EUNSUPPORTED || strstr(e.text, "there is no certificate"));
    write_text(path, "-----BEGIN CERTIFICATE-----\n");
    rc = ch_http_open(&h, &o, &e);
    assert_true(rc == CH_EUNSUPPORTED || strstr(e.text, "there is no private key"));
    o.key = "/nowhere/key";
    rc = ch_http_open(&h, &o, &e);
    assert_true(rc == CH_EUNSUPPORTED || strstr(e.text, "cannot open /nowhere/key"));
    write_text(path, ""); /* libmicrohttpd would speak plain HTTP */
    rc = ch_http_open(&h, &o, &e);
    assert_true(rc == CH_EUNSUPPORTED || strstr(e.text, "there is no certificate"));
    assert_null(h);
    free(path);
    temp_dir_remove(dir);
}

/* ---- Hostile bytes -------------------------------------------------------------------------- */

static uint64_t draw(uint64_t n, uint64_t *at) { return ch_rng_below(n, 7, CH_RNG_TEST, 1, ++*at); }

/* One of many kinds of nonsense; nearly all of them begin like a request. */
static void nonsense(ch_buf *b, uint64_t *at)
{
    static const char *const lines[] = {
        "GET /hello HTTP/1.1\r\n", "BREW /hello HTTP/1.1\r\n", "GET\r\n", "GET /hello\r\n",
        "get /hello HTTP/9.9\r\n", " / HTTP/1.1\r\n", "POST /v1/messages HTTP/1.1\r\n",
        "GET /%00%ff%zz?%&=&a=%0 HTTP/1.1\r\n", "OPTIONS * HTTP/1.1\r\n", "\r\n\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET http:// HTTP/1.1\r\n",
        "CONNECT a:1 HTTP/1.1\r\n", "GET  /hello  HTTP/1.1\n", "\x16\x03\x01\x02\x00\x01\x00",
    };
    static const char *const headers[] = {
        HOST, HOST, HOST, "Host:\r\n", "Content-Length: 5\r\n", "Content-Length: -1\r\n",
        "Content-Length: 99999999999999999999\r\n", "Content-Length: 0x5\r\n",
        "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip, chunked\r\n",
        "Expect: 100-continue\r\n", "no colon\r\n", " folded\r\n", ": empty\r\n",
        "Connection: close\r\n", "Connection: upgrade\r\nUpgrade: h2c\r\n", "Cookie: a=b; c\r\n",
        "Origin: http://x\r\n", "X:\t\x01\x02\x7f\xff\r\n", "Range: bytes=0-\r\n", "A: b\n",
    };
    static const char *const bodies[] = {
        "5\r\nhello\r\n0\r\n\r\n", "ffffffffffffffff\r\n", "fffffffffffffffffff\r\n", "-1\r\n",
        "g\r\n", "5;a=b\r\nhel", "5\r\nhelloX\r\n", "0\r\nA: b\r\n\r\n", "hello", "", "\r\n",
        "0\r\nno colon\r\n\r\n", "2\nhi\n0\n\n",
    };
    ch_buf_str(b, lines[draw(CH_COUNT(lines), at)]);
    for (uint64_t n = draw(5, at); n > 0; n--)
        ch_buf_str(b, headers[draw(CH_COUNT(headers), at)]);
    if (draw(50, at) == 0)
        for (uint64_t n = draw(40000, at); n > 0; n--)
            ch_buf_put(b, "a", 1);
    if (draw(8, at))
        ch_buf_str(b, "\r\n");
    ch_buf_str(b, bodies[draw(CH_COUNT(bodies), at)]);
    for (uint64_t n = draw(4, at); n > 0 && b->size; n--)
        b->data[draw(b->size, at)] = (char)draw(256, at);
    if (draw(4, at) == 0)
        b->size = draw(b->size + 1, at);
}

static void test_hostile(void **state)
{
    (void)state;
    const int fds = count_fds();
    ch_http_options o = usual;
    o.body_bytes = 100;
    ch_http *h = serve(&o);
    uint64_t at = 0;
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    for (int i = 0; i < 10000; i++) {
        ch_buf_clear(&b);
        for (uint64_t n = 1 + draw(3, &at) / 2; n > 0; n--)
            nonsense(&b, &at);
        const int fd = wire_open(h);
        wire_send(fd, b.data, b.size);
        if (i % 64 == 0) { /* the others just leave */
            const struct timeval soon = {.tv_usec = 20000};
            char piece[512];
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
            shutdown(fd, SHUT_WR);
            while (recv(fd, piece, sizeof piece, 0) > 0)
                continue;
        }
        close(fd);
        ch_exchange *x = atomic_exchange(&held.x, NULL);
        if (x)
            ch_exchange_end(x);
    }
    ch_buf_close(&b);
    assert_int_equal(wire_status(h, ASK "\r\n"), 200);
    until(stats(h).open == 0 && stats(h).busy == 0);
    assert_int_equal(stats(h).by_status[5], 0);
    assert_true(stats(h).requests > 1000);
    ch_http_close(&h);
    assert_int_equal(count_fds(), fds);
}

static void test_dawdlers(void **state)
{
    (void)state;
    ch_http_options o = usual;
    o.idle_s = o.body_s = 1;
    o.connections = 4;
    ch_http *h = serve(&o);
    int fd[4];
    for (int i = 0; i < 4; i++)
        fd[i] = wire_open(h);
    wire_say(fd[1], "GET /hello HTTP/1.1\r\nHost: lo");
    wire_say(fd[2], "POST /v1/messages HTTP/1.1\r\n" HOST "Content-Length: 50\r\n\r\n");
    wire_say(fd[3], "GET /big HTTP/1.1\r\n" HOST "\r\n"); /* and reads nothing */
    /* there is no room, but whoever waits gets in when the first of them has been closed */
    assert_int_equal(wire_status(h, ASK "\r\n"), 200);
    until(stats(h).slow == 1);
    for (int i = 0; i < 4; i++) {
        assert_true(i == 3 || wire_ends(fd[i]));
        close(fd[i]);
    }
    ch_http_close(&h);
}

/* Bodies that arrive at once share what is allowed to all of them, 16 times one. */
static void test_bodies_at_once(void **state)
{
    enum { N = 16 };
    (void)state;
    ch_http_options o = usual;
    o.body_bytes = 1000;
    ch_http *h = serve(&o);
    char text[1200];
    const int k = snprintf(text, sizeof text, "POST /v1/messages HTTP/1.1\r\n" HOST
                           "Content-Length: 1000\r\n\r\n");
    memset(text + k, ' ', 1000);
    int fd[N];
    for (int i = 0; i < N; i++) {
        fd[i] = wire_open(h);
        wire_send(fd[i], text, (size_t)k + 999);
    }
    text[k + 1000] = '\0';
    until(stats(h).held == 999 * N);
    assert_int_equal(wire_status(h, text), 503);
    for (int i = 0; i < N; i++) {
        wire_say(fd[i], " ");
        answer a = wire_answer(fd[i], false);
        assert_int_equal(a.status, 200);
        answer_close(&a);
        close(fd[i]);
    }
    until(stats(h).held == 0);
    assert_int_equal(wire_status(h, text), 200);
    ch_http_close(&h);
}

/* ---- The end -------------------------------------------------------------------------------- */

static void test_drain(void **state)
{
    (void)state;
    enum { N = 40 };
    const int fds = count_fds();
    ch_http *h = serve(&usual);
    int fd[N];
    for (int i = 0; i < N; i++) {
        fd[i] = wire_open(h);
        wire_say(fd[i], "GET /busy HTTP/1.1\r\n" HOST "\r\n");
    }
    until(held.calls == N);
    const int idle = wire_open(h);
    wire_say(idle, ASK "\r\n");
    answer a = wire_answer(idle, false);
    answer_close(&a);
    ch_http_drain(h, 10000);
    for (int i = 0; i < N; i++) { /* all that had begun came to its end */
        a = wire_answer(fd[i], false);
        assert_int_equal(a.status, 200);
        assert_true(a.whole);
        assert_int_equal(a.body.size, 100);
        answer_close(&a);
        close(fd[i]);
    }
    assert_int_equal(held.gone, 0);
    wire_say(idle, ASK "\r\n"); /* too late */
    a = wire_answer(idle, false);
    assert_int_equal(a.status, 503);
    assert_true(answer_says(&a, "Connection", "close"));
    answer_close(&a);
    close(idle);
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)ch_http_port(h)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int none = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_not_equal(connect(none, (const struct sockaddr *)&at, sizeof at), 0);
    close(none);
    ch_http_close(&h);
    assert_int_equal(count_fds(), fds);
}

/* Clients hang at every stage while the server closes, and what handlers hold outlives it. */
static void test_close(void **state)
{
    static const char *const begun[] = {
        "", "GET /he", "GET /hello HTTP/1.1\r\nHo", ASK "\r\n",
        "POST /v1/messages HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\nabc",
        "GET /later HTTP/1.1\r\n" HOST "\r\n",
    };
    (void)state;
    const int fds = count_fds();
    for (int round = 0; round < 3; round++) {
        ch_http *h = serve(&usual);
        int fd[CH_COUNT(begun)];
        for (size_t i = 0; i < CH_COUNT(begun); i++) {
            fd[i] = wire_open(h);
            wire_say(fd[i], begun[i]);
        }
        ch_exchange *x = held_one();
        if (round == 1) {
            ch_exchange_begin(x, "text/plain");
            ch_exchange_send(x, "abc", 3);
        }
        ch_http_drain(h, 1);
        ch_http_close(&h);
        assert_int_equal(held.gone, 1);
        if (round == 2)
            assert_true(ch_exchange_begin(x, "text/plain") == false);
        assert_false(ch_exchange_send(x, "abc", 3));
        assert_string_equal(ch_exchange_path(x), "/later");
        ch_exchange_end(x);
        for (size_t i = 0; i < CH_COUNT(begun); i++)
            close(fd[i]);
    }
    assert_int_equal(count_fds(), fds);
}

/* The server closes while the last exchange is being logged. */
static void test_close_at_once(void **state)
{
    (void)state;
    ch_http_options o = usual;
    o.log_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    for (int i = 0; i < 60; i++) {
        ch_http *h = serve(&o);
        assert_int_equal(wire_status(h, ASK "\r\n"), 200);
        ch_http_close(&h);
    }
    close(o.log_fd);
}

/* Replies, departures and the end of the server at once: for sanitizers. */
static void *come_and_go(void *arg)
{
    const ch_http *h = arg;
    for (int i = 0; i < 20; i++) {
        const int fd = wire_open(h);
        wire_say(fd, "GET /busy HTTP/1.1\r\n" HOST "\r\n");
        usleep((useconds_t)(i % 7) * 7000);
        if (i % 3 == 0) {
            answer a = wire_answer(fd, false);
            answer_close(&a);
        }
        close(fd);
    }
    return NULL;
}

static void test_storm(void **state)
{
    enum { N = 8 };
    pthread_t t[N];
    (void)state;
    ch_http *h = serve(&usual);
    for (int i = 0; i < N; i++)
        assert_int_equal(pthread_create(&t[i], NULL, come_and_go, h), 0);
    for (int i = 0; i < N; i++)
        pthread_join(t[i], NULL);
    until(stats(h).busy == 0);
    const ch_http_stats s = stats(h);
    assert_int_equal(s.requests, 20 * N);
    assert_true(s.gone > 0 && s.gone < 20 * N);
    assert_true(held.gone > 0 && held.gone <= (int)s.gone);
    ch_http_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys), cmocka_unit_test(test_bad_keys),
        cmocka_unit_test(test_at_once), cmocka_unit_test(test_pages), cmocka_unit_test(test_log),
        cmocka_unit_test(test_listening), cmocka_unit_test(test_unix_socket),
        cmocka_unit_test(test_tls_files), cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_dawdlers), cmocka_unit_test(test_bodies_at_once),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_close), cmocka_unit_test(test_close_at_once),
        cmocka_unit_test(test_storm),
    };
    return cmocka_run_group_tests_name("serve/http_guard", tests, NULL, NULL);
}

#else

int main(void)
{
    print_message("# skipped: needs libmicrohttpd\n");
    return 0;
}

#endif
