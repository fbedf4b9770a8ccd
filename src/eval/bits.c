/* bits.c - bits a byte of a text: what it would take to store it with the model
 *
 *     bits = sum of -log2 p(token | those of its window before it) / bytes of the text
 *
 * Figures of different vocabularies compare, those of languages with care: a script of three bytes
 * a character has more bytes to share its bits.  Windows are those of perplexity (windows.c); an
 * item is a window's new tokens, with the bytes that they are.  SPDX-License-Identifier: MIT */
#include "task.h"
#include "windows.h"

#include <math.h>
#include <stdlib.h>

static int cut(ch_asked *a, ch_windows *w, ch_err *e)
{
    for (int n, first;; a->n_id += (size_t)n, a->n++) {
        if (!ch_array_room(&a->q, &a->cap, a->n + 1, sizeof *a->q) ||
            !ch_array_room(&a->from_id, &a->cap_from, a->n + 1, sizeof *a->from_id) ||
            !ch_array_room(&a->id, &a->cap_id, a->n_id + (size_t)w->window, sizeof *a->id))
            return ch_fail(e, CH_ENOMEM, "no memory for %zu windows", a->n + 1);
        if (!ch_windows_next(w, a->id + a->n_id, &n, &first))
            return CH_OK;
        a->from_id[a->n] = a->n_id;
        a->q[a->n] = (ch_query){.from = first, .n = n, .item = (int)a->n};
    }
}

/* Bytes of the tokens that each query scores; the last one has what is left, so that the sum is
 * the text's size whatever a vocabulary adds or drops. */
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
    ch_windows w;
    ch_asked a = {0};
    ch_mapping text;
    const int context = ch_scorer_context(v->scorer);
    int rc = ch_io_map(&text, v->set->path[0], v->e);
    if (rc < 0)
        return rc;
    rc = ch_windows_open(&w, v->tk, text.size ? (const char *)text.data : "", text.size,
                         v->set->path[0], v->o->window, v->o->stride,
                         CH_MIN((int)CH_WINDOW_USUAL, context), context, v->e);
    ch_io_unmap(&text);
    if (rc < 0)
        return rc;
    rc = cut(&a, &w, v->e);
    if (rc == CH_OK)
        rc = ch_asked_run(&a, v);
    if (rc == CH_OK)
        rc = ch_stats_open(v->stats, a.n, v->set->task->numbers, v->e);
    if (rc == CH_OK)
        rc = count_bytes(v, &a, w.bytes);
    v->stats->window = w.window;
    ch_asked_free(&a);
    ch_windows_close(&w);
    return rc;
}
