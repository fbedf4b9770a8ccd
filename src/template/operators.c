/* operators.c - what values give each other: arithmetic, comparison, parts
 *
 * Python's: / gives floats, // and % round down, and text is added to text only.  Integers are of
 * 64 bits; beyond that is an error, where Python goes on.
 * x.name looks for what the kind itself has (methods), then for a key; x[name] the other way round.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "jinja.h"

static int undefined(ch_jinja *j, const ch_value *v)
{
    if (v->v.s.n == 0)
        return ch_jinja_fail(j, CH_EFORMAT, "an undefined value is used");
    return ch_jinja_fail(j, CH_EFORMAT, "'%.*s' is undefined", (int)CH_MIN(v->v.s.n, (size_t)80),
                         v->v.s.p);
}

/* ---- Parts ---- */

static void loop_attr(ch_value *out, const ch_vloop *l, ch_str name)
{
    const size_t n = l->over->n, i = l->index;
    const struct {
        const char *name;
        int64_t value;
    } counts[] = {
        {"index", (int64_t)i + 1},
        {"index0", (int64_t)i},
        {"revindex", (int64_t)(n - i)},
        {"revindex0", (int64_t)(n - i) - 1},
        {"length", (int64_t)n},
        {"depth", 1}, /* more is for recursive loops */
        {"depth0", 0},
    };
    const ch_value s = ch_text(name.p, name.n, false);
    for (size_t k = 0; k < CH_COUNT(counts); k++)
        if (ch_text_is(&s, counts[k].name))
            *out = ch_value_int(counts[k].value, false);
    if (ch_text_is(&s, "first"))
        *out = ch_value_bool(i == 0);
    else if (ch_text_is(&s, "last"))
        *out = ch_value_bool(i + 1 == n);
    else if (ch_text_is(&s, "previtem") && i > 0)
        *out = l->over->at[i - 1];
    else if (ch_text_is(&s, "nextitem") && i + 1 < n)
        *out = l->over->at[i + 1];
}

static int method(ch_jinja *j, bool *is, ch_value *out, const ch_value *v, ch_str name)
{
    const ch_builtin *b = ch_builtin_method(v->kind, name);
    *is = b != NULL;
    if (b == NULL)
        return CH_OK;
    ch_value *self = ch_jmem_take(&j->mem, sizeof *self);
    if (self == NULL)
        return ch_jinja_starve(j);
    *self = *v;
    *out = (ch_value){.kind = CH_V_METHOD};
    out->v.m.fn = b;
    out->v.m.self = self;
    return CH_OK;
}

static int key_of(ch_jinja *j, bool *is, ch_value *out, const ch_value *v, const ch_value *key)
{
    size_t at;
    int rc = ch_value_find(j, &at, v->v.dict, key);
    *is = rc == CH_OK && at < v->v.dict->n;
    if (*is)
        *out = v->v.dict->at[at].value;
    return rc;
}

int ch_value_attr(ch_jinja *j, ch_value *out, const ch_value *v, ch_str name)
{
    bool is = false;
    const ch_value key = ch_text(name.p, name.n, false);
    if (v->kind == CH_V_UNDEFINED)
        return undefined(j, v);
    *out = ch_value_undefined(name);
    int rc = method(j, &is, out, v, name);
    if (rc == CH_OK && !is && (v->kind == CH_V_DICT || v->kind == CH_V_NAMESPACE))
        rc = key_of(j, &is, out, v, &key);
    if (rc == CH_OK && v->kind == CH_V_LOOP)
        loop_attr(out, v->v.loop, name);
    return rc;
}

/* The place that an index names in n things; n: none. */
static size_t place(int64_t i, size_t n)
{
    const int64_t at = i < 0 ? i + (int64_t)n : i;
    return at < 0 || at >= (int64_t)n ? n : (size_t)at;
}

