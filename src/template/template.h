/* template.h - chat templates: from a conversation to the text, and the tokens, that a model gets
 *
 *     ch_template *t;
 *     ch_rendered r = {0};
 *     ch_tokens ids = {0};
 *     if (ch_template_parse(&t, text, n, "model.gguf", &e) < 0) ...
 *     const ch_template_input in = {.data = conversation, .trusted = names};
 *     if (ch_template_render(&r, t, &in, &e) < 0) ...
 *     ch_rendered_encode(&ids, tk, &r, &e);
 *     ch_rendered_free(&r); ch_template_close(&t);
 *
 * A template is a program in Jinja's language (docs/templates.md has the subset); it reaches
 * nothing but the values it is given, and stops at stated limits.
 * Every byte of every text knows where it comes from: the template, or the conversation.  All
 * operations keep that apart, so the result says byte by byte which of it a stranger may have
 * written, and none of those bytes takes part in a special token.
 * SPDX-License-Identifier: MIT */
#ifndef CH_TEMPLATE_H
#define CH_TEMPLATE_H

#include <time.h>

#include "base.h"
#include "token.h"

#define CH_TEMPLATE_BYTES (1 << 20) /* a template's length */

typedef struct ch_template ch_template;

/* Copies text.  `name` stands in errors: "NAME:LINE:COLUMN: what is wrong"; columns count
 * characters. */
int ch_template_parse(ch_template **out, const char *text, size_t n, const char *name, ch_err *e);
void ch_template_close(ch_template **t);

/* Zero means the number in brackets.  Beyond one: CH_ELIMIT. */
typedef struct ch_template_limits {
    uint64_t steps;      /* evaluations, and 64 bytes each that are copied or looked at [10 M] */
    size_t output_bytes; /* of the result [32 MB] */
    size_t memory_bytes; /* of all values together [512 MB] */
    int depth;           /* expressions, blocks and calls in one another [400, which is the most] */
} ch_template_limits;

/* Variables, as objects; a name in both is taken from `data`.  NULL: none. */
typedef struct ch_template_input {
    const json_t *data;    /* messages, tools, ...: what strangers may have written */
    const json_t *trusted; /* bos_token and eos_token: as if the template's author wrote them */
    const struct tm *now;  /* for strftime_now; NULL: templates find that it is not there */
    ch_template_limits limits;
} ch_template_input;

/* text.data[0..text.size) (data may be NULL when it is empty) in pieces of alternating origin. */
typedef struct ch_rendered {
    ch_buf text;
    ch_token_span *span; /* malloc'ed */
    size_t n_spans;
} ch_rendered;

/* A template may be rendered by many threads at once.  r is emptied before; `role` of each object
 * in data's "messages" counts as trusted where it is one of the known words (system, user, ...).
 * CH_EARG: the template refuses the conversation; the sentence is its own. */
int ch_template_render(ch_rendered *r, const ch_template *t, const ch_template_input *in,
                       ch_err *e);
void ch_rendered_free(ch_rendered *r);

/* Appends the ids.  No token is put before the text: templates write BOS themselves. */
int ch_rendered_encode(ch_tokens *out, const ch_tokenizer *tk, const ch_rendered *r, ch_err *e);
/* Those of the bytes [from, to) alone. */
int ch_rendered_encode_part(ch_tokens *out, const ch_tokenizer *tk, const ch_rendered *r,
                            size_t from, size_t to, ch_err *e);

/* A new object with bos_token and eos_token, where the tokenizer has them; transformers hands
 * templates unk_token, pad_token and more, which here are undefined. */
int ch_template_names(json_t **out, const ch_tokenizer *tk, ch_err *e);

#endif
