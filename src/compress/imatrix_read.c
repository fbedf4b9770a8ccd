/* imatrix_read.c - importance from files (imatrix.h)
 *
 * GGUF is file/'s to read; what is checked here is that sums go with counts.  The earlier layout,
 * little-endian:
 *
 *     n (int32) | n times: length (int32) | name | calls (int32) | K (int32) | K floats | ...
 *
 * where a float is a mean square times the number of calls; what follows the entries (calls, the
 * text's name) is not looked at.  Source: llama.cpp's tools/imatrix.
 * SPDX-License-Identifier: MIT */
#include "imatrix.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUMS ".in_sum2"
#define COUNTS ".counts"

enum { NAME_MOST = 1000, LEAST_BYTES = 13 + 4 }; /* of an entry: one letter, one number */

static int check_numbers(const ch_file *f, const ch_file_tensor *t, ch_err *e)
{
    const float *x = t->t.data;
    if (t->t.dtype != CH_F32)
        return ch_fail(e, CH_EFORMAT, "%s: tensor %.80s is %s, and must be f32", f->path, t->name,
                       ch_dtype_get(t->t.dtype)->name);
    for (int64_t i = 0; i < ch_tensor_count(&t->t); i++)
        if (!isfinite(x[i]) || x[i] < 0)
            return ch_fail(e, CH_EFORMAT,
                           "%s: number %lld of %.80s is %g; sums of squares and counts are finite "
                           "and not below 0", f->path, (long long)i, t->name, (double)x[i]);
    return CH_OK;
}

/* The tensor beside NAME.in_sum2, or NULL. */
static const ch_file_tensor *counts_of(const ch_file *f, const char *sums)
{
    char name[NAME_MOST + 64];
    const size_t n = strlen(sums) - strlen(SUMS);
    if (n > NAME_MOST)
        return NULL;
    snprintf(name, sizeof name, "%.*s" COUNTS, (int)n, sums);
    return ch_file_tensor_find(f, name);
}

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);
    return n > m && memcmp(s + n - m, end, m) == 0;
}

static int check(const ch_file *f, ch_err *e)
{
    size_t maps = 0;
    for (size_t i = 0; i < f->n_tensors; i++) {
        const ch_file_tensor *t = &f->tensors[i];
        if (!ends_with(t->name, SUMS))
            continue;
        const ch_file_tensor *c = counts_of(f, t->name);
        if (!c || ch_tensor_count(&c->t) < 1 ||
            ch_tensor_count(&t->t) % ch_tensor_count(&c->t) != 0)
            return ch_fail(e, CH_EFORMAT, "%s: %.80s has no " COUNTS " beside it that fits it",
                           f->path, t->name);
        int rc = check_numbers(f, t, e);
        if (rc == CH_OK)
            rc = check_numbers(f, c, e);
        if (rc < 0)
            return rc;
        maps++;
    }
    return maps ? CH_OK
                : ch_fail(e, CH_EFORMAT,
                          "%s: no importance matrix: it has no tensor NAME" SUMS " (chalcis "
                          "imatrix writes such files)", f->path);
}

/* ---- The earlier layout --------------------------------------------------------------------- */

typedef struct cursor {
    const unsigned char *p;
    size_t left;
    const char *path;
    int entry, of;
} cursor;

static int take_int(int32_t *out, cursor *c, int32_t least, int32_t most, const char *what,
                    ch_err *e)
{
    if (c->left < sizeof *out)
        return ch_fail(e, CH_EFORMAT, "%s: no importance matrix: it ends before %s of entry %d of "
                                      "%d", c->path, what, c->entry, c->of);
    memcpy(out, c->p, sizeof *out);
    c->p += sizeof *out;
    c->left -= sizeof *out;
    if ((*out < least || *out > most) && c->entry == 0)
        return ch_fail(e, CH_EFORMAT, "%s: no importance matrix: it is no GGUF, and the other "
                                      "kind does not begin with %d", c->path, *out);
    if (*out < least || *out > most)
        return ch_fail(e, CH_EFORMAT, "%s: no importance matrix: %s of entry %d is %d, allowed "
                                      "are %d to %d", c->path, what, c->entry, *out, least, most);
    return CH_OK;
}

static int add(ch_file *f, const char *name, const char *what, float *data, int64_t n, ch_err *e)
{
    char full[NAME_MOST + 64];
    const ch_tensor t = ch_tensor_1d(data, CH_F32, n);
    snprintf(full, sizeof full, "%s%s", name, what);
    return ch_file_add_tensor(f, full, &t, e);
}

