/* json_read.c - Hugging Face's tokenizer.json
 *
 * Everything in the file that would change an id is either reproduced or refused by name.  Models:
 * BPE over bytes (ByteLevel) or characters, Unigram, WordPiece.  Which tokens begin and end a text
 * stands beside it (token_config.c).  Ids that no token has become unused tokens named [PADid], a
 * few. Source: Hugging Face tokenizers (the serialised form of Tokenizer).
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "json_token.h"

#define FILE_MAX ((size_t)256 << 20)
#define GAPS_MAX 65536 /* ids that no token has */

typedef struct reader {
    const char *path;
    const json_t *all, *model, *vocab, *added;
    const ch_token_kind *kind;
    ch_str *name; /* by id; p NULL: not seen */
    uint8_t *type;
    float *score;
    size_t n, cap, bytes;
    ch_err *e;
} reader;

int ch_json_refuse(const char *name, const char *what, const json_t *found, ch_err *e)
{
    char *text = ch_json_text(found);
    int rc = ch_fail(e, CH_EUNSUPPORTED, "%s: %s %.200s is not supported", name, what,
                     text != NULL ? text : "(nothing)");
    free(text);
    return rc;
}

char *ch_json_text(const json_t *v)
{
    return json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
}

bool ch_json_is_type(const json_t *o, const char *type)
{
    const char *found = json_string_value(json_object_get(o, "type"));
    return found != NULL && strcmp(found, type) == 0;
}

bool ch_json_is_off(const json_t *v)
{
    return v == NULL || json_is_null(v) || json_is_false(v) ||
           (json_is_string(v) && json_string_length(v) == 0);
}

bool ch_json_is_meta(const json_t *v)
{
    return json_is_string(v) && strcmp(json_string_value(v), CH_META) == 0;
}

/* ---- Which model ---- */

static int check_off(const reader *r, const json_t *o, const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_object_get(o, keys[i]);
        if (!ch_json_is_off(v) && !(json_is_number(v) && json_number_value(v) == 0))
            return ch_json_refuse(r->path, keys[i], v, r->e);
    }
    return CH_OK;
}

/* The oldest files do not say which. */
static const char *guess_model(const json_t *model)
{
    return json_is_array(json_object_get(model, "merges"))  ? "BPE"
           : json_is_array(json_object_get(model, "vocab")) ? "Unigram"
                                                            : "WordPiece";
}

/* "truncation" is left over from whoever trained on batches of one length: transformers turns it
 * off where nobody asks for it. */
static int check_top(reader *r)
{
    static const char *const off[] = {"padding"};
    static const char *const model_off[] = {"dropout", "end_of_word_suffix"};
    const json_t *type = json_object_get(r->model, "type");
    const char *model = type != NULL ? json_string_value(type) : guess_model(r->model);
    const bool bytes = ch_json_is_type(json_object_get(r->all, "decoder"), "ByteLevel") ||
                       ch_token_json_is_byte_level(json_object_get(r->all, "pre_tokenizer"));
    r->vocab = json_object_get(r->model, "vocab");
    const bool object = json_is_object(r->vocab);
    const char *kind = NULL;
    if (model != NULL && strcmp(model, "BPE") == 0 && object &&
        json_is_array(json_object_get(r->model, "merges")))
        kind = bytes ? "gpt2" : "gemma4";
    else if (model != NULL && strcmp(model, "Unigram") == 0 && json_is_array(r->vocab))
        kind = "t5";
    else if (model != NULL && strcmp(model, "WordPiece") == 0 && object)
        kind = "bert";
    if (kind == NULL && type != NULL && strcmp(model != NULL ? model : "", "BPE") != 0 &&
        strcmp(model != NULL ? model : "", "Unigram") != 0 &&
        strcmp(model != NULL ? model : "", "WordPiece") != 0)
        return ch_json_refuse(r->path, "model type", type, r->e);
    if (!json_is_object(r->model) || kind == NULL)
        return ch_fail(r->e, CH_EFORMAT, "%s: no \"model\" with \"vocab\" and \"merges\"",
                       r->path);
    r->kind = ch_token_kind_find(kind, strlen(kind));
    int rc = check_off(r, r->all, off, CH_COUNT(off));
    if (rc == CH_OK)
        rc = check_off(r, r->model, model_off, CH_COUNT(model_off));
    const json_t *prefix = json_object_get(r->model, "continuing_subword_prefix");
    const char *hashes = strcmp(kind, "bert") == 0 ? "##" : "";
    if (rc == CH_OK && !ch_json_is_off(prefix) &&
        !(json_is_string(prefix) && strcmp(json_string_value(prefix), hashes) == 0))
        rc = ch_json_refuse(r->path, "continuing_subword_prefix", prefix, r->e);
    const json_t *fallback = json_object_get(r->model, "byte_fallback");
    if (rc == CH_OK && strcmp(kind, "gpt2") == 0 && !ch_json_is_off(fallback))
        rc = ch_json_refuse(r->path, "with ByteLevel byte_fallback", fallback, r->e);
    const json_t *longest = json_object_get(r->model, "max_input_chars_per_word");
    if (rc == CH_OK && longest != NULL && json_integer_value(longest) != 100)
        rc = ch_json_refuse(r->path, "max_input_chars_per_word", longest, r->e);
    return rc;
}

