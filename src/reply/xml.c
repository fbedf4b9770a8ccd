/* xml.c - calls whose arguments are elements, as Qwen3-Coder writes them
 *
 *     <tool_call>
 *     <function=NAME>
 *     <parameter=KEY>
 *     value
 *     </parameter>
 *     </function>
 *     </tool_call>
 *
 * <tool_call> may be missing, as that model leaves it out at times.  A value begins after one line
 * break and ends before one.  It is a string, unless the tool's schema gives the argument other
 * types and the text is JSON, or Python's True, False or None, of one of them.
 * SPDX-License-Identifier: MIT */
#include "parts.h"

#include <string.h>

enum {
    BEFORE_FUNCTION,
    NAME,
    BETWEEN,
    KEY_OF_VALUE,
    VALUE
};

enum { TAG_FUNCTION = TAG_OWN, TAG_END_FUNCTION, TAG_PARAMETER, TAG_END_PARAMETER };

static void begin(ch_reply *r, int tag)
{
    r->call.claimed = true;
    r->call.state = tag == TAG_FUNCTION ? NAME : BEFORE_FUNCTION;
    r->call.mark = r->held.size;
    ch_buf_clear(&r->arguments);
}

/* ---- Values ---- */

/* Appends one string. */
static bool put_string(ch_buf *b, const char *text, size_t n)
{
    json_t *s = json_stringn(text, n);
    const bool ok = s != NULL && ch_json_dump(b, s, NULL) == CH_OK;
    json_decref(s);
    return ok;
}

static bool is_kind(const char *type, const json_t *v)
{
    static const struct {
        const char *type;
        json_type kind;
    } kinds[] = {{"object", JSON_OBJECT}, {"array", JSON_ARRAY}, {"integer", JSON_INTEGER},
                 {"number", JSON_INTEGER}, {"number", JSON_REAL}, {"boolean", JSON_TRUE},
                 {"boolean", JSON_FALSE}, {"null", JSON_NULL}};
    for (size_t i = 0; i < CH_COUNT(kinds); i++)
        if (type != NULL && strcmp(type, kinds[i].type) == 0 && json_typeof(v) == kinds[i].kind)
            return true;
    return false;
}

static bool has_kind(const json_t *types, const json_t *v)
{
    for (size_t i = 0; i < json_array_size(types); i++)
        if (is_kind(json_string_value(json_array_get(types, i)), v))
            return true;
    return is_kind(json_string_value(types), v);
}

/* The JSON text that stands for a value's. */
static ch_span as_json(const char **text, ch_span s)
{
    static const char *const python[][2] = {{"True", "true"}, {"False", "false"}, {"None", "null"}};
    for (size_t i = 0; i < CH_COUNT(python); i++)
        if (strlen(python[i][0]) == s.n && memcmp(*text + s.from, python[i][0], s.n) == 0) {
            *text = python[i][1];
            return (ch_span){0, strlen(*text)};
        }
    return s;
}

static bool put_value(ch_reply *r, ch_span key, ch_span value)
{
    const ch_span name = r->call.key[KEY_NAME];
    const char *text = r->held.data, *given = text;
    const json_t *schema =
        ch_reply_schema(r, text + name.from, name.n, text + key.from, key.n);
    const json_t *types = json_object_get(schema, "type");
    json_t *v = NULL;
    if (types != NULL) {
        const ch_span s = as_json(&given, value);
        const size_t before = r->arguments.size;
        ch_json_parse(&v, given + s.from, s.n, "", NULL);
        const bool typed = v != NULL && has_kind(types, v);
        json_decref(v);
        if (typed && ch_reply_scan_compact(&r->arguments, given + s.from, s.n))
            return true;
        r->arguments.size = before;
    }
    return put_string(&r->arguments, text + value.from, value.n);
}

static bool put_argument(ch_reply *r, ch_span value)
{
    const ch_span key = r->call.key[KEY_ID];
    const char *text = r->held.data;
    if (value.n > 0 && text[value.from] == '\n') {
        value.from++;
        value.n--;
    }
    if (value.n > 0 && text[value.from + value.n - 1] == '\n')
        value.n--;
    return ch_buf_str(&r->arguments, r->arguments.size == 0 ? "{" : ",") &&
           put_string(&r->arguments, text + key.from, key.n) && ch_buf_str(&r->arguments, ":") &&
           put_value(r, key, value);
}

/* ---- Elements ---- */

static bool is_name_byte(char c) { return (unsigned char)c > ' ' && c != '<' && c != 0x7f; }

static ch_reply_step byte(ch_reply *r, char c)
{
    ch_reply_reading *call = &r->call;
    if (call->state == VALUE)
        return CH_STEP_MORE;
    if (call->state != NAME && call->state != KEY_OF_VALUE)
        return ch_reply_blank(c) ? CH_STEP_MORE : CH_STEP_BROKEN;
    if (c != '>')
        return is_name_byte(c) ? CH_STEP_MORE : CH_STEP_BROKEN;
    const ch_span s = {call->mark, r->held.size - 1 - call->mark};
    call->key[call->state == NAME ? KEY_NAME : KEY_ID] = s;
    call->state = call->state == NAME ? BETWEEN : VALUE;
    call->mark = r->held.size;
    return CH_STEP_MORE;
}

static ch_reply_step tag(ch_reply *r, int t)
{
    ch_reply_reading *call = &r->call;
    const size_t n = strlen(r->format->tag[t]);
    if (t == TAG_FUNCTION || t == TAG_PARAMETER) {
        call->state = t == TAG_FUNCTION ? NAME : KEY_OF_VALUE;
    } else if (t == TAG_END_PARAMETER) {
        if (!put_argument(r, (ch_span){call->mark, r->held.size - n - call->mark}))
            return CH_STEP_BROKEN;
        call->state = BETWEEN;
    } else {
        const ch_span name = call->key[KEY_NAME];
        ch_buf_str(&r->arguments, r->arguments.size == 0 ? "{}" : "}");
        ch_reply_call(r, r->held.data + name.from, name.n, NULL, 0);
        return CH_STEP_DONE;
    }
    call->mark = r->held.size;
    return CH_STEP_MORE;
}

static uint32_t wanted(const ch_reply *r)
{
    static const uint32_t tags[] = {
        [BEFORE_FUNCTION] = TAG_BIT(TAG_FUNCTION),
        [BETWEEN] = TAG_BIT(TAG_PARAMETER) | TAG_BIT(TAG_END_FUNCTION),
        [VALUE] = TAG_BIT(TAG_END_PARAMETER)};
    return tags[r->call.state];
}

static bool in_string(const ch_reply *r) { return r->call.state == VALUE; }

const ch_reply_family ch_reply_xml = {
    .opens = TAG_BIT(TAG_CALL) | TAG_BIT(TAG_FUNCTION), .closes = TAG_BIT(TAG_UNCALL),
    .blanks = true, .begin = begin, .byte = byte, .tag = tag, .wanted = wanted,
    .in_string = in_string};
