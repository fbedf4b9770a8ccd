/* talk.c - opening a conversation, its messages and its answers
 *
 * SPDX-License-Identifier: MIT */
#include "conversation.h"

#include <stdlib.h>
#include <string.h>

enum { SAID_MOST = 1 << 28 };

static bool has_tools(const json_t *tools) { return tools && !json_is_null(tools); }

const ch_talk_manner *ch_talk_manner_of(const ch_talk *t)
{
    const ch_talk_style *s = t->style;
    return s->with_tools.template && has_tools(json_object_get(t->variables, "tools"))
               ? &s->with_tools
               : &s->plain;
}

int ch_talk_open_in(ch_talk **out, ch_session *s, const ch_talk_style *style, ch_err *e)
{
    const time_t now = time(NULL);
    ch_talk *t = calloc(1, sizeof *t);
    *out = NULL;
    if (!t)
        return ch_fail(e, CH_ENOMEM, "no memory for a conversation");
    t->session = s;
    t->style = style;
    t->tk = style->tk;
    t->stop = "";
    localtime_r(&now, &t->now);
    ch_buf_init(&t->said, SAID_MOST);
    ch_buf_init(&t->origin, SAID_MOST);
    ch_buf_init(&t->nothing, 1);
    t->messages = json_array();
    t->no_tools = json_array();
    /* as transformers calls a template: tools and documents are there, and none */
    t->variables = json_pack("{s:n, s:n, s:b}", "tools", "documents", "add_generation_prompt", 1);
    int rc = CH_OK;
    if (!t->messages || !t->variables || !t->no_tools)
        rc = ch_fail(e, CH_ENOMEM, "no memory for a conversation");
    if (rc == CH_OK)
        rc = ch_talk_stops(t, NULL, 0, e);
    if (rc < 0)
        ch_talk_close(&t);
    *out = t;
    return rc;
}

int ch_talk_open(ch_talk **out, ch_session *s, const ch_tokenizer *tk, const char *jinja,
                 const char *name, ch_err *e)
{
    ch_talk_style *own;
    *out = NULL;
    int rc = ch_talk_style_open(&own, tk, jinja, name, e);
    if (rc == CH_OK)
        rc = ch_talk_open_in(out, s, own, e);
    if (rc == CH_OK)
        (*out)->own_style = own;
    else
        ch_talk_style_close(&own);
    return rc;
}

void ch_talk_close(ch_talk **t)
{
    if (!*t)
        return;
    ch_talk_style_close(&(*t)->own_style);
    json_decref((*t)->messages);
    json_decref((*t)->variables);
    json_decref((*t)->no_tools);
    ch_listener_close(&(*t)->listener);
    ch_buf_close(&(*t)->nothing);
    ch_stops_close(&(*t)->stops);
    ch_buf_close(&(*t)->said);
    ch_buf_close(&(*t)->origin);
    free((*t)->mark);
    free(*t);
    *t = NULL;
}

const char *ch_talk_format(const ch_talk *t) { return t->style->format; }
const char *ch_talk_own_stop(const ch_talk *t) { return t->style->own_stop; }
const char *ch_talk_before_text(const ch_talk *t)
{
    const char *text = t->style->before_text;
    return text && *text ? text : NULL;
}

bool ch_talk_thinks(const ch_talk *t) { return ch_talk_manner_of(t)->thinks; }
const ch_reply_format *ch_talk_replies(const ch_talk *t)
{
    return ch_talk_manner_of(t)->replies;
}

const char *ch_talk_unthink(const ch_talk *t)
{
    const char *tag = ch_reply_format_unthink(ch_talk_replies(t));
    return *tag ? tag : NULL;
}

json_t *ch_talk_messages(ch_talk *t) { return t->messages; }

int ch_talk_set(ch_talk *t, const char *name, json_t *v, ch_err *e)
{
    const ch_err *no = &t->style->no_tools;
    if (no->code < 0 && strcmp(name, "tools") == 0 && has_tools(v)) {
        json_decref(v);
        return ch_fail(e, no->code, "%s", no->text);
    }
    if (!v)
        json_object_del(t->variables, name);
    else if (json_object_set_new(t->variables, name, v) != 0)
        return ch_fail(e, CH_EARG, "the variable %s cannot be set", name);
    return CH_OK;
}

int ch_talk_append(ch_talk *t, json_t *message, ch_err *e)
{
    return message && json_array_append_new(t->messages, message) == 0
               ? CH_OK
               : ch_fail(e, CH_ENOMEM, "no memory for a message");
}

int ch_talk_say(ch_talk *t, const char *role, const char *text, size_t n, ch_err *e)
{
    ch_buf b;
    ch_buf_init(&b, SAID_MOST);
    ch_buf_utf8(&b, text, n);
    int rc = ch_buf_check(&b, "a message", e);
    if (rc == CH_OK)
        rc = ch_talk_append(t, json_pack("{s:s, s:s%}", "role", role, "content",
                                         b.data ? b.data : "", b.size), e);
    ch_buf_close(&b);
    return rc;
}

/* ---- What the session holds ------------------------------------------------------------------ */

static void cut(ch_buf *b, size_t n)
{
    b->size = CH_MIN(b->size, n);
    b->failed = b->starved = false;
    if (b->data)
        b->data[b->size] = '\0';
}

void ch_talk_forget(ch_talk *t, size_t marks)
{
    const size_t bytes = marks > 0 ? t->mark[marks - 1].bytes : 0;
    t->n_marks = marks;
    cut(&t->said, bytes);
    cut(&t->origin, bytes);
}

int ch_talk_mark_here(ch_talk *t, ch_err *e)
{
    int rc = ch_buf_check(&t->said, "a conversation", e);
    rc = rc < 0 ? rc : ch_buf_check(&t->origin, "a conversation", e);
    if (rc == CH_OK && t->n_marks == t->cap_marks) {
        const size_t cap = CH_MAX(2 * t->cap_marks, (size_t)16);
        ch_talk_mark *more = realloc(t->mark, cap * sizeof *more);
        if (!more)
            rc = ch_fail(e, CH_ENOMEM, "no memory for a conversation");
        else
            t->mark = more, t->cap_marks = cap;
    }
    if (rc < 0)
        ch_talk_forget(t, t->n_marks);
    else
        t->mark[t->n_marks++] = (ch_talk_mark){t->said.size, ch_session_length(t->session)};
    return rc;
}
