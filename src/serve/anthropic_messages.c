/* anthropic_messages.c - Anthropic's blocks as the messages that chat templates take
 *
 *     system                          {role: system, content}
 *     user: text                      {role: user, content}
 *     user: tool_result               {role: tool, tool_call_id, name, content}
 *     assistant: text, thinking,      {role: assistant, content, reasoning_content,
 *                tool_use                        tool_calls: [{id, type, function: {name,
 *                                                arguments: an object}}]}
 *
 * One pass: blocks are added to the message that is being built, which ends where the role changes
 * or a tool's result comes in between; so messages of one role in a row are one, as in the API.
 * Texts are joined by a line feed, but for the assistant's, which are pieces of one text.
 * Source: the Messages API's reference, ContentBlockParam.  SPDX-License-Identifier: MIT */
#include "anthropic.h"

#include <stdio.h>
#include <string.h>

/* Changes with each request of some clients; nothing behind it would be found in the cache. */
#define BILLING "x-anthropic-billing-header:"

typedef struct building {
    ch_ask *a;
    ch_refusal *r;
    json_t *names;    /* of the tools that were called, by the call's id */
    const char *role; /* of the message that is built; NULL: none is */
    ch_buf content, reasoning;
    int texts; /* that are in content */
    json_t *calls;
    char where[100]; /* what is being read, as "messages[2].content[1]" */
} building;

typedef int reader(building *b, json_t *block);

static int no_memory(building *b)
{
    return ch_refuse(b->r, CH_REFUSED_FAULT, b->where, "no memory for the messages");
}

/* A field of what is being read.  Texts may hold \u0000, names may not. */
static int text_of(json_t **out, building *b, const json_t *o, const char *key, bool name)
{
    char param[sizeof b->where + 20];
    *out = json_object_get(o, key);
    const char *s = json_string_value(*out);
    if (s && (!name || (*s && strlen(s) == json_string_length(*out))))
        return CH_OK;
    snprintf(param, sizeof param, "%s.%s", b->where, key);
    return ch_refuse(b->r, CH_REFUSED_INVALID, param, "%s %s; it has to be a %sstring", param,
                     !*out ? "is missing" : s ? "is empty or has a 0 byte in it" : "is no string",
                     name ? "non-empty " : "");
}

static json_t *json_of(const ch_buf *b)
{
    return json_stringn_nocheck(b->data ? b->data : "", b->size);
}

static int append(building *b, json_t *message)
{
    return json_array_append_new(b->a->messages, message) != 0 ? no_memory(b) : CH_OK;
}

/* The message that is built, if it says anything, becomes the list's last. */
static int finish(building *b)
{
    if (b->content.failed || b->reasoning.failed)
        return no_memory(b);
    int rc = CH_OK;
    if (b->texts > 0 || b->calls || b->reasoning.size > 0) {
        json_t *m = json_pack("{s:s, s:o, s:O*}", "role", b->role, "content", json_of(&b->content),
                              "tool_calls", b->calls);
        if (b->reasoning.size > 0 &&
            json_object_set_new(m, "reasoning_content", json_of(&b->reasoning)) != 0) {
            json_decref(m);
            m = NULL;
        }
        rc = append(b, m);
    }
    json_decref(b->calls);
    b->calls = NULL;
    b->texts = 0;
    ch_buf_clear(&b->content);
    ch_buf_clear(&b->reasoning);
    return rc;
}

static int begin(building *b, const char *role)
{
    const int rc = b->role && strcmp(b->role, role) != 0 ? finish(b) : CH_OK;
    b->role = role;
    return rc;
}

static bool is_assistant(const building *b) { return strcmp(b->role, "assistant") == 0; }

static bool is_billing(const building *b, const char *text)
{
    return strcmp(b->role, "system") == 0 && strncmp(text, BILLING, strlen(BILLING)) == 0;
}

static void add_text(building *b, const char *text, size_t n)
{
    if (b->texts > 0 && !is_assistant(b))
        ch_buf_put(&b->content, "\n", 1);
    ch_buf_put(&b->content, text, n);
    b->texts++;
}

/* ---- Blocks ---------------------------------------------------------------------------------- */

static int read_text(building *b, json_t *block)
{
    json_t *text;
    const int rc = text_of(&text, b, block, "text", false);
    if (rc == CH_OK && !is_billing(b, json_string_value(text)))
        add_text(b, json_string_value(text), json_string_length(text));
    return rc;
}

