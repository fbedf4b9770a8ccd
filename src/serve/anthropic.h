/* anthropic.h - between the files of Anthropic's API; private to serve/
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_ANTHROPIC_H
#define CH_ANTHROPIC_H

#include "writer_in.h"

/* ask.messages and ask.go_on from "system" and "messages". */
int ch_anthropic_conversation(ch_ask *a, const ch_ask_limits *l, ch_refusal *r);
/* ask.tools and what is to be chosen of them from "tools" and "tool_choice". */
int ch_anthropic_tools(ch_ask *a, const ch_ask_limits *l, ch_refusal *r);
/* Which of `names` (NULL behind the last) o's field is; path: where o is. */
int ch_anthropic_kind(size_t *out, json_t *o, const char *path, const char *field,
                      const char *const *names, ch_refusal *r);

typedef enum ch_block { CH_BLOCK_NONE, CH_BLOCK_TEXT, CH_BLOCK_THINKING } ch_block;

typedef struct ch_anthropic_scribe {
    ch_scribe w;
    const struct ch_anthropic_form *form;
    ch_block open; /* which kind of block is being written */
    int blocks;    /* that were begun */
    ch_why why;
    ch_buf stop;          /* the text at which it ended */
    ch_buf text, content; /* of whole messages: of the open block; the blocks before it */
} ch_anthropic_scribe;

/* The blocks of a message, as one object or as events. */
typedef struct ch_anthropic_form {
    void (*begin)(ch_anthropic_scribe *a, ch_buf *b, const ch_usage *u);
    void (*start)(ch_anthropic_scribe *a, ch_buf *b); /* of a->open */
    void (*add)(ch_anthropic_scribe *a, ch_buf *b, const char *text, size_t n);
    void (*stop)(ch_anthropic_scribe *a, ch_buf *b);
    void (*call)(ch_anthropic_scribe *a, ch_buf *b, const ch_delta *d); /* a block by itself */
    void (*done)(ch_anthropic_scribe *a, ch_buf *b, const ch_usage *u);
} ch_anthropic_form;

extern const ch_anthropic_form ch_anthropic_whole, ch_anthropic_stream;

/* The whole object; before its end it has no content and no reason to stop. */
void ch_anthropic_put_message(ch_buf *b, const ch_anthropic_scribe *a, const ch_usage *u,
                              bool ended);
/* Members, without braces: how it ended; what it took. */
void ch_anthropic_put_end(ch_buf *b, const ch_anthropic_scribe *a, bool ended);
void ch_anthropic_put_usage(ch_buf *b, const ch_usage *u, bool ended);
/* A call as a block; input: with its arguments. */
void ch_anthropic_put_call(ch_buf *b, const ch_delta *d, bool input);
/* The events that end a stream in its middle, and that keep it open. */
void ch_anthropic_put_error(ch_buf *b, const ch_refusal *r, const char *request_id);
void ch_anthropic_put_ping(ch_buf *b);

#endif
