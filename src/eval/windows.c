/* windows.c - see windows.h
 *
 * Each window begins with BOS where the model has one.  Windows advance by `stride` tokens and
 * score only what no window before them has scored, so every token is scored once, with at least
 * window - stride tokens before it from the second window on (the sliding evaluation of Baevski &
 * Auli 2019).  Without BOS a text's first token has nothing before it: neither it nor its bytes
 * count.  SPDX-License-Identifier: MIT */
#include "windows.h"

#include <string.h>

static int check(const ch_windows *w, const char *name, int most, ch_err *e)
{
    if (w->ids.n < 2)
        return ch_fail(e, CH_EARG, "%s has %zu tokens; at least 2 are needed to score one", name,
                       w->ids.n);
    if (w->window < 2 || w->window > most)
        return ch_fail(e, CH_EARG, "a window of %d tokens was asked for; allowed are 2 to %d",
                       w->window, most);
    /* Without BOS the first token of a window cannot be scored: windows overlap by one then. */
    if (w->stride < 1 || w->stride > w->window - 1)
        return ch_fail(e, CH_EARG, "a stride of %d tokens was asked for; allowed are 1 to %d",
                       w->stride, w->window - 1);
    return CH_OK;
}

/* Bytes of the text without its first token. */
static int count_bytes(ch_windows *w, const ch_tokenizer *tk, size_t n, ch_err *e)
{
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    ch_tokenizer_append(&b, tk, -1, w->ids.id[0]);
    const int rc = ch_buf_check(&b, "a token", e);
    w->bytes = n - CH_MIN(b.size, n);
    ch_buf_close(&b);
    return rc;
}

int ch_windows_open(ch_windows *w, const ch_tokenizer *tk, const char *text, size_t n,
                    const char *name, int window, int stride, int usual, int most, ch_err *e)
{
    *w = (ch_windows){.bytes = n, .window = window ? window : usual};
    int rc = ch_tokenizer_encode(&w->ids, tk, text, n, CH_ENCODE_BOS, e);
    w->head = w->ids.n > 0 && ch_tokenizer_adds_bos(tk) && w->ids.id[0] == ch_tokenizer_bos(tk);
    w->stride = stride ? stride : CH_MAX(1, (w->window - w->head) / 2);
    if (rc == CH_OK)
        rc = check(w, name, most, e);
    if (rc == CH_OK && !w->head)
        rc = count_bytes(w, tk, n, e);
    if (rc < 0)
        ch_windows_close(w);
    return rc;
}

void ch_windows_close(ch_windows *w)
{
    ch_tokens_free(&w->ids);
    *w = (ch_windows){0};
}

bool ch_windows_next(ch_windows *w, ch_token *to, int *n, int *first)
{
    const int64_t all = (int64_t)w->ids.n - w->head;
    if (w->scored >= all)
        return false;
    const int take = (int)CH_MIN(all - w->start, (int64_t)(w->window - w->head));
    if (w->head)
        to[0] = w->ids.id[0];
    memcpy(to + w->head, w->ids.id + w->head + w->start, (size_t)take * sizeof *to);
    *n = w->head + take;
    *first = CH_MAX(1, w->head + (int)(w->scored - w->start));
    w->scored = w->start + take;
    w->start += w->stride;
    return true;
}