static int read_thinking(building *b, json_t *block)
{
    json_t *text;
    const int rc = text_of(&text, b, block, "thinking", false);
    if (rc == CH_OK)
        ch_buf_put(&b->reasoning, json_string_value(text), json_string_length(text));
    return rc;
}

/* Encrypted by whoever wrote it. */
static int read_redacted(building *b, json_t *block)
{
    (void)b;
    (void)block;
    return CH_OK;
}

static int read_call(building *b, json_t *block)
{
    json_t *id, *name, *input = json_object_get(block, "input");
    int rc = text_of(&id, b, block, "id", true);
    if (rc == CH_OK)
        rc = text_of(&name, b, block, "name", true);
    if (rc < 0)
        return rc;
    if (input && !json_is_object(input) && !json_is_null(input))
        return ch_refuse(b->r, CH_REFUSED_INVALID, b->where, "%s: \"input\" has to be an object",
                         b->where);
    if (!b->calls)
        b->calls = json_array();
    json_t *call = json_pack("{s:O, s:s, s:{s:O, s:o}}", "id", id, "type", "function", "function",
                             "name", name, "arguments",
                             json_is_object(input) ? json_incref(input) : json_object());
    if (json_array_append_new(b->calls, call) != 0 ||
        json_object_set(b->names, json_string_value(id), name) != 0)
        return no_memory(b);
    return CH_OK;
}

static int read_list(building *b, json_t *list, const char *path, reader *read)
{
    int rc = CH_OK;
    for (size_t i = 0; i < json_array_size(list) && rc == CH_OK; i++) {
        snprintf(b->where, sizeof b->where, "%.75s[%zu]", path, i);
        rc = read(b, json_array_get(list, i));
    }
    return rc;
}

static int read_result_block(building *b, json_t *block)
{
    const char *type = json_string_value(json_object_get(block, "type"));
    if (type && strcmp(type, "text") == 0)
        return read_text(b, block);
    return ch_refuse(b->r, CH_REFUSED_INVALID, b->where,
                     "%s: a block of type \"%.60s\"; in a tool's result only text can be read here",
                     b->where, type ? type : "");
}

/* Is a message of its own; templates have no word for errors, so the text gets one. */
static int read_result(building *b, json_t *block)
{
    json_t *id, *content = json_object_get(block, "content");
    char path[sizeof b->where];
    bool failed = false;
    int rc = text_of(&id, b, block, "tool_use_id", true);
    if (rc == CH_OK && ch_field_bool(&failed, block, "is_error", b->r) < 0)
        rc = ch_refuse_within(b->r, "%s", b->where);
    if (rc == CH_OK)
        rc = finish(b);
    if (rc < 0)
        return rc;
    if (failed)
        ch_buf_str(&b->content, "Error: ");
    snprintf(path, sizeof path, "%.80s.content", b->where);
    if (json_is_string(content))
        add_text(b, json_string_value(content), json_string_length(content));
    else if (json_is_array(content))
        rc = read_list(b, content, path, read_result_block);
    else if (content && !json_is_null(content))
        rc = ch_refuse(b->r, CH_REFUSED_INVALID, path,
                       "%s has to be a string or an array of blocks", path);
    if (rc == CH_OK && b->content.failed)
        rc = no_memory(b);
    if (rc == CH_OK)
        rc = append(b, json_pack("{s:s, s:O, s:O*, s:o}", "role", "tool", "tool_call_id", id,
                                 "name", json_object_get(b->names, json_string_value(id)),
                                 "content", json_of(&b->content)));
    ch_buf_clear(&b->content);
    b->texts = 0;
    return rc;
}

/* ---- Messages -------------------------------------------------------------------------------- */

