/* gguf_read.c - GGUF versions 2 and 3 (layout: gguf.h)
 *
 * Numbers and strings stay where they are in the mapping; an array of strings gets an index of
 * pointers, so its cost is one look at each length.  Whatever is read has been compared with the
 * bytes that are left; counts, with the fewest bytes that so many entries would need.
 * SPDX-License-Identifier: MIT */
#include "gguf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store.h"

enum { MIN_META_BYTES = 8 + 1 + 4 + 1, MIN_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8 };

/* Where reading is, and the words for an error there: "metadata" or "tensor", number, name. */
typedef struct reader {
    ch_file *f;
    ch_err *e;
    size_t at;
    const char *part;
    uint64_t number;
    ch_str name;
} reader;

static const unsigned char *here(const reader *r)
{
    return r->f->map.data + r->at;
}

static size_t left(const reader *r)
{
    return r->f->map.size - r->at;
}

/* The sentence "FILE: PART NUMBER "NAME": what". */
static int bad(const reader *r, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int bad(const reader *r, int code, const char *fmt, ...)
{
    char what[240];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return ch_fail(r->e, code, "%s: %s %llu%s%.*s%s: %s", r->f->path, r->part,
                   (unsigned long long)r->number, r->name.n ? " \"" : "", CH_SHOWN(r->name.n),
                   r->name.n ? r->name.p : "", r->name.n ? "\"" : "", what);
}

static int need(const reader *r, uint64_t bytes, const char *what)
{
    if (bytes <= left(r))
        return CH_OK;
    return bad(r, CH_EFORMAT, "%s takes %llu bytes at offset %zu, the file has %zu left", what,
               (unsigned long long)bytes, r->at, left(r));
}

static int take_u32(uint32_t *out, reader *r, const char *what)
{
    int rc = need(r, sizeof *out, what);
    if (rc < 0)
        return rc;
    memcpy(out, here(r), sizeof *out);
    r->at += sizeof *out;
    return CH_OK;
}

static int take_u64(uint64_t *out, reader *r, const char *what)
{
    int rc = need(r, sizeof *out, what);
    if (rc < 0)
        return rc;
    memcpy(out, here(r), sizeof *out);
    r->at += sizeof *out;
    return CH_OK;
}

static int take_str(ch_str *out, reader *r, size_t max, const char *what)
{
    uint64_t n;
    int rc = take_u64(&n, r, what);
    if (rc == CH_OK)
        rc = need(r, n, what);
    if (rc < 0)
        return rc;
    if (n > max)
        return bad(r, CH_ELIMIT, "%s has %llu bytes, allowed are %zu", what, (unsigned long long)n,
                   max);
    *out = (ch_str){.p = (const char *)here(r), .n = (size_t)n};
    r->at += (size_t)n;
    return CH_OK;
}

/* ---- Metadata ------------------------------------------------------------------------------- */

static int check_bools(const reader *r, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] > 1)
            return bad(r, CH_EFORMAT, "a bool is %d, allowed are 0 and 1", p[i]);
    return CH_OK;
}

static int read_strings(ch_meta *m, reader *r, uint64_t n)
{
    if (n > left(r) / 8)
        return bad(r, CH_EFORMAT, "an array of %llu strings cannot fit into the %zu bytes left",
                   (unsigned long long)n, left(r));
    if (n > CH_FILE_MAX_STRINGS)
        return bad(r, CH_ELIMIT, "an array of %llu strings, allowed are %zu", (unsigned long long)n,
                   CH_FILE_MAX_STRINGS);
    ch_str *s = ch_file_take(r->f, (size_t)n * sizeof *s);
    if (!s)
        return bad(r, CH_ENOMEM, "out of memory for %llu strings", (unsigned long long)n);
    for (size_t i = 0; i < n; i++) {
        int rc = take_str(&s[i], r, CH_FILE_MAX_STRING, "a string in its array");
        if (rc < 0)
            return rc;
    }
    m->v.a.data = s;
    return CH_OK;
}

