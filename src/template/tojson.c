/* tojson.c - values as JSON and back
 *
 * As transformers' tojson: Python's json.dumps(x, ensure_ascii=False, indent, separators,
 * sort_keys), keys in their order, ", " and ": " between, nothing escaped for HTML.
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jinja.h"

typedef struct writer {
    ch_jinja *j;
    ch_jout o;
    bool ascii, sort;
    ch_value indent, item, key; /* indent: ABSENT where all is one line */
} writer;

static void put(writer *w, const char *s, bool data)
{
    ch_jout_put(w->j, &w->o, s, strlen(s), data);
}

/* The escape for a character that cannot stand in a string; "": it can. */
static void escape(char out[16], uint32_t cp, bool ascii)
{
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    const char *plain = cp != 0 && cp < 0x80 ? strchr(from, (int)cp) : NULL;
    out[0] = 0;
    if (plain != NULL)
        snprintf(out, 16, "\\%c", to[plain - from]);
    else if (cp < 0x20 || (ascii && cp >= 0x7f && cp < 0x10000))
        snprintf(out, 16, "\\u%04x", (unsigned)cp);
    else if (ascii && cp >= 0x10000)
        snprintf(out, 16, "\\u%04x\\u%04x", (unsigned)(0xd800 + ((cp - 0x10000) >> 10)),
                 (unsigned)(0xdc00 + ((cp - 0x10000) & 0x3ff)));
}

static void string(writer *w, const ch_value *s)
{
    const size_t n = s->v.s.n;
    size_t from = 0;
    put(w, "\"", s->data);
    for (size_t i = 0, k; i < n && w->o.rc == CH_OK; i += k) {
        uint32_t cp = 0;
        char escaped[16];
        const int read = ch_utf8_read(&cp, s->v.s.p + i, n - i);
        k = read > 0 ? (size_t)read : 1;
        escape(escaped, cp, w->ascii);
        if (escaped[0] == 0)
            continue;
        const ch_value plain = ch_text_part(s, from, i - from), c = ch_text_part(s, i, k);
        ch_jout_text(w->j, &w->o, &plain);
        put(w, escaped, c.data);
        from = i + k;
    }
    const ch_value rest = ch_text_part(s, from, n - from);
    ch_jout_text(w->j, &w->o, &rest);
    put(w, "\"", s->data);
}

static void number(writer *w, const ch_value *v)
{
    char s[32];
    if (v->kind == CH_V_REAL && (w->o.rc = ch_jinja_step(w->j, CH_REAL_COST)) < 0)
        return;
    if (v->kind == CH_V_INT)
        snprintf(s, sizeof s, "%" PRId64, v->v.i);
    else if (isfinite(v->v.r))
        ch_real_show(s, v->v.r);
    else
        snprintf(s, sizeof s, "%s", isnan(v->v.r) ? "NaN" : v->v.r < 0 ? "-Infinity" : "Infinity");
    put(w, s, v->data);
}

static void value(writer *w, const ch_value *v, int level);

/* What an argument puts between the values of a container: data where either of them is. */
static void separator(writer *w, const ch_value *s, bool data)
{
    ch_jout_put(w->j, &w->o, s->v.s.p, s->v.s.n, data || s->data);
}

static void line(writer *w, int level, bool data)
{
    if (w->indent.kind != CH_V_TEXT)
        return;
    put(w, "\n", data);
    for (int i = 0; i < level && w->o.rc == CH_OK; i++)
        separator(w, &w->indent, data);
}

/* Keys that are no text become text. */
static void key(writer *w, const ch_value *k)
{
    ch_value text = *k;
    if (w->o.rc < 0)
        return;
    if (k->kind == CH_V_BOOL)
        text = k->v.b ? ch_text("true", 4, k->data) : ch_text("false", 5, k->data);
    else if (k->kind == CH_V_NONE)
        text = ch_text("null", 4, k->data);
    else if (ch_value_is_number(k))
        w->o.rc = ch_value_text(w->j, &text, k);
    else if (k->kind != CH_V_TEXT)
        w->o.rc = ch_jinja_fail(w->j, CH_EFORMAT, "%s cannot be a key in JSON",
                                ch_value_type(k));
    if (w->o.rc == CH_OK)
        string(w, &text);
}

static void list(writer *w, const ch_value *v, int level)
{
    const ch_vlist *l = v->v.list;
    put(w, "[", v->data);
    for (size_t i = 0; i < l->n && w->o.rc == CH_OK; i++) {
        if (i > 0)
            separator(w, &w->item, v->data);
        line(w, level + 1, v->data);
        value(w, &l->at[i], level + 1);
    }
    if (l->n > 0)
        line(w, level, v->data);
    put(w, "]", v->data);
}

