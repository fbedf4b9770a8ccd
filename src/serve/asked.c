/* asked.c - asks and refusals, opened and closed
 *
 * SPDX-License-Identifier: MIT */
#include "ask.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    int status;
    const char *openai, *anthropic;
} words[CH_REFUSALS] = {
#define REFUSED(name, status, openai, anthropic) {status, openai, anthropic},
#include "refusals.def"
#undef REFUSED
};

int ch_refuse(ch_refusal *r, ch_refused why, const char *param, const char *fmt, ...)
{
    va_list list;
    *r = (ch_refusal){.why = why};
    snprintf(r->param, sizeof r->param, "%s", param ? param : "");
    va_start(list, fmt);
    vsnprintf(r->text, sizeof r->text, fmt, list);
    va_end(list);
    return CH_EARG;
}

int ch_refuse_within(ch_refusal *r, const char *fmt, ...)
{
    char inner[sizeof r->param];
    va_list list;
    memcpy(inner, r->param, sizeof inner);
    va_start(list, fmt);
    vsnprintf(r->param, sizeof r->param, fmt, list);
    va_end(list);
    const size_t at = strlen(r->param);
    snprintf(r->param + at, sizeof r->param - at, "%s%s", inner[0] && inner[0] != '[' ? "." : "",
             inner);
    return CH_EARG;
}

int ch_refusal_status(const ch_refusal *r) { return words[r->why].status; }

/* What a client sent may stand in the text, cut anywhere. */
static json_t *text_json(const char *text)
{
    ch_buf b;
    ch_buf_init(&b, 1 << 16);
    ch_buf_utf8(&b, text, strlen(text));
    json_t *v = json_stringn(b.data ? b.data : "", b.size);
    ch_buf_close(&b);
    return v;
}

json_t *ch_refusal_json(const ch_refusal *r, bool anthropic, const char *request_id)
{
    if (anthropic)
        return json_pack("{s:s, s:{s:s, s:o}, s:s?}", "type", "error", "error", "type",
                         words[r->why].anthropic, "message", text_json(r->text), "request_id",
                         request_id);
    return json_pack("{s:{s:o, s:s, s:o, s:s?}}", "error", "message", text_json(r->text), "type",
                     words[r->why].openai, "param",
                     r->param[0] ? text_json(r->param) : json_null(), "code", r->code);
}

int ch_ask_open(ch_ask **out, json_t *body, ch_api api, ch_refusal *r)
{
    ch_ask *a = calloc(1, sizeof *a);
    *out = NULL;
    if (!a) {
        json_decref(body);
        return ch_refuse(r, CH_REFUSED_FAULT, NULL, "no memory for a request");
    }
    *a = (ch_ask){.api = api,
                  .body = body,
                  .answers = 1,
                  .best_of = 1,
                  .most = -1,
                  .sampling = CH_SAMPLING,
                  .think_most = -1};
    *out = a;
    if (json_is_object(body))
        return CH_OK;
    ch_ask_close(out);
    return ch_refuse(r, CH_REFUSED_INVALID, NULL, "the body has to be a JSON object");
}

void ch_ask_close(ch_ask **a)
{
    if (!*a)
        return;
    json_decref((*a)->messages);
    json_decref((*a)->tools);
    json_decref((*a)->variables);
    json_decref((*a)->prompts);
    json_decref((*a)->stop);
    json_decref((*a)->form);
    json_decref((*a)->applied);
    json_decref((*a)->body);
    free((*a)->bias);
    free(*a);
    *a = NULL;
}
