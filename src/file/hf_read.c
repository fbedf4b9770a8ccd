/* hf_read.c - a Hugging Face folder as one model file: config.json, and the weights beside it
 *
 *   model.safetensors, or model.safetensors.index.json and the files that its weight_map names
 *
 * Tensors get GGUF's names and what GGUF means by them (names.def, hf_change.c); the configuration
 * becomes the keys that llama.cpp's converter writes (hf_config.c).  A head that repeats the tied
 * embedding table is left out, as are the parts of Gemma 3 that see.  A tensor that no line of
 * names.def knows is refused: it would be a model that is not computed as meant.
 * SPDX-License-Identifier: MIT */
#include "hf_change.h"
#include "hf_inl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_MOST = 1 << 22, INDEX_MOST = 1 << 26, NAME_MOST = 1100, PARTS_MOST = 10000 };

/* ---- Names ----------------------------------------------------------------------------------- */

static bool begins(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

/* A name as names.def has it: without the prefix of a model that also sees, with the one that was
 * saved without its head. */
static bool find_name(char *out, size_t size, ch_hf_change *change, const ch_hf_arch *a,
                      const char *name)
{
    static const char *const sees[] = {"language_model.", "model.language_model."};
    static const char *const lost[] = {"model.", "transformer."};
    char full[NAME_MOST];
    if (begins(name, sees[0]))
        name += strlen(sees[0]);
    if (ch_hf_name(out, size, change, a, name, true))
        return true;
    if (begins(name, sees[1])) {
        snprintf(full, sizeof full, "model.%s", name + strlen(sees[1]));
        return ch_hf_name(out, size, change, a, full, true);
    }
    snprintf(full, sizeof full, "%s%s", lost[a->bit == GPT2], name);
    return ch_hf_name(out, size, change, a, full, true);
}

static bool is_skipped(const ch_hf_arch *a, const char *name)
{
    static const char *const seeing[] = {"vision_tower.", "multi_modal_projector.",
                                         "model.vision_tower.", "model.multi_modal_projector."};
    char full[NAME_MOST];
    bool skip = a->bit & INL ? ch_hf_inl_skipped(name) : ch_hf_name_skipped(a, name);
    for (size_t i = 0; i < CH_COUNT(seeing) && strcmp(a->type, "gemma3") == 0; i++)
        skip |= begins(name, seeing[i]);
    snprintf(full, sizeof full, "%s%s", a->bit == GPT2 ? "transformer." : "model.", name);
    return skip || ch_hf_name_skipped(a, full);
}

/* ---- Tensors --------------------------------------------------------------------------------- */

struct folder {
    ch_hf_config config;
    ch_hf_changing change;
    ch_hf_inl inl; /* of INL-LLM */
    bool tied;
};

static int take_tensor(struct folder *d, const ch_file_tensor *t)
{
    ch_file *f = d->config.f;
    char gguf[NAME_MOST], name[NAME_MOST];
    ch_hf_change change;
    snprintf(name, sizeof name, "%s", t->name);
    if (d->config.arch->bit & INL) {
        ch_hf_inl_name(name, sizeof name, t->name);
        if (ch_hf_inl_take(&d->inl, &d->config, name, &t->t))
            return CH_OK;
    }
    if (is_skipped(d->config.arch, name))
        return CH_OK;
    if (!find_name(gguf, sizeof gguf, &change, d->config.arch, name))
        return ch_fail(d->config.e, CH_EUNSUPPORTED,
                       "%s: tensor \"%s\" is no part of a %s model as it is known here", f->path,
                       t->name, d->config.arch->type);
    if (d->tied && strcmp(gguf, "output.weight") == 0)
        return CH_OK;
    ch_tensor here = t->t;
    size_t bytes = t->bytes;
    d->change.name = t->name;
    d->change.gguf = gguf;
    const int rc = ch_hf_change_read(&here, &bytes, change, &d->change);
    return rc < 0 ? rc
                  : ch_file_put_tensor(f, (ch_str){gguf, strlen(gguf)}, &here, bytes,
                                       d->config.e);
}

/* Tensors of integers may be there where they mean nothing. */
static int check_others(const struct folder *d, const ch_file *part)
{
    const ch_hf_arch *a = d->config.arch;
    char name[NAME_MOST];
    for (size_t i = 0; i < part->index->n_others; i++) {
        snprintf(name, sizeof name, "%s", part->index->others[i]);
        if (a->bit & INL)
            ch_hf_inl_name(name, sizeof name, part->index->others[i]);
        if (!is_skipped(a, name))
            return ch_fail(d->config.e, CH_EUNSUPPORTED,
                           "%s: tensor \"%s\" holds integers, which is no part of a %s model",
                           d->config.f->path, part->index->others[i], a->type);
    }
    return CH_OK;
}

static int heads_of(struct folder *d)
{
    const ch_hf_config *c = &d->config;
    int rc = ch_hf_get_int(&d->change.heads[0], c, "attention.head_count", 1);
    d->change.heads[1] = d->change.heads[0];
    if (rc == CH_OK && (c->arch->bit & TURNED))
        rc = ch_hf_get_int(&d->change.heads[1], c, "attention.head_count_kv", d->change.heads[0]);
    return rc;
}

static int read_tied(struct folder *d, const json_t *top)
{
    static const char *const keys[] = {"tie_word_embeddings", "tie_embedding"};
    const json_t *said = NULL;
    for (size_t i = 0; i < CH_COUNT(keys) && !json_is_boolean(said); i++) {
        said = json_object_get(d->config.v, keys[i]);
        if (!json_is_boolean(said))
            said = json_object_get(top, keys[i]);
    }
    d->tied = json_is_boolean(said) ? json_is_true(said) : d->config.arch->tied;
    return CH_OK;
}

static int check_head(const struct folder *d)
{
    if (d->tied || ch_file_tensor_find(d->config.f, "output.weight"))
        return CH_OK;
    return ch_fail(d->config.e, CH_EFORMAT,
                   "%s: tensor lm_head.weight is missing, and \"tie_word_embeddings\" is not set",
                   d->config.f->path);
}

/* ---- The weights' files ---------------------------------------------------------------------- */

/* One more safetensors file, which lives as long as f. */
static int open_part(ch_file **out, ch_file *f, const char *path, ch_err *e)
{
    int rc = ch_file_open_part(out, path, e);
    if (rc == CH_OK && strcmp((*out)->format, "safetensors") != 0) {
        rc = ch_fail(e, CH_EFORMAT, "%s: it is a %s file, wanted is safetensors", path,
                     (*out)->format);
        ch_file_close(out);
    }
    if (rc == CH_OK)
        ch_file_adopt(f, *out);
    return rc;
}

/* Opens the file that the index gives for a tensor, once. */
static int open_named(ch_file *f, const char *dir, const char *name, ch_map *opened, ch_err *e)
{
    ch_file *part;
    if (strchr(name, '/') || name[0] == '.' || name[0] == '\0')
        return ch_fail(e, CH_EFORMAT, "%s: its weights' index names the file \"%.80s\"", dir, name);
    if (ch_map_get(opened, name, strlen(name)) >= 0)
        return CH_OK;
    if (opened->count >= PARTS_MOST)
        return ch_fail(e, CH_ELIMIT, "%s: its weights are in more than %d files", dir, PARTS_MOST);
    char *path = ch_io_join(dir, name);
    int rc = path ? ch_map_put(opened, name, strlen(name), (int64_t)opened->count, NULL, e)
                  : ch_fail(e, CH_ENOMEM, "no memory for a path in %s", dir);
    if (rc == CH_OK && !ch_io_exists(path))
        rc = ch_fail(e, CH_EIO, "%s: a part of the weights is missing", path);
    if (rc == CH_OK)
        rc = open_part(&part, f, path, e);
    free(path);
    return rc;
}

/* Names of the parts' tensors of integers, each with its part's number. */
static int map_others(ch_map *others, const ch_file *f, ch_err *e)
{
    int64_t k = 0;
    int rc = ch_map_open(others, 16, e);
    for (const ch_file *p = f->index->parts; p; p = p->index->next, k++)
        for (size_t i = 0; i < p->index->n_others && rc == CH_OK; i++)
            rc = ch_map_put(others, p->index->others[i], strlen(p->index->others[i]), k, NULL, e);
    return rc;
}

/* Every tensor of the map is in its file, and the files hold no others.  A name that is in two of
 * them makes one more than the map has. */
static int check_map(const ch_file *f, const json_t *map, const ch_map *opened, const char *path,
                     ch_err *e)
{
    const char *name;
    json_t *v;
    size_t n = 0, k = 0;
    ch_map others = {0};
    const ch_file **part = calloc(opened->count + 1, sizeof *part);
    if (!part)
        return ch_fail(e, CH_ENOMEM, "%s: no memory for %zu parts", path, opened->count);
    for (const ch_file *p = f->index->parts; p; p = p->index->next) {
        n += p->n_tensors + p->index->n_others;
        part[k++] = p;
    }
    int rc = map_others(&others, f, e);
    if (rc == CH_OK && n != json_object_size(map))
        rc = ch_fail(e, CH_EFORMAT, "%s: it names %zu tensors, the files hold %zu", path,
                     json_object_size(map), n);
    json_object_foreach((json_t *)(uintptr_t)map, name, v)
    {
        if (rc < 0)
            break;
        const int64_t at = ch_map_get(opened, json_string_value(v), json_string_length(v));
        if (at < 0 || !(ch_file_tensor_find(part[at], name) ||
                        ch_map_get(&others, name, strlen(name)) == at))
            rc = ch_fail(e, CH_EFORMAT, "%s: tensor \"%.80s\" is not in %.80s", path, name,
                         json_string_value(v));
    }
    ch_map_close(&others);
    free(part);
    return rc;
}

static int open_several(ch_file *f, const char *dir, const char *path, ch_err *e)
{
    json_t *root = NULL, *v;
    const char *name;
    ch_map opened = {0};
    int rc = ch_io_is_file(path) ? ch_json_load(&root, path, INDEX_MOST, e)
                                 : ch_fail(e, CH_EARG, "%s is no file", path);
    if (rc == CH_OK)
        rc = ch_map_open(&opened, 16, e);
    const json_t *map = json_object_get(root, "weight_map");
    if (rc == CH_OK && (!json_is_object(map) || json_object_size(map) > CH_FILE_MAX_TENSORS))
        rc = ch_fail(e, CH_EFORMAT, "%s: \"weight_map\" is no object of at most %d tensors", path,
                     CH_FILE_MAX_TENSORS);
    json_object_foreach((json_t *)(uintptr_t)map, name, v)
    {
        if (rc == CH_OK && (!json_is_string(v) ||
                            strlen(json_string_value(v)) != json_string_length(v)))
            rc = ch_fail(e, CH_EFORMAT, "%s: the file of \"%.80s\" is no string", path, name);
        if (rc == CH_OK)
            rc = open_named(f, dir, json_string_value(v), &opened, e);
    }
    if (rc == CH_OK)
        rc = check_map(f, map, &opened, path, e);
    ch_map_close(&opened);
    json_decref(root);
    return rc;
}

static int open_weights(ch_file *f, const char *dir, ch_err *e)
{
    char *one = ch_io_join(dir, "model.safetensors");
    char *several = ch_io_join(dir, "model.safetensors.index.json");
    char *pickled = ch_io_join(dir, "pytorch_model.bin");
    ch_file *part;
    int rc;
    if (!one || !several || !pickled)
        rc = ch_fail(e, CH_ENOMEM, "no memory for a path in %s", dir);
    else if (!ch_io_exists(one) && ch_io_exists(several))
        rc = open_several(f, dir, several, e);
    else if (!ch_io_exists(one) && ch_io_exists(pickled))
        rc = ch_fail(e, CH_EUNSUPPORTED,
                     "%s: weights as Python objects are not read, since reading them runs code; "
                     "wanted is model.safetensors",
                     pickled);
    else if (ch_io_is_dir(one))
        rc = ch_fail(e, CH_EFORMAT, "%s: it is a directory, not the weights", one);
    else
        rc = open_part(&part, f, one, e);
    free(one);
    free(several);
    free(pickled);
    return rc;
}

/* ---- The folder ------------------------------------------------------------------------------ */

/* config.json and the parts of f become f's keys and tensors. */
static int assemble(ch_file *f, const json_t *v, const char *path, ch_err *e)
{
    struct folder d = {.config = {.v = v, .path = path, .f = f, .e = e},
                       .change = {.f = f, .e = e}};
    size_t n = 0;
    for (const ch_file *p = f->index->parts; p; p = p->index->next)
        n += p->n_tensors;
    f->format = "huggingface";
    f->alignment = 8;
    int rc = n > CH_FILE_MAX_TENSORS
                 ? ch_fail(e, CH_ELIMIT, "%s: %zu tensors, allowed are %d", f->path, n,
                           CH_FILE_MAX_TENSORS)
                 : ch_hf_config_read(&d.config);
    if (rc == CH_OK)
        rc = read_tied(&d, v);
    if (rc == CH_OK)
        rc = heads_of(&d);
    if (rc == CH_OK && (d.config.arch->bit & INL))
        rc = ch_hf_inl_open(&d.inl, &d.config);
    for (const ch_file *p = f->index->parts; p; p = p->index->next) {
        if (rc == CH_OK)
            rc = check_others(&d, p);
        for (size_t i = 0; i < p->n_tensors && rc == CH_OK; i++)
            rc = take_tensor(&d, &p->tensors[i]);
    }
    if (rc == CH_OK && (d.config.arch->bit & INL))
        rc = ch_hf_inl_close(&d.inl, &d.config);
    return rc == CH_OK ? check_head(&d) : rc;
}

int ch_file_open_folder(ch_file **out, const char *dir, ch_err *e)
{
    char *path = ch_io_join(dir, "config.json");
    json_t *v = NULL;
    int rc = ch_file_empty(out, dir, e);
    if (rc == CH_OK && !path)
        rc = ch_fail(e, CH_ENOMEM, "no memory for a path in %s", dir);
    if (rc == CH_OK && !ch_io_exists(path))
        rc = ch_fail(e, CH_EARG,
                     "%s is a directory without config.json; a model is a file, or a Hugging Face"
                     " folder",
                     dir);
    if (rc == CH_OK && !ch_io_is_file(path))
        rc = ch_fail(e, CH_EARG, "%s is no file", path);
    if (rc == CH_OK)
        rc = ch_json_load(&v, path, CONFIG_MOST, e);
    if (rc == CH_OK)
        rc = open_weights(*out, dir, e);
    if (rc == CH_OK)
        rc = assemble(*out, v, path, e);
    if (rc == CH_OK)
        rc = ch_hf_read_generation(*out, dir, e);
    if (rc < 0)
        ch_file_close(out);
    json_decref(v);
    free(path);
    return rc;
}

int ch_file_open_folder_memory(ch_file **out, const char *config, size_t n_config,
                               const void *weights, size_t n_weights, const char *name, ch_err *e)
{
    json_t *v = NULL;
    ch_file *part;
    int rc = ch_file_empty(out, name, e);
    if (rc == CH_OK)
        rc = ch_json_parse(&v, config, n_config, name, e);
    if (rc == CH_OK)
        rc = ch_file_open_part_memory(&part, weights, n_weights, name, e);
    if (rc == CH_OK)
        ch_file_adopt(*out, part);
    if (rc == CH_OK && strcmp(part->format, "safetensors") != 0)
        rc = ch_fail(e, CH_EFORMAT, "%s: the weights are a %s file", name, part->format);
    if (rc == CH_OK)
        rc = assemble(*out, v, name, e);
    if (rc < 0)
        ch_file_close(out);
    json_decref(v);
    return rc;
}
