/* answer.c - drawing an answer, telling it, and what it becomes
 *
 * SPDX-License-Identifier: MIT */
#include "conversation.h"

#include <string.h>

void ch_talk_tell(ch_talk *t, ch_reply_fn *tell, void *arg)
{
    t->tell = tell;
    t->arg = arg;
}

const char *ch_talk_stop(const ch_talk *t) { return t->stop; }
const ch_buf *ch_talk_answer(const ch_talk *t) { return &t->answer; }

/* How much of this the format puts before any answer. */
static size_t lead(const ch_talk *t, const char *text, size_t n)
{
    const size_t skip = t->before_text ? strlen(t->before_text) : 0;
    return skip > 0 && n >= skip && memcmp(text, t->before_text, skip) == 0 ? skip : 0;
}

static void pass_on(void *arg, const ch_reply_event *event)
{
    ch_talk *t = arg;
    ch_reply_event ev = *event;
    if (!t->begun && ev.n > 0) {
        const size_t skip = ev.kind == CH_REPLY_CONTENT ? lead(t, ev.text, ev.n) : 0;
        ev.text += skip;
        ev.n -= skip;
        t->begun = true;
    }
    if (t->tell)
        t->tell(t->arg, &ev);
}

int ch_talk_open_reply(ch_talk *t, ch_err *e)
{
    const json_t *tools = json_object_get(t->variables, "tools");
    const ch_reply_options o = {.tools = json_is_array(tools) ? tools : t->no_tools,
                                .prompt = t->said.data,
                                .prompt_bytes = t->said.size,
                                .tokenizer = t->tk,
                                .tell = pass_on,
                                .arg = t};
    t->begun = false;
    ch_buf_clear(&t->answer);
    ch_reply_close(&t->reply);
    return ch_reply_open(&t->reply, t->replies, &o, e);
}

static bool ends(const ch_talk *t, ch_token id)
{
    return ch_tokenizer_is_end(t->tk, id) || id == ch_tokenizer_bos(t->tk);
}

int ch_talk_next(bool *more, ch_talk *t, const ch_sampling *how, ch_err *e)
{
    const int length = ch_session_length(t->session);
    ch_token id;
    *more = false;
    if (!t->reply)
        return ch_fail(e, CH_EARG, "an answer needs a conversation that was read");
    if (length == ch_session_context(t->session)) {
        t->stop = "context";
        return CH_OK;
    }
    const ch_token before = length > 0 ? ch_session_tokens(t->session)[length - 1] : -1;
    int rc = ch_session_next(&id, t->session, how, e);
    if (rc < 0)
        return rc;
    if (ends(t, id)) {
        t->stop = "end";
        return CH_OK;
    }
    *more = true;
    if (!ch_tokenizer_append(&t->answer, t->tk, before, id))
        return ch_buf_check(&t->answer, "an answer", e);
    return ch_reply_token(t->reply, before, id, e);
}

/* ---- The answer as a message ----------------------------------------------------------------- */

/* What is said and what is in a message is UTF-8, so that one can be found in the other.  The token
 * that ended the answer is no text: it is found again when the template writes it. */
static int note_answer(ch_talk *t, ch_err *e)
{
    const int n = ch_session_length(t->session);
    const bool end = n > 0 && ends(t, ch_session_tokens(t->session)[n - 1]);
    const size_t from = t->said.size;
    ch_buf_utf8(&t->said, t->answer.data, t->answer.size);
    char *who = ch_buf_room(&t->origin, t->said.size - from);
    if (who)
        memset(who, CH_SAID_MODEL, t->said.size - from);
    const int rc = ch_talk_mark_here(t, e);
    if (rc == CH_OK && end)
        t->mark[t->n_marks - 1].tokens--;
    return rc;
}

static int without_lead(const ch_talk *t, json_t *message, ch_err *e)
{
    const json_t *is = json_object_get(message, "content");
    const char *text = json_string_value(is);
    const size_t n = json_string_length(is), skip = text ? lead(t, text, n) : 0;
    if (skip == 0 ||
        json_object_set_new(message, "content", json_stringn(text + skip, n - skip)) == 0)
        return CH_OK;
    return ch_fail(e, CH_ENOMEM, "no memory for a message");
}

int ch_talk_answered(ch_talk *t, ch_err *e)
{
    json_t *message = NULL;
    if (!t->reply)
        return ch_fail(e, CH_EARG, "there is no answer: the conversation was not read");
    int rc = ch_reply_end(t->reply, e);
    if (rc == CH_OK)
        rc = ch_reply_message(&message, t->reply, e);
    ch_reply_close(&t->reply);
    if (rc == CH_OK)
        rc = without_lead(t, message, e);
    if (rc == CH_OK && t->answer.size > 0 && t->n_marks > 0)
        rc = note_answer(t, e);
    if (rc == CH_OK)
        return ch_talk_append(t, message, e);
    json_decref(message);
    return rc;
}
