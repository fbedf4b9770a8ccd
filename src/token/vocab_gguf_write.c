/* vocab_gguf_write.c - a vocabulary into a model file's metadata
 *
 * The keys of vocab_gguf.c, as llama.cpp's converter writes them.  A byte-pair encoding over
 * characters, which tokenizer.json makes of SentencePiece's, is written as SentencePiece's own: the
 * earlier a token is merged the better its score.  What GGUF has no key for (a normalizer, white
 * space that added tokens take along) goes under chalcis.tokenizer.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "vocab.h"

#define KEY     "tokenizer.ggml."
#define CHALCIS "chalcis.tokenizer."
#define NONE    UINT32_MAX

static int write_merges(const ch_tokenizer *t, ch_file *f, ch_err *e)
{
    size_t n = t->pairs.n, bytes = 0, at = 0;
    ch_pair *all = ch_pairs_sorted(&t->pairs);
    for (size_t i = 0; all != NULL && i < n; i++)
        bytes += t->at[all[i].left + 1] - t->at[all[i].left] + t->at[all[i].right + 1] -
                 t->at[all[i].right] + 1;
    char *text = malloc(bytes + 1);
    ch_str *merges = malloc((n + 1) * sizeof *merges);
    int rc = all != NULL && text != NULL && merges != NULL
                 ? CH_OK
                 : ch_fail(e, CH_ENOMEM, "out of memory for %zu merges", n);
    for (size_t i = 0; rc == CH_OK && i < n; i++) {
        size_t left, right;
        const char *l = ch_token_name(t, all[i].left, &left),
                   *r = ch_token_name(t, all[i].right, &right);
        merges[i] = (ch_str){text + at, left + 1 + right};
        memcpy(text + at, l, left);
        text[at + left] = ' ';
        memcpy(text + at + left + 1, r, right);
        at += merges[i].n;
    }
    if (rc == CH_OK)
        rc = ch_file_set_strs(f, KEY "merges", merges, n, e);
    free(all);
    free(text);
    free(merges);
    return rc;
}

/* The vocabulary's own, or such as order merging like its ranks: -rank of the first merge that
 * makes a token. */
static int write_scores(const ch_tokenizer *t, ch_file *f, size_t n, ch_err *e)
{
    ch_pair *all = t->kind->merges ? ch_pairs_sorted(&t->pairs) : NULL;
    float *score = malloc(n * sizeof *score);
    int rc = score != NULL && (all != NULL || !t->kind->merges)
                 ? CH_OK
                 : ch_fail(e, CH_ENOMEM, "out of memory for %zu scores", n);
    for (size_t i = 0; rc == CH_OK && i < n; i++)
        score[i] = i >= (size_t)t->n ? -10000.0f : t->kind->merges ? -1e9f : t->score[i];
    for (size_t i = all != NULL ? t->pairs.n : 0; rc == CH_OK && i-- > 0;)
        score[all[i].id] = -(float)i;
    if (rc == CH_OK)
        rc = ch_file_set_f32s(f, KEY "scores", score, n, e);
    free(all);
    free(score);
    return rc;
}

/* n names, those beyond the vocabulary "[PAD12]"; false: out of memory. */
static bool list_names(ch_str *names, int32_t *types, char **pads, const ch_tokenizer *t, size_t n)
{
    enum { PAD_BYTES = 32 };
    const size_t own = (size_t)t->n;
    *pads = malloc((n - own) * PAD_BYTES + 1);
    for (size_t i = 0; i < n && *pads != NULL; i++) {
        if (i < own) {
            names[i].p = ch_token_name(t, (ch_token)i, &names[i].n);
            types[i] = t->type[i];
            continue;
        }
        char *pad = *pads + (i - own) * PAD_BYTES;
        names[i] = (ch_str){pad, (size_t)snprintf(pad, PAD_BYTES, "[PAD%zu]", i)};
        types[i] = CH_TOKEN_UNUSED;
    }
    return *pads != NULL;
}

