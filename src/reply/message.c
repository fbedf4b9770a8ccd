/* message.c - a reply in the form that templates take an assistant's message in
 *
 * SPDX-License-Identifier: MIT */
#include "parts.h"

static int put_text(json_t *message, const char *key, const ch_buf *said, ch_err *e)
{
    ch_buf b;
    ch_buf_init(&b, SIZE_MAX);
    if (said->size > 0)
        ch_buf_utf8(&b, said->data, said->size);
    int rc = ch_buf_check(&b, "a message", e);
    if (rc == CH_OK &&
        json_object_set_new(message, key, json_stringn(b.size > 0 ? b.data : "", b.size)) < 0)
        rc = ch_fail(e, CH_ENOMEM, "out of memory for a message");
    ch_buf_close(&b);
    return rc;
}

/* Objects of the message's own around arguments that are not copied. */
static json_t *copy_calls(const json_t *calls)
{
    json_t *all = json_array();
    for (size_t i = 0; i < json_array_size(calls); i++) {
        json_t *call = json_copy(json_array_get(calls, i));
        json_t *function = json_copy(json_object_get(call, "function"));
        if (json_object_set_new(call, "function", function) < 0 ||
            json_array_append(all, call) < 0) {
            json_decref(call);
            json_decref(all);
            return NULL;
        }
        json_decref(call);
    }
    return all;
}

int ch_reply_message(json_t **out, const ch_reply *r, ch_err *e)
{
    const bool harmony = r->format->family == &ch_reply_harmony;
    const ch_buf *reasoning = &r->said[CH_REPLY_REASONING];
    *out = NULL;
    json_t *m = json_pack("{s:s}", "role", "assistant"), *calls = NULL;
    if (m == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for a message");
    int rc = CH_OK;
    if (reasoning->size > 0)
        rc = put_text(m, harmony ? "thinking" : "reasoning_content", reasoning, e);
    rc = rc < 0 ? rc : put_text(m, "content", &r->said[CH_REPLY_CONTENT], e);
    if (rc == CH_OK && json_array_size(r->calls) > 0 &&
        ((calls = copy_calls(r->calls)) == NULL ||
         json_object_set_new(m, "tool_calls", calls) < 0))
        rc = ch_fail(e, CH_ENOMEM, "out of memory for a message");
    if (rc == CH_OK)
        *out = m;
    else
        json_decref(m);
    return rc;
}