/* ---- Names ---- */

static int set_name(reader *r, json_int_t i, const char *name, size_t n, int type)
{
    if (i < 0 || i >= (json_int_t)r->cap)
        return ch_fail(r->e, CH_EFORMAT,
                       "%s: the id of \"%.60s\" is not 0 to %zu; ids must leave no wide gaps",
                       r->path, name, r->cap - 1);
    if (r->name[i].p != NULL && (r->name[i].n != n || memcmp(r->name[i].p, name, n) != 0))
        return ch_fail(r->e, CH_EFORMAT, "%s: both \"%.60s\" and \"%.60s\" have id %lld", r->path,
                       r->name[i].p, name, (long long)i);
    r->name[i] = (ch_str){name, n};
    r->type[i] = (uint8_t)type;
    r->n = CH_MAX(r->n, (size_t)i + 1);
    return CH_OK;
}

static json_int_t integer(const json_t *v)
{
    return json_is_integer(v) ? json_integer_value(v) : -1;
}

static int read_added(reader *r)
{
    for (size_t i = 0; i < json_array_size(r->added); i++) {
        const json_t *o = json_array_get(r->added, i), *content = json_object_get(o, "content");
        if (!json_is_string(content))
            return ch_fail(r->e, CH_EFORMAT, "%s: added token %zu has no content", r->path, i);
        int type = json_is_true(json_object_get(o, "special")) ? CH_TOKEN_CONTROL : CH_TOKEN_USER;
        int rc = set_name(r, integer(json_object_get(o, "id")), json_string_value(content),
                          json_string_length(content), type);
        if (rc < 0)
            return rc;
    }
    return CH_OK;
}

static int type_of(const reader *r, const char *name, size_t n)
{
    const bool bytes = strcmp(r->kind->name, "bpe") != 0 &&
                       json_is_true(json_object_get(r->model, "byte_fallback"));
    return bytes && ch_token_byte_name(name, n) >= 0 ? CH_TOKEN_BYTE : CH_TOKEN_NORMAL;
}

