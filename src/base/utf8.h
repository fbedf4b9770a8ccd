/* utf8.h - RFC 3629, strictly: no surrogates, no overlong forms, nothing above U+10FFFF
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_UTF8_H
#define CH_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads one character from s[0..n), n >= 1.  Returns its length 1..4 and sets *cp; 0: the bytes
 * cannot begin a character (the caller should skip one); -1: they are a proper prefix of one. */
int ch_utf8_read(uint32_t *cp, const char *s, size_t n);
/* Writes cp (a valid scalar value) to out, returns the length 1..4. */
int ch_utf8_write(char out[4], uint32_t cp);
bool ch_utf8_valid(const char *s, size_t n);
/* How many bytes of s[0..n) can be shown now: everything but a trailing incomplete character. */
size_t ch_utf8_whole(const char *s, size_t n);
/* Replaces by '?', in place, what could disturb a terminal: control characters (C0, DEL, C1) and
 * bytes that are not UTF-8. */
void ch_utf8_printable(char *s, size_t n);

#endif
