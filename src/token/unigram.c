/* unigram.c - SentencePiece's unigram model: the cutting with the best sum of scores
 *
 *   best(0) = 0,   best(j) = max over tokens w = text[i..j) of best(i) + score(w)
 *
 * going by characters; a character that is no token itself may also be unknown, at the worst score
 * less ten.  User-defined tokens score 0.  Of equal sums the one found first stands, so the earlier
 * start.  Unknown characters in a row are one unknown token, or their bytes' tokens.  Sums are
 * doubles.  The names are sorted; a start narrows the range that agrees with the text byte by byte:
 * O(n longest log V).  Sources: Kudo 2018; SentencePiece, unigram_model.cc (EncodeOptimized);
 * Hugging Face tokenizers, models/unigram.  SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "vocab.h"

#define UNKNOWN_PENALTY 10.0

typedef struct step {
    double sum;
    uint32_t from;
    ch_token id; /* -1: unknown */
} step;

static bool may_be_made(const ch_tokenizer *t, ch_token id)
{
    return t->type[id] == CH_TOKEN_NORMAL || t->type[id] == CH_TOKEN_USER ||
           t->type[id] == CH_TOKEN_UNUSED;
}

int ch_token_unigram_finish(ch_tokenizer *t, ch_err *e)
{
    ch_added_entry *all = malloc((size_t)t->n * sizeof *all);
    size_t k = 0;
    double worst = HUGE_VAL;
    if (all == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for %d names", t->n);
    int rc = CH_OK;
    for (ch_token id = 0; id < t->n && rc == CH_OK; id++) {
        ch_added_entry x = {.id = id};
        x.name = ch_token_name(t, id, &x.n);
        if (!isfinite(t->score[id]))
            rc = ch_fail(e, CH_EFORMAT, "the score of token %d is no finite number", id);
        if (x.n > CH_ADDED_MAX_BYTES)
            rc = ch_fail(e, CH_ELIMIT, "token %d has %zu bytes; %d are allowed", id, x.n,
                         CH_ADDED_MAX_BYTES);
        if (t->type[id] == CH_TOKEN_NORMAL)
            worst = CH_MIN(worst, (double)t->score[id]);
        if (x.n > 0 && may_be_made(t, id))
            all[k++] = x;
    }
    t->unknown_score = (isinf(worst) ? 0 : worst) - UNKNOWN_PENALTY;
    t->fuse_unknown = true;
    if (rc == CH_OK)
        rc = ch_added_open(&t->pieces, all, k, t->type, e);
    free(all);
    if (rc == CH_OK)
        rc = ch_token_find_bytes(t, e);
    t->byte_fallback = t->all_bytes;
    return rc < 0 ? rc : ch_token_default_steps(t, e);
}

static void offer(step *to, double sum, size_t from, ch_token id)
{
    if (sum > to->sum)
        *to = (step){sum, (uint32_t)from, id};
}

/* All tokens that start at text[at], whose first character has `size` bytes. */
static void extend(step *best, const ch_encoder *w, const char *text, size_t n, size_t at,
                   size_t size)
{
    const ch_tokenizer *t = w->t;
    const ch_added_set *s = &t->pieces;
    const unsigned char first = (unsigned char)text[at];
    int lo = s->from[first], hi = s->from[first + 1];
    bool single = false;
    for (size_t depth = 1; lo < hi; depth++) {
        ch_token id = -1;
        for (; lo < hi && s->entry[lo].n == depth; lo++)
            id = ch_encoder_may(w, s->entry[lo].id) ? s->entry[lo].id : id;
        if (id >= 0) {
            const double score = t->type[id] == CH_TOKEN_USER ? 0 : (double)t->score[id];
            offer(&best[at + depth], best[at].sum + score, at, id);
            single = single || depth == size;
        }
        if (at + depth == n)
            break;
        ch_added_narrow(s, &lo, &hi, depth, (unsigned char)text[at + depth]);
    }
    if (!single)
        offer(&best[at + size], best[at].sum + t->unknown_score, at, -1);
}

int ch_token_unigram_encode(ch_encoder *w, const char *piece, size_t n, bool valid)
{
    (void)valid;
    if (!ch_array_room(&w->best, &w->best_cap, n + 1, sizeof(step)))
        return ch_fail(w->e, CH_ENOMEM, "out of memory for a piece of %zu bytes", n);
    int rc = ch_tokens_room(w->out, n, w->e);
    if (rc < 0)
        return rc;
    step *best = w->best;
    for (size_t i = 0; i <= n; i++)
        best[i] = (step){-HUGE_VAL, 0, -1};
    best[0].sum = 0;
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        const size_t size = (size_t)CH_MAX(ch_utf8_read(&cp, piece + at, n - at), 1);
        extend(best, w, piece, n, at, size);
        at += size;
    }
    /* The way back, turned around: a step's `from` becomes where the next token ends. */
    for (size_t at = n, from = best[n].from; at > 0;) {
        const size_t before = best[from].from;
        best[from].from = (uint32_t)at;
        at = from;
        from = before;
    }
    for (size_t at = 0; at < n && rc == CH_OK;) {
        const size_t end = best[at].from;
        if (best[end].id >= 0)
            w->out->id[w->out->n++] = best[end].id;
        else
            rc = ch_encoder_fallback(w, piece + at, end - at);
        at = end;
    }
    return rc;
}
