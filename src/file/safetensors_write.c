/* safetensors_write.c - safetensors files (layout: safetensors_read.c)
 *
 * Tensors by descending size of their elements, then by name, so that every one is aligned; the
 * header is padded with spaces to a multiple of 8, which aligns the data.
 * SPDX-License-Identifier: MIT */
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
static int make_header(ch_buf *text, const ch_file *f, const ch_file_tensor **order, ch_err *e)
{
    json_t *root = json_object();
    if (!root)
        return ch_fail(e, CH_ENOMEM, "out of memory for a safetensors header");
    uint64_t at = 0;
    int rc = add_metadata(root, f, e);
    for (size_t i = 0; rc == CH_OK && i < f->n_tensors; i++) {
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

static int write_file(const char *path, const ch_buf *header, const ch_file_tensor **order,
                      size_t n, ch_err *e)
{
    ch_writer w;
    int rc = ch_io_create(&w, path, e);
    if (rc < 0)
        return rc;
    const uint64_t size = header->size;
    ch_io_write(&w, &size, sizeof size);
    ch_io_write(&w, header->data, header->size);
    for (size_t i = 0; i < n; i++)
        ch_io_write(&w, order[i]->t.data, order[i]->bytes);
    return ch_io_commit(&w, e);
}

int ch_safetensors_write(const ch_file *f, const char *path, ch_err *e)
{
    const ch_file_tensor **order = malloc((f->n_tensors + 1) * sizeof *order);
    if (!order)
        return ch_fail(e, CH_ENOMEM, "%s: out of memory for %zu tensors", path, f->n_tensors);
    for (size_t i = 0; i < f->n_tensors; i++)
        order[i] = &f->tensors[i];
    qsort(order, f->n_tensors, sizeof *order, by_alignment);
    ch_buf header;
    ch_buf_init(&header, CH_FILE_MAX_ST_HEADER);
    int rc = make_header(&header, f, order, e);
    if (rc < 0)
        ch_fail_at(e, "%s", path);
    else
        rc = write_file(path, &header, order, f->n_tensors, e);
    ch_buf_close(&header);
    free(order);
    return rc;
}
