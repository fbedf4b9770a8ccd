/* vocab_gguf.c - a vocabulary from a model file's metadata
 *
 *   tokenizer.ggml.model       the algorithm (tokenizers.def)
 *   tokenizer.ggml.pre         how text is cut before merging (pretokenizers.def; "gpt2")
 *   tokenizer.ggml.tokens      names              .scores   one each ("llama", "t5")
 *   tokenizer.ggml.token_type  kinds, 1 to 6      .merges   "left right", lowest rank first
 *   tokenizer.ggml.{bos,eos,eot,eom,unknown,seperator,padding,cls,mask}_token_id
 *   tokenizer.ggml.add_{bos,eos,sep}_token, add_space_prefix
 *   tokenizer.ggml.precompiled_charsmap, remove_extra_whitespaces ("t5")
 *   tokenizer.ggml.normalizer.lowercase, .strip_accents ("bert")
 *   chalcis.tokenizer.normalizer, .pre_tokenizer   tokenizer.json's, where the algorithm implies
 *   others
 *   chalcis.tokenizer.added        id, flags (vocab.h) of added tokens that have flags
 *
 * Absent: token_type means normal tokens (bytes by their names; the special ids are special), ids
 * mean none (SentencePiece: 0 unknown, 1 BOS, 2 EOS; "t5": 0 padding, 1 EOS, 2 unknown; "bert": 100
 * to 103 unknown, CLS, SEP, MASK), pre means "default".  Source: GGUF specification, "Tokenizer";
 * llama.cpp's readings of what is absent.  SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "json_token.h"

#define KEY     "tokenizer.ggml."
#define CHALCIS "chalcis.tokenizer."
#define NONE    UINT32_MAX /* some writers store "no such token" so */

/* Errors of the vocabulary itself do not know the file. */
static int at_file(const ch_file *f, int rc, ch_err *e)
{
    if (rc < 0)
        ch_fail_at(e, "%s", f->path);
    return rc;
}

/* An array of n elements, or NULL when absent and not `required`. */
static int array(const ch_meta **out, const ch_file *f, const char *key, size_t n, bool required,
                 ch_err *e)
{
    const ch_meta *m = *out = ch_file_meta_find(f, key);
    if (m == NULL)
        return required ? ch_fail(e, CH_EFORMAT, "%s: %s is missing", f->path, key) : CH_OK;
    if (m->type != CH_META_ARRAY)
        return ch_fail(e, CH_EFORMAT, "%s: %s is no array", f->path, key);
    if (m->v.a.n != n)
        return ch_fail(e, CH_EFORMAT, "%s: %s has %zu elements for %zu tokens", f->path, key,
                       m->v.a.n, n);
    return CH_OK;
}

static int read_names(ch_tokenizer **out, const ch_file *f, const ch_token_kind *kind, ch_err *e)
{
    const ch_str *names;
    const ch_meta *types, *scores;
    size_t n, bytes = 0;
    int rc = ch_file_str_array(&names, &n, f, KEY "tokens", e);
    if (rc < 0 || (rc = array(&types, f, KEY "token_type", n, false, e)) < 0 ||
        (rc = array(&scores, f, KEY "scores", n, kind->scores, e)) < 0)
        return rc;
    for (size_t i = 0; i < n; i++)
        bytes += CH_MIN(names[i].n, (size_t)INT32_MAX + 1);
    if ((rc = at_file(f, ch_token_new(out, kind, n, bytes, e), e)) < 0)
        return rc;
    for (size_t i = 0; i < n; i++) {
        int64_t type = CH_TOKEN_NORMAL;
        double score = 0;
        if (types != NULL &&
            (ch_meta_at_int(&type, types, i) < 0 || type < 0 || type > CH_TOKEN_BYTE))
            return ch_fail(e, CH_EFORMAT,
                           "%s: " KEY "token_type: element %zu is no number from 0 to %d", f->path,
                           i, CH_TOKEN_BYTE);
        if (scores != NULL && ch_meta_at_real(&score, scores, i) < 0)
            return ch_fail(e, CH_EFORMAT, "%s: " KEY "scores: element %zu is no number", f->path,
                           i);
        if (types == NULL && kind->scores && ch_token_byte_name(names[i].p, names[i].n) >= 0)
            type = CH_TOKEN_BYTE;
        ch_token_add(*out, (ch_token)i, names[i].p, names[i].n, CH_MAX((int)type, CH_TOKEN_NORMAL),
                     (float)score);
    }
    return CH_OK;
}

