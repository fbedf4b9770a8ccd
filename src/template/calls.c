/* calls.c - arguments, macros, and the functions that every template may call
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "jinja.h"

/* ---- Arguments ---- */

int ch_args_read(ch_jinja *j, ch_args *a, const ch_node *first)
{
    a->n = 0;
    for (const ch_node *x = first; x != NULL; x = x->next) {
        const bool named = x->kind == CH_N_NAMED;
        int rc = ch_express(j, &a->at[a->n], named ? x->a : x);
        if (rc < 0)
            return rc;
        a->name[a->n++] = named ? x->name : (ch_str){0};
    }
    return CH_OK;
}

int ch_arg_int(ch_jinja *j, int64_t *out, const ch_value *v, const char *what)
{
    if (v->kind == CH_V_ABSENT)
        return CH_OK;
    if (v->kind != CH_V_INT && v->kind != CH_V_BOOL)
        return ch_jinja_fail(j, CH_EFORMAT, "%s is %s, wanted int", what, ch_value_type(v));
    *out = v->kind == CH_V_INT ? v->v.i : v->v.b;
    return CH_OK;
}

int ch_arg_text(ch_jinja *j, ch_value *out, const ch_value *v, const char *what)
{
    if (v->kind == CH_V_ABSENT)
        return CH_OK;
    if (v->kind != CH_V_TEXT)
        return ch_jinja_fail(j, CH_EFORMAT, "%s is %s, wanted str", what, ch_value_type(v));
    *out = *v;
    return CH_OK;
}

enum { NAMES_MAX = 8 };

/* The names of a builtin's arguments as a list; their number. */
static int split_names(ch_str out[NAMES_MAX], const char *names)
{
    int n = 0;
    while (*names != 0 && n < NAMES_MAX) {
        const size_t length = strcspn(names, " ");
        out[n++] = (ch_str){names, length};
        names += length + (names[length] == ' ');
    }
    return n;
}

