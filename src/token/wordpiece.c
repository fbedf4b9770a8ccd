/* wordpiece.c - BERT's WordPiece: the longest token, again and again
 *
 * A piece is a word.  Its first token is the longest name that begins it, written with U+2581 in
 * front; what is left goes on likewise without it.  A word that does not come out even, or is
 * longer than 100 characters, is one unknown token.  Sources: Schuster, Nakajima 2012; BERT's
 * tokenization.py; Hugging Face tokenizers, models/wordpiece.  SPDX-License-Identifier: MIT */
#include <string.h>

#include "vocab.h"

#define WORD_MAX 100 /* characters */

int ch_token_wordpiece_finish(ch_tokenizer *t, ch_err *e)
{
    t->byte_fallback = false;
    if (t->unknown >= 0) /* older files call it control like the rest; words may become it */
        t->type[t->unknown] = CH_TOKEN_UNKNOWN;
    return ch_token_default_steps(t, e);
}

static bool ends_char(const char *text, size_t n, size_t at)
{
    return at == n || ((unsigned char)text[at] & 0xc0) != 0x80;
}

int ch_token_wordpiece_encode(ch_encoder *w, const char *piece, size_t n, bool valid)
{
    char word[CH_META_BYTES + 4 * WORD_MAX];
    const ch_tokenizer *t = w->t;
    const size_t before = w->out->n, size = n + CH_META_BYTES;
    size_t chars = 0, at = 0;
    (void)valid;
    int rc = ch_tokens_room(w->out, n + 1, w->e);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < n && chars <= WORD_MAX; i++)
        chars += ((unsigned char)piece[i] & 0xc0) != 0x80;
    bool even = chars <= WORD_MAX && n <= 4 * WORD_MAX;
    if (even) {
        memcpy(word, CH_META, CH_META_BYTES);
        memcpy(word + CH_META_BYTES, piece, n);
    }
    while (even && at < size) {
        const size_t least = at == 0 ? CH_META_BYTES : at;
        size_t end = CH_MIN(size, at + t->longest);
        ch_token id = -1;
        for (; end > least && id < 0; end -= id < 0)
            if (ends_char(word, size, end))
                id = ch_encoder_find(w, word + at, end - at);
        even = id >= 0;
        if (even)
            w->out->id[w->out->n++] = id;
        at = end;
    }
    if (even)
        return CH_OK;
    w->out->n = before;
    return ch_encoder_fallback(w, piece, n);
}

/* Words are parted by spaces, but not from the mark that follows. */
static bool clings(const char *name, size_t n)
{
    static const char *const marks[] = {".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re"};
    for (size_t i = 0; i < CH_COUNT(marks); i++)
        if (strlen(marks[i]) == n && memcmp(marks[i], name, n) == 0)
            return true;
    return false;
}

size_t ch_token_wordpiece_piece(char *out, size_t cap, const ch_tokenizer *t, ch_token id,
                                bool first)
{
    size_t n, at = 0;
    const char *name = ch_token_name(t, id, &n);
    if (n >= CH_META_BYTES && memcmp(name, CH_META, CH_META_BYTES) == 0) {
        name += CH_META_BYTES;
        n -= CH_META_BYTES;
        if (!first && !clings(name, n)) {
            if (cap > 0)
                out[0] = ' ';
            at = 1;
        }
    }
    for (size_t i = 0; i < n; i++, at++)
        if (at < cap)
            out[at] = name[i];
    return at;
}
