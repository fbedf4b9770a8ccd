/* harmony.c - channels, as gpt-oss writes them
 *
 *     <|channel|>analysis<|message|>...<|end|>                               reasoning
 *     <|start|>assistant<|channel|>final<|message|>...<|return|>             content
 *     <|channel|>commentary to=functions.f <|constrain|>json<|message|>{...}<|call|>
 *     <|start|>assistant to=functions.f<|channel|>commentary json<|message|>{...}<|call|>
 *
 * The prompt ends in "<|start|>assistant", so a reply begins in a header.  What stands in one is
 * markup, the recipient the name of a call; commentary that is for nobody is content.  A reply that
 * begins with something else is content.
 * Source: OpenAI, "Harmony response format" (2025).  SPDX-License-Identifier: MIT */
#include "parts.h"

#include <string.h>

enum {
    HEADER,
    ARGUMENTS
};

enum { HEADER_BYTES = 512 };

enum {
    TAG_START = TAG_CALL,
    TAG_END = TAG_UNCALL,
    TAG_CHANNEL = TAG_OWN,
    TAG_MESSAGE,
    TAG_CALLED,
    TAG_RETURN,
    TAG_CONSTRAIN
};

static void begin(ch_reply *r, int tag)
{
    r->call.state = HEADER;
    r->call.mark = tag >= 0 ? r->held.size : 0;
}

/* ---- Headers ---- */

/* Where the text begins with a header there is " to=" or a channel. */
static bool may_be_header(const ch_reply *r)
{
    static const char *const starts[] = {" to=", "to=", "<|channel|>", "<|start|>"};
    for (size_t i = 0; i < CH_COUNT(starts); i++)
        if (memcmp(r->held.data, starts[i], CH_MIN(strlen(starts[i]), r->held.size)) == 0)
            return true;
    return r->call.mark > 0;
}

/* The word after the first `before` in a header: up to white space or "<". */
static ch_span word_after(const ch_buf *b, const char *before)
{
    const char *p = memmem(b->data, b->size, before, strlen(before));
    ch_span s = {p != NULL ? (size_t)(p - b->data) + strlen(before) : b->size, 0};
    while (s.from + s.n < b->size && b->data[s.from + s.n] != '<' &&
           (unsigned char)b->data[s.from + s.n] > ' ')
        s.n++;
    return s;
}

static bool is(const ch_buf *b, ch_span s, const char *word)
{
    return strlen(word) == s.n && memcmp(b->data + s.from, word, s.n) == 0;
}

/* <|message|>: what follows is a call's arguments, or text. */
static ch_reply_step end_header(ch_reply *r)
{
    static const char functions[] = "functions.";
    ch_span name = word_after(&r->held, "to=");
    if (name.n > 0) {
        const size_t skip = sizeof functions - 1;
        if (name.n > skip && memcmp(r->held.data + name.from, functions, skip) == 0)
            name = (ch_span){name.from + skip, name.n - skip};
        r->call.key[KEY_NAME] = name;
        r->call.claimed = true;
        r->call.state = ARGUMENTS;
        r->call.from = r->call.mark = r->held.size;
        ch_reply_scan_start(&r->call.scan);
        return CH_STEP_MORE;
    }
    const bool thinks = is(&r->held, word_after(&r->held, r->format->tag[TAG_CHANNEL]), "analysis");
    ch_reply_markup(r, r->held.data, r->held.size);
    ch_buf_clear(&r->held);
    r->kind = thinks ? CH_REPLY_REASONING : CH_REPLY_CONTENT;
    r->fresh = r->after_call = false;
    return CH_STEP_DONE;
}

/* ---- Bytes and tags ---- */

static ch_reply_step byte(ch_reply *r, char c)
{
    if (r->call.state == HEADER)
        return r->held.size <= HEADER_BYTES && may_be_header(r) ? CH_STEP_MORE : CH_STEP_BROKEN;
    if (ch_reply_scan_wants_value(&r->call.scan) && r->call.scan.depth == 0 && c != '{')
        return ch_reply_blank(c) ? CH_STEP_MORE : CH_STEP_BROKEN;
    const ch_reply_step step = ch_reply_scan_byte(&r->call.scan, c);
    if (step != CH_STEP_DONE)
        return step;
    const ch_span name = r->call.key[KEY_NAME];
    const char *text = r->held.data;
    ch_buf_clear(&r->arguments);
    ch_reply_scan_compact(&r->arguments, text + r->call.mark, r->held.size - r->call.mark);
    ch_reply_call(r, text + name.from, name.n, NULL, 0);
    return CH_STEP_DONE;
}

static ch_reply_step tag(ch_reply *r, int t)
{
    if (t == TAG_MESSAGE)
        return end_header(r);
    return may_be_header(r) ? CH_STEP_MORE : CH_STEP_BROKEN;
}

static uint32_t wanted(const ch_reply *r)
{
    return r->call.state == ARGUMENTS ? 0
                                      : TAG_BIT(TAG_CHANNEL) | TAG_BIT(TAG_MESSAGE) |
                                            TAG_BIT(TAG_CONSTRAIN);
}

static bool in_string(const ch_reply *r)
{
    return r->call.state == ARGUMENTS && ch_reply_scan_in_string(&r->call.scan);
}

static bool is_markup(const ch_reply *r)
{
    return r->call.state == HEADER && (r->call.mark > 0 || r->held.size > sizeof "<|channel|>");
}

const ch_reply_family ch_reply_harmony = {
    .opens = TAG_BIT(TAG_START) | TAG_BIT(TAG_CHANNEL),
    .closes = TAG_BIT(TAG_END) | TAG_BIT(TAG_CALLED) | TAG_BIT(TAG_RETURN), .anywhere = true,
    .header = true, .begin = begin, .byte = byte, .tag = tag, .wanted = wanted,
    .in_string = in_string, .is_markup = is_markup};
