/* style.c - what all conversations with a model have in common: its templates, parsed once
 *
 * SPDX-License-Identifier: MIT */
#include "conversation.h"

#include <stdlib.h>
#include <string.h>

#include "chat.h"

static int open_manner(ch_talk_manner *m, const char *jinja, const char *name, ch_err *e)
{
    m->replies = ch_reply_format_of(jinja);
    m->thinks = strstr(jinja, "enable_thinking") != NULL;
    return ch_template_parse(&m->template, jinja, strlen(jinja), name, e);
}

/* A line of chats.def, for models without a template. */
static int open_line(ch_talk_style *s, ch_err *e)
{
    const ch_chat *c = ch_chat_for(s->tk);
    s->format = c->name;
    s->before_text = c->before_text;
    s->bos = true;
    if (!*c->ends && asprintf(&s->own_stop, "%s%s%s", c->between, c->role[CH_CHAT_USER],
                              c->after_role) < 0) {
        s->own_stop = NULL;
        return ch_fail(e, CH_ENOMEM, "no memory for a conversation");
    }
    ch_buf b;
    ch_buf_init(&b, CH_TEMPLATE_BYTES);
    ch_chat_template(&b, c);
    int rc = ch_buf_check(&b, "a chat template", e);
    if (rc == CH_OK)
        rc = open_manner(&s->plain, b.data, c->name, e);
    ch_buf_close(&b);
    return rc;
}

/* A template for tools that is wrong hurts only those who have tools. */
static int open_format(ch_talk_style *s, const char *jinja, const char *name, ch_err *e)
{
    const char *own = jinja ? jinja : ch_tokenizer_template(s->tk);
    const char *tool = jinja ? jinja : ch_tokenizer_tool_template(s->tk);
    s->format = "template";
    if (!own)
        return open_line(s, e);
    if (tool && tool != own &&
        open_manner(&s->with_tools, tool, "tool template", &s->no_tools) == CH_ENOMEM)
        return ch_fail(e, CH_ENOMEM, "%s", s->no_tools.text);
    return open_manner(&s->plain, own, jinja && name ? name : "template", e);
}

int ch_talk_style_open(ch_talk_style **out, const ch_tokenizer *tk, const char *jinja,
                       const char *name, ch_err *e)
{
    ch_talk_style *s = *out = calloc(1, sizeof *s);
    if (!s)
        return ch_fail(e, CH_ENOMEM, "no memory for a chat template");
    s->tk = tk;
    int rc = ch_template_names(&s->names, tk, e);
    if (rc == CH_OK)
        rc = open_format(s, jinja, name, e);
    if (rc < 0)
        ch_talk_style_close(out);
    return rc;
}

void ch_talk_style_close(ch_talk_style **s)
{
    if (!*s)
        return;
    ch_template_close(&(*s)->plain.template);
    ch_template_close(&(*s)->with_tools.template);
    json_decref((*s)->names);
    free((*s)->own_stop);
    free(*s);
    *s = NULL;
}
