/* json_model.c - the "model" of a tokenizer.json: names, merges, scores
 *
 * SentencePiece's BPE has scores where Hugging Face has merges: of each token all ways to make it
 * of two others are merges, ranked by the token's score, of equal scores the longer left part
 * first, as transformers has it (convert_slow_tokenizer.py, generate_merges).
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "json_token.h"

/* The name as the file has it; *n its length.  WordPiece: what continues a word is marked there. */
static const char *file_name(const ch_tokenizer *t, ch_token id, size_t *n, char *room)
{
    const char *name = ch_token_name(t, id, n);
    const int type = t->type[id];
    if (strcmp(t->kind->name, "wordpiece") != 0 ||
        (type != CH_TOKEN_NORMAL && type != CH_TOKEN_UNUSED))
        return name;
    if (*n >= CH_META_BYTES && memcmp(name, CH_META, CH_META_BYTES) == 0) {
        *n -= CH_META_BYTES;
        return name + CH_META_BYTES;
    }
    memcpy(room, "##", 2);
    memcpy(room + 2, name, *n);
    *n += 2;
    return room;
}

static int vocabulary(json_t *o, const ch_tokenizer *t, ch_err *e)
{
    char *room = malloc(t->longest + 3);
    int rc = room != NULL ? CH_OK : ch_fail(e, CH_ENOMEM, "out of memory for a name");
    for (ch_token id = 0; id < t->n && rc == CH_OK; id++) {
        size_t n;
        const char *name = file_name(t, id, &n, room);
        if (json_is_array(o)) {
            json_t *pair = json_pack("[s%, f]", name, n, (double)t->score[id]);
            if (json_array_append_new(o, pair) != 0)
                rc = ch_fail(e, CH_EUNSUPPORTED,
                             "token %d cannot be written as JSON: its name is not UTF-8", id);
            continue;
        }
        if (json_object_getn(o, name, n) != NULL)
            rc = ch_fail(
                e, CH_EUNSUPPORTED,
                "tokens %d and %d are both named \"%.*s\"; tokenizer.json has one id for a name",
                (int)json_integer_value(json_object_getn(o, name, n)), id, CH_MIN((int)n, 60),
                name);
        else if (json_object_setn_new(o, name, n, json_integer(id)) != 0)
            rc = ch_fail(e, CH_EUNSUPPORTED,
                         "token %d cannot be written as JSON: its name is not UTF-8", id);
    }
    free(room);
    return rc;
}

/* ---- Merges ---- */

typedef struct made {
    uint32_t order, n_left, n_right; /* characters */
    ch_token left, right, id;
} made;

static int compare(const void *a, const void *b)
{
    const made *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    if (x->n_left != y->n_left)
        return x->n_left > y->n_left ? -1 : 1;
    if (x->n_right != y->n_right)
        return x->n_right > y->n_right ? -1 : 1;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return (x->left > y->left) - (x->left < y->left);
}

static uint32_t chars_in(const char *name, size_t n)
{
    uint32_t chars = 0;
    for (size_t i = 0; i < n; i++)
        chars += ((unsigned char)name[i] & 0xc0) != 0x80;
    return chars;
}

/* All ways to make the tokens of a vocabulary with scores; *out is the caller's. */
static int merges_of_scores(made **out, size_t *n_out, const ch_tokenizer *t, ch_err *e)
{
    size_t n = 0, cap = 0;
    made *all = NULL;
    for (ch_token id = 0; id < t->n; id++) {
        size_t length;
        const char *name = ch_token_name(t, id, &length);
        for (size_t i = 1; i < length && t->type[id] == CH_TOKEN_NORMAL; i++) {
            const ch_token l = ch_token_find(t, name, i),
                           r = l >= 0 ? ch_token_find(t, name + i, length - i) : -1;
            if (r < 0)
                continue;
            if (!ch_array_room(&all, &cap, n + 1, sizeof *all)) {
                free(all);
                return ch_fail(e, CH_ENOMEM, "out of memory for %zu merges", n);
            }
            all[n++] = (made){t->order[id], chars_in(name, i), chars_in(name + i, length - i),
                              l, r, id};
        }
    }
    if (n > 0)
        qsort(all, n, sizeof *all, compare);
    *out = all;
    *n_out = n;
    return CH_OK;
}

