/* token_config.c - what stands beside a vocabulary in a Hugging Face folder
 *
 *   tokenizer_config.json     bos_token and its kin, add_bos_token, add_eos_token, chat_template
 *   special_tokens_map.json   bos_token and its kin, where the first does not say
 *   generation_config.json    eos_token_id: one or a list, all of which end a reply
 *   config.json               bos_token_id, eos_token_id, where nothing above says
 *   chat_template.jinja       before the template in the first
 *
 * Source: transformers, tokenization_utils_base.py.  SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "json_token.h"

#define FILE_MAX ((size_t)64 << 20)

ch_token ch_token_by_name(const ch_tokenizer *t, const char *name, size_t n)
{
    for (ch_token id = 0; id < t->n; id++)
        if (t->at[id + 1] - t->at[id] == n && memcmp(t->text + t->at[id], name, n) == 0)
            return id;
    return -1;
}

ch_token ch_token_by_json(const ch_tokenizer *t, const json_t *name)
{
    if (json_is_object(name))
        name = json_object_get(name, "content");
    return json_is_string(name)
               ? ch_token_by_name(t, json_string_value(name), json_string_length(name))
               : -1;
}

static char *path_beside(const char *path, const char *file)
{
    const char *slash = strrchr(path, '/');
    const size_t folder = slash != NULL ? (size_t)(slash + 1 - path) : 0;
    char *full = malloc(folder + strlen(file) + 1);
    if (full != NULL) {
        memcpy(full, path, folder);
        strcpy(full + folder, file);
    }
    return full;
}

int ch_token_load_beside(json_t **out, const char *path, const char *file, ch_err *e)
{
    *out = NULL;
    char *full = path_beside(path, file);
    if (full == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for a path");
    int rc = ch_io_exists(full) ? ch_json_load(out, full, FILE_MAX, e) : CH_OK;
    free(full);
    return rc;
}

/* The ids that a file names, where they are not known yet. */
static void read_names(ch_tokenizer *t, const json_t *config)
{
    const struct {
        const char *key;
        ch_token *id;
    } ids[] = {
        {"bos_token", &t->bos}, {"eos_token", &t->eos}, {"unk_token", &t->unknown},
        {"pad_token", &t->pad}, {"sep_token", &t->sep}, {"cls_token", &t->cls},
        {"mask_token", &t->mask},
    };
    for (size_t i = 0; i < CH_COUNT(ids); i++)
        if (*ids[i].id < 0)
            *ids[i].id = ch_token_by_json(t, json_object_get(config, ids[i].key));
}

static int keep_template(char **to, const char *text, size_t n, ch_err *e)
{
    if (text == NULL || *to != NULL || memchr(text, 0, n) != NULL)
        return CH_OK;
    *to = strndup(text, n);
    return *to != NULL ? CH_OK : ch_fail(e, CH_ENOMEM, "out of memory for a template");
}

/* A string, or the one of that name in a list. */
static const json_t *template_of(const json_t *config, const char *wanted)
{
    const json_t *v = json_object_get(config, "chat_template");
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *o = json_array_get(v, i);
        const char *name = json_string_value(json_object_get(o, "name"));
        if (name != NULL && strcmp(name, wanted) == 0)
            return json_object_get(o, "template");
    }
    return json_is_string(v) ? v : NULL;
}

static int read_template(ch_tokenizer *t, const char *path, const json_t *config, ch_err *e)
{
    char *full = path_beside(path, "chat_template.jinja");
    if (full == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for a path");
    ch_buf b;
    ch_buf_init(&b, FILE_MAX);
    int rc = ch_io_exists(full) ? ch_io_read_file(&b, full, e) : CH_OK;
    if (rc == CH_OK)
        rc = keep_template(&t->template, b.data, b.size, e);
    ch_buf_close(&b);
    free(full);
    const json_t *own = template_of(config, "default"), *tools = template_of(config, "tool_use");
    if (rc == CH_OK)
        rc = keep_template(&t->template, json_string_value(own), json_string_length(own), e);
    if (rc == CH_OK && tools != own)
        rc = keep_template(&t->tool_template, json_string_value(tools), json_string_length(tools),
                           e);
    return rc;
}

static ch_token id_in(const ch_tokenizer *t, const json_t *v)
{
    return json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) < t->n
               ? (ch_token)json_integer_value(v)
               : -1;
}

/* All that end a reply; the first is EOS where none is known. */
static void read_ends(ch_tokenizer *t, const json_t *v)
{
    const size_t n = json_is_array(v) ? json_array_size(v) : 1;
    for (size_t i = 0; i < n; i++) {
        const ch_token id = id_in(t, json_is_array(v) ? json_array_get(v, i) : v);
        if (id < 0)
            continue;
        t->end[id] = true;
        if (t->eos < 0)
            t->eos = id;
    }
}

static int read_last(ch_tokenizer *t, const char *path, ch_err *e)
{
    static const char *const files[] = {"generation_config.json", "config.json"};
    for (size_t i = 0; i < CH_COUNT(files); i++) {
        json_t *o;
        int rc = ch_token_load_beside(&o, path, files[i], e);
        if (rc < 0)
            return rc;
        if (i == 0 || t->eos < 0)
            read_ends(t, json_object_get(o, "eos_token_id"));
        if (i == 1 && t->bos < 0)
            t->bos = id_in(t, json_object_get(o, "bos_token_id"));
        json_decref(o);
    }
    return CH_OK;
}

int ch_token_read_config(ch_tokenizer *t, const char *path, ch_err *e)
{
    json_t *config, *map = NULL;
    int rc = ch_token_load_beside(&config, path, "tokenizer_config.json", e);
    if (rc == CH_OK)
        rc = ch_token_load_beside(&map, path, "special_tokens_map.json", e);
    if (rc == CH_OK) {
        read_names(t, config);
        read_names(t, map);
        const json_t *bos = json_object_get(config, "add_bos_token"),
                     *eos = json_object_get(config, "add_eos_token");
        if (json_is_boolean(bos))
            t->add_bos = json_is_true(bos);
        if (json_is_boolean(eos))
            t->add_eos = json_is_true(eos);
        rc = read_template(t, path, config, e);
    }
    json_decref(config);
    json_decref(map);
    return rc < 0 ? rc : read_last(t, path, e);
}
