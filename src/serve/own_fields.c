/* own_fields.c - what requests may hold beyond their API: samplers, forms, and how to think
 *
 * Names are those of samplers.def, of llama.cpp's and vLLM's servers, and of the compact
 * description (docs/serve.md).  A step of reasoning_depth stands for STEP_TOKENS, so that its 4
 * steps are its budget of 512.  SPDX-License-Identifier: MIT */
#include "ask.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sample.h"

enum { STEP_TOKENS = 128, MOST_STEPS = 64 };

static json_t *present(json_t *o, const char *name)
{
    json_t *v = json_object_get(o, name);
    return json_is_null(v) ? NULL : v;
}

static int invalid(ch_refusal *r, const char *name, const char *wanted)
{
    return ch_refuse(r, CH_REFUSED_INVALID, name, "the request: \"%s\" has to be %s", name, wanted);
}

static int starved(ch_refusal *r)
{
    return ch_refuse(r, CH_REFUSED_FAULT, NULL, "no memory for a request");
}

/* ---- Samplers ---- */

static int param(ch_ask *a, const ch_sampling_param *p, const char *name, ch_refusal *r)
{
    double *field = (double *)((char *)&a->sampling + p->field);
    return ch_field_real(field, a->body, name, p->least, p->most, r);
}

static int params(ch_ask *a, ch_refusal *r)
{
    static const char *const others[][2] = {{"repeat_penalty", "repetition_penalty"},
                                            {"temp", "temperature"}};
    int rc = CH_OK;
    for (const ch_sampling_param *p = ch_sampling_params; p->name && rc == CH_OK; p++) {
        for (size_t i = 0; i < CH_COUNT(others) && rc == CH_OK; i++)
            if (strcmp(p->name, others[i][0]) == 0)
                rc = param(a, p, others[i][1], r);
        if (rc == CH_OK)
            rc = param(a, p, p->name, r);
    }
    return rc;
}

/* A name alone, "a;b" or ["a", "b"]. */
static int order(ch_ask *a, ch_refusal *r)
{
    ch_err e;
    ch_buf names;
    size_t i;
    json_t *one, *v = present(a->body, "samplers");
    if (!v)
        return CH_OK;
    int rc = json_is_string(v) || json_is_array(v) ? CH_OK : CH_EARG;
    ch_buf_init(&names, 4096);
    if (json_is_string(v))
        ch_buf_str(&names, json_string_value(v));
    json_array_foreach(v, i, one)
    {
        const char *name = json_string_value(one);
        rc = name ? rc : CH_EARG;
        ch_buf_printf(&names, "%s%s", i ? ";" : "", name ? name : "");
    }
    if (rc < 0 || names.failed)
        rc = invalid(r, "samplers", "a short list of names, as strings or as one, \"a;b\"");
    else if (ch_sampling_order(&a->sampling, names.data ? names.data : "", &e) < 0)
        rc = ch_refuse(r, CH_REFUSED_INVALID, "samplers", "%s", e.text);
    ch_buf_close(&names);
    return rc;
}

static int seed(ch_ask *a, ch_refusal *r)
{
    ch_err e;
    int64_t v;
    if (ch_json_int(&v, a->body, "seed", -1, INT64_MIN, INT64_MAX, "the request", &e) < 0)
        return ch_refuse(r, CH_REFUSED_INVALID, "seed", "%s", e.text);
    a->seeded = v >= 0;
    if (a->seeded)
        a->sampling.seed = (uint64_t)v;
    return CH_OK;
}

static int ends(ch_ask *a, ch_refusal *r)
{
    bool ignore = false;
    int rc = ch_field_int(&a->least, a->body, "min_tokens", 0, INT_MAX, r);
    if (rc == CH_OK)
        rc = ch_field_bool(&ignore, a->body, "ignore_eos", r);
    if (rc == CH_OK && a->most >= 0 && a->least > a->most)
        rc = ch_refuse(r, CH_REFUSED_INVALID, "min_tokens",
                       "the request: \"min_tokens\" is %d, but an answer has %d tokens at most",
                       a->least, a->most);
    a->least = ignore ? INT_MAX : a->least;
    return rc;
}

