/* object.c - calls that are JSON objects, with the name within or before
 *
 *     object  <tool_call>{"name": "f", "arguments": {...}}</tool_call>             Hermes, Qwen
 *     named   [TOOL_CALLS][{"name": "f", "arguments": {...}, "id": "x"}, ...]      Mistral
 *             [TOOL_CALLS]f[ARGS]{...}, [TOOL_CALLS]f[CALL_ID]x[ARGS]{...}
 *             <TOOLCALL>[{"name": "f", "arguments": {...}}, ...]</TOOLCALL>        Nemotron
 *
 * A call ends with its object: a closing tag that is missing loses nothing.  An object has name,
 * arguments (or parameters; an object, a string that holds one, null, or nothing), id and type and
 * nothing else: what would not be told is no call.
 * SPDX-License-Identifier: MIT */
#include "parts.h"

#include <string.h>

enum {
    BEFORE_ANY, /* named: what it is, is not known yet */
    BEFORE_OBJECT,
    OBJECT,
    NAME,
    ID,
    BEFORE_ARGUMENTS,
    ARGUMENTS,
};

enum { TAG_ARGS = TAG_OWN, TAG_ID };

/* ---- Complete ---- */

static json_t *parsed(const ch_reply *r, ch_span s)
{
    json_t *v;
    ch_json_parse(&v, r->held.data + s.from, s.n, "", NULL);
    return v;
}

/* The JSON text of an object's arguments into r->arguments. */
static void compact_arguments(ch_reply *r, ch_span s)
{
    ch_buf_clear(&r->arguments);
    const char first = s.n > 0 ? r->held.data[s.from] : 'n';
    json_t *inner = first == '"' ? parsed(r, s) : NULL;
    if (first == 'n')
        ch_buf_str(&r->arguments, "{}");
    else if (first != '"')
        ch_reply_scan_compact(&r->arguments, r->held.data + s.from, s.n);
    else if (!ch_reply_scan_compact(&r->arguments, json_string_value(inner),
                                    json_string_length(inner)))
        ch_buf_clear(&r->arguments);
    json_decref(inner);
}

static ch_reply_step complete(ch_reply *r)
{
    const ch_reply_reading *c = &r->call;
    if (!c->seen[KEY_NAME] || (!c->claimed && !c->seen[KEY_ARGUMENTS]))
        return CH_STEP_BROKEN;
    compact_arguments(r, c->key[KEY_ARGUMENTS]);
    json_t *name = parsed(r, c->key[KEY_NAME]);
    json_t *id = c->seen[KEY_ID] ? parsed(r, c->key[KEY_ID]) : NULL;
    ch_reply_call(r, json_string_value(name), json_string_length(name), json_string_value(id),
                  json_string_length(id));
    json_decref(name);
    json_decref(id);
    return CH_STEP_DONE;
}

/* ---- An object's members ---- */

static int key_of(const char *text, size_t n)
{
    static const struct {
        const char *name;
        int key;
    } keys[] = {{"name", KEY_NAME}, {"arguments", KEY_ARGUMENTS}, {"parameters", KEY_ARGUMENTS},
                {"id", KEY_ID}, {"type", KEY_TYPE}};
    for (size_t i = 0; i < CH_COUNT(keys); i++)
        if (strlen(keys[i].name) == n && memcmp(keys[i].name, text, n) == 0)
            return keys[i].key;
    return -1;
}

static bool may_begin(int key, char c)
{
    return c == '"' || (key == KEY_ARGUMENTS && c == '{') ||
           ((key == KEY_ARGUMENTS || key == KEY_ID) && c == 'n');
}

/* The byte at held[at], at depth 1 and in no string before it. */
static ch_reply_step member_byte(ch_reply *r, char c, size_t at)
{
    ch_reply_reading *call = &r->call;
    if (ch_reply_scan_wants_value(&call->scan) && !ch_reply_blank(c)) {
        if (!may_begin(call->current, c))
            return CH_STEP_BROKEN;
        call->key[call->current].from = at;
    } else if (c == ',' || c == '}') {
        if (call->current >= 0)
            call->key[call->current].n = at - call->key[call->current].from;
    } else if (c == '"') {
        call->mark = at + 1; /* a key's, for a value's was looked at above */
    }
    return CH_STEP_MORE;
}

static ch_reply_step object_byte(ch_reply *r, char c)
{
    ch_reply_reading *call = &r->call;
    ch_reply_scan *s = &call->scan;
    const size_t at = r->held.size - 1;
    const bool outer = s->depth == 1, in_string = ch_reply_scan_in_string(s);
    if (outer && !in_string && member_byte(r, c, at) == CH_STEP_BROKEN)
        return CH_STEP_BROKEN;
    const ch_reply_step step = ch_reply_scan_byte(s, c);
    if (step == CH_STEP_DONE)
        return complete(r);
    if (step == CH_STEP_MORE && outer && in_string && ch_reply_scan_wants_colon(s)) {
        call->current = key_of(r->held.data + call->mark, at - call->mark);
        if (call->current < 0 || call->seen[call->current])
            return CH_STEP_BROKEN;
        call->seen[call->current] = true;
        call->claimed |= call->seen[KEY_NAME] && call->seen[KEY_ARGUMENTS];
    }
    return step;
}

