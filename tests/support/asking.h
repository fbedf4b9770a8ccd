/* asking.h - requests and what readers make of them, for tests of src/serve
 *
 * JSON is written with ' in place of ".  SPDX-License-Identifier: MIT */
#ifndef CH_TEST_ASKING_H
#define CH_TEST_ASKING_H

#include "support.h"

#include "ask.h"

json_t *json_of(const char *text); /* the test fails where it is none */
/* Some value within v becomes an odd one, a copy of its neighbour, or goes; at: draws so far. */
void json_mutate(json_t *v, uint64_t seed, uint32_t *at);
/* What was asked for, as an object: of each field that is not as it would be without a request (the
 * sampling's beside the others; samplers: as their order's indices). */
json_t *shown(const ch_ask *a);
/* `read` makes of body what `expected` shows; both are JSON. */
void assert_asks(ch_ask_reader *read, const char *body, const char *expected);
/* It is refused, with param and a sentence that has `part`. */
void assert_refuses(ch_ask_reader *read, const char *body, ch_refused why, const char *param,
                    const char *part);

#endif
