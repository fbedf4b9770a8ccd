/* openai_tools.c - tools that may be called, and whether they have to be
 *
 * functions and function_call are what tools and tool_choice were called before.
 * SPDX-License-Identifier: MIT */
#include "openai.h"

#include <string.h>

static const char *name_of(const json_t *tool)
{
    return json_string_value(json_object_get(json_object_get(tool, "function"), "name"));
}

static const json_t *find(const json_t *tools, const char *name)
{
    size_t i;
    json_t *one;
    json_array_foreach(tools, i, one)
    {
        const char *has = name_of(one);
        if (has && strcmp(has, name) == 0)
            return one;
    }
    return NULL;
}

/* f: {name, description, parameters}. */
static int function(json_t *f, ch_refusal *r)
{
    const char *name = "", *description = NULL;
    json_t *parameters = NULL;
    int rc = ch_field_text(&name, f, "name", r);
    if (rc == CH_OK && !ch_openai_is_name(name))
        rc = ch_openai_wants(r, "name", "1 to 64 letters, digits, - and _");
    if (rc == CH_OK)
        rc = ch_field_text(&description, f, "description", r);
    return rc < 0 ? rc : ch_field_object(&parameters, f, "parameters", r);
}

static int tool(json_t *v, ch_refusal *r)
{
    const char *type = "";
    json_t *f = json_object_get(v, "function");
    if (!json_is_object(v))
        return ch_refuse(r, CH_REFUSED_INVALID, NULL, "the request: a tool has to be an object");
    int rc = ch_field_text(&type, v, "type", r);
    if (rc == CH_OK && strcmp(type, "function") != 0)
        rc = ch_refuse(r, CH_REFUSED_INVALID, "type",
                       "the request: a tool is of type \"%.40s\"; this server knows functions "
                       "alone", type);
    if (rc == CH_OK && !json_is_object(f))
        rc = ch_openai_wants(r, "function", "an object with name and parameters");
    if (rc == CH_OK && function(f, r) < 0)
        rc = ch_refuse_within(r, "function");
    return rc;
}

/* v, of body[field][i], joins a->tools; takes v.  names: a set, for there may be many. */
static int add(ch_ask *a, json_t *names, json_t *v, const char *field, size_t i, ch_refusal *r)
{
    const char *name = name_of(v);
    if (json_object_get(names, name)) {
        json_decref(v);
        ch_refuse(r, CH_REFUSED_INVALID, "name", "the request: two tools are called \"%.64s\"",
                  name);
        return ch_refuse_within(r, "%s[%zu]", field, i);
    }
    if (json_object_set_new(names, name, json_true()) < 0) {
        json_decref(v);
        return ch_openai_starved(r);
    }
    return json_array_append_new(a->tools, v) < 0 ? ch_openai_starved(r) : CH_OK;
}

/* old: of "functions", each of them the inner object alone. */
static int list(ch_ask *a, const char *field, bool old, int most, ch_refusal *r)
{
    size_t i;
    json_t *one, *from = NULL;
    int rc = ch_field_list(&from, a->body, field, r);
    if (rc == CH_OK)
        rc = ch_openai_count(from, field, most, r);
    if (rc < 0 || json_array_size(from) == 0)
        return rc;
    json_t *names = json_object();
    a->tools = json_array();
    if (!names || !a->tools)
        rc = ch_openai_starved(r);
    json_array_foreach(from, i, one)
    {
        if (rc < 0)
            break;
        if (old && !json_is_object(one))
            rc = ch_openai_wants(r, "name", "a member of an object");
        else
            rc = old ? function(one, r) : tool(one, r);
        if (rc < 0)
            rc = ch_refuse_within(r, "%s[%zu]", field, i);
        else
            rc = add(a, names,
                     old ? json_pack("{s:s, s:O}", "type", "function", "function", one)
                         : json_incref(one), field, i, r);
    }
    json_decref(names);
    return rc;
}

static int choose_word(ch_ask *a, const char *field, const char *word, ch_refusal *r)
{
    const bool old = strcmp(field, "function_call") == 0;
    if (strcmp(word, "none") == 0)
        a->choose = CH_TOOLS_NONE;
    else if (strcmp(word, "required") == 0 && !old)
        a->choose = CH_TOOLS_REQUIRED;
    else if (strcmp(word, "auto") != 0)
        return ch_openai_wants(r, field, old ? "\"none\", \"auto\" or an object with a name"
                                             : "\"none\", \"auto\", \"required\" or an object with "
                                               "type and function");
    if (a->choose == CH_TOOLS_REQUIRED && !a->tools)
        return ch_refuse(r, CH_REFUSED_INVALID, field,
                         "the request: \"%s\" is \"required\", but there are no tools", field);
    return CH_OK;
}

static int choose(ch_ask *a, const char *field, ch_refusal *r)
{
    const char *type = "function";
    const bool old = strcmp(field, "function_call") == 0;
    json_t *v = ch_openai_field(a->body, field);
    if (!v || json_is_string(v))
        return v ? choose_word(a, field, json_string_value(v), r) : CH_OK;
    if (!json_is_object(v))
        return ch_openai_wants(r, field, "a string or an object");
    if (!old && ch_field_text(&type, v, "type", r) < 0)
        return ch_refuse_within(r, "%s", field);
    if (strcmp(type, "function") != 0)
        return ch_refuse(r, CH_REFUSED_UNSUPPORTED, field,
                         "this server does not know a \"%s\" of type \"%.40s\"; list fewer tools "
                         "instead", field, type);
    json_t *f = old ? v : json_object_get(v, "function");
    a->tool = json_string_value(json_object_get(f, "name"));
    if (!a->tool || !find(a->tools, a->tool)) {
        ch_refuse(r, CH_REFUSED_INVALID, old ? "name" : "function.name",
                  "the request: \"%s\" names \"%.64s\", which is none of the tools", field,
                  a->tool ? a->tool : "");
        return ch_refuse_within(r, "%s", field);
    }
    a->choose = CH_TOOLS_NAMED;
    return CH_OK;
}

int ch_openai_tools(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    bool parallel = true;
    int rc = list(a, "tools", false, l->tools, r);
    const bool old = rc == CH_OK && !a->tools && ch_openai_field(a->body, "functions");
    if (old)
        rc = list(a, "functions", true, l->tools, r);
    if (rc == CH_OK)
        rc = choose(a, old ? "function_call" : "tool_choice", r);
    if (rc == CH_OK)
        rc = ch_field_bool(&parallel, a->body, "parallel_tool_calls", r);
    a->one_call = old || !parallel;
    return rc;
}
