/* caller_rules.c - from a request's tools to the grammars of its calls
 *
 * Arguments obey the tool's schema, with three things that calls are to everybody: they are an
 * object; a tool without parameters has none; and an object that lists its members has no others,
 * unless the schema speaks of others.  A schema lies within another one here, so its references
 * into itself are moved along.
 * SPDX-License-Identifier: MIT */
#include "caller_in.h"

#include <stdlib.h>
#include <string.h>

/* What a grammar may find out while it runs: of a few tools, and of many. */
enum { FEW = 6, MEMORY_FEW = 8 << 20, MEMORY_MANY = 2 << 20 };

/* ---- Tools ---- */

static const json_t *function_of(const json_t *tool)
{
    const json_t *inner = json_object_get(tool, "function");
    return json_is_object(inner) ? inner : tool;
}

static const char *name_of(const json_t *tool)
{
    const char *name = json_string_value(json_object_get(function_of(tool), "name"));
    return name ? name : "";
}

/* May it be called at all? */
static bool is_wanted(const ch_call_rules_options *o, const json_t *tool)
{
    return o->choose != CH_TOOLS_NAMED || (o->tool && strcmp(name_of(tool), o->tool) == 0);
}

/* ---- Schemas ---- */

static bool is_one_of(const char *word, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

/* Puts `to` behind the "#" of every reference.  names: v's keys are no words. */
static bool move_references(json_t *v, const char *to, bool names)
{
    static const char *const values[] = {"const", "enum", "default", "examples"};
    static const char *const maps[] = {"properties", "$defs", "definitions"};
    const char *key;
    json_t *one;
    void *next;
    size_t i;
    bool ok = true;
    json_array_foreach(v, i, one)
        ok = ok && move_references(one, to, false);
    json_object_foreach_safe(v, next, key, one)
    {
        if (!ok || (!names && is_one_of(key, values, CH_COUNT(values))))
            continue;
        const char *ref = !names && strcmp(key, "$ref") == 0 ? json_string_value(one) : NULL;
        if (ref && *ref == '#')
            ok = json_object_set_new(v, key, json_sprintf("#%s%s", to, ref + 1)) == 0;
        else if (!ref)
            ok = move_references(one, to,
                                 !names && is_one_of(key, maps, CH_COUNT(maps)));
    }
    return ok;
}

/* It lists its members, and nothing in it could speak of others. */
static bool may_close(const json_t *schema)
{
    static const char *const says[] = {"type",  "properties",  "required",    "title",
                                       "$defs", "definitions", "description", "default",
                                       "$comment", "$schema",  "examples"};
    const char *key;
    json_t *one;
    size_t i;
    json_object_foreach((json_t *)(uintptr_t)schema, key, one)
        if (!is_one_of(key, says, CH_COUNT(says)))
            return false;
    const json_t *members = json_object_get(schema, "properties");
    json_array_foreach(json_object_get(schema, "required"), i, one)
        if (!json_is_string(one) || !json_object_get(members, json_string_value(one)))
            return false;
    return json_is_object(members);
}

/* A new schema of the tool's arguments. */
static int arguments_of(json_t **out, const json_t *tool, ch_err *e)
{
    const json_t *given = json_object_get(function_of(tool), "parameters");
    const bool none = !given || json_is_null(given);
    json_t *s = *out = none ? json_pack("{s:{}}", "properties") : json_deep_copy(given);
    if (!s)
        return ch_fail(e, CH_ENOMEM, "no memory for a tool's schema");
    json_t *type = json_object_get(s, "type");
    bool object = !type || json_is_array(type), ok = true;
    if (json_is_string(type))
        object = strcmp(json_string_value(type), "object") == 0;
    if (!json_is_object(s) || !object) {
        json_decref(s);
        *out = NULL;
        return ch_fail(e, CH_EUNSUPPORTED, "the parameters of the tool \"%.64s\" are no schema of "
                                           "objects", name_of(tool));
    }
    json_object_del(s, "$id");
    ok = json_object_set_new(s, "type", json_string("object")) == 0;
    if (ok && may_close(s))
        ok = json_object_set_new(s, "additionalProperties", json_false()) == 0;
    if (ok)
        return CH_OK;
    json_decref(s);
    *out = NULL;
    return ch_fail(e, CH_ENOMEM, "no memory for a tool's schema");
}

/* ---- Grammars ---- */

struct making {
    ch_call_rules *r;
    const ch_call_rules_options *o;
    size_t memory;
    ch_err *e;
};

static int grammar(ch_shelved **out, const struct making *m, ch_grammar_kind kind, const ch_buf *b,
                   ch_err *e)
{
    const int rc = ch_buf_check(b, "a tool's schema", e);
    const ch_shelf_want w = {.kind = kind,
                             .text = b->data,
                             .n = b->size,
                             .memory = m->memory,
                             .salt = m->o->salt,
                             .wait_ns = m->o->wait_ns};
    return rc < 0 ? rc : ch_shelf_take(out, m->o->shelf, &w, e);
}

/* A grammar of the schema, alone or as the last member of an object; takes nothing. */
static int schema_grammar(ch_shelved **out, const struct making *m, json_t *schema, bool alone,
                          ch_err *e)
{
    char place[40];
    const char *key = m->r->how.key;
    ch_buf text;
    json_t *all = json_incref(schema);
    ch_buf_init(&text, SIZE_MAX);
    snprintf(place, sizeof place, "/properties/%s", key);
    if (!alone) {
        json_t *moved = json_deep_copy(schema);
        json_decref(all);
        all = moved && move_references(moved, place, false)
                  ? json_pack("{s:s, s:{s:O}, s:[s], s:b}", "type", "object", "properties", key,
                              moved, "required", key, "additionalProperties", 0)
                  : NULL;
        json_decref(moved);
    }
    int rc = all ? ch_json_dump(&text, all, e) : ch_fail(e, CH_ENOMEM, "no memory for a schema");
    if (rc == CH_OK)
        rc = grammar(out, m, CH_GRAMMAR_SCHEMA, &text, e);
    json_decref(all);
    ch_buf_close(&text);
    return rc;
}

/* Why a schema is refused, in words that point into the tool's own. */
static int refused(const struct making *m, json_t *schema, const char *name, int rc, ch_err *why)
{
    ch_shelved *g = NULL;
    ch_err own = {0};
    if (schema && rc != CH_EBUSY && schema_grammar(&g, m, schema, true, &own) < 0 &&
        own.code != CH_EBUSY && own.code != CH_ENOMEM)
        *why = own;
    ch_shelf_give(m->o->shelf, &g);
    return ch_fail(m->e, rc, "the tool \"%.64s\": %s", name, why->text);
}

/* Its grammar beside those of the tools before it, each of which counts once. */
static int within_share(ch_call_tool *t, const struct making *m, ch_err *why)
{
    const size_t share = ch_shelf_share(m->o->shelf);
    const ch_call_tool *same = m->r->tools;
    while (same->rest != t->rest)
        same++;
    const size_t bytes = m->r->bytes + (same == t ? t->rest->bytes : 0);
    if (bytes <= share) {
        m->r->bytes = bytes;
        return CH_OK;
    }
    ch_shelf_give(m->o->shelf, &t->rest);
    return ch_fail(why, CH_ELIMIT, "compiled, the grammars of the tools up to this one have "
                                   "%.1f MiB; allowed are %.1f MiB: fewer tools, or smaller bounds "
                                   "of lengths and repetitions, make them smaller",
                   (double)bytes / (1 << 20), (double)share / (1 << 20));
}

/* What the tool's arguments obey; where that cannot be and nobody insists, any object. */
static int open_rest(ch_call_tool *t, const struct making *m, const json_t *tool)
{
    const bool alone = m->r->shape == CH_CALL_NAMED || m->r->shape == CH_CALL_HEADED;
    const bool strict = m->r->due || json_is_true(json_object_get(function_of(tool), "strict"));
    ch_err why = {0};
    json_t *schema;
    int rc = arguments_of(&schema, tool, &why);
    if (rc == CH_OK)
        rc = schema_grammar(&t->rest, m, schema, alone, &why);
    if (rc == CH_OK)
        rc = within_share(t, m, &why);
    if (rc < 0 && (strict || rc == CH_ENOMEM || rc == CH_EBUSY))
        rc = refused(m, schema, name_of(tool), rc, &why);
    else if (rc < 0) {
        json_t *any = json_pack("{s:s}", "type", "object");
        rc = any ? schema_grammar(&t->rest, m, any, alone, m->e)
                 : ch_fail(m->e, CH_ENOMEM, "no memory for a schema");
        json_decref(any);
    }
    json_decref(schema);
    return rc;
}

/* ---- What is before the arguments ---- */

static void put_escaped(ch_buf *b, const char *text)
{
    for (; *text; text++) {
        if (strchr("^$\\.*+?()[]{}|/", *text))
            ch_buf_str(b, "\\");
        ch_buf_put(b, text, 1);
    }
}

/* Another tool's name goes on from this one's. */
static bool is_beginning(const ch_call_rules *r, const char *name)
{
    for (int i = 0; i < r->n_tools; i++)
        if (strlen(r->tools[i].written) > strlen(name) &&
            strncmp(r->tools[i].written, name, strlen(name)) == 0)
            return true;
    return false;
}

/* None of the texts may be the beginning of another one: what follows begins where one is complete.
 * A name that is gets its "{" instead of the tag, which readers take as well. */
static void put_names(ch_buf *b, const ch_call_rules *r)
{
    for (int i = 0; i < r->n_tools; i++) {
        ch_buf_str(b, i == 0 ? "(?:" : "|");
        put_escaped(b, r->tools[i].written);
        if (r->shape == CH_CALL_NAMED && is_beginning(r, r->tools[i].written))
            ch_buf_str(b, "\\{");
    }
    ch_buf_str(b, ")");
}

#define GAP "(?: |\\n {0,8})?"

static int open_first(const struct making *m, ch_shelved **out, const char *before,
                      const char *behind)
{
    const ch_call_rules *r = m->r;
    ch_buf b;
    ch_buf_init(&b, SIZE_MAX);
    ch_buf_str(&b, before);
    if (r->shape != CH_CALL_NAMED)
        ch_buf_str(&b, "\\{" GAP "\"name\" ?: ?");
    put_names(&b, r);
    if (r->shape != CH_CALL_NAMED)
        ch_buf_printf(&b, " ?," GAP "\"%s\" ?:", r->how.key);
    ch_buf_str(&b, behind);
    const int rc = grammar(out, m, CH_GRAMMAR_REGEX, &b, m->e);
    ch_buf_close(&b);
    return rc;
}

static int open_grammars(const struct making *m)
{
    ch_call_rules *r = m->r;
    if (r->shape == CH_CALL_HEADED)
        return CH_OK;
    const bool list = r->shape == CH_CALL_LIST;
    int rc = open_first(m, &r->first, list ? "\\[" GAP : "", "");
    if (rc == CH_OK && list)
        rc = open_first(m, &r->more, "(?:\\]|," GAP, ")");
    return rc;
}

/* ---- What is fed ---- */

/* A text between two tags, each of which may be "". */
static int encode(ch_tokens *out, const struct making *m, const char *tag, const char *text,
                  const char *next)
{
    const ch_token_span span[] = {
        {strlen(tag), false}, {strlen(text), true}, {strlen(next), false}};
    ch_buf b;
    ch_buf_init(&b, SIZE_MAX);
    ch_buf_printf(&b, "%s%s%s", tag, text, next);
    int rc = ch_buf_check(&b, "the text of a call", m->e);
    if (rc == CH_OK && b.size > 0)
        rc = ch_tokenizer_encode_spans(out, m->o->tk, b.data, span, CH_COUNT(span), m->e);
    ch_buf_close(&b);
    return rc;
}

/* What opens a call that is required: all that can be said of it. */
static int encode_open(const struct making *m, const char *lead)
{
    ch_call_rules *r = m->r;
    const bool named = r->shape == CH_CALL_NAMED;
    ch_buf b;
    ch_buf_init(&b, SIZE_MAX);
    ch_buf_str(&b, lead);
    r->certain = r->n_tools == 1;
    if (r->certain && named)
        ch_buf_str(&b, r->tools[0].written);
    else if (r->certain)
        ch_buf_printf(&b, "%s{\"name\": %s, \"%s\":", r->shape == CH_CALL_LIST ? "[" : "",
                      r->tools[0].written, r->how.key);
    int rc = ch_buf_check(&b, "the text of a call", m->e);
    if (rc == CH_OK)
        rc = encode(&r->open, m, r->how.open, b.data ? b.data : "",
                    r->certain && named ? r->how.between : "");
    ch_buf_close(&b);
    return rc;
}

static int encode_all(const struct making *m)
{
    ch_call_rules *r = m->r;
    if (r->shape == CH_CALL_HEADED)
        return CH_OK;
    const char *lead = r->shape == CH_CALL_OBJECT && *r->how.open ? "\n" : "";
    int rc = encode_open(m, lead);
    if (rc == CH_OK && *lead)
        rc = encode(&r->space, m, "", "\n\n", "");
    if (rc == CH_OK)
        rc = encode(&r->lead, m, "", lead, "");
    if (rc == CH_OK)
        rc = encode(&r->between, m, r->how.between, "", "");
    return rc == CH_OK && *r->how.close ? encode(&r->close, m, "", lead, r->how.close) : rc;
}

/* ---- Rules ---- */

static int choose_shape(const struct making *m)
{
    ch_call_rules *r = m->r;
    const bool between = *r->how.between &&
                         ch_tokenizer_special(m->o->tk, r->how.between) >= 0;
    switch (r->how.form) {
    case CH_REPLY_FORM_OBJECT: r->shape = CH_CALL_OBJECT; break;
    case CH_REPLY_FORM_NAMED: r->shape = between ? CH_CALL_NAMED : CH_CALL_LIST; break;
    case CH_REPLY_FORM_HARMONY: r->shape = CH_CALL_HEADED; break;
    default: r->shape = CH_CALL_FREE;
    }
    if (r->due && (r->shape == CH_CALL_FREE || r->shape == CH_CALL_HEADED))
        return ch_fail(m->e, CH_EUNSUPPORTED,
                       "this model writes calls in the format \"%s\", which this server cannot "
                       "require; the choice of tools has to be \"auto\" or \"none\"",
                       ch_reply_format_name(r->format));
    if (r->shape == CH_CALL_OBJECT || r->shape == CH_CALL_LIST)
        snprintf(r->wrapper, sizeof r->wrapper, "{\"%s\":", r->how.key);
    return CH_OK;
}

static int add_tool(const struct making *m, const json_t *tool)
{
    ch_call_rules *r = m->r;
    ch_call_tool *t = &r->tools[r->n_tools];
    const json_t *name = json_object_get(function_of(tool), "name");
    const bool raw = r->shape == CH_CALL_NAMED || r->shape == CH_CALL_HEADED;
    ch_buf b;
    if (*name_of(tool) == 0)
        return ch_fail(m->e, CH_EARG, "a tool has no name");
    ch_buf_init(&b, SIZE_MAX);
    if (raw)
        ch_buf_str(&b, name_of(tool));
    else
        ch_json_dump(&b, name, NULL);
    int rc = ch_buf_check(&b, "a tool's name", m->e);
    if (rc == CH_OK && (t->written = strdup(b.data)) == NULL)
        rc = ch_fail(m->e, CH_ENOMEM, "no memory for a tool's name");
    ch_buf_close(&b);
    r->n_tools += t->written != NULL;
    return rc == CH_OK ? open_rest(t, m, tool) : rc;
}

static int make(struct making *m)
{
    ch_call_rules *r = m->r;
    const size_t n = json_array_size(m->o->tools);
    size_t i;
    json_t *one;
    int rc = choose_shape(m);
    if (rc < 0 || r->shape == CH_CALL_FREE)
        return rc;
    if ((r->tools = calloc(n, sizeof *r->tools)) == NULL)
        return ch_fail(m->e, CH_ENOMEM, "no memory for %zu tools", n);
    m->memory = n <= FEW ? MEMORY_FEW : MEMORY_MANY;
    json_array_foreach(m->o->tools, i, one)
    {
        if (rc < 0 || !is_wanted(m->o, one))
            continue;
        rc = add_tool(m, one);
    }
    if (rc == CH_OK && r->n_tools == 0)
        rc = ch_fail(m->e, CH_EARG, "the tool \"%.64s\" that is to be called is none of the "
                                    "tools", m->o->tool ? m->o->tool : "");
    if (rc == CH_OK)
        rc = open_grammars(m);
    return rc == CH_OK ? encode_all(m) : rc;
}

int ch_call_rules_open(ch_call_rules **out, const ch_call_rules_options *o, ch_err *e)
{
    ch_call_rules *r = *out = calloc(1, sizeof *r);
    if (r == NULL)
        return ch_fail(e, CH_ENOMEM, "no memory for the rules of calls");
    struct making m = {.r = r, .o = o, .e = e};
    const bool any = json_array_size(o->tools) > 0 && o->choose != CH_TOOLS_NONE;
    r->shelf = o->shelf;
    r->format = o->format;
    r->how = ch_reply_format_writing(o->format);
    const bool untaught = r->how.form == CH_REPLY_FORM_NONE;
    if (any && untaught) {
        r->format = ch_reply_format_named("generic");
        r->how = ch_reply_format_writing(r->format);
    }
    r->due = o->choose == CH_TOOLS_REQUIRED || o->choose == CH_TOOLS_NAMED;
    /* A model that was never taught calls does not end behind one by itself. */
    r->one = o->one || o->choose == CH_TOOLS_NAMED || (r->due && untaught);
    int rc = CH_OK;
    if (any)
        rc = make(&m);
    else if (r->due)
        rc = ch_fail(e, CH_EARG, "a tool has to be called, but there are no tools");
    if (rc < 0)
        ch_call_rules_close(out);
    return rc;
}

void ch_call_rules_close(ch_call_rules **r)
{
    if (*r == NULL)
        return;
    for (int i = 0; i < (*r)->n_tools; i++) {
        free((*r)->tools[i].written);
        ch_shelf_give((*r)->shelf, &(*r)->tools[i].rest);
    }
    free((*r)->tools);
    ch_shelf_give((*r)->shelf, &(*r)->first);
    ch_shelf_give((*r)->shelf, &(*r)->more);
    ch_tokens *const fed[] = {&(*r)->space, &(*r)->open, &(*r)->lead, &(*r)->between,
                               &(*r)->close};
    for (size_t i = 0; i < CH_COUNT(fed); i++)
        ch_tokens_free(fed[i]);
    free(*r);
    *r = NULL;
}

const ch_reply_format *ch_call_rules_format(const ch_call_rules *r) { return r->format; }
