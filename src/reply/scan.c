/* scan.c - JSON (RFC 8259) a byte at a time, and without its white space
 *
 * An automaton with a stack of one bit a bracket.  What it takes is JSON up to three things, which
 * whoever parses the text sees: strings that are not UTF-8, halves of surrogates, numbers that are
 * too large.
 * SPDX-License-Identifier: MIT */
#include "parts.h"

#include <string.h>

enum {
    VALUE,
    VALUE_OR_END, /* after [ */
    KEY_OR_END,   /* after { */
    KEY,
    COLON,
    AFTER, /* a value */
    STRING,
    ESCAPE,
    HEX1, /* of \u: four digits to come, three, ... */
    HEX2,
    HEX3,
    HEX4,
    MINUS,
    ZERO,
    DIGITS,
    POINT,
    FRACTION,
    POWER, /* after e */
    POWER_SIGN,
    POWER_DIGITS,
    LITERAL,
};

void ch_reply_scan_start(ch_reply_scan *s)
{
    s->state = VALUE;
    s->depth = 0;
    s->key = false;
    s->literal = "";
}

bool ch_reply_scan_in_string(const ch_reply_scan *s)
{
    return s->state >= STRING && s->state <= HEX4;
}

bool ch_reply_scan_wants_colon(const ch_reply_scan *s) { return s->state == COLON; }

bool ch_reply_scan_wants_value(const ch_reply_scan *s) { return s->state == VALUE; }

static bool in_object(const ch_reply_scan *s)
{
    const int at = s->depth - 1;
    return at >= 0 && (s->object[at / 32] >> (at % 32) & 1) != 0;
}

static ch_reply_step to(ch_reply_scan *s, int state)
{
    s->state = (uint8_t)state;
    return CH_STEP_MORE;
}

static ch_reply_step open_bracket(ch_reply_scan *s, bool object)
{
    if (s->depth == CH_REPLY_DEPTH)
        return CH_STEP_BROKEN;
    const uint32_t bit = UINT32_C(1) << (s->depth % 32);
    uint32_t *word = &s->object[s->depth / 32];
    *word = object ? *word | bit : *word & ~bit;
    s->depth++;
    return to(s, object ? KEY_OR_END : VALUE_OR_END);
}

static ch_reply_step close_bracket(ch_reply_scan *s, bool object)
{
    if (s->depth == 0 || in_object(s) != object)
        return CH_STEP_BROKEN;
    to(s, AFTER);
    return --s->depth == 0 ? CH_STEP_DONE : CH_STEP_MORE;
}

static ch_reply_step open_string(ch_reply_scan *s, bool key)
{
    s->key = key;
    return to(s, STRING);
}

static ch_reply_step value(ch_reply_scan *s, char c)
{
    static const char *const literals[] = {"true", "false", "null"};
    if (ch_reply_blank(c))
        return CH_STEP_MORE;
    if (c == ']' && s->state == VALUE_OR_END)
        return close_bracket(s, false);
    if (c == '{' || c == '[')
        return open_bracket(s, c == '{');
    if (c == '"')
        return open_string(s, false);
    if (c == '-' || c == '0')
        return to(s, c == '-' ? MINUS : ZERO);
    if (c >= '1' && c <= '9')
        return to(s, DIGITS);
    for (size_t i = 0; i < CH_COUNT(literals); i++)
        if (c == literals[i][0]) {
            s->literal = literals[i] + 1;
            return to(s, LITERAL);
        }
    return CH_STEP_BROKEN;
}

/* Between the parts of arrays and objects. */
static ch_reply_step between(ch_reply_scan *s, char c)
{
    if (ch_reply_blank(c))
        return CH_STEP_MORE;
    switch (s->state) {
    case COLON:
        return c == ':' ? to(s, VALUE) : CH_STEP_BROKEN;
    case KEY_OR_END:
        if (c == '}')
            return close_bracket(s, true);
        /* fall through */
    case KEY:
        return c == '"' ? open_string(s, true) : CH_STEP_BROKEN;
    default:
        break;
    }
    if (c == ',' && s->depth > 0)
        return to(s, in_object(s) ? KEY : VALUE);
    return c == '}' || c == ']' ? close_bracket(s, c == '}') : CH_STEP_BROKEN;
}

static ch_reply_step string(ch_reply_scan *s, char c)
{
    const char low = (char)(c | 0x20);
    if (s->state == ESCAPE) {
        if (c == 'u')
            return to(s, HEX1);
        return c != 0 && strchr("\"\\/bfnrt", c) != NULL ? to(s, STRING) : CH_STEP_BROKEN;
    }
    if (s->state != STRING) {
        const bool hex = (c >= '0' && c <= '9') || (low >= 'a' && low <= 'f');
        return !hex ? CH_STEP_BROKEN : to(s, s->state == HEX4 ? STRING : s->state + 1);
    }
    if (c == '"')
        return to(s, s->key ? COLON : AFTER);
    if (c == '\\')
        return to(s, ESCAPE);
    return (unsigned char)c >= 0x20 ? CH_STEP_MORE : CH_STEP_BROKEN;
}

/* A number goes on, or what is behind it stands after a value. */
static ch_reply_step number(ch_reply_scan *s, char c)
{
    const bool digit = c >= '0' && c <= '9', power = (c | 0x20) == 'e';
    switch (s->state) {
    case MINUS:
        return digit ? to(s, c == '0' ? ZERO : DIGITS) : CH_STEP_BROKEN;
    case POINT:
        return digit ? to(s, FRACTION) : CH_STEP_BROKEN;
    case POWER:
        if (c == '+' || c == '-')
            return to(s, POWER_SIGN);
        /* fall through */
    case POWER_SIGN:
        return digit ? to(s, POWER_DIGITS) : CH_STEP_BROKEN;
    default:
        break;
    }
    if (digit && s->state != ZERO)
        return CH_STEP_MORE;
    if (c == '.' && s->state <= DIGITS)
        return to(s, POINT);
    if (power && s->state <= FRACTION)
        return to(s, POWER);
    to(s, AFTER);
    return between(s, c);
}

ch_reply_step ch_reply_scan_byte(ch_reply_scan *s, char c)
{
    if (s->state <= VALUE_OR_END)
        return value(s, c);
    if (s->state <= AFTER)
        return between(s, c);
    if (s->state <= HEX4)
        return string(s, c);
    if (s->state != LITERAL)
        return number(s, c);
    if (c != *s->literal)
        return CH_STEP_BROKEN;
    return *++s->literal == 0 ? to(s, AFTER) : CH_STEP_MORE;
}

bool ch_reply_scan_compact(ch_buf *b, const char *text, size_t n)
{
    ch_reply_scan s = {0};
    size_t run = 0; /* what is not yet written begins there */
    ch_reply_scan_start(&s);
    for (size_t i = 0; i < n; i++) {
        const bool blank = ch_reply_blank(text[i]) && !ch_reply_scan_in_string(&s);
        if (ch_reply_scan_byte(&s, text[i]) == CH_STEP_BROKEN)
            return false;
        if (!blank)
            continue;
        if (!ch_buf_put(b, text + run, i - run))
            return false;
        run = i + 1;
    }
    /* White space ends a number that stands alone. */
    return ch_reply_scan_byte(&s, ' ') != CH_STEP_BROKEN && s.state == AFTER && s.depth == 0 &&
           ch_buf_put(b, text + run, n - run);
}
