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

const ch_buf *ch_talk_answer(const ch_talk *t)
{
    return t->listener ? ch_listener_text(t->listener) : &t->nothing;
}

static void pass_on(void *arg, const ch_reply_event *event)
{
    const ch_talk *t = arg;
    if (t->tell)
        t->tell(t->arg, event);
}

int ch_talk_listener(ch_listener **out, const ch_talk *t, const ch_listener_options *o, ch_err *e)
{
    ch_listener_options all = *o;
    const json_t *tools = json_object_get(t->variables, "tools");
    all.replies = o->replies ? o->replies : ch_talk_manner_of(t)->replies;
    all.tools = json_is_array(tools) ? tools : t->no_tools;
    all.before_text = t->style->before_text;
    all.tk = t->tk;
    return ch_listener_open(out, &all, e);
}

int ch_talk_open_reply(ch_talk *t, ch_err *e)
{
    const ch_listener_options o = {.prompt = t->said.data,
                                   .prompt_bytes = t->said.size,
                                   .stops = t->stops,
                                   .tell = pass_on,
                                   .arg = t};
    ch_listener_close(&t->listener);
    const int rc = ch_talk_listener(&t->listener, t, &o, e);
    t->answering = rc == CH_OK;
    return rc;
}

/* ---- Stops ----------------------------------------------------------------------------------- */

int ch_talk_stops(ch_talk *t, const char *const *text, int n, ch_err *e)
{
    const char *all[64];
    int count = 0;
    if (n < 0 || n >= (int)CH_COUNT(all))
        return ch_fail(e, CH_EARG, "%d texts end an answer, allowed are %d", n,
                       (int)CH_COUNT(all) - 1);
    for (int i = 0; i < n; i++)
        all[count++] = text[i];
    if (t->style->own_stop)
        all[count++] = t->style->own_stop;
    ch_stops_close(&t->stops);
    return count > 0 ? ch_stops_open(&t->stops, all, count, e) : CH_OK;
}

int ch_talk_next(bool *more, ch_talk *t, const ch_sampling *how, ch_err *e)
{
    const int length = ch_session_length(t->session);
    ch_token id;
    *more = false;
    if (!t->answering)
        return ch_fail(e, CH_EARG, "an answer needs a conversation that was read");
    if (length == ch_session_context(t->session)) {
        t->stop = "context";
        return CH_OK;
    }
    const ch_token before = length > 0 ? ch_session_tokens(t->session)[length - 1] : -1;
    int rc = ch_session_next(&id, t->session, how, e);
    if (rc < 0)
        return rc;
    if (ch_tokenizer_ends_text(t->tk, id)) {
        t->stop = "end";
        return CH_OK;
    }
    int stop;
    rc = ch_listener_token(&stop, t->listener, before, id, e);
    *more = stop < 0;
    if (stop >= 0)
        t->stop = "stop";
    return rc;
}

/* ---- The answer as a message ----------------------------------------------------------------- */

/* What is said and what is in a message is UTF-8, so that one can be found in the other.  The token
 * that ended the answer is no text: it is found again when the template writes it. */
static int note_answer(ch_talk *t, ch_err *e)
{
    const int n = ch_session_length(t->session);
    const bool end = n > 0 && ch_tokenizer_ends_text(t->tk, ch_session_tokens(t->session)[n - 1]);
    const size_t from = t->said.size;
    ch_buf_utf8(&t->said, ch_talk_answer(t)->data, ch_talk_answer(t)->size);
    char *who = ch_buf_room(&t->origin, t->said.size - from);
    if (who)
        memset(who, CH_SAID_MODEL, t->said.size - from);
    const int rc = ch_talk_mark_here(t, e);
    if (rc == CH_OK && end)
        t->mark[t->n_marks - 1].tokens--;
    return rc;
}

int ch_talk_answered(ch_talk *t, ch_err *e)
{
    json_t *message = NULL;
    if (!t->answering)
        return ch_fail(e, CH_EARG, "there is no answer: the conversation was not read");
    t->answering = false;
    int rc = ch_listener_end(t->listener, e);
    if (rc == CH_OK)
        rc = ch_listener_message(&message, t->listener, e);
    /* behind a stop the session holds more than the answer; the next prompt uses what it can */
    const bool all = strcmp(t->stop, "stop") != 0;
    if (rc == CH_OK && all && ch_talk_answer(t)->size > 0 && t->n_marks > 0)
        rc = note_answer(t, e);
    if (rc == CH_OK)
        return ch_talk_append(t, message, e);
    json_decref(message);
    return rc;
}
