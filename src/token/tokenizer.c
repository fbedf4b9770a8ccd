/* tokenizer.c - text to ids and back: what all algorithms share
 *
 * Added tokens are cut out first; the text between them is normalized, cut into pieces, and a piece
 * at a time goes to the algorithm.  In a long text most pieces come again and again, so one call
 * remembers short ones with their ids (direct-mapped, keyed by the piece's bytes).
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "vocab.h"

#ifdef CH_HOSTILE
#define SEEN_MIN  2 /* pieces remembered, powers of two */
#define SEEN_MAX  4
#define SEEN_FROM 8 /* bytes of text below which it does not pay */
#else
#define SEEN_MIN  256
#define SEEN_MAX  16384
#define SEEN_FROM 1024
#endif

void ch_tokens_free(ch_tokens *t)
{
    free(t->id);
    *t = (ch_tokens){0};
}

int ch_tokens_room(ch_tokens *t, size_t more, ch_err *e)
{
    if (more <= t->cap - t->n)
        return CH_OK;
    size_t cap = CH_MAX(t->n + more, t->cap + t->cap / 2);
    ch_token *id = cap >= more ? realloc(t->id, ch_size_mul(CH_MAX(cap, 64), sizeof *id)) : NULL;
    if (id == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for %zu tokens", cap);
    t->id = id;
    t->cap = CH_MAX(cap, 64);
    return CH_OK;
}

/* ---- Encoding ---- */

static uint32_t piece_hash(const char *p, size_t n)
{
    uint64_t h = n, w;
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&w, p, 8);
        h = (h ^ w) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    for (w = 0; n > 0; n--)
        w = w << 8 | (unsigned char)p[n - 1];
    h = (h ^ w) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 32);
}

static int encode_piece(void *arg, const char *piece, size_t n, bool valid)
{
    ch_encoder *w = arg;
    ch_piece_seen *s = NULL;
    if (w->seen != NULL && n <= CH_SEEN_BYTES && valid) {
        s = &w->seen[piece_hash(piece, n) & w->seen_mask];
        if (s->n == n && memcmp(s->text, piece, n) == 0) {
            if (w->out->cap - w->out->n < CH_SEEN_IDS &&
                ch_tokens_room(w->out, CH_SEEN_IDS, w->e) < 0)
                return CH_ENOMEM;
            memcpy(w->out->id + w->out->n, s->id, sizeof s->id);
            w->out->n += s->count;
            return CH_OK;
        }
    }
    const size_t at = w->piece_at = w->out->n;
    int rc = w->t->kind->encode(w, piece, n, valid);
    const size_t count = w->out->n - at;
    if (rc == CH_OK && s != NULL && count <= CH_SEEN_IDS) {
        memcpy(s->text, piece, n);
        if (count > 0)
            memcpy(s->id, w->out->id + at, count * sizeof *s->id);
        s->n = (uint8_t)n;
        s->count = (uint8_t)count;
    }
    return rc;
}

int ch_encoder_emit(ch_encoder *w, const char *piece,
                    int (*fallback)(ch_encoder *w, const char *bytes, size_t n))
{
    const ch_symbol *s = w->merger.symbols;
    for (int32_t i = 0; i >= 0; i = s[i].next) {
        int rc = CH_OK;
        if (s[i].id >= 0)
            w->out->id[w->out->n++] = s[i].id;
        else
            rc = fallback(w, piece + s[i].at, s[i].n);
        if (rc < 0)
            return rc;
    }
    return CH_OK;
}

ch_token ch_token_unknown(const ch_tokenizer *t)
{
    return t->unknown >= 0 && t->type[t->unknown] == CH_TOKEN_UNKNOWN ? t->unknown : -1;
}

int ch_encoder_fallback(ch_encoder *w, const char *bytes, size_t n)
{
    const ch_tokenizer *t = w->t;
    bool all = t->byte_fallback;
    for (size_t i = 0; i < n && all; i++)
        all = t->byte[(unsigned char)bytes[i]] >= 0;
    if (all) {
        for (size_t i = 0; i < n; i++)
            w->out->id[w->out->n++] = t->byte[(unsigned char)bytes[i]];
        return CH_OK;
    }
    const ch_token unknown = ch_token_unknown(t);
    if (unknown < 0)
        return ch_fail(w->e, CH_EUNSUPPORTED, "the vocabulary has no token for byte 0x%02X",
                       (unsigned char)*bytes);
    if (!t->fuse_unknown || w->out->n == w->piece_at || w->out->id[w->out->n - 1] != unknown)
        w->out->id[w->out->n++] = unknown;
    return CH_OK;
}

