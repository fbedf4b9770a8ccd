/* json.h - jansson with our limits and our sentences
 *
 * Callers use jansson's json_t directly; these add size and depth limits on the way in and errors
 * that name the source, line and column.  SPDX-License-Identifier: MIT */
#ifndef CH_JSON_H
#define CH_JSON_H

#include <jansson.h>

#include "buf.h"

/* A new reference to the document in text[0..n) (strict UTF-8, no duplicate keys, any top-level
 * value).  `name` stands in the error: "NAME:LINE:COLUMN: what is wrong".  Strings may hold \u0000:
 * read them with json_string_length, or through ch_json_str, which refuses it.  *out is NULL on
 * error. */
int ch_json_parse(json_t **out, const char *text, size_t n, const char *name, ch_err *e);
int ch_json_load(json_t **out, const char *path, size_t limit, ch_err *e);
/* Compact, keys in insertion order, doubles with 17 digits. */
int ch_json_dump(ch_buf *b, const json_t *v, ch_err *e);

/* Typed fields of an object; a missing key, a null, or o NULL gives `or`, a wrong type or range
 * CH_EFORMAT with "NAME: "key" is ..., wanted ...".  4096.0 counts as an integer. */
int ch_json_int(int64_t *out, const json_t *o, const char *key, int64_t or, int64_t min,
                int64_t max, const char *name, ch_err *e);
int ch_json_real(double *out, const json_t *o, const char *key, double or, const char *name,
                 ch_err *e);
/* Borrowed from o; `or` may be NULL. */
int ch_json_str(const char **out, const json_t *o, const char *key, const char *or,
                const char *name, ch_err *e);

#endif
