/* bare.c - calls as Llama 3 writes them: an object that stands where an answer may begin
 *
 *     {"name": "f", "parameters": {...}}; {...}
 *     <|python_tag|>{"name": "f", "parameters": {...}}
 *     <|python_tag|>f.call(key="value", ...)          its built-in tools; values are JSON
 *
 * Without the tag an object is a call if it has nothing but a name, arguments, a type and an id;
 * any other is an answer that is JSON.
 * SPDX-License-Identifier: MIT */
#include "parts.h"

#include <string.h>

/* After object.c's own. */
enum {
    BEFORE = 100,
    NAME,
    BEFORE_KEY,
    KEY_OF_VALUE,
    VALUE
};

static void begin(ch_reply *r, int tag)
{
    ch_reply_object.begin(r, tag);
    if (tag >= 0)
        r->call.state = BEFORE;
}

static bool is_name_byte(char c, bool dots)
{
    const char low = (char)(c | 0x20);
    return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           (dots && (c == '.' || c == '-'));
}

static ch_reply_step before(ch_reply *r, char c)
{
    if (c == '{') {
        ch_reply_object.begin(r, -1);
        r->call.claimed = true;
        return CH_STEP_MORE;
    }
    r->call.state = is_name_byte(c, false) ? NAME : BEFORE;
    r->call.mark = r->held.size - 1;
    return r->call.state == NAME || ch_reply_blank(c) ? CH_STEP_MORE : CH_STEP_BROKEN;
}

static ch_reply_step name_byte(ch_reply *r, char c)
{
    static const char call[] = ".call";
    const size_t k = sizeof call - 1, n = r->held.size - 1 - r->call.mark;
    const char *text = r->held.data + r->call.mark;
    if (c != '(')
        return is_name_byte(c, true) ? CH_STEP_MORE : CH_STEP_BROKEN;
    if (n <= k || memcmp(text + n - k, call, k) != 0)
        return CH_STEP_BROKEN;
    r->call.key[KEY_NAME] = (ch_span){r->call.mark, n - k};
    r->call.state = BEFORE_KEY;
    ch_buf_clear(&r->arguments);
    return CH_STEP_MORE;
}

static ch_reply_step end_call(ch_reply *r)
{
    const ch_span name = r->call.key[KEY_NAME];
    ch_buf_str(&r->arguments, r->arguments.size == 0 ? "{}" : "}");
    ch_reply_call(r, r->held.data + name.from, name.n, NULL, 0);
    return CH_STEP_DONE;
}

static ch_reply_step key_byte(ch_reply *r, char c)
{
    const size_t at = r->held.size - 1;
    const bool begins = r->call.state == BEFORE_KEY;
    if (begins && ch_reply_blank(c))
        return CH_STEP_MORE;
    if (begins && c == ')')
        return end_call(r);
    if (is_name_byte(c, false)) {
        r->call.mark = begins ? at : r->call.mark;
        r->call.state = KEY_OF_VALUE;
        return CH_STEP_MORE;
    }
    if (begins || c != '=')
        return CH_STEP_BROKEN;
    ch_buf_str(&r->arguments, r->arguments.size == 0 ? "{\"" : ",\"");
    ch_buf_put(&r->arguments, r->held.data + r->call.mark, at - r->call.mark);
    ch_buf_str(&r->arguments, "\":");
    r->call.state = VALUE;
    r->call.mark = at + 1;
    ch_reply_scan_start(&r->call.scan);
    return CH_STEP_MORE;
}

static ch_reply_step value_byte(ch_reply *r, char c)
{
    const ch_reply_scan *s = &r->call.scan;
    const size_t n = r->held.size - 1 - r->call.mark;
    if (s->depth > 0 || ch_reply_scan_in_string(s) || (c != ',' && c != ')'))
        return ch_reply_scan_byte(&r->call.scan, c) == CH_STEP_BROKEN ? CH_STEP_BROKEN
                                                                      : CH_STEP_MORE;
    if (!ch_reply_scan_compact(&r->arguments, r->held.data + r->call.mark, n))
        return CH_STEP_BROKEN;
    r->call.state = BEFORE_KEY;
    return c == ')' ? end_call(r) : CH_STEP_MORE;
}

static ch_reply_step byte(ch_reply *r, char c)
{
    switch (r->call.state) {
    case BEFORE:
        return before(r, c);
    case NAME:
        return name_byte(r, c);
    case BEFORE_KEY:
    case KEY_OF_VALUE:
        return key_byte(r, c);
    case VALUE:
        return value_byte(r, c);
    default:
        return ch_reply_object.byte(r, c);
    }
}

static bool in_string(const ch_reply *r)
{
    return r->call.state == VALUE ? ch_reply_scan_in_string(&r->call.scan)
                                  : ch_reply_object.in_string(r);
}

const ch_reply_family ch_reply_bare = {.opens = TAG_BIT(TAG_CALL), .blanks = true, .bare = true,
                                       .begin = begin, .byte = byte, .in_string = in_string};