int ch_value_item(ch_jinja *j, ch_value *out, const ch_value *v, const ch_value *key)
{
    bool is = false;
    int rc = CH_OK;
    if (v->kind == CH_V_UNDEFINED)
        return undefined(j, v);
    *out = ch_value_undefined(key->kind == CH_V_TEXT ? (ch_str){key->v.s.p, key->v.s.n}
                                                     : (ch_str){"element", 7});
    if (v->kind == CH_V_DICT) {
        rc = key_of(j, &is, out, v, key);
    } else if ((v->kind == CH_V_LIST || v->kind == CH_V_TUPLE) &&
               (key->kind == CH_V_INT || key->kind == CH_V_BOOL)) {
        const int64_t i = key->kind == CH_V_INT ? key->v.i : key->v.b;
        const size_t at = place(i, v->v.list->n);
        if (at < v->v.list->n)
            *out = v->v.list->at[at];
        return ch_jinja_step(j, 0);
    } else if (v->kind == CH_V_TEXT && key->kind == CH_V_INT) {
        const size_t n = ch_text_count(v), at = place(key->v.i, n);
        const size_t from = ch_text_place(v, at);
        if (at < n) {
            const ch_value rest = ch_text_part(v, from, v->v.s.n - from);
            *out = ch_text_part(v, from, ch_text_place(&rest, 1));
        }
        return ch_jinja_step(j, v->v.s.n);
    }
    if (rc < 0 || is || key->kind != CH_V_TEXT)
        return rc;
    return ch_value_attr(j, out, v, (ch_str){key->v.s.p, key->v.s.n});
}

/* Python's slice.indices: where to start, how many to take. */
static int indices(ch_jinja *j, int64_t *start, int64_t *step, size_t *count,
                   const ch_value bound[3], int64_t n)
{
    int64_t at[2];
    *step = 1;
    int rc = bound[2].kind == CH_V_NONE ? CH_OK : ch_arg_int(j, step, &bound[2], "a slice's step");
    if (rc < 0)
        return rc;
    if (*step == 0)
        return ch_jinja_fail(j, CH_EFORMAT, "a slice's step is 0");
    const int64_t low = *step < 0 ? -1 : 0, high = *step < 0 ? n - 1 : n;
    for (int i = 0; i < 2; i++) {
        at[i] = (i == 0) == (*step > 0) ? low : high;
        if (bound[i].kind == CH_V_ABSENT || bound[i].kind == CH_V_NONE)
            continue;
        rc = ch_arg_int(j, &at[i], &bound[i], "a slice's bound");
        if (rc < 0)
            return rc;
        if (at[i] < 0)
            at[i] = at[i] < -n ? low : at[i] + n;
        at[i] = CH_MAX(low, CH_MIN(at[i], high));
    }
    *start = at[0];
    *step = CH_MAX(-n - 1, CH_MIN(*step, n + 1)); /* more is as good, and cannot overflow */
    const int64_t span = *step > 0 ? at[1] - at[0] : at[0] - at[1];
    const int64_t stride = *step > 0 ? *step : -*step;
    *count = span > 0 ? (size_t)((span - 1) / stride + 1) : 0;
    return CH_OK;
}

static int slice_text(ch_jinja *j, ch_value *out, const ch_value *v, const ch_value bound[3])
{
    int64_t at, step;
    size_t count;
    const ch_vlist *chars;
    int rc = indices(j, &at, &step, &count, bound, (int64_t)ch_text_count(v));
    if (rc < 0)
        return rc;
    if (count == 0 || step == 1) {
        const size_t from = count > 0 ? ch_text_place(v, (size_t)at) : 0;
        const ch_value rest = ch_text_part(v, from, v->v.s.n - from);
        *out = ch_text_part(v, from, ch_text_place(&rest, count));
        return ch_jinja_step(j, v->v.s.n);
    }
    ch_jout o = {0};
    rc = ch_value_items(j, &chars, v);
    for (; rc == CH_OK && count > 0; count--, at += step) {
        ch_jout_text(j, &o, &chars->at[at]);
        rc = o.rc;
    }
    return rc < 0 ? rc : ch_jout_end(out, &o);
}

