/* answer.c - drawing an answer, telling it, and what it becomes
 *
 * SPDX-License-Identifier: MIT */
#include "conversation.h"

#include <stdlib.h>
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
    t->n_held = t->passed = 0;
    if (t->stops)
        ch_stops_reset(t->stops);
    ch_buf_clear(&t->answer);
    ch_reply_close(&t->reply);
    return ch_reply_open(&t->reply, ch_talk_manner_of(t)->replies, &o, e);
}

static bool ends(const ch_talk *t, ch_token id)
{
    return ch_tokenizer_is_end(t->tk, id) || id == ch_tokenizer_bos(t->tk);
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
    if (t->own_stop)
        all[count++] = t->own_stop;
    ch_stops_close(&t->stops);
    return count > 0 ? ch_stops_open(&t->stops, all, count, e) : CH_OK;
}

static int hold(ch_talk *t, ch_token before, ch_token id, ch_err *e)
{
    if (t->n_held == t->cap_held) {
        const size_t cap = CH_MAX(2 * t->cap_held, (size_t)16);
        ch_talk_held *more = realloc(t->held, cap * sizeof *more);
        if (!more)
            return ch_fail(e, CH_ENOMEM, "no memory for an answer");
        t->held = more;
        t->cap_held = cap;
    }
    t->held[t->n_held++] = (ch_talk_held){before, id, t->answer.size};
    return CH_OK;
}

/* Tokens that lie within the first `safe` bytes go on to the reply; with `cut` also what of the
 * next one does. */
static int release(ch_talk *t, size_t safe, bool cut, ch_err *e)
{
    size_t i = 0;
    int rc = CH_OK;
    for (; i < t->n_held && t->held[i].end <= safe && rc == CH_OK; i++) {
        rc = ch_reply_token(t->reply, t->held[i].before, t->held[i].id, e);
        t->passed = t->held[i].end;
    }
    t->n_held -= i;
    if (i > 0)
        memmove(t->held, t->held + i, t->n_held * sizeof *t->held);
    if (rc == CH_OK && cut && safe > t->passed)
        rc = ch_reply_feed(t->reply, t->answer.data + t->passed, safe - t->passed, e);
    return rc;
}

/* The token just drawn, its bytes at the answer's end. */
static int take(bool *more, ch_talk *t, ch_token before, ch_token id, ch_err *e)
{
    size_t safe = 0;
    if (!t->stops)
        return ch_reply_token(t->reply, before, id, e);
    int rc = hold(t, before, id, e);
    if (rc < 0)
        return rc;
    const char *text = t->answer.data ? t->answer.data : "";
    const bool cut = ch_stops_feed(&safe, t->stops, text, t->answer.size) >= 0;
    rc = release(t, safe, cut, e);
    if (cut) {
        t->answer.size = safe;
        t->n_held = 0;
        t->stop = "stop";
        *more = false;
    }
    return rc;
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
    return take(more, t, before, id, e);
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
    int rc = release(t, t->answer.size, false, e);
    if (rc == CH_OK)
        rc = ch_reply_end(t->reply, e);
    if (rc == CH_OK)
        rc = ch_reply_message(&message, t->reply, e);
    ch_reply_close(&t->reply);
    if (rc == CH_OK)
        rc = without_lead(t, message, e);
    /* behind a stop the session holds more than the answer; the next prompt uses what it can */
    if (rc == CH_OK && t->answer.size > 0 && t->n_marks > 0 && strcmp(t->stop, "stop") != 0)
        rc = note_answer(t, e);
    if (rc == CH_OK)
        return ch_talk_append(t, message, e);
    json_decref(message);
    return rc;
}
