/* sentencepiece_read.c - SentencePiece's tokenizer.model
 *
 * A protocol buffer: fields are a varint (number << 3 | wire type) and a value; wire type 0 is a
 * varint, 1 eight bytes, 2 a length and bytes, 5 four bytes.  Fields that are not named here are
 * skipped.
 *
 *   1 piece: 1 text, 2 score, 3 type (vocab.h's numbers)        2 trainer: 3 model type (1 unigram,
 *   2 BPE), 24 white space as suffix, 40-43 ids of unknown, BOS, EOS, padding
 *   3 normalizer: 2 precompiled_charsmap, 3 add_dummy_prefix, 4 remove_extra_whitespaces, 5
 *   escape_whitespaces
 *
 * Tokens that a Hugging Face folder adds (added_tokens.json, tokenizer_config.json's
 * added_tokens_decoder) follow or replace, as llama.cpp's converter has them.  Source:
 * SentencePiece, sentencepiece_model.proto; Protocol Buffers, Encoding.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "json_token.h"

#define GAPS_MAX 65536

enum { UNIGRAM = 1, BPE = 2 };

typedef struct field {
    uint32_t number, wire;
    uint64_t value; /* wire types 0, 1, 5 */
    const unsigned char *p;
    size_t n; /* wire type 2 */
} field;

typedef struct piece {
    ch_str name;
    float score;
    int type;
} piece;

typedef struct reader {
    const char *path;
    piece *piece;
    size_t n, cap, bytes;
    uint64_t model, suffix;
    int64_t unknown, bos, eos, pad;
    bool prefix, collapse, escape;
    const unsigned char *charsmap;
    size_t n_charsmap;
    json_t *config, *added; /* names are borrowed from them */
    ch_err *e;
} reader;

static bool varint(uint64_t *out, const unsigned char **p, const unsigned char *end)
{
    *out = 0;
    for (int shift = 0; shift < 64 && *p < end; shift += 7) {
        const unsigned char c = *(*p)++;
        *out |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80)
            return true;
    }
    return false;
}

/* The next field: 1, 0 at the end, -1: no such field can be there. */
static int next_field(field *f, const unsigned char **p, const unsigned char *end)
{
    uint64_t key;
    if (*p == end)
        return 0;
    if (!varint(&key, p, end) || key >> 3 == 0 || key >> 32 != 0)
        return -1;
    *f = (field){.number = (uint32_t)key >> 3, .wire = key & 7};
    if (f->wire == 0)
        return varint(&f->value, p, end) ? 1 : -1;
    const size_t left = (size_t)(end - *p);
    uint64_t n = f->wire == 1 ? 8 : f->wire == 5 ? 4 : 0;
    if (f->wire == 2 ? !varint(&n, p, end) || n > (size_t)(end - *p) : n == 0 || n > left)
        return -1;
    f->p = *p;
    f->n = (size_t)n;
    for (size_t i = 0; f->wire != 2 && i < f->n; i++)
        f->value |= (uint64_t)f->p[i] << 8 * i;
    *p += n;
    return 1;
}

static int broken(const reader *r, const char *what)
{
    return ch_fail(r->e, CH_EFORMAT, "%s: not a SentencePiece model: %s is broken", r->path, what);
}

static int add_piece(reader *r, piece x)
{
    if (r->n >= CH_TOKEN_MAX || !ch_array_room(&r->piece, &r->cap, r->n + 1, sizeof *r->piece))
        return ch_fail(r->e, CH_ELIMIT, "%s: no room for more than %zu pieces", r->path, r->n);
    r->piece[r->n++] = x;
    return CH_OK;
}

static int read_piece(reader *r, const unsigned char *p, const unsigned char *end)
{
    field f;
    piece x = {.name = {"", 0}, .type = CH_TOKEN_NORMAL};
    int rc;
    while ((rc = next_field(&f, &p, end)) > 0) {
        if (f.number == 1 && f.wire == 2) {
            x.name = (ch_str){(const char *)f.p, f.n};
        } else if (f.number == 2 && f.wire == 5) {
            const uint32_t bits = (uint32_t)f.value;
            memcpy(&x.score, &bits, sizeof bits);
        } else if (f.number == 3 && f.wire == 0) {
            if (f.value < CH_TOKEN_NORMAL || f.value > CH_TOKEN_BYTE)
                return broken(r, "a piece's type");
            x.type = (int)f.value;
        }
    }
    return rc < 0 ? broken(r, "a piece") : add_piece(r, x);
}

