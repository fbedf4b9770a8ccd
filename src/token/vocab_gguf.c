/* vocab_gguf.c - a vocabulary in a model file's metadata
 *
 *   tokenizer.ggml.model       "gpt2" or "llama" (tokenizers.def)
 *   tokenizer.ggml.pre         how text is cut before merging (pretokenizers.def)
 *   tokenizer.ggml.tokens      names              .scores      one each ("llama")
 *   tokenizer.ggml.token_type  kinds, 1 to 6      .merges      "left right", lowest rank first
 * ("gpt2") tokenizer.ggml.{bos,eos,eot,eom,unknown}_token_id          add_{bos,eos}_token,
 * add_space_prefix
 *
 * Absent: token_type means normal tokens (bytes by their names; the special ids are special), ids
 * mean none (SentencePiece: 0 unknown, 1 BOS, 2 EOS), pre means "default". Source: GGUF
 * specification, "Tokenizer"; llama.cpp's readings of what is absent.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "vocab.h"

#define KEY  "tokenizer.ggml."
#define NONE UINT32_MAX /* some writers store "no such token" so */

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
        (rc = array(&scores, f, KEY "scores", n, !kind->merges, e)) < 0)
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
        if (types == NULL && !kind->merges && ch_token_byte_name(names[i].p, names[i].n) >= 0)
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

static int read_settings(ch_tokenizer *t, const ch_file *f, ch_err *e)
{
    bool spm = !t->kind->merges;
    int rc;
    if ((rc = read_id(&t->bos, t, f, KEY "bos_token_id", spm ? 1 : -1, e)) < 0 ||
        (rc = read_id(&t->eos, t, f, KEY "eos_token_id", spm ? 2 : -1, e)) < 0 ||
        (rc = read_id(&t->unknown, t, f, KEY "unknown_token_id", spm ? 0 : -1, e)) < 0 ||
        (rc = read_id(&t->eot, t, f, KEY "eot_token_id", -1, e)) < 0 ||
        (rc = read_id(&t->eom, t, f, KEY "eom_token_id", -1, e)) < 0)
        return rc;
    if (ch_file_meta_find(f, KEY "token_type") == NULL) {
        const ch_token control[] = {t->bos, t->eos, t->eot, t->eom};
        if (t->unknown >= 0)
            t->type[t->unknown] = CH_TOKEN_UNKNOWN;
        for (size_t i = 0; i < CH_COUNT(control); i++)
            if (control[i] >= 0)
                t->type[control[i]] = CH_TOKEN_CONTROL;
    }
    t->add_bos = spm || t->pre->add_bos;
    t->add_space_prefix = spm;
    if ((rc = ch_file_bool_opt(&t->add_bos, f, KEY "add_bos_token", e)) < 0 ||
        (rc = ch_file_bool_opt(&t->add_eos, f, KEY "add_eos_token", e)) < 0)
        return rc;
    return spm ? ch_file_bool_opt(&t->add_space_prefix, f, KEY "add_space_prefix", e) : CH_OK;
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
    if (rc == CH_OK && kind->merges)
        rc = read_pre(*out, f, e);
    if (rc == CH_OK)
        rc = read_settings(*out, f, e);
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

/* ---- Writing ---- */

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

static int write_names(const ch_tokenizer *t, ch_file *f, ch_err *e)
{
    size_t n = (size_t)t->n;
    ch_str *names = malloc(n * sizeof *names);
    int32_t *types = malloc(n * sizeof *types);
    int rc = names != NULL && types != NULL
                 ? CH_OK
                 : ch_fail(e, CH_ENOMEM, "out of memory for %zu tokens", n);
    for (ch_token id = 0; rc == CH_OK && id < t->n; id++) {
        names[id].p = ch_token_name(t, id, &names[id].n);
        types[id] = t->type[id];
    }
    if (rc == CH_OK)
        rc = ch_file_set_strs(f, KEY "tokens", names, n, e);
    if (rc == CH_OK && !t->kind->merges)
        rc = ch_file_set_f32s(f, KEY "scores", t->score, n, e);
    if (rc == CH_OK)
        rc = ch_file_set_i32s(f, KEY "token_type", types, n, e);
    free(names);
    free(types);
    return rc;
}

int ch_tokenizer_to_file(const ch_tokenizer *t, ch_file *f, ch_err *e)
{
    const struct {
        const char *key;
        ch_token id;
    } ids[] = {
        {KEY "bos_token_id", t->bos},         {KEY "eos_token_id", t->eos},
        {KEY "eot_token_id", t->eot},         {KEY "eom_token_id", t->eom},
        {KEY "unknown_token_id", t->unknown},
    };
    const char *pre = t->kind->merges ? t->pre_name : "default";
    int rc = ch_file_set_str(f, KEY "model", t->kind->model, strlen(t->kind->model), e);
    if (rc == CH_OK)
        rc = ch_file_set_str(f, KEY "pre", pre, strlen(pre), e);
    if (rc == CH_OK)
        rc = write_names(t, f, e);
    if (rc == CH_OK && t->kind->merges)
        rc = write_merges(t, f, e);
    for (size_t i = 0; i < CH_COUNT(ids) && rc == CH_OK; i++)
        if (ids[i].id >= 0 || !t->kind->merges)
            rc = ch_file_set_u32(f, ids[i].key, ids[i].id >= 0 ? (uint32_t)ids[i].id : NONE, e);
    if (rc == CH_OK)
        rc = ch_file_set_bool(f, KEY "add_bos_token", t->add_bos, e);
    if (rc == CH_OK)
        rc = ch_file_set_bool(f, KEY "add_eos_token", t->add_eos, e);
    if (rc == CH_OK && !t->kind->merges)
        rc = ch_file_set_bool(f, KEY "add_space_prefix", t->add_space_prefix, e);
    return rc;
}
