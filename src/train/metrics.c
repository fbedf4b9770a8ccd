/* metrics.c - metrics.jsonl: a line a step, appended as it happens; samples.jsonl likewise
 *
 *   {"step": 3, "loss": 7.01, "lr": 0.0012, "grad_norm": 1.4, "tokens": 12288, "tok_s": 9000,
 *    "seconds": 0.45}
 *   {"step": 3, "val_loss": 6.9, "val_bpb": 2.9}
 *
 * A loss or norm that is not finite, or that a step without targets does not have, is null.
 * SPDX-License-Identifier: MIT */
#include "train.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How many bytes of the lines in b are whole and of the first `step` steps. */
static size_t kept(const ch_buf *b, int64_t step)
{
    size_t at = 0;
    while (at < b->size) {
        const char *newline = memchr(b->data + at, '\n', b->size - at);
        const size_t n = newline ? (size_t)(newline - (b->data + at)) : 0;
        json_t *line = NULL;
        int64_t number = INT64_MAX;
        if (newline && ch_json_parse(&line, b->data + at, n, "a line", NULL) == CH_OK)
            ch_json_int(&number, line, "step", INT64_MAX, 0, INT64_MAX, "a line", NULL);
        json_decref(line);
        if (number > step)
            break;
        at += n + 1;
    }
    return at;
}

int ch_metrics_shorten(const char *path, int64_t step, ch_err *e)
{
    ch_buf b;
    ch_buf_init(&b, CH_IO_READ_MAX);
    int rc = CH_OK;
    if (ch_io_exists(path))
        rc = ch_io_read_file(&b, path, e);
    if (rc == CH_OK) {
        const size_t n = step > 0 ? kept(&b, step) : 0;
        rc = ch_io_write_file(path, b.data ? b.data : "", n, e);
    }
    ch_buf_close(&b);
    return rc;
}

int ch_metrics_open(ch_metrics *m, const char *dir, const char *name, int64_t step, ch_err *e)
{
    *m = (ch_metrics){.path = ch_io_join(dir, name)};
    if (!m->path)
        return ch_fail(e, CH_ENOMEM, "no memory for a path in %s", dir);
    int rc = ch_metrics_shorten(m->path, step, e);
    if (rc == CH_OK && !(m->f = fopen(m->path, "ae")))
        rc = ch_fail(e, CH_EIO, "cannot write %s: %s", m->path, strerror(errno));
    if (rc < 0)
        ch_metrics_close(m);
    return rc;
}

int ch_metrics_put(ch_metrics *m, json_t *line, ch_err *e)
{
    if (!line)
        return ch_fail(e, CH_ENOMEM, "no memory for a line of %s", m->path);
    ch_buf b;
    ch_buf_init(&b, 4096);
    int rc = ch_json_dump(&b, line, e);
    json_decref(line);
    ch_buf_str(&b, "\n");
    if (rc == CH_OK)
        rc = ch_buf_check(&b, "a line of metrics", e);
    if (rc == CH_OK && (fwrite(b.data, 1, b.size, m->f) != b.size || fflush(m->f) != 0))
        rc = ch_fail(e, CH_EIO, "cannot write %s: %s", m->path, strerror(errno));
    ch_buf_close(&b);
    return rc;
}

void ch_metrics_close(ch_metrics *m)
{
    if (m->f)
        fclose(m->f);
    free(m->path);
    *m = (ch_metrics){0};
}
