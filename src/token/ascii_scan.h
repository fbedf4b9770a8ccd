/* ascii_scan.h - the common patterns by hand, where text is ASCII
 *
 * Most text is, and a table and a few loops find a piece several times faster than a compiled
 * pattern.  Where a byte beyond ASCII could decide, the scanner says so and the pattern runs.
 * tests/token/pretokenize.c compares both on random text.  SPDX-License-Identifier: MIT */
#ifndef CH_ASCII_SCAN_H
#define CH_ASCII_SCAN_H

#include <stddef.h>

/* Where the match that starts at text[at] ends, at < n; 0: the pattern has to tell. */
typedef size_t ch_scan_fn(const char *text, size_t n, size_t at);

/* The scanner for a published pattern; NULL: there is none. */
ch_scan_fn *ch_scan_find(const char *pattern, size_t n);

#endif
