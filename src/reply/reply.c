/* reply.c - bytes and tokens into tags and text
 *
 * Bytes wait in `pending` while they are the beginning of a tag that is looked for; otherwise the
 * first of them goes on.  No tag's first byte occurs again within a tag, so what waits is looked at
 * a bounded number of times.
 * SPDX-License-Identifier: MIT */
#include "parts.h"

#include <stdlib.h>
#include <string.h>

/* ---- Opening ---- */

static const char *tag_of(const ch_reply *r, int t)
{
    return r->format->tag[t] != NULL ? r->format->tag[t] : "";
}

static bool opens_reasoning(const ch_reply *r)
{
    const char *open = tag_of(r, TAG_THINK), *p = r->o.prompt;
    size_t n = r->o.prompt_bytes;
    const size_t k = strlen(open);
    while (p != NULL && n > 0 && ch_reply_blank(p[n - 1]))
        n--;
    return p != NULL && k > 0 && n >= k && memcmp(p + n - k, open, k) == 0;
}

static void find_tokens(ch_reply *r)
{
    const ch_tokenizer *tk = r->o.tokenizer;
    for (int t = 0; t < TAGS; t++) {
        r->token[t] = -1;
        if (*tag_of(r, t) == 0)
            continue;
        r->tags |= TAG_BIT(t);
        r->in_text |= TAG_BIT(t);
        if (tk == NULL || (r->token[t] = ch_tokenizer_special(tk, tag_of(r, t))) < 0)
            continue;
        r->in_text &= ~TAG_BIT(t);
        if (ch_tokenizer_is_control(tk, r->token[t]))
            r->control |= TAG_BIT(t);
    }
}

int ch_reply_open(ch_reply **out, const ch_reply_format *f, const ch_reply_options *o, ch_err *e)
{
    *out = NULL;
    if (o != NULL && o->tools != NULL && !json_is_array(o->tools))
        return ch_fail(e, CH_EARG, "the tools of a reply are no JSON list");
    ch_reply *r = calloc(1, sizeof *r);
    if (r == NULL || (r->calls = json_array()) == NULL) {
        free(r);
        return ch_fail(e, CH_ENOMEM, "out of memory for reading a reply");
    }
    r->format = f;
    if (o != NULL)
        r->o = *o;
    if (r->o.bytes == 0)
        r->o.bytes = CH_REPLY_BYTES;
    ch_buf *const bufs[] = {&r->space, &r->said[0], &r->said[1], &r->held};
    for (size_t i = 0; i < CH_COUNT(bufs); i++)
        ch_buf_init(bufs[i], r->o.bytes);
    ch_buf_init(&r->arguments, SIZE_MAX);
    r->no_tools = r->o.tools != NULL && json_array_size(r->o.tools) == 0;
    find_tokens(r);
    r->fresh = true;
    r->kind = CH_REPLY_CONTENT;
    if (opens_reasoning(r)) {
        r->kind = CH_REPLY_REASONING;
        r->trim = true;
    }
    r->in_call = f->family->header;
    if (r->in_call)
        f->family->begin(r, -1);
    *out = r;
    return CH_OK;
}

void ch_reply_close(ch_reply **r)
{
    if (*r == NULL)
        return;
    ch_buf *const bufs[] = {&(*r)->space, &(*r)->said[0], &(*r)->said[1], &(*r)->held,
                            &(*r)->arguments};
    for (size_t i = 0; i < CH_COUNT(bufs); i++)
        ch_buf_close(bufs[i]);
    json_decref((*r)->calls);
    free(*r);
    *r = NULL;
}

/* ---- Text ---- */

static uint32_t opening(const ch_reply *r)
{
    return r->no_tools && !r->format->family->header ? 0 : r->format->family->opens;
}

/* Tags that mean something here. */
static uint32_t meaning(const ch_reply *r)
{
    const ch_reply_family *f = r->format->family;
    if (r->in_call)
        return f->wanted != NULL ? f->wanted(r) : 0;
    uint32_t tags = f->anywhere ? f->closes | opening(r) : 0;
    if (r->kind == CH_REPLY_REASONING) /* some models open what the prompt has opened */
        return tags | TAG_BIT(TAG_UNTHINK) | (r->trim ? TAG_BIT(TAG_THINK) : 0);
    tags |= opening(r) | (r->close_due ? f->closes : 0);
    return r->fresh ? tags | TAG_BIT(TAG_THINK) : tags;
}

/* What white space was held back before text that is none. */
static void end_space(ch_reply *r, bool markup)
{
    if (markup)
        ch_reply_markup(r, r->space.data, r->space.size);
    else
        ch_reply_say(r, r->kind, r->space.data, r->space.size);
    ch_buf_clear(&r->space);
}

