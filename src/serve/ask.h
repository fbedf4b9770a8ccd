/* ask.h - what a request asks for, whichever API it came by
 *
 *     ch_ask *a;
 *     if (ch_openai_chat(&a, body, &limits, &r) < 0) ...       r: what is wrong, for the client
 *     ... ch_ask_close(&a);
 *
 * The readers know JSON alone: neither models nor connections.  What a field may hold and what it
 * means is in docs/serve.md.  Fields that are not known are ignored, as all servers do, unless they
 * would change what is written: those are refused by name.  What has no effect here is accepted and
 * said to have had none (`applied`).  SPDX-License-Identifier: MIT */
#ifndef CH_ASK_H
#define CH_ASK_H

#include "base.h"

#include <jansson.h>

typedef enum ch_api {
    CH_API_CHAT,       /* /v1/chat/completions */
    CH_API_COMPLETION, /* /v1/completions */
    CH_API_EMBEDDING,  /* /v1/embeddings */
    CH_API_MESSAGES,   /* /v1/messages */
    CH_API_COUNT       /* /v1/messages/count_tokens */
} ch_api;

/* Why a request is refused, in no API's own words.  type: one of those of refusals.def. */
typedef enum ch_refused {
#define REFUSED(name, status, openai, anthropic) CH_REFUSED_##name,
#include "refusals.def"
#undef REFUSED
    CH_REFUSALS
} ch_refused;

typedef struct ch_refusal {
    ch_refused why;
    const char *code;  /* OpenAI's, a constant, or NULL */
    char param[200];   /* the field that is at fault, as "messages[3].content", or "" */
    char text[600];    /* one sentence: what, found, allowed */
} ch_refusal;

/* Fills *r; returns CH_EARG. */
int ch_refuse(ch_refusal *r, ch_refused why, const char *param, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* What is at fault lies within this: it is put before r->param, with a dot.  Returns CH_EARG. */
int ch_refuse_within(ch_refusal *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int ch_refusal_status(const ch_refusal *r); /* of HTTP */
/* As the body of a reply.  anthropic: in that API's form.  Takes nothing; NULL: no memory. */
json_t *ch_refusal_json(const ch_refusal *r, bool anthropic, const char *request_id);

typedef enum ch_tool_choice {
    CH_TOOLS_AUTO,
    CH_TOOLS_NONE,
    CH_TOOLS_REQUIRED, /* any of them */
    CH_TOOLS_NAMED     /* ask.tool */
} ch_tool_choice;

typedef enum ch_text_form {
    CH_TEXT_FREE,
    CH_TEXT_JSON,   /* any object */
    CH_TEXT_SCHEMA, /* ask.form */
    CH_TEXT_GBNF,   /* ask.form, a string */
    CH_TEXT_REGEX,
    CH_TEXT_CHOICE  /* ask.form, an array of strings */
} ch_text_form;

typedef enum ch_thinking {
    CH_THINKING_DEFAULT, /* as the model does by itself */
    CH_THINKING_OFF,
    CH_THINKING_ON
} ch_thinking;

/* Owned throughout; NULL, 0 or false where the request said nothing, unless stated. */
typedef struct ch_ask {
    ch_api api;
    json_t *body; /* the request */
    const char *model, *user; /* borrowed of it, or NULL */

    /* What is said: messages as chat templates take them (OpenAI's form: content a string, tool
     * calls with arguments as objects), or texts to go on with, or their tokens. */
    json_t *messages;
    json_t *tools;     /* in OpenAI's form */
    json_t *variables; /* more for the template, an object or NULL */
    bool go_on;        /* the last message is the assistant's, and goes on */
    json_t *prompts;   /* of completions and embeddings: an array of strings and arrays of ids */
    bool echo;

    /* How it is answered. */
    int answers, best_of; /* 1 at least; of the latter the likeliest are told */
    int most;             /* tokens; -1: not said.  0: none, for echo alone */
    int least;            /* tokens before an end */
    ch_sampling sampling; /* CH_SAMPLING, but for what the API or the request says; bias lies in
                             bias[], `ends` is not set */
    bool seeded;
    ch_logit_bias *bias;
    json_t *stop;         /* an array of strings, without empty ones */
    bool log_probs, top_log_probs;
    int top;
    ch_tool_choice choose;
    const char *tool;     /* borrowed of the body */
    bool one_call;        /* no parallel calls */
    ch_text_form form_kind;
    json_t *form;

    ch_thinking thinking;
    int think_most;      /* tokens of reasoning; -1: no limit but `most` */
    bool hide_reasoning; /* it is not to be told */
    bool cost;           /* what each token cost is told: they come with log-probs, too */
    json_t *applied;     /* an object or NULL: of fields that only this server has, what each did:
                            "none" where it did nothing.  It becomes part of the reply */

    bool stream, stream_usage;
    int dimensions;      /* of embeddings; 0: all */
    bool base64;
} ch_ask;

/* Bounds on what a reader accepts; 0: no bound of its own. */
typedef struct ch_ask_limits {
    int answers, stops, stop_bytes, biases, tools, messages;
} ch_ask_limits;

/* body: taken in any case.  On failure *out is NULL and *r is filled. */
typedef int ch_ask_reader(ch_ask **out, json_t *body, const ch_ask_limits *l, ch_refusal *r);
ch_ask_reader ch_openai_chat, ch_openai_completion, ch_openai_embedding, ch_anthropic_messages,
    ch_anthropic_count;
void ch_ask_close(ch_ask **a);
/* Answers that are drawn to each prompt. */
static inline int ch_ask_drawn(const ch_ask *a) { return CH_MAX(a->answers, a->best_of); }

/* fields.c: what readers share.  Each leaves *out alone where the field is missing or null. */
int ch_field_int(int *out, json_t *o, const char *name, int least, int most, ch_refusal *r);
int ch_field_real(double *out, json_t *o, const char *name, double least, double most,
                  ch_refusal *r);
int ch_field_bool(bool *out, json_t *o, const char *name, ch_refusal *r);
int ch_field_text(const char **out, json_t *o, const char *name, ch_refusal *r); /* borrowed */

int ch_field_list(json_t **out, json_t *o, const char *name, ch_refusal *r);   /* borrowed */
int ch_field_object(json_t **out, json_t *o, const char *name, ch_refusal *r); /* borrowed */
/* An empty ask with the API's defaults; takes body. */
int ch_ask_open(ch_ask **out, json_t *body, ch_api api, ch_refusal *r);
/* The text has to have this form; of two that are asked for the second is refused.  name: the field
 * that says so; form: borrowed, of the kind that `kind` wants (a schema also as its text). */
int ch_ask_set_form(ch_ask *a, ch_text_form kind, json_t *form, const char *name, ch_refusal *r);
/* What both APIs take beyond their own: every parameter of samplers.def by its name, "seed",
 * "samplers", "grammar" and vLLM's names of forms, "ignore_eos", "min_tokens",
 * "chat_template_kwargs", "chalcis_cost", and the fields of the compact description
 * (reasoning_depth, early_stop_threshold, thinking_visualization, reasoning_tokens,
 * thinking_config); and refuses those of others that would change what is written.  Called after
 * the API's own fields have been read: it has the last word on thinking. */
int ch_ask_own_fields(ch_ask *a, ch_refusal *r);

#endif
