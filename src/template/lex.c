/* lex.c - the text of a template as words
 *
 * Source: Jinja 3.1's lexer with trim_blocks and lstrip_blocks, as transformers sets them:
 *   {% .. %} {{ .. }} {# .. #}   a "-" inside the braces takes the white space on that side away
 *   after %} and #}              one newline goes
 *   before {% and {#             blanks from the start of the line go, unless "+" stands inside
 *   the last newline of the template goes; {% raw %} is text up to {% endraw %}
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "jinja.h"

enum { NEST = 200 }; /* brackets in one another */

typedef struct lexer {
    const char *text, *name;
    size_t n, at;
    size_t placed; /* line and column are those of text[placed] */
    int line, column;
    ch_word *w;
    size_t count, cap;
    ch_jmem *mem;
    ch_err *e;
} lexer;

static void place(int *line, int *column, const char *text, size_t from, size_t to)
{
    for (; from < to; from++) {
        if (text[from] == '\n') {
            ++*line;
            *column = 1;
        } else if (((unsigned char)text[from] & 0xc0) != 0x80) {
            ++*column;
        }
    }
}

void ch_template_place(int *line, int *column, const char *text, size_t at)
{
    *line = *column = 1;
    place(line, column, text, 0, at);
}

static int fail(lexer *x, size_t at, const char *what)
{
    int line, column;
    ch_template_place(&line, &column, x->text, at);
    return ch_fail(x->e, CH_EFORMAT, "%s:%d:%d: %s", x->name, line, column, what);
}

/* A word of text[from..to). */
static ch_word *add(lexer *x, ch_word_kind kind, size_t from, size_t to)
{
    if (x->count == x->cap) {
        const size_t cap = 2 * x->cap + 64;
        ch_word *w = ch_jmem_take(x->mem, ch_size_mul(cap, sizeof *w));
        if (w == NULL) {
            ch_fail(x->e, CH_ELIMIT, "%s: a template of too many words", x->name);
            return NULL;
        }
        if (x->count > 0)
            memcpy(w, x->w, x->count * sizeof *w);
        x->w = w;
        x->cap = cap;
    }
    place(&x->line, &x->column, x->text, x->placed, from);
    x->placed = CH_MAX(x->placed, from);
    ch_word *w = &x->w[x->count++];
    *w = (ch_word){.kind = (uint8_t)kind, .line = x->line, .column = x->column,
                   .text = {x->text + from, to - from}};
    return w;
}

/* ---- White space ---- */

/* The length of the white space character at text[at], or 0. */
static size_t space(const char *text, size_t n, size_t at)
{
    uint32_t cp;
    const int k = at < n ? ch_utf8_read(&cp, text + at, n - at) : 0;
    return k > 0 && ch_text_is_space(cp) ? (size_t)k : 0;
}

static void skip_space(lexer *x)
{
    for (size_t k; (k = space(x->text, x->n, x->at)) > 0; x->at += k)
        ;
}

static size_t without_space(const lexer *x, size_t from, size_t to)
{
    const ch_value s = ch_text(x->text + from, to - from, false);
    return from + ch_text_strip(&s, NULL, false, true).v.s.n;
}

/* Without the blanks between the start of the line and a block. */
static size_t without_indent(const lexer *x, size_t from, size_t to)
{
    size_t at = to;
    while (at > from && x->text[at - 1] != '\n')
        at--;
    if (at > 0 && x->text[at - 1] != '\n')
        return to; /* something else precedes it in its line */
    size_t end = at;
    for (size_t k; end < to && (k = space(x->text, to, end)) > 0; end += k)
        ;
    return end == to ? at : to;
}

/* ---- Tags without words ---- */

/* At "-%}", "+%}" or "%}" (of `close`)?  Its end, white space behind it taken along; else 0. */
static size_t tag_end(const lexer *x, size_t at, const char *close, bool trim)
{
    const size_t sign = at < x->n && (x->text[at] == '-' || (trim && x->text[at] == '+'));
    if (x->n - at < sign + 2 || memcmp(x->text + at + sign, close, 2) != 0)
        return 0;
    lexer y = *x;
    y.at = at + sign + 2;
    if (x->text[at] == '-')
        skip_space(&y);
    else if (trim && sign == 0 && y.at < y.n && y.text[y.at] == '\n')
        y.at++;
    return y.at;
}

