/* filters.c - what may stand behind | (filters.def): one value
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#include "jinja.h"

const ch_builtin *ch_builtin_filter(ch_str name)
{
    static const ch_builtin all[] = {
#define FILTER(name, fn, names, least) {#name, ch_filter_##fn, names, least, 0},
#include "filters.def"
#undef FILTER
    };
    for (size_t i = 0; i < CH_COUNT(all); i++)
        if (strlen(all[i].name) == name.n && memcmp(all[i].name, name.p, name.n) == 0)
            return &all[i];
    return NULL;
}

/* ---- Text ---- */

int ch_filter_string(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)a;
    return ch_value_text(j, out, v);
}

/* The method of that name, on what the value is as text. */
static int as_text(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a,
                   ch_builtin_fn *method)
{
    ch_value s;
    int rc = ch_value_text(j, &s, v);
    return rc < 0 ? rc : method(j, out, &s, a);
}

int ch_filter_upper(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    return as_text(j, out, v, a, ch_method_upper);
}

int ch_filter_lower(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    return as_text(j, out, v, a, ch_method_lower);
}

int ch_filter_capitalize(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    return as_text(j, out, v, a, ch_method_capitalize);
}

int ch_filter_trim(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    return as_text(j, out, v, a, ch_method_strip);
}

int ch_filter_replace(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    return as_text(j, out, v, a, ch_method_replace);
}

static bool parts_words(char c)
{
    return c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
}

/* Jinja's own: words end at white space and opening brackets, not at every sign. */
int ch_filter_title(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)a;
    ch_value s, word;
    ch_jout o = {0};
    int rc = ch_value_text(j, &s, v);
    for (size_t i = 0, from = 0; rc == CH_OK && i <= s.v.s.n; i++) {
        uint32_t cp = 0;
        const int k = i < s.v.s.n ? ch_utf8_read(&cp, s.v.s.p + i, s.v.s.n - i) : 0;
        if (i < s.v.s.n && !(k > 0 && ch_text_is_space(cp)) && !parts_words(s.v.s.p[i]))
            continue;
        const ch_value piece = ch_text_part(&s, from, i - from);
        rc = ch_method_capitalize(j, &word, &piece, NULL);
        const size_t end = i < s.v.s.n ? i + (k > 0 ? (size_t)k : 1) : i;
        const ch_value sign = ch_text_part(&s, i, end - i);
        if (rc == CH_OK)
            ch_jout_text(j, &o, &word);
        ch_jout_text(j, &o, &sign);
        from = end;
        i = CH_MAX(end, i + 1) - 1;
    }
    return rc < 0 ? rc : ch_jout_end(out, &o);
}

int ch_filter_escape(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)a;
    static const char from[] = "&<>'\"";
    static const char *const to[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    ch_value s;
    ch_jout o = {0};
    int rc = ch_value_text(j, &s, v);
    for (size_t i = 0; rc == CH_OK && i < s.v.s.n; i++) {
        const ch_value c = ch_text_part(&s, i, 1);
        const char *is = memchr(from, s.v.s.p[i], sizeof from - 1);
        if (is != NULL)
            ch_jout_put(j, &o, to[is - from], strlen(to[is - from]), c.data);
        else
            ch_jout_text(j, &o, &c);
        rc = o.rc;
    }
    return rc < 0 ? rc : ch_jout_end(out, &o);
}

/* `whole`: the same lines with their breaks, whose origins the new ones take over. */
static int indented(ch_jinja *j, ch_value *out, const ch_vlist *l, const ch_vlist *whole,
                    const ch_value *by, bool first, bool blank)
{
    ch_jout o = {0};
    for (size_t i = 0; i < l->n && o.rc == CH_OK; i++) {
        if (i > 0) {
            const size_t at = l->at[i - 1].v.s.n, n = whole->at[i - 1].v.s.n;
            ch_jout_put(j, &o, "\n", 1, ch_text_part(&whole->at[i - 1], at, n - at).data);
        }
        if (i == 0 ? first : blank || l->at[i].v.s.n > 0)
            ch_jout_text(j, &o, by);
        ch_jout_text(j, &o, &l->at[i]);
    }
    return ch_jout_end(out, &o);
}

/* indent(width=4, first=false, blank=false): a width is a number of blanks, or a text. */
int ch_filter_indent(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    static const ch_args no_breaks = {.at = {{.kind = CH_V_BOOL}}, .n = 1},
                         breaks = {.at = {{.kind = CH_V_BOOL, .v.b = true}}, .n = 1};
    const ch_value newline = ch_text("\n", 1, false), space = ch_text(" ", 1, false);
    int64_t width = 4;
    ch_value s, lines, whole, by = a->at[0];
    int rc = ch_value_text(j, &s, v);
    if (rc == CH_OK && by.kind != CH_V_TEXT) {
        rc = ch_arg_int(j, &width, &a->at[0], "indent's width");
        const ch_value times = ch_value_int(width, false);
        rc = rc < 0 ? rc : ch_value_binary(j, &by, '*', &space, &times);
    }
    rc = rc < 0 ? rc : ch_text_add(j, &s, &s, &newline); /* a last empty line counts, too */
    rc = rc < 0 ? rc : ch_method_splitlines(j, &lines, &s, &no_breaks);
    rc = rc < 0 ? rc : ch_method_splitlines(j, &whole, &s, &breaks);
    return rc < 0 ? rc
                  : indented(j, out, lines.v.list, whole.v.list, &by, ch_value_true(&a->at[1]),
                             ch_value_true(&a->at[2]));
}

