/* tests/serve/anthropic_write.c - messages and streams of Anthropic's API, byte by byte
 *
 *     anthropic_write samples DIR    DIR/NAME.json and DIR/NAME.stream of each sample
 *
 * is what anthropic_sdk.sh has read by the official client.  SPDX-License-Identifier: MIT */
#include "writer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

static const ch_scribe_info info = {
    .id = "1", .request_id = "req_9", .model = "m\"", .fingerprint = "f", .created = 7};
static const ch_usage usage = {.prompt = 10, .cached = 4, .drawn = 6, .reasoning = 2};

static ch_delta say(ch_delta_kind kind, const char *text)
{
    return (ch_delta){.kind = kind, .text = text, .n = strlen(text)};
}

static ch_delta call(int index, const char *name, const char *id, const char *arguments)
{
    ch_delta d = say(CH_DELTA_CALL, arguments);
    d.index = index;
    d.name = name;
    d.call_id = id;
    return d;
}

static ch_delta end(ch_why why, const char *stop)
{
    return (ch_delta){.kind = CH_DELTA_END, .why = why, .stop = stop};
}

static ch_scribe *open_scribe(const ch_ask *ask)
{
    ch_scribe *w;
    ch_err e = {0};
    assert_ok(ch_scribe_open(&w, ask, &info, &e), e);
    return w;
}

/* All of one reply; b is emptied before. */
static void reply(ch_buf *b, const ch_ask *ask, const ch_delta *d, int n)
{
    ch_scribe *w = open_scribe(ask);
    ch_buf_clear(b);
    ch_scribe_begin(w, b, &usage);
    for (int i = 0; i < n; i++)
        ch_scribe_tell(w, b, &d[i]);
    ch_scribe_done(w, b, &usage);
    assert_int_equal(ch_scribe_error(w), CH_OK);
    assert_false(b->failed);
    ch_scribe_close(&w);
}

static ch_ask asked(bool stream)
{
    return (ch_ask){.api = CH_API_MESSAGES, .answers = 1, .stream = stream};
}

/* ---- Expected bytes -------------------------------------------------------------------------- */

#define HEAD "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\\\"\","
#define NONE_YET                                                                             \
    "\"usage\":{\"input_tokens\":6,\"cache_creation_input_tokens\":0,"                       \
    "\"cache_read_input_tokens\":4,\"output_tokens\":0}"
#define SPENT                                                                                \
    "\"usage\":{\"input_tokens\":6,\"cache_creation_input_tokens\":0,"                       \
    "\"cache_read_input_tokens\":4,\"output_tokens\":6,"                                     \
    "\"output_tokens_details\":{\"thinking_tokens\":2}}"
#define AFTER SPENT "}"
#define ENDED(reason, stop)                                                                  \
    "\"stop_reason\":\"" reason "\",\"stop_sequence\":" stop ",\"stop_details\":null"
#define EVENT(name, rest) "event: " name "\ndata: {\"type\":\"" name "\"" rest "}\n\n"
#define START                                                                                \
    EVENT("message_start", ",\"message\":" HEAD "\"content\":[],\"stop_reason\":null,"       \
                           "\"stop_sequence\":null,\"stop_details\":null," NONE_YET "}")      \
    EVENT("ping", "")
#define BLOCK(i, block)                                                                      \
    EVENT("content_block_start", ",\"index\":" i ",\"content_block\":{" block "}")
#define DELTA(i, delta) EVENT("content_block_delta", ",\"index\":" i ",\"delta\":{" delta "}")
#define STOP(i) EVENT("content_block_stop", ",\"index\":" i)
#define LAST(reason, stop)                                                                   \
    EVENT("message_delta", ",\"delta\":{" ENDED(reason, stop) "}," SPENT)                    \
    EVENT("message_stop", "")
enum { MOST = 8 };

