/* openai_chat.c - a request for /v1/chat/completions
 *
 * reasoning_effort is a share of the answer's tokens, or of EFFORT_TOKENS where their number is not
 * limited.  SPDX-License-Identifier: MIT */
#include "openai.h"

#include <limits.h>
#include <string.h>

enum { EFFORT_TOKENS = 2048 };

static int lengths(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    (void)l;
    const int rc = ch_field_int(&a->most, a->body, "max_tokens", 1, INT_MAX, r);
    return rc < 0 ? rc : ch_field_int(&a->most, a->body, "max_completion_tokens", 1, INT_MAX, r);
}

static int log_probs(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    (void)l;
    int rc = ch_field_bool(&a->log_probs, a->body, "logprobs", r);
    if (rc == CH_OK)
        rc = ch_field_int(&a->top, a->body, "top_logprobs", 0, CH_ENGINE_TOP, r);
    if (rc == CH_OK && a->top > 0 && !a->log_probs)
        rc = ch_refuse(r, CH_REFUSED_INVALID, "top_logprobs",
                       "the request: \"top_logprobs\" is %d, but \"logprobs\" is not true", a->top);
    a->top_log_probs = a->top > 0;
    return rc;
}

static int effort(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    static const struct {
        const char *name;
        int eighths;
    } known[] = {{"none", 0}, {"minimal", 1}, {"low", 2}, {"medium", 4},
                 {"high", 6}, {"xhigh", 7},   {"max", 8}};
    const int64_t of = a->most > 0 ? a->most : EFFORT_TOKENS;
    const char *word = NULL;
    size_t i = 0;
    (void)l;
    const int rc = ch_field_text(&word, a->body, "reasoning_effort", r);
    if (rc < 0 || !word)
        return rc;
    while (i < CH_COUNT(known) && strcmp(known[i].name, word) != 0)
        i++;
    if (i == CH_COUNT(known))
        return ch_openai_wants(r, "reasoning_effort",
                               "none, minimal, low, medium, high, xhigh or max");
    a->thinking = known[i].eighths ? CH_THINKING_ON : CH_THINKING_OFF;
    a->think_most = known[i].eighths == 8 ? -1 : (int)(of * known[i].eighths / 8);
    if (known[i].eighths)
        a->variables = json_pack("{s:s}", "reasoning_effort", word);
    return known[i].eighths && !a->variables ? ch_openai_starved(r) : CH_OK;
}

/* vLLM's: the last message goes on. */
static int going_on(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    bool opened = true;
    const json_t *last = json_array_get(a->messages, json_array_size(a->messages) - 1);
    const char *role = json_string_value(json_object_get(last, "role"));
    (void)l;
    int rc = ch_field_bool(&a->go_on, a->body, "continue_final_message", r);
    if (rc == CH_OK)
        rc = ch_field_bool(&opened, a->body, "add_generation_prompt", r);
    if (rc == CH_OK && !opened && !a->go_on)
        rc = ch_refuse(r, CH_REFUSED_INVALID, "add_generation_prompt",
                       "the request: \"add_generation_prompt\" can be false only where "
                       "\"continue_final_message\" is true");
    if (rc == CH_OK && a->go_on && (!role || strcmp(role, "assistant") != 0))
        rc = ch_refuse(r, CH_REFUSED_INVALID, "continue_final_message",
                       "the request: \"continue_final_message\" is true, but the last message is "
                       "not the assistant's");
    return rc;
}

/* What would make of the answer something else than text. */
static int others(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    static const char *const names[] = {"audio", "web_search_options"};
    size_t i;
    json_t *list = NULL, *one;
    (void)l;
    int rc = ch_field_list(&list, a->body, "modalities", r);
    json_array_foreach(list, i, one)
    {
        const char *name = json_string_value(one);
        if (rc == CH_OK && (!name || strcmp(name, "text") != 0))
            rc = ch_refuse(r, CH_REFUSED_UNSUPPORTED, "modalities",
                           "this server writes text alone; \"modalities\" has \"%.40s\"",
                           name ? name : "");
    }
    for (i = 0; i < CH_COUNT(names) && rc == CH_OK; i++)
        if (ch_openai_field(a->body, names[i]))
            rc = ch_refuse(r, CH_REFUSED_UNSUPPORTED, names[i],
                           "this server does not know \"%s\"; it writes text alone, from what the "
                           "messages say", names[i]);
    return rc;
}

int ch_openai_chat(ch_ask **out, json_t *body, const ch_ask_limits *l, ch_refusal *r)
{
    static ch_openai_part *const parts[] = {
        ch_openai_names, others,          ch_openai_messages, ch_openai_tools, lengths,
        log_probs,       effort,          ch_openai_sampling, ch_openai_answering,
        going_on,        ch_openai_own,   NULL,
    };
    return ch_openai_read(out, body, CH_API_CHAT, parts, l, r);
}
