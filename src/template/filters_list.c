/* filters_list.c - what may stand behind | (filters.def): lists and what is made of them
 *
 * Where Jinja gives a generator, a series comes: a list that is true even when it is empty.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "jinja.h"

/* ---- Attributes by a path ---- */

/* "a.b.0", or a number: x['a']['b'][0] */
static int follow(ch_jinja *j, ch_value *out, const ch_value *v, const ch_value *path)
{
    ch_value at = *v;
    int rc = CH_OK;
    if (path->kind != CH_V_TEXT)
        return ch_value_item(j, out, v, path);
    for (size_t from = 0; from <= path->v.s.n && rc == CH_OK;) {
        const char *p = path->v.s.p + from, *dot = memchr(p, '.', path->v.s.n - from);
        const size_t n = dot != NULL ? (size_t)(dot - p) : path->v.s.n - from;
        ch_value key = ch_text(p, n, false);
        int64_t i = 0;
        size_t digits = 0;
        while (digits < n && digits < 9 && p[digits] >= '0' && p[digits] <= '9')
            i = i * 10 + p[digits++] - '0';
        if (n > 0 && digits == n)
            key = ch_value_int(i, false);
        const ch_value of = at;
        rc = ch_jinja_step(j, n);
        if (rc == CH_OK)
            rc = ch_value_item(j, &at, &of, &key);
        from += n + 1;
    }
    *out = at;
    return rc;
}

/* What values are compared by: an attribute, and without `exact` in lower case. */
static int key_of(ch_jinja *j, ch_value *out, const ch_value *v, const ch_value *path, bool exact)
{
    int rc = CH_OK;
    *out = *v;
    if (path->kind != CH_V_ABSENT && path->kind != CH_V_NONE)
        rc = follow(j, out, v, path);
    if (rc == CH_OK && !exact && out->kind == CH_V_TEXT) {
        const ch_value s = *out;
        rc = ch_method_lower(j, out, &s, NULL);
    }
    return rc;
}

/* ---- Ends and order ---- */

int ch_filter_list(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)a;
    const ch_vlist *l;
    int rc = ch_value_items(j, &l, v);
    if (rc == CH_OK)
        rc = ch_value_list(j, out, CH_V_LIST, l->n, v->data);
    for (size_t i = 0; rc == CH_OK && i < l->n; i++)
        rc = ch_value_append(j, out->v.list, &l->at[i]);
    return rc < 0 ? rc : ch_jinja_step(j, 32 * l->n);
}

static int end_of(ch_jinja *j, ch_value *out, const ch_value *v, bool last)
{
    const ch_vlist *l;
    int rc = ch_value_items(j, &l, v);
    if (rc == CH_OK)
        *out = l->n > 0 ? l->at[last ? l->n - 1 : 0] : ch_value_undefined((ch_str){0});
    return rc;
}

int ch_filter_first(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)a;
    return end_of(j, out, v, false);
}

int ch_filter_last(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)a;
    return end_of(j, out, v, true);
}

int ch_filter_reverse(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)a;
    static const ch_value back[3] = {{0}, {0}, {.kind = CH_V_INT, .v.i = -1}};
    const ch_vlist *l;
    if (v->kind == CH_V_TEXT)
        return ch_value_slice(j, out, v, back);
    int rc = ch_value_items(j, &l, v);
    if (rc == CH_OK)
        rc = ch_value_list(j, out, CH_V_SERIES, l->n, v->data);
    for (size_t i = rc == CH_OK ? l->n : 0; i > 0 && rc == CH_OK; i--)
        rc = ch_value_append(j, out->v.list, &l->at[i - 1]);
    return rc < 0 ? rc : ch_jinja_step(j, 32 * l->n);
}

typedef struct sortable {
    ch_value key, value;
} sortable;

/* Merges a[0..n) and a[n..m) into to; equal ones stay in their order, backwards too. */
static int merge(ch_jinja *j, sortable *to, const sortable *a, size_t n, size_t m, bool down)
{
    int rc = CH_OK;
    for (size_t i = 0, k = n, at = 0; at < m && rc == CH_OK; at++) {
        int order = i == n ? 1 : -1;
        if (i < n && k < m) {
            rc = ch_value_order(j, &order, &a[i].key, &a[k].key);
            order = down ? -order : order;
        }
        to[at] = order <= 0 ? a[i++] : a[k++];
    }
    return rc;
}

static int sort(ch_jinja *j, sortable *a, size_t n, bool down)
{
    sortable *spare = n > 1 ? ch_jmem_take(&j->mem, n * sizeof *spare) : a;
    if (spare == NULL)
        return ch_jinja_starve(j);
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t i = 0; i < n; i += 2 * width) {
            const size_t all = CH_MIN(2 * width, n - i);
            int rc = merge(j, spare + i, a + i, CH_MIN(width, all), all, down);
            if (rc < 0)
                return rc;
        }
        memcpy(a, spare, n * sizeof *a);
    }
    return CH_OK;
}

