/* err.h - a failure is a code and one sentence
 *
 *     if (magic != GGUF_MAGIC)
 *         return ch_fail(e, CH_EFORMAT, "%s: not a GGUF file (starts with %08x)", path, magic);
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_ERR_H
#define CH_ERR_H

#include "chalcis.h"

/* Writes code and sentence into e (NULL: nothing is written), returns code.  Control characters
 * in the finished sentence become '?', a sentence too long for e->text is cut at a whole UTF-8
 * character, so a hostile file name or tensor name cannot disturb a terminal. */
int ch_fail(ch_err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the sentence that is already in e; returns e's code (CH_OK without e). */
int ch_fail_at(ch_err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
