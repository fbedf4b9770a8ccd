/* json_write.c - a vocabulary as Hugging Face's tokenizer.json
 *
 * Which tokens begin and end a text stands in tokenizer_config.json beside it, as there.
 * Source: Hugging Face tokenizers (the serialised form of Tokenizer), transformers'
 * tokenizer_config.json. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "json_token.h"

static json_t *name_or_null(const ch_tokenizer *t, ch_token id)
{
    size_t n;
    if (id < 0)
        return json_null();
    const char *name = ch_token_name(t, id, &n);
    return json_stringn(name, n);
}

static int added_tokens(json_t *list, const ch_tokenizer *t, ch_err *e)
{
    for (ch_token id = 0; id < t->n; id++) {
        size_t n;
        const char *name = ch_token_name(t, id, &n);
        const int flags = t->flags != NULL ? t->flags[id] : 0;
        bool special = t->type[id] == CH_TOKEN_CONTROL || t->type[id] == CH_TOKEN_UNKNOWN;
        if (!special && t->type[id] != CH_TOKEN_USER)
            continue;
        if (json_array_append_new(
                list, json_pack("{s:i, s:s%, s:b, s:b, s:b, s:b, s:b}", "id", (int)id, "content",
                                name, n, "single_word", !!(flags & CH_ADDED_WORD), "lstrip",
                                !!(flags & CH_ADDED_LSTRIP), "rstrip", !!(flags & CH_ADDED_RSTRIP),
                                "normalized", !!(flags & CH_ADDED_NORMALIZED), "special",
                                (int)special)) != 0)
            return ch_fail(e, CH_EUNSUPPORTED,
                           "token %d cannot be written as JSON: its name is not UTF-8", id);
    }
    return CH_OK;
}

static int document(json_t **out, const ch_tokenizer *t, ch_err *e)
{
    json_t *added = json_array(), *model = NULL, *all = NULL;
    int rc = added != NULL ? added_tokens(added, t, e)
                           : ch_fail(e, CH_ENOMEM, "out of memory for JSON");
    if (rc == CH_OK && (rc = ch_token_json_model(&model, t, e)) == CH_OK) {
        all = json_pack("{s:s, s:n, s:n, s:O}", "version", "1.0", "truncation", "padding",
                        "added_tokens", added);
        if (all == NULL || !ch_token_json_steps(all, t) ||
            json_object_set(all, "model", model) != 0) {
            rc = ch_fail(e, CH_ENOMEM, "out of memory for JSON");
            json_decref(all);
            all = NULL;
        }
    }
    json_decref(added);
    json_decref(model);
    *out = all;
    return rc;
}

/* {"bos_token": ..., "eos_token": ...}; nothing to say: no file. */
static int write_config(const ch_tokenizer *t, const char *path, ch_err *e)
{
    const char *slash = strrchr(path, '/');
    if (t->bos < 0 && t->eos < 0 && t->template == NULL && t->tool_template == NULL)
        return CH_OK;
    ch_buf b;
    ch_buf_init(&b, 1 << 26);
    json_t *o = json_pack("{s:s, s:b, s:b, s:o, s:o}", "tokenizer_class", "PreTrainedTokenizerFast",
                          "add_bos_token", (int)ch_tokenizer_adds_bos(t), "add_eos_token",
                          (int)(t->add_eos && t->eos >= 0), "bos_token", name_or_null(t, t->bos),
                          "eos_token", name_or_null(t, t->eos));
    const struct {
        const char *key;
        ch_token id;
    } more[] = {{"unk_token", ch_token_unknown(t)},
                {"pad_token", t->pad},
                {"sep_token", t->sep},
                {"cls_token", t->cls},
                {"mask_token", t->mask}};
    bool ok = o != NULL;
    for (size_t i = 0; i < CH_COUNT(more) && ok; i++)
        ok = more[i].id < 0 ||
             json_object_set_new(o, more[i].key, name_or_null(t, more[i].id)) == 0;
    if (ok && t->tool_template != NULL)
        ok = json_object_set_new(o, "chat_template",
                                 json_pack("[{s:s, s:s*}, {s:s, s:s}]", "name", "default",
                                           "template", t->template, "name", "tool_use",
                                           "template", t->tool_template)) == 0;
    else if (ok && t->template != NULL)
        ok = json_object_set_new(o, "chat_template", json_string(t->template)) == 0;
    char *file = malloc(strlen(path) + 32);
    int rc = ok && file != NULL ? ch_json_dump(&b, o, e)
                                : ch_fail(e, CH_ENOMEM, "out of memory for JSON");
    if (rc == CH_OK) {
        size_t folder = slash != NULL ? (size_t)(slash + 1 - path) : 0;
        memcpy(file, path, folder);
        strcpy(file + folder, "tokenizer_config.json");
        rc = ch_io_write_file(file, b.data, b.size, e);
    }
    json_decref(o);
    free(file);
    ch_buf_close(&b);
    return rc;
}

int ch_tokenizer_to_json(const ch_tokenizer *t, const char *path, ch_err *e)
{
    json_t *all;
    ch_buf b;
    ch_buf_init(&b, INT32_MAX);
    int rc = document(&all, t, e);
    if (rc == CH_OK)
        rc = ch_json_dump(&b, all, e);
    if (rc == CH_OK)
        rc = ch_io_write_file(path, b.data, b.size, e);
    if (rc == CH_OK)
        rc = write_config(t, path, e);
    json_decref(all);
    ch_buf_close(&b);
    return rc;
}