static int write_names(const ch_tokenizer *t, ch_file *f, size_t n, ch_err *e)
{
    ch_str *names = malloc(n * sizeof *names);
    int32_t *types = malloc(n * sizeof *types);
    char *pads = NULL;
    int rc = names != NULL && types != NULL && list_names(names, types, &pads, t, n)
                 ? CH_OK
                 : ch_fail(e, CH_ENOMEM, "out of memory for %zu tokens", n);
    if (rc == CH_OK)
        rc = ch_file_set_strs(f, KEY "tokens", names, n, e);
    if (rc == CH_OK)
        rc = ch_file_set_i32s(f, KEY "token_type", types, n, e);
    free(names);
    free(types);
    free(pads);
    return rc;
}

static int write_ids(const ch_tokenizer *t, ch_file *f, bool say_none, ch_err *e)
{
    const struct {
        const char *key;
        ch_token id;
        bool usual;
    } ids[] = {
        {KEY "bos_token_id", t->bos, true},        {KEY "eos_token_id", t->eos, true},
        {KEY "eot_token_id", t->eot, false},       {KEY "eom_token_id", t->eom, false},
        {KEY "unknown_token_id", t->unknown, true}, {KEY "seperator_token_id", t->sep, false},
        {KEY "padding_token_id", t->pad, false},   {KEY "cls_token_id", t->cls, false},
        {KEY "mask_token_id", t->mask, false},
    };
    int rc = CH_OK;
    for (size_t i = 0; i < CH_COUNT(ids) && rc == CH_OK; i++)
        if (ids[i].id >= 0 || (say_none && ids[i].usual))
            rc = ch_file_set_u32(f, ids[i].key, ids[i].id >= 0 ? (uint32_t)ids[i].id : NONE, e);
    return rc;
}

static int write_charsmap(const ch_tokenizer *t, ch_file *f, ch_err *e)
{
    enum { GGUF_UINT8 = 0, GGUF_ARRAY = 9 };
    static const char key[] = KEY "precompiled_charsmap";
    int bert;
    const unsigned kinds = ch_normalizer_kinds(t->norm, &bert);
    const bool collapse = (kinds >> CH_NORM_COLLAPSE | kinds >> CH_NORM_REPLACE_PATTERN) & 1;
    ch_meta m = {.key = {key, sizeof key - 1}, .type = CH_META_ARRAY, .gguf_type = GGUF_ARRAY};
    int rc = ch_file_set_bool(f, KEY "remove_extra_whitespaces", collapse, e);
    m.v.a.type = CH_META_UINT;
    m.v.a.gguf_type = GGUF_UINT8;
    m.v.a.data = ch_normalizer_charsmap(t->norm, &m.v.a.n);
    return rc < 0 || m.v.a.n == 0 ? rc : ch_file_set_meta(f, &m, e);
}