/* ---- Numbers ---- */

int ch_filter_abs(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)a;
    const bool negative = ch_value_is_number(v) && ch_value_number(v) < 0;
    return ch_value_sign(j, out, negative ? '-' : '+', v);
}

/* Python's round: to the nearest, the even one of two as near; whole numbers stay so. */
int ch_filter_round(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    int64_t digits = 0;
    char s[400];
    const ch_value *how = &a->at[1];
    int rc = ch_arg_int(j, &digits, &a->at[0], "round's precision");
    if (rc < 0)
        return rc;
    if (!ch_value_is_number(v))
        return ch_jinja_fail(j, CH_EFORMAT, "%s cannot be rounded", ch_value_type(v));
    if (digits < 0 || digits > 20)
        return ch_jinja_fail(j, CH_EUNSUPPORTED, "rounding to 0 to 20 digits only");
    const bool up = ch_text_is(how, "ceil"), down = ch_text_is(how, "floor");
    if (!up && !down && how->kind != CH_V_ABSENT && !ch_text_is(how, "common"))
        return ch_jinja_fail(j, CH_EFORMAT, "round's method is common, ceil or floor");
    if (!up && !down && v->kind != CH_V_REAL)
        return ch_value_sign(j, out, '+', v);
    const double x = ch_value_number(v), scale = pow(10, (double)digits);
    if (up || down) {
        *out = ch_value_real((up ? ceil(x * scale) : floor(x * scale)) / scale, v->data);
    } else {
        snprintf(s, sizeof s, "%.*f", (int)digits, x);
        *out = ch_value_real(strtod(s, NULL), v->data);
    }
    return CH_OK;
}

/* The text of a number without blanks around and "_" within; false: too long to be one. */
static bool number_text(char *out, size_t size, const ch_value *v)
{
    const ch_value s = ch_text_strip(v, NULL, true, true);
    size_t n = 0;
    for (size_t i = 0; i < s.v.s.n; i++) {
        if (s.v.s.p[i] == '_' && i > 0 && i + 1 < s.v.s.n)
            continue;
        if (n + 1 == size || s.v.s.p[i] == 0)
            return false;
        out[n++] = s.v.s.p[i];
    }
    out[n] = 0;
    return n > 0;
}

static bool read_real(double *out, const ch_value *v)
{
    char s[64], *end;
    if (ch_value_is_number(v)) {
        *out = ch_value_number(v);
        return true;
    }
    if (v->kind != CH_V_TEXT || !number_text(s, sizeof s, v) || strchr(s, 'x') || strchr(s, 'X'))
        return false;
    *out = strtod(s, &end);
    return *end == 0;
}

int ch_filter_float(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)j;
    double r;
    if (read_real(&r, v))
        *out = ch_value_real(r, v->data);
    else
        *out = a->at[0].kind != CH_V_ABSENT ? a->at[0] : ch_value_real(0, false);
    return CH_OK;
}

/* int(default=0, base=10): of text that is no whole number, the whole part of the float. */
int ch_filter_int(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    int64_t base = 10;
    char s[80], *end;
    double r;
    int rc = ch_arg_int(j, &base, &a->at[1], "int's base");
    if (rc < 0)
        return rc;
    if (base != 0 && (base < 2 || base > 36))
        return ch_jinja_fail(j, CH_EFORMAT, "int's base is 0 or 2 to 36");
    *out = a->at[0].kind != CH_V_ABSENT ? a->at[0] : ch_value_int(0, false);
    if (v->kind == CH_V_INT || v->kind == CH_V_BOOL) {
        *out = ch_value_int(v->kind == CH_V_INT ? v->v.i : v->v.b, v->data);
        return CH_OK;
    }
    if (v->kind == CH_V_TEXT && number_text(s, sizeof s, v)) {
        const long long i = strtoll(s, &end, (int)base);
        if (*end == 0) {
            *out = ch_value_int(i, v->data);
            return CH_OK;
        }
    }
    if (read_real(&r, v) && r > -0x1p63 && r < 0x1p63)
        *out = ch_value_int((int64_t)r, v->data);
    return CH_OK;
}

/* ---- Any value ---- */

/* default(value='', boolean=false): for what is undefined; with boolean for all that is false. */
int ch_filter_default(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)j;
    const bool all = ch_value_true(&a->at[1]);
    *out = *v;
    if (v->kind == CH_V_UNDEFINED || (all && !ch_value_true(v)))
        *out = a->at[0].kind != CH_V_ABSENT ? a->at[0] : ch_text("", 0, false);
    return CH_OK;
}

int ch_filter_length(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    (void)a;
    size_t n;
    int rc = ch_value_length(j, &n, v);
    *out = ch_value_int((int64_t)n, false);
    return rc;
}

int ch_filter_attr(ch_jinja *j, ch_value *out, const ch_value *v, const ch_args *a)
{
    ch_value name;
    int rc = ch_arg_text(j, &name, &a->at[0], "attr's name");
    return rc < 0 ? rc : ch_value_attr(j, out, v, (ch_str){name.v.s.p, name.v.s.n});
}
