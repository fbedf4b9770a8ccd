/* conversation.h - what the files of talk/ share.  SPDX-License-Identifier: MIT */
#ifndef CH_CONVERSATION_H
#define CH_CONVERSATION_H

#include "listen.h"
#include "talk.h"

/* Who wrote a byte of what the session holds. */
enum { CH_SAID_TEMPLATE = 't', CH_SAID_DATA = 'd', CH_SAID_MODEL = 'm' };

typedef struct ch_talk_mark { /* the first `bytes` of said are the first `tokens` of the session */
    size_t bytes;
    int tokens;
} ch_talk_mark;

typedef struct ch_talk_manner { /* a template, and how models answer to it */
    ch_template *template;
    const ch_reply_format *replies;
    bool thinks; /* it reads enable_thinking */
} ch_talk_manner;

struct ch_talk_style { /* nothing of it changes after it was opened */
    const ch_tokenizer *tk;
    ch_talk_manner plain, with_tools; /* the latter where the model has a template for them, and */
    ch_err no_tools;                  /* its code: why that one cannot be used */
    const char *format;
    bool bos;                /* stands before the text: the template says nothing of it */
    const char *before_text; /* of chats.def: what the model writes before an answer */
    char *own_stop;          /* of the format, or NULL */
    json_t *names;
};

struct ch_talk {
    ch_session *session;
    const ch_talk_style *style;
    ch_talk_style *own_style; /* NULL: it is somebody else's */
    const ch_tokenizer *tk;
    bool goes_on;            /* prompts end with the last message's text */
    struct tm now;
    json_t *messages, *variables;
    const char *stop;

    ch_listener *listener; /* of the last answer, or NULL */
    bool answering;        /* from a prompt to its answer's end */
    ch_reply_fn *tell;
    void *arg;
    ch_buf nothing;
    ch_stops *stops;
    json_t *no_tools; /* an empty list */

    ch_buf said, origin; /* a byte each */
    ch_talk_mark *mark;  /* ascending */
    size_t n_marks, cap_marks;
};

const ch_talk_manner *ch_talk_manner_of(const ch_talk *t); /* as the variables are */
void ch_talk_forget(ch_talk *t, size_t marks); /* what is said behind the first of them */
int ch_talk_open_reply(ch_talk *t, ch_err *e); /* behind the prompt, which is all that is said */
int ch_talk_append(ch_talk *t, json_t *message, ch_err *e); /* takes it */
int ch_talk_mark_here(ch_talk *t, ch_err *e);  /* all that is said is all that the session holds */

#endif
