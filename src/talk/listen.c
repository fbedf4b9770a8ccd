/* listen.c - tokens, stops, and the reply behind them
 *
 * SPDX-License-Identifier: MIT */
#include "listen.h"

#include <stdlib.h>
#include <string.h>

typedef struct held { /* a token that may yet belong to a stop */
    ch_token before, id;
    size_t end; /* of its bytes in the text */
} held;

struct ch_listener {
    ch_listener_options o;
    ch_reply *reply;
    ch_buf text;
    held *held;
    size_t n_held, cap_held, passed; /* bytes of the text that the reply has */
    size_t from;                     /* stops look for themselves behind these */
    bool begun;                      /* it has told more than what the format puts before */
};

const ch_buf *ch_listener_text(const ch_listener *l) { return &l->text; }
const ch_reply *ch_listener_reply(const ch_listener *l) { return l->reply; }

/* How much of this the format puts before any answer. */
static size_t lead(const ch_listener *l, const char *text, size_t n)
{
    const size_t skip = l->o.before_text ? strlen(l->o.before_text) : 0;
    return skip > 0 && n >= skip && memcmp(text, l->o.before_text, skip) == 0 ? skip : 0;
}

static void pass_on(void *arg, const ch_reply_event *event)
{
    ch_listener *l = arg;
    ch_reply_event ev = *event;
    if (!l->begun && ev.n > 0) {
        const size_t skip = ev.kind == CH_REPLY_CONTENT ? lead(l, ev.text, ev.n) : 0;
        ev.text += skip;
        ev.n -= skip;
        l->begun = true;
    }
    if (l->o.tell)
        l->o.tell(l->o.arg, &ev);
}

int ch_listener_open(ch_listener **out, const ch_listener_options *o, ch_err *e)
{
    ch_listener *l = *out = calloc(1, sizeof *l);
    if (!l)
        return ch_fail(e, CH_ENOMEM, "no memory for an answer");
    l->o = *o;
    ch_buf_init(&l->text, CH_REPLY_BYTES);
    if (o->stops)
        ch_stops_reset(o->stops);
    const ch_reply_options r = {.tools = o->tools,
                                .prompt = o->prompt,
                                .prompt_bytes = o->prompt_bytes,
                                .tokenizer = o->tk,
                                .tell = pass_on,
                                .arg = l};
    const int rc = ch_reply_open(&l->reply, o->replies, &r, e);
    if (rc < 0)
        ch_listener_close(out);
    return rc;
}

void ch_listener_close(ch_listener **l)
{
    if (!*l)
        return;
    ch_reply_close(&(*l)->reply);
    ch_buf_close(&(*l)->text);
    free((*l)->held);
    free(*l);
    *l = NULL;
}

static int hold(ch_listener *l, ch_token before, ch_token id, ch_err *e)
{
    if (l->n_held == l->cap_held) {
        const size_t cap = CH_MAX(2 * l->cap_held, (size_t)16);
        held *more = realloc(l->held, cap * sizeof *more);
        if (!more)
            return ch_fail(e, CH_ENOMEM, "no memory for an answer");
        l->held = more;
        l->cap_held = cap;
    }
    l->held[l->n_held++] = (held){before, id, l->text.size};
    return CH_OK;
}

/* Tokens that lie within the first `safe` bytes go on to the reply; with `cut` also what of the
 * next one does. */
static int release(ch_listener *l, size_t safe, bool cut, ch_err *e)
{
    size_t i = 0;
    int rc = CH_OK;
    for (; i < l->n_held && l->held[i].end <= safe && rc == CH_OK; i++) {
        rc = ch_reply_token(l->reply, l->held[i].before, l->held[i].id, e);
        l->passed = l->held[i].end;
    }
    l->n_held -= i;
    if (i > 0)
        memmove(l->held, l->held + i, l->n_held * sizeof *l->held);
    if (rc == CH_OK && cut && safe > l->passed)
        rc = ch_reply_feed(l->reply, l->text.data + l->passed, safe - l->passed, e);
    return rc;
}

int ch_listener_put(ch_listener *l, ch_token before, ch_token id, ch_err *e)
{
    int rc = release(l, l->text.size, false, e);
    if (rc == CH_OK && !ch_tokenizer_append(&l->text, l->o.tk, before, id))
        rc = ch_buf_check(&l->text, "an answer", e);
    if (rc == CH_OK)
        rc = ch_reply_token(l->reply, before, id, e);
    l->passed = l->from = l->text.size;
    if (l->o.stops)
        ch_stops_reset(l->o.stops);
    return rc;
}

int ch_listener_token(int *stop, ch_listener *l, ch_token before, ch_token id, ch_err *e)
{
    size_t safe = 0;
    *stop = -1;
    if (!ch_tokenizer_append(&l->text, l->o.tk, before, id))
        return ch_buf_check(&l->text, "an answer", e);
    if (!l->o.stops)
        return ch_reply_token(l->reply, before, id, e);
    int rc = hold(l, before, id, e);
    if (rc < 0)
        return rc;
    *stop = ch_stops_feed(&safe, l->o.stops, l->text.data ? l->text.data + l->from : "",
                          l->text.size - l->from);
    safe += l->from;
    rc = release(l, safe, *stop >= 0, e);
    if (*stop >= 0) {
        l->text.size = safe;
        l->n_held = 0;
    }
    return rc;
}

int ch_listener_end(ch_listener *l, ch_err *e)
{
    const int rc = release(l, l->text.size, false, e);
    return rc == CH_OK ? ch_reply_end(l->reply, e) : rc;
}

int ch_listener_message(json_t **out, const ch_listener *l, ch_err *e)
{
    int rc = ch_reply_message(out, l->reply, e);
    if (rc < 0)
        return rc;
    const json_t *is = json_object_get(*out, "content");
    const char *text = json_string_value(is);
    const size_t n = json_string_length(is), skip = text ? lead(l, text, n) : 0;
    if (skip == 0 ||
        json_object_set_new(*out, "content", json_stringn(text + skip, n - skip)) == 0)
        return CH_OK;
    json_decref(*out);
    *out = NULL;
    return ch_fail(e, CH_ENOMEM, "no memory for a message");
}
