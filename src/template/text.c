/* text.c - text that knows the origin of each byte
 *
 * All text is UTF-8 and stays so: it is cut between characters only.  What templates count are
 * characters.  SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "jinja.h"
#include "unicode.h"

ch_value ch_text(const char *p, size_t n, bool data)
{
    ch_value v = {.kind = CH_V_TEXT, .data = data};
    v.v.s.p = p;
    v.v.s.n = n;
    return v;
}

bool ch_text_is(const ch_value *s, const char *what)
{
    const size_t n = strlen(what);
    return s->kind == CH_V_TEXT && s->v.s.n == n && (n == 0 || memcmp(s->v.s.p, what, n) == 0);
}

bool ch_text_is_space(uint32_t cp)
{
    return ch_unicode_is_space(cp) || (cp >= 0x1c && cp <= 0x1f);
}

/* ---- Under construction ---- */

static bool grow(ch_jinja *j, ch_jout *o, size_t n)
{
    if (o->limit > 0 && n > o->limit - o->n) {
        o->rc = ch_jinja_fail(j, CH_ELIMIT, "more than the allowed %zu bytes of text", o->limit);
        return false;
    }
    if (n <= o->cap - o->n)
        return true;
    const size_t cap = CH_MAX(o->n + n, 2 * o->cap + 32);
    char *p = ch_jmem_take(&j->mem, ch_size_mul(cap, 2));
    if (p == NULL) {
        o->rc = ch_jinja_starve(j);
        return false;
    }
    if (o->n > 0) {
        memcpy(p, o->p, o->n);
        memcpy(p + cap, o->mark, o->n);
    }
    o->p = p;
    o->mark = (uint8_t *)p + cap;
    o->cap = cap;
    return true;
}

static void put(ch_jinja *j, ch_jout *o, const char *p, const uint8_t *mark, size_t n, bool data)
{
    if (n == 0 || o->rc < 0 || (o->rc = ch_jinja_step(j, n)) < 0 || !grow(j, o, n))
        return;
    memcpy(o->p + o->n, p, n);
    if (mark != NULL)
        memcpy(o->mark + o->n, mark, n);
    else
        memset(o->mark + o->n, data, n);
    o->n += n;
    o->some_data |= data;
    o->some_trusted |= mark != NULL || !data;
}

void ch_jout_put(ch_jinja *j, ch_jout *o, const char *p, size_t n, bool data)
{
    put(j, o, p, NULL, n, data);
}

void ch_jout_text(ch_jinja *j, ch_jout *o, const ch_value *s)
{
    put(j, o, s->v.s.p, s->v.s.mark, s->v.s.n, s->data);
}

int ch_jout_end(ch_value *out, const ch_jout *o)
{
    if (o->rc < 0)
        return o->rc;
    *out = ch_text(o->n > 0 ? o->p : "", o->n, o->some_data);
    out->v.s.mark = o->some_data && o->some_trusted ? o->mark : NULL;
    return CH_OK;
}

int ch_text_add(ch_jinja *j, ch_value *out, const ch_value *a, const ch_value *b)
{
    ch_jout o = {0};
    if (a->v.s.n == 0 || b->v.s.n == 0) {
        *out = a->v.s.n == 0 ? *b : *a;
        return CH_OK;
    }
    if (!grow(j, &o, a->v.s.n + b->v.s.n))
        return o.rc;
    ch_jout_text(j, &o, a);
    ch_jout_text(j, &o, b);
    return ch_jout_end(out, &o);
}

/* Character by character. */
int ch_text_change(ch_jinja *j, ch_value *out, const ch_value *s, int32_t (*to)(int32_t cp))
{
    ch_jout o = {0};
    char bytes[4];
    uint32_t cp;
    for (size_t i = 0, k; i < s->v.s.n && o.rc == CH_OK; i += k) {
        const int n = ch_utf8_read(&cp, s->v.s.p + i, s->v.s.n - i);
        k = n > 0 ? (size_t)n : 1;
        const bool data = s->v.s.mark != NULL ? s->v.s.mark[i] != 0 : s->data;
        const int32_t c = n > 0 ? to((int32_t)cp) : -1;
        if (c < 0 || c == (int32_t)cp)
            ch_jout_put(j, &o, s->v.s.p + i, k, data);
        else
            ch_jout_put(j, &o, bytes, (size_t)ch_utf8_write(bytes, (uint32_t)c), data);
    }
    return ch_jout_end(out, &o);
}

/* ---- Parts ---- */

ch_value ch_text_part(const ch_value *s, size_t from, size_t n)
{
    ch_value part = *s;
    part.v.s.p = s->v.s.p + from;
    part.v.s.n = n;
    if (n == 0 || s->v.s.mark == NULL) {
        part.v.s.mark = NULL;
        part.data = n > 0 && s->data;
        return part;
    }
    part.v.s.mark = s->v.s.mark + from;
    part.data = memchr(part.v.s.mark, 1, n) != NULL;
    if (!part.data || memchr(part.v.s.mark, 0, n) == NULL)
        part.v.s.mark = NULL;
    return part;
}

static bool starts_char(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

size_t ch_text_count(const ch_value *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->v.s.n; i++)
        n += starts_char(s->v.s.p[i]);
    return n;
}

size_t ch_text_place(const ch_value *s, size_t chars)
{
    size_t i = 0;
    for (; i < s->v.s.n; i++)
        if (starts_char(s->v.s.p[i]) && chars-- == 0)
            break;
    return i;
}

/* Is the character at p[0..n) white space, or one of `chars` (NULL or no text: white space)? */
static bool strips(const char *p, size_t n, const ch_value *chars)
{
    uint32_t cp;
    if (chars == NULL || chars->kind != CH_V_TEXT)
        return ch_utf8_read(&cp, p, n) == (int)n && ch_text_is_space(cp);
    for (size_t i = 0; i + n <= chars->v.s.n; i++)
        if (memcmp(chars->v.s.p + i, p, n) == 0)
            return true;
    return false;
}

ch_value ch_text_strip(const ch_value *s, const ch_value *chars, bool left, bool right)
{
    const char *p = s->v.s.p;
    size_t from = 0, to = s->v.s.n;
    while (left && from < to) {
        size_t end = from + 1;
        while (end < to && !starts_char(p[end]))
            end++;
        if (!strips(p + from, end - from, chars))
            break;
        from = end;
    }
    while (right && from < to) {
        size_t at = to - 1;
        while (at > from && !starts_char(p[at]))
            at--;
        if (!strips(p + at, to - at, chars))
            break;
        to = at;
    }
    return ch_text_part(s, from, to - from);
}

size_t ch_text_find(const ch_value *s, const ch_value *what, size_t from)
{
    if (what->v.s.n == 0)
        return from <= s->v.s.n ? from : SIZE_MAX;
    if (from >= s->v.s.n)
        return SIZE_MAX;
    const char *at = memmem(s->v.s.p + from, s->v.s.n - from, what->v.s.p, what->v.s.n);
    return at != NULL ? (size_t)(at - s->v.s.p) : SIZE_MAX;
}