static int take_entry(ch_file *f, cursor *c, ch_err *e)
{
    int32_t length = 0, calls = 0, K = 0;
    char name[NAME_MOST + 1] = "";
    int rc = take_int(&length, c, 1, (int32_t)CH_MIN(c->left, (size_t)NAME_MOST),
                      "the length of the name", e);
    if (rc < 0)
        return rc;
    if ((size_t)length > c->left)
        return ch_fail(e, CH_EFORMAT, "%s: it ends in a name", c->path);
    memcpy(name, c->p, (size_t)length);
    c->p += length;
    c->left -= (size_t)length;
    rc = take_int(&calls, c, 0, INT32_MAX, "the number of calls", e);
    if (rc == CH_OK)
        rc = take_int(&K, c, 1, INT32_MAX, "the number of columns", e);
    const size_t bytes = (size_t)K * sizeof(float);
    if (rc == CH_OK && bytes > c->left)
        rc = ch_fail(e, CH_EFORMAT, "%s: entry %d says it has %d numbers, and %zu bytes are left",
                     c->path, c->entry, K, c->left);
    float *data = rc == CH_OK ? ch_file_memory(f, bytes + sizeof *data, e) : NULL;
    if (!data)
        return rc < 0 ? rc : CH_ENOMEM;
    memcpy(data, c->p, bytes);
    data[K] = (float)calls;
    c->p += bytes;
    c->left -= bytes;
    rc = add(f, name, SUMS, data, K, e);
    return rc == CH_OK ? add(f, name, COUNTS, data + K, 1, e) : rc;
}

static int read_legacy(ch_file **out, const void *bytes, size_t n, const char *path, ch_err *e)
{
    cursor c = {.p = bytes, .left = n, .path = path};
    int32_t entries = 0;
    int rc = take_int(&entries, &c, 1, (int32_t)CH_MIN(n / LEAST_BYTES + 1, (size_t)65536),
                      "the number of entries", e);
    if (rc == CH_OK)
        rc = ch_file_new(out, e);
    free(rc == CH_OK ? (*out)->path : NULL);
    if (rc == CH_OK && !((*out)->path = strdup(path)))
        rc = ch_fail(e, CH_ENOMEM, "no memory to read %s", path);
    c.of = entries;
    for (c.entry = 1; c.entry <= entries && rc == CH_OK; c.entry++)
        rc = take_entry(*out, &c, e);
    return rc;
}

/* ---- Opening -------------------------------------------------------------------------------- */

static int finish(ch_file **out, int rc, ch_err *e)
{
    if (rc == CH_OK)
        rc = check(*out, e);
    if (rc < 0)
        ch_file_close(out);
    return rc;
}

static bool is_gguf(const void *bytes, size_t n)
{
    return n >= 4 && memcmp(bytes, "GGUF", 4) == 0;
}

int ch_imatrix_open_memory(ch_file **out, const void *bytes, size_t n, const char *name, ch_err *e)
{
    *out = NULL;
    return finish(out, is_gguf(bytes, n) ? ch_file_open_memory(out, bytes, n, name, e)
                                         : read_legacy(out, bytes, n, name, e), e);
}

int ch_imatrix_open(ch_file **out, const char *path, ch_err *e)
{
    ch_mapping map;
    *out = NULL;
    int rc = ch_io_map(&map, path, e);
    if (rc < 0)
        return rc;
    const bool gguf = is_gguf(map.data, map.size);
    if (!gguf)
        rc = read_legacy(out, map.data, map.size, path, e);
    ch_io_unmap(&map);
    return finish(out, gguf ? ch_file_open(out, path, e) : rc, e);
}

static const ch_file_tensor *sums_of(const ch_file *im, const char *name)
{
    char full[NAME_MOST + 64];
    snprintf(full, sizeof full, "%.*s" SUMS, (int)NAME_MOST, name);
    return ch_file_tensor_find(im, full);
}

int ch_imatrix_has(bool *found, const ch_file *im, const char *name, int64_t width, ch_err *e)
{
    const ch_file_tensor *t = sums_of(im, name);
    *found = t && ((const float *)counts_of(im, t->name)->t.data)[0] > 0;
    if (*found && ch_tensor_count(&t->t) != width)
        return ch_fail(e, CH_EARG, "%s: %.80s has %lld numbers, and the tensor's rows have %lld: "
                                   "it is of another model", im->path, t->name,
                       (long long)ch_tensor_count(&t->t), (long long)width);
    return CH_OK;
}

void ch_imatrix_columns(float *out, const ch_file *im, const char *name, int64_t width)
{
    const float *sum = sums_of(im, name)->t.data;
    double all = 0;
    for (int64_t k = 0; k < width; k++)
        all += (double)sum[k];
    for (int64_t k = 0; k < width; k++)
        out[k] = all > 0 ? (float)fmax(1e-4, (double)sum[k] * (double)width / all) : 1;
}
