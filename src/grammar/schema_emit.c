/* schema_emit.c - from facts to rules
 *
 *   value    one of the listed ones, or any of the types that are left
 *   object   members in the order of `properties`, then required ones that are named nowhere else,
 *            then others; what is not required may be left out
 *   array    items at named places, then others
 *   blank    "" or " " or a newline and at most 24 blanks, after { [ and , and before } and ];
 *            after ":" at most one; none at all in compact texts
 *
 * A rule is for one list of schemas; rules wait in order until their turn.
 * SPDX-License-Identifier: MIT */
#include "schema.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_NAMED = 200, MOST_LISTS = 1 << 14, INDENT = 24 };

/* ---- Rules ----------------------------------------------------------------------------------- */

struct ch_schema_list {
    uint32_t rule, n;
    size_t from; /* in ch_schema.part */
};

/* By address: only to know a list again.  No text may depend on it. */
static int by_schema(const void *a, const void *b)
{
    const ch_part *x = a, *y = b;
    if (x->schema != y->schema)
        return (uintptr_t)x->schema < (uintptr_t)y->schema ? -1 : 1;
    return x->skip < y->skip ? -1 : x->skip > y->skip;
}

/* Named after the schema that came last; finding it takes time, so only the first rules are. */
static uint32_t new_rule(ch_schema *s, const ch_parts *parts)
{
    if (parts->n == 0 || s->lists.n > MOST_NAMED)
        return ch_nfa_rule_new(s->n, "schema", 6);
    ch_buf b;
    ch_schema_pointer(&b, s, parts->at[parts->n - 1].schema);
    const uint32_t rule = b.failed ? ch_nfa_rule_new(s->n, "schema", 6)
                                   : ch_nfa_rule_new(s->n, b.data, b.size);
    ch_buf_close(&b);
    return rule;
}

/* The list that was interned last. */
static bool add_list(ch_schema *s, const ch_parts *p)
{
    const size_t id = s->lists.n - 1, n = (size_t)p->n;
    if (!ch_array_room(&s->list, &s->lists_cap, id + 1, sizeof *s->list) ||
        !ch_array_room(&s->part, &s->part_cap, s->n_part + n + 1, sizeof *s->part))
        return false;
    s->list[id] = (struct ch_schema_list){.n = (uint32_t)n, .from = s->n_part};
    memcpy(s->part + s->n_part, p->at, n * sizeof *p->at);
    s->n_part += n;
    return true;
}

uint32_t ch_schema_rule(ch_schema *s, const ch_parts *parts)
{
    ch_parts said = {0};
    uint32_t flat[3 * CH_MOST_PARTS];
    for (int i = 0; i < parts->n; i++)
        if (!json_is_true(parts->at[i].schema))
            ch_parts_add(&said, parts->at[i].schema, parts->at[i].skip);
    ch_parts sorted = said;
    qsort(sorted.at, (size_t)sorted.n, sizeof *sorted.at, by_schema);
    for (int i = 0; i < sorted.n; i++) {
        const uint64_t p = (uint64_t)(uintptr_t)sorted.at[i].schema;
        flat[3 * i] = (uint32_t)p;
        flat[3 * i + 1] = (uint32_t)(p >> 32);
        flat[3 * i + 2] = sorted.at[i].skip;
    }
    const size_t before = s->lists.n;
    const uint32_t id = ch_intern_add(&s->lists, flat, 3 * (size_t)sorted.n);
    if (id == CH_NO_ID || (s->lists.n > before && !add_list(s, &said))) {
        ch_nfa_fail(s->n, CH_ENOMEM, "no memory for the rules of a schema");
        return 0;
    }
    if (s->lists.n > MOST_LISTS)
        ch_schema_fail(s, s->root, NULL, CH_ELIMIT, "more than %d combinations of schemas",
                       MOST_LISTS);
    if (s->lists.n > before)
        s->list[id].rule = new_rule(s, parts);
    return s->list[id].rule;
}

static void parts_of(ch_parts *out, const ch_schema *s, uint32_t id)
{
    out->n = (int)s->list[id].n;
    memcpy(out->at, s->part + s->list[id].from, s->list[id].n * sizeof *out->at);
}

/* ---- Small things ---------------------------------------------------------------------------- */