/* ---- Forms ---- */

static bool all_strings(const json_t *list)
{
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one)
        if (!json_is_string(one))
            return false;
    return json_array_size(list) > 0;
}

/* *out: a new reference, or NULL where form is none. */
static int read_schema(json_t **out, json_t *form, ch_refusal *r)
{
    ch_err e;
    *out = form;
    if (!json_is_string(form))
        json_incref(form);
    else if (ch_json_parse(out, json_string_value(form), json_string_length(form), "", &e) ==
             CH_ENOMEM)
        return starved(r);
    if (!json_is_object(*out) && !json_is_boolean(*out)) {
        json_decref(*out);
        *out = NULL;
    }
    return CH_OK;
}

int ch_ask_set_form(ch_ask *a, ch_text_form kind, json_t *form, const char *name, ch_refusal *r)
{
    static const char *const wanted[] = {[CH_TEXT_FREE] = "",
                                         [CH_TEXT_JSON] = "",
                                         [CH_TEXT_SCHEMA] = "a JSON Schema: an object",
                                         [CH_TEXT_GBNF] = "a grammar: a string",
                                         [CH_TEXT_REGEX] = "a regular expression: a string",
                                         [CH_TEXT_CHOICE] = "an array of strings, one at least"};
    if (a->form_kind != CH_TEXT_FREE)
        return ch_refuse(r, CH_REFUSED_INVALID, name,
                         "the request: \"%s\" asks for a second form of the text; one is allowed",
                         name);
    const bool text = json_is_string(form) && json_string_length(form) > 0;
    const bool fits = kind == CH_TEXT_CHOICE ? all_strings(form) : kind == CH_TEXT_JSON || text;
    if (kind == CH_TEXT_SCHEMA && read_schema(&a->form, form, r) < 0)
        return CH_EARG;
    if (kind != CH_TEXT_SCHEMA && fits)
        a->form = json_incref(form);
    if (!a->form && kind != CH_TEXT_JSON)
        return invalid(r, name, wanted[kind]);
    a->form_kind = kind;
    return CH_OK;
}

static const struct {
    const char *name, *within; /* a field of the request, a member of structured_outputs */
    ch_text_form kind;
} forms[] = {
    {"json_schema", NULL, CH_TEXT_SCHEMA},        {"guided_json", "json", CH_TEXT_SCHEMA},
    {"guided_regex", "regex", CH_TEXT_REGEX},     {"guided_choice", "choice", CH_TEXT_CHOICE},
    {"guided_grammar", "grammar", CH_TEXT_GBNF},
};

static int structured(ch_ask *a, ch_refusal *r)
{
    json_t *o = NULL, *v;
    const char *name;
    int rc = ch_field_object(&o, a->body, "structured_outputs", r);
    json_object_foreach(o, name, v)
    {
        size_t i = 0;
        while (i < CH_COUNT(forms) && !(forms[i].within && strcmp(forms[i].within, name) == 0))
            i++;
        if (rc < 0 || json_is_null(v))
            continue;
        rc = i < CH_COUNT(forms)
                 ? ch_ask_set_form(a, forms[i].kind, v, name, r)
                 : ch_refuse(r, CH_REFUSED_UNSUPPORTED, name,
                             "this server does not know \"%.80s\" in \"structured_outputs\"; known "
                             "are json, regex, choice and grammar", name);
        if (rc < 0)
            ch_refuse_within(r, "structured_outputs");
    }
    return rc;
}

static int form(ch_ask *a, ch_refusal *r)
{
    int rc = structured(a, r);
    for (size_t i = 0; i < CH_COUNT(forms) && rc == CH_OK; i++) {
        json_t *v = present(a->body, forms[i].name);
        if (v)
            rc = ch_ask_set_form(a, forms[i].kind, v, forms[i].name, r);
    }
    json_t *v = present(a->body, "grammar");
    if (rc == CH_OK && v && !(json_is_string(v) && json_string_length(v) == 0))
        rc = ch_ask_set_form(a, CH_TEXT_GBNF, v, "grammar", r);
    return rc;
}