static void begin_call(ch_reply *r, int tag, const char *text, size_t n)
{
    if (r->trim)
        end_space(r, true);
    r->trim = false;
    r->in_call = true;
    r->call = (ch_reply_reading){.list = r->list_due};
    if (r->space.size > 0)
        ch_buf_put(&r->held, r->space.data, r->space.size);
    ch_buf_clear(&r->space);
    if (!ch_buf_put(&r->held, text, n))
        return;
    r->call.from = r->held.size - (tag >= 0 ? 0 : n);
    r->format->family->begin(r, tag);
}

static void text_begins(ch_reply *r)
{
    end_space(r, r->trim);
    r->fresh = r->trim = r->after_call = r->close_due = r->list_due = false;
}

/* May this byte begin a call, as a tag does? */
static bool begins_call(const ch_reply *r, char c)
{
    const ch_reply_family *f = r->format->family;
    if (r->no_tools || !r->fresh || r->kind == CH_REPLY_REASONING)
        return false;
    return (f->bare && (c == '{' || (c == ';' && r->after_call))) || (r->list_due && c == ',');
}

static void text_byte(ch_reply *r, char c)
{
    const bool blanks = r->format->family->blanks || r->after_call;
    if (blanks && ch_reply_blank(c) && (r->trim || r->fresh || (meaning(r) & r->tags) != 0)) {
        ch_buf_put(&r->space, &c, 1);
        return;
    }
    if (begins_call(r, c)) {
        begin_call(r, -1, &c, 1);
        return;
    }
    if (c == ']' && r->list_due) {
        end_space(r, true);
        ch_reply_markup(r, &c, 1);
        r->list_due = false;
        return;
    }
    text_begins(r);
    ch_reply_say(r, r->kind, &c, 1);
}

static void text_tag(ch_reply *r, int t)
{
    const char *text = tag_of(r, t);
    const size_t n = strlen(text);
    if ((TAG_BIT(t) & meaning(r)) == 0) { /* a token that has no meaning here */
        text_begins(r);
        ch_reply_say(r, r->kind, text, n);
        return;
    }
    if ((TAG_BIT(t) & opening(r)) != 0) {
        begin_call(r, t, text, n);
        return;
    }
    end_space(r, r->format->family->blanks || r->after_call);
    ch_reply_markup(r, text, n);
    if ((TAG_BIT(t) & r->format->family->closes) != 0) {
        r->close_due = false;
        r->kind = CH_REPLY_CONTENT;
        return;
    }
    r->kind = t == TAG_THINK ? CH_REPLY_REASONING : CH_REPLY_CONTENT;
    r->fresh = r->trim = true;
    r->after_call = r->close_due = r->list_due = false;
}

/* ---- Calls ---- */

/* True: what was held is text, and the last n bytes of it are still to be read as such. */
static bool broke(ch_reply *r, ch_reply_step step, size_t n)
{
    if (step == CH_STEP_MORE)
        return false;
    r->in_call = false;
    if (step == CH_STEP_DONE)
        return false;
    r->held.size -= CH_MIN(n, r->held.size);
    ch_reply_give_up(r, CH_REPLY_MALFORMED,
                     r->call.claimed ? "a call that is not well formed" : NULL);
    return true;
}

/* One byte, for which no tag waits any more; what breaks a call is read once more. */
static void take_byte(ch_reply *r, char c)
{
    if (!r->in_call) {
        text_byte(r, c);
        return;
    }
    if (ch_buf_put(&r->held, &c, 1) && broke(r, r->format->family->byte(r, c), 1)) {
        memmove(r->pending + 1, r->pending, (size_t)r->n_pending);
        r->pending[0] = c;
        r->n_pending++;
    }
}

static void take_tag(ch_reply *r, int t)
{
    const size_t n = strlen(tag_of(r, t));
    if (r->in_call && (meaning(r) & TAG_BIT(t)) != 0) {
        if (!ch_buf_put(&r->held, tag_of(r, t), n) ||
            !broke(r, r->format->family->tag(r, t), n))
            return;
    } else if (r->in_call) {
        broke(r, CH_STEP_BROKEN, 0);
    }
    text_tag(r, t);
}

/* The tag that pending begins with, -1: none; *part: it may become one. */
static int match(bool *part, const ch_reply *r)
{
    const uint32_t tags = meaning(r) & r->in_text;
    *part = false;
    for (int t = 0; t < TAGS; t++) {
        if ((tags & TAG_BIT(t)) == 0)
            continue;
        const size_t n = strlen(tag_of(r, t)), have = (size_t)r->n_pending;
        if (memcmp(r->pending, tag_of(r, t), CH_MIN(n, have)) != 0)
            continue;
        if (n <= have)
            return t;
        *part = true;
    }
    return -1;
}

static void drop(ch_reply *r, size_t n)
{
    r->n_pending -= (int)n;
    memmove(r->pending, r->pending + n, (size_t)r->n_pending);
}

/* Passes on what pending holds; `all`: also what may become a tag. */
static void settle(ch_reply *r, bool all)
{
    while (r->n_pending > 0) {
        bool part;
        const int t = match(&part, r);
        if (part && t < 0 && !all)
            return;
        const char c = r->pending[0];
        drop(r, t >= 0 ? strlen(tag_of(r, t)) : 1);
        if (t >= 0)
            take_tag(r, t);
        else
            take_byte(r, c);
    }
}