static int read_id(ch_token *out, const ch_tokenizer *t, const ch_file *f, const char *key,
                   int64_t or, ch_err *e)
{
    int64_t id = NONE;
    int rc = ch_file_int_opt(&id, f, key, -1, NONE, e);
    if (rc < 0)
        return rc;
    if (ch_file_meta_find(f, key) == NULL)
        id = or < t->n ? or : -1;
    else if (id == NONE)
        id = -1;
    if (id >= t->n)
        return ch_fail(e, CH_EFORMAT, "%s: %s is %lld in a vocabulary of %d", f->path, key,
                       (long long)id, t->n);
    *out = (ch_token)id;
    return CH_OK;
}

/* The ids that an algorithm's files mean where they do not say. */
typedef struct ids {
    const char *kind;
    int bos, eos, unknown, sep, pad, mask;
    bool add_bos, add_eos, add_space_prefix;
} ids;
static const ids defaults[] = {
    {"spm", 1, 2, 0, -1, -1, -1, true, false, true},
    {"unigram", -1, 1, 2, -1, 0, -1, false, true, true},
    {"wordpiece", 101, -1, 100, 102, 0, 103, true, false, false},
    {NULL, -1, -1, -1, -1, -1, -1, false, false, false},
};

static const ids *defaults_of(const ch_tokenizer *t)
{
    const ids *d = defaults;
    while (d->kind != NULL && strcmp(d->kind, t->kind->name) != 0)
        d++;
    return d;
}

static int read_ids(ch_tokenizer *t, const ch_file *f, const ids *d, ch_err *e)
{
    const struct {
        const char *key;
        ch_token *id;
        int or;
    } all[] = {
        {KEY "bos_token_id", &t->bos, d->bos},
        {KEY "eos_token_id", &t->eos, d->eos},
        {KEY "unknown_token_id", &t->unknown, d->unknown},
        {KEY "eot_token_id", &t->eot, -1},
        {KEY "eom_token_id", &t->eom, -1},
        {KEY "seperator_token_id", &t->sep, d->sep},
        {KEY "padding_token_id", &t->pad, d->pad},
        {KEY "cls_token_id", &t->cls, -1},
        {KEY "mask_token_id", &t->mask, d->mask},
    };
    int rc = CH_OK;
    for (size_t i = 0; i < CH_COUNT(all) && rc == CH_OK; i++)
        rc = read_id(all[i].id, t, f, all[i].key, all[i].or, e);
    return rc;
}

static int read_settings(ch_tokenizer *t, const ch_file *f, ch_err *e)
{
    const ids *d = defaults_of(t);
    int rc = read_ids(t, f, d, e);
    if (rc < 0)
        return rc;
    if (ch_file_meta_find(f, KEY "token_type") == NULL) {
        const ch_token control[] = {t->bos, t->eos, t->eot, t->eom,
                                    t->sep, t->pad, t->cls, t->mask};
        if (t->unknown >= 0)
            t->type[t->unknown] = CH_TOKEN_UNKNOWN;
        for (size_t i = 0; i < CH_COUNT(control); i++)
            if (control[i] >= 0)
                t->type[control[i]] = CH_TOKEN_CONTROL;
    }
    t->add_bos = d->add_bos || (t->pre != NULL && t->pre->add_bos);
    t->add_eos = d->add_eos;
    t->add_sep = d->sep >= 0;
    t->add_space_prefix = d->add_space_prefix;
    t->fuse_unknown = t->kind->scores || strcmp(t->kind->name, "chars") == 0;
    if ((rc = ch_file_bool_opt(&t->add_bos, f, KEY "add_bos_token", e)) < 0 ||
        (rc = ch_file_bool_opt(&t->add_eos, f, KEY "add_eos_token", e)) < 0 ||
        (rc = ch_file_bool_opt(&t->add_sep, f, KEY "add_sep_token", e)) < 0)
        return rc;
    return d->add_space_prefix
               ? ch_file_bool_opt(&t->add_space_prefix, f, KEY "add_space_prefix", e)
               : CH_OK;
}

/* ---- Normalizing ---- */

