/* bits.c - bits a byte of a text: what it would take to store it with the model
 *
 *     bits = sum of -log2 p(token | those of its window before it) / bytes of the text
 *
 * Figures of different vocabularies compare, those of languages with care: a script of three bytes
 * a character has more bytes to share its bits.  Windows are those of perplexity.c; an item is a
 * window's new tokens, with the bytes that they are.  SPDX-License-Identifier: MIT */
#include "task.h"

#include <math.h>
#include <stdlib.h>

/* The text as tokens, `head` of them to begin each window with. */
struct windows {
    ch_tokens ids;
    int head, window, stride;
    size_t bytes;
};

static int set_windows(struct windows *w, const ch_evaluation *v)
{
    const ch_eval_options *o = v->o;
    const int context = ch_scorer_context(v->scorer);
    w->window = CH_MIN(o->window ? o->window : 512, context);
    w->stride = o->stride ? o->stride : CH_MAX(1, (w->window - w->head) / 2);
    if (w->window < 2 || w->stride < 1 || w->stride > w->window - 1)
        return ch_fail(v->e, CH_EARG, "windows of %d tokens that advance by %d are not possible",
                       w->window, w->stride);
    if (w->ids.n < 2)
        return ch_fail(v->e, CH_EARG, "%s: the text has %zu tokens; at least 2 are needed to score "
                                      "one", v->set->path[0], w->ids.n);
    return CH_OK;
}

static int add_window(ch_asked *a, const struct windows *w, int64_t start, int take, int first,
                      ch_err *e)
{
    const size_t n = (size_t)(w->head + take);
    if (!ch_array_room(&a->q, &a->cap, a->n + 1, sizeof *a->q) ||
        !ch_array_room(&a->from_id, &a->cap_from, a->n + 1, sizeof *a->from_id) ||
        !ch_array_room(&a->id, &a->cap_id, a->n_id + n, sizeof *a->id))
        return ch_fail(e, CH_ENOMEM, "no memory for %zu windows", a->n + 1);
    a->from_id[a->n] = a->n_id;
    a->q[a->n] = (ch_query){.from = CH_MAX(first, 1), .n = (int)n, .item = (int)a->n};
    a->n++;
    if (w->head)
        a->id[a->n_id++] = w->ids.id[0];
    for (int i = 0; i < take; i++)
        a->id[a->n_id++] = w->ids.id[w->head + start + i];
    return CH_OK;
}

static int cut(ch_asked *a, const struct windows *w, ch_err *e)
{
    const int64_t n = (int64_t)w->ids.n - w->head;
    int rc = CH_OK;
    for (int64_t start = 0, scored = 0; scored < n && rc == CH_OK; start += w->stride) {
        const int take = (int)CH_MIN(n - start, (int64_t)(w->window - w->head));
        rc = add_window(a, w, start, take, w->head + (int)(scored - start), e);
        scored = start + take;
    }
    return rc;
}

/* Bytes of the tokens that each query scores; the last one has what is left, so that the sum is
 * the file's size whatever a vocabulary adds or drops. */
static int count_bytes(ch_evaluation *v, const ch_asked *a, size_t bytes)
{
    ch_buf b;
    ch_buf_init(&b, (size_t)1 << 28);
    double sum = 0;
    int rc = CH_OK;
    for (size_t i = 0; i < a->n && rc == CH_OK; i++) {
        const ch_query *q = &a->q[i];
        ch_buf_clear(&b);
        for (int k = q->from; k < q->n; k++)
            ch_tokenizer_append(&b, v->tk, q->id[k - 1], q->id[k]);
        rc = ch_buf_check(&b, v->set->path[0], v->e);
        double *row = ch_stats_row(v->stats, i);
        row[0] = -q->log_p;
        row[1] = i + 1 < a->n ? (double)b.size : fmax(0, (double)bytes - sum);
        sum += row[1];
    }
    ch_buf_close(&b);
    return rc;
}

int ch_task_bits_per_byte(ch_evaluation *v)
{
    struct windows w = {0};
    ch_asked a = {0};
    ch_mapping text;
    int rc = ch_io_map(&text, v->set->path[0], v->e);
    if (rc < 0)
        return rc;
    rc = ch_tokenizer_encode(&w.ids, v->tk, text.size ? (const char *)text.data : "", text.size,
                             CH_ENCODE_BOS, v->e);
    w.head = w.ids.n > 0 && ch_tokenizer_adds_bos(v->tk) &&
             w.ids.id[0] == ch_tokenizer_bos(v->tk);
    w.bytes = text.size;
    ch_io_unmap(&text);
    if (rc == CH_OK)
        rc = set_windows(&w, v);
    if (rc == CH_OK)
        rc = cut(&a, &w, v->e);
    if (rc == CH_OK)
        rc = ch_asked_run(&a, v);
    if (rc == CH_OK)
        rc = ch_stats_open(v->stats, a.n, v->set->task->numbers, v->e);
    if (rc == CH_OK)
        rc = count_bytes(v, &a, w.bytes);
    ch_asked_free(&a);
    ch_tokens_free(&w.ids);
    return rc;
}
