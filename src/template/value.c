/* value.c - what values are, how they compare, what lists and dicts hold
 *
 * Equality and order are Python's: True is 1, 1 is 1.0, text is ordered by code points (which
 * UTF-8's bytes are, too), lists by their first difference; other pairs of kinds have no order.
 * A dict is a list of pairs: the largest ones have tens of keys, and looking costs steps.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "jinja.h"

/* ---- Making ---- */

ch_value ch_value_undefined(ch_str name)
{
    ch_value v = {.kind = CH_V_UNDEFINED};
    v.v.s.p = name.p;
    v.v.s.n = name.n;
    return v;
}

ch_value ch_value_none(void)
{
    return (ch_value){.kind = CH_V_NONE};
}

ch_value ch_value_bool(bool b)
{
    return (ch_value){.kind = CH_V_BOOL, .v.b = b};
}

ch_value ch_value_int(int64_t i, bool data)
{
    return (ch_value){.kind = CH_V_INT, .data = data, .v.i = i};
}

ch_value ch_value_real(double r, bool data)
{
    return (ch_value){.kind = CH_V_REAL, .data = data, .v.r = r};
}

/* Room for one more of `size` bytes in an array of n. */
static int room(ch_jinja *j, void **array, size_t *cap, size_t n, size_t size)
{
    if (n < *cap)
        return CH_OK;
    const size_t more = 2 * *cap + 4;
    void *p = ch_jmem_take(&j->mem, ch_size_mul(more, size));
    if (p == NULL)
        return ch_jinja_starve(j);
    if (n > 0)
        memcpy(p, *array, n * size);
    *array = p;
    *cap = more;
    return ch_jinja_step(j, n * size);
}

int ch_value_list(ch_jinja *j, ch_value *out, ch_value_kind kind, size_t n, bool data)
{
    ch_vlist *l = ch_jmem_take(&j->mem, sizeof *l);
    ch_value *at = n > 0 ? ch_jmem_take(&j->mem, ch_size_mul(n, sizeof *at)) : NULL;
    if (l == NULL || (n > 0 && at == NULL))
        return ch_jinja_starve(j);
    *l = (ch_vlist){.at = at, .cap = n};
    *out = (ch_value){.kind = (uint8_t)kind, .data = data, .v.list = l};
    return CH_OK;
}

int ch_value_append(ch_jinja *j, ch_vlist *l, const ch_value *v)
{
    void *at = l->at;
    int rc = room(j, &at, &l->cap, l->n, sizeof *l->at);
    l->at = at;
    if (rc == CH_OK)
        l->at[l->n++] = *v;
    return rc;
}

int ch_value_dict(ch_jinja *j, ch_value *out, ch_value_kind kind, bool data)
{
    ch_vdict *d = ch_jmem_take(&j->mem, sizeof *d);
    if (d == NULL)
        return ch_jinja_starve(j);
    *out = (ch_value){.kind = (uint8_t)kind, .data = data, .v.dict = d};
    return CH_OK;
}

static bool same_text(const ch_value *a, const ch_value *b)
{
    return a->v.s.n == b->v.s.n &&
           (a->v.s.n == 0 || memcmp(a->v.s.p, b->v.s.p, a->v.s.n) == 0);
}

int ch_value_find(ch_jinja *j, size_t *at, const ch_vdict *d, const ch_value *key)
{
    *at = d->n;
    if (key->kind == CH_V_LIST || key->kind == CH_V_DICT)
        return ch_jinja_fail(j, CH_EFORMAT, "%s cannot be a key", ch_value_type(key));
    size_t work = 0;
    for (size_t i = 0; i < d->n; i++) {
        bool equal = false;
        work += 8;
        if (key->kind == CH_V_TEXT && d->at[i].key.kind == CH_V_TEXT) {
            equal = same_text(key, &d->at[i].key);
            work += key->v.s.n == d->at[i].key.v.s.n ? key->v.s.n : 0;
        } else if (key->kind != CH_V_TEXT && d->at[i].key.kind != CH_V_TEXT) {
            int rc = ch_value_equal(j, &equal, key, &d->at[i].key);
            if (rc < 0)
                return rc;
        }
        if (equal) {
            *at = i;
            break;
        }
    }
    return ch_jinja_step(j, work);
}

int ch_value_put(ch_jinja *j, ch_vdict *d, const ch_value *key, const ch_value *value)
{
    size_t at;
    int rc = ch_value_find(j, &at, d, key);
    if (rc < 0)
        return rc;
    if (at < d->n) {
        d->at[at].value = *value;
        return CH_OK;
    }
    void *pairs = d->at;
    rc = room(j, &pairs, &d->cap, d->n, sizeof *d->at);
    d->at = pairs;
    if (rc == CH_OK)
        d->at[d->n++] = (ch_vpair){*key, *value};
    return rc;
}

