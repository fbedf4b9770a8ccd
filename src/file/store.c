/* store.c - what a ch_file owns: memory in blocks, entries, and their look-up by name
 *
 *   block: header, then bytes handed out from the front in steps of 16; a new block when one is
 *          full, one of its own for what is large.  Nothing is given back before closing.
 *
 * SPDX-License-Identifier: MIT */
#include "store.h"

#include <stdlib.h>
#include <string.h>

#ifdef CH_HOSTILE
enum { BLOCK_BYTES = 64 };
#else
enum { BLOCK_BYTES = 16384 };
#endif

struct ch_file_block {
    ch_file_block *next;
    size_t used, size;
    _Alignas(16) unsigned char bytes[];
};

int ch_file_empty(ch_file **out, const char *path, ch_err *e)
{
    *out = NULL;
    ch_file *f = calloc(1, sizeof *f);
    if (f) {
        f->index = calloc(1, sizeof *f->index);
        f->path = strdup(path);
    }
    if (!f || !f->index || !f->path) {
        ch_file_close(&f);
        return ch_fail(e, CH_ENOMEM, "%s: out of memory", path);
    }
    f->format = "";
    f->alignment = 1;
    int rc = ch_map_open(&f->index->meta, 16, e);
    if (rc == CH_OK)
        rc = ch_map_open(&f->index->tensors, 16, e);
    if (rc < 0)
        ch_file_close(&f);
    *out = f;
    return rc;
}

void ch_file_close(ch_file **pf)
{
    if (!pf || !*pf)
        return;
    ch_file *f = *pf;
    if (f->index) {
        for (ch_file *p = f->index->parts, *next; p; p = next) {
            next = p->index->next;
            ch_file_close(&p);
        }
        for (ch_file_block *b = f->index->blocks, *next; b; b = next) {
            next = b->next;
            free(b);
        }
        ch_map_close(&f->index->meta);
        ch_map_close(&f->index->tensors);
        if (!f->index->borrowed)
            ch_io_unmap(&f->map);
    }
    free(f->index);
    free(f->meta);
    free(f->tensors);
    free(f->path);
    free(f);
    *pf = NULL;
}

void ch_file_adopt(ch_file *f, ch_file *part)
{
    *(f->index->last ? &f->index->last->index->next : &f->index->parts) = part;
    f->index->last = part;
}

void *ch_file_take(ch_file *f, size_t n)
{
    if (n > PTRDIFF_MAX - sizeof(ch_file_block) - 16)
        return NULL;
    n = (n + 15) / 16 * 16;
    ch_file_block *b = f->index->blocks;
    if (!b || b->size - b->used < n) {
        const size_t size = CH_MAX(n, (size_t)BLOCK_BYTES);
        b = malloc(sizeof *b + size);
        if (!b)
            return NULL;
        b->used = 0;
        b->size = size;
        b->next = f->index->blocks;
        f->index->blocks = b;
    }
    void *p = b->bytes + b->used;
    b->used += n;
    return p;
}

char *ch_file_copy(ch_file *f, const void *bytes, size_t n)
{
    char *p = n < SIZE_MAX ? ch_file_take(f, n + 1) : NULL;
    if (p) {
        if (n)
            memcpy(p, bytes, n);
        p[n] = 0;
    }
    return p;
}

int ch_file_reserve(ch_file *f, size_t metas, size_t tensors, ch_err *e)
{
    return ch_array_room(&f->meta, &f->index->meta_cap, f->n_meta + metas, sizeof *f->meta) &&
                   ch_array_room(&f->tensors, &f->index->tensors_cap, f->n_tensors + tensors,
                                 sizeof *f->tensors)
               ? CH_OK
               : ch_fail(e, CH_ENOMEM, "%s: out of memory for its entries", f->path);
}

int ch_file_put_meta(ch_file *f, const ch_meta *m, ch_err *e)
{
    if (f->n_meta >= CH_FILE_MAX_META)
        return ch_fail(e, CH_ELIMIT, "%s: more than %d metadata entries", f->path,
                       CH_FILE_MAX_META);
    if (ch_map_get(&f->index->meta, m->key.p, m->key.n) >= 0)
        return ch_fail(e, CH_EFORMAT, "%s: metadata \"%.*s\" appears twice", f->path,
                       CH_SHOWN(m->key.n), m->key.p);
    int rc = ch_file_reserve(f, 1, 0, e);
    if (rc == CH_OK)
        rc = ch_map_put(&f->index->meta, m->key.p, m->key.n, (int64_t)f->n_meta, NULL, e);
    if (rc == CH_OK)
        f->meta[f->n_meta++] = *m;
    return rc;
}

/* The largest power of two up to 8 that divides a block: what its decoder may load at once. */
static size_t element_alignment(ch_dtype t)
{
    const size_t bytes = (size_t)ch_dtype_get(t)->bytes;
    return CH_MIN(bytes & -bytes, (size_t)8);
}

int ch_file_put_tensor(ch_file *f, ch_str name, const ch_tensor *t, size_t bytes, ch_err *e)
{
    if (f->n_tensors >= CH_FILE_MAX_TENSORS)
        return ch_fail(e, CH_ELIMIT, "%s: more than %d tensors", f->path, CH_FILE_MAX_TENSORS);
    if (name.n < 1 || name.n > CH_FILE_MAX_NAME || memchr(name.p, 0, name.n))
        return ch_fail(
            e, CH_EFORMAT,
            "%s: tensor %zu has a name of %zu bytes, allowed are 1 to %d, none of them 0", f->path,
            f->n_tensors, name.n, CH_FILE_MAX_NAME);
    if (ch_map_get(&f->index->tensors, name.p, name.n) >= 0)
        return ch_fail(e, CH_EFORMAT, "%s: tensor \"%.*s\" appears twice", f->path,
                       CH_SHOWN(name.n), name.p);
    int rc = ch_file_reserve(f, 0, 1, e);
    if (rc < 0)
        return rc;
    ch_file_tensor ft = {.name = ch_file_copy(f, name.p, name.n), .t = *t, .bytes = bytes};
    if (ft.name && (uintptr_t)t->data % element_alignment(t->dtype))
        ft.t.data = ch_file_copy(f, t->data, bytes);
    if (!ft.name || (t->data && !ft.t.data))
        return ch_fail(e, CH_ENOMEM, "%s: out of memory for tensor \"%.*s\"", f->path,
                       CH_SHOWN(name.n), name.p);
    rc = ch_map_put(&f->index->tensors, ft.name, name.n, (int64_t)f->n_tensors, NULL, e);
    if (rc == CH_OK)
        f->tensors[f->n_tensors++] = ft;
    return rc;
}
