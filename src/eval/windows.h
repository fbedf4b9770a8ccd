/* windows.h - a text that is longer than what a model sees at once
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_WINDOWS_H
#define CH_WINDOWS_H

#include "eval.h"

enum { CH_WINDOW_USUAL = 512 }; /* as other engines have it, so that figures compare */

typedef struct ch_windows {
    ch_tokens ids;
    int head;           /* tokens that each window begins with: BOS, or none */
    int window, stride; /* tokens of one, and from one to the next */
    size_t bytes;       /* of what is scored */
    int64_t start, scored;
} ch_windows;

/* window 0: `usual`; stride 0: half of what a window has beside BOS.  `name` stands in messages. */
int ch_windows_open(ch_windows *w, const ch_tokenizer *tk, const char *text, size_t n,
                    const char *name, int window, int stride, int usual, int most, ch_err *e);
void ch_windows_close(ch_windows *w);
/* The next window's tokens in to[0..w->window), *n of them, those from *first on to be scored;
 * false: that was all. */
bool ch_windows_next(ch_windows *w, ch_token *to, int *n, int *first);

#endif
