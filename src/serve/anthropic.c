/* anthropic.c - requests of Anthropic's API: /v1/messages and /v1/messages/count_tokens
 *
 * What is said is read by anthropic_messages.c, what may be called by anthropic_tools.c.  The
 * API's bounds hold (temperature up to 1, budget_tokens below max_tokens), but for the least
 * budget, which is 1 here.
 * Source: the reference of the Messages API, MessageCreateParams.  SPDX-License-Identifier: MIT */
#include "anthropic.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { EFFORT_TOKENS = 2048 }; /* what effort is a share of where no answer is written */

typedef int step(ch_ask *a, const ch_ask_limits *l, ch_refusal *r);

static int no_memory(ch_refusal *r)
{
    return ch_refuse(r, CH_REFUSED_FAULT, NULL, "no memory for a request");
}

static int missing(ch_refusal *r, const char *name)
{
    return ch_refuse(r, CH_REFUSED_INVALID, name, "\"%s\" is missing", name);
}

int ch_anthropic_kind(size_t *out, json_t *o, const char *path, const char *field,
                      const char *const *names, ch_refusal *r)
{
    char param[100], list[200] = "";
    const char *text = NULL;
    size_t n = 0;
    if (ch_field_text(&text, o, field, r) < 0)
        return ch_refuse_within(r, "%s", path);
    snprintf(param, sizeof param, "%s.%s", path, field);
    for (*out = 0; names[*out]; ++*out) {
        if (text && strcmp(text, names[*out]) == 0)
            return CH_OK;
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", *out ? ", " : "", names[*out]);
    }
    return ch_refuse(r, CH_REFUSED_INVALID, param, "\"%s\" is %s%.60s%s; allowed are %s", param,
                     text ? "\"" : "", text ? text : "missing", text ? "\"" : "", list);
}

/* ---- Fields ---------------------------------------------------------------------------------- */

/* They would change what is written, and nothing here knows how. */
static int read_refused(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    static const char *const names[] = {"container", "mcp_servers"};
    (void)l;
    for (size_t i = 0; i < CH_COUNT(names); i++) {
        const json_t *v = json_object_get(a->body, names[i]);
        if (v && !json_is_null(v) && !(json_is_array(v) && json_array_size(v) == 0))
            return ch_refuse(r, CH_REFUSED_INVALID, names[i],
                             "\"%s\" stands for something that runs at Anthropic; there is none of "
                             "it here",
                             names[i]);
    }
    return CH_OK;
}

static int read_who(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    json_t *metadata = NULL;
    (void)l;
    int rc = ch_field_text(&a->model, a->body, "model", r);
    if (rc == CH_OK && (!a->model || !*a->model))
        rc = missing(r, "model");
    if (rc == CH_OK)
        rc = ch_field_object(&metadata, a->body, "metadata", r);
    if (rc == CH_OK && metadata && ch_field_text(&a->user, metadata, "user_id", r) < 0)
        rc = ch_refuse_within(r, "metadata");
    return rc;
}

static int read_stops(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    json_t *list = NULL;
    int rc = ch_field_list(&list, a->body, "stop_sequences", r);
    if (rc < 0 || !list)
        return rc;
    if (l->stops > 0 && json_array_size(list) > (size_t)l->stops)
        return ch_refuse(r, CH_REFUSED_INVALID, "stop_sequences",
                         "\"stop_sequences\" holds %zu texts; allowed are %d",
                         json_array_size(list), l->stops);
    if (!(a->stop = json_array()))
        return no_memory(r);
    for (size_t i = 0; i < json_array_size(list); i++) {
        char param[60];
        json_t *one = json_array_get(list, i);
        const size_t n = json_string_length(one);
        snprintf(param, sizeof param, "stop_sequences[%zu]", i);
        if (!json_is_string(one) || memchr(json_string_value(one), 0, n))
            return ch_refuse(r, CH_REFUSED_INVALID, param,
                             "%s has to be a string without a 0 byte", param);
        if (l->stop_bytes > 0 && n > (size_t)l->stop_bytes)
            return ch_refuse(r, CH_REFUSED_INVALID, param, "%s has %zu bytes; allowed are %d",
                             param, n, l->stop_bytes);
        if (n > 0 && json_array_append(a->stop, one) != 0)
            return no_memory(r);
    }
    return CH_OK;
}

/* How it is answered: nothing of this is there where tokens are only counted. */
static int read_answer(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    if (a->api == CH_API_COUNT)
        return CH_OK;
    int rc = ch_field_int(&a->most, a->body, "max_tokens", 1, INT_MAX, r);
    if (rc == CH_OK && a->most < 0)
        rc = missing(r, "max_tokens");
    if (rc == CH_OK)
        rc = ch_field_bool(&a->stream, a->body, "stream", r);
    a->stream_usage = a->stream;
    if (rc == CH_OK)
        rc = ch_field_real(&a->sampling.temp, a->body, "temperature", 0, 1, r);
    return rc == CH_OK ? read_stops(a, l, r) : rc;
}

/* ---- Reasoning, and the answer's form -------------------------------------------------------- */