/* ---- Asking ---- */

bool ch_value_is_list(const ch_value *v)
{
    return v->kind == CH_V_LIST || v->kind == CH_V_TUPLE || v->kind == CH_V_SERIES;
}

bool ch_value_is_number(const ch_value *v)
{
    return v->kind == CH_V_BOOL || v->kind == CH_V_INT || v->kind == CH_V_REAL;
}

double ch_value_number(const ch_value *v)
{
    return v->kind == CH_V_REAL ? v->v.r : v->kind == CH_V_INT ? (double)v->v.i : (double)v->v.b;
}

static int64_t whole(const ch_value *v)
{
    return v->kind == CH_V_INT ? v->v.i : v->v.b;
}

const char *ch_value_type(const ch_value *v)
{
    static const char *const names[CH_V_KINDS] = {
        "nothing", "Undefined", "NoneType", "bool", "int", "float", "str", "list", "tuple",
        "generator", "dict", "Namespace", "LoopContext", "Macro", "function", "method"};
    return names[v->kind];
}

bool ch_value_true(const ch_value *v)
{
    switch ((ch_value_kind)v->kind) {
    case CH_V_ABSENT:
    case CH_V_UNDEFINED:
    case CH_V_NONE: return false;
    case CH_V_BOOL: return v->v.b;
    case CH_V_INT: return v->v.i != 0;
    case CH_V_REAL: return v->v.r != 0;
    case CH_V_TEXT: return v->v.s.n > 0;
    case CH_V_LIST:
    case CH_V_TUPLE: return v->v.list->n > 0;
    case CH_V_DICT: return v->v.dict->n > 0;
    default: return true;
    }
}

/* Numbers: whole ones exactly. */
static int order_numbers(const ch_value *a, const ch_value *b)
{
    if (a->kind != CH_V_REAL && b->kind != CH_V_REAL)
        return (whole(a) > whole(b)) - (whole(a) < whole(b));
    const double x = ch_value_number(a), y = ch_value_number(b);
    return (x > y) - (x < y);
}

static bool equal_numbers(const ch_value *a, const ch_value *b)
{
    const bool whole_ones = a->kind != CH_V_REAL && b->kind != CH_V_REAL;
    return whole_ones ? whole(a) == whole(b) : ch_value_number(a) == ch_value_number(b);
}

static int equal_lists(ch_jinja *j, bool *out, const ch_vlist *a, const ch_vlist *b)
{
    *out = a->n == b->n;
    int rc = CH_OK;
    for (size_t i = 0; i < a->n && i < b->n && *out && rc == CH_OK; i++)
        rc = ch_value_equal(j, out, &a->at[i], &b->at[i]);
    return rc;
}

static int equal_dicts(ch_jinja *j, bool *out, const ch_vdict *a, const ch_vdict *b)
{
    *out = a->n == b->n;
    int rc = CH_OK;
    for (size_t i = 0, at; i < a->n && *out && rc == CH_OK; i++) {
        rc = ch_value_find(j, &at, b, &a->at[i].key);
        *out = rc == CH_OK && at < b->n;
        if (*out)
            rc = ch_value_equal(j, out, &a->at[i].value, &b->at[at].value);
    }
    return rc;
}

static int equal_alike(ch_jinja *j, bool *out, const ch_value *a, const ch_value *b)
{
    switch ((ch_value_kind)a->kind) {
    case CH_V_ABSENT:
    case CH_V_UNDEFINED:
    case CH_V_NONE: *out = true; return CH_OK;
    case CH_V_TEXT: *out = same_text(a, b); return ch_jinja_step(j, a->v.s.n);
    case CH_V_LIST:
    case CH_V_TUPLE: return equal_lists(j, out, a->v.list, b->v.list);
    case CH_V_DICT: return equal_dicts(j, out, a->v.dict, b->v.dict);
    case CH_V_METHOD: *out = a->v.m.fn == b->v.m.fn && a->v.m.self == b->v.m.self; return CH_OK;
    default: *out = a->v.list == b->v.list; return CH_OK; /* all of these are pointers */
    }
}

int ch_value_equal(ch_jinja *j, bool *out, const ch_value *a, const ch_value *b)
{
    *out = false;
    int rc = ch_jinja_enter(j);
    if (rc < 0)
        return rc;
    if (ch_value_is_number(a) && ch_value_is_number(b))
        *out = equal_numbers(a, b);
    else if (a->kind == b->kind)
        rc = equal_alike(j, out, a, b);
    j->depth--;
    return rc;
}

