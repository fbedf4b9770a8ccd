/* openai_write.h - what the writers of OpenAI's API share
 *
 * What is not the API's stands under "chalcis": of a choice its tokens, of a reply the rest.
 * SPDX-License-Identifier: MIT */
#ifndef CH_OPENAI_WRITE_H
#define CH_OPENAI_WRITE_H

#include "writer_in.h"

/* {"id":"PREFIX...","object":OBJECT, ... "choices":[ */
void ch_openai_put_head(ch_scribe *w, ch_buf *b, const char *prefix, const char *object);
void ch_openai_put_usage(ch_buf *b, const ch_usage *u); /* an object */
/* What a stream's chunk ends with, after the choices and their bracket; first: of the stream. */
void ch_openai_put_tail(const ch_scribe *w, ch_buf *b, bool first);
/* All that follows the choices of a whole reply, and the chunk of a stream that has none. */
void ch_openai_put_end(const ch_scribe *w, ch_buf *b, const ch_usage *u);
const char *ch_openai_finish(ch_why why);

void ch_openai_put_bytes(ch_buf *b, const char *bytes, size_t n); /* as an array of numbers */
/* One more of a list of what tokens cost. */
void ch_openai_put_cost(ch_buf *list, const ch_delta *d);
/* ,"chalcis":{"tokens":[LIST]} where there is a list, which is then empty; `before` (or NULL) is
 * one that comes first. */
void ch_openai_put_costs(ch_buf *b, const ch_buf *before, ch_buf *list);

/* Functions of kinds. */
void ch_openai_end_stream(ch_scribe *w, ch_buf *b, const char *prefix, const char *object,
                          const ch_usage *u);
void ch_openai_fail(ch_scribe *w, ch_buf *b, const ch_refusal *r);
void ch_openai_ping(ch_scribe *w, ch_buf *b);

#endif