static int encode_text(ch_encoder *w, const char *text, size_t n, bool first)
{
    int rc = w->cut != NULL ? CH_OK : ch_cut_work_open(&w->cut, w->e);
    return rc < 0 ? rc
                  : ch_cutter_cut(w->t->cutter, w->cut, text, n, first, encode_piece, w, w->e);
}

/* Text between the added tokens of a set: through `next`.  Normalizing may move every byte: then
 * text is as trusted as all of it was. */
static int encode_between(ch_encoder *w, int set, const char *text, size_t n, bool first,
                          ch_trust *trust)
{
    const ch_tokenizer *t = w->t;
    for (size_t at = 0, end, length; at < n; at = end + length) {
        ch_trust before = *trust;
        const ch_token id = ch_token_next_added(&end, &length, t, set, text, n, at, trust);
        int rc = CH_OK;
        if (end > at && set == 0 && t->norm != NULL) {
            const char *made;
            size_t n_made;
            rc = ch_normalizer_run(&made, &n_made, t->norm, &w->norm, text + at, end - at, w->e);
            const ch_token_span all = {n_made, ch_trust_at(&before, at) < end - at};
            ch_trust inner = {.span = &all, .n = 1, .spans = trust->spans};
            if (rc == CH_OK)
                rc = encode_between(w, 1, made, n_made, first && at == 0, &inner);
        } else if (end > at) {
            rc = encode_text(w, text + at, end - at, first && at == 0);
        }
        if (rc == CH_OK && id >= 0 && (rc = ch_tokens_room(w->out, 1, w->e)) == CH_OK)
            w->out->id[w->out->n++] = id;
        if (rc < 0)
            return rc;
    }
    return CH_OK;
}

static int encode(ch_tokens *out, const ch_tokenizer *t, const char *text, size_t n, bool bos,
                  ch_trust trust, ch_err *e)
{
    if (n > CH_TEXT_MAX)
        return ch_fail(e, CH_ELIMIT, "a text of %zu bytes to encode; %d are allowed at once", n,
                       CH_TEXT_MAX);
    ch_encoder w = {.t = t, .out = out, .spans = trust.spans, .e = e};
    size_t before = out->n, slots = SEEN_MIN;
    while (slots < SEEN_MAX && slots < n / 8)
        slots *= 2;
    if (n >= SEEN_FROM &&
        (w.seen = aligned_alloc(sizeof *w.seen, slots * sizeof *w.seen)) != NULL) {
        memset(w.seen, 0, slots * sizeof *w.seen); /* without it, only slower */
        w.seen_mask = slots - 1;
    }
    ch_norm_work_init(&w.norm);
    int rc = ch_tokens_room(out, n / 4 + 2, e);
    if (rc == CH_OK && bos && ch_tokenizer_adds_bos(t))
        out->id[out->n++] = t->bos;
    if (rc == CH_OK)
        rc = encode_between(&w, 0, text, n, true, &trust);
    if (rc < 0)
        out->n = before;
    ch_merger_close(&w.merger);
    ch_cut_work_close(&w.cut);
    ch_norm_work_close(&w.norm);
    free(w.best);
    free(w.seen);
    return rc;
}

int ch_tokenizer_encode(ch_tokens *out, const ch_tokenizer *t, const char *text, size_t n,
                        int flags, ch_err *e)
{
    const ch_token_span all = {n, !(flags & CH_ENCODE_SPECIAL)};
    return encode(out, t, text, n, flags & CH_ENCODE_BOS, (ch_trust){.span = &all, .n = 1}, e);
}

int ch_tokenizer_encode_spans(ch_tokens *out, const ch_tokenizer *t, const char *text,
                              const ch_token_span *span, size_t n_spans, ch_err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < n_spans; i++)
        n += span[i].n;
    const ch_trust trust = {.span = span, .n = n_spans, .spans = true};
    return encode(out, t, text, n, false, trust, e);
}

