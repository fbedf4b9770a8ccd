/* imatrix.c - importance measured over a text (imatrix.h)
 *
 * Cost: a pass over the text, and beside each product T K N an addition for each of its T K inputs.
 * SPDX-License-Identifier: MIT */
#include "imatrix.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "windows.h"

typedef struct seen {
    const ch_weight *w; /* NULL: not looked at */
    double *sum;        /* (K) */
    uint64_t rows;
} seen;

typedef struct measuring {
    ch_model *m;
    bool head;
    seen *at; /* by the number of a weight */
    int n;
    double *sums;
    size_t n_sums;
} measuring;

/* Is w a map to be measured?  The output matrix only where it is asked for, and never where its
 * rows are looked up as well: their error is not weighed by what the head is given. */
static bool is_map(const measuring *g, const ch_weight *w, const ch_weight_row *row)
{
    if (!w->stored.data || w->stored.rank != 2)
        return false;
    return w == g->m->output ? g->head && !g->m->config.tied : !ch_row_is_table(row);
}

static int count(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    measuring *g = arg;
    (void)layer;
    g->n = CH_MAX(g->n, w->number + 1);
    g->n_sums += is_map(g, w, row) ? (size_t)ch_weight_width(w) : 0;
    return CH_OK;
}

static int place(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    measuring *g = arg;
    (void)layer;
    if (is_map(g, w, row)) {
        g->at[w->number] = (seen){.w = w, .sum = g->sums + g->n_sums};
        g->n_sums += (size_t)ch_weight_width(w);
    }
    return CH_OK;
}

static int make_room(measuring *g, ch_err *e)
{
    ch_model_each(g->m, count, g);
    g->at = calloc((size_t)CH_MAX(g->n, 1), sizeof *g->at);
    g->sums = calloc(CH_MAX(g->n_sums, (size_t)1), sizeof *g->sums);
    if (!g->at || !g->sums)
        return ch_fail(e, CH_ENOMEM, "no memory for the inputs of %d weights", g->n);
    g->n_sums = 0;
    ch_model_each(g->m, place, g);
    return CH_OK;
}

static void look(void *arg, const ch_weight *w, const ch_tensor *x)
{
    const measuring *g = arg;
    seen *s = &g->at[w->number];
    if (s->w != w)
        return;
    const int64_t rows = ch_tensor_rows(x), K = ch_tensor_width(x);
    for (int64_t t = 0; t < rows; t++) {
        const real *row = ch_tensor_row(x, t);
        for (int64_t k = 0; k < K; k++)
            s->sum[k] += (double)row[k] * (double)row[k];
    }
    s->rows += (uint64_t)rows;
}

/* ---- The text ------------------------------------------------------------------------------- */

static int ignore(void *arg, int position, const float *logits)
{
    (void)arg;
    (void)position;
    (void)logits;
    return CH_OK;
}

static int feed_window(const measuring *g, ch_session *empty, const ch_token *id, int n,
                       ch_err *e)
{
    ch_session *s;
    int rc = ch_session_fork(&s, empty, e);
    if (rc < 0)
        return rc;
    ch_session_inputs(s, look, (void *)(uintptr_t)g);
    rc = g->head ? ch_session_feed_each(s, id, n, ignore, NULL, e) : ch_session_feed(s, id, n, e);
    ch_session_close(&s);
    return rc;
}

static int feed(const measuring *g, int *fed, ch_windows *w, const ch_imatrix_options *o,
                ch_err *e)
{
    ch_session *s = NULL;
    ch_session_options so = o->session;
    ch_token *id = malloc((size_t)w->window * sizeof *id);
    const int all = (int)((w->ids.n + (size_t)w->stride - 1) / (size_t)w->stride);
    so.context = (int)CH_MIN((size_t)w->window, w->ids.n);
    int rc = id ? ch_session_open(&s, g->m, &so, e)
                : ch_fail(e, CH_ENOMEM, "no memory for a window of %d tokens", w->window);
    for (int n, first; rc == CH_OK && (o->most == 0 || *fed < o->most);) {
        if (!ch_windows_next(w, id, &n, &first))
            break;
        rc = feed_window(g, s, id, n, e);
        ++*fed;
        if (o->told)
            o->told(o->arg, *fed, o->most ? CH_MIN(all, o->most) : all);
    }
    ch_session_close(&s);
    free(id);
    return rc;
}

/* ---- The file ------------------------------------------------------------------------------- */

static int put(ch_file *f, const char *name, const char *what, const float *data, int64_t n,
               ch_err *e)
{
    char full[128];
    const ch_tensor t = ch_tensor_1d((void *)(uintptr_t)data, CH_F32, n);
    snprintf(full, sizeof full, "%s.%s", name, what);
    return ch_file_add_tensor(f, full, &t, e);
}

static int put_map(ch_file *f, const seen *s, ch_err *e)
{
    const int64_t K = ch_weight_width(s->w);
    float *data = ch_file_memory(f, ((size_t)K + 1) * sizeof *data, e);
    if (!data)
        return CH_ENOMEM;
    for (int64_t k = 0; k < K; k++) {
        data[k] = (float)s->sum[k];
        if (!isfinite(data[k]))
            return ch_fail(e, CH_EFORMAT, "the inputs of %s are not finite: the model does not "
                                          "work on this text", s->w->name);
    }
    data[K] = (float)s->rows;
    const int rc = put(f, s->w->name, "in_sum2", data, K, e);
    return rc == CH_OK ? put(f, s->w->name, "counts", data + K, 1, e) : rc;
}

static int build(ch_file *f, const measuring *g, int fed, int window, const char *dataset,
                 ch_err *e)
{
    const ch_str name = {dataset ? dataset : "", dataset ? strlen(dataset) : 0};
    int rc = ch_file_set_str(f, "general.type", "imatrix", 7, e);
    if (rc == CH_OK)
        rc = ch_file_set_strs(f, "imatrix.datasets", &name, 1, e);
    if (rc == CH_OK)
        rc = ch_file_set_u32(f, "imatrix.chunk_count", (uint32_t)fed, e);
    if (rc == CH_OK)
        rc = ch_file_set_u32(f, "imatrix.chunk_size", (uint32_t)window, e);
    for (int i = 0; i < g->n && rc == CH_OK; i++)
        if (g->at[i].w && g->at[i].rows)
            rc = put_map(f, &g->at[i], e);
    return rc;
}

int ch_imatrix_measure(ch_file **out, ch_model *m, const ch_tokenizer *tk, const char *text,
                       size_t n, const ch_imatrix_options *o, ch_err *e)
{
    measuring g = {.m = m, .head = o->head};
    ch_windows w;
    int fed = 0;
    const int most = CH_MIN(ch_config_most_tokens(&m->config), CH_MAX_CONTEXT);
    const int window = o->window ? o->window : CH_MIN((int)CH_WINDOW_USUAL, most);
    *out = NULL;
    int rc = ch_windows_open(&w, tk, text, n, "the text", window, CH_MAX(window - 1, 1), window,
                             most, e);
    if (rc < 0)
        return rc;
    rc = make_room(&g, e);
    if (rc == CH_OK)
        rc = feed(&g, &fed, &w, o, e);
    if (rc == CH_OK)
        rc = ch_file_new(out, e);
    if (rc == CH_OK)
        rc = build(*out, &g, fed, window, o->dataset, e);
    if (rc < 0)
        ch_file_close(out);
    ch_windows_close(&w);
    free(g.at);
    free(g.sums);
    return rc;
}
