/* writer.h - what an answer says, in the words of one API
 *
 *     answers --ch_delta--> ch_scribe --bytes--> one JSON object, or a stream of events
 *
 * A writer is told what happens, in order, and appends what goes over the wire.  It knows neither
 * models nor connections, and its time is that of the bytes.  Streams: OpenAI's chunks end with
 * "data: [DONE]"; Anthropic's events come in the order that its clients insist on, blocks opened
 * and closed as the kind of text changes.  (base.h has a ch_writer, of files.)
 * SPDX-License-Identifier: MIT */
#ifndef CH_WRITER_H
#define CH_WRITER_H

#include "ask.h"

typedef enum ch_delta_kind {
    CH_DELTA_CONTENT,   /* text: whole characters, UTF-8 */
    CH_DELTA_REASONING, /* likewise */
    CH_DELTA_CALL,      /* a whole call: index, name, call_id, text: the arguments, a JSON object */
    CH_DELTA_TOKEN,     /* of completions and of log-probs: token alone; its text comes, or came, by
                           itself */
    CH_DELTA_END        /* of this answer: why, stop */
} ch_delta_kind;

typedef enum ch_why {
    CH_WHY_STOP,    /* by itself */
    CH_WHY_STOPPED, /* by a stop text: stop */
    CH_WHY_LENGTH,  /* as many tokens as were asked for */
    CH_WHY_CONTEXT, /* the context is full */
    CH_WHY_CALLS    /* tools are to be called */
} ch_why;

/* One token and how likely it was; bytes: its text, which may be part of a character, or the name
 * of a special token. */
typedef struct ch_told_token {
    const char *bytes;
    size_t n;
    ch_token id;
    double log_p; /* NaN: nobody knows */
    bool drafted;
    double iterations;
} ch_told_token;

typedef struct ch_delta {
    ch_delta_kind kind;
    int answer; /* which */
    const char *text;
    size_t n;
    int index;  /* of a call: 0, 1, ... */
    const char *name, *call_id;
    ch_told_token token;
    const ch_told_token *top;
    int n_top;
    size_t offset; /* of a token: bytes of text before it (echo: of the prompt's, too) */
    bool reasoning; /* of a token: it is part of that */
    bool of_prompt; /* of a token: it is told once for all answers to the prompt; `answer` is the
                       first of them */
    ch_why why;
    const char *stop;
} ch_delta;

typedef struct ch_usage {
    int prompt, cached, drawn, reasoning; /* tokens; cached: of the prompt, found in the cache */
    int drafted, accepted;
    double wait_ms, prompt_ms, drawn_ms;
} ch_usage;

typedef struct ch_scribe_info {
    const char *id;    /* "chatcmpl-...", "cmpl-...", "msg_..." without what comes before the "-" */
    const char *request_id; /* as the reply's headers have it, or NULL */
    const char *model; /* as it is to be named */
    const char *fingerprint;
    int64_t created;   /* seconds since 1970 */
} ch_scribe_info;

typedef struct ch_scribe ch_scribe;

/* All is borrowed until close.  The kind is that of ask->api; stream that of ask->stream. */
int ch_scribe_open(ch_scribe **out, const ch_ask *ask, const ch_scribe_info *i, ch_err *e);
void ch_scribe_close(ch_scribe **w);

/* The prompt has been read, and answers begin: streams get their first bytes (ping events and
 * comments may come before). */
void ch_scribe_begin(ch_scribe *w, ch_buf *b, const ch_usage *u);
void ch_scribe_tell(ch_scribe *w, ch_buf *b, const ch_delta *d);
/* All answers have ended: the rest of the stream, or the whole object. */
void ch_scribe_done(ch_scribe *w, ch_buf *b, const ch_usage *u);
/* It ends in the middle of a stream that has begun. */
void ch_scribe_fail(ch_scribe *w, ch_buf *b, const ch_refusal *r);
/* What keeps a silent connection open. */
void ch_scribe_ping(ch_scribe *w, ch_buf *b);
/* Of embeddings: one by one, in order; n numbers each.  Then done. */
void ch_scribe_vector(ch_scribe *w, const float *v, int n);
int ch_scribe_error(const ch_scribe *w); /* CH_OK, or CH_ENOMEM once there was none */

#endif