static int read_thinking(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    enum { OFF, ON, ADAPTIVE };
    static const char *const kinds[] = {"disabled", "enabled", "adaptive", NULL};
    static const char *const displays[] = {"summarized", "omitted", NULL};
    json_t *o = NULL;
    size_t kind, display = 0;
    (void)l;
    int rc = ch_field_object(&o, a->body, "thinking", r);
    if (rc < 0 || !o)
        return rc;
    if ((rc = ch_anthropic_kind(&kind, o, "thinking", "type", kinds, r)) < 0)
        return rc;
    const json_t *show = json_object_get(o, "display");
    if (show && !json_is_null(show) &&
        (rc = ch_anthropic_kind(&display, o, "thinking", "display", displays, r)) < 0)
        return rc;
    a->thinking = kind == OFF ? CH_THINKING_OFF : CH_THINKING_ON;
    a->hide_reasoning = display == 1;
    if (kind != ON)
        return CH_OK;
    if (ch_field_int(&a->think_most, o, "budget_tokens", 1, INT_MAX, r) < 0)
        return ch_refuse_within(r, "thinking");
    if (a->think_most < 0)
        return missing(r, "thinking.budget_tokens");
    if (a->most >= 0 && a->think_most >= a->most)
        return ch_refuse(r, CH_REFUSED_INVALID, "thinking.budget_tokens",
                         "\"thinking.budget_tokens\" is %d; it has to be less than \"max_tokens\", "
                         "which is %d",
                         a->think_most, a->most);
    return CH_OK;
}

static int read_form(ch_ask *a, json_t *format, const char *path, ch_refusal *r)
{
    static const char *const kinds[] = {"json_schema", NULL};
    size_t kind;
    json_t *schema = NULL;
    const int rc = ch_anthropic_kind(&kind, format, path, "type", kinds, r);
    if (rc < 0)
        return rc;
    if (ch_field_object(&schema, format, "schema", r) < 0)
        return ch_refuse_within(r, "%s", path);
    if (!schema || ch_ask_set_form(a, CH_TEXT_SCHEMA, schema, "schema", r) < 0) {
        if (!schema)
            missing(r, "schema");
        return ch_refuse_within(r, "%s", path);
    }
    return CH_OK;
}

/* A share of the answer's tokens bounds the reasoning that nothing else bounds, as OpenAI's
 * reasoning_effort does; templates get the word. */
static int read_effort(ch_ask *a, json_t *o, ch_refusal *r)
{
    static const char *const kinds[] = {"low", "medium", "high", "xhigh", "max", NULL};
    static const int eighths[] = {2, 4, 6, 7, 8};
    const int64_t of = a->most > 0 ? a->most : EFFORT_TOKENS;
    const json_t *v = json_object_get(o, "effort");
    size_t kind;
    if (!v || json_is_null(v))
        return CH_OK;
    const int rc = ch_anthropic_kind(&kind, o, "output_config", "effort", kinds, r);
    if (rc < 0 || a->thinking == CH_THINKING_OFF)
        return rc;
    if (a->think_most < 0 && eighths[kind] < 8)
        a->think_most = (int)CH_MAX(of * eighths[kind] / 8, 1);
    a->variables = json_pack("{s:s}", "reasoning_effort", kinds[kind]);
    return a->variables ? CH_OK : no_memory(r);
}

static int read_output(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    json_t *o = NULL, *format = NULL;
    (void)l;
    int rc = ch_field_object(&o, a->body, "output_config", r);
    if (rc < 0 || !o)
        return rc;
    if ((rc = read_effort(a, o, r)) < 0)
        return rc;
    if (ch_field_object(&format, o, "format", r) < 0)
        return ch_refuse_within(r, "output_config");
    return format ? read_form(a, format, "output_config.format", r) : CH_OK;
}

/* What is the API's or our own, and does nothing here, is said to have done nothing. */
static int read_own(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    static const char *const names[] = {"service_tier", "speed", "inference_geo",
                                        "context_management", "chalcis_cost"};
    (void)l;
    const int rc = ch_ask_own_fields(a, r);
    if (rc < 0)
        return rc;
    a->cost = false; /* there are no log-probs to tell it with */
    for (size_t i = 0; i < CH_COUNT(names); i++) {
        const json_t *v = json_object_get(a->body, names[i]);
        if (!v || json_is_null(v))
            continue;
        if (!a->applied)
            a->applied = json_object();
        if (json_object_set_new(a->applied, names[i], json_string("none")) != 0)
            return no_memory(r);
    }
    return CH_OK;
}

/* ---- Requests -------------------------------------------------------------------------------- */

static int read_request(ch_ask **out, json_t *body, ch_api api, const ch_ask_limits *l,
                        ch_refusal *r)
{
    static step *const steps[] = {read_refused,
                                  read_who,
                                  read_answer,
                                  ch_anthropic_conversation,
                                  ch_anthropic_tools,
                                  read_thinking,
                                  read_output,
                                  read_own};
    int rc = ch_ask_open(out, body, api, r);
    for (size_t i = 0; i < CH_COUNT(steps) && rc == CH_OK; i++)
        rc = steps[i](*out, l, r);
    if (rc < 0)
        ch_ask_close(out);
    return rc;
}

int ch_anthropic_messages(ch_ask **out, json_t *body, const ch_ask_limits *l, ch_refusal *r)
{
    return read_request(out, body, CH_API_MESSAGES, l, r);
}

int ch_anthropic_count(ch_ask **out, json_t *body, const ch_ask_limits *l, ch_refusal *r)
{
    return read_request(out, body, CH_API_COUNT, l, r);
}
