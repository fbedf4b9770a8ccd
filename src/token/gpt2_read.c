/* gpt2_read.c - GPT-2's own two files, and Hugging Face's names for them
 *
 *   encoder.json, vocab.json   {"name": id, ...}
 *   vocab.bpe, merges.txt      "#version..." if there is such a line, then "left right" a line
 *
 * Either may be named; the other lies beside it.  added_tokens.json and tokenizer_config.json
 * beside them say which tokens were added; without them, those with names like <|this|> are
 * special.  Text is cut by GPT-2's pattern.  Source: GPT-2 (OpenAI), src/encoder.py.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "json_token.h"

#define FILE_MAX ((size_t)256 << 20)
#define GAPS_MAX 65536

static const char *const vocab_names[] = {"encoder.json", "vocab.json"};
static const char *const merge_names[] = {"vocab.bpe", "merges.txt"};

static bool is_special(const json_t *config, json_int_t id, const char *name, size_t n)
{
    char key[24];
    snprintf(key, sizeof key, "%lld", (long long)id);
    const json_t *o = json_object_get(json_object_get(config, "added_tokens_decoder"), key);
    return o != NULL ? json_is_true(json_object_get(o, "special"))
                     : n > 4 && memcmp(name, "<|", 2) == 0 && memcmp(name + n - 2, "|>", 2) == 0;
}

/* Every name takes its place; *end becomes one more than the largest id. */
static int place(ch_str *name, size_t cap, size_t *end, json_t *vocab, const char *path, ch_err *e)
{
    for (void *i = json_object_iter(vocab); i != NULL; i = json_object_iter_next(vocab, i)) {
        const json_t *v = json_object_iter_value(i);
        const json_int_t id = json_is_integer(v) ? json_integer_value(v) : -1;
        if (id < 0 || id >= (json_int_t)cap || name[id].p != NULL)
            return ch_fail(e, CH_EFORMAT, "%s: \"%.60s\" has no id of its own from 0 to %zu", path,
                           json_object_iter_key(i), cap - 1);
        name[id] = (ch_str){json_object_iter_key(i), json_object_iter_key_len(i)};
        *end = CH_MAX(*end, (size_t)id + 1);
    }
    return CH_OK;
}

static int read_vocab(ch_tokenizer **out, json_t *vocab, const json_t *config, const char *path,
                      ch_err *e)
{
    json_t *added;
    int rc = ch_token_load_beside(&added, path, "added_tokens.json", e);
    if (rc < 0)
        return rc;
    const size_t n = json_object_size(vocab) + json_object_size(added);
    const size_t cap = n + CH_MIN(GAPS_MAX, n / 2 + 1);
    size_t end = 0, bytes = 0;
    ch_str *name = calloc(cap, sizeof *name);
    rc = name != NULL ? place(name, cap, &end, vocab, path, e)
                      : ch_fail(e, CH_ENOMEM, "out of memory for %zu tokens", cap);
    if (rc == CH_OK)
        rc = place(name, cap, &end, added, path, e);
    for (size_t i = 0; i < end && rc == CH_OK; i++)
        bytes += name[i].n;
    if (rc == CH_OK)
        rc = ch_token_new(out, ch_token_kind_find("gpt2", 4), end, bytes, e);
    for (size_t i = 0; i < end && rc == CH_OK; i++) {
        const bool is_added = name[i].p != NULL && json_object_getn(added, name[i].p, name[i].n);
        int type = name[i].p == NULL ? CH_TOKEN_UNUSED
                   : is_special(config, (json_int_t)i, name[i].p, name[i].n) ? CH_TOKEN_CONTROL
                   : is_added                                               ? CH_TOKEN_USER
                                                                            : CH_TOKEN_NORMAL;
        ch_token_add(*out, (ch_token)i, name[i].p, name[i].n, type, 0);
    }
    free(name);
    json_decref(added);
    return rc;
}