/* A list of all of l, sorted by key_of. */
static int sorted(ch_jinja *j, ch_value *out, const ch_vlist *l, const ch_value *path, bool exact,
                  bool down)
{
    sortable *a = ch_jmem_take(&j->mem, ch_size_mul(l->n, sizeof *a));
    if (a == NULL)
        return ch_jinja_starve(j);
    int rc = CH_OK;
    for (size_t i = 0; i < l->n && rc == CH_OK; i++) {
        a[i].value = l->at[i];
        rc = key_of(j, &a[i].key, &l->at[i], path, exact);
    }
    if (rc == CH_OK)
        rc = sort(j, a, l->n, down);
    if (rc == CH_OK)
        rc = ch_value_list(j, out, CH_V_LIST, l->n, false);
    for (size_t i = 0; i < l->n && rc == CH_OK; i++)
        rc = ch_value_append(j, out->v.list, &a[i].value);
    return rc;
}

int ch_filter_sort(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    const bool down = ch_value_true(&a->at[0]), exact = ch_value_true(&a->at[1]);
    const ch_vlist *l;
    if (a->at[2].kind == CH_V_TEXT && memchr(a->at[2].v.s.p, ',', a->at[2].v.s.n) != NULL)
        return ch_jinja_fail(j, CH_EUNSUPPORTED, "sorting by several attributes");
    int rc = ch_value_items(j, &l, v);
    return rc < 0 ? rc : sorted(j, out, l, &a->at[2], exact, down);
}

/* dictsort(case_sensitive=false, by='key', reverse=false): a list of pairs */
int ch_filter_dictsort(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    const bool exact = ch_value_true(&a->at[0]), down = ch_value_true(&a->at[2]);
    ch_value pairs;
    if (v->kind != CH_V_DICT)
        return ch_jinja_fail(j, CH_EFORMAT, "%s is no dict to sort", ch_value_type(v));
    const bool by_value = ch_text_is(&a->at[1], "value");
    if (a->at[1].kind != CH_V_ABSENT && !by_value && !ch_text_is(&a->at[1], "key"))
        return ch_jinja_fail(j, CH_EFORMAT, "dictsort goes by 'key' or 'value'");
    const ch_value which = ch_value_int(by_value, false);
    int rc = ch_method_items(j, &pairs, v, NULL);
    return rc < 0 ? rc : sorted(j, out, pairs.v.list, &which, exact, down);
}

int ch_filter_items(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    if (v->kind == CH_V_UNDEFINED)
        return ch_value_list(j, out, CH_V_SERIES, 0, false);
    if (v->kind != CH_V_DICT)
        return ch_jinja_fail(j, CH_EFORMAT, "%s has no items", ch_value_type(v));
    int rc = ch_method_items(j, out, v, a);
    out->kind = CH_V_SERIES;
    return rc;
}

/* ---- Some of them ---- */

static int extreme(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a, int sign)
{
    const ch_vlist *l;
    ch_value best, key;
    const bool exact = ch_value_true(&a->at[0]);
    int rc = ch_value_items(j, &l, v);
    *out = ch_value_undefined((ch_str){0});
    for (size_t i = 0; rc == CH_OK && i < l->n; i++) {
        int order = -1;
        rc = key_of(j, &key, &l->at[i], &a->at[1], exact);
        if (rc == CH_OK && i > 0)
            rc = ch_value_order(j, &order, &key, &best);
        if (i > 0 && order * sign >= 0)
            continue;
        best = key;
        *out = l->at[i];
    }
    return rc;
}

int ch_filter_min(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    return extreme(j, out, v, a, 1);
}

int ch_filter_max(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    return extreme(j, out, v, a, -1);
}

int ch_filter_unique(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    const ch_vlist *l;
    ch_value keys, key;
    const bool exact = ch_value_true(&a->at[0]);
    bool seen;
    int rc = ch_value_items(j, &l, v);
    rc = rc < 0 ? rc : ch_value_list(j, out, CH_V_SERIES, 0, v->data);
    rc = rc < 0 ? rc : ch_value_list(j, &keys, CH_V_LIST, 0, false);
    for (size_t i = 0; rc == CH_OK && i < l->n; i++) {
        rc = key_of(j, &key, &l->at[i], &a->at[1], exact);
        rc = rc < 0 ? rc : ch_value_contains(j, &seen, &keys, &key);
        if (rc < 0 || seen)
            continue;
        rc = ch_value_append(j, keys.v.list, &key);
        rc = rc < 0 ? rc : ch_value_append(j, out->v.list, &l->at[i]);
    }
    return rc;
}

int ch_filter_sum(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    const ch_vlist *l;
    ch_value one;
    ch_value sum = a->at[1].kind != CH_V_ABSENT ? a->at[1] : ch_value_int(0, false);
    int rc = ch_value_items(j, &l, v);
    for (size_t i = 0; rc == CH_OK && i < l->n; i++) {
        const ch_value before = sum;
        rc = key_of(j, &one, &l->at[i], &a->at[0], true);
        rc = rc < 0 ? rc : ch_value_binary(j, &sum, '+', &before, &one);
    }
    *out = sum;
    return rc;
}

