/* openai_completion.c - a request for /v1/completions
 *
 * SPDX-License-Identifier: MIT */
#include "openai.h"

#include <limits.h>

enum { DEFAULT_TOKENS = 16, /* as the API has it */
       MOST_ANSWERS = 4096 };

static int prompts(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    const char *suffix = NULL;
    (void)l;
    int rc = ch_field_text(&suffix, a->body, "suffix", r);
    if (rc == CH_OK && suffix && *suffix)
        rc = ch_refuse(r, CH_REFUSED_UNSUPPORTED, "suffix",
                       "this server does not know \"suffix\": it goes on at the end alone");
    if (rc == CH_OK)
        rc = ch_openai_prompts(a, "prompt", r);
    return rc < 0 ? rc : ch_field_bool(&a->echo, a->body, "echo", r);
}

static int lengths(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    (void)l;
    a->most = DEFAULT_TOKENS;
    const int rc = ch_field_int(&a->most, a->body, "max_tokens", 0, INT_MAX, r);
    return rc < 0 ? rc : ch_field_int(&a->most, a->body, "max_completion_tokens", 0, INT_MAX, r);
}

/* A number: so many alternatives beside each token. */
static int log_probs(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    int top = -1;
    (void)l;
    if (json_is_false(json_object_get(a->body, "logprobs")))
        return CH_OK;
    const int rc = ch_field_int(&top, a->body, "logprobs", 0, CH_ENGINE_TOP, r);
    a->log_probs = top >= 0;
    a->top_log_probs = top > 0;
    a->top = CH_MAX(top, 0);
    return rc;
}

static int best(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    const int most = l->answers > 0 ? l->answers : INT_MAX;
    const size_t texts = json_array_size(a->prompts);
    const int rc = ch_field_int(&a->best_of, a->body, "best_of", 1, most, r);
    if (rc == CH_OK && a->best_of < a->answers)
        return ch_refuse(r, CH_REFUSED_INVALID, "best_of",
                         "the request: \"best_of\" is %d, but \"n\" is %d", a->best_of, a->answers);
    if (rc == CH_OK && a->stream && a->best_of > a->answers)
        return ch_refuse(r, CH_REFUSED_INVALID, "best_of",
                         "the request: \"best_of\" is %d with \"n\" %d: the best is not known "
                         "while it is streamed", a->best_of, a->answers);
    if (rc == CH_OK && (size_t)a->best_of > MOST_ANSWERS / texts)
        return ch_refuse(r, CH_REFUSED_INVALID, "prompt",
                         "the request: \"prompt\" has %zu texts with %d answers each; allowed are "
                         "%d answers", texts, a->best_of, MOST_ANSWERS);
    return rc;
}

int ch_openai_completion(ch_ask **out, json_t *body, const ch_ask_limits *l, ch_refusal *r)
{
    static ch_openai_part *const parts[] = {
        ch_openai_names,     prompts, lengths,       log_probs, ch_openai_sampling,
        ch_openai_answering, best,    ch_openai_own, NULL,
    };
    return ch_openai_read(out, body, CH_API_COMPLETION, parts, l, r);
}