static int read_array(ch_meta *m, reader *r)
{
    uint32_t type;
    uint64_t n;
    int rc = take_u32(&type, r, "the type of its elements");
    if (rc == CH_OK)
        rc = take_u64(&n, r, "the number of its elements");
    if (rc < 0)
        return rc;
    if (type == CH_GGUF_ARRAY)
        return bad(r, CH_EUNSUPPORTED,
                   "an array of arrays; elements may be numbers, bools or strings");
    if (type >= CH_GGUF_TYPES)
        return bad(r, CH_EFORMAT, "elements of type %u, allowed are 0 to %d", type,
                   CH_GGUF_TYPES - 1);
    const size_t size = ch_gguf_value_bytes(&m->v.a.type, (int)type);
    m->v.a.gguf_type = (int)type;
    m->v.a.n = (size_t)n;
    if (type == CH_GGUF_STR)
        return read_strings(m, r, n);
    if (n > left(r) / size)
        return bad(r, CH_EFORMAT, "an array of %llu elements of %zu bytes, the file has %zu left",
                   (unsigned long long)n, size, left(r));
    m->v.a.data = here(r);
    if (type == CH_GGUF_BOOL && (rc = check_bools(r, here(r), (size_t)n)) < 0)
        return rc;
    r->at += (size_t)n * size;
    return CH_OK;
}

static int read_meta(reader *r)
{
    ch_meta m = {0};
    uint32_t type;
    int rc = take_str(&m.key, r, CH_FILE_MAX_KEY, "its key");
    if (rc < 0)
        return rc;
    if (!m.key.n)
        return bad(r, CH_EFORMAT, "its key is empty");
    r->name = m.key;
    rc = take_u32(&type, r, "its type");
    if (rc < 0)
        return rc;
    if (type >= CH_GGUF_TYPES)
        return bad(r, CH_EFORMAT, "type %u, allowed are 0 to %d", type, CH_GGUF_TYPES - 1);
    const size_t size = ch_gguf_value_bytes(&m.type, (int)type);
    m.gguf_type = (int)type;
    if (type == CH_GGUF_STR) {
        rc = take_str(&m.v.s, r, CH_FILE_MAX_STRING, "its string");
    } else if (type == CH_GGUF_ARRAY) {
        rc = read_array(&m, r);
    } else {
        rc = need(r, size, "its value");
        if (rc == CH_OK && type == CH_GGUF_BOOL)
            rc = check_bools(r, here(r), 1);
        if (rc < 0)
            return rc;
        ch_gguf_value(&m, (int)type, here(r));
        r->at += size;
    }
    return rc < 0 ? rc : ch_file_put_meta(r->f, &m, r->e);
}

/* ---- Tensors -------------------------------------------------------------------------------- */

static int unknown_dtype(const reader *r, uint32_t type)
{
    static const char known[] = ""
#define DTYPE(ENUM, name, gguf, st, block, bytes, panel, encode, fit) " " #name
#include "dtypes.def"
#undef DTYPE
        ;
    const char *removed = ch_dtype_removed(type);
    if (removed)
        return bad(r, CH_EUNSUPPORTED,
                   "number format %u, %s, was removed from GGUF; quantize the original model again",
                   type, removed);
    return bad(r, CH_EUNSUPPORTED, "number format %u, supported are%s", type, known);
}

typedef struct entry {
    ch_str name;
    uint32_t rank, type;
    uint64_t dim[CH_MAX_RANK]; /* as stored: innermost first */
    uint64_t offset;
} entry;

static int read_entry(entry *t, reader *r)
{
    r->name = (ch_str){0};
    int rc = take_str(&t->name, r, CH_FILE_MAX_NAME, "its name");
    if (rc < 0)
        return rc;
    r->name = t->name;
    rc = take_u32(&t->rank, r, "its number of dimensions");
    if (rc == CH_OK && (t->rank < 1 || t->rank > CH_MAX_RANK))
        rc = bad(r, CH_EFORMAT, "%u dimensions, allowed are 1 to %d", t->rank, CH_MAX_RANK);
    for (uint32_t i = 0; rc == CH_OK && i < t->rank; i++)
        rc = take_u64(&t->dim[i], r, "a dimension");
    if (rc == CH_OK)
        rc = take_u32(&t->type, r, "its number format");
    if (rc == CH_OK)
        rc = take_u64(&t->offset, r, "its offset");
    return rc;
}

