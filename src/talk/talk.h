/* talk.h - a conversation: messages on one side, a session's tokens on the other
 *
 *     ch_talk *t;
 *     ch_talk_open(&t, session, tk, NULL, NULL, &e);
 *     ch_talk_tell(t, show, arg);                       what it says, thinks and calls
 *     ch_talk_say(t, "user", text, n, &e);
 *     ch_talk_read(t, &e);                              the session gets what is new to it
 *     for (bool more = true; more;)
 *         if (ch_talk_next(&more, t, &sampling, &e) < 0) ...
 *     ch_talk_answered(t, &e);                          the answer is a message
 *
 * Messages are what the model's chat template takes: objects with role, content and whatever else
 * it reads.  They become tokens by that template, or by the lines of chats.def where a model has
 * none; nothing that a message says becomes a special token.
 *
 * A turn reads only what is new.  What the session holds is known as text: the prompts that were
 * rendered and the answers behind them, with marks where both text and tokens end.  A new prompt
 * keeps the tokens up to the last mark before its text differs, the drawn ones as they were drawn,
 * and of the rest what the session already has.
 * SPDX-License-Identifier: MIT */
#ifndef CH_TALK_H
#define CH_TALK_H

#include "generate.h"
#include "listen.h"
#include "template.h"

typedef struct ch_talk ch_talk;

/* A tokenizer's template and how models answer to it, for any number of conversations at once, on
 * any threads.  The tokenizer outlives it.  jinja: a template to use instead of the model's own,
 * whose errors name it as `name`; NULL: the model's. */
typedef struct ch_talk_style ch_talk_style;
int ch_talk_style_open(ch_talk_style **out, const ch_tokenizer *tk, const char *jinja,
                       const char *name, ch_err *e);
void ch_talk_style_close(ch_talk_style **s);
/* session: one that nobody else feeds while this is open, or NULL, where prompts are only made.
 * Session and style outlive it. */
int ch_talk_open_in(ch_talk **out, ch_session *s, const ch_talk_style *style, ch_err *e);

/* With a style of its own, as above; the tokenizer outlives it. */
int ch_talk_open(ch_talk **out, ch_session *s, const ch_tokenizer *tk, const char *jinja,
                 const char *name, ch_err *e);
void ch_talk_close(ch_talk **t);

/* "template", or the name of a line of chats.def. */
const char *ch_talk_format(const ch_talk *t);
/* What a line of chats.def needs where an answer is drawn without ch_talk_next; NULL: nothing.  The
 * text at which answers end, where no special token ends a message; what the model writes before an
 * answer, which is none of it.  Both are borrowed. */
const char *ch_talk_own_stop(const ch_talk *t);
const char *ch_talk_before_text(const ch_talk *t);
/* Does the template in use say enable_thinking anywhere? */
bool ch_talk_thinks(const ch_talk *t);
const char *ch_talk_unthink(const ch_talk *t); /* what ends its reasoning, or NULL */
const ch_reply_format *ch_talk_replies(const ch_talk *t);
/* A list, borrowed: the caller may change it between calls. */
json_t *ch_talk_messages(ch_talk *t);
/* Appends a message; bytes that are not UTF-8 become U+FFFD. */
int ch_talk_say(ch_talk *t, const char *role, const char *text, size_t n, ch_err *e);
/* Takes v: a variable of the template, such as tools or enable_thinking; NULL: there is none.
 * Where the model has a template for tools it is used while there are some. */
int ch_talk_set(ch_talk *t, const char *name, json_t *v, ch_err *e);

/* The last message is the assistant's, and its answer goes on where it ends: ch_talk_prompt, alone,
 * stops there.  CH_EARG: it is somebody else's. */
int ch_talk_go_on(ch_talk *t, ch_err *e);
/* Appends what the model gets of the messages, the answer opened; text (may be NULL) gets it as it
 * was rendered. */
int ch_talk_prompt(ch_tokens *out, ch_buf *text, const ch_talk *t, ch_err *e);
/* For an answer that is drawn elsewhere: of o, what the conversation's format and tools say is
 * filled in (o->replies where it is NULL).  The conversation outlives the listener. */
int ch_talk_listener(ch_listener **out, const ch_talk *t, const ch_listener_options *o, ch_err *e);
/* The same into the session.  Too long to leave room for an answer: CH_ELIMIT with both numbers,
 * before anything changes. */
int ch_talk_read(ch_talk *t, ch_err *e);
/* Gets what the model says as soon as it is clear what it is (reply.h): text, reasoning, calls of
 * the tools that the variable `tools` lists. */
void ch_talk_tell(ch_talk *t, ch_reply_fn *tell, void *arg);
/* Answers end where one of these texts would begin, besides those that the format itself needs
 * (where no special token ends a message, the next one's beginning does).  Copied; n 0: none. */
int ch_talk_stops(ch_talk *t, const char *const *text, int n, ch_err *e);
/* The next token of the answer.  *more: it was not the last; ch_talk_stop says why: "end",
 * "context", "stop". */
int ch_talk_next(bool *more, ch_talk *t, const ch_sampling *how, ch_err *e);
const char *ch_talk_stop(const ch_talk *t);
/* The answer so far as it was drawn; borrowed, until the next call. */
const ch_buf *ch_talk_answer(const ch_talk *t);
/* The answer ends, however far it is: the rest is told, and it becomes a message with content, and
 * with reasoning_content and tool_calls where there are any. */
int ch_talk_answered(ch_talk *t, ch_err *e);

/* FILE.json has the messages and what the session's tokens say, FILE the session itself
 * (ch_session_save).  A path that ends in ".json" is messages alone: they are read anew, by any
 * model.  save renames neither file before both are written, FILE.json first: what fails or is cut
 * short between the two renames leaves new messages beside an old session, which load refuses;
 * FILE.json alone can be read.  load changes nothing when it fails, but the session may have to
 * read again. */
int ch_talk_save(ch_talk *t, const char *path, ch_err *e);
int ch_talk_load(ch_talk *t, const char *path, ch_err *e);

#endif
