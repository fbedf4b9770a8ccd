/* reply.h - from the text that a model generates to what it says, thinks and wants to call
 *
 *     const ch_reply_options o = {.tools = tools, .prompt = text, .prompt_bytes = n, .tell = show};
 *     ch_reply *r;
 *     json_t *message;
 *     if (ch_reply_open(&r, ch_reply_format_of(template), &o, &e) < 0) ...
 *     while (...) ch_reply_feed(r, bytes, n, &e);
 *     ch_reply_end(r, &e);
 *     ch_reply_message(&message, r, &e);
 *     ch_reply_close(&r);
 *
 * The way back from src/template: docs/replies.md has the formats.  One automaton reads each byte
 * once.
 *   - What is told depends on the bytes alone, not on how they were cut into calls.
 *   - Each byte belongs to exactly one event, in order: text is told as it was generated, tags and
 *     the white space around them as markup, a call's bytes as the call.
 *   - A call that is none (broken JSON, no name, an unknown tool) is text, byte for byte, after an
 *     event that says so.  It is never an error.
 *   - A call is told when it is complete: a reader cannot take back half of one.
 *   - Held back is what may still be the beginning of a tag (at most CH_REPLY_TAG - 1 bytes) or of
 *     a character, the white space before it, and a call that is not complete.
 * Time is linear in the bytes; memory is at most some 100 times their number, which is limited.
 *
 * Special tokens.  Tags such as [TOOL_CALLS] are tokens that have no text (ch_tokenizer_piece), so
 * tokens go through ch_reply_token, which knows tags by their ids.  Where the vocabulary has
 * a token for a tag, nothing else is that tag: "<think>" in several tokens, as a model repeats
 * what a user wrote, is text.  Without a tokenizer, through ch_reply_feed, tags are found in text;
 * a caller then puts in the names of special tokens (ch_tokenizer_name), and of those alone.
 * SPDX-License-Identifier: MIT */
#ifndef CH_REPLY_H
#define CH_REPLY_H

#include "base.h"
#include "token.h"

enum {
    CH_REPLY_TAG = 24,              /* the longest tag */
    CH_REPLY_DEPTH = 256,           /* arrays and objects in one another, in a call */
    CH_REPLY_CALLS = 1024,          /* in one reply; further ones are text */
    CH_REPLY_BYTES = 2 << 20,       /* of a reply, unless options say otherwise */
};

/* A line of formats.def. */
typedef struct ch_reply_format ch_reply_format;

const char *ch_reply_format_name(const ch_reply_format *f);
const ch_reply_format *ch_reply_format_at(size_t i);            /* NULL: there are no more */
const ch_reply_format *ch_reply_format_named(const char *name); /* NULL: none has the name */
const ch_reply_format *ch_reply_format_of(const char *jinja);   /* of a chat template's text */
const char *ch_reply_format_unthink(const ch_reply_format *f);  /* what ends reasoning, or "" */

/* How a format writes a call, for those who hold a model to it. */
typedef enum ch_reply_form {
    CH_REPLY_FORM_NONE,
    CH_REPLY_FORM_OBJECT, /* open {"name": .., key: {..}} close; without `open`: where content
                           * begins */
    CH_REPLY_FORM_NAMED,  /* open NAME between {..}; without `between`: open [{"name": ..}, ..]
                           * close */
    CH_REPLY_FORM_XML,
    CH_REPLY_FORM_HARMONY
} ch_reply_form;

typedef struct ch_reply_writing {
    ch_reply_form form;
    const char *open, *close, *between; /* tags, or "" */
    const char *key;                    /* "arguments" or "parameters" */
} ch_reply_writing;

ch_reply_writing ch_reply_format_writing(const ch_reply_format *f);

typedef enum ch_reply_kind {
    CH_REPLY_CONTENT,    /* text: more of what it says, in whole characters if it has such */
    CH_REPLY_REASONING,  /* text: more of what it thinks */
    CH_REPLY_CALL,       /* index, name, id; text: the arguments, a JSON object without blanks */
    CH_REPLY_MALFORMED,  /* text: why; its bytes come next, as content */
    CH_REPLY_UNFINISHED, /* the reply ended in a call; its bytes come next, as content */
    CH_REPLY_MARKUP,     /* text: tags, and white space that belongs to them */
} ch_reply_kind;

/* Pointers are valid during the call. */
typedef struct ch_reply_event {
    ch_reply_kind kind;
    const char *text; /* n bytes; may hold any byte */
    size_t n;
    size_t from, to; /* the bytes of the reply that it stands for, special tokens by their names */
    int index;       /* of a call: 0, 1, ... */
    const char *name, *id; /* of a call; id: as the model gave it, NULL where it gave none */
} ch_reply_event;

typedef void ch_reply_fn(void *arg, const ch_reply_event *event);

typedef struct ch_reply_options {
    const json_t *tools; /* as templates take them, borrowed; NULL: any name is a tool's; an empty
                          * list: no calls are looked for */
    const char *prompt;  /* what the template rendered: whether it opened the reasoning */
    size_t prompt_bytes;
    const ch_tokenizer *tokenizer; /* for ch_reply_token; borrowed */
    ch_reply_fn *tell;             /* NULL: only the message is wanted */
    void *arg;
    size_t bytes; /* limit of the reply [CH_REPLY_BYTES] */
} ch_reply_options;

typedef struct ch_reply ch_reply;

/* The fields of *o are copied; o may be NULL. */
int ch_reply_open(ch_reply **out, const ch_reply_format *f, const ch_reply_options *o, ch_err *e);
void ch_reply_close(ch_reply **r);

/* More text, cut anywhere.  CH_ELIMIT: the reply is too long; nothing of these bytes was taken. */
int ch_reply_feed(ch_reply *r, const char *bytes, size_t n, ch_err *e);
/* The next token, `previous` as for ch_tokenizer_piece.  CH_EARG: r has no tokenizer. */
int ch_reply_token(ch_reply *r, ch_token previous, ch_token id, ch_err *e);
/* Tells what was held back; further text is refused. */
int ch_reply_end(ch_reply *r, ch_err *e);

/* Calls told so far, and those that were malformed or unfinished. */
int ch_reply_calls(const ch_reply *r);
int ch_reply_failed_calls(const ch_reply *r);

/* Where it is.  A call may still turn out to be none; in harmony one begins with its arguments. */
typedef struct ch_reply_now {
    bool reasoning;   /* within it, and in no call */
    bool undecided;   /* what came last may become a tag, or be none */
    bool calling;
    const char *text; /* n bytes: of the call, behind its tag, as far as they are there; borrowed */
    size_t n;
    const char *name; /* n_name bytes: as the call writes it, in JSON with its quotes; NULL: it is
                       * not complete; borrowed */
    size_t n_name;
} ch_reply_now;
ch_reply_now ch_reply_get_now(const ch_reply *r);

/* All that was told so far, as templates take it: role, content (a string, "" where it said
 * nothing), reasoning_content (harmony: thinking) and tool_calls where there are any, each {type,
 * id where the model gave one, function: {name, arguments: an object}}.  Bytes that are not UTF-8
 * are U+FFFD.  The arguments are shared by all messages of one reply: leave them as they are. */
int ch_reply_message(json_t **out, const ch_reply *r, ch_err *e);

#endif