/* ---- Thinking ---- */

struct thinking {
    ch_ask *a;
    ch_refusal *r;
    bool talks; /* a text to go on with has no reasoning */
    /* The field that said so far how to think, and in what it stands.  The next one has its way,
     * and this one has then done nothing. */
    const char *latest_name;
    json_t *latest;
};

static int applied(struct thinking *t, json_t *to, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static int applied(struct thinking *t, json_t *to, const char *name, const char *fmt, ...)
{
    char text[120];
    va_list list;
    va_start(list, fmt);
    vsnprintf(text, sizeof text, fmt, list);
    va_end(list);
    const int rc = json_object_set_new(to, name, json_string(t->talks ? text : "none"));
    return rc < 0 ? starved(t->r) : CH_OK;
}

/* most: tokens; -1: without a limit. */
static int think(struct thinking *t, json_t *to, const char *name, ch_thinking how, int most)
{
    if (t->latest && applied(t, t->latest, t->latest_name, "none") < 0)
        return CH_EARG;
    t->latest = to;
    t->latest_name = name;
    if (t->talks) {
        t->a->thinking = how;
        t->a->think_most = most;
    }
    if (how == CH_THINKING_DEFAULT)
        return applied(t, to, name, "reasoning as the model decides");
    if (how == CH_THINKING_OFF)
        return applied(t, to, name, "reasoning off");
    return most < 0 ? applied(t, to, name, "reasoning on, as long as it takes")
                    : applied(t, to, name, "reasoning on, %d tokens of it at most", most);
}

static int budget(struct thinking *t, json_t *to, const char *name, int most)
{
    return think(t, to, name, most ? CH_THINKING_ON : CH_THINKING_OFF, most);
}

static int depth(struct thinking *t, json_t *o, json_t *to)
{
    static const char name[] = "reasoning_depth";
    static const struct {
        const char *word;
        ch_thinking how;
        int most;
    } known[] = {{"adaptive", CH_THINKING_DEFAULT, -1},
                 {"simple", CH_THINKING_OFF, 0},
                 {"complex", CH_THINKING_ON, -1}};
    const json_t *v = present(o, name);
    const char *word = json_string_value(v);
    int steps = 0;
    if (!v)
        return CH_OK;
    if (json_is_number(v)) {
        const int rc = ch_field_int(&steps, o, name, 0, MOST_STEPS, t->r);
        return rc < 0 ? rc : budget(t, to, name, steps * STEP_TOKENS);
    }
    for (size_t i = 0; i < CH_COUNT(known); i++)
        if (word && strcmp(known[i].word, word) == 0)
            return think(t, to, name, known[i].how, known[i].most);
    return invalid(t->r, name, "\"adaptive\", \"simple\", \"complex\" or a number from 0 to 64");
}

/* Those that may stand in a request and in its thinking_config; tokens: a budget's name. */
static int thinking(struct thinking *t, json_t *o, json_t *to, const char *tokens)
{
    double threshold = 0;
    bool show = true;
    int most = -1;
    int rc = depth(t, o, to);
    if (rc == CH_OK)
        rc = ch_field_int(&most, o, tokens, 0, INT_MAX, t->r);
    if (rc == CH_OK && most >= 0)
        rc = budget(t, to, tokens, most);
    if (rc == CH_OK)
        rc = ch_field_real(&threshold, o, "early_stop_threshold", 0, 1, t->r);
    if (rc == CH_OK && present(o, "early_stop_threshold"))
        rc = applied(t, to, "early_stop_threshold", "none");
    if (rc == CH_OK)
        rc = ch_field_bool(&show, o, "thinking_visualization", t->r);
    if (rc < 0 || !present(o, "thinking_visualization"))
        return rc;
    t->a->hide_reasoning = t->talks && !show;
    return applied(t, to, "thinking_visualization", "reasoning is %s", show ? "told" : "hidden");
}

/* The rest of the description's configuration has no effect, and is taken as it is. */
static int config(struct thinking *t, json_t *to)
{
    json_t *o = NULL, *inner, *v;
    const char *name;
    int rc = ch_field_object(&o, t->a->body, "thinking_config", t->r);
    if (rc < 0 || !o)
        return rc;
    inner = json_object();
    if (json_object_set_new(to, "thinking_config", inner) < 0)
        return starved(t->r);
    if (thinking(t, o, inner, "token_budget") < 0)
        return ch_refuse_within(t->r, "thinking_config");
    json_object_foreach(o, name, v)
        if (rc == CH_OK && !json_object_get(inner, name))
            rc = applied(t, inner, name, "none");
    return rc;
}

static int compact_fields(ch_ask *a, ch_refusal *r)
{
    struct thinking t = {
        .a = a, .r = r, .talks = a->api == CH_API_CHAT || a->api == CH_API_MESSAGES};
    json_t *to = json_object();
    int rc = to ? config(&t, to) : starved(r);
    if (rc == CH_OK)
        rc = thinking(&t, a->body, to, "reasoning_tokens");
    if (rc == CH_OK && json_object_size(to) > 0)
        a->applied = json_incref(to);
    json_decref(to);
    return rc;
}

/* ---- Templates ---- */

static int variables(ch_ask *a, ch_refusal *r)
{
    static const char name[] = "chat_template_kwargs";
    static const char *const taken[] = {"messages", "tools", "add_generation_prompt"};
    json_t *o = NULL;
    bool on = false;
    int rc = ch_field_object(&o, a->body, name, r);
    if (rc < 0 || !o)
        return rc;
    for (size_t i = 0; i < CH_COUNT(taken); i++)
        if (json_object_get(o, taken[i])) {
            ch_refuse(r, CH_REFUSED_INVALID, taken[i],
                      "the request: \"%s\" cannot set \"%s\", which is a field of its own", name,
                      taken[i]);
            return ch_refuse_within(r, "%s", name);
        }
    if (ch_field_bool(&on, o, "enable_thinking", r) < 0)
        return ch_refuse_within(r, "%s", name);
    if (present(o, "enable_thinking"))
        a->thinking = on ? CH_THINKING_ON : CH_THINKING_OFF;
    if (!a->variables)
        a->variables = json_object();
    return json_object_update(a->variables, o) < 0 ? starved(r) : CH_OK;
}

/* ---- What other servers have, and would write something else for ---- */

static int unknown(const ch_ask *a, ch_refusal *r)
{
    static const char *const names[] = {
        "stop_token_ids", "stop_regex", "include_stop_str_in_output", "bad_words",
        "allowed_token_ids", "logits_processors", "use_beam_search", "num_beams", "mirostat",
        "lora", "structural_tag",
    };
    for (size_t i = 0; i < CH_COUNT(names); i++) {
        const json_t *v = json_object_get(a->body, names[i]);
        const bool none = !v || json_is_null(v) || json_is_false(v) ||
                          (json_is_number(v) && json_number_value(v) == 0) ||
                          (json_is_array(v) && json_array_size(v) == 0);
        if (!none)
            return ch_refuse(r, CH_REFUSED_UNSUPPORTED, names[i],
                             "this server does not know \"%s\", which would change what is written",
                             names[i]);
    }
    return CH_OK;
}

int ch_ask_own_fields(ch_ask *a, ch_refusal *r)
{
    int rc = unknown(a, r);
    if (rc == CH_OK)
        rc = params(a, r);
    if (rc == CH_OK)
        rc = order(a, r);
    if (rc == CH_OK)
        rc = seed(a, r);
    if (rc == CH_OK)
        rc = ends(a, r);
    if (rc == CH_OK)
        rc = form(a, r);
    if (rc == CH_OK)
        rc = variables(a, r);
    if (rc == CH_OK)
        rc = ch_field_bool(&a->cost, a->body, "chalcis_cost", r);
    return rc < 0 ? rc : compact_fields(a, r);
}