static int read_trainer(reader *r, const unsigned char *p, const unsigned char *end)
{
    field f;
    int rc;
    while ((rc = next_field(&f, &p, end)) > 0) {
        const int64_t id = (int32_t)(uint32_t)f.value;
        if (f.wire != 0)
            continue;
        if (f.number == 3)
            r->model = f.value;
        else if (f.number == 24)
            r->suffix = f.value;
        else if (f.number >= 40 && f.number <= 43)
            *(f.number == 40   ? &r->unknown
              : f.number == 41 ? &r->bos
              : f.number == 42 ? &r->eos
                               : &r->pad) = id;
    }
    return rc < 0 ? broken(r, "the trainer's part") : CH_OK;
}

static int read_normalizer(reader *r, const unsigned char *p, const unsigned char *end)
{
    field f;
    int rc;
    while ((rc = next_field(&f, &p, end)) > 0) {
        if (f.number == 2 && f.wire == 2) {
            r->charsmap = f.p;
            r->n_charsmap = f.n;
        } else if (f.wire == 0 && f.number >= 3 && f.number <= 5) {
            *(f.number == 3 ? &r->prefix : f.number == 4 ? &r->collapse : &r->escape) =
                f.value != 0;
        }
    }
    return rc < 0 ? broken(r, "the normalizer's part") : CH_OK;
}

static int read_model(reader *r, const unsigned char *p, const unsigned char *end)
{
    field f;
    int rc, done = CH_OK;
    while (done == CH_OK && (rc = next_field(&f, &p, end)) > 0)
        if (f.wire == 2 && f.number <= 3)
            done = f.number == 1   ? read_piece(r, f.p, f.p + f.n)
                   : f.number == 2 ? read_trainer(r, f.p, f.p + f.n)
                                   : read_normalizer(r, f.p, f.p + f.n);
    if (done == CH_OK && rc < 0)
        done = broken(r, "a field");
    if (done == CH_OK && r->model != UNIGRAM && r->model != BPE)
        done = ch_fail(r->e, CH_EUNSUPPORTED,
                       "%s: model type %llu is not supported; 1 (unigram) and 2 (BPE) are", r->path,
                       (unsigned long long)r->model);
    if (done == CH_OK && (r->suffix != 0 || !r->escape))
        done = ch_fail(r->e, CH_EUNSUPPORTED, "%s: %s is not supported", r->path,
                       r->suffix ? "treat_whitespace_as_suffix" : "escape_whitespaces = false");
    return done;
}

/* ---- Tokens of the folder ---- */

static int put_added(reader *r, json_int_t id, const char *name, size_t n, bool special)
{
    static const char pad[] = "[PAD]";
    if (id < 0 || id >= (json_int_t)r->n + GAPS_MAX)
        return ch_fail(r->e, CH_EFORMAT, "%s: the id of the added token \"%.60s\" is %lld", r->path,
                       name, (long long)id);
    while ((json_int_t)r->n <= id) {
        int rc = add_piece(r, (piece){{pad, 5}, -10000.0f, CH_TOKEN_UNUSED});
        if (rc < 0)
            return rc;
    }
    piece *x = &r->piece[id];
    if (x->type == CH_TOKEN_UNKNOWN || x->type == CH_TOKEN_BYTE)
        return CH_OK; /* says the same in other words */
    *x = (piece){{name, n}, -1000.0f, special ? CH_TOKEN_CONTROL : CH_TOKEN_USER};
    return CH_OK;
}

static int read_added(reader *r)
{
    const char *key;
    json_t *o;
    int rc = ch_token_load_beside(&r->config, r->path, "tokenizer_config.json", r->e);
    if (rc == CH_OK)
        rc = ch_token_load_beside(&r->added, r->path, "added_tokens.json", r->e);
    if (rc < 0)
        return rc;
    json_object_foreach(r->added, key, o)
    {
        if (rc == CH_OK)
            rc = put_added(r, json_is_integer(o) ? json_integer_value(o) : -1, key, strlen(key),
                           false);
    }
    json_object_foreach(json_object_get(r->config, "added_tokens_decoder"), key, o)
    {
        const json_t *content = json_object_get(o, "content");
        char *end;
        const long id = strtol(key, &end, 10);
        if (rc == CH_OK && json_is_string(content))
            rc = put_added(r, *end == 0 ? id : -1, json_string_value(content),
                           json_string_length(content),
                           json_is_true(json_object_get(o, "special")));
    }
    return rc;
}