static int by_key(const void *a, const void *b)
{
    const ch_value *x = &((const ch_vpair *)a)->key, *y = &((const ch_vpair *)b)->key;
    const size_t n = CH_MIN(x->v.s.n, y->v.s.n);
    const int c = n > 0 ? memcmp(x->v.s.p, y->v.s.p, n) : 0;
    return c != 0 ? c : (x->v.s.n > y->v.s.n) - (x->v.s.n < y->v.s.n);
}

static const ch_vpair *sorted(writer *w, const ch_vdict *d)
{
    if (!w->sort || d->n == 0)
        return d->at;
    for (size_t i = 0; i < d->n; i++)
        if (d->at[i].key.kind != CH_V_TEXT) {
            w->o.rc = ch_jinja_fail(w->j, CH_EFORMAT, "only keys that are text can be sorted");
            return NULL;
        }
    ch_vpair *pairs = ch_jmem_take(&w->j->mem, d->n * sizeof *pairs);
    if (pairs == NULL) {
        w->o.rc = ch_jinja_starve(w->j);
        return NULL;
    }
    memcpy(pairs, d->at, d->n * sizeof *pairs);
    qsort(pairs, d->n, sizeof *pairs, by_key);
    w->o.rc = ch_jinja_step(w->j, d->n * 1024);
    return pairs;
}

static void dict(writer *w, const ch_value *v, int level)
{
    const size_t n = v->v.dict->n;
    const ch_vpair *at = sorted(w, v->v.dict);
    put(w, "{", v->data);
    for (size_t i = 0; i < n && w->o.rc == CH_OK; i++) {
        if (i > 0)
            separator(w, &w->item, v->data);
        line(w, level + 1, v->data);
        key(w, &at[i].key);
        separator(w, &w->key, v->data);
        value(w, &at[i].value, level + 1);
    }
    if (n > 0)
        line(w, level, v->data);
    put(w, "}", v->data);
}

static void value(writer *w, const ch_value *v, int level)
{
    if (w->o.rc < 0 || (w->o.rc = ch_jinja_enter(w->j)) < 0)
        return;
    switch ((ch_value_kind)v->kind) {
    case CH_V_NONE: put(w, "null", v->data); break;
    case CH_V_BOOL: put(w, v->v.b ? "true" : "false", v->data); break;
    case CH_V_INT:
    case CH_V_REAL: number(w, v); break;
    case CH_V_TEXT: string(w, v); break;
    case CH_V_LIST:
    case CH_V_TUPLE:
    case CH_V_SERIES: list(w, v, level); break;
    case CH_V_DICT: dict(w, v, level); break;
    default:
        w->o.rc = ch_jinja_fail(w->j, CH_EFORMAT, "%s cannot be written as JSON",
                                ch_value_type(v));
    }
    w->j->depth--;
}

/* A number of blanks, or the text itself. */
static int read_indent(ch_jinja *j, ch_value *out, const ch_value *v)
{
    static const char blanks[] = "                ";
    int64_t n = 0;
    *out = (ch_value){0};
    if (v->kind == CH_V_ABSENT || v->kind == CH_V_NONE)
        return CH_OK;
    if (v->kind == CH_V_TEXT) {
        *out = *v;
        return CH_OK;
    }
    int rc = ch_arg_int(j, &n, v, "indent");
    if (rc < 0 || n > 16)
        return rc < 0 ? rc : ch_jinja_fail(j, CH_ELIMIT, "an indent above 16");
    *out = ch_text(blanks, (size_t)CH_MAX(n, 0), false);
    return CH_OK;
}

/* tojson(ensure_ascii=false, indent=none, separators=none, sort_keys=false) */
int ch_filter_tojson(ch_jinja *j, ch_value *out, const ch_value *self, const ch_args *a)
{
    writer w = {.j = j, .item = ch_text(", ", 2, false), .key = ch_text(": ", 2, false)};
    w.ascii = ch_value_true(&a->at[0]);
    w.sort = ch_value_true(&a->at[3]);
    int rc = read_indent(j, &w.indent, &a->at[1]);
    if (rc < 0)
        return rc;
    if (w.indent.kind == CH_V_TEXT)
        w.item.v.s.n = 1;
    const ch_value *s = &a->at[2];
    if (s->kind == CH_V_TUPLE || s->kind == CH_V_LIST) {
        if (s->v.list->n != 2 || s->v.list->at[0].kind != CH_V_TEXT ||
            s->v.list->at[1].kind != CH_V_TEXT)
            return ch_jinja_fail(j, CH_EFORMAT, "separators are two texts");
        w.item = s->v.list->at[0];
        w.key = s->v.list->at[1];
    }
    value(&w, self, 0);
    return ch_jout_end(out, &w.o);
}

