/* json_write.c - a byte-level BPE as Hugging Face's tokenizer.json
 *
 * Which tokens begin and end a text stands in tokenizer_config.json beside it, as there.
 * Source: Hugging Face tokenizers (the serialised form of Tokenizer), transformers'
 * tokenizer_config.json. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "vocab.h"

/* Takes the value, like jansson's _new functions; false: out of memory. */
static bool put(json_t *o, const char *key, json_t *value)
{
    return json_object_set_new(o, key, value) == 0;
}

static json_t *name_or_null(const ch_tokenizer *t, ch_token id)
{
    size_t n;
    if (id < 0)
        return json_null();
    const char *name = ch_token_name(t, id, &n);
    return json_stringn(name, n);
}

static json_t *byte_level(bool use_regex)
{
    return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0,
                     "trim_offsets", 1, "use_regex", use_regex);
}

/* One pattern: as ByteLevel's own when it is GPT-2's, else a Split; several: a Sequence of such.
 */
static json_t *pre_tokenizer(const ch_pretokenizer *p)
{
    json_t *steps = json_array();
    bool own = false, ok = steps != NULL;
    for (int i = 0; i < CH_PRE_LEVELS && p->pattern[i] != NULL && ok; i++) {
        own = strcmp(p->pattern[i], ch_pattern_gpt2) == 0 &&
              (i + 1 == CH_PRE_LEVELS || p->pattern[i + 1] == NULL);
        if (!own)
            ok = json_array_append_new(steps, json_pack("{s:s, s:{s:s}, s:s, s:b}", "type",
                                                        "Split", "pattern", "Regex", p->pattern[i],
                                                        "behavior", "Isolated", "invert", 0)) == 0;
    }
    ok = ok && json_array_append_new(steps, byte_level(own)) == 0;
    json_t *all = NULL;
    if (ok && json_array_size(steps) == 1)
        all = json_incref(json_array_get(steps, 0));
    else if (ok)
        all = json_pack("{s:s, s:O}", "type", "Sequence", "pretokenizers", steps);
    json_decref(steps);
    return all;
}

/* BOS in front of the text, where the model was trained so. */
static json_t *post_processor(const ch_tokenizer *t)
{
    if (!ch_tokenizer_adds_bos(t))
        return byte_level(true);
    size_t n;
    const char *bos = ch_token_name(t, t->bos, &n);
    json_t *first = json_pack("{s:{s:s%, s:i}}", "SpecialToken", "id", bos, n, "type_id", 0);
    json_t *a = json_pack("{s:{s:s, s:i}}", "Sequence", "id", "A", "type_id", 0);
    json_t *b = json_pack("{s:{s:s, s:i}}", "Sequence", "id", "B", "type_id", 1);
    json_t *specials = json_object();
    json_t *entry =
        json_pack("{s:s%, s:[i], s:[s%]}", "id", bos, n, "ids", (int)t->bos, "tokens", bos, n);
    json_t *all = NULL;
    if (first != NULL && a != NULL && b != NULL && specials != NULL && entry != NULL &&
        json_object_setn(specials, bos, n, entry) == 0)
        all = json_pack("{s:s, s:[O,O], s:[O,O,O], s:O}", "type", "TemplateProcessing", "single",
                        first, a, "pair", first, a, b, "special_tokens", specials);
    json_decref(first);
    json_decref(a);
    json_decref(b);
    json_decref(specials);
    json_decref(entry);
    return all;
}

static int added_tokens(json_t *list, const ch_tokenizer *t, ch_err *e)
{
    for (ch_token id = 0; id < t->n; id++) {
        size_t n;
        const char *name = ch_token_name(t, id, &n);
        bool special = t->type[id] == CH_TOKEN_CONTROL || t->type[id] == CH_TOKEN_UNKNOWN;
        if (!special && t->type[id] != CH_TOKEN_USER)
            continue;
        if (json_array_append_new(list, json_pack("{s:i, s:s%, s:b, s:b, s:b, s:b, s:b}", "id",
                                                  (int)id, "content", name, n, "single_word", 0,
                                                  "lstrip", 0, "rstrip", 0, "normalized", 0,
                                                  "special", (int)special)) != 0)
            return ch_fail(e, CH_EUNSUPPORTED,
                           "token %d cannot be written as JSON: its name is not UTF-8", id);
    }
    return CH_OK;
}

