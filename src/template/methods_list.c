/* methods_list.c - what lists, dicts and loops can do (methods.def)
 *
 * transformers' sandbox lets templates change no list; some shipped ones do all the same, and other
 * programs let them, so append and pop are here.  What they change ends with the rendering.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "jinja.h"

/* ---- Lists ---- */

int ch_method_append(ch_jinja *j, ch_value *out, const ch_value *l, const ch_args *a)
{
    *out = ch_value_none();
    return ch_value_append(j, l->v.list, &a->at[0]);
}

int ch_method_pop(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    ch_vlist *l = v->v.list;
    int64_t at = -1;
    int rc = ch_arg_int(j, &at, &a->at[0], "the place");
    if (rc < 0)
        return rc;
    at += at < 0 ? (int64_t)l->n : 0;
    if (at < 0 || at >= (int64_t)l->n)
        return ch_jinja_fail(j, CH_EFORMAT, "pop of an element that is not there");
    *out = l->at[at];
    memmove(&l->at[at], &l->at[at + 1], (l->n - (size_t)at - 1) * sizeof *l->at);
    l->n--;
    return ch_jinja_step(j, (l->n - (size_t)at) * sizeof *l->at);
}

int ch_method_count_of(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    int64_t n = 0;
    int rc = CH_OK;
    for (size_t i = 0; i < v->v.list->n && rc == CH_OK; i++) {
        bool equal;
        rc = ch_value_equal(j, &equal, &v->v.list->at[i], &a->at[0]);
        n += equal;
    }
    *out = ch_value_int(n, false);
    return rc;
}

int ch_method_index_of(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    for (size_t i = 0; i < v->v.list->n; i++) {
        bool equal;
        int rc = ch_value_equal(j, &equal, &v->v.list->at[i], &a->at[0]);
        *out = ch_value_int((int64_t)i, false);
        if (rc < 0 || equal)
            return rc;
    }
    return ch_jinja_fail(j, CH_EFORMAT, "the value to find is not in the list");
}

/* ---- Dicts ---- */

int ch_method_get(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    size_t at;
    int rc = ch_value_find(j, &at, v->v.dict, &a->at[0]);
    if (rc < 0)
        return rc;
    if (at < v->v.dict->n)
        *out = v->v.dict->at[at].value;
    else
        *out = a->at[1].kind != CH_V_ABSENT ? a->at[1] : ch_value_none();
    return CH_OK;
}

int ch_method_copy(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)a;
    const ch_vdict *d = v->v.dict;
    int rc = ch_value_dict(j, out, CH_V_DICT, v->data);
    for (size_t i = 0; i < d->n && rc == CH_OK; i++)
        rc = ch_value_put(j, out->v.dict, &d->at[i].key, &d->at[i].value);
    return rc;
}

/* A list of keys, of values, or of both. */
static int listed(ch_jinja *j, ch_value *out, const ch_value *v, bool keys, bool values)
{
    const ch_vdict *d = v->v.dict;
    int rc = ch_value_list(j, out, CH_V_LIST, d->n, v->data);
    for (size_t i = 0; i < d->n && rc == CH_OK; i++) {
        ch_value pair = keys ? d->at[i].key : d->at[i].value;
        if (keys && values) {
            rc = ch_value_list(j, &pair, CH_V_TUPLE, 2, v->data);
            rc = rc < 0 ? rc : ch_value_append(j, pair.v.list, &d->at[i].key);
            rc = rc < 0 ? rc : ch_value_append(j, pair.v.list, &d->at[i].value);
        }
        rc = rc < 0 ? rc : ch_value_append(j, out->v.list, &pair);
        rc = rc < 0 ? rc : ch_jinja_step(j, 0);
    }
    return rc;
}

int ch_method_items(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)a;
    return listed(j, out, v, true, true);
}

int ch_method_keys(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)a;
    return listed(j, out, v, true, false);
}

int ch_method_values(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)a;
    return listed(j, out, v, false, true);
}

/* ---- Loops ---- */

int ch_method_cycle(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    if (a->n == 0)
        return ch_jinja_fail(j, CH_EFORMAT, "cycle without values");
    *out = a->at[v->v.loop->index % (size_t)a->n];
    return CH_OK;
}
