/* express.c - the value of an expression
 *
 * SPDX-License-Identifier: MIT */
#include "jinja.h"

static int name(ch_jinja *j, ch_value *out, const ch_node *n)
{
    const ch_value *v = ch_scope_find(j, j->scope, n->name);
    if (v != NULL) {
        *out = *v;
        return CH_OK;
    }
    const ch_builtin *b = ch_builtin_global(n->name, j->now != NULL);
    *out = ch_value_undefined(n->name);
    if (b != NULL) {
        *out = (ch_value){.kind = CH_V_FUNCTION};
        out->v.fn = b;
    }
    return CH_OK;
}

static int list(ch_jinja *j, ch_value *out, const ch_node *n)
{
    ch_value one;
    int rc = ch_value_list(j, out, n->kind == CH_N_TUPLE ? CH_V_TUPLE : CH_V_LIST, 0, false);
    for (const ch_node *x = n->list; x != NULL && rc == CH_OK; x = x->next) {
        rc = ch_express(j, &one, x);
        if (rc == CH_OK)
            rc = ch_value_append(j, out->v.list, &one);
    }
    return rc;
}

static int dict(ch_jinja *j, ch_value *out, const ch_node *n)
{
    ch_value key, value;
    int rc = ch_value_dict(j, out, CH_V_DICT, false);
    for (const ch_node *x = n->list; x != NULL && rc == CH_OK; x = x->next->next) {
        rc = ch_express(j, &key, x);
        if (rc == CH_OK)
            rc = ch_express(j, &value, x->next);
        j->at = x;
        if (rc == CH_OK)
            rc = ch_value_put(j, out->v.dict, &key, &value);
    }
    return rc;
}

static int part(ch_jinja *j, ch_value *out, const ch_node *n)
{
    ch_value of, bound[3] = {{0}};
    const ch_node *const bounds[] = {n->b, n->c, n->list};
    int rc = ch_express(j, &of, n->a);
    const int count = n->kind == CH_N_SLICE ? 3 : n->kind == CH_N_ITEM ? 1 : 0;
    for (int i = 0; i < count && rc == CH_OK; i++)
        if (bounds[i] != NULL)
            rc = ch_express(j, &bound[i], bounds[i]);
    if (rc < 0)
        return rc;
    j->at = n;
    if (n->kind == CH_N_ATTR)
        return ch_value_attr(j, out, &of, n->name);
    return n->kind == CH_N_ITEM ? ch_value_item(j, out, &of, &bound[0])
                                : ch_value_slice(j, out, &of, bound);
}

/* ---- Calls ---- */

static int call(ch_jinja *j, ch_value *out, const ch_node *n)
{
    ch_value callee;
    ch_args a;
    int rc = ch_express(j, &callee, n->a);
    if (rc == CH_OK)
        rc = ch_args_read(j, &a, n->list);
    j->at = n;
    return rc < 0 ? rc : ch_call(j, out, &callee, &a);
}

static int filter(ch_jinja *j, ch_value *out, const ch_node *n)
{
    ch_value self;
    ch_args a;
    int rc = ch_express(j, &self, n->a);
    if (rc == CH_OK)
        rc = ch_args_read(j, &a, n->list);
    j->at = n;
    if (rc == CH_OK && n->builtin == NULL)
        return ch_jinja_fail(j, CH_EUNSUPPORTED, "there is no %s '%.*s' here",
                             n->kind == CH_N_TEST ? "test" : "filter", (int)n->name.n, n->name.p);
    return rc < 0 ? rc : ch_call_builtin(j, out, n->builtin, &self, &a);
}

/* ---- Operators ---- */

static int logic(ch_jinja *j, ch_value *out, const ch_node *n)
{
    int rc = ch_express(j, out, n->a);
    if (rc < 0 || ch_value_true(out) != (n->kind == CH_N_AND))
        return rc;
    return ch_express(j, out, n->b);
}

static int cond(ch_jinja *j, ch_value *out, const ch_node *n)
{
    ch_value test;
    int rc = ch_express(j, &test, n->b);
    if (rc < 0)
        return rc;
    if (ch_value_true(&test))
        return ch_express(j, out, n->a);
    *out = ch_value_undefined((ch_str){0});
    return n->c != NULL ? ch_express(j, out, n->c) : CH_OK;
}

static int compare(ch_jinja *j, ch_value *out, const ch_node *n)
{
    ch_value left, right;
    bool is = true;
    int rc = ch_express(j, &left, n->a);
    for (const ch_node *x = n->list; x != NULL && is && rc == CH_OK; x = x->next, left = right) {
        rc = ch_express(j, &right, x->a);
        j->at = x;
        if (rc == CH_OK)
            rc = ch_value_compare(j, &is, x->op, &left, &right);
    }
    *out = ch_value_bool(is);
    return rc;
}

static int binary(ch_jinja *j, ch_value *out, const ch_node *n)
{
    ch_value a, b = {0};
    int rc = ch_express(j, &a, n->a);
    if (rc == CH_OK && n->kind == CH_N_BINARY)
        rc = ch_express(j, &b, n->b);
    j->at = n;
    if (rc < 0)
        return rc;
    return n->kind == CH_N_BINARY ? ch_value_binary(j, out, n->op, &a, &b)
                                  : ch_value_sign(j, out, n->op, &a);
}

static int express(ch_jinja *j, ch_value *out, const ch_node *n)
{
    int rc;
    switch ((ch_node_kind)n->kind) {
    case CH_N_CONST: *out = n->value; return CH_OK;
    case CH_N_HELD: *out = j->held; return CH_OK;
    case CH_N_NAME: return name(j, out, n);
    case CH_N_LIST:
    case CH_N_TUPLE: return list(j, out, n);
    case CH_N_DICT: return dict(j, out, n);
    case CH_N_ATTR:
    case CH_N_ITEM:
    case CH_N_SLICE: return part(j, out, n);
    case CH_N_CALL: return call(j, out, n);
    case CH_N_FILTER:
    case CH_N_TEST: return filter(j, out, n);
    case CH_N_NOT:
        rc = ch_express(j, out, n->a);
        *out = ch_value_bool(rc == CH_OK && !ch_value_true(out));
        return rc;
    case CH_N_AND:
    case CH_N_OR: return logic(j, out, n);
    case CH_N_COND: return cond(j, out, n);
    case CH_N_COMPARE: return compare(j, out, n);
    default: return binary(j, out, n); /* CH_N_BINARY, CH_N_SIGN */
    }
}

int ch_express(ch_jinja *j, ch_value *out, const ch_node *n)
{
    *out = (ch_value){.kind = CH_V_UNDEFINED};
    j->at = n;
    int rc = ch_jinja_enter(j);
    if (rc < 0)
        return rc;
    rc = express(j, out, n);
    j->depth--;
    return rc;
}