/* ---- From JSON ---- */

static int from_array(ch_jinja *j, ch_value *out, const json_t *v, bool data, bool copy)
{
    int rc = ch_value_list(j, out, CH_V_LIST, json_array_size(v), data);
    for (size_t i = 0; rc == CH_OK && i < json_array_size(v); i++) {
        ch_value one;
        rc = ch_value_from_json(j, &one, json_array_get(v, i), data, copy);
        if (rc == CH_OK)
            rc = ch_value_append(j, out->v.list, &one);
    }
    return rc;
}

/* The text itself, or a copy that outlives the JSON it is from. */
static int from_string(ch_jinja *j, ch_value *out, const char *p, size_t n, bool data, bool copy)
{
    char *own = copy && n > 0 ? ch_jmem_take(&j->mem, n) : NULL;
    if (copy && n > 0 && own == NULL)
        return ch_jinja_starve(j);
    if (own != NULL)
        memcpy(own, p, n);
    *out = ch_text(own != NULL ? own : p, n, data);
    return CH_OK;
}

static int from_object(ch_jinja *j, ch_value *out, const json_t *v, bool data, bool copy)
{
    int rc = ch_value_dict(j, out, CH_V_DICT, data);
    ch_vdict *d = rc == CH_OK ? out->v.dict : NULL;
    const size_t n = json_object_size(v);
    if (rc == CH_OK && n > 0) {
        d->at = ch_jmem_take(&j->mem, ch_size_mul(n, sizeof *d->at));
        d->cap = n;
        if (d->at == NULL)
            return ch_jinja_starve(j);
    }
    for (void *i = json_object_iter((json_t *)(uintptr_t)v); rc == CH_OK && i != NULL;
         i = json_object_iter_next((json_t *)(uintptr_t)v, i)) {
        ch_vpair *pair = &d->at[d->n]; /* keys of JSON are distinct */
        rc = from_string(j, &pair->key, json_object_iter_key(i), json_object_iter_key_len(i), data,
                         copy);
        if (rc == CH_OK)
            rc = ch_value_from_json(j, &pair->value, json_object_iter_value(i), data, copy);
        d->n++;
    }
    return rc;
}

int ch_value_from_json(ch_jinja *j, ch_value *out, const json_t *v, bool data, bool copy)
{
    int rc = ch_jinja_enter(j);
    if (rc < 0)
        return rc;
    *out = ch_value_none();
    out->data = data;
    switch (json_typeof(v)) {
    case JSON_OBJECT: rc = from_object(j, out, v, data, copy); break;
    case JSON_ARRAY: rc = from_array(j, out, v, data, copy); break;
    case JSON_STRING:
        rc = from_string(j, out, json_string_value(v), json_string_length(v), data, copy);
        break;
    case JSON_INTEGER: *out = ch_value_int(json_integer_value(v), data); break;
    case JSON_REAL: *out = ch_value_real(json_real_value(v), data); break;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = ch_value_bool(json_is_true(v));
        out->data = data;
        break;
    case JSON_NULL: break;
    }
    j->depth--;
    return rc;
}

/* from_json: not Jinja's, but some templates have it.  What jansson makes of the text is paid for
 * before it is made: a value of two bytes takes some twenty times as much. */
int ch_filter_from_json(ch_jinja *j, ch_value *out, const ch_value *self, const ch_args *a)
{
    enum { TEXT_MAX = 1 << 20, STEPS_A_BYTE = 16 };
    (void)a;
    ch_value text = {0};
    json_t *v;
    ch_err e = {0};
    int rc = ch_arg_text(j, &text, self, "from_json");
    if (rc < 0)
        return rc;
    if (text.v.s.n > TEXT_MAX)
        return ch_jinja_fail(j, CH_ELIMIT, "from_json of %zu bytes; %d are allowed", text.v.s.n,
                             TEXT_MAX);
    if ((rc = ch_jinja_step(j, 64 * STEPS_A_BYTE * text.v.s.n)) < 0)
        return rc;
    if (ch_json_parse(&v, text.v.s.p, text.v.s.n, "from_json", &e) < 0)
        return ch_jinja_fail(j, e.code, "%s", e.text);
    rc = ch_value_from_json(j, out, v, text.data, true);
    json_decref(v);
    return rc;
}