int ch_filter_join(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    const ch_vlist *l;
    ch_value one, between = ch_text("", 0, false);
    ch_jout o = {0};
    int rc = ch_value_items(j, &l, v);
    if (rc == CH_OK && a->at[0].kind != CH_V_ABSENT)
        rc = ch_value_text(j, &between, &a->at[0]);
    for (size_t i = 0; rc == CH_OK && i < l->n; i++) {
        if (i > 0)
            ch_jout_text(j, &o, &between);
        rc = key_of(j, &one, &l->at[i], &a->at[1], true);
        rc = rc < 0 ? rc : ch_value_show(j, &o, &one, false);
    }
    return rc < 0 ? rc : ch_jout_end(out, &o);
}

/* The filter or test that a[from] names, with the arguments behind it. */
static int named(ch_jinja *j, const ch_builtin **b, ch_args *rest, const ch_args *a, int from,
                 bool test)
{
    ch_value name;
    int rc = ch_arg_text(j, &name, &a->at[from], "a name");
    if (rc < 0)
        return rc;
    *b = test ? ch_builtin_test((ch_str){name.v.s.p, name.v.s.n})
              : ch_builtin_filter((ch_str){name.v.s.p, name.v.s.n});
    if (*b == NULL)
        return ch_jinja_fail(j, CH_EUNSUPPORTED, "there is no %s '%.*s' here",
                             test ? "test" : "filter", (int)CH_MIN(name.v.s.n, (size_t)40),
                             name.v.s.p);
    rest->n = a->n - from - 1;
    for (int i = 0; i < rest->n; i++) {
        rest->at[i] = a->at[from + 1 + i];
        rest->name[i] = a->name[from + 1 + i];
    }
    return CH_OK;
}

/* What map and select go over: nothing, where a value is false (none, 0). */
static int gone_over(ch_jinja *j, const ch_vlist **out, const ch_value *v)
{
    static const ch_vlist nothing = {0};
    *out = &nothing;
    return ch_value_true(v) ? ch_value_items(j, out, v) : CH_OK;
}

static const ch_value *option(const ch_args *a, const char *name)
{
    for (int i = 0; i < a->n; i++)
        if (a->name[i].p != NULL && a->name[i].n == strlen(name) &&
            memcmp(a->name[i].p, name, a->name[i].n) == 0)
            return &a->at[i];
    return NULL;
}

/* map(attribute=.., default=..) or map('filter', ...) */
int ch_filter_map(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    const ch_value *path = option(a, "attribute"), *or = option(a, "default");
    const ch_builtin *b = NULL;
    const ch_vlist *l;
    ch_value one;
    ch_args rest, own;
    if (path == NULL && (a->n == 0 || a->name[0].p != NULL))
        return ch_jinja_fail(j, CH_EFORMAT, "map needs a filter's name, or an attribute");
    int rc = path == NULL ? named(j, &b, &rest, a, 0, false) : CH_OK;
    rc = rc < 0 ? rc : gone_over(j, &l, v);
    rc = rc < 0 ? rc : ch_value_list(j, out, CH_V_SERIES, 0, v->data);
    for (size_t i = 0; rc == CH_OK && i < l->n; i++) {
        if (path != NULL) {
            rc = follow(j, &one, &l->at[i], path);
            if (one.kind == CH_V_UNDEFINED && or != NULL)
                one = *or;
        } else {
            own = rest; /* a call puts them in order */
            rc = ch_call_builtin(j, &one, b, &l->at[i], &own);
        }
        rc = rc < 0 ? rc : ch_value_append(j, out->v.list, &one);
    }
    return rc;
}

/* Those of which a test, or their truth, is as wanted. */
static int choose(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a, bool by_attr,
                  bool wanted)
{
    const ch_builtin *b = NULL;
    const ch_vlist *l;
    ch_value x, is;
    ch_args rest, own;
    int rc = CH_OK;
    if (by_attr && a->n == 0)
        return ch_jinja_fail(j, CH_EFORMAT, "an attribute's name is missing");
    if (a->n > by_attr)
        rc = named(j, &b, &rest, a, by_attr, true);
    rc = rc < 0 ? rc : gone_over(j, &l, v);
    rc = rc < 0 ? rc : ch_value_list(j, out, CH_V_SERIES, 0, v->data);
    for (size_t i = 0; rc == CH_OK && i < l->n; i++) {
        x = l->at[i];
        if (by_attr)
            rc = follow(j, &x, &l->at[i], &a->at[0]);
        is = x;
        if (rc == CH_OK && b != NULL) {
            own = rest;
            rc = ch_call_builtin(j, &is, b, &x, &own);
        }
        if (rc == CH_OK && ch_value_true(&is) == wanted)
            rc = ch_value_append(j, out->v.list, &l->at[i]);
        rc = rc < 0 ? rc : ch_jinja_step(j, 0);
    }
    return rc;
}

int ch_filter_select(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    return choose(j, out, v, a, false, true);
}

int ch_filter_reject(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    return choose(j, out, v, a, false, false);
}

int ch_filter_selectattr(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    return choose(j, out, v, a, true, true);
}

int ch_filter_rejectattr(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    return choose(j, out, v, a, true, false);
}
