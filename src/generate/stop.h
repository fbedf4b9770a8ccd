/* stop.h - texts that end what is written
 *
 * A text ends at the first byte at which one of the stops is complete; where several end there, the
 * longest counts, so that nothing of it is shown.  That does not depend on how the text came in
 * tokens.  Whatever may yet become a stop is held back, and so is half a character.
 * SPDX-License-Identifier: MIT */
#ifndef CH_STOP_H
#define CH_STOP_H

#include "base.h"

typedef struct ch_stops ch_stops;

/* n texts of 1 to 4096 bytes, 64 at most; copied. */
int ch_stops_open(ch_stops **out, const char *const *text, int n, ch_err *e);
void ch_stops_close(ch_stops **s);
void ch_stops_reset(ch_stops *s); /* a new text begins */
size_t ch_stops_longest(const ch_stops *s); /* bytes */
/* text[0..n): all of the text until now, of which the last call saw the beginning.  *safe: how much
 * of it may be shown.  Returns -1, or the index of the stop that ended it; *safe is then where it
 * begins, now and in later calls.  Costs the new bytes times the stops. */
int ch_stops_feed(size_t *safe, ch_stops *s, const char *text, size_t n);

#endif
