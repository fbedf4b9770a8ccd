/* methods.c - what text can do: Python's str (methods.def)
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include <utf8proc.h>

#include "jinja.h"

const ch_builtin *ch_builtin_method(int kind, ch_str name)
{
    static const ch_builtin all[] = {
#define METHOD(kind, name, fn, names, least) {#name, ch_method_##fn, names, least, CH_V_##kind},
#include "methods.def"
#undef METHOD
    };
    for (size_t i = 0; i < CH_COUNT(all); i++)
        if (all[i].kind == kind && strlen(all[i].name) == name.n &&
            memcmp(all[i].name, name.p, name.n) == 0)
            return &all[i];
    return NULL;
}

/* ---- Case ---- */

int ch_method_lower(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    (void)a;
    return ch_text_change(j, out, s, utf8proc_tolower);
}

int ch_method_upper(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    (void)a;
    return ch_text_change(j, out, s, utf8proc_toupper);
}

int ch_method_capitalize(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    (void)a;
    ch_value first, rest;
    const size_t at = ch_text_place(s, 1);
    const ch_value head = ch_text_part(s, 0, at), tail = ch_text_part(s, at, s->v.s.n - at);
    int rc = ch_text_change(j, &first, &head, utf8proc_totitle);
    rc = rc < 0 ? rc : ch_text_change(j, &rest, &tail, utf8proc_tolower);
    return rc < 0 ? rc : ch_text_add(j, out, &first, &rest);
}