static ch_reply_step before_object(ch_reply *r, char c)
{
    if (c != '{')
        return ch_reply_blank(c) ? CH_STEP_MORE : CH_STEP_BROKEN;
    r->call.state = OBJECT;
    r->call.current = -1;
    ch_reply_scan_start(&r->call.scan);
    return ch_reply_scan_byte(&r->call.scan, c);
}

/* ---- Hermes ---- */

static void begin(ch_reply *r, int tag)
{
    r->call.state = BEFORE_OBJECT;
    r->call.claimed = tag >= 0;
    if (tag < 0 && r->held.data[r->held.size - 1] == '{')
        before_object(r, '{');
}

static ch_reply_step byte_of_object(ch_reply *r, char c)
{
    return r->call.state == OBJECT ? object_byte(r, c) : before_object(r, c);
}

static bool in_string(const ch_reply *r)
{
    return (r->call.state == OBJECT || r->call.state == ARGUMENTS) &&
           ch_reply_scan_in_string(&r->call.scan);
}

const ch_reply_family ch_reply_object = {
    .opens = TAG_BIT(TAG_CALL), .closes = TAG_BIT(TAG_UNCALL), .blanks = true, .begin = begin,
    .byte = byte_of_object, .in_string = in_string};

/* ---- Mistral ---- */

static void begin_named(ch_reply *r, int tag)
{
    r->call.claimed = true;
    r->call.state = tag >= 0 ? BEFORE_ANY : BEFORE_OBJECT;
    r->call.list &= tag < 0;
}

static ch_reply_step before_arguments(ch_reply *r, char c)
{
    if (c != '{')
        return ch_reply_blank(c) ? CH_STEP_MORE : CH_STEP_BROKEN;
    r->call.state = ARGUMENTS;
    r->call.key[KEY_ARGUMENTS].from = r->held.size - 1;
    ch_reply_scan_start(&r->call.scan);
    return ch_reply_scan_byte(&r->call.scan, c);
}

static ch_reply_step arguments_byte(ch_reply *r, char c)
{
    ch_span *span = r->call.key;
    const ch_reply_step step = ch_reply_scan_byte(&r->call.scan, c);
    if (step != CH_STEP_DONE)
        return step;
    span[KEY_ARGUMENTS].n = r->held.size - span[KEY_ARGUMENTS].from;
    compact_arguments(r, span[KEY_ARGUMENTS]);
    const char *text = r->held.data;
    ch_reply_call(r, text + span[KEY_NAME].from, span[KEY_NAME].n,
                  r->call.seen[KEY_ID] ? text + span[KEY_ID].from : NULL, span[KEY_ID].n);
    return CH_STEP_DONE;
}

/* A name's or an id's end, before the n bytes that held ends with. */
static void end_part(ch_reply *r, size_t n)
{
    const int key = r->call.state == ID ? KEY_ID : KEY_NAME;
    r->call.key[key] = (ch_span){r->call.mark, r->held.size - n - r->call.mark};
    r->call.seen[key] = true;
}

static bool is_name_byte(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f && strchr("{}[]<>\"',;:()", c) == NULL;
}

static ch_reply_step named_byte(ch_reply *r, char c)
{
    switch (r->call.state) {
    case BEFORE_ANY:
        if (c == '[') {
            r->call.list = true;
            r->call.state = BEFORE_OBJECT;
            return CH_STEP_MORE;
        }
        if (!is_name_byte(c))
            return before_object(r, c);
        r->call.state = NAME;
        r->call.mark = r->held.size - 1;
        return CH_STEP_MORE;
    case NAME:
        if (c == '{') { /* [ARGS] was a token without text */
            end_part(r, 1);
            return before_arguments(r, c);
        }
        /* fall through */
    case ID:
        return is_name_byte(c) ? CH_STEP_MORE : CH_STEP_BROKEN;
    case BEFORE_ARGUMENTS:
        return before_arguments(r, c);
    case ARGUMENTS:
        return arguments_byte(r, c);
    default:
        return byte_of_object(r, c);
    }
}

static ch_reply_step named_tag(ch_reply *r, int tag)
{
    end_part(r, strlen(r->format->tag[tag]));
    r->call.state = tag == TAG_ID ? ID : BEFORE_ARGUMENTS;
    r->call.mark = r->held.size;
    return CH_STEP_MORE;
}

static uint32_t named_wanted(const ch_reply *r)
{
    if (r->call.state == ID)
        return TAG_BIT(TAG_ARGS);
    return r->call.state == NAME ? TAG_BIT(TAG_ARGS) | TAG_BIT(TAG_ID) : 0;
}

const ch_reply_family ch_reply_named = {
    .opens = TAG_BIT(TAG_CALL), .closes = TAG_BIT(TAG_UNCALL), .blanks = true,
    .begin = begin_named, .byte = named_byte, .tag = named_tag, .wanted = named_wanted,
    .in_string = in_string};
