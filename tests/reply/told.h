/* told.h - a reply's events as one line of text
 *
 *     C[content] R[reasoning] M[markup] CALL name#id{"a":1} BAD CUT
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_TEST_TOLD_H
#define CH_TEST_TOLD_H

#include <stdlib.h>
#include <string.h>

#include "reply.h"
#include "support.h"

typedef struct told {
    ch_buf all, seen; /* with markup, without */
    ch_buf source;    /* what was fed, special tokens by their names */
    size_t at;
    int last_all, last_seen;
} told;

static inline void told_put(ch_buf *b, int *last, const ch_reply_event *ev)
{
    static const char *const opens[] = {"C[", "R[", "CALL ", "BAD ", "CUT ", "M["};
    const bool text = ev->kind <= CH_REPLY_REASONING || ev->kind == CH_REPLY_MARKUP;
    if (text && *last == (int)ev->kind)
        b->size -= 2; /* "] " */
    else
        ch_buf_str(b, opens[ev->kind]);
    if (ev->kind == CH_REPLY_CALL)
        ch_buf_printf(b, "%s%s%s", ev->name, ev->id != NULL ? "#" : "", ev->id ? ev->id : "");
    if (text || ev->kind == CH_REPLY_CALL)
        ch_buf_put(b, ev->text, ev->n);
    if (ev->kind != CH_REPLY_MALFORMED && ev->kind != CH_REPLY_UNFINISHED)
        ch_buf_str(b, text ? "] " : " ");
    *last = (int)ev->kind;
}

/* Every byte is in one event, in order, and text is the bytes it stands for. */
static inline void told_event(void *arg, const ch_reply_event *ev)
{
    told *t = arg;
    const bool text = ev->kind <= CH_REPLY_REASONING || ev->kind == CH_REPLY_MARKUP;
    assert_true(ev->from == t->at && ev->to >= ev->from && ev->to <= t->source.size);
    if (text) {
        assert_int_equal(ev->n, ev->to - ev->from);
        assert_memory_equal(ev->text, t->source.data + ev->from, ev->n);
    }
    t->at = ev->to;
    told_put(&t->all, &t->last_all, ev);
    if (ev->kind != CH_REPLY_MARKUP)
        told_put(&t->seen, &t->last_seen, ev);
}

static inline void told_init(told *t)
{
    *t = (told){.last_all = -1, .last_seen = -1};
    ch_buf_init(&t->all, SIZE_MAX);
    ch_buf_init(&t->seen, SIZE_MAX);
    ch_buf_init(&t->source, SIZE_MAX);
}

static inline void told_close(told *t)
{
    ch_buf_close(&t->all);
    ch_buf_close(&t->seen);
    ch_buf_close(&t->source);
}

static inline const char *told_text(const ch_buf *b) { return b->data != NULL ? b->data : ""; }

/* text[0..n) in pieces that end at cut[0..n_cuts); message may be NULL. */
static inline void told_reply(told *t, json_t **message, const char *format,
                              const ch_reply_options *o, const char *text, size_t n,
                              const size_t *cut, size_t n_cuts)
{
    ch_reply_options own = o != NULL ? *o : (ch_reply_options){0};
    ch_reply *r;
    ch_err e = {0};
    size_t at = 0;
    told_init(t);
    ch_buf_put(&t->source, text, n);
    own.tell = told_event;
    own.arg = t;
    assert_non_null(ch_reply_format_named(format));
    assert_ok(ch_reply_open(&r, ch_reply_format_named(format), &own, &e), e);
    for (size_t i = 0; i < n_cuts; at = cut[i++])
        assert_ok(ch_reply_feed(r, text + at, cut[i] - at, &e), e);
    assert_ok(ch_reply_feed(r, text + at, n - at, &e), e);
    assert_ok(ch_reply_end(r, &e), e);
    assert_int_equal(t->at, n);
    if (message != NULL)
        assert_ok(ch_reply_message(message, r, &e), e);
    ch_reply_close(&r);
}

static inline json_t *told_json(const char *text)
{
    ch_err e = {0};
    json_t *v = NULL;
    if (text != NULL)
        assert_ok(ch_json_parse(&v, text, strlen(text), "test", &e), e);
    return v;
}

#endif