static bool is_letter(uint32_t cp)
{
    const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

static bool is_digit(uint32_t cp)
{
    return utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_ND;
}

static bool is_letter_or_digit(uint32_t cp)
{
    const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return is_letter(cp) || (c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO);
}

/* Python's title: a word is letters in a row. */
int ch_method_title(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    (void)a;
    ch_jout o = {0};
    ch_value word;
    int rc = CH_OK;
    size_t from = 0;
    for (size_t i = 0, k; rc == CH_OK && i < s->v.s.n; i += k) {
        uint32_t cp = 0;
        const int n = ch_utf8_read(&cp, s->v.s.p + i, s->v.s.n - i);
        k = n > 0 ? (size_t)n : 1;
        if (is_letter(cp) && i + k < s->v.s.n)
            continue;
        const size_t end = is_letter(cp) ? i + k : i;
        const ch_value piece = ch_text_part(s, from, end - from);
        const ch_value other = ch_text_part(s, end, i + k - end);
        rc = ch_method_capitalize(j, &word, &piece, NULL);
        if (rc == CH_OK)
            ch_jout_text(j, &o, &word);
        ch_jout_text(j, &o, &other);
        from = i + k;
    }
    return rc < 0 ? rc : ch_jout_end(out, &o);
}

/* ---- Asking ---- */

static int every(ch_jinja *j, ch_value *out, const ch_value *s, bool (*is)(uint32_t cp))
{
    bool all = s->v.s.n > 0;
    for (size_t i = 0; all && i < s->v.s.n;) {
        uint32_t cp = 0;
        const int k = ch_utf8_read(&cp, s->v.s.p + i, s->v.s.n - i);
        all = k > 0 && is(cp);
        i += k > 0 ? (size_t)k : 1;
    }
    *out = ch_value_bool(all);
    return ch_jinja_step(j, s->v.s.n);
}

int ch_method_isalpha(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    (void)a;
    return every(j, out, s, is_letter);
}

int ch_method_isdigit(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    (void)a;
    return every(j, out, s, is_digit);
}

int ch_method_isalnum(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    (void)a;
    return every(j, out, s, is_letter_or_digit);
}

int ch_method_isspace(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    (void)a;
    return every(j, out, s, ch_text_is_space);
}

int ch_method_islower(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    return ch_test_lower(j, out, s, a);
}

int ch_method_isupper(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    return ch_test_upper(j, out, s, a);
}

static bool has_end(const ch_value *s, const ch_value *end, bool at_start)
{
    const size_t n = end->v.s.n;
    return n <= s->v.s.n &&
           (n == 0 || memcmp(at_start ? s->v.s.p : s->v.s.p + s->v.s.n - n, end->v.s.p, n) == 0);
}

/* With one text, or with any of a tuple. */
static int ends(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a, bool at_start)
{
    const ch_value *x = &a->at[0];
    const ch_vlist one = {.at = (ch_value *)(uintptr_t)x, .n = 1};
    const ch_vlist *l = x->kind == CH_V_TUPLE ? x->v.list : &one;
    bool is = false;
    for (size_t i = 0; i < l->n && !is; i++) {
        if (l->at[i].kind != CH_V_TEXT)
            return ch_jinja_fail(j, CH_EFORMAT, "text does not %s with %s",
                                 at_start ? "start" : "end", ch_value_type(&l->at[i]));
        is = has_end(s, &l->at[i], at_start);
        int rc = ch_jinja_step(j, l->at[i].v.s.n);
        if (rc < 0)
            return rc;
    }
    *out = ch_value_bool(is);
    return CH_OK;
}

int ch_method_startswith(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    return ends(j, out, s, a, true);
}

int ch_method_endswith(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    return ends(j, out, s, a, false);
}

/* The last place of what before text[end], or SIZE_MAX. */
static size_t find_last(const ch_value *s, const ch_value *what, size_t end)
{
    const size_t n = what->v.s.n;
    for (size_t i = end + 1; i > 0; i--)
        if (i - 1 + n <= end && (n == 0 || memcmp(s->v.s.p + i - 1, what->v.s.p, n) == 0))
            return i - 1;
    return SIZE_MAX;
}

/* Every place may be compared in full. */
static int find_last_cost(ch_jinja *j, const ch_value *s, const ch_value *what)
{
    const size_t n = s->v.s.n, m = what->v.s.n;
    return m <= n ? ch_jinja_step(j, ch_size_mul(n - m + 1, m)) : CH_OK;
}

static int find(ch_jinja *j, int64_t *out, const ch_value *s, const ch_args *a, bool last)
{
    ch_value what;
    int rc = ch_arg_text(j, &what, &a->at[0], "what is looked for");
    if (rc == CH_OK && last)
        rc = find_last_cost(j, s, &what);
    if (rc < 0)
        return rc;
    const size_t at = last ? find_last(s, &what, s->v.s.n) : ch_text_find(s, &what, 0);
    const ch_value before = ch_text_part(s, 0, at == SIZE_MAX ? 0 : at);
    *out = at == SIZE_MAX ? -1 : (int64_t)ch_text_count(&before);
    return ch_jinja_step(j, s->v.s.n);
}

int ch_method_find(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    int64_t at = -1;
    int rc = find(j, &at, s, a, false);
    *out = ch_value_int(at, false);
    return rc;
}

int ch_method_rfind(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    int64_t at = -1;
    int rc = find(j, &at, s, a, true);
    *out = ch_value_int(at, false);
    return rc;
}

int ch_method_index(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    int64_t at = -1;
    int rc = find(j, &at, s, a, false);
    *out = ch_value_int(at, false);
    return rc == CH_OK && at < 0 ? ch_jinja_fail(j, CH_EFORMAT, "the text to find is not there")
                                 : rc;
}

int ch_method_count(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    ch_value what;
    int64_t n = 0;
    int rc = ch_arg_text(j, &what, &a->at[0], "what is counted");
    if (rc < 0)
        return rc;
    if (what.v.s.n == 0)
        n = (int64_t)ch_text_count(s) + 1;
    else
        for (size_t at = 0; (at = ch_text_find(s, &what, at)) != SIZE_MAX; at += what.v.s.n)
            n++;
    *out = ch_value_int(n, false);
    return ch_jinja_step(j, s->v.s.n);
}

/* ---- Ends ---- */

static int strip(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a, bool left,
                 bool right)
{
    ch_value chars = ch_value_none();
    int rc = a->at[0].kind == CH_V_NONE
                 ? CH_OK
                 : ch_arg_text(j, &chars, &a->at[0], "what is stripped");
    const size_t set = chars.kind == CH_V_TEXT ? chars.v.s.n : 1;
    if (rc == CH_OK)
        rc = ch_jinja_step(j, ch_size_mul(s->v.s.n, CH_MAX(set / 8, (size_t)1)));
    if (rc == CH_OK)
        *out = ch_text_strip(s, &chars, left, right);
    return rc;
}

int ch_method_strip(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    return strip(j, out, s, a, true, true);
}

int ch_method_lstrip(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    return strip(j, out, s, a, true, false);
}

int ch_method_rstrip(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    return strip(j, out, s, a, false, true);
}

static int remove_end(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a, bool start)
{
    ch_value end;
    int rc = ch_arg_text(j, &end, &a->at[0], "what is removed");
    *out = *s;
    if (rc == CH_OK && has_end(s, &end, start))
        *out = ch_text_part(s, start ? end.v.s.n : 0, s->v.s.n - end.v.s.n);
    return rc < 0 ? rc : ch_jinja_step(j, s->v.s.n);
}

int ch_method_removeprefix(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    return remove_end(j, out, s, a, true);
}

int ch_method_removesuffix(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    return remove_end(j, out, s, a, false);
}

/* ---- Parts and wholes ---- */

/* Before every character and at the end. */
static int interleave(ch_jinja *j, ch_value *out, const ch_value *s, const ch_value *by,
                      int64_t most)
{
    ch_jout o = {0};
    const ch_vlist *l;
    int rc = ch_value_items(j, &l, s);
    for (size_t i = 0; rc == CH_OK && i <= l->n; i++) {
        if (most < 0 || (int64_t)i < most)
            ch_jout_text(j, &o, by);
        if (i < l->n)
            ch_jout_text(j, &o, &l->at[i]);
        rc = o.rc;
    }
    return rc < 0 ? rc : ch_jout_end(out, &o);
}

int ch_method_replace(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    ch_value old, new;
    ch_jout o = {0};
    int64_t most = -1;
    int rc = ch_value_text(j, &old, &a->at[0]);
    rc = rc < 0 ? rc : ch_value_text(j, &new, &a->at[1]);
    rc = rc < 0 || a->at[2].kind == CH_V_NONE ? rc : ch_arg_int(j, &most, &a->at[2], "the count");
    if (rc < 0)
        return rc;
    if (old.v.s.n == 0)
        return interleave(j, out, s, &new, most);
    size_t from = 0;
    for (size_t at; most != 0 && (at = ch_text_find(s, &old, from)) != SIZE_MAX; most--) {
        const ch_value before = ch_text_part(s, from, at - from);
        ch_jout_text(j, &o, &before);
        ch_jout_text(j, &o, &new);
        from = at + old.v.s.n;
        if (o.rc < 0 || (o.rc = ch_jinja_step(j, 0)) < 0)
            return o.rc;
    }
    const ch_value rest = ch_text_part(s, from, s->v.s.n - from);
    ch_jout_text(j, &o, &rest);
    rc = ch_jinja_step(j, s->v.s.n);
    return rc < 0 ? rc : ch_jout_end(out, &o);
}

static int append_part(ch_jinja *j, ch_value *list, const ch_value *s, size_t from, size_t to)
{
    const ch_value part = ch_text_part(s, from, to - from);
    int rc = ch_value_append(j, list->v.list, &part);
    return rc < 0 ? rc : ch_jinja_step(j, to - from);
}

/* From `at`, the end of the characters that all are white space, or all are not. */
static size_t run_end(const ch_value *s, size_t at, bool space)
{
    while (at < s->v.s.n) {
        uint32_t cp = 0;
        const int k = ch_utf8_read(&cp, s->v.s.p + at, s->v.s.n - at);
        if (ch_text_is_space(cp) != space)
            break;
        at += k > 0 ? (size_t)k : 1;
    }
    return at;
}

static int split_words(ch_jinja *j, ch_value *out, const ch_value *s, int64_t most)
{
    int rc = ch_value_list(j, out, CH_V_LIST, 0, s->data);
    for (size_t at = 0, end; rc == CH_OK; at = end) {
        const size_t from = run_end(s, at, true);
        if (from == s->v.s.n)
            break;
        if (most >= 0 && most-- == 0) /* the rest in one piece */
            return append_part(j, out, s, from, s->v.s.n);
        end = run_end(s, from, false);
        rc = append_part(j, out, s, from, end);
    }
    return rc;
}

static int split_args(ch_jinja *j, ch_value *sep, int64_t *most, const ch_args *a)
{
    *sep = ch_value_none();
    *most = -1;
    int rc = a->at[0].kind == CH_V_NONE ? CH_OK : ch_arg_text(j, sep, &a->at[0], "the separator");
    rc = rc < 0 ? rc : ch_arg_int(j, most, &a->at[1], "the number of cuts");
    if (rc == CH_OK && sep->kind == CH_V_TEXT && sep->v.s.n == 0)
        return ch_jinja_fail(j, CH_EFORMAT, "an empty separator");
    return rc;
}

int ch_method_split(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    ch_value sep;
    int64_t most;
    int rc = split_args(j, &sep, &most, a);
    if (rc < 0 || sep.kind != CH_V_TEXT)
        return rc < 0 ? rc : split_words(j, out, s, most);
    rc = ch_value_list(j, out, CH_V_LIST, 0, s->data);
    size_t from = 0;
    for (size_t at; rc == CH_OK && most != 0 && (at = ch_text_find(s, &sep, from)) != SIZE_MAX;
         most--, from = at + sep.v.s.n)
        rc = append_part(j, out, s, from, at);
    return rc < 0 ? rc : append_part(j, out, s, from, s->v.s.n);
}

static void turn_around(ch_vlist *l)
{
    for (size_t i = 0; i < l->n / 2; i++) {
        const ch_value x = l->at[i];
        l->at[i] = l->at[l->n - 1 - i];
        l->at[l->n - 1 - i] = x;
    }
}

int ch_method_rsplit(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    ch_value sep;
    int64_t most;
    int rc = split_args(j, &sep, &most, a);
    if (rc == CH_OK && sep.kind != CH_V_TEXT && most >= 0)
        return ch_jinja_fail(j, CH_EUNSUPPORTED, "rsplit at white space with a number of cuts");
    if (rc < 0 || sep.kind != CH_V_TEXT)
        return rc < 0 ? rc : ch_method_split(j, out, s, a);
    rc = find_last_cost(j, s, &sep);
    rc = rc < 0 ? rc : ch_value_list(j, out, CH_V_LIST, 0, s->data);
    size_t end = s->v.s.n;
    for (size_t at; rc == CH_OK && most != 0 && (at = find_last(s, &sep, end)) != SIZE_MAX;
         most--, end = at)
        rc = append_part(j, out, s, at + sep.v.s.n, end);
    rc = rc < 0 ? rc : append_part(j, out, s, 0, end);
    if (rc == CH_OK)
        turn_around(out->v.list);
    return rc;
}

/* The length of the line break at p[0..n), or 0. */
static size_t line_break(const char *p, size_t n)
{
    uint32_t cp = 0;
    const int k = ch_utf8_read(&cp, p, n);
    if (cp == '\r' && n > 1 && p[1] == '\n')
        return 2;
    const bool is = (cp >= '\n' && cp <= '\r') || (cp >= 0x1c && cp <= 0x1e) || cp == 0x85 ||
                    cp == 0x2028 || cp == 0x2029;
    return is && k > 0 ? (size_t)k : 0;
}

int ch_method_splitlines(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    const bool keep = ch_value_true(&a->at[0]);
    int rc = ch_value_list(j, out, CH_V_LIST, 0, s->data);
    size_t from = 0;
    for (size_t i = 0; rc == CH_OK && i < s->v.s.n;) {
        const size_t k = line_break(s->v.s.p + i, s->v.s.n - i);
        if (k > 0) {
            rc = append_part(j, out, s, from, i + (keep ? k : 0));
            from = i + k;
        }
        i += k > 0 ? k : 1;
    }
    return rc < 0 || from == s->v.s.n ? rc : append_part(j, out, s, from, s->v.s.n);
}

int ch_method_join(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    const ch_vlist *l;
    ch_jout o = {0};
    int rc = ch_value_items(j, &l, &a->at[0]);
    for (size_t i = 0; rc == CH_OK && i < l->n; i++) {
        if (l->at[i].kind != CH_V_TEXT)
            return ch_jinja_fail(j, CH_EFORMAT, "join of %s, wanted str",
                                 ch_value_type(&l->at[i]));
        if (i > 0)
            ch_jout_text(j, &o, s);
        ch_jout_text(j, &o, &l->at[i]);
        rc = o.rc;
    }
    return rc < 0 ? rc : ch_jout_end(out, &o);
}

/* The argument for a field: by its number, by its name, or the next one; NULL: none. */
static const ch_value *field(const ch_args *a, ch_str name, int *next)
{
    int64_t i = 0;
    size_t digits = 0;
    while (digits < name.n && digits < 4 && name.p[digits] >= '0' && name.p[digits] <= '9')
        i = i * 10 + name.p[digits++] - '0';
    if (digits == name.n)
        i = name.n == 0 ? (*next)++ : i;
    else
        for (i = 0; i < a->n; i++)
            if (a->name[i].p != NULL && a->name[i].n == name.n &&
                memcmp(a->name[i].p, name.p, name.n) == 0)
                return &a->at[i];
    return i < a->n && a->name[i].p == NULL ? &a->at[i] : NULL;
}

/* {} {0} {name} {{ }}; what follows a ":" or "!" in them is refused. */
int ch_method_format(ch_jinja *j, ch_value *out, const ch_value *s, const ch_args *a)
{
    ch_jout o = {0};
    const char *p = s->v.s.p;
    const size_t n = s->v.s.n;
    int next = 0;
    for (size_t i = 0; i < n && o.rc == CH_OK; i++) {
        const ch_value c = ch_text_part(s, i, 1);
        if ((p[i] != '{' && p[i] != '}') || (i + 1 < n && p[i + 1] == p[i])) {
            ch_jout_text(j, &o, &c);
            i += p[i] == '{' || p[i] == '}';
            continue;
        }
        const char *end = p[i] == '{' ? memchr(p + i, '}', n - i) : NULL;
        if (end == NULL)
            return ch_jinja_fail(j, CH_EFORMAT, "a single brace in format");
        const ch_str name = {p + i + 1, (size_t)(end - p) - i - 1};
        if (memchr(name.p, ':', name.n) != NULL || memchr(name.p, '!', name.n) != NULL)
            return ch_jinja_fail(j, CH_EUNSUPPORTED, "format knows {}, {0} and {name} only");
        const ch_value *v = field(a, name, &next);
        if (v == NULL)
            return ch_jinja_fail(j, CH_EFORMAT, "format has no argument '%.*s'",
                                 (int)CH_MIN(name.n, (size_t)40), name.p);
        ch_value_show(j, &o, v, false);
        i = (size_t)(end - p);
    }
    return ch_jout_end(out, &o);
}
