/* lines.h - lines of a log, from any thread to a file, by a thread of its own
 *
 *     ch_lines *l;
 *     ch_lines_open(&l, &options, &e);
 *     ch_lines_put(l, text, n);           whoever calls never waits for the file
 *     ch_lines_close(&l, most_ms);        what waits is written first
 *
 * A disk that is slow, or a pipe that nobody reads, stops the log and nothing else: beyond a number
 * of bytes that wait, lines are lost, and counted, and a line says how many.
 * SPDX-License-Identifier: MIT */
#ifndef CH_LINES_H
#define CH_LINES_H

#include "base.h"

typedef struct ch_lines ch_lines;

typedef struct ch_lines_options {
    int fd;            /* it stays the caller's; */
    const char *path;  /* or a file that is appended to, made where there is none; or NULL */
    size_t most_bytes; /* that wait; 0: 1 MiB */
    char *(*lost)(uint64_t n); /* the line that says so, to be freed; NULL: no memory */
} ch_lines_options;

int ch_lines_open(ch_lines **out, const ch_lines_options *o, ch_err *e);
/* n bytes without a line's end, which is put behind them. */
void ch_lines_put(ch_lines *l, const char *text, size_t n);
/* The file at `path` is opened anew: the old one was moved.  Where that fails, lines go where they
 * went.  Without a path: nothing. */
int ch_lines_reopen(ch_lines *l, ch_err *e);
uint64_t ch_lines_lost(ch_lines *l); /* so far */
/* What waits is written first, for most_ms at most.  No other call may be under way or follow. */
void ch_lines_close(ch_lines **l, int most_ms);

#endif
