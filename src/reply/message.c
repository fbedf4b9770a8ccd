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
        ((calls = json_deep_copy(r->calls)) == NULL ||
         json_object_set_new(m, "tool_calls", calls) < 0))
        rc = ch_fail(e, CH_ENOMEM, "out of memory for a message");
    if (rc == CH_OK)
        *out = m;
    else
        json_decref(m);
    return rc;
}