static int comment(lexer *x, size_t start)
{
    for (size_t at = x->at; at + 1 < x->n; at++) {
        const size_t end = tag_end(x, at, "#}", true);
        if (end > 0) {
            x->at = end;
            return CH_OK;
        }
    }
    return fail(x, start, "a comment without end");
}

/* At `word` and the end of a block?  After "raw" only "-" takes white space along. */
static size_t raw_tag(const lexer *x, size_t at, const char *word, bool trim)
{
    lexer y = *x;
    const size_t n = strlen(word);
    y.at = at;
    skip_space(&y);
    if (y.n - y.at < n || memcmp(y.text + y.at, word, n) != 0)
        return 0;
    y.at += n;
    skip_space(&y);
    return tag_end(&y, y.at, "%}", trim);
}

static int raw(lexer *x, size_t start)
{
    for (size_t at = x->at; at + 1 < x->n; at++) {
        if (x->text[at] != '{' || x->text[at + 1] != '%')
            continue;
        const char sign = at + 2 < x->n ? x->text[at + 2] : 0;
        const size_t end = raw_tag(x, at + 2 + (sign == '-' || sign == '+'), "endraw", true);
        if (end == 0)
            continue;
        const size_t to = sign == '-'   ? without_space(x, x->at, at)
                          : sign == '+' ? at
                                        : without_indent(x, x->at, at);
        if (to > x->at && add(x, CH_W_DATA, x->at, to) == NULL)
            return CH_ELIMIT;
        x->at = end;
        return CH_OK;
    }
    return fail(x, start, "{% raw %} without {% endraw %}");
}

/* ---- Words within tags ---- */

static int digits(int c, int base)
{
    int d = base;
    if (c >= '0' && c <= '9')
        d = c - '0';
    else if ((c | 32) >= 'a' && (c | 32) <= 'f')
        d = (c | 32) - 'a' + 10;
    return d < base ? d : -1;
}

/* Digits with single "_" between them, from text[at]; their end. */
static size_t number_end(const lexer *x, size_t at, int base)
{
    for (; at < x->n; at++) {
        const size_t digit = at + (x->text[at] == '_');
        if (digit == x->n || digits(x->text[digit], base) < 0)
            break;
    }
    return at;
}

static int integer(lexer *x, size_t from, size_t to, int base)
{
    ch_word *w = add(x, CH_W_INT, from, to);
    if (w == NULL)
        return CH_ELIMIT;
    for (size_t i = base == 10 ? from : from + 2; i < to; i++) {
        const int d = x->text[i] == '_' ? -1 : digits(x->text[i], base);
        if (d >= 0 && (__builtin_mul_overflow(w->i, base, &w->i) ||
                       __builtin_add_overflow(w->i, d, &w->i)))
            return fail(x, from, "a number beyond 64 bits");
    }
    x->at = to;
    return CH_OK;
}

static int real_number(lexer *x, size_t from, size_t to)
{
    char s[400];
    size_t n = 0;
    ch_word *w = add(x, CH_W_REAL, from, to);
    if (w == NULL)
        return CH_ELIMIT;
    for (size_t i = from; i < to && n < sizeof s; i++)
        if (x->text[i] != '_')
            s[n++] = x->text[i];
    if (n == sizeof s)
        return fail(x, from, "a number of too many digits");
    s[n] = 0;
    w->r = strtod(s, NULL);
    x->at = to;
    return CH_OK;
}

static int number(lexer *x)
{
    const size_t from = x->at;
    const char kind = x->text[from] == '0' && from + 1 < x->n ? (char)(x->text[from + 1] | 32) : 0;
    const int base = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 10;
    if (base != 10 && from + 2 < x->n && digits(x->text[from + 2], base) >= 0)
        return integer(x, from, number_end(x, from + 2, base), base);
    size_t to = number_end(x, from, 10);
    bool is_real = false;
    /* a.0.1 is a[0][1] */
    const bool after_dot = from > 0 && x->text[from - 1] == '.';
    if (!after_dot && to + 1 < x->n && x->text[to] == '.' && digits(x->text[to + 1], 10) >= 0) {
        to = number_end(x, to + 1, 10);
        is_real = true;
    }
    size_t e = to;
    if (!after_dot && e < x->n && (x->text[e] | 32) == 'e') {
        e += 1 + (e + 1 < x->n && (x->text[e + 1] == '-' || x->text[e + 1] == '+'));
        if (e < x->n && digits(x->text[e], 10) >= 0) {
            to = number_end(x, e, 10);
            is_real = true;
        }
    }
    return is_real ? real_number(x, from, to) : integer(x, from, to, 10);
}

