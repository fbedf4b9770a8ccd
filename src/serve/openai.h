/* openai.h - what the readers of OpenAI's API share (docs/serve.md has the fields)
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_OPENAI_H
#define CH_OPENAI_H

#include "ask.h"

/* A part of a request is read into the ask; a reader is a list of them, which ends with NULL. */
typedef int ch_openai_part(ch_ask *a, const ch_ask_limits *l, ch_refusal *r);
/* Opens, reads all parts, closes on failure. */
int ch_openai_read(ch_ask **out, json_t *body, ch_api api, ch_openai_part *const *parts,
                   const ch_ask_limits *l, ch_refusal *r);

/* What chat and completions have in common. */
ch_openai_part ch_openai_names;     /* model, user */
ch_openai_part ch_openai_sampling;  /* temperature, ..., logit_bias */
ch_openai_part ch_openai_answering; /* stream, stop, response_format */
ch_openai_part ch_openai_own;       /* ch_ask_own_fields */

ch_openai_part ch_openai_messages, ch_openai_tools;

/* body[name]: a text, tokens, or a list of such, to a->prompts. */
int ch_openai_prompts(ch_ask *a, const char *name, ch_refusal *r);

json_t *ch_openai_field(json_t *o, const char *name); /* borrowed; NULL: missing or null */
int ch_openai_wants(ch_refusal *r, const char *name, const char *what); /* "... has to be WHAT" */
int ch_openai_starved(ch_refusal *r);
/* v has at most `most` (0: any number of) elements. */
int ch_openai_count(const json_t *v, const char *name, int most, ch_refusal *r);
/* Of tools and schemas: 1 to 64 letters, digits, - and _. */
bool ch_openai_is_name(const char *text);

#endif
