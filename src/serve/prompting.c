/* prompting.c - what the model is given of a request, and the grammar that its text obeys
 *
 * SPDX-License-Identifier: MIT */
#include "job_in.h"

#include <stdlib.h>
#include <string.h>

enum { PROMPT_BYTES = 1 << 28 };

int ch_job_refuse(ch_refusal *r, const ch_err *e)
{
    switch (e->code) {
    case CH_ELIMIT: return ch_refuse(r, CH_REFUSED_TOO_LONG, NULL, "%s", e->text);
    case CH_EBUSY:
    case CH_ECANCELED: return ch_refuse(r, CH_REFUSED_BUSY, NULL, "%s", e->text);
    case CH_EIO:
    case CH_ENOMEM: return ch_refuse(r, CH_REFUSED_FAULT, NULL, "%s", e->text);
    default: return ch_refuse(r, CH_REFUSED_INVALID, NULL, "%s", e->text);
    }
}

int ch_job_refuse_form(ch_refusal *r, const char *field, const ch_err *e)
{
    if (e->code == CH_EBUSY || e->code == CH_ENOMEM)
        return ch_job_refuse(r, e);
    return ch_refuse(r, CH_REFUSED_INVALID, field, "%s", e->text);
}

/* ---- Conversations --------------------------------------------------------------------------- */

static int set(ch_talk *t, const char *name, json_t *v, ch_err *e)
{
    return v ? ch_talk_set(t, name, v, e) : ch_fail(e, CH_ENOMEM, "no memory for a prompt");
}

static int fill(ch_talk *t, const ch_ask *a, ch_err *e)
{
    const char *name;
    json_t *v;
    int rc = CH_OK;
    json_object_foreach(a->variables, name, v) {
        if (rc == CH_OK)
            rc = ch_talk_set(t, name, json_incref(v), e);
    }
    if (rc == CH_OK && a->tools && a->choose != CH_TOOLS_NONE)
        rc = ch_talk_set(t, "tools", json_incref(a->tools), e);
    if (rc == CH_OK && a->thinking != CH_THINKING_DEFAULT)
        rc = set(t, "enable_thinking", json_boolean(a->thinking == CH_THINKING_ON), e);
    if (rc == CH_OK && json_array_extend(ch_talk_messages(t), a->messages) != 0)
        rc = ch_fail(e, CH_ENOMEM, "no memory for a prompt");
    if (rc == CH_OK && a->go_on)
        rc = ch_talk_go_on(t, e);
    return rc;
}

int ch_job_prompt(ch_talk **talk, ch_tokens *out, ch_buf *text, const ch_service *s,
                  const ch_ask *a, ch_refusal *r)
{
    ch_err e = s->no_style;
    int rc = s->style ? ch_talk_open_in(talk, NULL, s->style, &e) : e.code;
    if (rc == CH_OK)
        rc = fill(*talk, a, &e);
    if (rc == CH_OK)
        rc = ch_talk_prompt(out, text, *talk, &e);
    if (rc == CH_OK && out->n == 0)
        rc = ch_fail(&e, CH_EARG, "the conversation makes no token");
    return rc == CH_OK ? CH_OK : ch_job_refuse(r, &e);
}

/* ---- Texts and tokens ------------------------------------------------------------------------ */

static int of_ids(ch_tokens *out, const json_t *list, int vocab, ch_refusal *r)
{
    const size_t n = json_array_size(list);
    out->id = malloc(CH_MAX(n, (size_t)1) * sizeof *out->id);
    if (!out->id)
        return ch_refuse(r, CH_REFUSED_FAULT, "prompt", "no memory for a prompt");
    out->cap = n;
    for (size_t i = 0; i < n; i++) {
        const json_int_t id = json_integer_value(json_array_get(list, i));
        if (id < 0 || id >= vocab)
            return ch_refuse(r, CH_REFUSED_INVALID, "prompt",
                             "the prompt has token %lld; the vocabulary has 0 to %d",
                             (long long)id, vocab - 1);
        out->id[out->n++] = (ch_token)id;
    }
    return CH_OK;
}

int ch_job_text(ch_tokens *out, const ch_service *s, const json_t *prompt, ch_refusal *r)
{
    ch_err e = {0};
    int rc;
    if (json_is_array(prompt)) {
        rc = of_ids(out, prompt, ch_tokenizer_size(s->tk), r);
    } else {
        rc = ch_tokenizer_encode(out, s->tk, json_string_value(prompt),
                                 json_string_length(prompt), CH_ENCODE_BOS, &e);
        if (rc < 0)
            return ch_job_refuse(r, &e);
    }
    if (rc == CH_OK && out->n == 0) { /* without a beginning token nothing can begin */
        if (ch_tokenizer_bos(s->tk) < 0)
            return ch_refuse(r, CH_REFUSED_INVALID, "prompt", "the prompt makes no token");
        rc = ch_tokenizer_encode(out, s->tk, "", 0, CH_ENCODE_BOS, &e) < 0
                 ? ch_job_refuse(r, &e)
                 : CH_OK;
        if (rc == CH_OK && out->n == 0)
            rc = ch_refuse(r, CH_REFUSED_INVALID, "prompt", "the prompt makes no token");
    }
    return rc;
}

/* ---- Grammars -------------------------------------------------------------------------------- */

int ch_job_grammar(ch_job *j, uint64_t *wait_ns, ch_refusal *r)
{
    static const ch_grammar_kind kinds[] = {
        [CH_TEXT_JSON] = CH_GRAMMAR_JSON,     [CH_TEXT_SCHEMA] = CH_GRAMMAR_SCHEMA,
        [CH_TEXT_GBNF] = CH_GRAMMAR_GBNF,     [CH_TEXT_REGEX] = CH_GRAMMAR_REGEX,
        [CH_TEXT_CHOICE] = CH_GRAMMAR_CHOICE,
    };
    const ch_ask *a = j->ask;
    ch_err e = {0};
    ch_buf text;
    if (a->form_kind == CH_TEXT_FREE)
        return CH_OK;
    ch_buf_init(&text, PROMPT_BYTES);
    int rc = CH_OK;
    if (json_is_string(a->form))
        ch_buf_put(&text, json_string_value(a->form), json_string_length(a->form));
    else if (a->form)
        rc = ch_json_dump(&text, a->form, &e);
    if (rc == CH_OK)
        rc = ch_buf_check(&text, "a schema", &e);
    const ch_shelf_want w = {.kind = kinds[a->form_kind],
                             .text = text.data ? text.data : "",
                             .n = text.size,
                             .memory = j->service->grammar_bytes,
                             .salt = ch_exchange_client(j->x)->salt,
                             .wait_ns = wait_ns};
    if (rc == CH_OK)
        rc = ch_shelf_take(&j->grammar, j->service->shelf, &w, &e);
    ch_buf_close(&text);
    return rc == CH_OK ? CH_OK : ch_job_refuse_form(r, "response_format", &e);
}