/* ---- The vocabulary ---- */

static ch_token id_or_none(const ch_tokenizer *t, int64_t id)
{
    return id >= 0 && id < t->n ? (ch_token)id : -1;
}

static int prepare(ch_tokenizer *t, const reader *r)
{
    int rc = CH_OK;
    if (r->n_charsmap > 0 || r->collapse)
        rc = ch_normalizer_open(&t->norm, r->e);
    if (rc == CH_OK && r->n_charsmap > 0)
        rc = ch_normalizer_add(t->norm, CH_NORM_CHARSMAP, 0, r->charsmap, r->n_charsmap, "", 0,
                               r->e);
    if (rc == CH_OK && r->collapse)
        rc = ch_normalizer_add(t->norm, CH_NORM_COLLAPSE, 0, "", 0, "", 0, r->e);
    return rc;
}

static int read_flags(ch_tokenizer *t, const reader *r)
{
    static const struct {
        const char *key;
        int flag;
    } keys[] = {{"lstrip", CH_ADDED_LSTRIP},
                {"rstrip", CH_ADDED_RSTRIP},
                {"single_word", CH_ADDED_WORD}};
    const char *key;
    json_t *o;
    int rc = CH_OK;
    json_object_foreach(json_object_get(r->config, "added_tokens_decoder"), key, o)
    {
        const long id = strtol(key, NULL, 10); /* put_added has seen it */
        int flags = 0;
        for (size_t k = 0; k < CH_COUNT(keys); k++)
            if (json_is_true(json_object_get(o, keys[k].key)))
                flags |= keys[k].flag;
        if (rc == CH_OK && flags != 0 && id >= 0 && id < t->n)
            rc = ch_token_set_flags(t, (ch_token)id, flags, r->e);
    }
    return rc;
}

static int build(ch_tokenizer **out, const reader *r)
{
    size_t bytes = 0;
    for (size_t i = 0; i < r->n; i++)
        bytes += r->piece[i].name.n;
    const char *kind = r->model == UNIGRAM ? "t5" : "llama";
    int rc = ch_token_new(out, ch_token_kind_find(kind, strlen(kind)), r->n, bytes, r->e);
    if (rc < 0)
        return rc;
    ch_tokenizer *t = *out;
    t->unknown = id_or_none(t, r->unknown);
    t->bos = id_or_none(t, r->bos);
    t->eos = id_or_none(t, r->eos);
    t->pad = id_or_none(t, r->pad);
    for (size_t i = 0; i < r->n; i++) {
        const piece *x = &r->piece[i];
        ch_token_add(t, (ch_token)i, x->name.p, x->name.n, x->type, x->score);
        if (x->type == CH_TOKEN_UNKNOWN)
            t->unknown = (ch_token)i;
    }
    t->add_bos = r->model == BPE;
    t->add_eos = r->model == UNIGRAM;
    t->add_space_prefix = r->prefix;
    t->fuse_unknown = true;
    if ((rc = prepare(t, r)) < 0 || (rc = read_flags(t, r)) < 0 ||
        (rc = ch_token_read_config(t, r->path, r->e)) < 0 ||
        (rc = ch_token_index(t, r->e)) < 0)
        return rc;
    return ch_token_finish(t, r->e);
}

bool ch_token_is_sentencepiece(const unsigned char *data, size_t size)
{
    const unsigned char *p = data, *end = data + size;
    field f;
    int rc, pieces = 0;
    while ((rc = next_field(&f, &p, end)) > 0) {
        if (f.number > 5 && f.number < 200)
            return false;
        pieces += f.number == 1 && f.wire == 2;
    }
    return rc == 0 && pieces > 0;
}

int ch_token_from_sentencepiece(ch_tokenizer **out, const unsigned char *data, size_t size,
                                const char *name, ch_err *e)
{
    reader r = {.path = name,
                .model = UNIGRAM,
                .unknown = 0,
                .bos = 1,
                .eos = 2,
                .pad = -1,
                .prefix = true,
                .collapse = true,
                .escape = true,
                .e = e};
    *out = NULL;
    int rc = read_model(&r, data, data + size);
    if (rc == CH_OK)
        rc = read_added(&r);
    if (rc == CH_OK && (rc = build(out, &r)) < 0)
        ch_fail_at(e, "%s", name);
    if (rc < 0)
        ch_tokenizer_close(out);
    free(r.piece);
    json_decref(r.config);
    json_decref(r.added);
    return rc;
}
