/* listen.h - an answer's tokens, as they are drawn, become what it says
 *
 *     ch_listener *l;
 *     ch_listener_open(&l, &options, &e);
 *     for (...) if (ch_listener_token(&stop, l, before, id, &e) < 0 || stop >= 0) ...
 *     ch_listener_end(l, &e);
 *
 * Between tokens and reply (reply.h) stand the texts at which an answer ends: tokens that may yet
 * belong to one are held back.  What does not depend on a session is here, so that answers that are
 * drawn elsewhere are heard in the same way.  SPDX-License-Identifier: MIT */
#ifndef CH_LISTEN_H
#define CH_LISTEN_H

#include "reply.h"
#include "stop.h"

typedef struct ch_listener ch_listener;

typedef struct ch_listener_options {
    const ch_reply_format *replies;
    const json_t *tools;     /* as in ch_reply_options; borrowed */
    const char *prompt;      /* what was rendered */
    size_t prompt_bytes;
    const char *before_text; /* what the format puts before an answer: it is not told; or NULL */
    ch_stops *stops;         /* borrowed, for this listener alone; NULL: none */
    const ch_tokenizer *tk;
    ch_reply_fn *tell;       /* NULL: only the text and the message are wanted */
    void *arg;
} ch_listener_options;

int ch_listener_open(ch_listener **out, const ch_listener_options *o, ch_err *e);
void ch_listener_close(ch_listener **l);

/* The token just drawn behind `before`, no end token.  *stop: the index of the text at which the
 * answer ends with it, or -1; nothing may come behind it. */
int ch_listener_token(int *stop, ch_listener *l, ch_token before, ch_token id, ch_err *e);
/* A token that the model did not draw: it is told at once, and no stop is looked for in it. */
int ch_listener_put(ch_listener *l, ch_token before, ch_token id, ch_err *e);
/* What is held back is told. */
int ch_listener_end(ch_listener *l, ch_err *e);
/* After the end: role, content, and what else ch_reply_message has. */
int ch_listener_message(json_t **out, const ch_listener *l, ch_err *e);
/* Its bytes so far, without the stop; borrowed. */
const ch_buf *ch_listener_text(const ch_listener *l);
const ch_reply *ch_listener_reply(const ch_listener *l);

#endif
