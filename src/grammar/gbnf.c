/* gbnf.c - grammars as llama.cpp writes them
 *
 *     root ::= "- " item+        # what the whole text is
 *     item ::= [^\n]{1,80} "\n" | (digit "." item)?
 *
 * Names are letters, digits, "-" and "_"; literals and classes know \n \r \t \\ \" \[ \] \- \xXX
 * \uXXXX \UXXXXXXXX, each a character, not a byte; "." is any character.  A rule ends with its
 * line, unless within parentheses or behind "|".  References to tokens (<think>) are refused.
 * Time: what the text says, times its bounds of repetition, within CH_MOST_STATES.
 * SPDX-License-Identifier: MIT */
#include "sources.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_NESTED = 200 };

struct gbnf {
    ch_nfa *n;
    const char *p, *end, *begin;
    ch_map names;
    int depth;
};

static int fail_at(struct gbnf *g, const char *at, const char *what)
{
    int line = 1, column = 1;
    for (const char *c = g->begin; c < at; c++) {
        column = *c == '\n' ? 1 : column + 1;
        line += *c == '\n';
    }
    return ch_nfa_fail(g->n, CH_EFORMAT, "grammar:%d:%d: %s", line, column, what);
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static bool here(const struct gbnf *g, const char *text)
{
    const size_t n = strlen(text);
    return (size_t)(g->end - g->p) >= n && memcmp(g->p, text, n) == 0;
}

static void skip_blanks(struct gbnf *g, bool lines)
{
    while (g->p < g->end) {
        if (*g->p == '#')
            while (g->p < g->end && *g->p != '\n' && *g->p != '\r')
                g->p++;
        else if (*g->p == ' ' || *g->p == '\t' || (lines && (*g->p == '\n' || *g->p == '\r')))
            g->p++;
        else
            break;
    }
}

static size_t name_here(const struct gbnf *g)
{
    size_t n = 0;
    while (g->p + n < g->end && is_name(g->p[n]))
        n++;
    return n;
}

/* The rule of that name, which may be made later. */
static uint32_t rule_named(struct gbnf *g, const char *name, size_t size)
{
    int64_t rule = ch_map_get(&g->names, name, size);
    if (rule < 0 && g->n->rc == CH_OK) {
        rule = ch_nfa_rule_new(g->n, name, size);
        if (ch_map_put(&g->names, name, size, rule, NULL, NULL) < 0)
            ch_nfa_fail(g->n, CH_ENOMEM, "no memory for the rules of a grammar");
    }
    return rule < 0 ? 0 : (uint32_t)rule;
}

/* ---- Characters ------------------------------------------------------------------------------ */

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                        : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_hex(uint32_t *out, struct gbnf *g, int digits)
{
    *out = 0;
    for (int i = 0; i < digits; i++, g->p++) {
        if (g->p >= g->end || hex(*g->p) < 0)
            return false;
        *out = *out << 4 | (uint32_t)hex(*g->p);
    }
    return *out <= 0x10ffff && !(*out >= 0xd800 && *out <= 0xdfff);
}

/* One character of a literal or a class, which is not at its end. */
static int read_char(uint32_t *out, struct gbnf *g)
{
    const char *start = g->p;
    if (*g->p != '\\') {
        const int n = ch_utf8_read(out, g->p, (size_t)(g->end - g->p));
        if (n <= 0)
            return fail_at(g, start, "bytes that are no UTF-8");
        g->p += n;
        return CH_OK;
    }
    const char c = g->p + 1 < g->end ? g->p[1] : 0;
    g->p += c ? 2 : 1;
    switch (c) {
    case 'n': *out = '\n'; return CH_OK;
    case 'r': *out = '\r'; return CH_OK;
    case 't': *out = '\t'; return CH_OK;
    case '\\': case '"': case '[': case ']': case '-': case '^': case '/':
        *out = (uint32_t)c;
        return CH_OK;
    case 'x': case 'u': case 'U':
        if (read_hex(out, g, c == 'x' ? 2 : c == 'u' ? 4 : 8))
            return CH_OK;
        return fail_at(g, start, "this escape is no character; \\x has 2 hexadecimal digits, "
                                 "\\u 4, \\U 8");
    default:
        return fail_at(g, start, "an unknown escape; known are \\n \\r \\t \\\\ \\\" \\[ \\] \\- "
                                 "\\^ \\/ \\x \\u \\U");
    }
}

static void literal(struct gbnf *g, ch_piece *p)
{
    const char *start = g->p++;
    uint32_t at = p->in;
    while (g->n->rc == CH_OK && g->p < g->end && *g->p != '"') {
        uint32_t c;
        char bytes[4];
        if (*g->p == '\n') {
            fail_at(g, start, "a text that does not end on its line");
            return;
        }
        if (read_char(&c, g) < 0)
            return;
        at = ch_nfa_text(g->n, at, bytes, (size_t)ch_utf8_write(bytes, c));
    }
    if (g->p >= g->end)
        fail_at(g, start, "a text that does not end");
    g->p++;
    ch_nfa_empty(g->n, at, p->out);
}

static int read_range(ch_range *r, struct gbnf *g)
{
    const char *start = g->p;
    if (read_char(&r->lo, g) < 0)
        return g->n->rc;
    r->hi = r->lo;
    if (g->p + 1 < g->end && *g->p == '-' && g->p[1] != ']') {
        g->p++;
        if (read_char(&r->hi, g) < 0)
            return g->n->rc;
    }
    return r->lo <= r->hi ? CH_OK : fail_at(g, start, "a range that runs backwards");
}

static void class(struct gbnf *g, ch_piece *p)
{
    const char *start = g->p++;
    ch_ranges r = {0};
    const bool negate = g->p < g->end && *g->p == '^';
    g->p += negate;
    while (g->n->rc == CH_OK && g->p < g->end && *g->p != ']') {
        ch_range one;
        if (read_range(&one, g) == CH_OK && !ch_ranges_add(&r, one.lo, one.hi))
            ch_nfa_fail(g->n, CH_ENOMEM, "no memory for a class of characters");
    }
    if (g->p >= g->end)
        fail_at(g, start, "a class that does not end");
    g->p++;
    if (g->n->rc == CH_OK && ch_ranges_tidy(&r, negate))
        ch_nfa_class(g->n, p->in, p->out, &r);
    else
        ch_nfa_fail(g->n, CH_ENOMEM, "no memory for a class of characters");
    free(r.at);
}

static void any(struct gbnf *g, ch_piece *p)
{
    ch_range all = {0, 0x10ffff};
    const ch_ranges r = {.at = &all, .n = 1};
    g->p++;
    ch_nfa_class(g->n, p->in, p->out, &r);
}

/* ---- Rules ----------------------------------------------------------------------------------- */

static ch_piece alternatives(struct gbnf *g, bool nested);

static ch_piece item(struct gbnf *g)
{
    ch_piece p = {0};
    const char c = *g->p;
    if (c == '(') {
        g->p++;
        skip_blanks(g, true);
        p = alternatives(g, true);
        if (g->n->rc == CH_OK && !here(g, ")"))
            fail_at(g, g->p, "expected \")\"");
        g->p++;
        return p;
    }
    p = ch_nfa_piece(g->n);
    const size_t name = name_here(g);
    if (c == '"')
        literal(g, &p);
    else if (c == '[')
        class(g, &p);
    else if (c == '.')
        any(g, &p);
    else if (name) {
        ch_nfa_call(g->n, p.in, p.out, rule_named(g, g->p, name));
        g->p += name;
    } else if (c == '<' || c == '!')
        fail_at(g, g->p, "references to tokens (<think>, <[1000]>) are not supported");
    else
        fail_at(g, g->p, "expected a text, a class, \".\", \"(\" or the name of a rule");
    ch_nfa_piece_end(g->n, &p);
    return p;
}

static bool number(int64_t *out, struct gbnf *g)
{
    const char *start = g->p;
    for (*out = 0; g->p < g->end && *g->p >= '0' && *g->p <= '9'; g->p++)
        *out = CH_MIN(*out * 10 + (*g->p - '0'), (int64_t)1 << 40);
    return g->p > start;
}

/* {m} {m,} {m,n} {,n} */
static int bounds(struct gbnf *g, int64_t *least, int64_t *most)
{
    const char *start = g->p++;
    skip_blanks(g, false);
    const bool some = number(least, g);
    *most = *least;
    skip_blanks(g, false);
    if (here(g, ",")) {
        g->p++;
        skip_blanks(g, false);
        if (!number(most, g))
            *most = CH_UNBOUNDED;
        skip_blanks(g, false);
        if (!some && *most == CH_UNBOUNDED)
            return fail_at(g, start, "bounds without a number");
    } else if (!some) {
        return fail_at(g, start, "bounds without a number");
    }
    if (!here(g, "}"))
        return fail_at(g, g->p, "expected \"}\"");
    g->p++;
    if (*most != CH_UNBOUNDED && *most < *least)
        return fail_at(g, start, "the upper bound is below the lower one");
    return CH_OK;
}

static ch_piece repeated(struct gbnf *g, bool nested)
{
    ch_piece p = item(g);
    for (skip_blanks(g, nested); g->n->rc == CH_OK && g->p < g->end; skip_blanks(g, nested)) {
        int64_t least = 0, most = CH_UNBOUNDED;
        const char c = *g->p;
        if (c == '{') {
            if (bounds(g, &least, &most) < 0)
                break;
        } else if (c == '*' || c == '+' || c == '?') {
            least = c == '+';
            most = c == '?' ? 1 : CH_UNBOUNDED;
            g->p++;
        } else {
            break;
        }
        p = ch_nfa_repeat(g->n, p, least, most);
    }
    return p;
}

static bool at_end(const struct gbnf *g, bool nested)
{
    return g->p >= g->end || *g->p == '|' ||
           (nested ? *g->p == ')' : *g->p == '\n' || *g->p == '\r');
}

static ch_piece alternatives(struct gbnf *g, bool nested)
{
    ch_piece whole = ch_nfa_piece(g->n);
    if (++g->depth > MOST_NESTED)
        fail_at(g, g->p, "more than 200 nested parentheses");
    for (bool more = true; more && g->n->rc == CH_OK;) {
        uint32_t at = whole.in;
        while (g->n->rc == CH_OK && !at_end(g, nested)) {
            const ch_piece p = repeated(g, nested);
            ch_nfa_empty(g->n, at, p.in);
            at = p.out;
        }
        ch_nfa_empty(g->n, at, whole.out);
        more = g->p < g->end && *g->p == '|';
        if (more) {
            g->p++;
            skip_blanks(g, true);
        }
    }
    g->depth--;
    ch_nfa_piece_end(g->n, &whole);
    return whole;
}

static void rule(struct gbnf *g)
{
    const char *start = g->p;
    const size_t size = name_here(g);
    if (size == 0) {
        fail_at(g, g->p, "expected the name of a rule");
        return;
    }
    const uint32_t r = rule_named(g, g->p, size);
    g->p += size;
    skip_blanks(g, false);
    if (g->n->rc == CH_OK && !here(g, "::="))
        fail_at(g, g->p, "expected \"::=\"");
    if (g->n->rc == CH_OK && g->n->rule[r].made)
        fail_at(g, start, "this rule is there already");
    if (g->n->rc < 0)
        return;
    g->p += 3;
    skip_blanks(g, true);
    ch_nfa_rule_begin(g->n, r);
    const ch_piece body = alternatives(g, false);
    if (g->n->rc == CH_OK) {
        ch_nfa_empty(g->n, g->n->rule[r].start, body.in);
        ch_nfa_empty(g->n, body.out, g->n->rule[r].end);
    }
    ch_nfa_rule_end(g->n, r);
}

int ch_gbnf_read(ch_nfa *n, const char *text, size_t size)
{
    struct gbnf g = {.n = n, .p = text, .begin = text, .end = text + size};
    if (ch_map_open(&g.names, 64, NULL) < 0)
        return ch_nfa_fail(n, CH_ENOMEM, "no memory for a grammar");
    rule_named(&g, "root", 4);
    for (skip_blanks(&g, true); n->rc == CH_OK && g.p < g.end; skip_blanks(&g, true))
        rule(&g);
    for (size_t i = 0; i < n->n_rules && n->rc == CH_OK; i++)
        if (!n->rule[i].made)
            ch_nfa_fail(n, CH_EFORMAT, "grammar: there is no rule \"%.100s\"", n->rule[i].name);
    ch_map_close(&g.names);
    return n->rc;
}
