/* bpe_train.c - training a byte-level BPE: from texts to a tokenizer
 *
 * Texts are cut with GPT-2's pattern, pieces are counted (bpe_pieces.c), merges are learned from
 * the counts (bpe_learn.c), and the tokenizer is built from them like one that was read.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "alphabet.h"
#include "bpe_learn.h"
#include "vocab.h"

#define PRE       "gpt-2"
#define VOCAB_MAX 65536

struct ch_bpe_trainer {
    ch_bpe_options o; /* specials: copies */
    char **specials;
    ch_cutter *cutter;
    ch_cut_work *work;
    ch_bpe_pieces pieces;
    ch_err *e; /* of the call under way */
};

static int check_special(const ch_bpe_options *o, int i, ch_err *e)
{
    const char *s = o->specials[i];
    size_t n = strlen(s);
    uint32_t cp;
    if (n == 0 || n > CH_ADDED_MAX_BYTES || !ch_utf8_valid(s, n))
        return ch_fail(e, CH_EARG,
                       "special token %d has %zu bytes or is no UTF-8; 1 to %d are allowed", i, n,
                       CH_ADDED_MAX_BYTES);
    if (ch_utf8_read(&cp, s, n) == (int)n && ch_alphabet_byte(cp) >= 0)
        return ch_fail(e, CH_EARG,
                       "special token \"%s\" is the name of a byte; choose a longer one", s);
    for (int k = 0; k < i; k++)
        if (strcmp(o->specials[k], s) == 0)
            return ch_fail(e, CH_EARG, "special token \"%s\" is given twice", s);
    return CH_OK;
}

static int check(const ch_bpe_options *o, ch_err *e)
{
    if (o->n_special < 0 || o->n_special > VOCAB_MAX - 257)
        return ch_fail(e, CH_EARG, "%d special tokens; 0 to %d are allowed", o->n_special,
                       VOCAB_MAX - 257);
    if (o->vocab < 257 + o->n_special || o->vocab > VOCAB_MAX)
        return ch_fail(e, CH_EARG, "a vocabulary of %d entries; %d to %d are allowed", o->vocab,
                       257 + o->n_special, VOCAB_MAX);
    if (o->bos < -1 || o->bos >= o->n_special || o->eos < -1 || o->eos >= o->n_special)
        return ch_fail(e, CH_EARG, "BOS %d and EOS %d must be -1 to %d, indices of special tokens",
                       o->bos, o->eos, o->n_special - 1);
    for (int i = 0; i < o->n_special; i++)
        if (check_special(o, i, e) < 0)
            return CH_EARG;
    return CH_OK;
}

