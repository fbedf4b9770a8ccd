/* serve.h - a model behind HTTP: OpenAI's and Anthropic's APIs, and the page
 *
 *     ch_server *s;
 *     ch_server_open(&s, &options, &e);         listens, and serves
 *     ... until somebody wants it to end ...
 *     ch_server_drain(s, most_ms);              what was accepted is answered
 *     ch_server_close(&s);
 *
 * exchange.h is HTTP, ask.h what requests ask for, job.h how they are answered, writer.h the words.
 * SPDX-License-Identifier: MIT */
#ifndef CH_SERVE_H
#define CH_SERVE_H

#include "base.h"

typedef struct ch_server ch_server;

typedef struct ch_server_options {
    ch_model *model; /* both outlive the server */
    const ch_tokenizer *tk;
    const char *name; /* of the model, in replies and lists */
    ch_engine_options engine;
    const char *host; /* NULL: 127.0.0.1 */
    int port;         /* 0: any free one */
    const char *keys, *cert, *key, *origins; /* exchange.h */
    bool allow_open;
    int log_fd;       /* -1: no log */
    const char *log;  /* instead: a file that it is appended to; or NULL */
    size_t body_bytes;
    int gather_ms;    /* see exchange.h */
    int silent_ms;    /* streams that say nothing for so long get a sign of life; 0: 15 s */
    bool any_model;   /* a request may name any model: this one answers */
} ch_server_options;

int ch_server_open(ch_server **out, const ch_server_options *o, ch_err *e);
int ch_server_port(const ch_server *s);
int ch_server_keys(ch_server *s, ch_err *e); /* read again */
/* CH_OK, or why nothing will be answered any more: the model's file is not what it was, or the
 * engine has failed. */
int ch_server_check(const ch_server *s, ch_err *e);
int ch_server_log(ch_server *s, ch_err *e);  /* its file is opened anew */
/* Refuses what is new; waits, for most_ms at most, until all that was accepted is answered. */
void ch_server_drain(ch_server *s, int most_ms);
void ch_server_close(ch_server **s);

#endif
