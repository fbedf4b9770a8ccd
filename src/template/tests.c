/* tests.c - what may stand behind `is` (tests.def)
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include <utf8proc.h>

#include "jinja.h"

const ch_builtin *ch_builtin_test(ch_str name)
{
    static const ch_builtin all[] = {
#define TEST(name, fn, names, least) {name, ch_test_##fn, names, least, 0},
#include "tests.def"
#undef TEST
    };
    for (size_t i = 0; i < CH_COUNT(all); i++)
        if (strlen(all[i].name) == name.n && memcmp(all[i].name, name.p, name.n) == 0)
            return &all[i];
    return NULL;
}

/* ---- Of what kind it is ---- */

static int answer(ch_value *out, bool is)
{
    *out = ch_value_bool(is);
    return CH_OK;
}

int ch_test_boolean(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)j;
    (void)a;
    return answer(out, v->kind == CH_V_BOOL);
}

int ch_test_callable(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)j;
    (void)a;
    return answer(out, v->kind >= CH_V_MACRO);
}

int ch_test_defined(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)j;
    (void)a;
    return answer(out, v->kind != CH_V_UNDEFINED);
}

int ch_test_undefined(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)j;
    (void)a;
    return answer(out, v->kind == CH_V_UNDEFINED);
}

int ch_test_none(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)j;
    (void)a;
    return answer(out, v->kind == CH_V_NONE);
}

int ch_test_true(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)j;
    (void)a;
    return answer(out, v->kind == CH_V_BOOL && v->v.b);
}

int ch_test_false(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)j;
    (void)a;
    return answer(out, v->kind == CH_V_BOOL && !v->v.b);
}

int ch_test_integer(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)j;
    (void)a;
    return answer(out, v->kind == CH_V_INT);
}

int ch_test_float(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)j;
    (void)a;
    return answer(out, v->kind == CH_V_REAL);
}

int ch_test_number(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)j;
    (void)a;
    return answer(out, ch_value_is_number(v));
}

int ch_test_string(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)j;
    (void)a;
    return answer(out, v->kind == CH_V_TEXT);
}

int ch_test_mapping(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)j;
    (void)a;
    return answer(out, v->kind == CH_V_DICT);
}

int ch_test_iterable(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)j;
    (void)a;
    return answer(out, ch_value_is_list(v) || v->kind == CH_V_TEXT || v->kind == CH_V_DICT ||
                           v->kind == CH_V_UNDEFINED || v->kind == CH_V_LOOP);
}

/* Python's: it has a length and elements. */
int ch_test_sequence(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)j;
    (void)a;
    return answer(out, v->kind == CH_V_LIST || v->kind == CH_V_TUPLE || v->kind == CH_V_TEXT ||
                           v->kind == CH_V_DICT || v->kind == CH_V_UNDEFINED);
}

/* ---- How it is written ---- */

/* All its letters are of that case, and there is one. */
static bool all_of_case(const ch_value *v, bool upper)
{
    bool some = false;
    uint32_t cp;
    for (size_t i = 0; i < v->v.s.n;) {
        const int k = ch_utf8_read(&cp, v->v.s.p + i, v->v.s.n - i);
        i += k > 0 ? (size_t)k : 1;
        const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
        if (c == (upper ? UTF8PROC_CATEGORY_LL : UTF8PROC_CATEGORY_LU) ||
            c == UTF8PROC_CATEGORY_LT)
            return false;
        some |= c == (upper ? UTF8PROC_CATEGORY_LU : UTF8PROC_CATEGORY_LL);
    }
    return some;
}

static int has_case(ch_jinja *j, ch_value *out, const ch_value *v, bool upper)
{
    ch_value s;
    int rc = ch_value_text(j, &s, v);
    if (rc == CH_OK)
        rc = ch_jinja_step(j, s.v.s.n);
    return rc < 0 ? rc : answer(out, all_of_case(&s, upper));
}

int ch_test_lower(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)a;
    return has_case(j, out, v, false);
}

int ch_test_upper(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)a;
    return has_case(j, out, v, true);
}

int ch_test_filter(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)j;
    (void)a;
    return answer(out, v->kind == CH_V_TEXT &&
                           ch_builtin_filter((ch_str){v->v.s.p, v->v.s.n}) != NULL);
}

int ch_test_test(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)j;
    (void)a;
    return answer(out, v->kind == CH_V_TEXT &&
                           ch_builtin_test((ch_str){v->v.s.p, v->v.s.n}) != NULL);
}

/* ---- Beside another value ---- */

static int remainder_is(ch_jinja *j, ch_value *out, const ch_value *v, const ch_value *by,
                        int64_t wanted)
{
    const ch_value zero = ch_value_int(wanted, false);
    ch_value rest;
    bool equal = false;
    int rc = ch_value_binary(j, &rest, '%', v, by);
    if (rc == CH_OK)
        rc = ch_value_equal(j, &equal, &rest, &zero);
    return rc < 0 ? rc : answer(out, equal);
}

int ch_test_divisible(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    return remainder_is(j, out, v, &a->at[0], 0);
}

int ch_test_even(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)a;
    const ch_value two = ch_value_int(2, false);
    return remainder_is(j, out, v, &two, 0);
}

int ch_test_odd(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)a;
    const ch_value two = ch_value_int(2, false);
    return remainder_is(j, out, v, &two, 1);
}

/* Python's `is`, for what templates ask of it: true, false, none, the same list. */
int ch_test_same(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    const ch_value *w = &a->at[0];
    bool same = false;
    int rc = CH_OK;
    if (v->kind == w->kind && v->kind <= CH_V_TEXT)
        rc = ch_value_equal(j, &same, v, w);
    else if (v->kind == w->kind)
        same = v->v.list == w->v.list;
    return rc < 0 ? rc : answer(out, same);
}

static int compare(ch_jinja *j, ch_value *out, int op, const ch_value *v, const ch_args *a)
{
    bool is = false;
    int rc = ch_value_compare(j, &is, op, v, &a->at[0]);
    return rc < 0 ? rc : answer(out, is);
}

int ch_test_eq(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    return compare(j, out, CH_OP_EQ, v, a);
}

int ch_test_ne(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    return compare(j, out, CH_OP_NE, v, a);
}

int ch_test_lt(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    return compare(j, out, '<', v, a);
}

int ch_test_le(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    return compare(j, out, CH_OP_LE, v, a);
}

int ch_test_gt(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    return compare(j, out, '>', v, a);
}

int ch_test_ge(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    return compare(j, out, CH_OP_GE, v, a);
}

int ch_test_in(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    return compare(j, out, CH_OP_IN, v, a);
}