static int read_charsmap(ch_tokenizer *t, const ch_file *f, ch_err *e)
{
    const char *key = KEY "precompiled_charsmap";
    const ch_meta *m = ch_file_meta_find(f, key);
    bool collapse = false;
    int rc = ch_file_bool_opt(&collapse, f, KEY "remove_extra_whitespaces", e);
    if (rc < 0)
        return rc;
    unsigned char *map = m != NULL && m->type == CH_META_ARRAY ? malloc(m->v.a.n + 1) : NULL;
    if (m != NULL && m->type != CH_META_ARRAY)
        rc = ch_fail(e, CH_EFORMAT, "%s: %s is no array", f->path, key);
    else if (m != NULL && map == NULL)
        rc = ch_fail(e, CH_ENOMEM, "out of memory for a table of %zu bytes", m->v.a.n);
    for (size_t i = 0; m != NULL && rc == CH_OK && i < m->v.a.n; i++) {
        int64_t byte;
        if (ch_meta_at_int(&byte, m, i) < 0 || byte < -128 || byte > 255)
            rc = ch_fail(e, CH_EFORMAT, "%s: %s: element %zu is no byte", f->path, key, i);
        else
            map[i] = (unsigned char)byte;
    }
    if (rc == CH_OK && m != NULL && m->v.a.n > 0)
        rc = at_file(f, ch_normalizer_add(t->norm, CH_NORM_CHARSMAP, 0, map, m->v.a.n, "", 0, e),
                     e);
    if (rc == CH_OK && collapse)
        rc = ch_normalizer_add(t->norm, CH_NORM_COLLAPSE, 0, "", 0, "", 0, e);
    free(map);
    return rc;
}

static int read_bert(ch_tokenizer *t, const ch_file *f, ch_err *e)
{
    bool lower = true;
    int rc = ch_file_bool_opt(&lower, f, KEY "normalizer.lowercase", e);
    bool strip = lower;
    if (rc == CH_OK)
        rc = ch_file_bool_opt(&strip, f, KEY "normalizer.strip_accents", e);
    const int flags = CH_NORM_CLEAN | CH_NORM_CHINESE | (strip ? CH_NORM_ACCENTS : 0) |
                      (lower ? CH_NORM_LOWERCASE : 0);
    return rc < 0 ? rc : ch_normalizer_add(t->norm, CH_NORM_BERT, flags, "", 0, "", 0, e);
}

/* A step of a tokenizer.json. */
static int read_step(ch_tokenizer *t, const ch_file *f, const char *key, bool pre, ch_err *e)
{
    ch_str text;
    json_t *o = NULL;
    int rc = ch_file_str(&text, f, key, e);
    if (rc == CH_OK && (rc = ch_json_parse(&o, text.p, text.n, key, e)) == CH_OK)
        rc = pre ? ch_token_json_pre(t, o, false, f->path, e)
                 : ch_token_json_normalizer(t, o, f->path, e);
    json_decref(o);
    return rc;
}

static int read_normalizer(ch_tokenizer *t, const ch_file *f, ch_err *e)
{
    const char *kind = t->kind->name;
    if (ch_file_meta_find(f, CHALCIS "normalizer") != NULL) {
        int rc = read_step(t, f, CHALCIS "normalizer", false, e);
        if (rc == CH_OK && strcmp(kind, "bpe") != 0 &&
            ch_file_meta_find(f, CHALCIS "pre_tokenizer") != NULL)
            rc = read_step(t, f, CHALCIS "pre_tokenizer", true, e);
        return rc;
    }
    if (strcmp(kind, "bpe") == 0 ||
        (strcmp(kind, "spm") == 0 &&
         ch_file_meta_find(f, KEY "remove_extra_whitespaces") == NULL))
        return CH_OK;
    int rc = ch_normalizer_open(&t->norm, e);
    if (rc == CH_OK && strcmp(kind, "chars") == 0)
        rc = ch_normalizer_add(t->norm, CH_NORM_REPLACE, 0, " ", 1, CH_META, CH_META_BYTES, e);
    else if (rc == CH_OK)
        rc = strcmp(kind, "wordpiece") == 0 ? read_bert(t, f, e) : read_charsmap(t, f, e);
    return rc;
}

static int read_template(char **to, const ch_file *f, const char *key, ch_err *e)
{
    const ch_meta *m = ch_file_meta_find(f, key);
    if (m == NULL || m->type != CH_META_STR || memchr(m->v.s.p, 0, m->v.s.n) != NULL)
        return CH_OK;
    *to = strndup(m->v.s.p, m->v.s.n);
    return *to != NULL ? CH_OK : ch_fail(e, CH_ENOMEM, "out of memory for a template");
}

static int read_templates(ch_tokenizer *t, const ch_file *f, ch_err *e)
{
    const int rc = read_template(&t->template, f, "tokenizer.chat_template", e);
    return rc < 0 ? rc
                  : read_template(&t->tool_template, f, "tokenizer.chat_template.tool_use", e);
}