/* {"name": id, ...}, or of a unigram [["name", score], ...] */
static int read_vocab(reader *r)
{
    int rc = CH_OK;
    for (void *i = json_object_iter((json_t *)r->vocab); i != NULL && rc == CH_OK;
         i = json_object_iter_next((json_t *)r->vocab, i)) {
        const char *name = json_object_iter_key(i);
        const size_t n = json_object_iter_key_len(i);
        rc = set_name(r, integer(json_object_iter_value(i)), name, n, type_of(r, name, n));
    }
    for (size_t i = 0; i < json_array_size(r->vocab) && rc == CH_OK; i++) {
        const json_t *o = json_array_get(r->vocab, i), *name = json_array_get(o, 0),
                     *score = json_array_get(o, 1);
        if (!json_is_string(name) || !json_is_number(score))
            return ch_fail(r->e, CH_EFORMAT, "%s: entry %zu of the vocabulary is no name and score",
                           r->path, i);
        r->score[i] = (float)json_number_value(score);
        rc = set_name(r, (json_int_t)i, json_string_value(name), json_string_length(name),
                      type_of(r, json_string_value(name), json_string_length(name)));
    }
    return rc;
}

static int room(reader *r)
{
    const size_t n = json_object_size(r->vocab) + json_array_size(r->vocab);
    r->cap = n + json_array_size(r->added) + CH_MIN(GAPS_MAX, n / 2 + 1);
    r->name = calloc(r->cap, sizeof *r->name);
    r->type = calloc(r->cap, 1);
    r->score = calloc(r->cap, sizeof *r->score);
    return r->name != NULL && r->type != NULL && r->score != NULL
               ? CH_OK
               : ch_fail(r->e, CH_ENOMEM, "out of memory for %zu tokens", r->cap);
}

/* As GGUF writes it: the start of a word is marked, where the file marks what continues one. */
static void add_wordpiece(ch_tokenizer *t, ch_token id, const ch_str *name, int type)
{
    char small[CH_META_BYTES + 512];
    if (type != CH_TOKEN_NORMAL || name->n > 512) {
        ch_token_add(t, id, name->p, name->n, type, 0);
    } else if (name->n > 2 && memcmp(name->p, "##", 2) == 0) {
        ch_token_add(t, id, name->p + 2, name->n - 2, type, 0);
    } else {
        memcpy(small, CH_META, CH_META_BYTES);
        memcpy(small + CH_META_BYTES, name->p, name->n);
        ch_token_add(t, id, small, CH_META_BYTES + name->n, type, 0);
    }
}

static int add_names(ch_tokenizer **out, reader *r)
{
    size_t bytes = 0;
    for (size_t i = 0; i < r->n; i++)
        bytes += r->name[i].n + 32;
    int rc = ch_token_new(out, r->kind, r->n, bytes, r->e);
    if (rc < 0)
        return ch_fail_at(r->e, "%s", r->path);
    for (size_t i = 0; i < r->n; i++) {
        char gap[32];
        if (r->name[i].p == NULL) {
            snprintf(gap, sizeof gap, "[PAD%zu]", i);
            ch_token_add(*out, (ch_token)i, gap, strlen(gap), CH_TOKEN_UNUSED, 0);
        } else if (strcmp(r->kind->name, "wordpiece") == 0) {
            add_wordpiece(*out, (ch_token)i, &r->name[i], r->type[i]);
        } else {
            ch_token_add(*out, (ch_token)i, r->name[i].p, r->name[i].n, r->type[i], r->score[i]);
        }
    }
    return CH_OK;
}

static int read_flags(ch_tokenizer *t, const reader *r)
{
    static const struct {
        const char *key;
        int flag;
    } keys[] = {{"lstrip", CH_ADDED_LSTRIP},
                {"rstrip", CH_ADDED_RSTRIP},
                {"single_word", CH_ADDED_WORD},
                {"normalized", CH_ADDED_NORMALIZED}};
    int rc = CH_OK;
    for (size_t i = 0; i < json_array_size(r->added) && rc == CH_OK; i++) {
        const json_t *o = json_array_get(r->added, i);
        int flags = 0;
        for (size_t k = 0; k < CH_COUNT(keys); k++)
            if (json_is_true(json_object_get(o, keys[k].key)))
                flags |= keys[k].flag;
        if (t->norm == NULL)
            flags &= ~CH_ADDED_NORMALIZED; /* means nothing */
        rc = ch_token_set_flags(t, (ch_token)integer(json_object_get(o, "id")), flags, r->e);
    }
    return rc;
}