static uint32_t blank(ch_schema *s, uint32_t from)
{
    if (s->compact)
        return from;
    if (!s->blank)
        s->blank = ch_nfa_rule_new(s->n, "blank", 5) + 1;
    const uint32_t to = ch_nfa_state(s->n);
    ch_nfa_call(s->n, from, to, s->blank - 1);
    return to;
}

static uint32_t colon(ch_schema *s, uint32_t from)
{
    const uint32_t at = ch_nfa_text(s->n, from, ":", 1);
    if (s->compact)
        return at;
    const uint32_t to = ch_nfa_state(s->n);
    ch_nfa_text_to(s->n, at, to, " ", 1);
    ch_nfa_empty(s->n, at, to);
    return to;
}

/* 2.6 rather than 2.6000000000000001, where that is the same number. */
static char *shown(const json_t *v)
{
    char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    json_t *again = NULL;
    if (text && ch_json_parse(&again, text, strlen(text), "a value", NULL) == CH_OK &&
        json_equal(v, again) == 1) {
        json_decref(again);
        return text;
    }
    json_decref(again);
    free(text);
    return json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
}

static void write_value(ch_schema *s, const json_t *v, uint32_t from, uint32_t to)
{
    char *text = shown(v);
    if (!text)
        ch_nfa_fail(s->n, CH_ENOMEM, "no memory for a value");
    else
        ch_nfa_text_to(s->n, from, to, text, strlen(text));
    free(text);
}

/* ---- Listed values --------------------------------------------------------------------------- */

/* A word that says something about what objects or arrays hold, or NULL. */
static const char *word_about(const ch_facts *f, unsigned kind, json_t **owner)
{
    static const char *const objects[] = {"properties", "required", "additionalProperties",
                                          "minProperties", "maxProperties", NULL};
    static const char *const arrays[] = {"items", "prefixItems", "additionalItems", "minItems",
                                         "maxItems", NULL};
    for (int i = 0; i < f->parts.n; i++)
        for (const char *const *w = kind == CH_J_OBJECT ? objects : arrays; *w; w++)
            if (json_object_get(f->parts.at[i].schema, *w)) {
                *owner = f->parts.at[i].schema;
                return *w;
            }
    return NULL;
}

static void emit_values(ch_schema *s, const ch_facts *f, uint32_t from, uint32_t to)
{
    if (ch_schema_keep_texts(s, f) < 0)
        return;
    for (size_t i = 0; i < json_array_size(f->values) && s->n->rc == CH_OK; i++) {
        const json_t *v = json_array_get(f->values, i);
        const unsigned kind = ch_json_kind(v);
        json_t *owner = NULL;
        if (!(kind & f->types) ||
            (json_is_number(v) && !ch_schema_number_holds(f, v)))
            continue;
        const char *word = kind & (CH_J_OBJECT | CH_J_ARRAY) ? word_about(f, kind, &owner) : NULL;
        if (word)
            ch_schema_fail(s, owner, word, CH_EUNSUPPORTED,
                           "beside listed objects and arrays it is not supported");
        else
            write_value(s, v, from, to);
    }
}

/* ---- Arrays ---------------------------------------------------------------------------------- */

static int64_t named_places(const ch_facts *f)
{
    size_t n = 0;
    for (int i = 0; i < f->parts.n; i++) {
        const json_t *items = json_object_get(f->parts.at[i].schema, "items");
        const json_t *first = json_object_get(f->parts.at[i].schema, "prefixItems");
        n = CH_MAX(n, CH_MAX(json_is_array(items) ? json_array_size(items) : 0,
                             json_array_size(first)));
    }
    return (int64_t)n;
}

