/* gguf_write.c - GGUF version 3 (layout: gguf.h)
 *
 * Metadata and tensors in the order they were added; zeros after every tensor up to the alignment.
 * SPDX-License-Identifier: MIT */
#include "gguf.h"

#include <string.h>

static void put_u32(ch_writer *w, uint32_t v)
{
    ch_io_write(w, &v, sizeof v);
}

static void put_u64(ch_writer *w, uint64_t v)
{
    ch_io_write(w, &v, sizeof v);
}

static void put_str(ch_writer *w, const char *p, size_t n)
{
    put_u64(w, n);
    ch_io_write(w, p, n);
}

static void put_array(ch_writer *w, const ch_meta *m)
{
    put_u32(w, (uint32_t)m->v.a.gguf_type);
    put_u64(w, m->v.a.n);
    if (m->v.a.type == CH_META_STR) {
        const ch_str *s = m->v.a.data;
        for (size_t i = 0; i < m->v.a.n; i++)
            put_str(w, s[i].p, s[i].n);
    } else {
        ch_meta_type type;
        ch_io_write(w, m->v.a.data, m->v.a.n * ch_gguf_value_bytes(&type, m->v.a.gguf_type));
    }
}

static void put_meta(ch_writer *w, const ch_meta *m)
{
    ch_meta_type type;
    const size_t size = ch_gguf_value_bytes(&type, m->gguf_type);
    put_str(w, m->key.p, m->key.n);
    put_u32(w, (uint32_t)m->gguf_type);
    if (m->type == CH_META_STR) {
        put_str(w, m->v.s.p, m->v.s.n);
    } else if (m->type == CH_META_ARRAY) {
        put_array(w, m);
    } else if (m->gguf_type == CH_GGUF_F32) {
        const float f = (float)m->v.r;
        ch_io_write(w, &f, sizeof f);
    } else { /* the low bytes of whichever member holds it */
        ch_io_write(w, &m->v, size);
    }
}

static void put_directory(ch_writer *w, const ch_file *f, size_t alignment)
{
    ch_io_write(w, CH_GGUF_MAGIC, 4);
    put_u32(w, 3);
    put_u64(w, f->n_tensors);
    put_u64(w, f->n_meta);
    for (size_t i = 0; i < f->n_meta; i++)
        put_meta(w, &f->meta[i]);
    uint64_t offset = 0;
    for (size_t i = 0; i < f->n_tensors; i++) {
        const ch_file_tensor *t = &f->tensors[i];
        put_str(w, t->name, strlen(t->name));
        put_u32(w, (uint32_t)t->t.rank);
        for (int d = t->t.rank - 1; d >= 0; d--)
            put_u64(w, (uint64_t)t->t.dim[d]);
        put_u32(w, (uint32_t)ch_dtype_get(t->t.dtype)->gguf);
        put_u64(w, offset);
        offset = (offset + t->bytes + alignment - 1) / alignment * alignment;
    }
}

int ch_gguf_write_made(const ch_file *f, const char *path, const ch_file_made *made, ch_err *e)
{
    size_t alignment;
    ch_writer w;
    int rc = ch_gguf_alignment(&alignment, f, e);
    if (rc == CH_OK)
        rc = ch_io_create(&w, path, e);
    if (rc < 0)
        return rc;
    put_directory(&w, f, alignment);
    for (size_t i = 0; i < f->n_tensors; i++) {
        const void *data = f->tensors[i].t.data;
        if (made && (rc = made->make(made->arg, &data, i, e)) < 0) {
            ch_io_abandon(&w);
            return rc;
        }
        ch_io_pad(&w, alignment);
        ch_io_write(&w, data, f->tensors[i].bytes);
    }
    if (f->n_tensors)
        ch_io_pad(&w, alignment);
    return ch_io_commit(&w, e);
}

int ch_gguf_write(const ch_file *f, const char *path, ch_err *e)
{
    return ch_gguf_write_made(f, path, NULL, e);
}