static bool add_merge(json_t *list, char *both, const ch_tokenizer *t, ch_token left,
                      ch_token right)
{
    size_t nl, nr;
    const char *l = ch_token_name(t, left, &nl), *r = ch_token_name(t, right, &nr);
    if (memchr(l, ' ', nl) != NULL || memchr(r, ' ', nr) != NULL)
        return json_array_append_new(list, json_pack("[s%, s%]", l, nl, r, nr)) == 0;
    memcpy(both, l, nl);
    both[nl] = ' ';
    memcpy(both + nl + 1, r, nr);
    return json_array_append_new(list, json_stringn(both, nl + 1 + nr)) == 0;
}

static int merges(json_t *list, const ch_tokenizer *t, ch_err *e)
{
    made *of_scores = NULL;
    ch_pair *all = NULL;
    size_t n = t->pairs.n;
    char *both = malloc(2 * t->longest + 2);
    int rc = both != NULL ? CH_OK : CH_ENOMEM;
    if (rc == CH_OK && t->kind->scores && (rc = merges_of_scores(&of_scores, &n, t, e)) < 0) {
        free(both);
        return rc;
    }
    if (rc == CH_OK && !t->kind->scores && (all = ch_pairs_sorted(&t->pairs)) == NULL)
        rc = CH_ENOMEM;
    for (size_t i = 0; i < n && rc == CH_OK; i++)
        if (!add_merge(list, both, t, all != NULL ? all[i].left : of_scores[i].left,
                       all != NULL ? all[i].right : of_scores[i].right))
            rc = CH_ENOMEM;
    free(both);
    free(all);
    free(of_scores);
    return rc < 0 ? ch_fail(e, rc, "out of memory for %zu merges", n) : CH_OK;
}

/* ---- The whole ---- */

static json_t *bpe_model(const ch_tokenizer *t, json_t *vocab, json_t *unknown, ch_err *e)
{
    json_t *list = json_array();
    if (list == NULL || merges(list, t, e) < 0) {
        json_decref(list);
        json_decref(unknown);
        return NULL;
    }
    const bool bytes = t->byte_fallback && t->all_bytes;
    return json_pack("{s:s, s:n, s:o, s:n, s:n, s:b, s:b, s:b, s:O, s:o}", "type", "BPE",
                     "dropout", "unk_token", unknown, "continuing_subword_prefix",
                     "end_of_word_suffix", "fuse_unk", (int)t->fuse_unknown, "byte_fallback",
                     (int)bytes, "ignore_merges", (int)t->whole_first, "vocab", vocab, "merges",
                     list);
}

int ch_token_json_model(json_t **out, const ch_tokenizer *t, ch_err *e)
{
    const char *kind = t->kind->name;
    const bool unigram = strcmp(kind, "unigram") == 0, words = strcmp(kind, "wordpiece") == 0;
    const ch_token unknown = ch_token_unknown(t);
    json_t *vocab = unigram ? json_array() : json_object(), *name = json_null();
    *out = NULL;
    int rc = vocab != NULL ? vocabulary(vocab, t, e) : CH_ENOMEM;
    if (unknown >= 0) {
        size_t n;
        const char *p = ch_token_name(t, unknown, &n);
        name = json_stringn(p, n);
    }
    if (rc == CH_OK && unigram)
        *out = json_pack("{s:s, s:o, s:b, s:O}", "type", "Unigram", "unk_id",
                         unknown >= 0 ? json_integer(unknown) : json_null(), "byte_fallback",
                         (int)t->byte_fallback, "vocab", vocab);
    else if (rc == CH_OK && words)
        *out = json_pack("{s:s, s:O, s:s, s:i, s:O}", "type", "WordPiece", "unk_token", name,
                         "continuing_subword_prefix", "##", "max_input_chars_per_word", 100,
                         "vocab", vocab);
    else if (rc == CH_OK)
        *out = bpe_model(t, vocab, json_incref(name), e);
    json_decref(vocab);
    json_decref(name);
    if (rc == CH_OK && *out == NULL)
        rc = e != NULL && e->code < 0 ? e->code : ch_fail(e, CH_ENOMEM, "out of memory for JSON");
    return rc;
}
