/* chars.c - byte-pair encoding over characters, by a list of merges
 *
 * What Hugging Face makes of SentencePiece's BPE: spaces are written U+2581 by a normalizer, every
 * character is a symbol, and merges go by rank.  A character that is no token becomes its bytes'
 * tokens <0xXX>, or the unknown token.  Source: Hugging Face tokenizers, models/bpe.
 * SPDX-License-Identifier: MIT */
#include "vocab.h"

int ch_token_chars_finish(ch_tokenizer *t, ch_err *e)
{
    int rc = ch_token_find_bytes(t, e);
    t->byte_fallback = t->all_bytes;
    return rc < 0 ? rc : ch_token_default_steps(t, e);
}

static bool find_pair(const ch_tokenizer *t, const char *text, const ch_symbol *l,
                      const ch_symbol *r, uint32_t *priority, ch_token *id)
{
    (void)text;
    if (l->id < 0 || r->id < 0)
        return false;
    const ch_pair *p = ch_pairs_find(&t->pairs, l->id, r->id);
    if (p == NULL)
        return false;
    *priority = p->rank;
    *id = p->id;
    return true;
}

/* What merges make where origins are told apart. */
static bool find_plain_pair(const ch_tokenizer *t, const char *text, const ch_symbol *l,
                            const ch_symbol *r, uint32_t *priority, ch_token *id)
{
    return find_pair(t, text, l, r, priority, id) && !ch_token_is_markup(t, *id);
}

int ch_token_chars_encode(ch_encoder *w, const char *piece, size_t n, bool valid)
{
    const ch_tokenizer *t = w->t;
    size_t count = 0;
    (void)valid;
    int rc = ch_merger_room(&w->merger, n, w->e);
    if (rc < 0 || (rc = ch_tokens_room(w->out, n, w->e)) < 0)
        return rc;
    const ch_token whole = t->whole_first ? ch_encoder_find(w, piece, n) : -1;
    if (whole >= 0) {
        w->out->id[w->out->n++] = whole;
        return CH_OK;
    }
    for (size_t at = 0; at < n; count++) {
        uint32_t cp;
        size_t length = (size_t)CH_MAX(ch_utf8_read(&cp, piece + at, n - at), 1);
        w->merger.symbols[count] = (ch_symbol){.at = (uint32_t)at,
                                               .n = (uint32_t)length,
                                               .id = ch_token_find(t, piece + at, length)};
        at += length;
    }
    rc = ch_merger_run(&w->merger, count, t, piece, w->spans ? find_plain_pair : find_pair, w->e);
    return rc < 0 ? rc : ch_encoder_emit(w, piece, ch_encoder_fallback);
}
