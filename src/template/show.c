/* show.c - values as text: Python's str() and repr()
 *
 * SPDX-License-Identifier: MIT */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "jinja.h"

/* The fewest digits that read back as x; an exponent where there would be many zeros. */
void ch_real_show(char out[32], double x)
{
    if (!isfinite(x)) {
        snprintf(out, 32, "%s", isnan(x) ? "nan" : x < 0 ? "-inf" : "inf");
        return;
    }
    char s[32];
    /* Behind the point.  14 always survive reading, so a number of fewer shows them as zeros; but
     * subnormal numbers hold fewer. */
    int digits = fabs(x) < DBL_MIN ? 0 : 14;
    do
        snprintf(s, sizeof s, "%.*e", digits, x);
    while (strtod(s, NULL) != x && ++digits <= 16);
    while (digits > 0 && s[(signbit(x) != 0) + 1 + digits] == '0')
        digits--;
    snprintf(s, sizeof s, "%.*e", digits, x);
    const int exponent = atoi(strchr(s, 'e') + 1);
    if (exponent >= -4 && exponent < 16)
        snprintf(out, 32, "%.*f", CH_MAX(digits - exponent, 1), x);
    else
        snprintf(out, 32, "%s", s);
}

static void put_str(ch_jinja *j, ch_jout *o, const char *s, bool data)
{
    ch_jout_put(j, o, s, strlen(s), data);
}

/* As Python prints it: letters, marks, digits, signs, and the blank. */
static bool printable(uint32_t cp)
{
    const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return cp == ' ' || (c != UTF8PROC_CATEGORY_CN && c != UTF8PROC_CATEGORY_CC &&
                         c != UTF8PROC_CATEGORY_CF && c != UTF8PROC_CATEGORY_CS &&
                         c != UTF8PROC_CATEGORY_CO && c != UTF8PROC_CATEGORY_ZS &&
                         c != UTF8PROC_CATEGORY_ZL && c != UTF8PROC_CATEGORY_ZP);
}

/* In quotes, double ones where it holds single ones only. */
static void quote(ch_jinja *j, ch_jout *o, const ch_value *s)
{
    const char *p = s->v.s.p;
    const size_t n = s->v.s.n;
    const bool twice = n > 0 && memchr(p, '\'', n) != NULL && memchr(p, '"', n) == NULL;
    const char mark = twice ? '"' : '\'';
    ch_jout_put(j, o, &mark, 1, s->data);
    for (size_t i = 0, k; i < n && o->rc == CH_OK; i += k) {
        uint32_t cp = 0;
        const int read = ch_utf8_read(&cp, p + i, n - i);
        const ch_value c = ch_text_part(s, i, k = read > 0 ? (size_t)read : 1);
        char escaped[16] = "";
        if (cp == '\\' || cp == (uint32_t)mark)
            snprintf(escaped, sizeof escaped, "\\%c", (int)cp);
        else if (cp == '\n' || cp == '\r' || cp == '\t')
            snprintf(escaped, sizeof escaped, "\\%c", cp == '\n' ? 'n' : cp == '\r' ? 'r' : 't');
        else if (!printable(cp))
            snprintf(escaped, sizeof escaped, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x"
                     : "\\U%08x", (unsigned)cp);
        if (escaped[0] != 0)
            put_str(j, o, escaped, c.data);
        else
            ch_jout_text(j, o, &c);
    }
    ch_jout_put(j, o, &mark, 1, s->data);
}

static void show(ch_jinja *j, ch_jout *o, const ch_value *v, bool repr);

static void show_list(ch_jinja *j, ch_jout *o, const ch_value *v)
{
    const bool tuple = v->kind == CH_V_TUPLE;
    const ch_vlist *l = v->v.list;
    put_str(j, o, tuple ? "(" : "[", v->data);
    for (size_t i = 0; i < l->n && o->rc == CH_OK; i++) {
        if (i > 0)
            put_str(j, o, ", ", v->data);
        show(j, o, &l->at[i], true);
    }
    put_str(j, o, tuple ? l->n == 1 ? ",)" : ")" : "]", v->data);
}

static void show_dict(ch_jinja *j, ch_jout *o, const ch_value *v)
{
    const ch_vdict *d = v->v.dict;
    put_str(j, o, v->kind == CH_V_NAMESPACE ? "<Namespace {" : "{", v->data);
    for (size_t i = 0; i < d->n && o->rc == CH_OK; i++) {
        if (i > 0)
            put_str(j, o, ", ", v->data);
        show(j, o, &d->at[i].key, true);
        put_str(j, o, ": ", v->data);
        show(j, o, &d->at[i].value, true);
    }
    put_str(j, o, v->kind == CH_V_NAMESPACE ? "}>" : "}", v->data);
}

static void show(ch_jinja *j, ch_jout *o, const ch_value *v, bool repr)
{
    char s[64];
    if (o->rc < 0 || (o->rc = ch_jinja_enter(j)) < 0)
        return;
    switch ((ch_value_kind)v->kind) {
    case CH_V_TEXT:
        if (repr)
            quote(j, o, v);
        else
            ch_jout_text(j, o, v);
        break;
    case CH_V_UNDEFINED: put_str(j, o, repr ? "Undefined" : "", false); break;
    case CH_V_NONE: put_str(j, o, "None", v->data); break;
    case CH_V_BOOL: put_str(j, o, v->v.b ? "True" : "False", v->data); break;
    case CH_V_INT:
        snprintf(s, sizeof s, "%" PRId64, v->v.i);
        put_str(j, o, s, v->data);
        break;
    case CH_V_REAL:
        o->rc = ch_jinja_step(j, CH_REAL_COST);
        ch_real_show(s, v->v.r);
        put_str(j, o, s, v->data);
        break;
    case CH_V_LIST:
    case CH_V_TUPLE:
    case CH_V_SERIES: show_list(j, o, v); break;
    case CH_V_DICT:
    case CH_V_NAMESPACE: show_dict(j, o, v); break;
    default:
        snprintf(s, sizeof s, "<%s>", ch_value_type(v));
        put_str(j, o, s, false);
    }
    j->depth--;
}

int ch_value_show(ch_jinja *j, ch_jout *o, const ch_value *v, bool repr)
{
    show(j, o, v, repr);
    return o->rc;
}

int ch_value_text(ch_jinja *j, ch_value *out, const ch_value *v)
{
    if (v->kind == CH_V_TEXT) {
        *out = *v;
        return CH_OK;
    }
    ch_jout o = {0};
    show(j, &o, v, false);
    return ch_jout_end(out, &o);
}
