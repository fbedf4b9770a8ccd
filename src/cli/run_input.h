/* run_input.h - what chalcis run is given.  SPDX-License-Identifier: MIT */
#ifndef CH_RUN_INPUT_H
#define CH_RUN_INPUT_H

#include "cli.h"

typedef struct ch_run_input {
    const char *text;        /* -p, or NULL */
    const char *file;        /* -f, or NULL */
    const char *const *more; /* the arguments: n files */
    int n;
} ch_run_input;

/* Appends standard input (where it is a file or a pipe, -f is not given and "-" not named), the
 * files in their order ("-": standard input) and the text; each begins a line.  *any: there was
 * one of them. */
int ch_run_read(ch_buf *b, bool *any, const ch_run_input *in, ch_err *e);

/* What a line of chats.def needs where there is no token for it: the text at which answers end, and
 * what stands before them.  The caller's; NULL: nothing. */
typedef struct ch_run_format {
    char *stop, *lead;
} ch_run_format;

/* The ids of a conversation of one message, the answer opened.  system: NULL, or what stands
 * before. */
int ch_run_conversation(ch_tokens *out, ch_run_format *format, const ch_tokenizer *tk,
                        const char *system, const char *text, size_t n, ch_err *e);

#endif
