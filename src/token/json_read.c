/* json_read.c - Hugging Face's tokenizer.json, for byte-level BPE
 *
 * Everything in the file that would change an id is either reproduced or refused by name: another
 * kind of model, a normalizer, truncation, a pre-tokenizer whose patterns are not in
 * pretokenizers.def, added tokens that swallow spaces.  BOS and EOS stand in tokenizer_config.json
 * beside it; without that file BOS is what the post-processor puts in front, and EOS the token
 * whose name says so (vocab.c). Source: Hugging Face tokenizers (the serialised form of
 * Tokenizer).  SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "vocab.h"

#define FILE_MAX ((size_t)256 << 20)

typedef struct reader {
    const char *path;
    const json_t *all, *model, *added;
    ch_str *name; /* by id; p NULL: not seen */
    uint8_t *type;
    size_t n;
    ch_err *e;
} reader;

static int refuse(const reader *r, const char *what, const json_t *found)
{
    char *text = json_dumps(found, JSON_COMPACT | JSON_ENCODE_ANY);
    int rc = ch_fail(r->e, CH_EUNSUPPORTED, "%s: %s %.120s is not supported", r->path, what,
                     text != NULL ? text : "?");
    free(text);
    return rc;
}

static bool is_type(const json_t *o, const char *type)
{
    const char *found = json_string_value(json_object_get(o, "type"));
    return found != NULL && strcmp(found, type) == 0;
}

/* Absent, null, false or the empty string: changes nothing. */
static bool is_off(const json_t *v)
{
    return v == NULL || json_is_null(v) || json_is_false(v) ||
           (json_is_string(v) && json_string_length(v) == 0);
}

static int check_top(const reader *r)
{
    static const char *const off[] = {"truncation", "padding", "normalizer"};
    static const char *const model_off[] = {"dropout", "continuing_subword_prefix",
                                            "end_of_word_suffix", "byte_fallback"};
    if (!json_is_object(r->model) || !json_is_object(json_object_get(r->model, "vocab")) ||
        !json_is_array(json_object_get(r->model, "merges")))
        return ch_fail(r->e, CH_EFORMAT, "%s: no \"model\" with \"vocab\" and \"merges\"",
                       r->path);
    const json_t *type = json_object_get(r->model, "type");
    if (type != NULL && !is_type(r->model, "BPE")) /* the oldest files do not say */
        return refuse(r, "model type", type);
    for (size_t i = 0; i < CH_COUNT(off); i++)
        if (!is_off(json_object_get(r->all, off[i])))
            return refuse(r, off[i], json_object_get(r->all, off[i]));
    for (size_t i = 0; i < CH_COUNT(model_off); i++)
        if (!is_off(json_object_get(r->model, model_off[i])))
            return refuse(r, model_off[i], json_object_get(r->model, model_off[i]));
    if (!is_type(json_object_get(r->all, "decoder"), "ByteLevel"))
        return refuse(r, "decoder", json_object_get(r->all, "decoder"));
    return CH_OK;
}

/* ---- How text is cut ---- */

typedef struct steps {
    const char *pattern[CH_PRE_LEVELS];
    int n;
    bool byte_level;
} steps;

/* One step adds its pattern; false: not one that can be reproduced. */
static bool read_step(steps *s, const json_t *o)
{
    const char *pattern = NULL;
    if (s->byte_level)
        return false; /* it comes last: what follows would see the byte alphabet */
    if (is_type(o, "ByteLevel")) {
        s->byte_level = true;
        if (!is_off(json_object_get(o, "add_prefix_space")))
            return false;
        const json_t *regex = json_object_get(o, "use_regex");
        pattern = regex == NULL || json_is_true(regex) ? ch_pattern_gpt2 : NULL;
        if (pattern == NULL)
            return true;
    } else if (is_type(o, "Digits")) {
        pattern = json_is_true(json_object_get(o, "individual_digits")) ? "\\p{N}" : "\\p{N}+";
    } else if (is_type(o, "Split") && is_off(json_object_get(o, "invert"))) {
        const char *behavior = json_string_value(json_object_get(o, "behavior"));
        if (behavior != NULL && strcmp(behavior, "Isolated") == 0)
            pattern = json_string_value(json_object_get(json_object_get(o, "pattern"), "Regex"));
    }
    if (pattern == NULL || s->n == CH_PRE_LEVELS)
        return false;
    s->pattern[s->n++] = pattern;
    return true;
}

static int read_pre(ch_tokenizer *t, const reader *r)
{
    const json_t *pre = json_object_get(r->all, "pre_tokenizer");
    const json_t *list = is_type(pre, "Sequence") ? json_object_get(pre, "pretokenizers") : NULL;
    steps s = {.n = 0};
    bool ok = true;
    for (size_t i = 0; i < json_array_size(list) && ok; i++)
        ok = read_step(&s, json_array_get(list, i));
    if (list == NULL)
        ok = read_step(&s, pre);
    bool whole_first = json_is_true(json_object_get(r->model, "ignore_merges"));
    if (ok && s.byte_level)
        t->pre = ch_pretokenizer_like(s.pattern, s.n, whole_first);
    if (t->pre == NULL)
        return refuse(r, whole_first ? "with ignore_merges the pre_tokenizer" : "pre_tokenizer",
                      pre);
    ch_pretokenizer_name(t->pre_name, sizeof t->pre_name, t->pre);
    return CH_OK;
}

