/* tell.c - events in the order of the reply's bytes, and what makes a call one
 *
 * SPDX-License-Identifier: MIT */
#include "parts.h"

#include <stdlib.h>
#include <string.h>

static void tell(ch_reply *r, ch_reply_event ev, size_t bytes)
{
    ev.from = r->told;
    ev.to = r->told += bytes;
    if (r->o.tell != NULL)
        r->o.tell(r->o.arg, &ev);
}

void ch_reply_flush(ch_reply *r, bool whole_only)
{
    for (int kind = CH_REPLY_CONTENT; kind <= CH_REPLY_REASONING; kind++) {
        const ch_buf *b = &r->said[kind];
        size_t n = b->size - r->shown[kind];
        if (n == 0)
            continue;
        const char *text = b->data + r->shown[kind];
        n = whole_only ? ch_utf8_whole(text, n) : n;
        r->shown[kind] += n;
        if (n > 0)
            tell(r, (ch_reply_event){.kind = (ch_reply_kind)kind, .text = text, .n = n}, n);
    }
}

void ch_reply_say(ch_reply *r, ch_reply_kind kind, const char *bytes, size_t n)
{
    const int other = kind == CH_REPLY_CONTENT ? CH_REPLY_REASONING : CH_REPLY_CONTENT;
    if (n > 0 && r->said[other].size > r->shown[other])
        ch_reply_flush(r, false);
    if (n > 0)
        ch_buf_put(&r->said[kind], bytes, n);
}

void ch_reply_markup(ch_reply *r, const char *bytes, size_t n)
{
    if (n == 0)
        return;
    ch_reply_flush(r, false);
    tell(r, (ch_reply_event){.kind = CH_REPLY_MARKUP, .text = bytes, .n = n}, n);
}

void ch_reply_give_up(ch_reply *r, ch_reply_kind kind, const char *why)
{
    if (why != NULL) {
        ch_reply_flush(r, false);
        r->failed_calls++;
        tell(r, (ch_reply_event){.kind = kind, .text = why, .n = strlen(why)}, 0);
    }
    ch_reply_say(r, CH_REPLY_CONTENT, r->held.data, r->held.size);
    ch_buf_clear(&r->held);
    r->kind = CH_REPLY_CONTENT;
    r->fresh = r->after_call = r->close_due = r->list_due = false;
}

/* ---- Tools ---- */

/* As templates take them: {"type": "function", "function": {"name": ...}}, or the inner object. */
static const json_t *function_of(const json_t *tool)
{
    const json_t *inner = json_object_get(tool, "function");
    return json_is_object(inner) ? inner : tool;
}

static bool is_text(const json_t *v, const char *text, size_t n)
{
    return json_is_string(v) && json_string_length(v) == n &&
           memcmp(json_string_value(v), text, n) == 0;
}

static const json_t *tool_of(const ch_reply *r, const char *name, size_t n)
{
    for (size_t i = 0; i < json_array_size(r->o.tools); i++) {
        const json_t *tool = function_of(json_array_get(r->o.tools, i));
        if (is_text(json_object_get(tool, "name"), name, n))
            return tool;
    }
    return NULL;
}

const json_t *ch_reply_schema(const ch_reply *r, const char *tool, size_t n, const char *argument,
                              size_t n_argument)
{
    const json_t *t = tool_of(r, tool, n);
    const json_t *properties = json_object_get(json_object_get(t, "parameters"), "properties");
    return json_object_getn(properties, argument, n_argument);
}

/* ---- Calls ---- */

static json_t *call_of(const char *name, const char *id, size_t n_id, json_t *arguments)
{
    json_t *function = json_pack("{s:s, s:o}", "name", name, "arguments", arguments);
    json_t *call = function != NULL ? json_pack("{s:s}", "type", "function") : NULL;
    bool ok = call != NULL;
    if (ok && id != NULL)
        ok = json_object_set_new(call, "id", json_stringn(id, n_id)) == 0;
    ok = ok && json_object_set(call, "function", function) == 0;
    json_decref(function);
    if (ok)
        return call;
    json_decref(call);
    return NULL;
}

static void add(ch_reply *r, json_t *arguments, const char *name, const char *id, size_t n_id)
{
    json_t *call = call_of(name, id, n_id, arguments);
    if (call == NULL || json_array_append_new(r->calls, call) < 0) {
        r->rc = CH_ENOMEM;
        return;
    }
    const json_t *function = json_object_get(call, "function");
    ch_reply_flush(r, false);
    tell(r,
         (ch_reply_event){.kind = CH_REPLY_CALL, .text = r->arguments.data, .n = r->arguments.size,
                          .index = ch_reply_calls(r) - 1,
                          .name = json_string_value(json_object_get(function, "name")),
                          .id = json_string_value(json_object_get(call, "id"))},
         r->held.size);
    ch_buf_clear(&r->held);
    r->kind = CH_REPLY_CONTENT;
    r->fresh = r->after_call = true;
    r->close_due = (r->format->family->closes & r->tags) != 0;
    r->list_due = r->call.list;
}

static bool is_name(const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] < 0x20)
            return false;
    return n > 0 && ch_utf8_valid(name, n);
}

bool ch_reply_call(ch_reply *r, const char *name, size_t n, const char *id, size_t n_id)
{
    json_t *arguments = NULL;
    const char *why = NULL;
    if (!is_name(name, n) || (id != NULL && !is_name(id, n_id)))
        why = "a call without a name";
    else if (r->o.tools != NULL && tool_of(r, name, n) == NULL)
        why = "a call of a tool that there is not";
    else if (ch_reply_calls(r) == CH_REPLY_CALLS)
        why = "more calls than one reply may have";
    else if (ch_json_parse(&arguments, r->arguments.data, r->arguments.size, "", NULL) < 0 ||
             !json_is_object(arguments))
        why = "a call whose arguments are no JSON object";
    char *zero_ended = why == NULL ? strndup(name, n) : NULL;
    if (why == NULL && zero_ended == NULL)
        r->rc = CH_ENOMEM;
    else if (why == NULL)
        add(r, json_incref(arguments), zero_ended, id, n_id);
    else
        ch_reply_give_up(r, CH_REPLY_MALFORMED, why);
    free(zero_ended);
    json_decref(arguments);
    return why == NULL;
}