int ch_value_slice(ch_jinja *j, ch_value *out, const ch_value *v, const ch_value bound[3])
{
    int64_t at, step;
    size_t count;
    if (v->kind == CH_V_UNDEFINED)
        return undefined(j, v);
    if (v->kind == CH_V_TEXT)
        return slice_text(j, out, v, bound);
    if (v->kind != CH_V_LIST && v->kind != CH_V_TUPLE)
        return ch_jinja_fail(j, CH_EFORMAT, "%s has no slices", ch_value_type(v));
    const ch_value all = *v; /* out may be v */
    int rc = indices(j, &at, &step, &count, bound, (int64_t)all.v.list->n);
    if (rc == CH_OK)
        rc = ch_value_list(j, out, all.kind, count, all.data);
    for (; rc == CH_OK && count > 0; count--, at += step)
        rc = ch_value_append(j, out->v.list, &all.v.list->at[at]);
    return rc < 0 ? rc : ch_jinja_step(j, 32 * out->v.list->n);
}

/* ---- Arithmetic ---- */

static int overflow(ch_jinja *j)
{
    return ch_jinja_fail(j, CH_ELIMIT, "an integer beyond 64 bits");
}

static int64_t whole(const ch_value *v)
{
    return v->kind == CH_V_INT ? v->v.i : v->v.b;
}

static int power(ch_jinja *j, int64_t *out, int64_t a, int64_t b)
{
    int64_t r = 1;
    for (; b > 0; b >>= 1) {
        if (b & 1 && __builtin_mul_overflow(r, a, &r))
            return overflow(j);
        if (b > 1 && __builtin_mul_overflow(a, a, &a))
            return overflow(j);
    }
    *out = r;
    return CH_OK;
}

static int integers(ch_jinja *j, int64_t *out, int op, int64_t a, int64_t b)
{
    bool over = false;
    switch (op) {
    case '+': over = __builtin_add_overflow(a, b, out); break;
    case '-': over = __builtin_sub_overflow(a, b, out); break;
    case '*': over = __builtin_mul_overflow(a, b, out); break;
    case CH_OP_POWER: return power(j, out, a, b);
    default: /* // and % */
        if (b == 0)
            return ch_jinja_fail(j, CH_EFORMAT, "a division by zero");
        if (b == -1) {
            over = op == CH_OP_FLOOR && __builtin_sub_overflow(0, a, out);
            *out = op == '%' ? 0 : *out;
            break;
        }
        const int64_t rest = a % b, q = a / b, down = rest != 0 && (rest < 0) != (b < 0);
        *out = op == '%' ? rest + (down ? b : 0) : q - down;
    }
    return over ? overflow(j) : CH_OK;
}

static int reals(ch_jinja *j, double *out, int op, double a, double b)
{
    if (b == 0 && (op == '/' || op == '%' || op == CH_OP_FLOOR))
        return ch_jinja_fail(j, CH_EFORMAT, "a division by zero");
    double rest = op == '%' || op == CH_OP_FLOOR ? fmod(a, b) : 0;
    if (rest != 0 && (rest < 0) != (b < 0))
        rest += b;
    switch (op) {
    case '+': *out = a + b; break;
    case '-': *out = a - b; break;
    case '*': *out = a * b; break;
    case '/': *out = a / b; break;
    case '%': *out = rest; break;
    case CH_OP_FLOOR: *out = floor((a - rest) / b + 0.5); break;
    default: *out = pow(a, b);
    }
    return CH_OK;
}

static int repeat(ch_jinja *j, ch_value *out, const ch_value *v, int64_t times)
{
    ch_jout o = {0};
    int rc = CH_OK;
    if (v->kind == CH_V_TEXT) {
        for (; times > 0 && v->v.s.n > 0 && o.rc == CH_OK; times--)
            ch_jout_text(j, &o, v);
        return ch_jout_end(out, &o);
    }
    const ch_value one = *v;
    rc = ch_value_list(j, out, one.kind, 0, one.data);
    for (; times > 0 && one.v.list->n > 0 && rc == CH_OK; times--)
        for (size_t i = 0; i < one.v.list->n && rc == CH_OK; i++) {
            rc = ch_value_append(j, out->v.list, &one.v.list->at[i]);
            rc = rc < 0 ? rc : ch_jinja_step(j, 0);
        }
    return rc;
}

static int join_lists(ch_jinja *j, ch_value *out, const ch_value *a, const ch_value *b)
{
    const ch_vlist *l[2] = {a->v.list, b->v.list};
    int rc = ch_value_list(j, out, a->kind, l[0]->n + l[1]->n, a->data || b->data);
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < l[k]->n && rc == CH_OK; i++)
            rc = ch_value_append(j, out->v.list, &l[k]->at[i]);
    return rc < 0 ? rc : ch_jinja_step(j, 32 * out->v.list->n);
}