/* ---- Names ---- */

static int set_name(reader *r, const json_t *id, const char *name, size_t n, int type)
{
    json_int_t i = json_is_integer(id) ? json_integer_value(id) : -1;
    if (i < 0 || i >= (json_int_t)r->n)
        return ch_fail(r->e, CH_EFORMAT,
                       "%s: the id of \"%.60s\" is not 0 to %zu; ids must leave no gaps", r->path,
                       name, r->n - 1);
    if (r->name[i].p != NULL && (r->name[i].n != n || memcmp(r->name[i].p, name, n) != 0))
        return ch_fail(r->e, CH_EFORMAT, "%s: both \"%.60s\" and \"%.60s\" have id %lld", r->path,
                       r->name[i].p, name, (long long)i);
    r->name[i] = (ch_str){name, n};
    r->type[i] = (uint8_t)type;
    return CH_OK;
}

static int read_added(reader *r)
{
    static const char *const off[] = {"single_word", "lstrip", "rstrip"};
    for (size_t i = 0; i < json_array_size(r->added); i++) {
        const json_t *o = json_array_get(r->added, i), *content = json_object_get(o, "content");
        if (!json_is_string(content))
            return ch_fail(r->e, CH_EFORMAT, "%s: added token %zu has no content", r->path, i);
        for (size_t k = 0; k < CH_COUNT(off); k++)
            if (!is_off(json_object_get(o, off[k])))
                return refuse(r, off[k], o);
        int type = json_is_true(json_object_get(o, "special")) ? CH_TOKEN_CONTROL : CH_TOKEN_USER;
        int rc = set_name(r, json_object_get(o, "id"), json_string_value(content),
                          json_string_length(content), type);
        if (rc < 0)
            return rc;
    }
    return CH_OK;
}

/* Ids are those of the vocabulary and of the added tokens that are not in it. */
static int read_names(ch_tokenizer **out, reader *r)
{
    const json_t *vocab = json_object_get(r->model, "vocab");
    size_t bytes = 0;
    r->n = json_object_size(vocab);
    for (size_t i = 0; i < json_array_size(r->added); i++) {
        const json_t *content = json_object_get(json_array_get(r->added, i), "content");
        r->n += json_is_string(content) && json_object_getn(vocab, json_string_value(content),
                                                            json_string_length(content)) == NULL;
    }
    r->name = calloc(r->n + 1, sizeof *r->name);
    r->type = calloc(r->n + 1, 1);
    int rc = r->name != NULL && r->type != NULL
                 ? CH_OK
                 : ch_fail(r->e, CH_ENOMEM, "out of memory for %zu tokens", r->n);
    for (void *i = json_object_iter((json_t *)vocab); i != NULL && rc == CH_OK;
         i = json_object_iter_next((json_t *)vocab, i))
        rc = set_name(r, json_object_iter_value(i), json_object_iter_key(i),
                      json_object_iter_key_len(i), CH_TOKEN_NORMAL);
    if (rc == CH_OK)
        rc = read_added(r);
    for (size_t i = 0; i < r->n && rc == CH_OK; i++) {
        if (r->name[i].p == NULL)
            rc = ch_fail(r->e, CH_EFORMAT, "%s: no token has id %zu of %zu", r->path, i, r->n);
        bytes += r->name[i].n;
    }
    if (rc == CH_OK &&
        (rc = ch_token_new(out, ch_token_kind_find("gpt2", 4), r->n, bytes, r->e)) < 0)
        ch_fail_at(r->e, "%s", r->path);
    for (size_t i = 0; i < r->n && rc == CH_OK; i++)
        ch_token_add(*out, (ch_token)i, r->name[i].p, r->name[i].n, r->type[i], 0);
    return rc;
}

/* The id of a name that stands in another part of the file; a token may be written "x" or
 * {"content": "x"}. */
static ch_token id_of(const reader *r, const json_t *name)
{
    if (json_is_object(name))
        name = json_object_get(name, "content");
    for (size_t i = 0; i < r->n && json_is_string(name); i++)
        if (r->name[i].n == json_string_length(name) &&
            memcmp(r->name[i].p, json_string_value(name), r->name[i].n) == 0)
            return (ch_token)i;
    return -1;
}

/* ---- Beginning and end ---- */

/* TemplateProcessing of one text: [BOS] A [EOS]. */
static bool read_template(ch_tokenizer *t, const reader *r, const json_t *o)
{
    const json_t *single = json_object_get(o, "single");
    bool seen_text = false;
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *special = json_object_get(json_array_get(single, i), "SpecialToken");
        ch_token id = id_of(r, json_object_get(special, "id"));
        if (special == NULL ? seen_text : id < 0)
            return false;
        if (special == NULL) {
            seen_text = true;
        } else if (!seen_text) {
            if (t->add_bos)
                return false;
            t->bos = id;
            t->add_bos = true;
        } else {
            if (t->add_eos)
                return false;
            t->eos = id;
            t->add_eos = true;
        }
    }
    return seen_text;
}

