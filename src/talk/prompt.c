/* prompt.c - from messages to the tokens that a session has and those that it lacks
 *
 * SPDX-License-Identifier: MIT */
#include "conversation.h"

#include <stdlib.h>
#include <string.h>

static int render(ch_rendered *r, const ch_talk *t, ch_err *e)
{
    json_t *data = json_copy(t->variables); /* the object alone */
    if (!data || json_object_set(data, "messages", t->messages) != 0) {
        json_decref(data);
        return ch_fail(e, CH_ENOMEM, "no memory for a prompt");
    }
    const ch_template_input in = {.data = data, .trusted = t->style->names, .now = &t->now};
    const int rc = ch_template_render(r, ch_talk_manner_of(t)->template, &in, e);
    json_decref(data);
    return rc;
}

/* How many bytes of r the session holds as they are: same text, written by the same hand. */
static size_t known_bytes(const ch_talk *t, const ch_rendered *r)
{
    size_t at = 0;
    for (size_t i = 0; i < r->n_spans; i++) {
        const char who = r->span[i].data ? CH_SAID_DATA : CH_SAID_TEMPLATE;
        const size_t end = at + r->span[i].n;
        for (; at < end; at++)
            if (at == t->said.size || r->text.data[at] != t->said.data[at] ||
                (t->origin.data[at] != who && t->origin.data[at] != CH_SAID_MODEL))
                return at;
    }
    return at;
}

/* The marks that a prompt keeps. */
static size_t kept_marks(const ch_talk *t, const ch_rendered *r)
{
    const size_t known = t->session ? known_bytes(t, r) : 0;
    size_t n = t->n_marks;
    while (n > 0 && t->mark[n - 1].bytes > known)
        n--;
    return n;
}

/* Whole prompts: the tokens of the marks that are kept, and those of the text behind. */
static int assemble(ch_tokens *out, const ch_talk *t, const ch_rendered *r, size_t marks,
                    ch_err *e)
{
    const ch_talk_mark m = marks > 0 ? t->mark[marks - 1] : (ch_talk_mark){0};
    if (marks == 0 && t->style->bos) {
        const int rc = ch_tokenizer_encode(out, t->tk, "", 0, CH_ENCODE_BOS, e);
        if (rc < 0)
            return rc;
    }
    if (m.tokens > 0) {
        const size_t n = (size_t)m.tokens;
        ch_token *id = realloc(out->id, (out->n + n) * sizeof *id);
        if (!id)
            return ch_fail(e, CH_ENOMEM, "no memory for a prompt of %zu tokens", n);
        memcpy(id + out->n, ch_session_tokens(t->session), n * sizeof *id);
        out->id = id;
        out->n += n;
        out->cap = out->n;
    }
    return ch_rendered_encode_part(out, t->tk, r, m.bytes, r->text.size, e);
}

int ch_talk_go_on(ch_talk *t, ch_err *e)
{
    const size_t n = json_array_size(t->messages);
    const json_t *last = json_array_get(t->messages, n - 1);
    const char *role = json_string_value(json_object_get(last, "role"));
    if (n == 0 || !role || strcmp(role, "assistant") != 0)
        return ch_fail(e, CH_EARG, "what is to go on has to be a message of the assistant, the "
                                   "last one; it is of \"%s\"", role ? role : "nobody");
    t->goes_on = true;
    return ch_talk_set(t, "add_generation_prompt", json_false(), e);
}

/* Without what the template writes behind the last message's text. */
static void cut_behind_data(ch_rendered *r)
{
    size_t at = 0, end = 0;
    for (size_t i = 0; i < r->n_spans; i++) {
        at += r->span[i].n;
        end = r->span[i].data ? at : end;
    }
    r->text.size = end;
}

int ch_talk_prompt(ch_tokens *out, ch_buf *text, const ch_talk *t, ch_err *e)
{
    ch_rendered r = {0};
    const size_t before = out->n;
    int rc = render(&r, t, e);
    if (rc == CH_OK && t->goes_on)
        cut_behind_data(&r);
    if (rc == CH_OK)
        rc = assemble(out, t, &r, kept_marks(t, &r), e);
    if (rc == CH_OK && text && r.text.size > 0 && !ch_buf_put(text, r.text.data, r.text.size))
        rc = ch_buf_check(text, "a prompt", e);
    ch_rendered_free(&r);
    if (rc < 0)
        out->n = before;
    return rc;
}

/* The session is rolled back to what it has of ids, and fed the rest. */
static int follow(ch_talk *t, const ch_tokens *ids, ch_err *e)
{
    const int length = ch_session_length(t->session);
    const ch_token *have = ch_session_tokens(t->session);
    int same = 0, rc = CH_OK;
    while (same < length && (size_t)same < ids->n && have[same] == ids->id[same])
        same++;
    if (same < length)
        rc = ch_session_rollback(t->session, same, e);
    return rc < 0 ? rc
                  : ch_session_feed(t->session, ids->id + same, (int)(ids->n - (size_t)same), e);
}

static int note_prompt(ch_talk *t, const ch_rendered *r, size_t marks, ch_err *e)
{
    ch_talk_forget(t, marks);
    size_t at = 0, from = t->said.size;
    ch_buf_put(&t->said, r->text.data + from, r->text.size - from);
    for (size_t i = 0; i < r->n_spans; at += r->span[i++].n) {
        const size_t end = at + r->span[i].n, n = end > from ? end - CH_MAX(at, from) : 0;
        char *who = n > 0 ? ch_buf_room(&t->origin, n) : NULL;
        if (who)
            memset(who, r->span[i].data ? CH_SAID_DATA : CH_SAID_TEMPLATE, n);
    }
    return ch_talk_mark_here(t, e);
}

int ch_talk_read(ch_talk *t, ch_err *e)
{
    ch_rendered r = {0};
    ch_tokens ids = {0};
    int rc = render(&r, t, e);
    const size_t marks = rc == CH_OK ? kept_marks(t, &r) : 0;
    if (rc == CH_OK)
        rc = assemble(&ids, t, &r, marks, e);
    const int context = ch_session_context(t->session);
    if (rc == CH_OK && ids.n >= (size_t)context)
        rc = ch_fail(e, CH_ELIMIT,
                     "the conversation has %zu tokens, the context holds %d and an answer needs "
                     "at least one of them",
                     ids.n, context);
    if (rc == CH_OK && ids.n == 0)
        rc = ch_fail(e, CH_EARG, "the conversation makes no token");
    if (rc == CH_OK) {
        ch_talk_forget(t, marks); /* whatever happens: the rest is rolled back */
        rc = follow(t, &ids, e);
    }
    if (rc == CH_OK && r.text.size > 0)
        rc = note_prompt(t, &r, marks, e);
    if (rc == CH_OK)
        rc = ch_talk_open_reply(t, e);
    t->stop = "";
    ch_tokens_free(&ids);
    ch_rendered_free(&r);
    return rc;
}