static int read_block(building *b, json_t *block)
{
    static const struct {
        const char *type, *role; /* NULL: any */
        reader *read;
    } kinds[] = {{"text", NULL, read_text},
                 {"tool_result", "user", read_result},
                 {"tool_use", "assistant", read_call},
                 {"thinking", "assistant", read_thinking},
                 {"redacted_thinking", "assistant", read_redacted}};
    const char *type = json_string_value(json_object_get(block, "type"));
    if (!type)
        return ch_refuse(b->r, CH_REFUSED_INVALID, b->where,
                         "%s has to be an object with a \"type\"", b->where);
    for (size_t i = 0; i < CH_COUNT(kinds); i++)
        if (strcmp(type, kinds[i].type) == 0 &&
            (!kinds[i].role || strcmp(b->role, kinds[i].role) == 0))
            return kinds[i].read(b, block);
    return ch_refuse(b->r, CH_REFUSED_INVALID, b->where,
                     "%s: a block of type \"%.60s\" of role \"%s\" cannot be read here; allowed "
                     "are text, of users tool_result, and of the assistant tool_use, thinking and "
                     "redacted_thinking",
                     b->where, type, b->role);
}

static int read_content(building *b, json_t *content, const char *path)
{
    if (json_is_array(content))
        return read_list(b, content, path, read_block);
    const char *text = json_string_value(content);
    if (!text)
        return ch_refuse(b->r, CH_REFUSED_INVALID, path,
                         "%s has to be a string or an array of blocks", path);
    const char *line = is_billing(b, text) ? strchr(text, '\n') : NULL;
    const size_t skip = line ? (size_t)(line + 1 - text) : 0;
    add_text(b, text + skip, json_string_length(content) - skip);
    return CH_OK;
}

static int read_message(building *b, json_t *message)
{
    static const char *const roles[] = {"user", "assistant", "system"};
    char path[sizeof b->where];
    json_t *role;
    int rc = text_of(&role, b, message, "role", true);
    if (rc < 0)
        return rc;
    size_t i = 0;
    while (i < CH_COUNT(roles) && strcmp(roles[i], json_string_value(role)) != 0)
        i++;
    if (i == CH_COUNT(roles)) {
        snprintf(path, sizeof path, "%.80s.role", b->where);
        return ch_refuse(b->r, CH_REFUSED_INVALID, path,
                         "%s is \"%.60s\"; allowed are user, assistant and system", path,
                         json_string_value(role));
    }
    rc = begin(b, roles[i]);
    snprintf(path, sizeof path, "%.80s.content", b->where);
    return rc < 0 ? rc : read_content(b, json_object_get(message, "content"), path);
}

/* What the assistant has begun to say is continued; an empty beginning is none. */
static int read_end(building *b)
{
    if (is_assistant(b)) {
        if (b->calls)
            return ch_refuse(b->r, CH_REFUSED_INVALID, "messages",
                             "the last message calls tools; what they gave (tool_result) has to "
                             "follow");
        if (b->content.size == 0)
            b->texts = 0;
        b->a->go_on = b->content.size > 0 || b->reasoning.size > 0;
    }
    const int rc = finish(b);
    if (rc == CH_OK && json_array_size(b->a->messages) == 0)
        return ch_refuse(b->r, CH_REFUSED_INVALID, "messages", "no message says anything");
    return rc;
}

static int read_all(building *b, json_t *list)
{
    json_t *system = json_object_get(b->a->body, "system");
    int rc = CH_OK;
    if (system && !json_is_null(system)) {
        snprintf(b->where, sizeof b->where, "system");
        b->role = "system";
        rc = read_content(b, system, "system");
    }
    if (rc == CH_OK)
        rc = read_list(b, list, "messages", read_message);
    return rc == CH_OK ? read_end(b) : rc;
}

int ch_anthropic_conversation(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    json_t *list = NULL;
    int rc = ch_field_list(&list, a->body, "messages", r);
    if (rc < 0)
        return rc;
    const size_t n = json_array_size(list);
    if (n == 0)
        return ch_refuse(r, CH_REFUSED_INVALID, "messages",
                         "\"messages\" is missing or empty; it has to hold a message at least");
    if (l->messages > 0 && n > (size_t)l->messages)
        return ch_refuse(r, CH_REFUSED_INVALID, "messages",
                         "\"messages\" holds %zu messages; allowed are %d", n, l->messages);
    building b = {.a = a, .r = r, .names = json_object()};
    ch_buf_init(&b.content, SIZE_MAX / 2);
    ch_buf_init(&b.reasoning, SIZE_MAX / 2);
    a->messages = json_array();
    rc = b.names && a->messages ? read_all(&b, list) : no_memory(&b);
    ch_buf_close(&b.content);
    ch_buf_close(&b.reasoning);
    json_decref(b.names);
    json_decref(b.calls);
    return rc;
}
