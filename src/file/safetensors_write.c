/* safetensors_write.c - safetensors files (layout: safetensors_read.c)
 *
 * Tensors by descending size of their elements, then by name, so that every one is aligned; the
 * header is padded with spaces to a multiple of 8, which aligns the data.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

static int by_alignment(const void *a, const void *b)
{
    const ch_file_tensor *x = *(ch_file_tensor *const *)a, *y = *(ch_file_tensor *const *)b;
    const int p = ch_dtype_get(x->t.dtype)->bytes, q = ch_dtype_get(y->t.dtype)->bytes;
    return p != q ? q - p : strcmp(x->name, y->name);
}

/* root[key] = v, which is taken over; v NULL: it could not be made. */
static int put(json_t *root, ch_str key, json_t *v, ch_err *e)
{
    if (memchr(key.p, 0, key.n) || !ch_utf8_valid(key.p, key.n)) {
        json_decref(v);
        return ch_fail(e, CH_EARG, "\"%.*s\" is not UTF-8 text: safetensors cannot name it",
                       CH_SHOWN(key.n), key.p);
    }
    if (json_object_setn_new(root, key.p, key.n, v) < 0)
        return ch_fail(e, CH_ENOMEM, "out of memory for a safetensors header");
    return CH_OK;
}

static int add_metadata(json_t *root, const ch_file *f, ch_err *e)
{
    json_t *all = json_object();
    int rc = CH_OK;
    for (size_t i = 0; all && rc == CH_OK && i < f->n_meta; i++) {
        const ch_meta *m = &f->meta[i];
        if (m->type != CH_META_STR)
            continue;
        if (!ch_utf8_valid(m->v.s.p, m->v.s.n))
            rc = ch_fail(e, CH_EARG,
                         "metadata \"%.*s\" is not UTF-8 text: safetensors cannot hold it",
                         CH_SHOWN(m->key.n), m->key.p);
        else
            rc = put(all, m->key, json_stringn(m->v.s.p, m->v.s.n), e);
    }
    if (rc < 0 || !json_object_size(all)) {
        json_decref(all);
        return rc;
    }
    return put(root, (ch_str){"__metadata__", 12}, all, e);
}

static int add_tensor(json_t *root, const ch_file_tensor *t, uint64_t at, ch_err *e)
{
    const ch_dtype_info *d = ch_dtype_get(t->t.dtype);
    if (!d->safetensors[0])
        return ch_fail(e, CH_EUNSUPPORTED, "tensor \"%s\" is %s: safetensors has no such format",
                       t->name, d->name);
    if (strcmp(t->name, "__metadata__") == 0)
        return ch_fail(e, CH_EARG, "a tensor cannot be called __metadata__ in safetensors");
    json_t *shape = json_array();
    for (int i = 0; i < t->t.rank; i++)
        json_array_append_new(shape, json_integer(t->t.dim[i]));
    json_t *o = json_pack("{s:s, s:o, s:[I, I]}", "dtype", d->safetensors, "shape", shape,
                          "data_offsets", (json_int_t)at, (json_int_t)(at + t->bytes));
    return put(root, (ch_str){t->name, strlen(t->name)}, o, e);
}

/* The header's text; order: the tensors as they will be written. */
static int make_header(ch_buf *text, const ch_file *f, const ch_file_tensor **order, size_t n,
                       ch_err *e)
{
    json_t *root = json_object();
    if (!root)
        return ch_fail(e, CH_ENOMEM, "out of memory for a safetensors header");
    uint64_t at = 0;
    int rc = add_metadata(root, f, e);
    for (size_t i = 0; rc == CH_OK && i < n; i++) {
        rc = add_tensor(root, order[i], at, e);
        at += order[i]->bytes;
    }
    if (rc == CH_OK)
        rc = ch_json_dump(text, root, e);
    json_decref(root);
    while (rc == CH_OK && text->size % 8)
        if (!ch_buf_str(text, " "))
            rc = ch_buf_check(text, "a safetensors header", e);
    return rc;
}

/* n tensors of f, in that order, as one file. */
static int write_file(const char *path, const ch_file *f, const ch_file_tensor **order, size_t n,
                      const ch_file_made *made, ch_err *e)
{
    ch_buf header;
    ch_writer w;
    ch_buf_init(&header, CH_FILE_MAX_ST_HEADER);
    int rc = make_header(&header, f, order, n, e);
    if (rc < 0)
        ch_fail_at(e, "%s", path);
    else
        rc = ch_io_create(&w, path, e);
    if (rc == CH_OK) {
        const uint64_t size = header.size;
        ch_io_write(&w, &size, sizeof size);
        ch_io_write(&w, header.data, header.size);
    }
    for (size_t i = 0; i < n && rc == CH_OK; i++) {
        const void *data = order[i]->t.data;
        if (made && (rc = made->make(made->arg, &data, (size_t)(order[i] - f->tensors), e)) < 0)
            ch_io_abandon(&w);
        else
            ch_io_write(&w, data, order[i]->bytes);
    }
    ch_buf_close(&header);
    return rc == CH_OK ? ch_io_commit(&w, e) : rc;
}