static int vocabulary(json_t *o, const ch_tokenizer *t, ch_err *e)
{
    for (ch_token id = 0; id < t->n; id++) {
        size_t n;
        const char *name = ch_token_name(t, id, &n);
        if (json_object_getn(o, name, n) != NULL)
            return ch_fail(
                e, CH_EUNSUPPORTED,
                "tokens %d and %d are both named \"%.*s\"; tokenizer.json has one id for a name",
                (int)json_integer_value(json_object_getn(o, name, n)), id, CH_MIN((int)n, 60),
                name);
        if (json_object_setn_new(o, name, n, json_integer(id)) != 0)
            return ch_fail(e, CH_EUNSUPPORTED,
                           "token %d cannot be written as JSON: its name is not UTF-8", id);
    }
    return CH_OK;
}

static int merges(json_t *list, const ch_tokenizer *t, ch_err *e)
{
    ch_pair *all = ch_pairs_sorted(&t->pairs);
    char *both = malloc(2 * t->longest + 1);
    int rc = all != NULL && both != NULL ? CH_OK : CH_ENOMEM;
    for (size_t i = 0; i < t->pairs.n && rc == CH_OK; i++) {
        size_t left, right;
        const char *l = ch_token_name(t, all[i].left, &left),
                   *r = ch_token_name(t, all[i].right, &right);
        memcpy(both, l, left);
        both[left] = ' ';
        memcpy(both + left + 1, r, right);
        if (json_array_append_new(list, json_stringn(both, left + 1 + right)) != 0)
            rc = CH_ENOMEM;
    }
    free(both);
    free(all);
    return rc < 0 ? ch_fail(e, rc, "out of memory for %zu merges", t->pairs.n) : CH_OK;
}

static int document(json_t **out, const ch_tokenizer *t, ch_err *e)
{
    json_t *added = json_array(), *vocab = json_object(), *pairs = json_array(), *all = NULL;
    int rc = added != NULL && vocab != NULL && pairs != NULL
                 ? CH_OK
                 : ch_fail(e, CH_ENOMEM, "out of memory for JSON");
    if (rc == CH_OK && (rc = added_tokens(added, t, e)) == CH_OK &&
        (rc = vocabulary(vocab, t, e)) == CH_OK)
        rc = merges(pairs, t, e);
    if (rc == CH_OK) {
        json_t *model = json_pack(
            "{s:s, s:n, s:o, s:n, s:n, s:b, s:b, s:b, s:O, s:O}", "type", "BPE", "dropout",
            "unk_token", name_or_null(t, ch_token_unknown(t)), "continuing_subword_prefix",
            "end_of_word_suffix", "fuse_unk", 0, "byte_fallback", 0, "ignore_merges",
            (int)t->whole_first, "vocab", vocab, "merges", pairs);
        all = json_pack("{s:s, s:n, s:n, s:O, s:n}", "version", "1.0", "truncation", "padding",
                        "added_tokens", added, "normalizer");
        if (!put(all, "pre_tokenizer", pre_tokenizer(t->pre)) ||
            !put(all, "post_processor", post_processor(t)) ||
            !put(all, "decoder", byte_level(true)) || json_object_set(all, "model", model) != 0) {
            rc = ch_fail(e, CH_ENOMEM, "out of memory for JSON");
            json_decref(all);
            all = NULL;
        }
        json_decref(model);
    }
    json_decref(added);
    json_decref(vocab);
    json_decref(pairs);
    *out = all;
    return rc;
}

/* {"bos_token": ..., "eos_token": ...}; nothing to say: no file. */
static int write_config(const ch_tokenizer *t, const char *path, ch_err *e)
{
    const char *slash = strrchr(path, '/');
    if (t->bos < 0 && t->eos < 0)
        return CH_OK;
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    json_t *o = json_pack("{s:s, s:b, s:o, s:o}", "tokenizer_class", "PreTrainedTokenizerFast",
                          "add_bos_token", (int)ch_tokenizer_adds_bos(t), "bos_token",
                          name_or_null(t, t->bos), "eos_token", name_or_null(t, t->eos));
    char *file = malloc(strlen(path) + 32);
    int rc = o != NULL && file != NULL ? ch_json_dump(&b, o, e)
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
    if (strcmp(t->kind->name, "bpe") != 0)
        return ch_fail(
            e, CH_EUNSUPPORTED,
            "%s: only byte-level BPE vocabularies are written as tokenizer.json, this is %s", path,
            t->kind->name);
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
