/* hf_write.c - config.json and generation_config.json of a Hugging Face folder
 *
 * generation_config.json says how its authors would sample from a model: general.sampling.* of
 * GGUF, and which tokens begin and end a text.
 * Source: transformers, GenerationConfig; llama.cpp, gguf-py (Keys.General.SAMPLING_*).
 * SPDX-License-Identifier: MIT */
#include "hf_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *key, *gguf;
    bool whole;
} sampling[] = {
    {"temperature", "general.sampling.temp", false}, {"top_k", "general.sampling.top_k", true},
    {"top_p", "general.sampling.top_p", false},      {"min_p", "general.sampling.min_p", false},
    {"repetition_penalty", "general.sampling.penalty_repeat", false},
};

static const char *const ends_of_text[] = {"eos", "eot", "eom"};

static int write_json(const char *dir, const char *name, json_t *v, ch_err *e)
{
    char *path = ch_io_join(dir, name);
    char *text = v ? json_dumps(v, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
    const size_t n = text ? strlen(text) : 0;
    int rc = path && text ? CH_OK : ch_fail(e, CH_ENOMEM, "%s: out of memory for %s", dir, name);
    if (rc == CH_OK) {
        text[n] = '\n'; /* over the terminator */
        rc = ch_io_write_file(path, text, n + 1, e);
    }
    free(text);
    free(path);
    return rc;
}

static int64_t token_id(const ch_file *f, const char *which)
{
    char key[64];
    int64_t id = -1;
    snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", which);
    return ch_file_int_opt(&id, f, key, 0, INT32_MAX, NULL) < 0 ? -1 : id;
}

/* The tokens that end a text: one, or a list of different ones; NULL: none is known. */
static json_t *end_ids(const ch_file *f)
{
    json_t *list = json_array();
    for (size_t i = 0; i < CH_COUNT(ends_of_text); i++) {
        const int64_t id = token_id(f, ends_of_text[i]);
        bool there = id < 0;
        for (size_t k = 0; k < json_array_size(list); k++)
            there |= json_integer_value(json_array_get(list, k)) == id;
        if (!there)
            json_array_append_new(list, json_integer(id));
    }
    json_t *all = json_array_size(list) == 1 ? json_incref(json_array_get(list, 0))
                  : json_array_size(list)    ? json_incref(list)
                                             : NULL;
    json_decref(list);
    return all;
}

static int set_ids(const ch_hf_config *c)
{
    static const struct {
        const char *key, *which;
    } ids[] = {{"bos_token_id", "bos"}, {"pad_token_id", "padding"}};
    int rc = CH_OK;
    for (size_t i = 0; i < CH_COUNT(ids) && rc == CH_OK; i++) {
        const int64_t id = token_id(c->f, ids[i].which);
        if (id >= 0)
            rc = ch_hf_set(c, c->to, ids[i].key, json_integer(id));
    }
    json_t *end = end_ids(c->f);
    return rc == CH_OK && end ? ch_hf_set(c, c->to, "eos_token_id", end) : rc;
}

static int write_generation(const char *dir, ch_hf_config *c)
{
    c->to = json_object();
    int rc = set_ids(c);
    bool sampled = false;
    for (size_t i = 0; i < CH_COUNT(sampling) && rc == CH_OK; i++) {
        double x;
        if (!ch_file_meta_find(c->f, sampling[i].gguf))
            continue;
        rc = ch_file_real_opt(&x, c->f, sampling[i].gguf, -1e30, 1e30, c->e);
        if (rc == CH_OK)
            rc = ch_hf_set(c, c->to, sampling[i].key,
                           sampling[i].whole ? json_integer((json_int_t)x) : ch_hf_number(x));
        sampled = true;
    }
    if (rc == CH_OK && sampled)
        rc = ch_hf_set(c, c->to, "do_sample", json_true());
    if (rc == CH_OK)
        rc = write_json(dir, "generation_config.json", c->to, c->e);
    json_decref(c->to);
    return rc;
}

int ch_hf_write_config(const char *dir, const ch_file *f, const ch_hf_arch *a, ch_dtype type,
                       ch_err *e)
{
    static const char *const names[] = {[CH_F16] = "float16", [CH_BF16] = "bfloat16",
                                        [CH_F32] = "float32"};
    ch_hf_config c = {.to = json_object(), .path = dir, .arch = a, .f = (ch_file *)(uintptr_t)f,
                      .e = e};
    const char *name = (size_t)type < CH_COUNT(names) && names[type] ? names[type] : "float32";
    int rc = ch_hf_config_write(&c);
    if (rc == CH_OK)
        rc = set_ids(&c);
    if (rc == CH_OK)
        rc = ch_hf_set(&c, c.to, "torch_dtype", json_string(name));
    if (rc == CH_OK)
        rc = write_json(dir, "config.json", c.to, e);
    json_decref(c.to);
    return rc == CH_OK ? write_generation(dir, &c) : rc;
}

/* ---- Reading it ------------------------------------------------------------------------------ */

int ch_hf_read_generation(ch_file *f, const char *dir, ch_err *e)
{
    enum { MOST = 1 << 20 };
    char *path = ch_io_join(dir, "generation_config.json");
    json_t *v = NULL;
    int rc = CH_OK;
    if (path && ch_io_is_file(path))
        rc = ch_json_load(&v, path, MOST, e);
    for (size_t i = 0; i < CH_COUNT(sampling) && rc == CH_OK; i++) {
        double x = 0;
        const json_t *is = json_object_get(v, sampling[i].key);
        if (!json_is_number(is))
            continue;
        rc = ch_json_real(&x, v, sampling[i].key, 0, path, e);
        if (rc == CH_OK && sampling[i].whole && x >= 0 && x <= INT32_MAX)
            rc = ch_file_set_i32(f, sampling[i].gguf, (int32_t)x, e);
        else if (rc == CH_OK)
            rc = ch_file_set_f32(f, sampling[i].gguf, (float)x, e);
    }
    json_decref(v);
    free(path);
    return rc;
}
