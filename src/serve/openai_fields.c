/* openai_fields.c - fields that several requests of OpenAI's API have
 *
 * Ranges are those of its specification.  SPDX-License-Identifier: MIT */
#include "openai.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PROMPTS = 2048 };

json_t *ch_openai_field(json_t *o, const char *name)
{
    json_t *v = json_object_get(o, name);
    return json_is_null(v) ? NULL : v;
}

int ch_openai_wants(ch_refusal *r, const char *name, const char *what)
{
    return ch_refuse(r, CH_REFUSED_INVALID, name, "the request: \"%s\" has to be %s", name, what);
}

int ch_openai_starved(ch_refusal *r)
{
    return ch_refuse(r, CH_REFUSED_FAULT, NULL, "no memory for a request");
}

int ch_openai_count(const json_t *v, const char *name, int most, ch_refusal *r)
{
    const size_t n = json_is_object(v) ? json_object_size(v) : json_array_size(v);
    if (most <= 0 || n <= (size_t)most)
        return CH_OK;
    return ch_refuse(r, CH_REFUSED_INVALID, name,
                     "the request: \"%s\" has %zu elements; allowed are %d", name, n, most);
}

bool ch_openai_is_name(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_-";
    const size_t n = strspn(text, allowed);
    return n >= 1 && n <= 64 && text[n] == '\0';
}

int ch_openai_read(ch_ask **out, json_t *body, ch_api api, ch_openai_part *const *parts,
                   const ch_ask_limits *l, ch_refusal *r)
{
    int rc = ch_ask_open(out, body, api, r);
    for (; *parts && rc == CH_OK; parts++)
        rc = (*parts)(*out, l, r);
    if (rc < 0)
        ch_ask_close(out);
    return rc;
}

int ch_openai_own(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    (void)l;
    return ch_ask_own_fields(a, r);
}

int ch_openai_names(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    (void)l;
    const int rc = ch_field_text(&a->model, a->body, "model", r);
    return rc < 0 ? rc : ch_field_text(&a->user, a->body, "user", r);
}

/* ---- Sampling ---- */

/* A number as a string, as object keys are; -1: it is none. */
static ch_token token_of(const char *key)
{
    char *end;
    const long id = key[0] >= '0' && key[0] <= '9' ? strtol(key, &end, 10) : -1;
    return id >= 0 && id <= INT32_MAX && *end == '\0' ? (ch_token)id : -1;
}

/* -100 is documented as a ban. */
static int biases(ch_ask *a, int most, ch_refusal *r)
{
    static const char name[] = "logit_bias";
    json_t *o = NULL, *v;
    const char *key;
    int rc = ch_field_object(&o, a->body, name, r);
    if (rc == CH_OK)
        rc = ch_openai_count(o, name, most, r);
    if (rc < 0 || json_object_size(o) == 0)
        return rc;
    a->bias = calloc(json_object_size(o), sizeof *a->bias);
    if (!a->bias)
        return ch_openai_starved(r);
    json_object_foreach(o, key, v)
    {
        const double by = json_is_false(v) ? -100 : json_is_number(v) ? json_number_value(v) : 101;
        const ch_token id = token_of(key);
        if (id < 0 || !(by >= -100 && by <= 100))
            return ch_refuse(r, CH_REFUSED_INVALID, name,
                             "the request: \"%s\" has \"%.40s\": %s; wanted are ids of tokens with "
                             "numbers from -100 to 100", name, key, id < 0 ? "no id" : "no such "
                             "number");
        a->bias[a->sampling.n_bias++] =
            (ch_logit_bias){.id = id, .bias = by <= -100 ? -INFINITY : (float)by};
    }
    a->sampling.bias = a->bias;
    return CH_OK;
}

int ch_openai_sampling(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    ch_sampling *s = &a->sampling;
    const struct {
        const char *name;
        double *to, least, most;
    } numbers[] = {{"temperature", &s->temp, 0, 2},
                   {"top_p", &s->top_p, 0, 1},
                   {"frequency_penalty", &s->frequency_penalty, -2, 2},
                   {"presence_penalty", &s->presence_penalty, -2, 2}};
    int rc = CH_OK;
    for (size_t i = 0; i < CH_COUNT(numbers) && rc == CH_OK; i++)
        rc = ch_field_real(numbers[i].to, a->body, numbers[i].name, numbers[i].least,
                           numbers[i].most, r);
    if (rc == CH_OK)
        rc = ch_field_int(&a->answers, a->body, "n", 1, l->answers > 0 ? l->answers : INT_MAX, r);
    a->best_of = a->answers;
    return rc < 0 ? rc : biases(a, l->biases, r);
}

/* ---- How it is answered ---- */