static void take(ch_reply *r, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        r->pending[r->n_pending++] = bytes[i];
        settle(r, false);
    }
}

/* ---- The public calls ---- */

static int admit(ch_reply *r, size_t n, ch_err *e)
{
    if (r->ended)
        return ch_fail(e, CH_EARG, "a reply goes on after its end");
    if (r->rc < 0)
        return ch_fail(e, r->rc, "a reply that failed cannot go on");
    if (n > r->o.bytes - r->fed)
        return ch_fail(e, CH_ELIMIT, "a reply of more than %zu bytes", r->o.bytes);
    r->fed += n;
    return CH_OK;
}

static int check(ch_reply *r, ch_err *e)
{
    const ch_buf *const bufs[] = {&r->space, &r->said[0], &r->said[1], &r->held, &r->arguments};
    for (size_t i = 0; i < CH_COUNT(bufs) && r->rc == CH_OK; i++)
        r->rc = ch_buf_check(bufs[i], "a reply", NULL);
    return r->rc == CH_OK ? CH_OK : ch_fail(e, r->rc, "out of memory for a reply");
}

int ch_reply_feed(ch_reply *r, const char *bytes, size_t n, ch_err *e)
{
    int rc = admit(r, n, e);
    if (rc < 0)
        return rc;
    take(r, bytes, n);
    ch_reply_flush(r, true);
    return check(r, e);
}

/* A token that is a tag: within a string of a call it is its text where it has one. */
static int feed_tag(ch_reply *r, int t, ch_err *e)
{
    const char *text = tag_of(r, t);
    int rc = admit(r, strlen(text), e);
    if (rc < 0)
        return rc;
    settle(r, true);
    if (r->in_call && (meaning(r) & TAG_BIT(t)) == 0 && (r->control & TAG_BIT(t)) == 0 &&
        r->format->family->in_string != NULL && r->format->family->in_string(r))
        for (const char *p = text; *p != 0; p++)
            take_byte(r, *p);
    else
        take_tag(r, t);
    settle(r, true);
    ch_reply_flush(r, true);
    return check(r, e);
}

int ch_reply_token(ch_reply *r, ch_token previous, ch_token id, ch_err *e)
{
    ch_buf piece;
    if (r->o.tokenizer == NULL)
        return ch_fail(e, CH_EARG, "a reply without a tokenizer is fed with a token");
    for (int t = 0; t < TAGS; t++)
        if (id >= 0 && r->token[t] == id)
            return feed_tag(r, t, e);
    ch_buf_init(&piece, r->o.bytes);
    int rc = ch_tokenizer_append(&piece, r->o.tokenizer, previous, id)
                 ? CH_OK
                 : ch_buf_check(&piece, "a token", e);
    if (rc == CH_OK)
        rc = ch_reply_feed(r, piece.data, piece.size, e);
    ch_buf_close(&piece);
    return rc;
}

int ch_reply_end(ch_reply *r, ch_err *e)
{
    int rc = admit(r, 0, e);
    if (rc < 0)
        return rc;
    if (r->in_call) /* half a tag: of the call */
        ch_buf_put(&r->held, r->pending, (size_t)r->n_pending);
    else
        settle(r, true);
    r->n_pending = 0;
    const ch_reply_family *f = r->format->family;
    if (r->in_call && f->is_markup != NULL && f->is_markup(r))
        ch_reply_markup(r, r->held.data, r->held.size);
    else if (r->in_call)
        ch_reply_give_up(r, CH_REPLY_UNFINISHED,
                         r->call.claimed ? "a call that is not complete" : NULL);
    else
        end_space(r, r->trim || r->after_call);
    ch_reply_flush(r, false);
    r->in_call = false;
    r->ended = true;
    return check(r, e);
}

int ch_reply_calls(const ch_reply *r) { return (int)json_array_size(r->calls); }

int ch_reply_failed_calls(const ch_reply *r) { return r->failed_calls; }

ch_reply_now ch_reply_get_now(const ch_reply *r)
{
    const ch_reply_reading *c = &r->call;
    const ch_span name = c->key[KEY_NAME];
    const bool named = r->in_call && name.n > 0;
    ch_reply_now now = {.undecided = r->n_pending > 0,
                        .calling = named || (r->in_call && !r->format->family->header)};
    now.reasoning = !now.calling && r->kind == CH_REPLY_REASONING;
    if (now.calling && r->held.size >= c->from) {
        now.text = r->held.data + c->from;
        now.n = r->held.size - c->from;
    }
    if (named) {
        now.name = r->held.data + name.from;
        now.n_name = name.n;
        while (ch_reply_blank(now.name[now.n_name - 1])) /* between a member and its comma */
            now.n_name--;
    }
    return now;
}
