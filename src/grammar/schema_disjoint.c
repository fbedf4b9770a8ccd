/* schema_disjoint.c - branches of a oneOf that no value can share
 *
 * Only what is certain counts: types, listed values, bounds, lengths, and for objects a member that
 * both must have and that is told apart in turn (a discriminator), or that one must have and the
 * other may not.  What facts leave out (a choice within) only makes them wider, so a "yes" stays
 * true.  SPDX-License-Identifier: MIT */
#include "schema.h"

#include <string.h>

enum { MOST_DEPTH = 3 };

/* Can v be a value of f, as far as type, bounds and listed values say? */
static bool may_be(const ch_facts *f, const json_t *v)
{
    if (f->never || !(ch_json_kind(v) & f->types))
        return false;
    if (json_is_number(v) && !ch_schema_number_holds(f, v))
        return false;
    bool among = f->values == NULL;
    for (size_t i = 0; i < json_array_size(f->values) && !among; i++)
        among = ch_json_same(json_array_get(f->values, i), v);
    return among;
}

static bool none_is(const ch_facts *a, const ch_facts *b)
{
    for (size_t i = 0; i < json_array_size(a->values); i++)
        if (may_be(a, json_array_get(a->values, i)) && may_be(b, json_array_get(a->values, i)))
            return false;
    return true;
}

static bool apart(int64_t least, int64_t most, int64_t other_least, int64_t other_most)
{
    return most < other_least || other_most < least;
}

/* Are all numbers of a below all of b? */
static bool below(const ch_facts *a, const ch_facts *b)
{
    if (!a->most || !b->least)
        return false;
    const int way = ch_json_compare(a->most, b->least);
    return way < 0 || (way == 0 && (a->below || b->above));
}

static bool requires(const ch_facts *f, const char *name)
{
    for (int i = 0; i < f->parts.n; i++) {
        const json_t *list = json_object_get(f->parts.at[i].schema, "required");
        for (size_t k = 0; k < json_array_size(list); k++)
            if (strcmp(json_string_value(json_array_get(list, k)), name) == 0)
                return true;
    }
    return false;
}

/* What `name` is in a, which has to have it, and in b: apart? */
static bool member_apart(ch_schema *s, const ch_facts *a, const ch_facts *b, const char *name,
                         int depth)
{
    ch_parts in_a, in_b;
    ch_facts fa = {0}, fb = {0};
    bool yes = false;
    if (ch_facts_member(&in_a, s, a, name) == CH_OK &&
        ch_facts_member(&in_b, s, b, name) == CH_OK && ch_facts_read(&fa, s, &in_a) == CH_OK &&
        ch_facts_read(&fb, s, &in_b) == CH_OK)
        yes = fa.never || fb.never ||
              (requires(b, name) && ch_facts_disjoint(s, &fa, &fb, depth + 1));
    ch_facts_close(&fa);
    ch_facts_close(&fb);
    return yes;
}

static bool objects_apart(ch_schema *s, const ch_facts *a, const ch_facts *b, int depth)
{
    if (depth == MOST_DEPTH)
        return false;
    for (int i = 0; i < a->parts.n; i++) {
        const json_t *list = json_object_get(a->parts.at[i].schema, "required");
        for (size_t k = 0; k < json_array_size(list) && s->n->rc == CH_OK; k++)
            if (member_apart(s, a, b, json_string_value(json_array_get(list, k)), depth))
                return true;
    }
    return false;
}

bool ch_facts_disjoint(ch_schema *s, const ch_facts *a, const ch_facts *b, int depth)
{
    const unsigned both = a->types & b->types;
    if (a->never || b->never || both == 0)
        return true;
    if (a->values)
        return none_is(a, b);
    if (b->values)
        return none_is(b, a);
    if (both & (CH_J_NULL | CH_J_BOOL))
        return false;
    if ((both & CH_J_NUMBER) && !below(a, b) && !below(b, a))
        return false;
    if ((both & CH_J_STRING) &&
        !apart(a->min_length, a->max_length, b->min_length, b->max_length))
        return false;
    if ((both & CH_J_ARRAY) && !apart(a->min_items, a->max_items, b->min_items, b->max_items))
        return false;
    return !(both & CH_J_OBJECT) || objects_apart(s, a, b, depth) || objects_apart(s, b, a, depth);
}
