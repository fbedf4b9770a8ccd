/* json_norm.c - the "normalizer" of a tokenizer.json
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "json_token.h"

#define DEPTH_MAX 4 /* Sequences within each other */

/* Base64 (RFC 4648) as Hugging Face writes a precompiled_charsmap; NULL: it is none. */
static unsigned char *from_base64(size_t *n, const char *text, size_t n_text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char *out = malloc(n_text / 4 * 3 + 3);
    uint32_t bits = 0;
    int count = 0;
    *n = 0;
    while (n_text > 0 && text[n_text - 1] == '=')
        n_text--;
    for (size_t i = 0; i < n_text && out != NULL; i++) {
        const char *d = text[i] != 0 ? strchr(digits, text[i]) : NULL;
        if (d == NULL) {
            free(out);
            return NULL;
        }
        bits = bits << 6 | (uint32_t)(d - digits);
        if ((count += 6) >= 8)
            out[(*n)++] = (unsigned char)(bits >> (count -= 8));
    }
    return out;
}

static int add_charsmap(ch_normalizer *z, const json_t *o, const char *name, ch_err *e)
{
    const json_t *text = json_object_get(o, "precompiled_charsmap");
    size_t n = 0;
    if (json_is_null(text) || json_string_length(text) == 0)
        return json_is_null(text) || json_is_string(text)
                   ? CH_OK
                   : ch_json_refuse(name, "normalizer", o, e);
    unsigned char *map = from_base64(&n, json_string_value(text), json_string_length(text));
    int rc = map == NULL ? ch_fail(e, CH_EFORMAT, "%s: precompiled_charsmap is not base64", name)
                         : ch_normalizer_add(z, CH_NORM_CHARSMAP, 0, map, n, "", 0, e);
    free(map);
    return rc;
}

static int add_replace(ch_normalizer *z, const json_t *o, const char *name, ch_err *e)
{
    const json_t *pattern = json_object_get(o, "pattern"), *by = json_object_get(o, "content"),
                 *string = json_object_get(pattern, "String"),
                 *regex = json_object_get(pattern, "Regex"),
                 *what = json_is_string(string) ? string : regex;
    if (!json_is_string(what) || !json_is_string(by))
        return ch_json_refuse(name, "normalizer", o, e);
    return ch_normalizer_add(z, what == string ? CH_NORM_REPLACE : CH_NORM_REPLACE_PATTERN, 0,
                             json_string_value(what), json_string_length(what),
                             json_string_value(by), json_string_length(by), e);
}

static int flag_if(const json_t *o, const char *key, bool or, int flag)
{
    const json_t *v = json_object_get(o, key);
    return (json_is_boolean(v) ? json_is_true(v) : or) ? flag : 0;
}

static int add_bert(ch_normalizer *z, const json_t *o, ch_err *e)
{
    const int lower = flag_if(o, "lowercase", true, CH_NORM_LOWERCASE);
    const int flags = lower | flag_if(o, "clean_text", true, CH_NORM_CLEAN) |
                      flag_if(o, "handle_chinese_chars", true, CH_NORM_CHINESE) |
                      flag_if(o, "strip_accents", lower != 0, CH_NORM_ACCENTS);
    return ch_normalizer_add(z, CH_NORM_BERT, flags, "", 0, "", 0, e);
}

static int add_step(ch_normalizer *z, const json_t *o, int depth, const char *name, ch_err *e)
{
    static const struct {
        const char *type;
        ch_norm_kind kind;
    } plain[] = {{"NFC", CH_NORM_NFC},         {"NFD", CH_NORM_NFD},
                 {"NFKC", CH_NORM_NFKC},       {"NFKD", CH_NORM_NFKD},
                 {"Lowercase", CH_NORM_LOWER}, {"StripAccents", CH_NORM_STRIP_ACCENTS}};
    for (size_t i = 0; i < CH_COUNT(plain); i++)
        if (ch_json_is_type(o, plain[i].type))
            return ch_normalizer_add(z, plain[i].kind, 0, "", 0, "", 0, e);
    if (ch_json_is_type(o, "Replace"))
        return add_replace(z, o, name, e);
    if (ch_json_is_type(o, "Precompiled"))
        return add_charsmap(z, o, name, e);
    if (ch_json_is_type(o, "BertNormalizer"))
        return add_bert(z, o, e);
    if (ch_json_is_type(o, "Strip"))
        return ch_normalizer_add(z, CH_NORM_STRIP,
                                 flag_if(o, "strip_left", true, CH_NORM_LEFT) |
                                     flag_if(o, "strip_right", true, CH_NORM_RIGHT),
                                 "", 0, "", 0, e);
    const json_t *prepend = json_object_get(o, "prepend"),
                 *list = json_object_get(o, "normalizers");
    if (ch_json_is_type(o, "Prepend") && json_is_string(prepend))
        return ch_normalizer_add(z, CH_NORM_PREPEND, 0, "", 0, json_string_value(prepend),
                                 json_string_length(prepend), e);
    if (!ch_json_is_type(o, "Sequence") || !json_is_array(list) || depth == DEPTH_MAX)
        return ch_json_refuse(name, "normalizer", o, e);
    int rc = CH_OK;
    for (size_t i = 0; i < json_array_size(list) && rc == CH_OK; i++)
        rc = add_step(z, json_array_get(list, i), depth + 1, name, e);
    return rc;
}

int ch_token_json_normalizer(ch_tokenizer *t, const json_t *o, const char *name, ch_err *e)
{
    if (ch_json_is_off(o))
        return CH_OK;
    int rc = ch_normalizer_open(&t->norm, e);
    if (rc == CH_OK)
        rc = add_step(t->norm, o, 0, name, e);
    if (rc == CH_OK && (t->norm_json = ch_json_text(o)) == NULL)
        rc = ch_fail(e, CH_ENOMEM, "out of memory for JSON");
    return rc;
}