static int read_post(ch_tokenizer *t, const reader *r)
{
    const json_t *post = json_object_get(r->all, "post_processor");
    const json_t *list = is_type(post, "Sequence") ? json_object_get(post, "processors") : NULL;
    size_t n = list != NULL ? json_array_size(list) : !is_off(post);
    for (size_t i = 0; i < n; i++) {
        const json_t *o = list != NULL ? json_array_get(list, i) : post;
        if (!is_type(o, "ByteLevel") &&
            !(is_type(o, "TemplateProcessing") && read_template(t, r, o)))
            return refuse(r, "post_processor", post);
    }
    return CH_OK;
}

/* tokenizer_config.json beside the file, if there is one. */
static int read_config(ch_tokenizer *t, const reader *r)
{
    const char *slash = strrchr(r->path, '/');
    size_t folder = slash != NULL ? (size_t)(slash + 1 - r->path) : 0;
    char *path = malloc(folder + 32);
    json_t *config = NULL;
    if (path == NULL)
        return ch_fail(r->e, CH_ENOMEM, "out of memory for a path");
    memcpy(path, r->path, folder);
    strcpy(path + folder, "tokenizer_config.json");
    int rc = ch_io_exists(path) ? ch_json_load(&config, path, FILE_MAX, r->e) : CH_OK;
    free(path);
    if (rc < 0)
        return rc;
    ch_token bos = id_of(r, json_object_get(config, "bos_token")),
             eos = id_of(r, json_object_get(config, "eos_token"));
    if (bos >= 0 && !t->add_bos)
        t->bos = bos;
    if (eos >= 0 && !t->add_eos)
        t->eos = eos;
    json_decref(config);
    return CH_OK;
}

/* Without a configuration: the first control token whose name ends a text. */
static void guess_eos(ch_tokenizer *t)
{
    for (ch_token id = 0; id < t->n && t->eos < 0; id++)
        if (t->end[id] && t->type[id] == CH_TOKEN_CONTROL)
            t->eos = id;
}

static int read_merges(ch_tokenizer *t, const reader *r)
{
    const json_t *list = json_object_get(r->model, "merges");
    size_t n = json_array_size(list);
    int rc = ch_pairs_open(&t->pairs, n, r->e);
    for (size_t i = 0; i < n && rc == CH_OK; i++) {
        const json_t *m = json_array_get(list, i), *a = json_array_get(m, 0),
                     *b = json_array_get(m, 1);
        ch_str left = {json_string_value(a), json_string_length(a)},
               right = {json_string_value(b), json_string_length(b)};
        if (json_is_string(m)) { /* "left right", as older files have it */
            const char *text = json_string_value(m),
                       *space = *text != 0 ? strchr(text + 1, ' ') : NULL;
            left =
                (ch_str){space != NULL ? text : NULL, space != NULL ? (size_t)(space - text) : 0};
            right = (ch_str){space != NULL ? space + 1 : NULL,
                             json_string_length(m) - left.n - (space != NULL)};
        }
        if (left.p == NULL || right.p == NULL)
            return ch_fail(r->e, CH_EFORMAT, "%s: merge %zu is not two tokens", r->path, i);
        if ((rc = ch_token_merge(t, left, right, i, r->e)) < 0)
            ch_fail_at(r->e, "%s", r->path);
    }
    return rc;
}

static int read_all(ch_tokenizer **out, reader *r)
{
    int rc = check_top(r);
    if (rc < 0 || (rc = read_names(out, r)) < 0)
        return rc;
    ch_tokenizer *t = *out;
    const json_t *unknown = json_object_get(r->model, "unk_token");
    t->unknown = id_of(r, unknown);
    if (t->unknown >= 0)
        t->type[t->unknown] = CH_TOKEN_UNKNOWN;
    if ((rc = read_pre(t, r)) < 0 || (rc = read_post(t, r)) < 0 || (rc = read_config(t, r)) < 0)
        return rc;
    if ((rc = ch_token_index(t, r->e)) == CH_OK && (rc = read_merges(t, r)) == CH_OK)
        rc = ch_token_finish(t, r->e);
    if (rc == CH_OK)
        guess_eos(t);
    return rc;
}

int ch_tokenizer_from_json(ch_tokenizer **out, const char *path, ch_err *e)
{
    json_t *all;
    *out = NULL;
    int rc = ch_json_load(&all, path, FILE_MAX, e);
    if (rc < 0)
        return rc;
    reader r = {.path = path, .all = all, .e = e};
    r.model = json_object_get(all, "model");
    r.added = json_object_get(all, "added_tokens");
    rc = read_all(out, &r);
    if (rc < 0)
        ch_tokenizer_close(out);
    free(r.name);
    free(r.type);
    json_decref(all);
    return rc;
}