/* \xHH, \uHHHH, \UHHHHHHHH: `n` digits at text[at]; -1: not so many. */
static int64_t hex(const lexer *x, size_t at, size_t n, size_t end)
{
    int64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        const int d = at + i < end ? digits(x->text[at + i], 16) : -1;
        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

/* The escape whose letter is text[*at], behind the backslash, into out; its end to *at. */
static int escape(lexer *x, char *out, size_t *n, size_t *at, size_t end)
{
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    const char c = x->text[*at];
    const char *plain = memchr(from, c, sizeof from - 1);
    int64_t cp = -1;
    if (c == '\n') {
        ++*at;
        return CH_OK;
    }
    if (plain != NULL) {
        cp = to[plain - from];
        ++*at;
    } else if (c >= '0' && c <= '7') {
        cp = 0;
        for (int k = 0; k < 3 && *at < end && digits(x->text[*at], 8) >= 0; k++, ++*at)
            cp = cp * 8 + x->text[*at] - '0';
    } else if (c == 'x' || c == 'u' || c == 'U') {
        const size_t k = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        cp = hex(x, *at + 1, k, end);
        if (cp < 0 || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
            return fail(x, *at, "an escape that names no character");
        *at += 1 + k;
    } else if (c == 'N') {
        return fail(x, *at, "characters by name (\\N) are not known here");
    } else {
        out[(*n)++] = '\\'; /* Python leaves what it does not know */
        return CH_OK;
    }
    *n += (size_t)ch_utf8_write(out + *n, (uint32_t)cp);
    return CH_OK;
}

static int string(lexer *x)
{
    const size_t start = x->at;
    size_t end = start + 1, n = 0;
    bool escapes = false;
    while (end < x->n && x->text[end] != x->text[start]) {
        escapes |= x->text[end] == '\\';
        end += x->text[end] == '\\' ? 2 : 1;
    }
    if (end >= x->n)
        return fail(x, start, "a string without end");
    ch_word *w = add(x, CH_W_TEXT, start, end + 1);
    if (w == NULL)
        return CH_ELIMIT;
    w->text = (ch_str){x->text + start + 1, end - start - 1};
    x->at = end + 1;
    if (!escapes)
        return CH_OK;
    char *out = ch_jmem_take(x->mem, w->text.n); /* no escape grows */
    if (out == NULL)
        return fail(x, start, "a string too long");
    for (size_t i = start + 1; i < end;) {
        if (x->text[i] != '\\') {
            out[n++] = x->text[i++];
            continue;
        }
        i++;
        int rc = escape(x, out, &n, &i, end);
        if (rc < 0)
            return rc;
    }
    w->text = (ch_str){out, n};
    return CH_OK;
}

static bool in_name(unsigned char c, bool first)
{
    const unsigned char letter = c | 32;
    return c == '_' || c >= 0x80 || (letter >= 'a' && letter <= 'z') ||
           (!first && c >= '0' && c <= '9');
}

static int operator(lexer *x)
{
    static const struct {
        char text[3];
        uint8_t op;
    } two[] = {{"//", CH_OP_FLOOR}, {"**", CH_OP_POWER}, {"==", CH_OP_EQ},
               {"!=", CH_OP_NE},    {"<=", CH_OP_LE},    {">=", CH_OP_GE}};
    const char c = x->text[x->at];
    size_t n = 1;
    uint8_t op = (uint8_t)c;
    for (size_t i = 0; i < CH_COUNT(two); i++)
        if (x->n - x->at >= 2 && memcmp(x->text + x->at, two[i].text, 2) == 0) {
            op = two[i].op;
            n = 2;
        }
    if (n == 1 && (c == 0 || strchr("+-/*%~[](){}><=.:|,;", c) == NULL))
        return fail(x, x->at, "a character that no expression holds");
    ch_word *w = add(x, CH_W_OP, x->at, x->at + n);
    if (w == NULL)
        return CH_ELIMIT;
    w->op = op;
    x->at += n;
    return CH_OK;
}

/* Brackets as they open; an end within them is none. */
static int balance(lexer *x, char *open, int *depth)
{
    const ch_word *w = &x->w[x->count - 1];
    if (w->op == '(' || w->op == '[' || w->op == '{') {
        if (*depth == NEST)
            return fail(x, x->at, "brackets too deep in one another");
        open[(*depth)++] = w->op == '(' ? ')' : w->op == '[' ? ']' : '}';
    } else if (w->op == ')' || w->op == ']' || w->op == '}') {
        if (*depth == 0 || open[--*depth] != (char)w->op)
            return fail(x, x->at - 1, "a bracket that closes none");
    }
    return CH_OK;
}

/* Up to the end of a tag that began at text[start]. */
static int inside(lexer *x, size_t start, bool block)
{
    char open[NEST];
    int depth = 0, rc = CH_OK;
    while (rc == CH_OK) {
        skip_space(x);
        if (x->at == x->n)
            return fail(x, start, "a tag without end");
        const size_t end = depth > 0 ? 0 : tag_end(x, x->at, block ? "%}" : "}}", block);
        if (end > 0) {
            const bool ok = add(x, block ? CH_W_BLOCK_END : CH_W_PRINT_END, x->at, x->at + 2);
            x->at = end;
            return ok ? CH_OK : CH_ELIMIT;
        }
        const unsigned char c = (unsigned char)x->text[x->at];
        if (c >= '0' && c <= '9') {
            rc = number(x);
        } else if (c == '"' || c == '\'') {
            rc = string(x);
        } else if (in_name(c, true)) {
            size_t to = x->at + 1;
            while (to < x->n && in_name((unsigned char)x->text[to], false))
                to++;
            rc = add(x, CH_W_NAME, x->at, to) != NULL ? CH_OK : CH_ELIMIT;
            x->at = to;
        } else if ((rc = operator(x)) == CH_OK) {
            rc = balance(x, open, &depth);
        }
    }
    return rc;
}

/* Text, and the tag behind it. */
static int next(lexer *x)
{
    size_t at = x->at;
    while (at < x->n && !(x->text[at] == '{' && at + 1 < x->n && x->text[at + 1] != 0 &&
                          strchr("{%#", x->text[at + 1]) != NULL))
        at++;
    const char tag = at < x->n ? x->text[at + 1] : 0;
    const char sign = at + 2 < x->n ? x->text[at + 2] : 0;
    const bool signed_ = tag != 0 && (sign == '-' || sign == '+');
    size_t to = at;
    if (signed_ && sign == '-')
        to = without_space(x, x->at, at);
    else if (!signed_ && tag != 0 && tag != '{')
        to = without_indent(x, x->at, at);
    if (to > x->at && add(x, CH_W_DATA, x->at, to) == NULL)
        return CH_ELIMIT;
    x->at = CH_MIN(x->n, at + 2 + signed_);
    if (tag == 0)
        return CH_OK;
    if (tag == '#')
        return comment(x, at);
    const size_t is_raw = tag == '%' ? raw_tag(x, x->at, "raw", false) : 0;
    if (is_raw > 0) {
        x->at = is_raw;
        return raw(x, at);
    }
    if (add(x, tag == '%' ? CH_W_BLOCK : CH_W_PRINT, at, x->at) == NULL)
        return CH_ELIMIT;
    return inside(x, at, tag == '%');
}

int ch_template_lex(ch_word **out, ch_jmem *m, const char *text, size_t n, const char *name,
                    ch_err *e)
{
    lexer x = {.text = text, .n = n, .name = name, .mem = m, .e = e, .line = 1, .column = 1};
    int rc = CH_OK;
    while (x.at < x.n && rc == CH_OK)
        rc = next(&x);
    if (rc == CH_OK && add(&x, CH_W_END, x.n, x.n) == NULL)
        rc = CH_ELIMIT;
    *out = x.w;
    return rc;
}
