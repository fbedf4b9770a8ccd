/* fuzz_ask.c - libFuzzer: any bytes as the body of a request, to every reader
 *
 * What is no JSON is refused before; the rest is read, and answered in one piece that is JSON, or
 * refused in a sentence, as the client's fault.  SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void stop_unless(bool ok)
{
    if (!ok)
        abort();
}

/* In every form a refusal is JSON, and no 5xx but 501: clients try those again. */
static void check_refusal(const ch_refusal *r)
{
    const int status = ch_refusal_status(r);
    stop_unless(r->text[0] && ((status >= 400 && status < 500) || status == 501));
    for (int anthropic = 0; anthropic < 2; anthropic++) {
        json_t *v = ch_refusal_json(r, anthropic, "req_1");
        stop_unless(v != NULL);
        json_decref(v);
    }
}

static void answer(const ch_ask *a)
{
    static const ch_scribe_info info = {.id = "1", .model = "m"};
    static const ch_delta said[] = {
        {.kind = CH_DELTA_REASONING, .text = "a", .n = 1},
        {.kind = CH_DELTA_TOKEN, .token = {.bytes = "\xc3", .n = 1, .log_p = -1}},
        {.kind = CH_DELTA_CONTENT, .text = "\"", .n = 1},
        {.kind = CH_DELTA_CALL, .name = "f", .text = "{}", .n = 2},
        {.kind = CH_DELTA_END, .why = CH_WHY_CALLS}};
    const ch_usage u = {0};
    ch_scribe *w;
    ch_buf b;
    ch_err e = {0};
    json_t *v = NULL;
    ch_buf_init(&b, 64 << 20);
    stop_unless(ch_scribe_open(&w, a, &info, &e) == CH_OK);
    ch_scribe_begin(w, &b, &u);
    for (size_t i = 0; i < CH_COUNT(said); i++)
        ch_scribe_tell(w, &b, &said[i]);
    ch_scribe_done(w, &b, &u);
    stop_unless(ch_scribe_error(w) == CH_OK);
    stop_unless(a->stream || ch_json_parse(&v, b.data, b.size, "reply", &e) == CH_OK);
    json_decref(v);
    ch_scribe_close(&w);
    ch_buf_close(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static ch_ask_reader *const readers[] = {ch_openai_chat, ch_openai_completion,
                                             ch_openai_embedding, ch_anthropic_messages,
                                             ch_anthropic_count};
    static const ch_ask_limits limits = {.answers = 4, .stops = 4, .biases = 8, .tools = 8};
    json_t *body;
    ch_err e = {0};
    if (ch_json_parse(&body, (const char *)bytes, n, "body", &e) < 0)
        return 0;
    for (size_t i = 0; i < CH_COUNT(readers); i++) {
        ch_ask *a;
        ch_refusal r = {0};
        const int rc = readers[i](&a, json_incref(body), &limits, &r);
        stop_unless(rc == CH_OK ? a && a->answers >= 1 && a->best_of >= a->answers
                                : rc == CH_EARG && !a);
        if (rc < 0)
            check_refusal(&r);
        else if (a->api != CH_API_COUNT)
            answer(a);
        ch_ask_close(&a);
    }
    json_decref(body);
    return 0;
}
