/* unicode.h - normal forms, case and kinds of characters, by utf8proc
 *
 * Each appends to b what becomes of text[0..n): any bytes; those that are not UTF-8 stay as they
 * are.  Linear in the text, however many combining marks follow one another.
 * SPDX-License-Identifier: MIT */
#ifndef CH_UNICODE_H
#define CH_UNICODE_H

#include "base.h"

/* NFD, with compat NFKD; with compose NFC and NFKC. */
void ch_unicode_normalize(ch_buf *b, const char *text, size_t n, bool compose, bool compat);
void ch_unicode_lower(ch_buf *b, const char *text, size_t n);
/* Without combining marks: all of category M, or non-spacing ones only. */
void ch_unicode_strip_marks(ch_buf *b, const char *text, size_t n, bool nonspacing_only);

bool ch_unicode_is_space(uint32_t cp);   /* White_Space */
bool ch_unicode_is_control(uint32_t cp); /* Cc, Cf, Cs, Co */
bool ch_unicode_is_word(uint32_t cp);    /* letters, marks, decimal digits, connectors */
bool ch_unicode_is_chinese(uint32_t cp); /* BERT's ranges of ideographs */

/* Nothing to do for NFC and NFKC-like forms: all of it is ASCII. */
bool ch_unicode_is_ascii(const char *text, size_t n);

#endif