static void emit_array(ch_schema *s, const ch_facts *f, uint32_t from, uint32_t to)
{
    ch_nfa *n = s->n;
    const bool bounded = f->max_items != INT64_MAX;
    const int64_t most = CH_MIN(f->max_items, CH_MAX(f->min_items, (int64_t)CH_MOST_REPEATED));
    const int64_t places = CH_MAX(CH_MAX(f->min_items, named_places(f)), 1);
    const int64_t count = bounded ? most : places;
    if (f->min_items > f->max_items)
        return;
    const uint32_t open = ch_nfa_text(n, from, "[", 1);
    if (f->min_items == 0)
        ch_nfa_text_to(n, open, to, "]", 1);
    uint32_t at = blank(s, open), rest = 0;
    for (int64_t i = 0; i < count && n->rc == CH_OK; i++) {
        ch_parts parts;
        if (i <= places && ch_facts_item(&parts, s, f, (size_t)i) == CH_OK)
            rest = ch_schema_rule(s, &parts);
        const uint32_t done = ch_nfa_state(n);
        ch_nfa_call(n, at, done, rest);
        if (i + 1 >= f->min_items)
            ch_nfa_text_to(n, blank(s, done), to, "]", 1);
        if (i + 1 < count || !bounded)
            at = blank(s, ch_nfa_text(n, done, ",", 1));
        if (i + 1 == count && !bounded) { /* and so on */
            if (ch_facts_item(&parts, s, f, SIZE_MAX) == CH_OK)
                ch_nfa_call(n, at, done, ch_schema_rule(s, &parts));
        }
    }
}

/* ---- Objects --------------------------------------------------------------------------------- */

/* All members that are named, in order: true where they are required. */
static json_t *named_members(const ch_facts *f)
{
    json_t *all = json_object(), *v;
    const char *key;
    bool ok = all != NULL;
    for (int i = 0; i < f->parts.n; i++)
        json_object_foreach(json_object_get(f->parts.at[i].schema, "properties"), key, v)
        {
            if (!json_object_get(all, key))
                ok = ok && json_object_set_new(all, key, json_false()) == 0;
        }
    for (int i = 0; i < f->parts.n; i++) {
        const json_t *list = json_object_get(f->parts.at[i].schema, "required");
        for (size_t k = 0; k < json_array_size(list); k++)
            ok = ok && json_object_set_new(all, json_string_value(json_array_get(list, k)),
                                           json_true()) == 0;
    }
    if (!ok)
        json_decref(all);
    return ok ? all : NULL;
}

struct object {
    ch_schema *s;
    const ch_facts *f;
    json_t *names;
    uint32_t none, some; /* states: no member so far; one at least */
};

/* The state before a member's name, from either. */
static uint32_t before_name(struct object *o)
{
    ch_nfa *n = o->s->n;
    const uint32_t name = ch_nfa_state(n);
    ch_nfa_empty(n, o->none, name);
    ch_nfa_empty(n, blank(o->s, ch_nfa_text(n, o->some, ",", 1)), name);
    return name;
}

static void emit_member(struct object *o, const char *key, bool required)
{
    ch_nfa *n = o->s->n;
    ch_parts parts;
    json_t *name = json_string(key);
    if (!name || ch_facts_member(&parts, o->s, o->f, key) < 0) {
        ch_nfa_fail(n, CH_ENOMEM, "no memory");
        json_decref(name);
        return;
    }
    const uint32_t written = ch_nfa_state(n), none = ch_nfa_state(n), some = ch_nfa_state(n);
    write_value(o->s, name, before_name(o), written);
    ch_nfa_call(n, colon(o->s, written), some, ch_schema_rule(o->s, &parts));
    if (!required) {
        ch_nfa_empty(n, o->none, none);
        ch_nfa_empty(n, o->some, some);
    }
    o->none = none;
    o->some = some;
    json_decref(name);
}

static void emit_others(struct object *o)
{
    ch_nfa *n = o->s->n;
    ch_parts parts;
    if (ch_facts_member(&parts, o->s, o->f, NULL) < 0)
        return;
    const uint32_t name = before_name(o), written = ch_nfa_state(n);
    if (json_object_size(o->names))
        ch_schema_other_name(o->s, o->names, name, written);
    else
        ch_nfa_call(n, name, written, ch_schema_text_rule(o->s));
    ch_nfa_call(n, colon(o->s, written), o->some, ch_schema_rule(o->s, &parts));
}

static bool others_allowed(const ch_facts *f)
{
    for (int i = 0; i < f->parts.n; i++)
        if (json_is_false(json_object_get(f->parts.at[i].schema, "additionalProperties")))
            return false;
    return true;
}

