/* line.h - lines that are typed: edited and remembered with libedit where the program has it and
 * both ends are a terminal, plain otherwise
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_LINE_H
#define CH_LINE_H

#include "base.h"

typedef struct ch_line ch_line;

/* Words that can stand at the end of text[0..n): the i-th one, or NULL; they replace its last
 * `*cut` bytes. */
typedef const char *ch_line_words(void *arg, const char *text, size_t n, int i, size_t *cut);

/* history: a file, or NULL; its folder is made.  Failing to keep it is no error; a file that is
 * something else is left as it is, which is said. */
int ch_line_open(ch_line **out, const char *history, ch_line_words *words, void *arg, ch_err *e);
void ch_line_close(ch_line **l);

typedef enum ch_line_end {
    CH_LINE_READ,        /* *text: without its newline; a pasted text may hold some */
    CH_LINE_ENDED,       /* Ctrl-D, or the end of the input */
    CH_LINE_INTERRUPTED, /* Ctrl-C: what was typed is gone */
} ch_line_end;
ch_line_end ch_line_get(ch_line *l, const char **text, size_t *n, const char *prompt);
/* Does the line that was read last begin with text that was pasted?  Beginnings beyond ASCII are
 * not told. */
bool ch_line_pasted(const ch_line *l);
/* The next lines' history has this, and its file at once; a text of several lines is one entry. */
void ch_line_remember(ch_line *l, const char *text);

#endif
