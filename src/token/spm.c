/* spm.c - SentencePiece-style byte-pair encoding by score
 *
 * Spaces are written U+2581, and text begins with one (add_space_prefix).  Every character is a
 * symbol to begin with; the pair whose joined text is the token with the best score is merged, the
 * leftmost on ties.  What is no token in the end falls back to its bytes' tokens <0xXX>. When no
 * token reaches over the start of a word (a space after something else), as in every vocabulary
 * trained with SentencePiece's defaults, words cannot influence each other: each is a piece.
 * Source: SentencePiece (Kudo, Richardson 2018), bpe_model.cc.  SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "vocab.h"

/* Smaller for better scores; equal for equal ones. */
static uint32_t order_of(float score)
{
    uint32_t bits;
    score += 0.0f; /* -0 is 0 */
    memcpy(&bits, &score, sizeof bits);
    return bits & 0x80000000u ? bits : ~bits & 0x7fffffffu;
}

int ch_token_spm_finish(ch_tokenizer *t, ch_err *e)
{
    t->order = malloc((size_t)t->n * sizeof *t->order);
    if (t->order == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for %d scores", t->n);
    for (ch_token id = 0; id < t->n; id++) {
        if (isnan(t->score[id]))
            return ch_fail(e, CH_EFORMAT, "the score of token %d is not a number", id);
        t->order[id] = order_of(t->score[id]);
    }
    t->byte_fallback = true;
    int rc = ch_token_find_bytes(t, e);
    return rc < 0 ? rc : ch_token_default_steps(t, e);
}

static bool find_pair(const ch_tokenizer *t, const char *text, const ch_symbol *l,
                      const ch_symbol *r, uint32_t *priority, ch_token *id)
{
    size_t n = (size_t)l->n + r->n;
    if (n > t->longest || (*id = ch_token_find(t, text + l->at, n)) < 0)
        return false;
    *priority = t->order[*id];
    return true;
}

int ch_token_spm_encode(ch_encoder *w, const char *piece, size_t n, bool valid)
{
    const ch_tokenizer *t = w->t;
    size_t count = 0;
    (void)valid;
    int rc = ch_merger_room(&w->merger, n, w->e);
    if (rc < 0 || (rc = ch_tokens_room(w->out, n, w->e)) < 0)
        return rc;
    for (size_t at = 0; at < n; count++) {
        uint32_t cp;
        size_t length = (size_t)CH_MAX(ch_utf8_read(&cp, piece + at, n - at), 1);
        w->merger.symbols[count] = (ch_symbol){.at = (uint32_t)at,
                                               .n = (uint32_t)length,
                                               .id = ch_token_find(t, piece + at, length)};
        at += length;
    }
    rc = ch_merger_run(&w->merger, count, t, piece, find_pair, w->e);
    return rc < 0 ? rc : ch_encoder_emit(w, piece, ch_encoder_fallback);
}

size_t ch_token_spm_piece(char *out, size_t cap, const ch_tokenizer *t, ch_token id, bool first)
{
    size_t n, at = 0, i = 0;
    const char *name = ch_token_name(t, id, &n);
    if (first && t->add_space_prefix && n >= CH_META_BYTES &&
        memcmp(name, CH_META, CH_META_BYTES) == 0)
        i = CH_META_BYTES;
    for (; i < n; at++) {
        bool space = n - i >= CH_META_BYTES && memcmp(name + i, CH_META, CH_META_BYTES) == 0;
        if (at < cap)
            out[at] = space ? ' ' : name[i];
        i += space ? CH_META_BYTES : 1;
    }
    return at;
}