static int in_order(const ch_file_tensor ***order, const ch_file *f, ch_err *e)
{
    *order = malloc((f->n_tensors + 1) * sizeof **order);
    if (!*order)
        return ch_fail(e, CH_ENOMEM, "out of memory for %zu tensors", f->n_tensors);
    for (size_t i = 0; i < f->n_tensors; i++)
        (*order)[i] = &f->tensors[i];
    return CH_OK;
}

int ch_safetensors_write(const ch_file *f, const char *path, ch_err *e)
{
    const ch_file_tensor **order;
    int rc = in_order(&order, f, e);
    if (rc < 0)
        return rc;
    qsort(order, f->n_tensors, sizeof *order, by_alignment);
    rc = write_file(path, f, order, f->n_tensors, NULL, e);
    free(order);
    return rc;
}

/* ---- Several files --------------------------------------------------------------------------- */

/* How many tensors from order[0] on make one file. */
static size_t fill_one(const ch_file_tensor **order, size_t n, uint64_t most)
{
    uint64_t bytes = 0;
    size_t k = 0;
    while (k < n && (k == 0 || bytes + order[k]->bytes <= most))
        bytes += order[k++]->bytes;
    return k;
}

static int write_parts(const ch_file *f, const char *dir, uint64_t most, size_t parts,
                       const ch_file_tensor **order, json_t *map, const ch_file_made *made,
                       ch_err *e)
{
    int rc = CH_OK;
    for (size_t at = 0, part = 1, n; rc == CH_OK && at < f->n_tensors; at += n, part++) {
        char name[64];
        snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", part, parts);
        n = fill_one(order + at, f->n_tensors - at, most);
        for (size_t i = at; i < at + n && rc == CH_OK; i++)
            rc = put(map, (ch_str){order[i]->name, strlen(order[i]->name)}, json_string(name), e);
        qsort(order + at, n, sizeof *order, by_alignment);
        char *path = ch_io_join(dir, name);
        if (rc == CH_OK)
            rc = path ? write_file(path, f, order + at, n, made, e)
                      : ch_fail(e, CH_ENOMEM, "no memory for a path in %s", dir);
        free(path);
    }
    return rc;
}

static int write_index(const char *dir, uint64_t bytes, json_t *map, ch_err *e)
{
    ch_buf text;
    ch_buf_init(&text, CH_FILE_MAX_ST_HEADER);
    char *path = ch_io_join(dir, "model.safetensors.index.json");
    json_t *root = json_pack("{s:{s:I}, s:O}", "metadata", "total_size", (json_int_t)bytes,
                             "weight_map", map);
    int rc = path && root ? ch_json_dump(&text, root, e)
                          : ch_fail(e, CH_ENOMEM, "%s: out of memory for an index", dir);
    if (rc == CH_OK)
        rc = ch_io_write_file(path, text.data, text.size, e);
    json_decref(root);
    free(path);
    ch_buf_close(&text);
    return rc;
}

int ch_safetensors_write_folder(const ch_file *f, const char *dir, uint64_t shard_bytes,
                                const ch_file_made *made, ch_err *e)
{
    const ch_file_tensor **order;
    uint64_t bytes = 0;
    size_t parts = 0;
    int rc = in_order(&order, f, e);
    if (rc < 0)
        return rc;
    const uint64_t most = shard_bytes ? shard_bytes : UINT64_MAX;
    for (size_t at = 0; at < f->n_tensors; parts++)
        at += fill_one(order + at, f->n_tensors - at, most);
    for (size_t i = 0; i < f->n_tensors; i++)
        bytes += order[i]->bytes;
    if (parts > 1) {
        json_t *map = json_object();
        rc = map ? write_parts(f, dir, most, parts, order, map, made, e)
                 : ch_fail(e, CH_ENOMEM, "%s: out of memory for an index", dir);
        if (rc == CH_OK)
            rc = write_index(dir, bytes, map, e);
        json_decref(map);
    } else {
        qsort(order, f->n_tensors, sizeof *order, by_alignment);
        char *path = ch_io_join(dir, "model.safetensors");
        rc = path ? write_file(path, f, order, f->n_tensors, made, e)
                  : ch_fail(e, CH_ENOMEM, "no memory for a path in %s", dir);
        free(path);
    }
    free(order);
    return rc;
}