static bool same(ch_str a, ch_str b)
{
    return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

int ch_call_builtin(ch_jinja *j, ch_value *out, const ch_builtin *b, const ch_value *self,
                    ch_args *a)
{
    if (b->names == NULL)
        return b->fn(j, out, self, a);
    ch_str name[NAMES_MAX];
    ch_value at[NAMES_MAX] = {{0}};
    const int n = split_names(name, b->names);
    for (int i = 0; i < a->n; i++) {
        int k = i;
        if (a->name[i].p != NULL)
            for (k = 0; k < n && !same(name[k], a->name[i]); k++)
                ;
        if (k >= n && a->name[i].p != NULL)
            return ch_jinja_fail(j, CH_EFORMAT, "%s has no argument '%.*s'", b->name,
                                 (int)CH_MIN(a->name[i].n, (size_t)40), a->name[i].p);
        if (k >= n)
            return ch_jinja_fail(j, CH_EFORMAT, "%s takes %d arguments, not %d", b->name, n, a->n);
        if (at[k].kind != CH_V_ABSENT)
            return ch_jinja_fail(j, CH_EFORMAT, "%s gets its argument '%.*s' twice", b->name,
                                 (int)name[k].n, name[k].p);
        at[k] = a->at[i];
    }
    for (int k = 0; k < b->least; k++)
        if (at[k].kind == CH_V_ABSENT)
            return ch_jinja_fail(j, CH_EFORMAT, "%s lacks its argument '%.*s'", b->name,
                                 (int)name[k].n, name[k].p);
    memcpy(a->at, at, sizeof at);
    a->n = n;
    return b->fn(j, out, self, a);
}

/* ---- Macros ---- */

static int too_many(ch_jinja *j, const ch_vmacro *m, ch_str unknown)
{
    const ch_str name = m->node->name.p != NULL ? m->node->name : (ch_str){"caller", 6};
    if (unknown.p != NULL)
        return ch_jinja_fail(j, CH_EFORMAT, "macro %.*s has no parameter '%.*s'", (int)name.n,
                             name.p, (int)unknown.n, unknown.p);
    return ch_jinja_fail(j, CH_EFORMAT, "too many arguments for macro %.*s", (int)name.n, name.p);
}

/* Into j->scope: arguments by place, then by name, then the defaults. */
static int bind(ch_jinja *j, const ch_vmacro *m, const ch_args *a)
{
    static const ch_str caller = {"caller", 6};
    bool used[CH_ARGS_MAX] = {false};
    int place = 0, rc = CH_OK;
    for (const ch_node *x = m->node->more; x != NULL && rc == CH_OK; x = x->next, place++) {
        ch_value v = ch_value_undefined(x->name);
        int i = place < a->n && a->name[place].p == NULL ? place : a->n;
        for (int k = 0; k < a->n && i == a->n; k++)
            if (a->name[k].p != NULL && same(a->name[k], x->name))
                i = k;
        if (i < a->n) {
            used[i] = true;
            v = a->at[i];
        } else if (x->a != NULL) {
            rc = ch_express(j, &v, x->a);
        }
        if (rc == CH_OK)
            rc = ch_scope_set(j, x->name, &v);
    }
    for (int i = 0; i < a->n && rc == CH_OK; i++) {
        if (used[i])
            continue;
        if (a->name[i].p == NULL || !same(a->name[i], caller))
            return too_many(j, m, a->name[i]);
        rc = ch_scope_set(j, caller, &a->at[i]);
    }
    return rc;
}

static int call_macro(ch_jinja *j, ch_value *out, const ch_vmacro *m, const ch_args *a)
{
    ch_scope *outer = j->scope;
    int rc = ch_jinja_enter(j);
    if (rc < 0)
        return rc;
    rc = ch_scope_open(j, m->scope);
    if (rc == CH_OK)
        rc = bind(j, m, a);
    if (rc == CH_OK)
        rc = ch_render_text(j, out, m->node->list);
    j->scope = outer;
    j->depth--;
    return rc;
}

int ch_call(ch_jinja *j, ch_value *out, const ch_value *callee, ch_args *a)
{
    switch ((ch_value_kind)callee->kind) {
    case CH_V_MACRO: return call_macro(j, out, callee->v.macro, a);
    case CH_V_FUNCTION: return ch_call_builtin(j, out, callee->v.fn, NULL, a);
    case CH_V_METHOD: return ch_call_builtin(j, out, callee->v.m.fn, callee->v.m.self, a);
    case CH_V_UNDEFINED:
        return ch_jinja_fail(j, CH_EFORMAT, "'%.*s' is called, but is undefined",
                             (int)CH_MIN(callee->v.s.n, (size_t)80), callee->v.s.p);
    default:
        return ch_jinja_fail(j, CH_EFORMAT, "%s cannot be called", ch_value_type(callee));
    }
}

/* ---- Functions ---- */

/* namespace(a=1) and dict(a=1), or of a dict. */
static int of_names(ch_jinja *j, ch_value *out, ch_value_kind kind, const ch_args *a)
{
    int rc = ch_value_dict(j, out, kind, false);
    for (int i = 0; i < a->n && rc == CH_OK; i++) {
        const ch_value *v = &a->at[i];
        const ch_value key = ch_text(a->name[i].p, a->name[i].n, false);
        if (a->name[i].p != NULL) {
            rc = ch_value_put(j, out->v.dict, &key, v);
            continue;
        }
        if (v->kind != CH_V_DICT)
            return ch_jinja_fail(j, CH_EFORMAT, "%s is no dict", ch_value_type(v));
        for (size_t k = 0; k < v->v.dict->n && rc == CH_OK; k++)
            rc = ch_value_put(j, out->v.dict, &v->v.dict->at[k].key, &v->v.dict->at[k].value);
    }
    return rc;
}

static int namespace(ch_jinja *j, ch_value *out, const ch_value *self, const ch_args *a)
{
    (void)self;
    return of_names(j, out, CH_V_NAMESPACE, a);
}

static int dict(ch_jinja *j, ch_value *out, const ch_value *self, const ch_args *a)
{
    (void)self;
    return of_names(j, out, CH_V_DICT, a);
}

static int range(ch_jinja *j, ch_value *out, const ch_value *self, const ch_args *a)
{
    enum { RANGE_MAX = 100000 }; /* as Jinja's sandbox */
    (void)self;
    int64_t from = 0, to = 0, step = 1;
    const bool one = a->at[1].kind == CH_V_ABSENT;
    const bool data = a->at[0].data || a->at[1].data || a->at[2].data;
    int rc = ch_arg_int(j, one ? &to : &from, &a->at[0], "range's bound");
    rc = rc < 0 ? rc : ch_arg_int(j, &to, &a->at[1], "range's bound");
    rc = rc < 0 ? rc : ch_arg_int(j, &step, &a->at[2], "range's step");
    if (rc < 0)
        return rc;
    if (step == 0)
        return ch_jinja_fail(j, CH_EFORMAT, "range's step is 0");
    rc = ch_value_list(j, out, CH_V_LIST, 0, false);
    while (rc == CH_OK && (step > 0 ? from < to : from > to)) {
        const ch_value v = ch_value_int(from, data);
        if (out->v.list->n == RANGE_MAX)
            return ch_jinja_fail(j, CH_ELIMIT, "a range of more than %d numbers", RANGE_MAX);
        rc = ch_value_append(j, out->v.list, &v);
        if (rc == CH_OK)
            rc = ch_jinja_step(j, 0);
        if (__builtin_add_overflow(from, step, &from))
            break;
    }
    return rc;
}

static int raise_exception(ch_jinja *j, ch_value *out, const ch_value *self, const ch_args *a)
{
    (void)self;
    int rc = ch_value_text(j, out, &a->at[0]);
    return rc < 0 ? rc
                  : ch_jinja_fail(j, CH_EARG, "%.*s", (int)CH_MIN(out->v.s.n, (size_t)250),
                                  out->v.s.p);
}

static int strftime_now(ch_jinja *j, ch_value *out, const ch_value *self, const ch_args *a)
{
    static const char known[] = "aAbBdeHIjklmMpSyYDFTRuwUWC%";
    (void)self;
    ch_value format = {0};
    ch_jout o = {0};
    int rc = ch_arg_text(j, &format, &a->at[0], "strftime_now's format");
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < format.v.s.n; i++) {
        char one[4] = {format.v.s.p[i]}, text[64];
        if (one[0] != '%') {
            ch_jout_put(j, &o, one, 1, format.data);
            continue;
        }
        const size_t plain = i + 1 < format.v.s.n && format.v.s.p[i + 1] == '-'; /* %-d */
        i += 1 + plain;
        const char c = i < format.v.s.n ? format.v.s.p[i] : 0;
        if (c == 0 || strchr(known, c) == NULL)
            return ch_jinja_fail(j, CH_EUNSUPPORTED, "strftime_now knows no %%%c", c ? c : ' ');
        memcpy(one, plain ? (char[]){'%', '-', c, 0} : (char[]){'%', c, 0, 0}, sizeof one);
        const size_t n = strftime(text, sizeof text, one, j->now);
        ch_jout_put(j, &o, text, n, format.data);
    }
    return ch_jout_end(out, &o);
}

const ch_builtin *ch_builtin_global(ch_str name, bool has_date)
{
    static const ch_builtin all[] = {
        {"namespace", namespace, NULL, 0, 0},
        {"dict", dict, NULL, 0, 0},
        {"range", range, "start stop step", 1, 0},
        {"raise_exception", raise_exception, "message", 1, 0},
        {"strftime_now", strftime_now, "format", 1, 0}, /* the last */
    };
    for (size_t i = 0; i + !has_date < CH_COUNT(all); i++)
        if (strlen(all[i].name) == name.n && memcmp(all[i].name, name.p, name.n) == 0)
            return &all[i];
    return NULL;
}