/* What only we read back: the steps of a tokenizer.json, flags of added tokens. */
static int write_own(const ch_tokenizer *t, ch_file *f, bool as_spm, ch_err *e)
{
    const bool whole = !as_spm && strcmp(t->kind->name, "bpe") != 0 &&
                       (t->norm_json != NULL || t->pre_json != NULL);
    const char *norm = t->norm_json != NULL ? t->norm_json : "null",
               *pre = t->pre_json != NULL ? t->pre_json : "null";
    int rc = CH_OK;
    if (whole || (t->norm_json != NULL && !as_spm))
        rc = ch_file_set_str(f, CHALCIS "normalizer", norm, strlen(norm), e);
    if (rc == CH_OK && whole)
        rc = ch_file_set_str(f, CHALCIS "pre_tokenizer", pre, strlen(pre), e);
    size_t n = 0;
    int32_t *pairs = t->flags != NULL ? malloc((size_t)t->n * 2 * sizeof *pairs) : NULL;
    if (t->flags != NULL && pairs == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for %d tokens", t->n);
    for (ch_token id = 0; pairs != NULL && id < t->n; id++)
        if (t->flags[id] != 0) {
            pairs[n++] = id;
            pairs[n++] = t->flags[id];
        }
    if (rc == CH_OK && n > 0)
        rc = ch_file_set_i32s(f, CHALCIS "added", pairs, n, e);
    free(pairs);
    return rc;
}

static int write_settings(const ch_tokenizer *t, ch_file *f, ch_err *e)
{
    const char *kind = t->kind->name;
    int bert = 0, rc;
    ch_normalizer_kinds(t->norm, &bert);
    if ((rc = ch_file_set_bool(f, KEY "add_bos_token", t->add_bos, e)) < 0 ||
        (rc = ch_file_set_bool(f, KEY "add_eos_token", t->add_eos, e)) < 0)
        return rc;
    if (t->sep >= 0)
        rc = ch_file_set_bool(f, KEY "add_sep_token", t->add_sep, e);
    if (rc == CH_OK && (t->kind->scores || strcmp(kind, "chars") == 0))
        rc = ch_file_set_bool(f, KEY "add_space_prefix", t->add_space_prefix, e);
    if (rc == CH_OK && (strcmp(kind, "unigram") == 0 || (t->kind->scores && t->norm != NULL)))
        rc = write_charsmap(t, f, e);
    if (rc == CH_OK && strcmp(kind, "wordpiece") == 0)
        rc = ch_file_set_bool(f, KEY "normalizer.lowercase", bert & CH_NORM_LOWERCASE, e);
    if (rc == CH_OK && strcmp(kind, "wordpiece") == 0)
        rc = ch_file_set_bool(f, KEY "normalizer.strip_accents", bert & CH_NORM_ACCENTS, e);
    if (rc == CH_OK && t->template != NULL)
        rc = ch_file_set_str(f, "tokenizer.chat_template", t->template, strlen(t->template), e);
    if (rc == CH_OK && t->tool_template != NULL)
        rc = ch_file_set_str(f, "tokenizer.chat_template.tool_use", t->tool_template,
                             strlen(t->tool_template), e);
    return rc;
}

/* Characters by ranks, from a tokenizer.json that only writes spaces as SentencePiece does. */
static bool is_sentencepiece(const ch_tokenizer *t)
{
    int bert;
    const unsigned kinds = ch_normalizer_kinds(t->norm, &bert);
    return strcmp(t->kind->name, "chars") == 0 && (t->norm_json != NULL || t->pre_json != NULL) &&
           (kinds & ~(1u << CH_NORM_PREPEND | 1u << CH_NORM_REPLACE)) == 0;
}

int ch_tokenizer_to_file_rows(const ch_tokenizer *t, ch_file *f, int64_t rows, ch_err *e)
{
    const bool bpe = strcmp(t->kind->name, "bpe") == 0;
    const bool as_spm = is_sentencepiece(t);
    const char *model = as_spm ? "llama" : t->kind->model, *pre = bpe ? t->pre_name : "default";
    if (*pre == 0)
        return ch_fail(e, CH_EUNSUPPORTED,
                       "GGUF has no name for the way this vocabulary cuts text: %.300s",
                       t->pre_json != NULL ? t->pre_json : "?");
    if (rows != 0 && (rows < t->n || rows > CH_TOKEN_MAX))
        return ch_fail(e, CH_EFORMAT, "a vocabulary of %d tokens for a model with %lld rows", t->n,
                       (long long)rows);
    const size_t n = (size_t)CH_MAX(rows, (int64_t)t->n);
    int rc = ch_file_set_str(f, KEY "model", model, strlen(model), e);
    if (rc == CH_OK)
        rc = ch_file_set_str(f, KEY "pre", pre, strlen(pre), e);
    if (rc == CH_OK)
        rc = write_names(t, f, n, e);
    if (rc == CH_OK && (as_spm || t->kind->scores))
        rc = write_scores(t, f, n, e);
    else if (rc == CH_OK && t->kind->merges)
        rc = write_merges(t, f, e);
    if (rc == CH_OK)
        rc = write_ids(t, f, t->kind->scores, e);
    if (rc == CH_OK)
        rc = write_settings(t, f, e);
    return rc < 0 ? rc : write_own(t, f, as_spm, e);
}

int ch_tokenizer_to_file(const ch_tokenizer *t, ch_file *f, ch_err *e)
{
    return ch_tokenizer_to_file_rows(t, f, 0, e);
}

int ch_tokenizer_folder_to_file(ch_file *f, const char *folder, int64_t rows, ch_err *e)
{
    ch_tokenizer *t = NULL;
    char *model = ch_io_join(folder, "tokenizer.model");
    int rc = model == NULL ? ch_fail(e, CH_ENOMEM, "out of memory for a path")
                           : ch_tokenizer_open(&t, ch_io_exists(model) ? model : folder, NULL, e);
    if (rc == CH_OK && (rc = ch_tokenizer_to_file_rows(t, f, rows, e)) < 0)
        ch_fail_at(e, "%s", folder);
    ch_tokenizer_close(&t);
    free(model);
    return rc;
}
