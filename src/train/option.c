/* option.c - options.def as a table: the fields of ch_train_options by name, to JSON and from it
 *
 * SPDX-License-Identifier: MIT */
#include "option.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

const ch_option ch_options[] = {
#define OPTION(name, letter, kind, normal, min, max, off, stored, env, value, help)               \
    {#name, CH_OPTION_##kind, offsetof(ch_train_options, name), normal, min, max, off, stored},
#include "options.def"
};
const int ch_options_n = CH_COUNT(ch_options);

bool ch_option_is_set(const ch_train_options *o, const ch_option *p)
{
    const void *v = ch_option_field(o, p);
    switch (p->kind) {
    case CH_OPTION_INT: return *(const int *)v != 0;
    case CH_OPTION_NUMBER: return *(const double *)v != 0;
    case CH_OPTION_TEXT: return *(const char *const *)v != NULL;
    case CH_OPTION_FLAG: return *(const bool *)v;
    default: return *(const uint64_t *)v != 0;
    }
}

void ch_option_clear(ch_train_options *o, const ch_option *p)
{
    void *v = ch_option_field(o, p);
    switch (p->kind) {
    case CH_OPTION_INT: *(int *)v = 0; break;
    case CH_OPTION_NUMBER: *(double *)v = 0; break;
    case CH_OPTION_TEXT: *(const char **)v = NULL; break;
    case CH_OPTION_FLAG: *(bool *)v = false; break;
    default: *(uint64_t *)v = 0; break;
    }
}

bool ch_option_matches(const ch_option *p, const json_t *v)
{
    const double x = json_number_value(v);
    switch (p->kind) {
    case CH_OPTION_INT:
        return json_is_number(v) && x >= INT32_MIN && x <= INT32_MAX && x == floor(x);
    case CH_OPTION_NUMBER: return json_is_number(v);
    case CH_OPTION_TEXT:
        return json_is_null(v) ||
               (json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v));
    case CH_OPTION_FLAG: return json_is_boolean(v);
    default: return json_is_integer(v);
    }
}

void ch_option_take(ch_train_options *o, const ch_option *p, const json_t *v)
{
    void *to = ch_option_field(o, p);
    switch (p->kind) {
    case CH_OPTION_INT: *(int *)to = (int)json_number_value(v); break;
    case CH_OPTION_NUMBER: *(double *)to = json_number_value(v); break;
    case CH_OPTION_TEXT: *(const char **)to = json_string_value(v); break;
    case CH_OPTION_FLAG: *(bool *)to = json_is_true(v); break;
    default: *(uint64_t *)to = (uint64_t)json_integer_value(v); break;
    }
}

bool ch_option_equal(const ch_train_options *a, const ch_train_options *b, const ch_option *p)
{
    const void *x = ch_option_field(a, p), *y = ch_option_field(b, p);
    const char *s, *t;
    switch (p->kind) {
    case CH_OPTION_INT: return *(const int *)x == *(const int *)y;
    case CH_OPTION_NUMBER: return *(const double *)x == *(const double *)y;
    case CH_OPTION_TEXT:
        s = *(const char *const *)x;
        t = *(const char *const *)y;
        return s && t ? strcmp(s, t) == 0 : s == t;
    case CH_OPTION_FLAG: return *(const bool *)x == *(const bool *)y;
    default: return *(const uint64_t *)x == *(const uint64_t *)y;
    }
}

void ch_option_show(char *out, size_t size, const ch_train_options *o, const ch_option *p)
{
    const void *v = ch_option_field(o, p);
    const char *text;
    switch (p->kind) {
    case CH_OPTION_INT: snprintf(out, size, "%d", *(const int *)v); break;
    case CH_OPTION_NUMBER: snprintf(out, size, "%.9g", *(const double *)v); break;
    case CH_OPTION_TEXT:
        text = *(const char *const *)v;
        snprintf(out, size, "%s", text ? text : "open");
        break;
    case CH_OPTION_FLAG: snprintf(out, size, "%s", *(const bool *)v ? "true" : "false"); break;
    default: snprintf(out, size, "%" PRIu64, *(const uint64_t *)v); break;
    }
}

/* ---- All of them ---------------------------------------------------------------------------- */

