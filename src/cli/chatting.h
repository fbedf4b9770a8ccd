/* chatting.h - what the files of chalcis chat share.  SPDX-License-Identifier: MIT */
#ifndef CH_CHATTING_H
#define CH_CHATTING_H

#include "cli.h"
#include "line.h"
#include "talk.h"

typedef enum ch_think { CH_THINK_UNSAID, CH_THINK_ON, CH_THINK_OFF, CH_THINK_HIDE } ch_think;

typedef struct ch_chatting {
    char path[4096];
    ch_model *model;
    ch_lora *lora;
    ch_tokenizer *tk;
    ch_session *session;
    ch_talk *talk;
    ch_line *line;
    ch_sampling sampling;
    ch_tokens broken; /* where DRY's repeats end; sampling points to them */
    int count; /* most tokens of an answer; below 0: as many as fit; 0: half as many */
    ch_think think;
    bool terminal; /* somebody types */
    bool colour, status;
    bool leaves, told_think;
    int code; /* what the program ends with */
} ch_chatting;

/* Says why something failed; where nobody types, that ends the program. */
void ch_chat_failed(ch_chatting *c, const char *why, int code);
/* A line that begins with a slash. */
void ch_chat_command(ch_chatting *c, const char *text);
ch_line_words ch_chat_words; /* for completion; arg: the ch_chatting */
int ch_chat_think(ch_chatting *c, const char *how, ch_err *e); /* on, off, hide */
int ch_chat_system(ch_chatting *c, const char *text, ch_err *e); /* NULL: none */

/* Says it and answers.  What fails, or is stopped before its first word, is not kept. */
void ch_chat_message(ch_chatting *c, const char *text, size_t n);
/* Another answer to the last message of the user. */
void ch_chat_again(ch_chatting *c);
/* Where the last message of the user stands; below 0: there is none. */
int ch_chat_last_user(ch_chatting *c);
/* Takes messages off the end; returns how many are left. */
size_t ch_chat_shorten(ch_chatting *c, size_t by);
bool ch_chat_last_is(ch_chatting *c, const char *role);

#endif
