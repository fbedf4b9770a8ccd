/* regex.c - regular expressions, as JSON Schema's "pattern" has them (ECMA 262, in Unicode mode)
 *
 *   alternatives |, groups ( ) (?: ) (?<name> ), * + ? {n} {n,} {n,m} and their lazy forms (the
 *   same texts), . [ ] [^ ], \d \D \w \W \s \S, \t \n \v \f \r \0 \xHH \uHHHH \u{H...} \cX, ^ at
 *   the beginning and $ at the end of an alternative of the whole
 *
 * Refused by name: look-around, references back, \b \B, \p{...}, anchors elsewhere.
 * SPDX-License-Identifier: MIT */
#include "sources.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_NESTED = 200 };

struct regex {
    ch_nfa *n;
    const char *p, *end, *begin, *where;
    int depth;
    bool search;
};

static int fail(struct regex *r, int code, const char *what)
{
    return ch_nfa_fail(r->n, code, "%s: %s, at character %d of \"%.*s\"", r->where, what,
                       (int)CH_MAX(0, r->p - r->begin) + 1, (int)CH_MIN(r->end - r->begin, 100),
                       r->begin);
}

static int refuse(struct regex *r, const char *what)
{
    return fail(r, CH_EUNSUPPORTED, what);
}

static char at(const struct regex *r, int i) { return r->end - r->p > i ? r->p[i] : 0; }
static bool more(const struct regex *r) { return r->n->rc == CH_OK && r->p < r->end; }

/* ---- Characters and sets --------------------------------------------------------------------- */