/* The number of members can be kept only where it follows from their names. */
static bool countable(const struct object *o, int64_t required)
{
    const ch_facts *f = o->f;
    json_t *owner = NULL;
    word_about(f, CH_J_OBJECT, &owner);
    const int64_t most = others_allowed(f) ? INT64_MAX : (int64_t)json_object_size(o->names);
    if (f->min_properties > CH_MAX(required, 1))
        ch_schema_fail(o->s, owner, "minProperties", CH_EUNSUPPORTED,
                       "more than are required is not supported");
    if (f->max_properties < most && f->max_properties > 0)
        ch_schema_fail(o->s, owner, "maxProperties", CH_EUNSUPPORTED,
                       "fewer than there can be is not supported");
    return o->s->n->rc == CH_OK;
}

static void emit_object(ch_schema *s, const ch_facts *f, uint32_t from, uint32_t to)
{
    ch_nfa *n = s->n;
    struct object o = {.s = s, .f = f, .names = named_members(f)};
    int64_t required = 0;
    const char *key;
    json_t *v;
    if (!o.names)
        ch_nfa_fail(n, CH_ENOMEM, "no memory for the members of an object");
    json_object_foreach(o.names, key, v) required += json_is_true(v);
    if (n->rc == CH_OK && countable(&o, required) && f->min_properties <= f->max_properties &&
        required <= f->max_properties) {
        const uint32_t open = ch_nfa_text(n, from, "{", 1);
        o.none = f->max_properties ? blank(s, open) : ch_nfa_state(n);
        o.some = ch_nfa_state(n);
        json_object_foreach(o.names, key, v)
        {
            if (n->rc == CH_OK)
                emit_member(&o, key, json_is_true(v));
        }
        if (others_allowed(f))
            emit_others(&o);
        ch_nfa_text_to(n, blank(s, o.some), to, "}", 1);
        if (required == 0 && f->min_properties == 0)
            ch_nfa_text_to(n, open, to, "}", 1);
    }
    json_decref(o.names);
}

/* ---- Choices --------------------------------------------------------------------------------- */

/* What was said, with one branch in place of the choice. */
static int with_branch(ch_parts *out, ch_schema *s, const ch_facts *f, json_t *branch)
{
    const unsigned skip = f->choice_word[0] == 'a' ? CH_SKIP_ANY_OF : CH_SKIP_ONE_OF;
    *out = f->parts;
    for (int i = 0; i < out->n; i++) {
        out->at[i].skip |= CH_SKIP_REF | CH_SKIP_ALL_OF;
        if (out->at[i].schema == f->choice)
            out->at[i].skip |= skip;
    }
    if (!ch_parts_add(out, branch, 0))
        return ch_schema_fail(s, f->choice, f->choice_word, CH_ELIMIT,
                              "more than 64 schemas hold for one value");
    return CH_OK;
}

static int read_branch(ch_facts *out, ch_schema *s, const ch_facts *f, size_t i)
{
    ch_parts parts;
    const int rc = with_branch(&parts, s, f,
                               json_array_get(json_object_get(f->choice, f->choice_word), i));
    return rc == CH_OK ? ch_facts_read(out, s, &parts) : rc;
}

static int refuse_overlap(ch_schema *s, const ch_facts *f, size_t n)
{
    enum { MOST_BRANCHES = 64 };
    if (n > MOST_BRANCHES)
        return ch_schema_fail(s, f->choice, f->choice_word, CH_ELIMIT,
                              "it has %zu branches, allowed are %d", n, MOST_BRANCHES);
    for (size_t i = 1; i < n && s->n->rc == CH_OK; i++)
        for (size_t k = 0; k < i && s->n->rc == CH_OK; k++) {
            ch_facts a = {0}, b = {0};
            if (read_branch(&a, s, f, i) == CH_OK && read_branch(&b, s, f, k) == CH_OK &&
                !ch_facts_disjoint(s, &a, &b, 0))
                ch_schema_fail(s, f->choice, f->choice_word, CH_EUNSUPPORTED,
                               "branches %zu and %zu could both hold for one value; where that "
                               "does no harm, say anyOf",
                               k, i);
            ch_facts_close(&a);
            ch_facts_close(&b);
        }
    return s->n->rc;
}

