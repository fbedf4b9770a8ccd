/* scope.c - names and what they stand for
 *
 * Loops, macros and with-blocks have scopes of their own: what is set within ends with it, and is
 * looked for outwards.  An if has none.  Blocks that change what is outside use a namespace.
 * SPDX-License-Identifier: MIT */
#include "jinja.h"

int ch_scope_open(ch_jinja *j, ch_scope *parent)
{
    ch_scope *s = ch_jmem_take(&j->mem, sizeof *s);
    if (s == NULL)
        return ch_jinja_starve(j);
    s->parent = parent;
    j->scope = s;
    return CH_OK;
}

const ch_value *ch_scope_find(ch_jinja *j, const ch_scope *s, ch_str name)
{
    const ch_value key = ch_text(name.p, name.n, false);
    for (; s != NULL; s = s->parent) {
        size_t at;
        if (ch_value_find(j, &at, &s->vars, &key) < 0)
            return NULL;
        if (at < s->vars.n)
            return &s->vars.at[at].value;
    }
    return NULL;
}

int ch_scope_set(ch_jinja *j, ch_str name, const ch_value *v)
{
    const ch_value key = ch_text(name.p, name.n, false);
    return ch_value_put(j, &j->scope->vars, &key, v);
}

static int set_attr(ch_jinja *j, const ch_node *target, const ch_value *v)
{
    ch_value space;
    int rc = ch_express(j, &space, target->a);
    if (rc < 0)
        return rc;
    j->at = target;
    if (space.kind != CH_V_NAMESPACE)
        return ch_jinja_fail(j, CH_EFORMAT,
                             "only a namespace's attributes can be set, not those of %s",
                             ch_value_type(&space));
    const ch_value key = ch_text(target->name.p, target->name.n, false);
    return ch_value_put(j, space.v.dict, &key, v);
}

int ch_scope_assign(ch_jinja *j, const ch_node *target, const ch_value *v)
{
    if (target->kind == CH_N_NAME)
        return ch_scope_set(j, target->name, v);
    if (target->kind == CH_N_ATTR)
        return set_attr(j, target, v);
    const ch_vlist *l;
    size_t wanted = 0;
    j->at = target;
    int rc = ch_value_items(j, &l, v);
    for (const ch_node *x = target->list; x != NULL; x = x->next)
        wanted++;
    if (rc == CH_OK && l->n != wanted)
        return ch_jinja_fail(j, CH_EFORMAT, "%zu values for %zu names", l->n, wanted);
    size_t i = 0;
    for (const ch_node *x = target->list; x != NULL && rc == CH_OK; x = x->next)
        rc = ch_scope_set(j, x->name, &l->at[i++]);
    return rc;
}