static const ch_range digits[] = {{'0', '9'}};
static const ch_range words[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
static const ch_range spaces[] = {{'\t', '\r'},     {' ', ' '},       {0xa0, 0xa0},
                                  {0x1680, 0x1680}, {0x2000, 0x200a}, {0x2028, 0x2029},
                                  {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000},
                                  {0xfeff, 0xfeff}};
static const ch_range line_ends[] = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

/* The others of a sorted set, where asked for. */
static void add_set(struct regex *r, ch_ranges *to, const ch_range *set, size_t n, bool negate)
{
    ch_ranges own = {0};
    bool ok = true;
    for (size_t i = 0; i < n; i++)
        ok = ok && ch_ranges_add(&own, set[i].lo, set[i].hi);
    ok = ok && ch_ranges_tidy(&own, negate);
    for (size_t i = 0; ok && i < own.n; i++)
        ok = ch_ranges_add(to, own.at[i].lo, own.at[i].hi);
    free(own.at);
    if (!ok)
        fail(r, CH_ENOMEM, "no memory");
}

static bool named_set(struct regex *r, ch_ranges *to, char c)
{
    switch (c) {
    case 'd': case 'D': add_set(r, to, digits, CH_COUNT(digits), c == 'D'); return true;
    case 'w': case 'W': add_set(r, to, words, CH_COUNT(words), c == 'W'); return true;
    case 's': case 'S': add_set(r, to, spaces, CH_COUNT(spaces), c == 'S'); return true;
    default: return false;
    }
}

static int hex_number(uint32_t *out, struct regex *r, int n, bool braces)
{
    *out = 0;
    int i = 0;
    for (; more(r) && i < (braces ? 8 : n); i++, r->p++) {
        const char c = *r->p;
        const int x = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f'
                                           ? (c | 32) - 'a' + 10 : -1;
        if (x < 0)
            break;
        *out = *out << 4 | (uint32_t)x;
    }
    if (i == 0 || (!braces && i < n) || (braces && at(r, 0) != '}'))
        return fail(r, CH_EFORMAT, "hexadecimal digits are missing");
    r->p += braces;
    return CH_OK;
}

/* \uHHHH, of which two may be one character. */
static int unicode(uint32_t *out, struct regex *r)
{
    const bool braces = at(r, 0) == '{';
    r->p += braces;
    if (hex_number(out, r, 4, braces) < 0)
        return r->n->rc;
    if (*out >= 0xd800 && *out < 0xdc00 && at(r, 0) == '\\' && at(r, 1) == 'u') {
        uint32_t low;
        r->p += 2;
        if (hex_number(&low, r, 4, false) < 0)
            return r->n->rc;
        if (low >= 0xdc00 && low < 0xe000)
            *out = 0x10000 + ((*out - 0xd800) << 10) + (low - 0xdc00);
    }
    if (*out > 0x10ffff || (*out >= 0xd800 && *out < 0xe000))
        return fail(r, CH_EFORMAT, "an escape that is no character");
    return CH_OK;
}

/* Behind the backslash; sets are the caller's. */
static int escape(uint32_t *out, struct regex *r, bool in_class)
{
    const char c = at(r, 0);
    r->p++;
    switch (c) {
    case 't': *out = '\t'; return CH_OK;
    case 'n': *out = '\n'; return CH_OK;
    case 'v': *out = '\v'; return CH_OK;
    case 'f': *out = '\f'; return CH_OK;
    case 'r': *out = '\r'; return CH_OK;
    case 'x': return hex_number(out, r, 2, false);
    case 'u': return unicode(out, r);
    case 'p': case 'P': return refuse(r, "\\p is not supported");
    case 'k': return refuse(r, "references back are not supported");
    case 'B': return refuse(r, "\\B is not supported");
    case 'b':
        *out = '\b';
        return in_class ? CH_OK : refuse(r, "\\b is not supported");
    case 'c':
        *out = (uint32_t)at(r, 0) & 31;
        if (((at(r, 0) | 32) < 'a' || (at(r, 0) | 32) > 'z'))
            return fail(r, CH_EFORMAT, "\\c without a letter");
        r->p++;
        return CH_OK;
    case '0':
        *out = 0;
        return at(r, 0) >= '0' && at(r, 0) <= '9' ? fail(r, CH_EFORMAT, "an octal escape") : CH_OK;
    default:
        *out = (uint8_t)c;
        if (c >= '1' && c <= '9')
            return refuse(r, "references back are not supported");
        if (c == 0 || !strchr("^$\\.*+?()[]{}|/-", c))
            return fail(r, CH_EFORMAT, "an unknown escape");
        return CH_OK;
    }
}

static int character(uint32_t *out, struct regex *r)
{
    const int n = ch_utf8_read(out, r->p, (size_t)(r->end - r->p));
    if (n <= 0)
        return fail(r, CH_EFORMAT, "bytes that are no UTF-8");
    r->p += n;
    return CH_OK;
}

/* One of a class: a character (true), or a set that has been added. */
static bool class_member(struct regex *r, ch_ranges *to, uint32_t *out)
{
    if (*r->p == '\\' && named_set(r, to, at(r, 1))) {
        r->p += 2;
        return false;
    }
    if (*r->p != '\\')
        return character(out, r) == CH_OK;
    r->p++;
    return escape(out, r, true) == CH_OK;
}

static void class(struct regex *r, const ch_piece *p)
{
    ch_ranges set = {0};
    r->p++;
    const bool negate = at(r, 0) == '^';
    r->p += negate;
    while (more(r) && *r->p != ']') {
        uint32_t lo, hi;
        if (!class_member(r, &set, &lo))
            continue;
        hi = lo;
        if (at(r, 0) == '-' && at(r, 1) != ']' && at(r, 1) != 0) {
            r->p++;
            if (!class_member(r, &set, &hi))
                fail(r, CH_EFORMAT, "a range that ends in a set");
        }
        if (lo > hi)
            fail(r, CH_EFORMAT, "a range that runs backwards");
        else if (!ch_ranges_add(&set, lo, hi))
            fail(r, CH_ENOMEM, "no memory");
    }
    if (r->n->rc == CH_OK && r->p >= r->end)
        fail(r, CH_EFORMAT, "a class that does not end");
    r->p++;
    if (r->n->rc == CH_OK && ch_ranges_tidy(&set, negate))
        ch_nfa_class(r->n, p->in, p->out, &set);
    free(set.at);
}

static void one_of(struct regex *r, const ch_piece *p, ch_ranges *set)
{
    if (r->n->rc == CH_OK)
        ch_nfa_class(r->n, p->in, p->out, set);
    free(set->at);
}

/* ---- Structure ------------------------------------------------------------------------------- */

static ch_piece alternatives(struct regex *r, bool top);

static ch_piece group(struct regex *r)
{
    r->p++;
    if (at(r, 0) == '?') {
        const char c = at(r, 1), d = at(r, 2);
        if (c == '=' || c == '!' || (c == '<' && (d == '=' || d == '!')))
            refuse(r, "look-around is not supported");
        else if (c == ':')
            r->p += 2;
        else if (c == '<' && memchr(r->p, '>', (size_t)(r->end - r->p)))
            r->p = (const char *)memchr(r->p, '>', (size_t)(r->end - r->p)) + 1;
        else
            fail(r, CH_EFORMAT, "an unknown kind of group");
    }
    const ch_piece p = alternatives(r, false);
    if (r->n->rc == CH_OK && at(r, 0) != ')')
        fail(r, CH_EFORMAT, "a group that does not end");
    r->p++;
    return p;
}

static ch_piece atom(struct regex *r)
{
    const char c = *r->p;
    uint32_t x;
    if (c == '(')
        return group(r);
    ch_piece p = ch_nfa_piece(r->n);
    ch_ranges set = {0};
    if (c == '[') {
        class(r, &p);
    } else if (c == '.') {
        r->p++;
        add_set(r, &set, line_ends, CH_COUNT(line_ends), true);
        one_of(r, &p, &set);
    } else if (c == '\\' && named_set(r, &set, at(r, 1))) {
        r->p += 2;
        one_of(r, &p, &set);
    } else if (c == '^' || c == '$') {
        refuse(r, "an anchor elsewhere than at the beginning or the end is not supported");
    } else if (strchr("*+?{}])", c)) {
        fail(r, CH_EFORMAT, "there is nothing to repeat or to close here");
    } else {
        if (c == '\\' && ++r->p >= r->end)
            fail(r, CH_EFORMAT, "a backslash at the end");
        else if ((c == '\\' ? escape(&x, r, false) : character(&x, r)) == CH_OK) {
            char bytes[4];
            ch_nfa_text_to(r->n, p.in, p.out, bytes, (size_t)ch_utf8_write(bytes, x));
        }
    }
    ch_nfa_piece_end(r->n, &p);
    return p;
}

static bool number(int64_t *out, struct regex *r)
{
    const char *start = r->p;
    for (*out = 0; more(r) && *r->p >= '0' && *r->p <= '9'; r->p++)
        *out = CH_MIN(*out * 10 + (*r->p - '0'), (int64_t)1 << 40);
    return r->p > start;
}

static void bounds(struct regex *r, int64_t *least, int64_t *most)
{
    r->p++;
    bool ok = number(least, r);
    *most = *least;
    if (at(r, 0) == ',') {
        r->p++;
        if (!number(most, r))
            *most = CH_UNBOUNDED;
    }
    ok = ok && at(r, 0) == '}' && (*most == CH_UNBOUNDED || *most >= *least);
    if (!ok)
        fail(r, CH_EFORMAT, "bounds of repetition are {n}, {n,} or {n,m}");
    r->p++;
}

static ch_piece repeated(struct regex *r)
{
    ch_piece p = atom(r);
    const char c = more(r) ? *r->p : 0;
    int64_t least = 0, most = CH_UNBOUNDED;
    if (c == '{') {
        bounds(r, &least, &most);
    } else if (c == '*' || c == '+' || c == '?') {
        least = c == '+';
        most = c == '?' ? 1 : CH_UNBOUNDED;
        r->p++;
    } else {
        return p;
    }
    r->p += at(r, 0) == '?'; /* lazy: which text is found first does not matter */
    return ch_nfa_repeat(r->n, p, least, most);
}

/* Any text, in front of what is not anchored or behind it. */
static uint32_t anything(struct regex *r, uint32_t from)
{
    ch_range all = {0, 0x10ffff};
    const ch_ranges any = {.at = &all, .n = 1};
    const uint32_t loop = ch_nfa_state(r->n);
    ch_nfa_empty(r->n, from, loop);
    ch_nfa_class(r->n, loop, loop, &any);
    return loop;
}

static void alternative(struct regex *r, const ch_piece *whole, bool top)
{
    uint32_t s = whole->in;
    const bool begins = top && at(r, 0) == '^';
    bool ends = false;
    r->p += begins;
    if (top && r->search && !begins)
        s = anything(r, s);
    while (more(r) && *r->p != '|' && *r->p != ')') {
        if (top && *r->p == '$' && (at(r, 1) == '|' || r->p + 1 == r->end)) {
            ends = true;
            r->p++;
            break;
        }
        const ch_piece p = repeated(r);
        ch_nfa_empty(r->n, s, p.in);
        s = p.out;
    }
    if (top && r->search && !ends)
        s = anything(r, s);
    ch_nfa_empty(r->n, s, whole->out);
}

static ch_piece alternatives(struct regex *r, bool top)
{
    ch_piece whole = ch_nfa_piece(r->n);
    if (++r->depth > MOST_NESTED)
        fail(r, CH_ELIMIT, "more than 200 nested groups");
    for (bool again = true; again && r->n->rc == CH_OK;) {
        alternative(r, &whole, top);
        again = at(r, 0) == '|';
        r->p += again;
    }
    r->depth--;
    ch_nfa_piece_end(r->n, &whole);
    return whole;
}

ch_piece ch_regex_piece(ch_nfa *n, const char *text, size_t size, bool search, const char *where)
{
    struct regex r = {.n = n, .p = text, .begin = text, .end = text + size, .where = where,
                      .search = search};
    if (memchr(text, 0, size)) /* 0 is what stands behind the end here */
        fail(&r, CH_EUNSUPPORTED, "a 0 byte is written \\0");
    const ch_piece p = alternatives(&r, true);
    if (n->rc == CH_OK && r.p < r.end)
        fail(&r, CH_EFORMAT, "a \")\" without its \"(\"");
    return p;
}

int ch_regex_read(ch_nfa *n, const char *text, size_t size)
{
    const uint32_t r = ch_nfa_rule_new(n, "root", 4);
    ch_nfa_rule_begin(n, r);
    const ch_piece p = ch_regex_piece(n, text, size, false, "regex");
    if (n->rc == CH_OK) {
        ch_nfa_empty(n, n->rule[r].start, p.in);
        ch_nfa_empty(n, p.out, n->rule[r].end);
    }
    ch_nfa_rule_end(n, r);
    return n->rc;
}

int ch_choice_read(ch_nfa *n, const char *text, size_t size)
{
    json_t *list;
    ch_err e = {0};
    if (ch_json_parse(&list, text, size, "choice", &e) < 0)
        return ch_nfa_fail(n, e.code, "%s", e.text);
    if (!json_is_array(list) || json_array_size(list) == 0)
        ch_nfa_fail(n, CH_EFORMAT, "choice: expected a JSON array of one string at least");
    const uint32_t r = ch_nfa_rule_new(n, "root", 4);
    ch_nfa_rule_begin(n, r);
    for (size_t i = 0; i < json_array_size(list) && n->rc == CH_OK; i++) {
        const json_t *s = json_array_get(list, i);
        if (!json_is_string(s))
            ch_nfa_fail(n, CH_EFORMAT, "choice: entry %zu is no string", i);
        else
            ch_nfa_text_to(n, n->rule[r].start, n->rule[r].end, json_string_value(s),
                           json_string_length(s));
    }
    ch_nfa_rule_end(n, r);
    json_decref(list);
    return n->rc;
}