static int order_lists(ch_jinja *j, int *out, const ch_vlist *a, const ch_vlist *b)
{
    int rc = CH_OK;
    for (size_t i = 0; i < a->n && i < b->n && rc == CH_OK; i++) {
        bool equal;
        rc = ch_value_equal(j, &equal, &a->at[i], &b->at[i]);
        if (rc == CH_OK && !equal)
            return ch_value_order(j, out, &a->at[i], &b->at[i]);
    }
    *out = (a->n > b->n) - (a->n < b->n);
    return rc;
}

int ch_value_order(ch_jinja *j, int *out, const ch_value *a, const ch_value *b)
{
    int rc = ch_jinja_enter(j);
    if (rc < 0)
        return rc;
    *out = 0;
    if (ch_value_is_number(a) && ch_value_is_number(b)) {
        *out = order_numbers(a, b);
    } else if (a->kind == CH_V_TEXT && b->kind == CH_V_TEXT) {
        const size_t n = CH_MIN(a->v.s.n, b->v.s.n);
        const int c = n > 0 ? memcmp(a->v.s.p, b->v.s.p, n) : 0;
        *out = c != 0 ? (c > 0) - (c < 0) : (a->v.s.n > b->v.s.n) - (a->v.s.n < b->v.s.n);
        rc = ch_jinja_step(j, n);
    } else if (a->kind == b->kind && (a->kind == CH_V_LIST || a->kind == CH_V_TUPLE)) {
        rc = order_lists(j, out, a->v.list, b->v.list);
    } else {
        rc = ch_jinja_fail(j, CH_EFORMAT, "%s and %s have no order", ch_value_type(a),
                           ch_value_type(b));
    }
    j->depth--;
    return rc;
}

int ch_value_contains(ch_jinja *j, bool *out, const ch_value *all, const ch_value *one)
{
    *out = false;
    if (all->kind == CH_V_TEXT) {
        if (one->kind != CH_V_TEXT)
            return ch_jinja_fail(j, CH_EFORMAT, "text holds text, no %s", ch_value_type(one));
        *out = ch_text_find(all, one, 0) != SIZE_MAX;
        return ch_jinja_step(j, all->v.s.n);
    }
    if (all->kind == CH_V_DICT) {
        size_t at;
        int rc = ch_value_find(j, &at, all->v.dict, one);
        *out = rc == CH_OK && at < all->v.dict->n;
        return rc;
    }
    const ch_vlist *l;
    int rc = ch_value_items(j, &l, all);
    for (size_t i = 0; rc == CH_OK && i < l->n && !*out; i++)
        rc = ch_value_equal(j, out, &l->at[i], one);
    return rc < 0 ? rc : ch_jinja_step(j, 16 * l->n);
}

/* ---- Going over ---- */

static int characters(ch_jinja *j, ch_value *out, const ch_value *s)
{
    const size_t n = ch_text_count(s);
    int rc = ch_value_list(j, out, CH_V_LIST, n, false);
    for (size_t i = 0, at = 0, end; rc == CH_OK && i < n; i++, at = end) {
        end = at + 1;
        while (end < s->v.s.n && ((unsigned char)s->v.s.p[end] & 0xc0) == 0x80)
            end++;
        const ch_value one = ch_text_part(s, at, end - at);
        rc = ch_value_append(j, out->v.list, &one);
    }
    return rc < 0 ? rc : ch_jinja_step(j, 16 * n);
}

int ch_value_items(ch_jinja *j, const ch_vlist **out, const ch_value *v)
{
    ch_value made = {0};
    int rc;
    if (ch_value_is_list(v)) {
        *out = v->v.list;
        return CH_OK;
    }
    if (v->kind == CH_V_TEXT) {
        rc = characters(j, &made, v);
    } else if (v->kind == CH_V_DICT) {
        rc = ch_value_list(j, &made, CH_V_LIST, v->v.dict->n, v->data);
        for (size_t i = 0; rc == CH_OK && i < v->v.dict->n; i++)
            rc = ch_value_append(j, made.v.list, &v->v.dict->at[i].key);
    } else if (v->kind == CH_V_UNDEFINED) {
        rc = ch_value_list(j, &made, CH_V_LIST, 0, false);
    } else {
        return ch_jinja_fail(j, CH_EFORMAT, "%s cannot be gone over", ch_value_type(v));
    }
    if (rc == CH_OK)
        *out = made.v.list;
    return rc;
}

int ch_value_length(ch_jinja *j, size_t *out, const ch_value *v)
{
    *out = 0;
    if (v->kind == CH_V_TEXT) {
        *out = ch_text_count(v);
        return ch_jinja_step(j, v->v.s.n);
    }
    if (ch_value_is_list(v))
        *out = v->v.list->n;
    else if (v->kind == CH_V_DICT)
        *out = v->v.dict->n;
    else if (v->kind != CH_V_UNDEFINED)
        return ch_jinja_fail(j, CH_EFORMAT, "%s has no length", ch_value_type(v));
    return CH_OK;
}
