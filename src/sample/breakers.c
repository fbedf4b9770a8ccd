/* breakers.c - which tokens end what repeats: those that hold a text
 *
 * SPDX-License-Identifier: MIT */
#include "token.h"

#include "sample.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    const ch_token x = *(const ch_token *)a, y = *(const ch_token *)b;
    return (x > y) - (x < y);
}

static void sort_once_each(ch_tokens *t)
{
    size_t n = 0;
    if (t->n > 1)
        qsort(t->id, t->n, sizeof *t->id, compare);
    for (size_t i = 0; i < t->n; i++)
        if (n == 0 || t->id[n - 1] != t->id[i])
            t->id[n++] = t->id[i];
    t->n = n;
}

int ch_sampling_breakers(ch_tokens *out, const ch_tokenizer *t, const char *text, ch_err *e)
{
    const size_t length = strlen(text), before = out->n;
    ch_buf piece;
    ch_buf_init(&piece, (size_t)1 << 20);
    bool room = true;
    for (ch_token id = 0; id < ch_tokenizer_size(t) && room && length > 0; id++) {
        ch_buf_clear(&piece);
        ch_tokenizer_append(&piece, t, id, id); /* at its beginning a text may lose a space */
        if (!piece.data || !memmem(piece.data, piece.size, text, length))
            continue;
        room = ch_array_room(&out->id, &out->cap, out->n + 1, sizeof *out->id);
        if (room)
            out->id[out->n++] = id;
    }
    ch_buf_close(&piece);
    if (!room)
        return ch_fail(e, CH_ENOMEM, "no memory for the tokens that hold \"%.40s\"", text);
    if (out->n == before)
        return ch_fail(e, CH_EARG, "no token of the vocabulary holds \"%.40s\"", text);
    sort_once_each(out);
    return CH_OK;
}