static int read_merges(ch_tokenizer *t, const char *text, size_t n, const char *path, ch_err *e)
{
    const char *end = text + n;
    size_t lines = 1, rank = 0;
    for (const char *p = text; (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
        lines++;
    int rc = ch_pairs_open(&t->pairs, lines, e);
    for (const char *p = text; p < end && rc == CH_OK;) {
        const char *line = p, *stop = memchr(p, '\n', (size_t)(end - p));
        p = stop != NULL ? stop + 1 : end;
        size_t length = (size_t)((stop != NULL ? stop : end) - line);
        length -= length > 0 && line[length - 1] == '\r';
        if (length == 0 || (line == text && length >= 8 && memcmp(line, "#version", 8) == 0))
            continue;
        const char *space = memchr(line, ' ', length);
        if (space == NULL || space == line || space == line + length - 1)
            return ch_fail(e, CH_EFORMAT, "%s: merge %zu is \"%.*s\", not two tokens", path, rank,
                           CH_MIN((int)length, 60), line);
        rc = ch_token_merge(t, (ch_str){line, (size_t)(space - line)},
                            (ch_str){space + 1, (size_t)(line + length - space - 1)}, rank++, e);
    }
    return rc;
}

static int build(ch_tokenizer **out, json_t *vocab, const char *merges, size_t n,
                 const char *vocab_path, const char *merges_path, ch_err *e)
{
    json_t *config = NULL;
    int rc = json_is_object(vocab)
                 ? ch_token_load_beside(&config, vocab_path, "tokenizer_config.json", e)
                 : ch_fail(e, CH_EFORMAT, "%s: no object of names and ids", vocab_path);
    if (rc == CH_OK && (rc = read_vocab(out, vocab, config, vocab_path, e)) == CH_OK) {
        ch_tokenizer *t = *out;
        t->pre = ch_pretokenizer_find("gpt-2", 5);
        memcpy(t->pre_name, "gpt-2", 6);
        rc = ch_token_read_config(t, vocab_path, e);
        if (rc == CH_OK && (rc = ch_token_index(t, e)) == CH_OK)
            rc = read_merges(t, merges, n, merges_path, e);
        if (rc == CH_OK && (rc = ch_token_finish(t, e)) == CH_OK && t->eos < 0)
            t->eos = ch_token_by_name(t, "<|endoftext|>", 13);
        if (rc == CH_OK && t->bos < 0)
            t->bos = t->eos;
    }
    json_decref(config);
    if (rc < 0)
        ch_tokenizer_close(out);
    return rc;
}

int ch_token_from_gpt2_texts(ch_tokenizer **out, ch_str vocab, ch_str merges, const char *name,
                             ch_err *e)
{
    json_t *v;
    *out = NULL;
    int rc = ch_json_parse(&v, vocab.p, vocab.n, name, e);
    if (rc == CH_OK)
        rc = build(out, v, merges.p, merges.n, name, name, e);
    json_decref(v);
    return rc;
}

static int open_files(ch_tokenizer **out, const char *vocab, const char *merges, ch_err *e)
{
    json_t *v;
    ch_mapping map = {0};
    int rc = ch_json_load(&v, vocab, FILE_MAX, e);
    if (rc == CH_OK)
        rc = ch_io_map(&map, merges, e);
    if (rc == CH_OK)
        rc = build(out, v, (const char *)map.data, map.size, vocab, merges, e);
    ch_io_unmap(&map);
    json_decref(v);
    return rc;
}

char *ch_token_first_of(const char *folder, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *path = ch_io_join(folder, names[i]);
        if (path != NULL && ch_io_exists(path))
            return path;
        free(path);
    }
    return NULL;
}

int ch_token_from_gpt2(ch_tokenizer **out, const char *folder, ch_err *e)
{
    *out = NULL;
    char *vocab = ch_token_first_of(folder, vocab_names, CH_COUNT(vocab_names)),
         *merges = ch_token_first_of(folder, merge_names, CH_COUNT(merge_names));
    int rc = vocab != NULL && merges != NULL
                 ? open_files(out, vocab, merges, e)
                 : ch_fail(e, CH_EFORMAT,
                           "%s has no encoder.json and vocab.bpe (vocab.json and merges.txt)",
                           folder);
    free(vocab);
    free(merges);
    return rc;
}