static const struct sample {
    const char *name;
    struct { ch_delta_kind kind; const char *text, *name, *id; } told[MOST]; /* text NULL: end */
    ch_why why;
    const char *stop, *whole, *stream;
} samples[] = {
    {"plain", {{CH_DELTA_CONTENT, "a\n", 0, 0}, {CH_DELTA_CONTENT, "", 0, 0},
               {CH_DELTA_CONTENT, "\xc3\xa9", 0, 0}}, CH_WHY_STOP, NULL,
     HEAD "\"content\":[{\"type\":\"text\",\"text\":\"a\\n\xc3\xa9\"}],"
     ENDED("end_turn", "null") "," AFTER,
     START BLOCK("0", "\"type\":\"text\",\"text\":\"\"")
     DELTA("0", "\"type\":\"text_delta\",\"text\":\"a\\n\"")
     DELTA("0", "\"type\":\"text_delta\",\"text\":\"\xc3\xa9\"") STOP("0")
     LAST("end_turn", "null")},
    {"tools", {{CH_DELTA_REASONING, "t", 0, 0}, {CH_DELTA_REASONING, "u", 0, 0},
               {CH_DELTA_CONTENT, "a", 0, 0}, {CH_DELTA_CALL, "{\"k\":[1,\"\\n\"]}", "f", "call_1"},
               {CH_DELTA_CALL, "{}", "g", "call_2"}}, CH_WHY_CALLS, NULL,
     HEAD "\"content\":[{\"type\":\"thinking\",\"thinking\":\"tu\",\"signature\":\"\"},"
     "{\"type\":\"text\",\"text\":\"a\"},"
     "{\"type\":\"tool_use\",\"id\":\"call_1\",\"name\":\"f\",\"input\":{\"k\":[1,\"\\n\"]}},"
     "{\"type\":\"tool_use\",\"id\":\"call_2\",\"name\":\"g\",\"input\":{}}],"
     ENDED("tool_use", "null") "," AFTER,
     START BLOCK("0", "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"")
     DELTA("0", "\"type\":\"thinking_delta\",\"thinking\":\"t\"")
     DELTA("0", "\"type\":\"thinking_delta\",\"thinking\":\"u\"")
     DELTA("0", "\"type\":\"signature_delta\",\"signature\":\"\"") STOP("0")
     BLOCK("1", "\"type\":\"text\",\"text\":\"\"")
     DELTA("1", "\"type\":\"text_delta\",\"text\":\"a\"") STOP("1")
     BLOCK("2", "\"type\":\"tool_use\",\"id\":\"call_1\",\"name\":\"f\",\"input\":{}")
     DELTA("2", "\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"k\\\":[1,\\\"\\\\n\\\"]}\"")
     STOP("2") BLOCK("3", "\"type\":\"tool_use\",\"id\":\"call_2\",\"name\":\"g\",\"input\":{}")
     DELTA("3", "\"type\":\"input_json_delta\",\"partial_json\":\"{}\"") STOP("3")
     LAST("tool_use", "null")},
    {"empty", {{CH_DELTA_CONTENT, "", 0, 0}}, CH_WHY_LENGTH, NULL,
     HEAD "\"content\":[]," ENDED("max_tokens", "null") "," AFTER,
     START LAST("max_tokens", "null")},
    {"stopped", {{CH_DELTA_CONTENT, "a", 0, 0}}, CH_WHY_STOPPED, "\"END\"",
     HEAD "\"content\":[{\"type\":\"text\",\"text\":\"a\"}],"
     ENDED("stop_sequence", "\"\\\"END\\\"\"") "," AFTER,
     START BLOCK("0", "\"type\":\"text\",\"text\":\"\"")
     DELTA("0", "\"type\":\"text_delta\",\"text\":\"a\"") STOP("0")
     LAST("stop_sequence", "\"\\\"END\\\"\"")},
    {"full", {{CH_DELTA_REASONING, "t", 0, 0}}, CH_WHY_CONTEXT, NULL,
     HEAD "\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"\"}],"
     ENDED("model_context_window_exceeded", "null") "," AFTER,
     START BLOCK("0", "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"")
     DELTA("0", "\"type\":\"thinking_delta\",\"thinking\":\"t\"")
     DELTA("0", "\"type\":\"signature_delta\",\"signature\":\"\"") STOP("0")
     LAST("model_context_window_exceeded", "null")},
};

static void reply_sample(ch_buf *b, const struct sample *s, const ch_ask *ask)
{
    ch_delta d[MOST + 1];
    int n = 0;
    for (; n < MOST && s->told[n].text; n++) {
        d[n] = call(n, s->told[n].name, s->told[n].id, s->told[n].text);
        d[n].kind = s->told[n].kind;
    }
    d[n++] = end(s->why, s->stop);
    reply(b, ask, d, n);
}

static void bytes(void **state)
{
    (void)state;
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    for (size_t i = 0; i < CH_COUNT(samples); i++) {
        const ch_ask whole = asked(false), stream = asked(true);
        reply_sample(&b, &samples[i], &whole);
        assert_string_equal(b.data, samples[i].whole);
        reply_sample(&b, &samples[i], &stream);
        assert_string_equal(b.data, samples[i].stream);
    }
    ch_buf_close(&b);
}

static void our_own_part(void **state)
{
    (void)state;
    static const char ours[] = SPENT ",\"chalcis\":{\"applied\":{\"seed\":\"none\"}}}";
    static const char streamed[] = NONE_YET ",\"chalcis\":{\"applied\":{\"seed\":\"none\"}}}}\n\n";
    ch_buf b;
    ch_ask ask = asked(false);
    ch_buf_init(&b, 1 << 20);
    ask.applied = json_pack("{s:s}", "seed", "none");
    reply_sample(&b, &samples[0], &ask);
    assert_non_null(strstr(b.data, ours));
    ask.stream = true;
    reply_sample(&b, &samples[0], &ask);
    assert_non_null(strstr(b.data, streamed));
    json_decref(ask.applied);
    ch_buf_close(&b);
}

/* Pings may come before the first event; an error may come at any time. */
static void pings_and_errors(void **state)
{
    (void)state;
    ch_buf b;
    ch_refusal r;
    ch_ask ask = asked(true);
    ch_buf_init(&b, 1 << 20);
    ch_refuse(&r, CH_REFUSED_BUSY, NULL, "too \"much\"");
    ch_scribe *w = open_scribe(&ask);
    ch_scribe_ping(w, &b);
    ch_scribe_begin(w, &b, &usage);
    const ch_delta d = say(CH_DELTA_CONTENT, "a");
    ch_scribe_tell(w, &b, &d);
    ch_scribe_fail(w, &b, &r);
    assert_string_equal(b.data,
                        EVENT("ping", "") START BLOCK("0", "\"type\":\"text\",\"text\":\"\"")
                        DELTA("0", "\"type\":\"text_delta\",\"text\":\"a\"")
                        EVENT("error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":"
                                       "\"too \\\"much\\\"\"},\"request_id\":\"req_9\""));
    ch_scribe_close(&w);
    ch_buf_close(&b);
}

static void hidden_reasoning_is_not_told(void **state)
{
    (void)state;
    static const char empty[] = "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}";
    for (int stream = 0; stream < 2; stream++) {
        ch_buf b;
        ch_ask ask = asked(stream);
        ask.hide_reasoning = true;
        const ch_delta d[] = {say(CH_DELTA_REASONING, "secret"), say(CH_DELTA_REASONING, "secret"),
                              say(CH_DELTA_CONTENT, "a"), end(CH_WHY_STOP, NULL)};
        ch_buf_init(&b, 1 << 20);
        reply(&b, &ask, d, CH_COUNT(d));
        assert_null(strstr(b.data, "secret"));
        assert_non_null(strstr(b.data, empty));
        ch_buf_close(&b);
    }
}

/* A limit of the buffer, and bytes that are no text. */
static void what_goes_wrong(void **state)
{
    (void)state;
    ch_buf b;
    const ch_ask whole = asked(false), stream = asked(true);
    const ch_delta d[] = {say(CH_DELTA_CONTENT, "a\xff\x01"), call(0, "\xc3", "c", "{\"\xff\":1}"),
                          end(CH_WHY_STOPPED, "\xe2\x82")};
    for (int i = 0; i < 2; i++) {
        json_t *v;
        ch_err e;
        ch_buf_init(&b, 1 << 20);
        reply(&b, i ? &stream : &whole, d, CH_COUNT(d));
        assert_true(ch_utf8_valid(b.data, b.size));
        if (i == 0)
            assert_ok(ch_json_parse(&v, b.data, b.size, "reply", &e), e);
        if (i == 0)
            json_decref(v);
        ch_buf_close(&b);
    }
    ch_buf_init(&b, 64);
    ch_scribe *w = open_scribe(&stream);
    ch_scribe_begin(w, &b, &usage);
    assert_int_equal(ch_scribe_error(w), CH_ENOMEM);
    ch_scribe_close(&w);
    ch_buf_close(&b);
}

/* ---- The order of events, by a reader of its own --------------------------------------------- */

struct client {
    enum { FIRST, BETWEEN, INSIDE, ENDING, OVER, BROKEN } state;
    json_t *message, *block; /* as far as they are known */
    ch_buf pieces;
    int deltas;
    bool signature;
};

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    if (!s)
        fail_msg("no \"%s\"", key);
    return s;
}

static void on_start(struct client *c, const json_t *data)
{
    assert_int_equal(c->state, FIRST);
    c->message = json_deep_copy(json_object_get(data, "message"));
    assert_int_equal(json_array_size(json_object_get(c->message, "content")), 0);
    assert_true(json_is_array(json_object_get(c->message, "content")));
    assert_true(json_is_null(json_object_get(c->message, "stop_reason")));
    assert_true(json_is_null(json_object_get(c->message, "stop_sequence")));
    assert_true(json_is_integer(
        json_object_get(json_object_get(c->message, "usage"), "input_tokens")));
    c->state = BETWEEN;
}

static void check_index(const struct client *c, const json_t *data)
{
    const json_t *index = json_object_get(data, "index");
    assert_true(json_is_integer(index));
    assert_int_equal(json_integer_value(index),
                     json_array_size(json_object_get(c->message, "content")));
}

static void on_block(struct client *c, const json_t *data)
{
    assert_int_equal(c->state, BETWEEN);
    check_index(c, data);
    c->block = json_deep_copy(json_object_get(data, "content_block"));
    const char *type = text_of(c->block, "type");
    if (strcmp(type, "tool_use") == 0)
        assert_true(json_is_object(json_object_get(c->block, "input")) && *text_of(c->block, "id"));
    else
        assert_string_equal(text_of(c->block, type), "");
    if (strcmp(type, "thinking") == 0)
        assert_string_equal(text_of(c->block, "signature"), "");
    ch_buf_clear(&c->pieces);
    c->deltas = 0;
    c->signature = false;
    c->state = INSIDE;
}

static void on_delta(struct client *c, const json_t *data)
{
    static const char *const kinds[][3] = {{"text", "text_delta", "text"},
                                           {"thinking", "thinking_delta", "thinking"},
                                           {"thinking", "signature_delta", "signature"},
                                           {"tool_use", "input_json_delta", "partial_json"}};
    const json_t *delta = json_object_get(data, "delta");
    assert_int_equal(c->state, INSIDE);
    check_index(c, data);
    assert_false(c->signature); /* which is the last */
    size_t i = 0;
    while (i < CH_COUNT(kinds) && (strcmp(kinds[i][0], text_of(c->block, "type")) != 0 ||
                                   strcmp(kinds[i][1], text_of(delta, "type")) != 0))
        i++;
    assert_true(i < CH_COUNT(kinds));
    c->signature = i == 2;
    c->deltas++;
    ch_buf_str(&c->pieces, text_of(delta, kinds[i][2]));
}

static void on_block_stop(struct client *c, const json_t *data)
{
    const char *type = text_of(c->block, "type");
    assert_int_equal(c->state, INSIDE);
    check_index(c, data);
    assert_true(c->deltas > 0);
    const char *all = c->pieces.data ? c->pieces.data : "";
    if (strcmp(type, "tool_use") == 0) {
        json_t *input;
        ch_err e;
        assert_ok(ch_json_parse(&input, all, strlen(all), "input", &e), e);
        json_object_set_new(c->block, "input", input);
    } else {
        assert_true(c->signature == (strcmp(type, "thinking") == 0));
        json_object_set_new(c->block, type, json_string(all));
    }
    json_array_append_new(json_object_get(c->message, "content"), c->block);
    c->block = NULL;
    c->state = BETWEEN;
}

static void on_end(struct client *c, const json_t *data)
{
    json_t *delta = json_object_get(data, "delta");
    assert_int_equal(c->state, BETWEEN);
    assert_true(*text_of(delta, "stop_reason"));
    assert_non_null(json_object_get(delta, "stop_sequence"));
    json_object_update(c->message, delta);
    json_object_set(c->message, "usage", json_object_get(data, "usage"));
    c->state = ENDING;
}

static void on_event(struct client *c, const char *name, const json_t *data)
{
    static const struct {
        const char *name;
        void (*hear)(struct client *, const json_t *);
    } kinds[] = {{"message_start", on_start},         {"content_block_start", on_block},
                 {"content_block_delta", on_delta},   {"content_block_stop", on_block_stop},
                 {"message_delta", on_end}};
    assert_true(c->state < OVER);
    assert_string_equal(text_of(data, "type"), name);
    for (size_t i = 0; i < CH_COUNT(kinds); i++)
        if (strcmp(name, kinds[i].name) == 0) {
            kinds[i].hear(c, data);
            return;
        }
    if (strcmp(name, "message_stop") == 0) {
        assert_int_equal(c->state, ENDING);
        c->state = OVER;
    } else if (strcmp(name, "error") == 0) {
        assert_true(*text_of(json_object_get(data, "error"), "message"));
        c->state = BROKEN;
    } else {
        assert_string_equal(name, "ping");
    }
}

/* All of b, which holds whole events; it is emptied. */
static void hear(struct client *c, ch_buf *b)
{
    char *at = b->data, *save;
    while (b->size > 0 && at < b->data + b->size) {
        json_t *data;
        ch_err e;
        char *close = strstr(at, "\n\n");
        assert_non_null(close);
        *close = 0;
        char *first = strtok_r(at, "\n", &save), *second = strtok_r(NULL, "\n", &save);
        assert_true(first && second && !strtok_r(NULL, "\n", &save));
        assert_true(strncmp(first, "event: ", 7) == 0 && strncmp(second, "data: ", 6) == 0);
        assert_ok(ch_json_parse(&data, second + 6, strlen(second + 6), "data", &e), e);
        on_event(c, first + 7, data);
        json_decref(data);
        at = close + 2;
    }
    ch_buf_clear(b);
}

static uint32_t below(uint64_t *drawn, uint32_t n)
{
    return (uint32_t)ch_rng_below(n, 11, 0, 0, (*drawn)++);
}

static ch_delta random_delta(uint64_t *s, int *calls)
{
    static const char *const texts[] = {
        "",    "a", " b", "\n\n", "\"", "\\u0000", "data: {}\n\nevent: x", "\xf0\x9f\x98\x80",
        "</think>", "\t\x01", "long enough, this"};
    static const char *const inputs[] = {"{}", "{\"a\":\"\\n\\n\"}", "{\"k\":{\"l\":[null,1]}}"};
    const char *text = texts[below(s, CH_COUNT(texts))];
    switch (below(s, 8)) {
    case 0:
        return call((*calls)++, "f", "call_x", inputs[below(s, CH_COUNT(inputs))]);
    case 1:
        return (ch_delta){.kind = CH_DELTA_TOKEN,
                          .token = {.bytes = "a", .n = 1, .log_p = (double)NAN}};
    case 2:
    case 3:
        return say(CH_DELTA_REASONING, text);
    default:
        return say(CH_DELTA_CONTENT, text);
    }
}

/* A block is closed by what ends it, and not later. */
static void check_state(const struct client *c, const ch_delta *d, int before)
{
    if (d->kind == CH_DELTA_CALL || d->kind == CH_DELTA_END)
        assert_int_equal(c->state, BETWEEN);
    else if (d->kind == CH_DELTA_TOKEN || d->n == 0)
        assert_int_equal(c->state, before);
    else
        assert_int_equal(c->state, INSIDE);
    if (c->state == INSIDE && d->n > 0 && d->kind != CH_DELTA_TOKEN)
        assert_string_equal(text_of(c->block, "type"),
                            d->kind == CH_DELTA_CONTENT ? "text" : "thinking");
}

static void random_reply(uint64_t *s)
{
    enum { DELTAS = 24 };
    ch_delta d[DELTAS];
    ch_buf b, whole;
    struct client c = {0};
    int calls = 0, n = 0;
    ch_ask ask = asked(true), same = asked(false);
    ask.hide_reasoning = same.hide_reasoning = below(s, 4) == 0;
    ch_buf_init(&b, 1 << 20);
    ch_buf_init(&whole, 1 << 20);
    ch_buf_init(&c.pieces, 1 << 20);
    for (const int most = (int)below(s, DELTAS); n < most; n++)
        d[n] = random_delta(s, &calls);
    d[n] = end((ch_why)below(s, CH_WHY_CALLS + 1), below(s, 2) ? "x" : NULL);
    n++;
    const int broken = below(s, 8) == 0 ? (int)below(s, (uint32_t)n) : -1;
    ch_scribe *w = open_scribe(&ask);
    ch_scribe_begin(w, &b, &usage);
    hear(&c, &b);
    for (int i = 0; i < n && i != broken; i++) {
        const int before = (int)c.state;
        if (below(s, 4) == 0)
            ch_scribe_ping(w, &b);
        ch_scribe_tell(w, &b, &d[i]);
        hear(&c, &b);
        check_state(&c, &d[i], before);
    }
    if (broken >= 0) {
        ch_refusal r;
        ch_refuse(&r, CH_REFUSED_FAULT, NULL, "it broke");
        ch_scribe_fail(w, &b, &r);
        hear(&c, &b);
        assert_int_equal(c.state, BROKEN);
    } else {
        json_t *v;
        ch_err e;
        ch_scribe_done(w, &b, &usage);
        hear(&c, &b);
        assert_int_equal(c.state, OVER);
        reply(&whole, &same, d, n);
        assert_ok(ch_json_parse(&v, whole.data, whole.size, "reply", &e), e);
        assert_true(json_equal(v, c.message));
        json_decref(v);
    }
    ch_scribe_close(&w);
    json_decref(c.message);
    json_decref(c.block);
    ch_buf_close(&c.pieces);
    ch_buf_close(&whole);
    ch_buf_close(&b);
}

static void order_of_events(void **state)
{
    (void)state;
    uint64_t s = 0;
    for (int i = 0; i < 2000; i++)
        random_reply(&s);
}

/* ---- For the official client ----------------------------------------------------------------- */

static int put_file(const char *dir, const char *name, const char *kind, const ch_buf *b)
{
    char path[500];
    snprintf(path, sizeof path, "%s/%s.%s", dir, name, kind);
    FILE *f = fopen(path, "wb");
    if (!f)
        return 1;
    const bool ok = fwrite(b->data, 1, b->size, f) == b->size;
    return fclose(f) == 0 && ok ? 0 : 1;
}

static int put_samples(const char *dir)
{
    int rc = 0;
    ch_buf b;
    ch_refusal r;
    const ch_ask whole = asked(false), stream = asked(true);
    ch_buf_init(&b, 1 << 20);
    for (size_t i = 0; i < CH_COUNT(samples) && rc == 0; i++) {
        reply_sample(&b, &samples[i], &whole);
        rc = put_file(dir, samples[i].name, "json", &b);
        reply_sample(&b, &samples[i], &stream);
        rc = rc ? rc : put_file(dir, samples[i].name, "stream", &b);
    }
    ch_buf_clear(&b);
    ch_scribe *w = open_scribe(&stream);
    ch_refuse(&r, CH_REFUSED_BUSY, NULL, "too much");
    ch_scribe_begin(w, &b, &usage);
    ch_scribe_fail(w, &b, &r);
    rc = rc ? rc : put_file(dir, "broken", "stream", &b);
    ch_scribe_close(&w);
    ch_buf_close(&b);
    return rc;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest anthropic_writing[] = {
        cmocka_unit_test(bytes),
        cmocka_unit_test(our_own_part),
        cmocka_unit_test(pings_and_errors),
        cmocka_unit_test(hidden_reasoning_is_not_told),
        cmocka_unit_test(what_goes_wrong),
        cmocka_unit_test(order_of_events),
    };
    if (argc == 3 && strcmp(argv[1], "samples") == 0)
        return put_samples(argv[2]);
    return cmocka_run_group_tests_name("serve/anthropic_write", anthropic_writing, NULL, NULL);
}