static void emit_choice(ch_schema *s, const ch_facts *f, uint32_t from, uint32_t to)
{
    json_t *branches = json_object_get(f->choice, f->choice_word);
    if (f->choice_word[0] == 'o' && refuse_overlap(s, f, json_array_size(branches)) < 0)
        return;
    for (size_t i = 0; i < json_array_size(branches) && s->n->rc == CH_OK; i++) {
        ch_parts parts;
        if (with_branch(&parts, s, f, json_array_get(branches, i)) == CH_OK)
            ch_nfa_call(s->n, from, to, ch_schema_rule(s, &parts));
    }
}

/* ---- Everything ------------------------------------------------------------------------------ */

static void emit(ch_schema *s, const ch_facts *f, uint32_t from, uint32_t to)
{
    ch_nfa *n = s->n;
    if (f->never)
        return;
    if (f->choice) {
        emit_choice(s, f, from, to);
        return;
    }
    if (f->values) {
        emit_values(s, f, from, to);
        return;
    }
    if (f->types & CH_J_NULL)
        ch_nfa_text_to(n, from, to, "null", 4);
    if (f->types & CH_J_BOOL) {
        ch_nfa_text_to(n, from, to, "true", 4);
        ch_nfa_text_to(n, from, to, "false", 5);
    }
    if (f->types & CH_J_NUMBER)
        ch_schema_number(s, f, from, to);
    if ((f->types & CH_J_STRING) && !f->n_patterns && !f->min_length && f->max_length == INT64_MAX)
        ch_nfa_call(n, from, to, ch_schema_text_rule(s));
    else if (f->types & CH_J_STRING)
        ch_schema_string(s, f, from, to);
    if (f->types & CH_J_ARRAY)
        emit_array(s, f, from, to);
    if (f->types & CH_J_OBJECT)
        emit_object(s, f, from, to);
}

static void make_rule(ch_schema *s, uint32_t list)
{
    ch_parts parts;
    ch_facts f = {0};
    ch_nfa *n = s->n;
    const uint32_t rule = s->list[list].rule;
    parts_of(&parts, s, list);
    ch_nfa_rule_begin(n, rule);
    if (ch_facts_read(&f, s, &parts) == CH_OK)
        emit(s, &f, n->rule[rule].start, n->rule[rule].end);
    ch_facts_close(&f);
    ch_nfa_rule_end(n, rule);
}

static void make_text(ch_schema *s)
{
    ch_nfa_rule_begin(s->n, s->text - 1);
    if (s->n->rc == CH_OK)
        ch_schema_string(s, NULL, s->n->rule[s->text - 1].start, s->n->rule[s->text - 1].end);
    ch_nfa_rule_end(s->n, s->text - 1);
}

static void make_blank(ch_schema *s)
{
    ch_nfa *n = s->n;
    const uint32_t rule = s->blank - 1;
    ch_nfa_rule_begin(n, rule);
    if (n->rc == CH_OK) {
        const uint32_t end = n->rule[rule].end;
        ch_nfa_empty(n, n->rule[rule].start, end);
        ch_nfa_text_to(n, n->rule[rule].start, end, " ", 1);
        uint32_t at = ch_nfa_text(n, n->rule[rule].start, "\n", 1);
        ch_nfa_empty(n, at, end);
        for (int i = 0; i < INDENT; i++) {
            at = ch_nfa_text(n, at, " ", 1);
            ch_nfa_empty(n, at, end);
        }
    }
    ch_nfa_rule_end(n, rule);
}

int ch_schema_read(ch_nfa *n, const char *text, size_t size, bool compact)
{
    ch_err e = {0};
    ch_schema s = {.n = n, .compact = compact};
    if (ch_json_parse(&s.root, text, size, "schema", &e) < 0)
        return ch_nfa_fail(n, e.code, "%s", e.text);
    ch_parts parts = {.at = {{s.root, 0}}, .n = 1};
    if (!json_is_object(s.root) && !json_is_boolean(s.root))
        ch_nfa_fail(n, CH_EFORMAT, "schema: a schema is an object, true or false");
    ch_schema_rule(&s, &parts);
    for (uint32_t list = 0; list < s.lists.n && n->rc == CH_OK; list++)
        make_rule(&s, list);
    if (s.text && n->rc == CH_OK)
        make_text(&s);
    if (s.blank && n->rc == CH_OK)
        make_blank(&s);
    ch_intern_close(&s.lists);
    free(s.list);
    free(s.part);
    json_decref(s.root);
    return n->rc;
}