static json_t *to_json(const ch_train_options *o, const ch_option *p)
{
    const void *v = ch_option_field(o, p);
    const char *text;
    switch (p->kind) {
    case CH_OPTION_INT: return json_integer(*(const int *)v);
    case CH_OPTION_NUMBER: return json_real(*(const double *)v);
    case CH_OPTION_TEXT:
        text = *(const char *const *)v;
        return text ? json_string(text) : json_null();
    case CH_OPTION_FLAG: return json_boolean(*(const bool *)v);
    default: /* to the bit, perhaps below zero */
        return json_integer((json_int_t) * (const uint64_t *)v);
    }
}

json_t *ch_train_describe(const ch_train_options *o)
{
    json_t *all = json_object();
    for (int i = 0; all && i < ch_options_n; i++)
        if (ch_options[i].stored &&
            json_object_set_new(all, ch_options[i].name, to_json(o, &ch_options[i])) < 0) {
            json_decref(all);
            all = NULL;
        }
    return all;
}

const ch_option *ch_option_find(const char *name)
{
    for (int i = 0; i < ch_options_n; i++)
        if (strcmp(ch_options[i].name, name) == 0)
            return &ch_options[i];
    return NULL;
}

/* Zero in ch_train_options means "choose for me"; nobody who writes 0 means that. */
static int written_zero(ch_train_options *o, const ch_option *p, const char *where, ch_err *e)
{
    if (!p->off && p->min > 0)
        return ch_fail(e, CH_EARG, "%s: %s is 0; allowed are %.9g to %.9g", where, p->name, p->min,
                       p->max);
    if (p->kind == CH_OPTION_INT)
        *(int *)ch_option_field(o, p) = p->off ? -1 : 0;
    else if (p->kind == CH_OPTION_NUMBER)
        *(double *)ch_option_field(o, p) = p->off ? -1 : 0;
    return CH_OK;
}

int ch_train_option_set(ch_train_options *o, const char *name, const json_t *v, const char *where,
                        ch_err *e)
{
    static const char *const kinds[] = {"a whole number", "a number", "a text", "true or false",
                                        "a whole number"};
    const ch_option *p = ch_option_find(name);
    if (!p)
        return ch_fail(e, CH_EARG, "%s: there is no option \"%.60s\"", where, name);
    if (!ch_option_matches(p, v))
        return ch_fail(e, CH_EARG, "%s: %s has to be %s", where, name, kinds[p->kind]);
    if (ch_option_is_set(o, p))
        return CH_OK;
    if (json_is_number(v) && json_number_value(v) == 0)
        return written_zero(o, p, where, e);
    ch_option_take(o, p, v);
    return CH_OK;
}

int ch_train_option_parse(ch_train_options *o, const char *name, const char *text,
                          const char *where, ch_err *e)
{
    const ch_option *p = ch_option_find(name);
    char *end = NULL;
    errno = 0;
    if (!p || p->kind == CH_OPTION_FLAG)
        return ch_fail(e, CH_EARG, "%s: no option that takes a value", where);
    if (ch_option_is_set(o, p))
        return CH_OK;
    if (p->kind == CH_OPTION_TEXT) {
        *(const char **)ch_option_field(o, p) = text;
        return CH_OK;
    }
    if (p->kind == CH_OPTION_SEED) {
        const uint64_t seed = strtoull(text, &end, 0);
        if (end == text || *end || errno == ERANGE || strchr(text, '-'))
            return ch_fail(e, CH_EARG,
                           "%s has to be a whole number from 0 to 2^64-1, not \"%.40s\"", where,
                           text);
        *(uint64_t *)ch_option_field(o, p) = seed;
        return CH_OK;
    }
    const double x = strtod(text, &end);
    const bool whole = p->kind == CH_OPTION_INT;
    if (end == text || *end || errno == ERANGE || !isfinite(x) ||
        (whole && (x != floor(x) || fabs(x) > INT32_MAX)))
        return ch_fail(e, CH_EARG, "%s has to be a %s, not \"%.40s\"", where,
                       whole ? "whole number" : "number", text);
    if (x == 0)
        return written_zero(o, p, where, e);
    if (whole)
        *(int *)ch_option_field(o, p) = (int)x;
    else
        *(double *)ch_option_field(o, p) = x;
    return CH_OK;
}
