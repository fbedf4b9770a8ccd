/* parts.h - a reply being read: matcher, text, calls
 *
 *     bytes, tokens --> pending --> tags, bytes --> text (reply.c)
 *                                               --> a call's family: object.c, xml.c, harmony.c
 *                                   told, in order, by tell.c
 *
 * Two states: in text (content or reasoning), or in a call, whose bytes, with the white space and
 * the tag before it, are `held` until the family says what they are.
 * SPDX-License-Identifier: MIT */
#ifndef CH_REPLY_PARTS_H
#define CH_REPLY_PARTS_H

#include "reply.h"

/* ---- JSON (scan.c): RFC 8259, a byte at a time ---- */

typedef enum ch_reply_step {
    CH_STEP_MORE,
    CH_STEP_DONE,
    CH_STEP_BROKEN
} ch_reply_step;

typedef struct ch_reply_scan {
    uint8_t state;
    bool key;            /* a string that is one */
    const char *literal; /* what is left of true, false, null */
    int depth;
    uint32_t object[CH_REPLY_DEPTH / 32]; /* a bit for each open bracket */
} ch_reply_scan;

void ch_reply_scan_start(ch_reply_scan *s);
/* DONE: with this byte an array or object is complete.  What is wrong with a string as UTF-8 is not
 * looked at. */
ch_reply_step ch_reply_scan_byte(ch_reply_scan *s, char c);
bool ch_reply_scan_in_string(const ch_reply_scan *s);
bool ch_reply_scan_wants_colon(const ch_reply_scan *s); /* a key is complete */
bool ch_reply_scan_wants_value(const ch_reply_scan *s); /* and its colon, too */
/* Appends one whole value, of any kind, without white space; false: it is none (b may then hold
 * part of it), or b has no room. */
bool ch_reply_scan_compact(ch_buf *b, const char *text, size_t n);

/* ---- Formats (formats.c) ---- */

enum {
    TAG_THINK,
    TAG_UNTHINK,
    TAG_CALL,
    TAG_UNCALL,
    TAG_OWN, /* and on */
    TAGS = 9
};
#define TAG_BIT(t) (1u << (t))

/* How calls are read.  byte and tag are called in a call, for what `held` now ends with; BROKEN
 * takes back the byte or tag, which then stands in text.  DONE: it was a call (ch_reply_call) or
 * something else that is now told.  Functions from `tag` on may be NULL: no tags, no strings. */
typedef struct ch_reply_family {
    uint32_t opens, closes; /* tags that begin a call in content; tags after one that say nothing */
    bool anywhere;          /* those that close do so in all text */
    bool blanks;            /* white space beside tags is theirs */
    bool bare;              /* "{" where content may begin opens a call, too */
    bool header;            /* the reply begins in a call's state */
    void (*begin)(ch_reply *r, int tag); /* -1: by a byte */
    ch_reply_step (*byte)(ch_reply *r, char c);
    ch_reply_step (*tag)(ch_reply *r, int tag);
    uint32_t (*wanted)(const ch_reply *r); /* tags that are looked for in a call's text */
    bool (*in_string)(const ch_reply *r);  /* where tokens that have a text are that */
    bool (*is_markup)(const ch_reply *r);  /* where the reply ends in a call: what is held */
} ch_reply_family;

struct ch_reply_format {
    const char *name;
    const ch_reply_family *family;
    const char *has[2], *has_not;
    const char *tag[TAGS];
};

extern const ch_reply_family ch_reply_none, ch_reply_object, ch_reply_named, ch_reply_bare,
    ch_reply_xml, ch_reply_harmony;

/* ---- A reply ---- */

typedef struct ch_span {
    size_t from, n;
} ch_span;

enum { KEY_NAME, KEY_ARGUMENTS, KEY_ID, KEY_TYPE, KEYS };

/* A call's, while it is read; offsets are in held. */
typedef struct ch_reply_reading {
    int state;       /* the family's own */
    bool claimed;    /* it says that it is a call: what breaks is malformed */
    bool list;       /* in an array of calls */
    size_t from;     /* behind the tag */
    size_t mark;     /* where the part that is read now begins */
    ch_span key[KEYS];
    bool seen[KEYS];
    int current;     /* key whose value is read */
    ch_reply_scan scan;
} ch_reply_reading;

struct ch_reply {
    const ch_reply_format *format;
    ch_reply_options o;
    ch_token token[TAGS];     /* ids of tags, or -1 */
    uint32_t tags;            /* those the format has */
    uint32_t in_text;         /* tags that are found in text */
    uint32_t control;         /* tags whose tokens have no text */
    bool no_tools;            /* an empty list was given */
    bool ended;
    int rc;                   /* of what failed for good */
    size_t fed, told;         /* bytes taken, bytes in events */

    /* text */
    ch_reply_kind kind;       /* CONTENT or REASONING */
    bool fresh;               /* nothing but white space since the start, a call, or reasoning */
    bool trim;                /* that white space is markup: it follows a tag of reasoning */
    bool after_call;
    bool close_due, list_due; /* a closing tag, or more of an array of calls, may follow */
    char pending[CH_REPLY_TAG];
    int n_pending;
    ch_buf space;             /* white space that may belong to a tag */
    ch_buf said[2];           /* content, reasoning; all of it */
    size_t shown[2];          /* of those, in events */

    /* a call */
    bool in_call;
    ch_buf held;
    ch_buf arguments;
    ch_reply_reading call;
    json_t *calls;            /* those complete, in the message's form */
    int failed_calls;
};

/* ---- Telling (tell.c) ---- */

void ch_reply_say(ch_reply *r, ch_reply_kind kind, const char *bytes, size_t n);
void ch_reply_markup(ch_reply *r, const char *bytes, size_t n);
void ch_reply_flush(ch_reply *r, bool whole_only);
/* Text of r->held: an event of that kind, and the bytes as content. */
void ch_reply_give_up(ch_reply *r, ch_reply_kind kind, const char *why);
/* The held bytes are a call: checks all that there is to check.  id may be NULL; r->arguments are
 * its arguments as JSON text.  False: they are not, and are told as malformed. */
bool ch_reply_call(ch_reply *r, const char *name, size_t n, const char *id, size_t n_id);
/* The tool's own description of one of its arguments, or NULL. */
const json_t *ch_reply_schema(const ch_reply *r, const char *tool, size_t n, const char *argument,
                              size_t n_argument);

/* The white space of JSON. */
static inline bool ch_reply_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

#endif
