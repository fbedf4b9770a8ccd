/* text_routes.c - texts to tokens and back
 *
 * SPDX-License-Identifier: MIT */
#include "server_in.h"

#include <stdlib.h>

static void refuse_field(ch_exchange *x, const char *name, const char *wanted)
{
    ch_refusal r;
    ch_refuse(&r, CH_REFUSED_INVALID, name, "the request: \"%s\" has to be %s", name, wanted);
    ch_exchange_refuse(x, &r, 0);
}

static json_t *ids_json(const ch_tokens *ids)
{
    json_t *list = json_array();
    for (size_t i = 0; i < ids->n; i++)
        json_array_append_new(list, json_integer(ids->id[i]));
    return list;
}

/* {"content" or "prompt": TEXT, "add_special": true, "parse_special": false} */
void ch_route_tokenize(ch_exchange *x, void *arg)
{
    const ch_server *s = arg;
    json_t *body = ch_route_body(x);
    ch_tokens ids = {0};
    ch_err e = {0};
    if (!body)
        return;
    const json_t *text = json_object_get(body, "content");
    text = text ? text : json_object_get(body, "prompt");
    const int flags =
        (json_is_true(json_object_get(body, "add_special")) ? CH_ENCODE_BOS : 0) |
        (json_is_true(json_object_get(body, "parse_special")) ? CH_ENCODE_SPECIAL : 0);
    if (!json_is_string(text))
        refuse_field(x, "content", "a string");
    else if (ch_tokenizer_encode(&ids, s->service.tk, json_string_value(text),
                                 json_string_length(text), flags, &e) < 0)
        ch_route_refuse(x, &e);
    else
        ch_exchange_json(x, 200,
                         json_pack("{s:o, s:I, s:i}", "tokens", ids_json(&ids), "count",
                                   (json_int_t)ids.n, "max_model_len", s->service.context));
    ch_tokens_free(&ids);
    json_decref(body);
}

/* {"tokens": [IDS]} */
void ch_route_detokenize(ch_exchange *x, void *arg)
{
    const ch_server *s = arg;
    json_t *body = ch_route_body(x);
    const json_t *list = json_object_get(body, "tokens");
    ch_buf raw, text;
    ch_token before = -1;
    bool ok = json_is_array(list);
    if (!body)
        return;
    ch_buf_init(&raw, 1 << 28);
    ch_buf_init(&text, 1 << 29);
    for (size_t i = 0; i < json_array_size(list) && ok; i++) {
        const json_int_t id = json_integer_value(json_array_get(list, i));
        ok = json_is_integer(json_array_get(list, i)) && id >= 0 &&
             id < ch_tokenizer_size(s->service.tk) &&
             ch_tokenizer_append(&raw, s->service.tk, before, (ch_token)id);
        before = (ch_token)id;
    }
    if (raw.size > 0)
        ch_buf_utf8(&text, raw.data, raw.size);
    if (!ok)
        refuse_field(x, "tokens", "an array of ids of the vocabulary");
    else
        ch_exchange_json(x, 200, json_pack("{s:s%}", "content", text.data ? text.data : "",
                                           text.size));
    ch_buf_close(&raw);
    ch_buf_close(&text);
    json_decref(body);
}