int ch_bpe_trainer_open(ch_bpe_trainer **out, const ch_bpe_options *o, ch_err *e)
{
    *out = NULL;
    int rc = check(o, e);
    if (rc < 0)
        return rc;
    ch_bpe_trainer *t = calloc(1, sizeof *t);
    if (t == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for a trainer");
    t->o = *o;
    t->specials = calloc((size_t)o->n_special + 1, sizeof *t->specials);
    t->o.specials = (const char *const *)t->specials;
    bool copied = t->specials != NULL;
    for (int i = 0; i < o->n_special && copied; i++)
        copied = (t->specials[i] = strdup(o->specials[i])) != NULL;
    rc = copied ? CH_OK : ch_fail(e, CH_ENOMEM, "out of memory for a trainer");
    if (rc == CH_OK &&
        (rc = ch_cutter_open(&t->cutter, ch_pretokenizer_find(PRE, strlen(PRE)), e)) == CH_OK)
        rc = ch_cut_work_open(&t->work, e);
    if (rc < 0)
        ch_bpe_trainer_close(&t);
    *out = t;
    return rc;
}

void ch_bpe_trainer_close(ch_bpe_trainer **t)
{
    if (*t == NULL)
        return;
    for (int i = 0; i < (*t)->o.n_special && (*t)->specials != NULL; i++)
        free((*t)->specials[i]);
    free((*t)->specials);
    ch_cutter_close(&(*t)->cutter);
    ch_cut_work_close(&(*t)->work);
    ch_bpe_pieces_close(&(*t)->pieces);
    free(*t);
    *t = NULL;
}

static int count_piece(void *arg, const char *piece, size_t n, bool valid)
{
    ch_bpe_trainer *t = arg;
    (void)valid;
    return ch_bpe_pieces_add(&t->pieces, piece, n, t->e);
}

int ch_bpe_trainer_add(ch_bpe_trainer *t, const char *text, size_t n, ch_err *e)
{
    t->e = e;
    return ch_cutter_cut(t->cutter, t->work, text, n, true, count_piece, t, e);
}

/* The token in the byte alphabet; *name is grown as needed. */
static int add_word(ch_tokenizer *t, ch_token id, const char *bytes, uint32_t n, ch_buf *name,
                    ch_err *e)
{
    ch_buf_clear(name);
    for (uint32_t i = 0; i < n; i++) {
        char c[4];
        ch_buf_put(name, c, (size_t)ch_utf8_write(c, ch_alphabet_char((unsigned char)bytes[i])));
    }
    int rc = ch_buf_check(name, "a token's name", e);
    if (rc == CH_OK)
        ch_token_add(t, id, name->data, name->size, CH_TOKEN_NORMAL, 0);
    return rc;
}

static int add_words(ch_tokenizer *t, const ch_bpe_learned *l, const ch_bpe_options *o, ch_err *e)
{
    ch_buf name;
    ch_buf_init(&name, INT32_MAX);
    int rc = CH_OK;
    for (int i = 0; i < o->n_special; i++)
        ch_token_add(t, i, o->specials[i], strlen(o->specials[i]), CH_TOKEN_CONTROL, 0);
    for (int i = o->n_special; i < o->vocab && rc == CH_OK; i++) {
        char byte = (char)(i - o->n_special);
        rc = add_word(t, i, l->word[i].p != NULL ? l->word[i].p : &byte, l->word[i].n, &name, e);
    }
    ch_buf_close(&name);
    return rc;
}

static int build(ch_tokenizer **out, const ch_bpe_learned *l, const ch_bpe_options *o, ch_err *e)
{
    size_t bytes = 0;
    for (int i = 0; i < o->n_special; i++)
        bytes += strlen(o->specials[i]);
    for (int i = o->n_special; i < o->vocab; i++)
        bytes += 2 * (size_t)l->word[i].n;
    int rc = ch_token_new(out, ch_token_kind_find("gpt2", 4), (size_t)o->vocab, bytes, e);
    if (rc < 0)
        return rc;
    ch_tokenizer *t = *out;
    t->pre = ch_pretokenizer_find(PRE, strlen(PRE));
    memcpy(t->pre_name, PRE, sizeof PRE);
    t->bos = o->bos;
    t->eos = o->eos;
    t->add_bos = o->bos >= 0;
    if ((rc = add_words(t, l, o, e)) == CH_OK && (rc = ch_token_index(t, e)) == CH_OK)
        rc = ch_pairs_open(&t->pairs, (size_t)o->vocab, e);
    for (int i = o->n_special + 256; i < o->vocab && rc == CH_OK; i++)
        ch_pairs_add(&t->pairs, l->word[i].left, l->word[i].right, i);
    return rc < 0 ? rc : ch_token_finish(t, e);
}

int ch_bpe_trainer_finish(ch_tokenizer **out, ch_bpe_trainer *t, ch_err *e)
{
    ch_bpe_learned l;
    *out = NULL;
    int rc = ch_bpe_learn(&l, &t->pieces, &t->o, e);
    if (rc < 0)
        return rc;
    if (l.words < t->o.vocab)
        rc = ch_fail(e, CH_EARG, "%d entries were asked for, but the text gives only %d",
                     t->o.vocab, l.words);
    else
        rc = build(out, &l, &t->o, e);
    if (rc < 0)
        ch_tokenizer_close(out);
    ch_bpe_learned_close(&l);
    return rc;
}
