/* fuzz_reply.c - libFuzzer: any bytes as what a model generated, cut anywhere
 *
 * The first byte says the format and whether tools are given and the prompt opened the reasoning;
 * the second how the rest is cut.  Every byte is told once, in order and as it is; arguments are
 * JSON objects; and cut otherwise, the same is said.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static const char tools[] =
    "[{\"function\": {\"name\": \"f\", \"parameters\": {\"properties\": {\"a\": {\"type\": "
    "[\"integer\", \"object\"]}}}}}, {\"name\": \"g\"}]";

static void stop_unless(bool ok)
{
    if (!ok)
        abort();
}

typedef struct source {
    const char *text;
    size_t n, at;
} source;

static void event(void *arg, const ch_reply_event *ev)
{
    source *s = arg;
    json_t *v = NULL;
    stop_unless(ev->from == s->at && ev->to >= ev->from && ev->to <= s->n);
    s->at = ev->to;
    if (ev->kind == CH_REPLY_CALL) {
        stop_unless(ch_json_parse(&v, ev->text, ev->n, "fuzz", NULL) == CH_OK);
        stop_unless(json_is_object(v) && ev->name[0] != 0 && ev->to > ev->from);
    } else if (ev->kind != CH_REPLY_MALFORMED && ev->kind != CH_REPLY_UNFINISHED) {
        stop_unless(ev->n > 0 && ev->n == ev->to - ev->from);
        stop_unless(memcmp(ev->text, s->text + ev->from, ev->n) == 0);
    }
    json_decref(v);
}

/* In pieces of `step` bytes. */
static json_t *message(const ch_reply_format *f, ch_reply_options o, const char *text, size_t n,
                       size_t step)
{
    source s = {text, n, 0};
    ch_reply *r;
    json_t *m;
    o.tell = event;
    o.arg = &s;
    stop_unless(ch_reply_open(&r, f, &o, NULL) == CH_OK);
    for (size_t at = 0; at < n; at += step)
        stop_unless(ch_reply_feed(r, text + at, CH_MIN(step, n - at), NULL) == CH_OK);
    stop_unless(ch_reply_end(r, NULL) == CH_OK && s.at == n);
    stop_unless(ch_reply_message(&m, r, NULL) == CH_OK);
    stop_unless((int)json_array_size(json_object_get(m, "tool_calls")) == ch_reply_calls(r));
    ch_reply_close(&r);
    return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char prompt[] = "<think>\n";
    size_t formats = 0;
    json_t *list;
    if (n < 2)
        return 0;
    while (ch_reply_format_at(formats) != NULL)
        formats++;
    const ch_reply_format *f = ch_reply_format_at(bytes[0] % formats);
    const int how = bytes[0] / (int)formats;
    stop_unless(ch_json_parse(&list, tools, sizeof tools - 1, "fuzz", NULL) == CH_OK);
    const ch_reply_options o = {.tools = how & 1 ? list : NULL, .prompt = prompt,
                                .prompt_bytes = how & 2 ? sizeof prompt - 1 : 0};
    const char *text = (const char *)bytes + 2;
    json_t *whole = message(f, o, text, n - 2, n);
    json_t *cut = message(f, o, text, n - 2, 1 + bytes[1] % 9);
    stop_unless(json_equal(whole, cut));
    json_decref(whole);
    json_decref(cut);
    json_decref(list);
    return 0;
}
