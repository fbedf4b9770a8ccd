/* bpe.c - byte-level byte-pair encoding
 *
 * Every byte is a symbol to begin with; within a piece (pretokenize.h) the pair with the lowest
 * rank is merged first. Names are written in GPT-2's byte alphabet (alphabet.h).  Some
 * vocabularies first ask whether a whole piece is a token ("ignore_merges").  Text that is no
 * UTF-8 goes through the byte tokens; where a vocabulary has none for a byte (some keep only those
 * of valid text) it becomes U+FFFD. Sources: Sennrich et al. 2016; GPT-2's encoder.py; Hugging
 * Face tokenizers, models/bpe. SPDX-License-Identifier: MIT */
#include <string.h>

#include "alphabet.h"
#include "vocab.h"

#define WHOLE_MAX 256 /* longest piece that is looked up whole, in bytes */

int ch_token_bpe_finish(ch_tokenizer *t, ch_err *e)
{
    t->all_bytes = true;
    t->byte_fallback = false; /* its bytes are ordinary tokens */
    for (int b = 0; b < 256; b++) {
        char name[4];
        int n = ch_utf8_write(name, ch_alphabet_char((unsigned char)b));
        ch_token id = ch_token_find(t, name, (size_t)n);
        t->byte[b] = id >= 0 && t->type[id] == CH_TOKEN_NORMAL ? id : -1;
        t->all_bytes = t->all_bytes && t->byte[b] >= 0;
    }
    return t->cutter != NULL ? CH_OK : ch_cutter_open(&t->cutter, t->pre, e);
}

static bool find_pair(const ch_tokenizer *t, const char *text, const ch_symbol *l,
                      const ch_symbol *r, uint32_t *priority, ch_token *id)
{
    (void)text;
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

static ch_token find_whole(const ch_encoder *w, const char *piece, size_t n)
{
    char name[2 * WHOLE_MAX];
    size_t at = 0;
    if (n > WHOLE_MAX)
        return -1;
    for (size_t i = 0; i < n; i++) {
        char c[4];
        int length = ch_utf8_write(c, ch_alphabet_char((unsigned char)piece[i]));
        memcpy(name + at, c, (size_t)length);
        at += (size_t)length;
    }
    return ch_encoder_find(w, name, at);
}

static int merge_piece(ch_encoder *w, const char *piece, size_t n)
{
    const ch_tokenizer *t = w->t;
    ch_token whole = t->whole_first ? find_whole(w, piece, n)
                     : n == 1            ? t->byte[(unsigned char)*piece]
                                         : -1;
    if (whole >= 0) {
        w->out->id[w->out->n++] = whole;
        return CH_OK;
    }
    if (ch_merger_room(&w->merger, n, w->e) < 0)
        return CH_ENOMEM;
    for (size_t i = 0; i < n; i++)
        w->merger.symbols[i] =
            (ch_symbol){.at = (uint32_t)i, .n = 1, .id = t->byte[(unsigned char)piece[i]]};
    int rc = ch_merger_run(&w->merger, n, t, piece, w->spans ? find_plain_pair : find_pair, w->e);
    return rc < 0 ? rc : ch_encoder_emit(w, piece, ch_encoder_fallback);
}

int ch_token_bpe_encode(ch_encoder *w, const char *piece, size_t n, bool valid)
{
    int rc = CH_OK;
    if (!valid && !w->t->all_bytes) {
        static const char replacement[] = "\xef\xbf\xbd";
        for (size_t i = 0; i < n && rc == CH_OK; i++) {
            bool known = w->t->byte[(unsigned char)piece[i]] >= 0;
            rc = ch_token_bpe_encode(w, known ? piece + i : replacement, known ? 1 : 3, true);
        }
        return rc;
    }
    return (rc = ch_tokens_room(w->out, n, w->e)) < 0 ? rc : merge_piece(w, piece, n);
}

size_t ch_token_bpe_piece(char *out, size_t cap, const ch_tokenizer *t, ch_token id, bool first)
{
    (void)first;
    size_t n, at = 0;
    const char *name = ch_token_name(t, id, &n);
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        int length = ch_utf8_read(&cp, name + i, n - i),
            byte = length > 0 ? ch_alphabet_byte(cp) : -1;
        if (byte >= 0) {
            if (at < cap)
                out[at] = (char)byte;
            at++;
            i += (size_t)length;
        } else { /* not of the alphabet: as it stands */
            for (size_t end = i + (size_t)CH_MAX(length, 1); i < end; i++, at++)
                if (at < cap)
                    out[at] = name[i];
        }
    }
    return at;
}