/* Gives the entry its shape and its bytes, which lie within the data that begins at `data`. */
static int place(reader *r, const entry *t, size_t data)
{
    ch_dtype dtype;
    if (!ch_dtype_by_gguf(&dtype, t->type))
        return unknown_dtype(r, t->type);
    int64_t dim[CH_MAX_RANK];
    for (uint32_t i = 0; i < t->rank; i++) {
        if (t->dim[i] > INT64_MAX)
            return bad(r, CH_EFORMAT, "a dimension is %llu, allowed is less than 2^63",
                       (unsigned long long)t->dim[i]);
        dim[t->rank - 1 - i] = (int64_t)t->dim[i];
    }
    char name[128];
    ch_tensor shaped;
    size_t bytes;
    snprintf(name, sizeof name, "%.*s", CH_SHOWN(t->name.n), t->name.p);
    int rc = ch_tensor_shape(&shaped, &bytes, dtype, (int)t->rank, dim, name, r->e);
    if (rc < 0) {
        ch_fail_at(r->e, "%s", r->f->path);
        return rc;
    }
    const size_t size = r->f->map.size > data ? r->f->map.size - data : 0;
    if (t->offset % r->f->alignment)
        return bad(r, CH_EFORMAT, "its offset %llu is no multiple of the alignment %zu",
                   (unsigned long long)t->offset, r->f->alignment);
    if (t->offset > size || bytes > size - t->offset)
        return bad(r, CH_EFORMAT, "%zu bytes at offset %llu, the file has %zu bytes of data", bytes,
                   (unsigned long long)t->offset, size);
    shaped.data = (void *)(uintptr_t)(r->f->map.data + data + t->offset);
    return ch_file_put_tensor(r->f, t->name, &shaped, bytes, r->e);
}

/* The entries are walked twice: where the data begins is known at their end only. */
static int read_tensors(reader *r, uint64_t n)
{
    const size_t first = r->at;
    entry t;
    int rc = CH_OK;
    r->part = "tensor";
    for (r->number = 0; rc == CH_OK && r->number < n; r->number++)
        rc = read_entry(&t, r);
    if (rc < 0)
        return rc;
    const size_t a = r->f->alignment, data = (r->at + a - 1) / a * a;
    r->at = first;
    for (r->number = 0; rc == CH_OK && r->number < n; r->number++) {
        rc = read_entry(&t, r);
        if (rc == CH_OK)
            rc = place(r, &t, data);
    }
    return rc;
}

/* ---- The file ------------------------------------------------------------------------------- */

bool ch_gguf_sniff(const unsigned char *p, size_t n)
{
    return n >= 4 && memcmp(p, CH_GGUF_MAGIC, 4) == 0;
}

static int check_version(const reader *r, uint32_t version)
{
    if (version == 2 || version == 3)
        return CH_OK;
    if (version == __builtin_bswap32(2) || version == __builtin_bswap32(3))
        return ch_fail(r->e, CH_EUNSUPPORTED,
                       "%s: a big-endian GGUF file, supported is little-endian", r->f->path);
    if (version == 1)
        return ch_fail(r->e, CH_EUNSUPPORTED,
                       "%s: GGUF version 1, which was in use for weeks of 2023; convert the "
                       "original model again, or download a newer file (supported are 2 and 3)",
                       r->f->path);
    return ch_fail(r->e, CH_EUNSUPPORTED, "%s: GGUF version %u, supported are 2 and 3", r->f->path,
                   version);
}

/* Compares a count with the limit, and with the fewest bytes that so many entries take. */
static int check_count(const reader *r, uint64_t n, const char *what, uint64_t max, size_t each)
{
    if (n > max)
        return ch_fail(r->e, CH_ELIMIT, "%s: %llu %s, allowed are %llu", r->f->path,
                       (unsigned long long)n, what, (unsigned long long)max);
    if (n > left(r) / each)
        return ch_fail(r->e, CH_EFORMAT,
                       "%s: %llu %s cannot fit into the %zu bytes after the header", r->f->path,
                       (unsigned long long)n, what, left(r));
    return CH_OK;
}

int ch_gguf_read(ch_file *f, ch_err *e)
{
    reader r = {.f = f, .e = e, .at = 4, .part = "header"};
    uint64_t tensors = 0, metas = 0;
    int rc = take_u32(&f->version, &r, "the version");
    if (rc == CH_OK)
        rc = check_version(&r, f->version);
    if (rc == CH_OK)
        rc = take_u64(&tensors, &r, "the number of tensors");
    if (rc == CH_OK)
        rc = take_u64(&metas, &r, "the number of metadata entries");
    if (rc == CH_OK)
        rc = check_count(&r, metas, "metadata entries", CH_FILE_MAX_META, MIN_META_BYTES);
    if (rc == CH_OK)
        rc = check_count(&r, tensors, "tensors", CH_FILE_MAX_TENSORS, MIN_TENSOR_BYTES);
    if (rc == CH_OK)
        rc = ch_file_reserve(f, (size_t)metas, (size_t)tensors, e);
    r.part = "metadata";
    for (r.number = 0; rc == CH_OK && r.number < metas; r.number++) {
        r.name = (ch_str){0};
        rc = read_meta(&r);
    }
    if (rc == CH_OK)
        rc = ch_gguf_alignment(&f->alignment, f, e);
    return rc < 0 ? rc : read_tensors(&r, tensors);
}
