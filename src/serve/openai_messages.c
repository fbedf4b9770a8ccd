/* openai_messages.c - messages, from OpenAI's API to what chat templates take
 *
 *     content       a string; parts of text are put together with a line break between them
 *     developer     system
 *     function      tool; a function_call is a tool call, and its result names it
 *     arguments     an object where they are one, else the text that they are: a model may have
 *                   written anything, and a client sends it back as it came
 *
 * SPDX-License-Identifier: MIT */
#include "openai.h"

#include <stdio.h>
#include <string.h>

struct reading {
    json_t *to; /* the message that is made */
    const char *role;
    char call[40]; /* id of the latest function_call, or "" */
};

static int put(struct reading *q, const char *name, json_t *v, ch_refusal *r)
{
    return json_object_set_new(q->to, name, v) < 0 ? ch_openai_starved(r) : CH_OK;
}

/* ---- Content ---- */

static int part(ch_buf *b, const struct reading *q, const json_t *v, ch_refusal *r)
{
    const char *type = json_string_value(json_object_get(v, "type"));
    const bool refusal = type && strcmp(type, "refusal") == 0 && strcmp(q->role, "assistant") == 0;
    const bool text = type && strcmp(type, "text") == 0;
    if (!type)
        return ch_refuse(r, CH_REFUSED_INVALID, NULL,
                         "the request: a part of content has to be an object with a type");
    if (!text && !refusal)
        return ch_refuse(r, CH_REFUSED_INVALID, NULL,
                         "the request: a part of content is of type \"%.40s\"; this server reads "
                         "text alone", type);
    const json_t *said = json_object_get(v, text ? "text" : "refusal");
    if (!json_is_string(said))
        return ch_refuse(r, CH_REFUSED_INVALID, NULL,
                         "the request: a part of type \"%s\" has no string \"%s\"", type, type);
    ch_buf_put(b, json_string_value(said), json_string_length(said));
    return CH_OK;
}

static int parts(struct reading *q, const json_t *list, ch_refusal *r)
{
    size_t i;
    json_t *one;
    ch_buf b;
    int rc = CH_OK;
    ch_buf_init(&b, SIZE_MAX / 2);
    json_array_foreach(list, i, one)
    {
        if (i > 0 && rc == CH_OK)
            ch_buf_str(&b, "\n");
        if (rc == CH_OK && part(&b, q, one, r) < 0)
            rc = ch_refuse_within(r, "content[%zu]", i);
    }
    if (rc == CH_OK && b.failed)
        rc = ch_openai_starved(r);
    if (rc == CH_OK)
        rc = put(q, "content", json_stringn(b.data ? b.data : "", b.size), r);
    ch_buf_close(&b);
    return rc;
}

static int content(struct reading *q, json_t *m, ch_refusal *r)
{
    json_t *v = ch_openai_field(m, "content");
    const bool assistant = strcmp(q->role, "assistant") == 0;
    if (json_is_string(v))
        return put(q, "content", json_incref(v), r);
    if (json_is_array(v))
        return parts(q, v, r);
    if (v)
        return ch_openai_wants(r, "content", "a string or an array of parts");
    json_t *refusal = assistant ? ch_openai_field(m, "refusal") : NULL;
    if (json_is_string(refusal))
        return put(q, "content", json_incref(refusal), r);
    if (assistant || (strcmp(q->role, "tool") == 0 && json_object_get(m, "content")))
        return put(q, "content", json_string(""), r);
    return ch_openai_wants(r, "content", "there: a string or an array of parts");
}

/* ---- Calls ---- */

/* A new reference; NULL: no memory. */
static json_t *arguments_of(json_t *v)
{
    json_t *object;
    ch_err e;
    if (!json_is_string(v))
        return v ? json_incref(v) : json_object();
    if (json_string_length(v) == 0)
        return json_object();
    const int rc = ch_json_parse(&object, json_string_value(v), json_string_length(v), "", &e);
    if (rc == CH_OK && json_is_object(object))
        return object;
    json_decref(object);
    return rc == CH_ENOMEM ? NULL : json_incref(v);
}

/* f: {name, arguments}. */
static int function(json_t *list, json_t *f, const char *id, ch_refusal *r)
{
    const char *name = NULL;
    if (!json_is_object(f) || !ch_openai_field(f, "name"))
        return ch_openai_wants(r, "function", "an object with a name");
    int rc = ch_field_text(&name, f, "name", r);
    json_t *arguments = ch_openai_field(f, "arguments");
    if (rc == CH_OK && arguments && !json_is_string(arguments) && !json_is_object(arguments))
        rc = ch_openai_wants(r, "arguments", "a string");
    if (rc < 0)
        return ch_refuse_within(r, "function");
    json_t *call = json_object();
    json_t *said = json_pack("{s:O, s:o}", "name", json_object_get(f, "name"), "arguments",
                             arguments_of(arguments));
    bool whole = !id || json_object_set_new(call, "id", json_string(id)) == 0;
    whole = whole && json_object_set_new(call, "type", json_string("function")) == 0;
    if (json_object_set_new(call, "function", said) < 0 || !whole) {
        json_decref(call);
        return ch_openai_starved(r);
    }
    return json_array_append_new(list, call) < 0 ? ch_openai_starved(r) : CH_OK;
}