/* ---- Asking ---- */

static bool is_id(const ch_tokenizer *t, ch_token id)
{
    return id >= 0 && id < t->n;
}

int ch_tokenizer_size(const ch_tokenizer *t)
{
    return t->n;
}

ch_token ch_tokenizer_bos(const ch_tokenizer *t)
{
    return t->bos;
}

ch_token ch_tokenizer_eos(const ch_tokenizer *t)
{
    return t->eos;
}

bool ch_tokenizer_adds_bos(const ch_tokenizer *t)
{
    return t->add_bos && t->bos >= 0;
}

bool ch_tokenizer_is_end(const ch_tokenizer *t, ch_token id)
{
    return is_id(t, id) && t->end[id];
}

bool ch_tokenizer_ends_text(const ch_tokenizer *t, ch_token id)
{
    return ch_tokenizer_is_end(t, id) || (id >= 0 && id == t->bos);
}

int ch_tokenizer_endings(ch_tokens *out, const ch_tokenizer *t, int vocab, ch_err *e)
{
    int rc = CH_OK;
    for (ch_token id = 0; id < vocab && rc == CH_OK; id++)
        if (ch_tokenizer_ends_text(t, id) && (rc = ch_tokens_room(out, 1, e)) == CH_OK)
            out->id[out->n++] = id;
    return rc;
}

bool ch_tokenizer_is_control(const ch_tokenizer *t, ch_token id)
{
    return is_id(t, id) && t->type[id] == CH_TOKEN_CONTROL;
}

const char *ch_tokenizer_name(const ch_tokenizer *t, ch_token id, size_t *n)
{
    *n = 0;
    return is_id(t, id) ? ch_token_name(t, id, n) : "";
}

/* Text starts anew after these, so that the space that encoding put in front is taken away again.
 */
static bool starts_text(const ch_tokenizer *t, ch_token previous)
{
    return !is_id(t, previous) || t->type[previous] == CH_TOKEN_CONTROL ||
           t->type[previous] == CH_TOKEN_USER || t->type[previous] == CH_TOKEN_UNKNOWN;
}

int ch_tokenizer_piece(char *out, size_t cap, const ch_tokenizer *t, ch_token previous,
                       ch_token id)
{
    size_t n = 0, room = cap > 0 ? cap - 1 : 0;
    const char *fixed = NULL;
    char byte;
    int type = is_id(t, id) ? t->type[id] : CH_TOKEN_CONTROL;
    if (type == CH_TOKEN_USER) {
        fixed = ch_token_name(t, id, &n);
    } else if (type == CH_TOKEN_UNKNOWN) {
        fixed = "\xef\xbf\xbd";
        n = 3;
    } else if (type == CH_TOKEN_BYTE) {
        const char *name = ch_token_name(t, id, &n);
        byte = (char)ch_token_byte_name(name, n);
        fixed = &byte;
        n = 1;
    } else if (type != CH_TOKEN_CONTROL) {
        n = t->kind->piece(out, room, t, id, starts_text(t, previous));
    }
    if (fixed != NULL && n <= room)
        memcpy(out, fixed, n);
    if (n + 1 > cap)
        return -(int)(n + 1);
    out[n] = 0;
    return (int)n;
}

bool ch_tokenizer_append(ch_buf *b, const ch_tokenizer *t, ch_token previous, ch_token id)
{
    char piece[256];
    const int n = ch_tokenizer_piece(piece, sizeof piece, t, previous, id);
    if (n >= 0)
        return ch_buf_put(b, piece, (size_t)n);
    char *room = ch_buf_room(b, (size_t)-n);
    if (!room)
        return false;
    ch_tokenizer_piece(room, (size_t)-n, t, previous, id);
    b->size--; /* the terminating zero is not text */
    return true;
}

const char *ch_tokenizer_template(const ch_tokenizer *t)
{
    return t->template;
}

const char *ch_tokenizer_tool_template(const ch_tokenizer *t)
{
    return t->tool_template != NULL ? t->tool_template : t->template;
}
