/* caller.h - answers that call tools obey the tools' schemas
 *
 * Rules are made once for a request: grammars for what stands behind the tag that opens a call.  A
 * caller watches one answer: where a call begins, its grammar is set, so that only a tool that is
 * there can be named and only arguments that obey its schema be written; where it is complete, the
 * grammar ends.  Where a call is required the caller itself opens it, behind the reasoning.
 *
 * The reply has to be read in ch_call_rules_format: in another one no call would ever be complete.
 * What a format cannot be held to is said when the rules are made (docs/serve.md has the table).
 * SPDX-License-Identifier: MIT */
#ifndef CH_CALLER_H
#define CH_CALLER_H

#include "ask.h"
#include "reply.h"
#include "shelf.h"

typedef struct ch_call_rules ch_call_rules;
typedef struct ch_caller ch_caller;

typedef struct ch_call_rules_options {
    const ch_reply_format *format;
    const json_t *tools; /* OpenAI's form; borrowed until close */
    ch_tool_choice choose;
    const char *tool;    /* CH_TOOLS_NAMED */
    bool one;            /* no further call behind the first; NAMED: in any case */
    const ch_tokenizer *tk;
    ch_shelf *shelf;     /* of the same tokenizer; outlives the rules */
    uint64_t salt;       /* of the user, */
    uint64_t *wait_ns;   /* and how long it waits: as in ch_shelf_want */
} ch_call_rules_options;

/* CH_EUNSUPPORTED (CH_EFORMAT, CH_EARG, CH_ELIMIT for schemas that are none or too large): a schema
 * says what cannot be obeyed, by name, or calls of this format cannot be required.  With AUTO that
 * is no failure, unless the tool is "strict": of that tool any object is an argument, or all calls
 * of the format are free.  So it is of tools whose grammars are too large together: CH_ELIMIT says
 * ch_shelf_share.  CH_EBUSY: as ch_shelf_take.  It may take milliseconds a tool. */
int ch_call_rules_open(ch_call_rules **out, const ch_call_rules_options *o, ch_err *e);
/* What the reply has to be opened with: o->format, or where that has no calls `generic`. */
const ch_reply_format *ch_call_rules_format(const ch_call_rules *r);
void ch_call_rules_close(ch_call_rules **r); /* after its callers, and after CH_EVENT_DONE */
/* Of one answer; watch is for the engine's thread alone, as the rules' grammars are. */
int ch_caller_open(ch_caller **out, const ch_call_rules *r, ch_err *e);
void ch_caller_close(ch_caller **c);

/* From the listener, in CH_EVENT_BEGIN, and after each CH_EVENT_TOKEN that the reply was given.
 * reasoning: the reply is within its reasoning (ch_reply_get_now), or about to think: a call that
 * is required is opened where that ends.  What has to be told to the model is fed (ch_answer_feed);
 * those tokens come back as events, and are given to the reply as all are.  It uses
 * ch_answer_grammar, so the request has no grammar of its own, and where a call is required
 * ch_answer_no_end, from BEGIN until there is one.  An answer that has no room for what opens a
 * call ends by its length, without one. */
int ch_caller_watch(ch_caller *c, ch_answer *a, const ch_reply *reply, const ch_event *event,
                    bool reasoning, ch_err *e);
/* Does the answer end here?  After the call where there may be only one. */
bool ch_caller_done(const ch_caller *c);

#endif
