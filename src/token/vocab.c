/* vocab.c - building a tokenizer: names, what may be merged, what is looked for in text
 *
 * SPDX-License-Identifier: MIT */
#include "vocab.h"

#include <stdlib.h>
#include <string.h>

static const ch_token_kind kinds[] = {
#define TOKENIZER(name, model, merges, scores, piece)                                             \
    {#name,                                                                                       \
     model,                                                                                       \
     merges,                                                                                      \
     scores,                                                                                      \
     ch_token_##name##_finish,                                                                    \
     ch_token_##name##_encode,                                                                    \
     ch_token_##piece##_piece},
#include "tokenizers.def"
#undef TOKENIZER
};

const ch_token_kind *ch_token_kind_find(const char *model, size_t n)
{
    for (size_t i = 0; i < CH_COUNT(kinds); i++)
        if (strlen(kinds[i].model) == n && memcmp(kinds[i].model, model, n) == 0)
            return &kinds[i];
    return NULL;
}

const char *ch_token_kinds(char *out, size_t size)
{
    size_t at = 0;
    out[0] = 0;
    for (size_t i = 0; i < CH_COUNT(kinds) && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%s", i ? ", " : "", kinds[i].model);
    return out;
}

int ch_token_new(ch_tokenizer **out, const ch_token_kind *kind, size_t n, size_t bytes, ch_err *e)
{
    *out = NULL;
    if (n == 0)
        return ch_fail(e, CH_EFORMAT, "the vocabulary is empty");
    if (n > CH_TOKEN_MAX || bytes > INT32_MAX)
        return ch_fail(e, CH_ELIMIT,
                       "the vocabulary has %zu entries of %zu bytes; %d and %d are allowed", n,
                       bytes, CH_TOKEN_MAX, INT32_MAX);
    ch_tokenizer *t = calloc(1, sizeof *t);
    if (t == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for a tokenizer");
    *out = t;
    t->kind = kind;
    t->n = (int)n;
    t->bos = t->eos = t->eot = t->eom = t->unknown = -1;
    t->sep = t->pad = t->cls = t->mask = -1;
    memset(t->byte, 0xff, sizeof t->byte);
    t->text = malloc(bytes + 1);
    t->at = calloc(n + 1, sizeof *t->at);
    t->score = calloc(n, sizeof *t->score);
    t->type = calloc(n, sizeof *t->type);
    t->end = calloc(n, sizeof *t->end);
    if (t->text == NULL || t->at == NULL || t->score == NULL || t->type == NULL ||
        t->end == NULL) {
        ch_tokenizer_close(out);
        return ch_fail(e, CH_ENOMEM, "out of memory for a vocabulary of %zu entries", n);
    }
    return CH_OK;
}

void ch_token_add(ch_tokenizer *t, ch_token id, const char *name, size_t n, int type, float score)
{
    if (n > 0)
        memcpy(t->text + t->at[id], name, n);
    t->at[id + 1] = t->at[id] + (uint32_t)n;
    t->longest = CH_MAX(t->longest, n);
    t->type[id] = (uint8_t)type;
    t->score[id] = score;
}

void ch_tokenizer_close(ch_tokenizer **t)
{
    if (*t == NULL)
        return;
    free((*t)->text);
    free((*t)->at);
    free((*t)->score);
    free((*t)->type);
    free((*t)->end);
    free((*t)->names.slots);
    free((*t)->flags);
    free((*t)->norm_json);
    free((*t)->pre_json);
    free((*t)->template);
    free((*t)->tool_template);
    free((*t)->order);
    ch_added_close(&(*t)->added[0]);
    ch_added_close(&(*t)->added[1]);
    ch_added_close(&(*t)->pieces);
    ch_normalizer_close(&(*t)->norm);
    ch_cutter_close(&(*t)->cutter);
    ch_pairs_close(&(*t)->pairs);
    free(*t);
    *t = NULL;
}

int ch_token_byte_name(const char *name, size_t n)
{
    static const char digits[] = "0123456789ABCDEF";
    if (n != 6 || memcmp(name, "<0x", 3) != 0 || name[5] != '>' || name[3] == 0 || name[4] == 0)
        return -1;
    const char *high = strchr(digits, name[3]), *low = strchr(digits, name[4]);
    return high != NULL && low != NULL ? (int)(high - digits) * 16 + (int)(low - digits) : -1;
}

int ch_token_find_bytes(ch_tokenizer *t, ch_err *e)
{
    t->all_bytes = true;
    memset(t->byte, 0xff, sizeof t->byte);
    for (ch_token id = 0; id < t->n; id++) {
        if (t->type[id] != CH_TOKEN_BYTE)
            continue;
        size_t n;
        const char *name = ch_token_name(t, id, &n);
        const int byte = ch_token_byte_name(name, n);
        if (byte < 0)
            return ch_fail(e, CH_EFORMAT,
                           "byte token %d is named \"%.*s\"; <0x00> to <0xFF> are allowed", id,
                           CH_MIN((int)n, 60), name);
        t->byte[byte] = id;
    }
    for (int b = 0; b < 256; b++)
        t->all_bytes = t->all_bytes && t->byte[b] >= 0;
    return CH_OK;
}

static bool is_meta(const char *s, size_t n)
{
    return n >= CH_META_BYTES && memcmp(s, CH_META, CH_META_BYTES) == 0;
}

bool ch_token_words_apart(const ch_tokenizer *t)
{
    for (ch_token id = 0; id < t->n; id++) {
        size_t n;
        const char *name = ch_token_name(t, id, &n);
        if (t->type[id] != CH_TOKEN_NORMAL && t->type[id] != CH_TOKEN_USER &&
            t->type[id] != CH_TOKEN_UNUSED)
            continue;
        for (size_t i = 1; i < n; i++)
            if (is_meta(name + i, n - i) &&
                !(i >= CH_META_BYTES && is_meta(name + i - CH_META_BYTES, CH_META_BYTES)))
                return false;
    }
    return true;
}

/* ---- Names to ids ----
 * A slot is the id plus one in 25 bits (0: empty), under seven bits of the hash that spare most
 * comparisons.  A crafted vocabulary can make hashes collide, so the probes are counted. */
#define SLOT_ID    0x1ffffffu
#define PROBES_MAX 4096

static uint64_t hash_of(const char *p, size_t n)
{
    uint64_t h = n * 0x9e3779b97f4a7c15u, w;
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&w, p, 8);
        h = (h ^ w) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    for (w = 0; n > 0; n--)
        w = w << 8 | (unsigned char)p[n - 1];
    h = (h ^ w) * 0xff51afd7ed558ccdu;
    h = (h ^ h >> 32) * 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 29;
}

/* The slot that holds the name, or the empty one where it belongs. */
static size_t name_slot(const ch_tokenizer *t, const char *name, size_t n, uint64_t hash,
                        size_t *probes)
{
    size_t mask = t->names.cap - 1, i = (size_t)hash & mask;
    uint32_t tag = (uint32_t)(hash >> 57);
    for (*probes = 0; t->names.slots[i] != 0; i = (i + 1) & mask, ++*probes) {
        if (t->names.slots[i] >> 25 != tag)
            continue;
        size_t length;
        const char *other = ch_token_name(t, (ch_token)(t->names.slots[i] & SLOT_ID) - 1, &length);
        if (length == n && memcmp(other, name, n) == 0)
            break;
    }
    return i;
}

ch_token ch_token_find(const ch_tokenizer *t, const char *name, size_t n)
{
    size_t probes, i = name_slot(t, name, n, hash_of(name, n), &probes);
    return (ch_token)(t->names.slots[i] & SLOT_ID) - 1;
}

ch_token ch_encoder_find(const ch_encoder *w, const char *name, size_t n)
{
    const ch_token id = ch_token_find(w->t, name, n);
    return ch_encoder_may(w, id) ? id : -1;
}

/* Of equal names the later id stands; a normal token is not displaced by another kind. */
static int name_put(ch_tokenizer *t, ch_token id, bool displace, ch_err *e)
{
    size_t n, probes;
    const char *name = ch_token_name(t, id, &n);
    uint64_t hash = hash_of(name, n);
    size_t i = name_slot(t, name, n, hash, &probes);
    if (probes > PROBES_MAX)
        return ch_fail(e, CH_ELIMIT, "token %d: more than %d names collide in the vocabulary", id,
                       PROBES_MAX);
    if (t->names.slots[i] == 0 || displace)
        t->names.slots[i] = (uint32_t)(hash >> 57) << 25 | (uint32_t)(id + 1);
    return CH_OK;
}

/* Tokens that end a reply, by name: models' files often name only one of theirs.  Such a token is
 * control whatever its file says, so that text cannot make one. */
static const char *const end_names[] = {
    "<|endoftext|>",
    "<|im_end|>",
    "<|end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<end_of_turn>",
    "<|EOT|>",
    "<|end_of_text|>",
    "<EOT>",
    "<\357\275\234end\342\226\201of\342\226\201sentence\357\275\234>",
};

static void mark_ends(ch_tokenizer *t)
{
    const ch_token known[] = {t->eos, t->eot, t->eom};
    for (size_t i = 0; i < CH_COUNT(known); i++)
        if (known[i] >= 0)
            t->end[known[i]] = true;
    for (ch_token id = 0; id < t->n; id++) {
        size_t n;
        const char *name = ch_token_name(t, id, &n);
        if (n < 5 || name[0] != '<' || name[n - 1] != '>')
            continue;
        for (size_t i = 0; i < CH_COUNT(end_names); i++) {
            if (strlen(end_names[i]) != n || memcmp(end_names[i], name, n) != 0)
                continue;
            t->end[id] = true;
            t->type[id] = CH_TOKEN_CONTROL;
        }
    }
}

int ch_token_index(ch_tokenizer *t, ch_err *e)
{
    mark_ends(t);
    size_t cap = 16;
    while (cap / 2 < (size_t)t->n)
        cap *= 2;
    t->names.slots = calloc(cap, sizeof *t->names.slots);
    if (t->names.slots == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for a vocabulary of %d entries", t->n);
    t->names.cap = cap;
    for (ch_token id = 0; id < t->n; id++)
        if (t->type[id] == CH_TOKEN_NORMAL && name_put(t, id, true, e) < 0)
            return CH_ELIMIT;
    /* Merges of real files name user-defined tokens too; so do lists of words. */
    for (ch_token id = 0; id < t->n && strcmp(t->kind->name, "spm") != 0; id++)
        if ((t->type[id] == CH_TOKEN_USER || t->type[id] == CH_TOKEN_UNUSED) &&
            name_put(t, id, false, e) < 0)
            return CH_ELIMIT;
    return CH_OK;
}

int ch_token_merge(ch_tokenizer *t, ch_str left, ch_str right, size_t at, ch_err *e)
{
    char small[256];
    char *both = small;
    ch_token l = ch_token_find(t, left.p, left.n), r = ch_token_find(t, right.p, right.n);
    if (l < 0 || r < 0) {
        const ch_str *missing = l < 0 ? &left : &right;
        return ch_fail(
            e, CH_EFORMAT,
            "merge %zu is of \"%.*s\" and \"%.*s\"; \"%.*s\" is no token text may become", at,
            CH_MIN((int)left.n, 60), left.p, CH_MIN((int)right.n, 60), right.p,
            CH_MIN((int)missing->n, 60), missing->p);
    }
    if (left.n + right.n > sizeof small && (both = malloc(left.n + right.n)) == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for merge %zu", at);
    memcpy(both, left.p, left.n);
    memcpy(both + left.n, right.p, right.n);
    ch_token id = ch_token_find(t, both, left.n + right.n);
    if (id < 0)
        ch_fail(e, CH_EFORMAT, "merge %zu makes \"%.*s\", which is no token text may become", at,
                CH_MIN((int)(left.n + right.n), 120), both);
    else
        ch_pairs_add(&t->pairs, l, r, id);
    if (both != small)
        free(both);
    return id < 0 ? CH_EFORMAT : CH_OK;
}

int ch_token_finish(ch_tokenizer *t, ch_err *e)
{
    int rc = ch_token_find_added(t, e);
    return rc < 0 ? rc : t->kind->finish(t, e);
}
