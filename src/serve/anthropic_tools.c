/* anthropic_tools.c - tools that a request to Anthropic's API offers, in OpenAI's form
 *
 *     {name, description, input_schema, strict}
 *         {type: function, function: {name, description, parameters, strict}}
 *
 * Tools that run on Anthropic's own machines, or whose form only its models know, have a type; they
 * are refused by its name.  SPDX-License-Identifier: MIT */
#include "anthropic.h"

#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 128 }; /* of a tool, as in the API */

static bool is_name(const json_t *v)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_-";
    const char *s = json_string_value(v);
    const size_t n = json_string_length(v);
    return s && n > 0 && n <= NAME_BYTES && strspn(s, allowed) == n;
}

static int check_tool(json_t *tool, const char *where, ch_refusal *r)
{
    const char *type = "custom", *text = NULL;
    bool strict = false;
    if (!json_is_object(tool))
        return ch_refuse(r, CH_REFUSED_INVALID, where, "%s has to be an object", where);
    if (ch_field_text(&type, tool, "type", r) < 0 ||
        ch_field_text(&text, tool, "description", r) < 0 ||
        ch_field_bool(&strict, tool, "strict", r) < 0)
        return ch_refuse_within(r, "%s", where);
    if (strcmp(type, "custom") != 0)
        return ch_refuse(r, CH_REFUSED_INVALID, where,
                         "%s is \"%.60s\", a tool of Anthropic's own that is not here; allowed are "
                         "tools with a name and an input_schema",
                         where, type);
    if (!is_name(json_object_get(tool, "name")))
        return ch_refuse(r, CH_REFUSED_INVALID, where,
                         "%s: \"name\" has to be 1 to %d letters, digits, \"_\" and \"-\"", where,
                         NAME_BYTES);
    if (!json_is_object(json_object_get(tool, "input_schema")))
        return ch_refuse(r, CH_REFUSED_INVALID, where,
                         "%s: \"input_schema\" has to be an object", where);
    return CH_OK;
}

static json_t *as_function(const json_t *tool)
{
    json_t *description = json_object_get(tool, "description");
    json_t *strict = json_object_get(tool, "strict");
    return json_pack("{s:s, s:{s:O, s:O*, s:O, s:O*}}", "type", "function", "function", "name",
                     json_object_get(tool, "name"), "description",
                     json_is_null(description) ? NULL : description, "parameters",
                     json_object_get(tool, "input_schema"), "strict",
                     json_is_null(strict) ? NULL : strict);
}

/* names: as a set, which gets those of the tools. */
static int read_list(ch_ask *a, const json_t *list, json_t *names, ch_refusal *r)
{
    if (!names || !(a->tools = json_array()))
        return ch_refuse(r, CH_REFUSED_FAULT, "tools", "no memory for the tools");
    for (size_t i = 0; i < json_array_size(list); i++) {
        char where[40];
        json_t *tool = json_array_get(list, i);
        snprintf(where, sizeof where, "tools[%zu]", i);
        const int rc = check_tool(tool, where, r);
        if (rc < 0)
            return rc;
        const char *name = json_string_value(json_object_get(tool, "name"));
        if (json_object_get(names, name))
            return ch_refuse(r, CH_REFUSED_INVALID, where,
                             "%s: there is a tool \"%s\" already", where, name);
        if (json_object_set_new(names, name, json_true()) != 0 ||
            json_array_append_new(a->tools, as_function(tool)) != 0)
            return ch_refuse(r, CH_REFUSED_FAULT, "tools", "no memory for the tools");
    }
    return CH_OK;
}

static int read_choice(ch_ask *a, json_t *choice, const json_t *names, ch_refusal *r)
{
    static const char *const kinds[] = {[CH_TOOLS_AUTO] = "auto",
                                        [CH_TOOLS_NONE] = "none",
                                        [CH_TOOLS_REQUIRED] = "any",
                                        [CH_TOOLS_NAMED] = "tool",
                                        NULL};
    size_t kind;
    int rc = ch_anthropic_kind(&kind, choice, "tool_choice", "type", kinds, r);
    if (rc < 0)
        return rc;
    if (ch_field_bool(&a->one_call, choice, "disable_parallel_tool_use", r) < 0)
        return ch_refuse_within(r, "tool_choice");
    a->choose = (ch_tool_choice)kind;
    if (kind >= CH_TOOLS_REQUIRED && !a->tools)
        return ch_refuse(r, CH_REFUSED_INVALID, "tool_choice",
                         "\"tool_choice\" is \"%s\", and there are no tools", kinds[kind]);
    if (kind != CH_TOOLS_NAMED)
        return CH_OK;
    if (ch_field_text(&a->tool, choice, "name", r) < 0)
        return ch_refuse_within(r, "tool_choice");
    if (!a->tool || !json_object_get(names, a->tool))
        return ch_refuse(r, CH_REFUSED_INVALID, "tool_choice.name",
                         "\"tool_choice.name\" is \"%.*s\", which is no tool's name", NAME_BYTES,
                         a->tool ? a->tool : "");
    return CH_OK;
}

int ch_anthropic_tools(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    json_t *list = NULL, *choice = NULL;
    int rc = ch_field_list(&list, a->body, "tools", r);
    if (rc == CH_OK)
        rc = ch_field_object(&choice, a->body, "tool_choice", r);
    if (rc < 0)
        return rc;
    const size_t n = json_array_size(list);
    if (l->tools > 0 && n > (size_t)l->tools)
        return ch_refuse(r, CH_REFUSED_INVALID, "tools",
                         "\"tools\" holds %zu tools; allowed are %d", n, l->tools);
    json_t *names = n > 0 ? json_object() : NULL;
    if (n > 0)
        rc = read_list(a, list, names, r);
    if (rc == CH_OK && choice)
        rc = read_choice(a, choice, names, r);
    json_decref(names);
    return rc;
}