static int read_flags(ch_tokenizer *t, const ch_file *f, ch_err *e)
{
    const char *key = CHALCIS "added";
    const ch_meta *m = ch_file_meta_find(f, key);
    if (m == NULL)
        return CH_OK;
    int rc = m->type == CH_META_ARRAY && m->v.a.n % 2 == 0
                 ? CH_OK
                 : ch_fail(e, CH_EFORMAT, "%s: %s is no list of pairs", f->path, key);
    for (size_t i = 0; rc == CH_OK && i + 1 < m->v.a.n; i += 2) {
        int64_t id, flags;
        if (ch_meta_at_int(&id, m, i) < 0 || ch_meta_at_int(&flags, m, i + 1) < 0 || id < 0 ||
            id >= t->n || flags < 0 || flags > 15)
            rc = ch_fail(e, CH_EFORMAT, "%s: %s: element %zu is no id and flags of a token",
                         f->path, key, i);
        else
            rc = ch_token_set_flags(t, (ch_token)id, (int)flags, e);
    }
    return rc;
}

static int read_pre(ch_tokenizer *t, const ch_file *f, ch_err *e)
{
    ch_str name = {"default", 7};
    if (ch_file_meta_find(f, KEY "pre") != NULL && ch_file_str(&name, f, KEY "pre", e) < 0)
        return CH_EFORMAT;
    t->pre = ch_pretokenizer_find(name.p, name.n);
    if (t->pre == NULL || name.n >= sizeof t->pre_name) {
        char known[300];
        return ch_fail(e, CH_EUNSUPPORTED, "%s: " KEY "pre \"%.*s\" is unknown; known are: %s",
                       f->path, CH_MIN((int)name.n, 60), name.p,
                       ch_pretokenizer_names(known, sizeof known));
    }
    memcpy(t->pre_name, name.p, name.n);
    t->whole_first = t->pre->whole_first;
    return CH_OK;
}

/* "left right": the space that parts them is the first that does not begin the left one. */
static int read_merges(ch_tokenizer *t, const ch_file *f, ch_err *e)
{
    const ch_str *merges;
    size_t n;
    int rc = ch_file_str_array(&merges, &n, f, KEY "merges", e);
    if (rc < 0 || (rc = at_file(f, ch_pairs_open(&t->pairs, n, e), e)) < 0)
        return rc;
    for (size_t i = 0; i < n && rc == CH_OK; i++) {
        const ch_str *m = &merges[i];
        const char *space = m->n > 2 ? memchr(m->p + 1, ' ', m->n - 2) : NULL;
        if (space == NULL)
            return ch_fail(e, CH_EFORMAT,
                           "%s: " KEY "merges: element %zu is \"%.*s\", not two tokens", f->path,
                           i, CH_MIN((int)m->n, 60), m->p);
        ch_str left = {m->p, (size_t)(space - m->p)}, right = {space + 1, m->n - left.n - 1};
        rc = at_file(f, ch_token_merge(t, left, right, i, e), e);
    }
    return rc;
}

int ch_tokenizer_from_file(ch_tokenizer **out, const ch_file *f, ch_err *e)
{
    ch_str model;
    *out = NULL;
    int rc = ch_file_str(&model, f, KEY "model", e);
    if (rc < 0)
        return rc; /* names the file itself */
    const ch_token_kind *kind = ch_token_kind_find(model.p, model.n);
    if (kind == NULL) {
        char known[100];
        return ch_fail(e, CH_EUNSUPPORTED, "%s: " KEY "model \"%.*s\" is unknown; known are: %s",
                       f->path, CH_MIN((int)model.n, 60), model.p,
                       ch_token_kinds(known, sizeof known));
    }
    rc = read_names(out, f, kind, e);
    if (rc == CH_OK && strcmp(kind->name, "bpe") == 0)
        rc = read_pre(*out, f, e);
    if (rc == CH_OK)
        rc = read_settings(*out, f, e);
    if (rc == CH_OK)
        rc = read_normalizer(*out, f, e);
    if (rc == CH_OK)
        rc = read_flags(*out, f, e);
    if (rc == CH_OK)
        rc = read_templates(*out, f, e);
    if (rc == CH_OK)
        rc = at_file(f, ch_token_index(*out, e), e);
    if (rc == CH_OK && kind->merges)
        rc = read_merges(*out, f, e);
    if (rc == CH_OK)
        rc = at_file(f, ch_token_finish(*out, e), e);
    if (rc < 0)
        ch_tokenizer_close(out);
    return rc;
}
