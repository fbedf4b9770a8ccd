/* spm.c - SentencePiece-style byte-pair encoding by score
 *
 * Spaces are written U+2581, and text begins with one (add_space_prefix).  Every character is a
 * symbol to begin with; the pair whose joined text is the token with the best score is merged, the
 * leftmost on ties.  What is no token in the end falls back to its bytes' tokens <0xXX>. When no
 * token reaches over the start of a word (a space after something else), as in every vocabulary
 * trained with SentencePiece's defaults, words cannot influence each other: they are merged one at
 * a time and remembered. Source: SentencePiece (Kudo, Richardson 2018), bpe_model.cc.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "vocab.h"

#define SPACE       "\xe2\x96\x81"
#define SPACE_BYTES 3

static bool is_space(const char *s, size_t n)
{
    return n >= SPACE_BYTES && memcmp(s, SPACE, SPACE_BYTES) == 0;
}

/* Smaller for better scores; equal for equal ones. */
static uint32_t order_of(float score)
{
    uint32_t bits;
    score += 0.0f; /* -0 is 0 */
    memcpy(&bits, &score, sizeof bits);
    return bits & 0x80000000u ? bits : ~bits & 0x7fffffffu;
}

static bool reaches_over_words(const char *name, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (is_space(name + i, n - i) &&
            !(i >= SPACE_BYTES && is_space(name + i - SPACE_BYTES, SPACE_BYTES)))
            return true;
    return false;
}

int ch_token_spm_finish(ch_tokenizer *t, ch_err *e)
{
    t->order = malloc((size_t)t->n * sizeof *t->order);
    if (t->order == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for %d scores", t->n);
    memset(t->byte, 0xff, sizeof t->byte);
    t->words_apart = true;
    for (ch_token id = 0; id < t->n; id++) {
        size_t n;
        const char *name = ch_token_name(t, id, &n);
        if (isnan(t->score[id]))
            return ch_fail(e, CH_EFORMAT, "the score of token %d is not a number", id);
        t->order[id] = order_of(t->score[id]);
        int byte = t->type[id] == CH_TOKEN_BYTE ? ch_token_byte_name(name, n) : 0;
        if (byte < 0)
            return ch_fail(e, CH_EFORMAT,
                           "byte token %d is named \"%.*s\"; <0x00> to <0xFF> are allowed", id,
                           CH_MIN((int)n, 60), name);
        if (t->type[id] == CH_TOKEN_BYTE)
            t->byte[byte] = id;
        if (t->type[id] == CH_TOKEN_NORMAL && reaches_over_words(name, n))
            t->words_apart = false;
    }
    return CH_OK;
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

static int byte_tokens(ch_encoder *w, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ch_token id = w->t->byte[(unsigned char)bytes[i]];
        if (id < 0) { /* one unknown token stands for the whole character */
            if ((id = ch_token_unknown(w->t)) < 0)
                return ch_fail(w->e, CH_EUNSUPPORTED,
                               "the vocabulary has no token for byte 0x%02X",
                               (unsigned char)bytes[i]);
            n = 0;
        }
        w->out->id[w->out->n++] = id;
    }
    return CH_OK;
}

/* The text with its spaces escaped, one more in front if `prefix`, in w->word. */
static int escape(size_t *size, ch_encoder *w, const char *text, size_t n, bool prefix)
{
    size_t spaces = prefix, at = 0;
    for (size_t i = 0; i < n; i++)
        spaces += text[i] == ' ';
    size_t need = n + SPACE_BYTES * spaces;
    if (need > w->word_cap) {
        char *word = realloc(w->word, CH_MAX(need, 2 * w->word_cap));
        if (word == NULL)
            return ch_fail(w->e, CH_ENOMEM, "out of memory for a word of %zu bytes", need);
        w->word = word;
        w->word_cap = CH_MAX(need, 2 * w->word_cap);
    }
    for (size_t i = 0; i < n + prefix; i++) {
        char c = i < prefix ? ' ' : text[i - prefix];
        if (c == ' ') {
            memcpy(w->word + at, SPACE, SPACE_BYTES);
            at += SPACE_BYTES;
        } else {
            w->word[at++] = c;
        }
    }
    *size = at;
    return CH_OK;
}

static int encode_word(ch_encoder *w, const char *text, size_t n, bool prefix)
{
    const ch_tokenizer *t = w->t;
    size_t size = 0, count = 0;
    int rc = escape(&size, w, text, n, prefix);
    if (rc < 0 || (rc = ch_merger_room(&w->merger, size, w->e)) < 0 ||
        (rc = ch_tokens_room(w->out, size, w->e)) < 0)
        return rc;
    for (size_t at = 0; at < size; count++) {
        uint32_t cp;
        size_t length = (size_t)CH_MAX(ch_utf8_read(&cp, w->word + at, size - at), 1);
        w->merger.symbols[count] = (ch_symbol){.at = (uint32_t)at,
                                               .n = (uint32_t)length,
                                               .id = ch_token_find(t, w->word + at, length)};
        at += length;
    }
    rc = ch_merger_run(&w->merger, count, t, w->word, find_pair, w->e);
    return rc < 0 ? rc : ch_encoder_emit(w, w->word, byte_tokens);
}

/* Where the word that starts at text[0] ends: before the next space that follows something else.
 */
static size_t word_end(const char *text, size_t n)
{
    bool in_word = false;
    for (size_t i = 0; i < n; i++) {
        bool space = text[i] == ' ', escaped = is_space(text + i, n - i);
        if ((space || escaped) && in_word)
            return i;
        in_word = !space && !escaped;
        i += escaped ? SPACE_BYTES - 1 : 0;
    }
    return n;
}

int ch_token_spm_encode(ch_encoder *w, const char *text, size_t n, bool prefix)
{
    prefix = prefix && w->t->add_space_prefix;
    for (size_t at = 0; at < n; prefix = false) {
        const char *word = text + at;
        size_t length = w->t->words_apart ? word_end(word, n - at) : n;
        int done = 0;
        ch_piece_seen *seen = prefix ? NULL : ch_encoder_recall(w, word, length, &done);
        size_t from = w->out->n;
        if (done == 0)
            done = encode_word(w, word, length, prefix);
        if (done < 0)
            return done;
        if (done == 0 && seen != NULL)
            *seen = (ch_piece_seen){.text = word,
                                    .n = (uint32_t)length,
                                    .count = (uint32_t)(w->out->n - from),
                                    .at = from};
        at += length;
    }
    return CH_OK;
}

size_t ch_token_spm_piece(char *out, size_t cap, const ch_tokenizer *t, ch_token id, bool first)
{
    size_t n, at = 0, i = 0;
    const char *name = ch_token_name(t, id, &n);
    if (first && t->add_space_prefix && is_space(name, n))
        i = SPACE_BYTES;
    for (; i < n; at++) {
        bool space = is_space(name + i, n - i);
        if (at < cap)
            out[at] = space ? ' ' : name[i];
        i += space ? SPACE_BYTES : 1;
    }
    return at;
}
