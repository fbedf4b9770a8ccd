/* lost.c - the model's file is cut, or replaced, while it is served
 *
 * SPDX-License-Identifier: MIT */
#include "wire.h"

#if __has_include(<microhttpd.h>)

#include "serving.h"

static char *dir;
static char path[4200];

static int setup(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_mapping m;
    dir = temp_dir();
    snprintf(path, sizeof path, "%s/model.gguf", dir);
    if (ch_guard_files(&e) < 0 || ch_io_map(&m, "models/chalcis-tiny.gguf", &e) < 0)
        return -1;
    const int rc = ch_io_write_file(path, m.data, m.size, &e);
    ch_io_unmap(&m);
    return rc == CH_OK ? open_model(path) : rc;
}

static int teardown(void **state)
{
    close_model(state);
    temp_dir_remove(dir);
    return 0;
}

/* In each test, for cmocka sets a handler of its own around it. */
static ch_server *serve_guarded(const ch_engine_options *o)
{
    ch_err e = {0};
    assert_ok(ch_guard_files(&e), e);
    return serve(o);
}

static answer get(const ch_server *s, const char *what)
{
    char request[200];
    const int fd = wire_open_port(ch_server_port(s));
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", what);
    wire_say(fd, request);
    answer a = wire_answer(fd, false);
    ch_buf_put(&a.body, "", 1);
    close(fd);
    return a;
}

static void assert_get(const ch_server *s, const char *what, int status, const char *says)
{
    answer a = get(s, what);
    if (a.status != status || !strstr(a.body.data, says))
        fail_msg("%s: %d %s", what, a.status, a.body.data);
    answer_close(&a);
}

/* The reply is an error of the dialect, which names the file. */
static void check_error(const answer *a, const char *which, const char *dialect)
{
    if (!a->whole || !strstr(a->body.data, dialect) ||
        !strstr(a->body.data, "/model.gguf was cut from ") || strstr(a->body.data, "[DONE]"))
        fail_msg("%s: %d %s", which, a->status, a->body.data);
}

static const struct {
    const char *path, *dialect, *body;
} asks[] = {
    {"/v1/completions", "\"type\":\"server_error\"",
     "{'prompt':'Once','max_tokens':7000,'ignore_eos':true}"},
    {"/v1/chat/completions", "\"type\":\"server_error\"",
     "{'messages':[{'role':'user','content':'Hi'}],'max_tokens':7000,'ignore_eos':true,'n':2}"},
    {"/v1/messages", "{\"type\":\"error\",\"error\":{\"type\":\"api_error\"",
     "{'model':'m','messages':[{'role':'user','content':'Hi'}],'max_tokens':7000,"
     "'ignore_eos':true}"},
    {"/v1/embeddings", "\"type\":\"server_error\"", "{'input':['a cat','a dog']}"},
};
enum { ASKS = CH_COUNT(asks), STREAMS = ASKS - 1 };

static int begin_stream(const ch_server *s, size_t which, answer *a)
{
    char body[300];
    bool whole = false;
    snprintf(body, sizeof body, "{'stream':true,%s", asks[which].body + 1);
    const int fd = begin(ch_server_port(s), asks[which].path, body);
    assert_true(wire_head(fd, a));
    assert_int_equal(a->status, 200);
    for (int i = 0; i < 4; i++)
        assert_true(wire_chunk(fd, &a->body, &whole));
    return fd;
}

/* Who is answered, waits or comes later learns why not; nothing that was computed with what is
 * lost is told. */
static void lose(const ch_server *s, off_t left)
{
    answer a[STREAMS];
    int stream[STREAMS], whole[STREAMS];
    for (size_t i = 0; i < STREAMS; i++)
        stream[i] = begin_stream(s, i, &a[i]);
    for (size_t i = 0; i < STREAMS; i++)
        whole[i] = begin(ch_server_port(s), asks[i].path, asks[i].body);
    until(load(s, "waiting") > 0);
    assert_get(s, "/ready", 200, "ready");
    assert_get(s, "/metrics", 200, "\nchalcis_failed 0\n");
    assert_int_equal(truncate(path, left), 0);
    for (size_t i = 0; i < STREAMS; i++) {
        while (wire_chunk(stream[i], &a[i].body, &a[i].whole))
            continue;
        ch_buf_put(&a[i].body, "", 1);
        check_error(&a[i], asks[i].path, asks[i].dialect);
        answer_close(&a[i]);
        close(stream[i]);
        a[i] = wire_answer(whole[i], false);
        ch_buf_put(&a[i].body, "", 1);
        assert_int_equal(a[i].status, 500);
        check_error(&a[i], asks[i].path, asks[i].dialect);
        answer_close(&a[i]);
        close(whole[i]);
    }
}

static void check_later(const ch_server *s)
{
    ch_err e = {0};
    for (size_t i = 0; i < ASKS; i++) {
        answer a = ask(s, asks[i].path, asks[i].body);
        ch_buf_put(&a.body, "", 1);
        assert_int_equal(a.status, 500);
        check_error(&a, asks[i].path, asks[i].dialect);
        answer_close(&a);
    }
    assert_get(s, "/ready", 503, "failed");
    assert_get(s, "/health", 503, "failed");
    assert_get(s, "/metrics", 200, "\nchalcis_failed 1\n");
    assert_get(s, "/v1/models", 200, "tiny");
    assert_fails(ch_server_check(s, &e), CH_EIO, e, "/model.gguf was cut from ");
    until(idle(s));
}

static void test_cut(void **state)
{
    (void)state;
    static const ch_engine_options few = {.most_answers = 6, .session = {.context = 8000}};
    ch_server *s = serve_guarded(&few);
    lose(s, 5000);
    check_later(s);
    ch_server_close(&s);
}

/* Less than a page is gone, for which there is no signal. */
static void test_cut_a_little(void **state)
{
    (void)state;
    static const ch_engine_options few = {.most_answers = 6, .session = {.context = 8000}};
    ch_server *s = serve_guarded(&few);
    ch_mapping m;
    assert_int_equal(ch_io_map(&m, path, NULL), CH_OK);
    const off_t size = (off_t)m.size;
    ch_io_unmap(&m);
    lose(s, size - 3);
    check_later(s);
    ch_server_close(&s);
}

/* Vectors alone, whose steps are their own. */
static void test_cut_of_vectors(void **state)
{
    (void)state;
    ch_server *s = serve_guarded(NULL);
    json_decref(reply(s, "/v1/embeddings", asks[STREAMS].body));
    assert_int_equal(truncate(path, 0), 0);
    assert_get(s, "/ready", 503, "failed"); /* before anybody asks for anything */
    check_later(s);
    ch_server_close(&s);
}

/* The file that was opened is served on, and is what it was. */
static void test_replaced(void **state)
{
    (void)state;
    static const char once[] = "{'prompt':'Once','max_tokens':30,'seed':1,'logprobs':1}";
    ch_err e = {0};
    ch_server *s = serve_guarded(NULL);
    json_t *before = reply(s, "/v1/completions", once);
    assert_ok(ch_io_write_file(path, "GGUF", 4, &e), e);
    json_t *after = reply(s, "/v1/completions", once);
    assert_true(json_equal(json_object_get(before, "choices"), json_object_get(after, "choices")));
    assert_get(s, "/ready", 200, "ready");
    json_decref(before);
    json_decref(after);
    ch_server_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_a_little, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_of_vectors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replaced, setup, teardown),
    };
    return cmocka_run_group_tests_name("serve/lost", tests, NULL, NULL);
}

#else

int main(void)
{
    print_message("# skipped: needs libmicrohttpd\n");
    return 0;
}

#endif
