/* run_log.c - metrics.jsonl, read back: columns of numbers
 *
 * A line with "loss" is a step, one with "val_loss" a look at the held-out text after the steps
 * before it.  Lines that say something else are passed over; one that is no JSON object is refused,
 * unless it is the last and has no end yet: the run may be writing it.
 * SPDX-License-Identifier: MIT */
#include "report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_COLUMNS = 5, VAL_COLUMNS = 3 };

/* Room for as many steps and looks as there are lines. */
static int take_memory(ch_run_log *l, size_t lines, const char *path, ch_err *e)
{
    const size_t n = CH_MAX(lines, (size_t)1);
    l->memory = calloc(n, (STEP_COLUMNS + VAL_COLUMNS) * sizeof *l->memory);
    if (!l->memory)
        return ch_fail(e, CH_ENOMEM, "%s: no memory for %zu lines", path, lines);
    double **const columns[] = {&l->step,    &l->tokens,     &l->loss,     &l->lr,
                                &l->seconds, &l->val_tokens, &l->val_loss, &l->val_bpb};
    for (size_t i = 0; i < CH_COUNT(columns); i++)
        *columns[i] = l->memory + i * n;
    return CH_OK;
}

static int take_step(ch_run_log *l, const json_t *line, const char *where, ch_err *e)
{
    const size_t i = l->n;
    int rc = ch_json_real(&l->loss[i], line, "loss", (double)NAN, where, e);
    if (rc == CH_OK)
        rc = ch_json_real(&l->step[i], line, "step", (double)i + 1, where, e);
    if (rc == CH_OK) /* a step that went wrong may not say */
        rc = ch_json_real(&l->tokens[i], line, "tokens", i ? l->tokens[i - 1] : 0, where, e);
    if (rc == CH_OK)
        rc = ch_json_real(&l->lr[i], line, "lr", (double)NAN, where, e);
    if (rc == CH_OK)
        rc = ch_json_real(&l->seconds[i], line, "seconds", 0, where, e);
    l->n += rc == CH_OK;
    return rc;
}

static int take_val(ch_run_log *l, const json_t *line, const char *where, ch_err *e)
{
    const size_t i = l->n_val;
    int rc = ch_json_real(&l->val_loss[i], line, "val_loss", (double)NAN, where, e);
    if (rc == CH_OK)
        rc = ch_json_real(&l->val_bpb[i], line, "val_bpb", (double)NAN, where, e);
    l->val_tokens[i] = l->n ? l->tokens[l->n - 1] : 0;
    l->n_val += rc == CH_OK && isfinite(l->val_loss[i]);
    return rc;
}

static int take_line(ch_run_log *l, const char *text, size_t n, const char *where, ch_err *e)
{
    json_t *line;
    int rc = ch_json_parse(&line, text, n, where, e);
    if (rc < 0)
        return rc;
    if (!json_is_object(line))
        rc = ch_fail(e, CH_EFORMAT, "%s is no JSON object", where);
    else if (json_object_get(line, "val_loss"))
        rc = take_val(l, line, where, e);
    else if (json_object_get(line, "loss"))
        rc = take_step(l, line, where, e);
    json_decref(line);
    return rc;
}

static int take_lines(ch_run_log *l, const ch_buf *b, const char *path, ch_err *e)
{
    size_t lines = 0;
    for (size_t i = 0; i < b->size; i++)
        lines += b->data[i] == '\n';
    int rc = take_memory(l, lines, path, e);
    const char *at = b->data;
    for (size_t i = 0; i < lines && rc == CH_OK; i++) {
        char where[256];
        const char *end = memchr(at, '\n', b->size - (size_t)(at - b->data));
        snprintf(where, sizeof where, "%.200s, line %zu", path, i + 1);
        if (end > at)
            rc = take_line(l, at, (size_t)(end - at), where, e);
        at = end + 1;
    }
    return rc;
}

int ch_report_log_read(ch_run_log *l, const char *dir, ch_err *e)
{
    *l = (ch_run_log){0};
    char *path = ch_io_join(dir, "metrics.jsonl");
    if (!path)
        return ch_fail(e, CH_ENOMEM, "no memory for a path in %s", dir);
    ch_buf b;
    ch_buf_init(&b, CH_IO_READ_MAX);
    int rc = ch_io_exists(path)
                 ? ch_io_read_file(&b, path, e)
                 : ch_fail(e, CH_EARG, "%s is no run of training: there is no %s", dir, path);
    if (rc == CH_OK)
        rc = take_lines(l, &b, path, e);
    ch_buf_close(&b);
    free(path);
    if (rc < 0)
        ch_report_log_free(l);
    return rc;
}

void ch_report_log_free(ch_run_log *l)
{
    free(l->memory);
    *l = (ch_run_log){0};
}

double ch_report_log_loss(const ch_run_log *l, double tokens)
{
    size_t n = 0, used = 0;
    double sum = 0;
    while (n < l->n && l->tokens[n] <= tokens)
        n++;
    for (size_t i = n - CH_MIN(n, CH_MAX((size_t)1, n / 20)); i < n; i++)
        if (isfinite(l->loss[i])) {
            sum += l->loss[i];
            used++;
        }
    return used ? sum / (double)used : (double)NAN;
}

double ch_report_log_val(const ch_run_log *l, double tokens)
{
    size_t i = 0;
    while (i < l->n_val && l->val_tokens[i] < tokens)
        i++;
    if (i == l->n_val)
        return (double)NAN;
    if (l->val_tokens[i] == tokens)
        return l->val_loss[i];
    if (i == 0)
        return (double)NAN;
    const double a = l->val_tokens[i - 1], b = l->val_tokens[i];
    return l->val_loss[i - 1] + (l->val_loss[i] - l->val_loss[i - 1]) * (tokens - a) / (b - a);
}

int64_t ch_report_log_best(const ch_run_log *l)
{
    int64_t best = -1;
    for (size_t i = 0; i < l->n_val; i++)
        if (best < 0 || l->val_loss[i] < l->val_loss[best])
            best = (int64_t)i;
    return best;
}