/* ---- Merges ---- */

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

static int read_unknown(ch_tokenizer *t, const reader *r)
{
    const json_t *id = json_object_get(r->model, "unk_id");
    t->unknown = ch_token_by_json(t, json_object_get(r->model, "unk_token"));
    if (json_is_integer(id)) {
        if (json_integer_value(id) < 0 || json_integer_value(id) >= t->n)
            return ch_fail(r->e, CH_EFORMAT, "%s: unk_id is %lld in a vocabulary of %d", r->path,
                           (long long)json_integer_value(id), t->n);
        t->unknown = (ch_token)json_integer_value(id);
    }
    if (t->unknown >= 0)
        t->type[t->unknown] = CH_TOKEN_UNKNOWN;
    t->fuse_unknown = json_is_true(json_object_get(r->model, "fuse_unk"));
    return CH_OK;
}

/* Without a configuration: the first control token whose name ends a text. */
static void guess_eos(ch_tokenizer *t)
{
    for (ch_token id = 0; id < t->n && t->eos < 0; id++)
        if (t->end[id] && t->type[id] == CH_TOKEN_CONTROL)
            t->eos = id;
}

static int read_all(ch_tokenizer **out, reader *r)
{
    int rc = check_top(r);
    if (rc < 0 || (rc = room(r)) < 0 || (rc = read_vocab(r)) < 0 || (rc = read_added(r)) < 0 ||
        (rc = add_names(out, r)) < 0)
        return rc;
    ch_tokenizer *t = *out;
    const json_t *all = r->all;
    t->whole_first = json_is_true(json_object_get(r->model, "ignore_merges"));
    if ((rc = read_unknown(t, r)) < 0 ||
        (rc = ch_token_json_normalizer(t, json_object_get(all, "normalizer"), r->path, r->e)) < 0 ||
        (rc = read_flags(t, r)) < 0 ||
        (rc = ch_token_json_decoder(t, json_object_get(all, "decoder"), r->path, r->e)) < 0 ||
        (rc = ch_token_json_pre(t, json_object_get(all, "pre_tokenizer"),
                                strcmp(t->kind->name, "bpe") == 0, r->path, r->e)) < 0 ||
        (rc = ch_token_json_post(t, json_object_get(all, "post_processor"), r->path, r->e)) < 0 ||
        (rc = ch_token_read_config(t, r->path, r->e)) < 0)
        return rc;
    if ((rc = ch_token_index(t, r->e)) == CH_OK && t->kind->merges)
        rc = read_merges(t, r);
    if (rc == CH_OK && (rc = ch_token_finish(t, r->e)) < 0)
        ch_fail_at(r->e, "%s", r->path);
    if (rc == CH_OK)
        guess_eos(t);
    return rc;
}

static int from_document(ch_tokenizer **out, const json_t *all, const char *path, ch_err *e)
{
    reader r = {.path = path, .all = all, .e = e};
    r.model = json_object_get(all, "model");
    r.added = json_object_get(all, "added_tokens");
    int rc = read_all(out, &r);
    if (rc < 0)
        ch_tokenizer_close(out);
    free(r.name);
    free(r.type);
    free(r.score);
    return rc;
}

int ch_token_from_json(ch_tokenizer **out, const char *text, size_t n, const char *name, ch_err *e)
{
    json_t *all;
    *out = NULL;
    int rc = ch_json_parse(&all, text, n, name, e);
    if (rc == CH_OK)
        rc = from_document(out, all, name, e);
    json_decref(all);
    return rc;
}

int ch_tokenizer_from_json(ch_tokenizer **out, const char *path, ch_err *e)
{
    json_t *all;
    *out = NULL;
    int rc = ch_json_load(&all, path, FILE_MAX, e);
    if (rc == CH_OK)
        rc = from_document(out, all, path, e);
    json_decref(all);
    return rc;
}
