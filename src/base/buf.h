/* buf.h - bytes that grow, up to a limit that is fixed at birth
 *
 * Errors stick: after a failed append every later one fails too and `failed` tells, so a writer
 * checks once at its end.  SPDX-License-Identifier: MIT */
#ifndef CH_BUF_H
#define CH_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "chalcis.h"

typedef struct ch_buf {
    char *data;  /* always followed by a 0 byte once anything was appended; NULL when empty */
    size_t size; /* bytes, without that 0 */
    size_t cap, limit;
    bool failed;  /* out of memory, or the limit was reached */
    bool starved; /* with failed: it was memory */
} ch_buf;

void ch_buf_init(ch_buf *b, size_t limit);
void ch_buf_close(ch_buf *b);
void ch_buf_clear(ch_buf *b); /* size 0, memory kept, failed reset */
bool ch_buf_put(ch_buf *b, const void *bytes, size_t n);
bool ch_buf_str(ch_buf *b, const char *text);
/* As UTF-8: U+FFFD for each byte that is none, and for the rest of a character that is cut. */
bool ch_buf_utf8(ch_buf *b, const char *bytes, size_t n);
bool ch_buf_printf(ch_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* n more bytes, uninitialised, to be filled by the caller; NULL on failure. */
void *ch_buf_room(ch_buf *b, size_t n);
/* CH_OK, or CH_ENOMEM/CH_ELIMIT with a sentence that says `what` and the limit. */
int ch_buf_check(const ch_buf *b, const char *what, ch_err *e);

#endif
