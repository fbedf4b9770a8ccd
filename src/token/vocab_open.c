/* vocab_open.c - a tokenizer by the path of whatever carries it
 *
 *   a GGUF file                       its metadata
 *   {... with a "model"               tokenizer.json
 *   {... without, or *.bpe, *.txt     one of encoder.json + vocab.bpe, vocab.json + merges.txt
 *   tokenizer.bin, to the last byte   llama2.c's vocabulary
 *   a SentencePiece model             tokenizer.model
 *   any other model file              a vocabulary beside it: the path given, or tok<V>.bin,
 *                                     tokenizer.bin, or as a folder's
 *   a folder                          its tokenizer.json, tokenizer.model, or the two files
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "guard.h"
#include "vocab.h"

enum { IS_MODEL, IS_JSON, IS_LLAMA2C, IS_SENTENCEPIECE, IS_GPT2 };

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

static int look_at(int *what, const char *path, ch_err *e)
{
    ch_mapping map;
    int rc = ch_io_map(&map, path, e);
    if (rc < 0)
        return rc;
    size_t at = 0;
    while (at < map.size && strchr(" \t\r\n", map.data[at]) != NULL && map.data[at] != 0)
        at++;
    const bool json = at < map.size && map.data[at] == '{';
    const bool pair = ends_with(path, "encoder.json") || ends_with(path, "vocab.json") ||
                      ends_with(path, "vocab.bpe") || ends_with(path, "merges.txt");
    *what = pair                                           ? IS_GPT2
            : json                                         ? IS_JSON
            : ch_token_is_llama2c(map.data, map.size)       ? IS_LLAMA2C
            : ch_token_is_sentencepiece(map.data, map.size) ? IS_SENTENCEPIECE
                                                            : IS_MODEL;
    ch_io_unmap(&map);
    return CH_OK;
}

/* Nothing is made of a file that lost bytes while it was read (guard.h). */
static int taken_whole(ch_tokenizer **out, int whole)
{
    if (whole < 0)
        ch_tokenizer_close(out);
    return whole;
}

static int open_sentencepiece(ch_tokenizer **out, const char *path, ch_err *e)
{
    ch_mapping map;
    int rc = ch_io_map(&map, path, e);
    if (rc < 0)
        return rc;
    rc = ch_token_from_sentencepiece(out, map.data, map.size, path, e);
    if (rc == CH_OK)
        rc = taken_whole(out, ch_guard_whole(map.data, e));
    ch_io_unmap(&map);
    return rc;
}

static char *folder_of(const char *path);
static int open_folder(ch_tokenizer **out, const char *path, ch_err *e);

static int open_pair(ch_tokenizer **out, const char *path, ch_err *e)
{
    char *folder = folder_of(path);
    int rc = folder != NULL ? ch_token_from_gpt2(out, folder, e)
                            : ch_fail(e, CH_ENOMEM, "out of memory for a path");
    free(folder);
    return rc;
}

/* A file that is a vocabulary and nothing else, or a model file that carries one. */
static int open_vocabulary(ch_tokenizer **out, const char *path, ch_err *e)
{
    int what;
    ch_file *f;
    if (ch_io_is_dir(path))
        return open_folder(out, path, e);
    int rc = look_at(&what, path, e);
    if (rc < 0)
        return rc;
    if (what != IS_MODEL)
        return what == IS_JSON      ? ch_tokenizer_from_json(out, path, e)
               : what == IS_LLAMA2C ? ch_tokenizer_from_llama2c(out, path, e)
               : what == IS_GPT2    ? open_pair(out, path, e)
                                    : open_sentencepiece(out, path, e);
    if ((rc = ch_file_open(&f, path, e)) < 0)
        return rc;
    rc = ch_tokenizer_from_file(out, f, e);
    if (rc == CH_OK)
        rc = taken_whole(out, ch_file_whole(f, e));
    ch_file_close(&f);
    return rc;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* Rows of the embedding: how many tokens the model knows; 0: cannot tell. */
static int64_t model_rows(const ch_file *f)
{
    const ch_file_tensor *t = ch_file_tensor_find(f, "token_embd.weight");
    return t != NULL && t->t.rank == 2 ? t->t.dim[0] : 0;
}

/* The first of the usual names that exists in the model's folder; NULL: none, with the sentence in
 * e. */
static char *find_beside(const char *path, int64_t rows, ch_err *e)
{
    char sized[40];
    snprintf(sized, sizeof sized, "tok%lld.bin", (long long)rows);
    const char *const names[] = {sized,          "tokenizer.bin", "tokenizer.json",
                                 "tokenizer.model", "encoder.json",  "vocab.json"};
    char *folder = folder_of(path),
         *found = folder != NULL ? ch_token_first_of(folder, names, CH_COUNT(names)) : NULL;
    if (found == NULL)
        ch_fail(e, CH_EFORMAT,
                "%s carries no vocabulary, and its folder has no %s, tokenizer.bin or "
                "tokenizer.json",
                path, sized);
    free(folder);
    return found;
}

static int open_beside(ch_tokenizer **out, const ch_file *f, const char *vocabulary, ch_err *e)
{
    int64_t rows = model_rows(f);
    char *found = NULL;
    if (vocabulary == NULL && (vocabulary = found = find_beside(f->path, rows, e)) == NULL)
        return CH_EFORMAT;
    int rc = open_vocabulary(out, vocabulary, e);
    bool padded = strcmp(f->format, "llama2c") != 0; /* others may have more rows than tokens */
    if (rc == CH_OK && rows > 0 && ((*out)->n > rows || (!padded && (*out)->n != rows))) {
        rc = ch_fail(e, CH_EFORMAT, "%s has %d tokens, but %s has rows for %lld", vocabulary,
                     (*out)->n, f->path, (long long)rows);
        ch_tokenizer_close(out);
    }
    free(found);
    return rc;
}

static int open_folder(ch_tokenizer **out, const char *path, ch_err *e)
{
    static const char *const names[] = {"tokenizer.json", "tokenizer.model", "encoder.json",
                                        "vocab.json"};
    char *found = ch_token_first_of(path, names, CH_COUNT(names));
    int rc = found != NULL
                 ? open_vocabulary(out, found, e)
                 : ch_fail(e, CH_EIO,
                           "%s has no tokenizer.json, tokenizer.model, encoder.json or vocab.json",
                           path);
    free(found);
    return rc;
}

int ch_tokenizer_open(ch_tokenizer **out, const char *path, const char *vocabulary, ch_err *e)
{
    int what = IS_MODEL, rc = CH_OK;
    *out = NULL;
    if (ch_io_is_dir(path) && vocabulary == NULL)
        return open_folder(out, path, e);
    if (!ch_io_is_dir(path))
        rc = look_at(&what, path, e);
    if (rc < 0)
        return rc;
    if (what != IS_MODEL)
        return open_vocabulary(out, path, e);
    ch_file *f;
    if ((rc = ch_file_open(&f, path, e)) < 0)
        return rc;
    if (vocabulary == NULL && ch_file_meta_find(f, "tokenizer.ggml.model") != NULL)
        rc = ch_tokenizer_from_file(out, f, e);
    else
        rc = open_beside(out, f, vocabulary, e);
    if (rc == CH_OK)
        rc = taken_whole(out, ch_file_whole(f, e));
    ch_file_close(&f);
    return rc;
}