static int call(json_t *list, json_t *v, ch_refusal *r)
{
    const char *type = "function", *id = NULL;
    if (!json_is_object(v))
        return ch_refuse(r, CH_REFUSED_INVALID, NULL,
                         "the request: a tool call has to be an object");
    int rc = ch_field_text(&type, v, "type", r);
    if (rc == CH_OK && strcmp(type, "function") != 0)
        rc = ch_refuse(r, CH_REFUSED_INVALID, "type",
                       "the request: a tool call is of type \"%.40s\"; this server knows functions "
                       "alone", type);
    if (rc == CH_OK)
        rc = ch_field_text(&id, v, "id", r);
    return rc < 0 ? rc : function(list, json_object_get(v, "function"), id, r);
}

static int calls(struct reading *q, json_t *m, int number, ch_refusal *r)
{
    size_t i;
    json_t *one, *from = NULL, *old = NULL, *list = json_array();
    int rc = list ? ch_field_list(&from, m, "tool_calls", r) : ch_openai_starved(r);
    if (rc == CH_OK)
        rc = ch_field_object(&old, m, "function_call", r);
    json_array_foreach(from, i, one)
        if (rc == CH_OK && call(list, one, r) < 0)
            rc = ch_refuse_within(r, "tool_calls[%zu]", i);
    if (rc == CH_OK && old) {
        snprintf(q->call, sizeof q->call, "call_%d", number);
        rc = function(list, old, q->call, r);
    }
    if (rc == CH_OK && json_array_size(list) > 0)
        rc = put(q, "tool_calls", json_incref(list), r);
    json_decref(list);
    return rc;
}

/* ---- Messages ---- */

static int role(struct reading *q, json_t *m, ch_refusal *r)
{
    static const char *const known[][2] = {{"system", "system"},       {"developer", "system"},
                                           {"user", "user"},           {"tool", "tool"},
                                           {"assistant", "assistant"}, {"function", "tool"}};
    const char *name = "";
    const int rc = ch_field_text(&name, m, "role", r);
    for (size_t i = 0; i < CH_COUNT(known) && rc == CH_OK; i++)
        if (strcmp(known[i][0], name) == 0) {
            q->role = known[i][1];
            return put(q, "role", json_string(q->role), r);
        }
    return rc < 0 ? rc
                  : ch_openai_wants(r, "role",
                                    "system, developer, user, assistant, tool or function");
}

/* A string of m by the first of two names (the second may be NULL). */
static int text(struct reading *q, json_t *m, const char *name, const char *also, ch_refusal *r)
{
    json_t *v = ch_openai_field(m, name);
    if (!v && also)
        v = ch_openai_field(m, also);
    if (!v)
        return CH_OK;
    return json_is_string(v) ? put(q, name, json_incref(v), r)
                             : ch_openai_wants(r, name, "a string");
}

static int message(struct reading *q, json_t *m, int number, ch_refusal *r)
{
    if (!json_is_object(m))
        return ch_refuse(r, CH_REFUSED_INVALID, NULL, "the request: a message has to be an object");
    int rc = role(q, m, r);
    if (rc == CH_OK)
        rc = content(q, m, r);
    if (rc == CH_OK)
        rc = text(q, m, "name", NULL, r);
    if (rc == CH_OK && strcmp(q->role, "tool") == 0) {
        rc = text(q, m, "tool_call_id", NULL, r);
        if (rc == CH_OK && q->call[0] && !json_object_get(q->to, "tool_call_id"))
            rc = put(q, "tool_call_id", json_string(q->call), r);
    }
    if (rc < 0 || strcmp(q->role, "assistant") != 0)
        return rc;
    rc = text(q, m, "reasoning_content", "reasoning", r);
    return rc < 0 ? rc : calls(q, m, number, r);
}

int ch_openai_messages(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    size_t i;
    json_t *list = NULL, *one;
    struct reading q = {0};
    int rc = ch_field_list(&list, a->body, "messages", r);
    if (rc == CH_OK && json_array_size(list) == 0)
        rc = ch_openai_wants(r, "messages", "an array with one message at least");
    if (rc == CH_OK)
        rc = ch_openai_count(list, "messages", l->messages, r);
    a->messages = json_array();
    json_array_foreach(list, i, one)
    {
        if (rc < 0)
            break;
        q.to = json_object();
        if (json_array_append_new(a->messages, q.to) < 0)
            return ch_openai_starved(r);
        if (message(&q, one, (int)i, r) < 0)
            rc = ch_refuse_within(r, "messages[%zu]", i);
    }
    return rc;
}
