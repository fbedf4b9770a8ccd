/* routes.c - the handlers that ask the model something
 *
 * SPDX-License-Identifier: MIT */
#include "server_in.h"

#include <string.h>

json_t *ch_route_body(ch_exchange *x)
{
    ch_err e = {0};
    ch_refusal r;
    json_t *v;
    size_t n;
    const char *text = ch_exchange_body(x, &n);
    if (ch_json_parse(&v, text, n, "the request", &e) == CH_OK)
        return v;
    ch_refuse(&r, CH_REFUSED_INVALID, NULL, "%s", e.text);
    ch_exchange_refuse(x, &r, 0);
    return NULL;
}

void ch_route_refuse(ch_exchange *x, const ch_err *e)
{
    ch_refusal r;
    ch_job_refuse(&r, e);
    ch_exchange_refuse(x, &r, 0);
}

/* Names under which the model answers, when only its own do. */
static bool knows(const ch_server *s, const char *name)
{
    return s->o.any_model || !name || strcmp(name, s->o.name) == 0;
}

static ch_ask *read_ask(ch_exchange *x, const ch_server *s, ch_ask_reader *read)
{
    ch_refusal r = {0};
    ch_ask *a;
    json_t *body = ch_route_body(x);
    if (!body)
        return NULL;
    int rc = read(&a, body, &s->limits, &r);
    if (rc == CH_OK && !knows(s, a->model)) {
        rc = ch_refuse(&r, CH_REFUSED_NOT_FOUND, "model", "there is no model \"%s\"; here is %s",
                       a->model, s->o.name);
        r.code = "model_not_found";
        ch_ask_close(&a);
    }
    if (rc == CH_OK)
        return a;
    ch_exchange_refuse(x, &r, 0);
    return NULL;
}

static void answer(ch_exchange *x, ch_server *s, ch_ask_reader *read)
{
    ch_ask *a = read_ask(x, s, read);
    if (a)
        ch_job_run(&s->service, x, a);
}

void ch_route_chat(ch_exchange *x, void *arg) { answer(x, arg, ch_openai_chat); }
void ch_route_completions(ch_exchange *x, void *arg) { answer(x, arg, ch_openai_completion); }
void ch_route_embeddings(ch_exchange *x, void *arg) { answer(x, arg, ch_openai_embedding); }
void ch_route_messages(ch_exchange *x, void *arg) { answer(x, arg, ch_anthropic_messages); }

void ch_route_count_tokens(ch_exchange *x, void *arg)
{
    ch_server *s = arg;
    ch_ask *a = read_ask(x, s, ch_anthropic_count);
    ch_talk *t = NULL;
    ch_tokens ids = {0};
    ch_refusal r = {0};
    if (!a)
        return;
    if (ch_job_prompt(&t, &ids, NULL, &s->service, a, &r) < 0)
        ch_exchange_refuse(x, &r, 0);
    else
        ch_exchange_json(x, 200, json_pack("{s:I}", "input_tokens", (json_int_t)ids.n));
    ch_tokens_free(&ids);
    ch_talk_close(&t);
    ch_ask_close(&a);
}

void ch_route_apply_template(ch_exchange *x, void *arg)
{
    ch_server *s = arg;
    ch_ask *a = read_ask(x, s, ch_openai_chat);
    ch_talk *t = NULL;
    ch_tokens ids = {0};
    ch_refusal r = {0};
    ch_buf text;
    if (!a)
        return;
    ch_buf_init(&text, 1 << 28);
    if (ch_job_prompt(&t, &ids, &text, &s->service, a, &r) < 0)
        ch_exchange_refuse(x, &r, 0);
    else
        ch_exchange_json(x, 200,
                         json_pack("{s:s%, s:I}", "prompt", text.data ? text.data : "", text.size,
                                   "count", (json_int_t)ids.n));
    ch_buf_close(&text);
    ch_tokens_free(&ids);
    ch_talk_close(&t);
    ch_ask_close(&a);
}