static int stop(ch_ask *a, const json_t *one, const ch_ask_limits *l, ch_refusal *r)
{
    const char *text = json_string_value(one);
    const size_t n = json_string_length(one);
    if (!text || strlen(text) != n)
        return ch_openai_wants(r, "stop", "a string or an array of strings, without 0 bytes");
    if (l->stop_bytes > 0 && n > (size_t)l->stop_bytes)
        return ch_refuse(r, CH_REFUSED_INVALID, "stop",
                         "the request: \"stop\" has a text of %zu bytes; allowed are %d", n,
                         l->stop_bytes);
    if (n > 0 && json_array_append_new(a->stop, json_stringn(text, n)) < 0)
        return ch_openai_starved(r);
    return CH_OK;
}

static int stops(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    size_t i;
    json_t *one, *v = ch_openai_field(a->body, "stop");
    if (!v)
        return CH_OK;
    a->stop = json_array();
    if (!a->stop)
        return ch_openai_starved(r);
    if (!json_is_array(v))
        return stop(a, v, l, r);
    int rc = ch_openai_count(v, "stop", l->stops, r);
    json_array_foreach(v, i, one)
        rc = rc < 0 ? rc : stop(a, one, l, r);
    return rc;
}

static int schema_form(ch_ask *a, json_t *o, ch_refusal *r)
{
    json_t *inner = NULL, *schema = NULL;
    const char *name = NULL;
    int rc = ch_field_object(&inner, o, "json_schema", r);
    if (rc == CH_OK && !inner)
        rc = ch_openai_wants(r, "json_schema", "an object with name and schema");
    if (rc < 0)
        return rc;
    rc = ch_field_text(&name, inner, "name", r);
    if (rc == CH_OK && name && !ch_openai_is_name(name))
        rc = ch_openai_wants(r, "name", "1 to 64 letters, digits, - and _");
    schema = ch_openai_field(inner, "schema");
    if (rc == CH_OK)
        rc = schema ? ch_ask_set_form(a, CH_TEXT_SCHEMA, schema, "schema", r)
                    : ch_ask_set_form(a, CH_TEXT_JSON, NULL, "schema", r);
    return rc < 0 ? ch_refuse_within(r, "json_schema") : CH_OK;
}

/* {"type": "json_object", "schema": ...} is llama.cpp's. */
static int form(ch_ask *a, json_t *o, ch_refusal *r)
{
    const char *type = "";
    json_t *schema = ch_openai_field(o, "schema");
    const int rc = ch_field_text(&type, o, "type", r);
    if (rc < 0 || strcmp(type, "text") == 0)
        return rc;
    if (strcmp(type, "json_schema") == 0)
        return schema_form(a, o, r);
    if (strcmp(type, "json_object") != 0)
        return ch_openai_wants(r, "type", "\"text\", \"json_object\" or \"json_schema\"");
    return schema ? ch_ask_set_form(a, CH_TEXT_SCHEMA, schema, "schema", r)
                  : ch_ask_set_form(a, CH_TEXT_JSON, NULL, "type", r);
}

int ch_openai_answering(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    json_t *o = NULL, *options = NULL;
    int rc = stops(a, l, r);
    if (rc == CH_OK)
        rc = ch_field_object(&o, a->body, "response_format", r);
    if (rc == CH_OK && o && form(a, o, r) < 0)
        rc = ch_refuse_within(r, "response_format");
    if (rc == CH_OK)
        rc = ch_field_bool(&a->stream, a->body, "stream", r);
    if (rc == CH_OK)
        rc = ch_field_object(&options, a->body, "stream_options", r);
    if (rc == CH_OK && options && ch_field_bool(&a->stream_usage, options, "include_usage", r) < 0)
        rc = ch_refuse_within(r, "stream_options");
    return rc;
}

/* ---- Prompts ---- */

static bool is_ids(const json_t *v)
{
    size_t i;
    json_t *id;
    json_array_foreach(v, i, id)
        if (!json_is_integer(id) || json_integer_value(id) < 0 ||
            json_integer_value(id) > INT32_MAX)
            return false;
    return json_array_size(v) > 0;
}

int ch_openai_prompts(ch_ask *a, const char *name, ch_refusal *r)
{
    static const char wanted[] = "a string, an array of ids of tokens, or an array of such";
    size_t i;
    json_t *one, *v = ch_openai_field(a->body, name);
    const bool single = json_is_string(v) || is_ids(v);
    if (!single && json_array_size(v) == 0)
        return ch_openai_wants(r, name, wanted);
    if (ch_openai_count(single ? NULL : v, name, MOST_PROMPTS, r) < 0)
        return CH_EARG;
    if (!single)
        json_array_foreach(v, i, one)
            if (!json_is_string(one) && !is_ids(one)) {
                ch_openai_wants(r, name, wanted);
                r->param[0] = '\0';
                return ch_refuse_within(r, "%s[%zu]", name, i);
            }
    a->prompts = single ? json_pack("[O]", v) : json_incref(v);
    return a->prompts ? CH_OK : ch_openai_starved(r);
}
