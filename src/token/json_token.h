/* json_token.h - reading a tokenizer.json: what its parts share; private to token/
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_JSON_TOKEN_H
#define CH_JSON_TOKEN_H

#include "vocab.h"

/* "NAME: WHAT {...} is not supported" */
int ch_json_refuse(const char *name, const char *what, const json_t *found, ch_err *e);
bool ch_json_is_type(const json_t *o, const char *type);
/* Absent, null, false or the empty string: changes nothing. */
bool ch_json_is_off(const json_t *v);
bool ch_json_is_meta(const json_t *v); /* the string U+2581 */
/* A value as text, compact; NULL: out of memory.  Free it. */
char *ch_json_text(const json_t *v);

/* json_pre.c: the "pre_tokenizer" into t's pre, pre_name, pre_json and cutter.  byte_level: whether
 * it ends in the byte alphabet. */
int ch_token_json_pre(ch_tokenizer *t, const json_t *o, bool byte_level, const char *name,
                      ch_err *e);
bool ch_token_json_is_byte_level(const json_t *pre);
/* json_post.c: the "post_processor" and the "decoder". */
int ch_token_json_post(ch_tokenizer *t, const json_t *o, const char *name, ch_err *e);
int ch_token_json_decoder(ch_tokenizer *t, const json_t *o, const char *name, ch_err *e);

/* json_model.c, json_steps.c: the parts of a file that is written. */
int ch_token_json_model(json_t **out, const ch_tokenizer *t, ch_err *e);
bool ch_token_json_steps(json_t *o, const ch_tokenizer *t); /* false: out of memory */

/* token_config.c: what stands beside a vocabulary in its folder: BOS, EOS and their kin, whether
 * BOS is added, the chat template.  path: of the vocabulary.  Files that are not there say
 * nothing. */
int ch_token_read_config(ch_tokenizer *t, const char *path, ch_err *e);
/* A file beside path; *out NULL: there is none. */
int ch_token_load_beside(json_t **out, const char *path, const char *file, ch_err *e);
/* The id of a name, whatever its type; -1: none. */
ch_token ch_token_by_name(const ch_tokenizer *t, const char *name, size_t n);
ch_token ch_token_by_json(const ch_tokenizer *t, const json_t *name); /* "x" or {"content": "x"} */

#endif