static bool repeats(const ch_value *v, const ch_value *times)
{
    return (v->kind == CH_V_TEXT || v->kind == CH_V_LIST || v->kind == CH_V_TUPLE) &&
           (times->kind == CH_V_INT || times->kind == CH_V_BOOL);
}

static const char *shown(char out[3], int op)
{
    out[0] = op == CH_OP_FLOOR ? '/' : op == CH_OP_POWER ? '*' : (char)op;
    out[1] = op == CH_OP_FLOOR ? '/' : op == CH_OP_POWER ? '*' : 0;
    out[2] = 0;
    return out;
}

int ch_value_binary(ch_jinja *j, ch_value *out, int op, const ch_value *a, const ch_value *b)
{
    char s[3];
    int rc;
    if (op == '~') {
        ch_value x, y;
        rc = ch_value_text(j, &x, a);
        rc = rc < 0 ? rc : ch_value_text(j, &y, b);
        return rc < 0 ? rc : ch_text_add(j, out, &x, &y);
    }
    if (a->kind == CH_V_UNDEFINED || b->kind == CH_V_UNDEFINED)
        return undefined(j, a->kind == CH_V_UNDEFINED ? a : b);
    if (op == '+' && a->kind == CH_V_TEXT && b->kind == CH_V_TEXT)
        return ch_text_add(j, out, a, b);
    if (op == '+' && a->kind == b->kind && (a->kind == CH_V_LIST || a->kind == CH_V_TUPLE))
        return join_lists(j, out, a, b);
    if (op == '*' && (repeats(a, b) || repeats(b, a)))
        return repeats(a, b) ? repeat(j, out, a, whole(b)) : repeat(j, out, b, whole(a));
    if (!ch_value_is_number(a) || !ch_value_is_number(b))
        return ch_jinja_fail(j, CH_EFORMAT, "%s %s %s is not possible", ch_value_type(a),
                             shown(s, op), ch_value_type(b));
    const bool data = a->data || b->data;
    if (a->kind != CH_V_REAL && b->kind != CH_V_REAL && op != '/' &&
        !(op == CH_OP_POWER && whole(b) < 0)) {
        int64_t i = 0;
        rc = integers(j, &i, op, whole(a), whole(b));
        *out = ch_value_int(i, data);
    } else {
        double r = 0;
        rc = reals(j, &r, op, ch_value_number(a), ch_value_number(b));
        *out = ch_value_real(r, data);
    }
    return rc;
}

int ch_value_sign(ch_jinja *j, ch_value *out, int op, const ch_value *a)
{
    const ch_value zero = ch_value_int(0, false);
    if (a->kind == CH_V_REAL) {
        *out = ch_value_real(op == '-' ? -a->v.r : a->v.r, a->data);
        return CH_OK;
    }
    if (a->kind == CH_V_UNDEFINED)
        return undefined(j, a);
    if (!ch_value_is_number(a))
        return ch_jinja_fail(j, CH_EFORMAT, "%s has no sign", ch_value_type(a));
    return ch_value_binary(j, out, op, &zero, a);
}

int ch_value_compare(ch_jinja *j, bool *out, int op, const ch_value *a, const ch_value *b)
{
    int rc, order;
    if (op == CH_OP_EQ || op == CH_OP_NE) {
        rc = ch_value_equal(j, out, a, b);
        *out ^= op == CH_OP_NE;
        return rc;
    }
    if (op == CH_OP_IN || op == CH_OP_NOT_IN) {
        rc = ch_value_contains(j, out, b, a);
        *out ^= op == CH_OP_NOT_IN;
        return rc;
    }
    if (a->kind == CH_V_UNDEFINED || b->kind == CH_V_UNDEFINED)
        return undefined(j, a->kind == CH_V_UNDEFINED ? a : b);
    rc = ch_value_order(j, &order, a, b);
    *out = op == '<' ? order < 0 : op == '>' ? order > 0 : op == CH_OP_LE ? order <= 0 : order >= 0;
    return rc;
}
