/* safetensors_read.c - safetensors: a JSON header and the bytes of all tensors
 *
 *   u64 n, n bytes of JSON, the data
 *   JSON: {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...,
 *          "__metadata__": {"key": "text"}}        offsets count from the beginning of the data
 *
 * The tensors cover the data without gap or overlap.  Names stay as they are: what they mean is
 * said by the folder's config.json (hf_read.c).  Tensors of integers are refused, or, of a folder,
 * named in index->others: there are models whose files hold counters.  A scalar (shape []) is read
 * as one element; a tensor without elements is refused.
 * Source: safetensors README (Format).  SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "store.h"

typedef struct span {
    uint64_t begin, end;
    const char *name;
} span;

bool ch_safetensors_sniff(const unsigned char *p, size_t n)
{
    uint64_t header;
    if (n < sizeof header + 1 || p[8] != '{')
        return false;
    memcpy(&header, p, sizeof header);
    return header >= 2 && header <= CH_FILE_MAX_ST_HEADER;
}

static int by_begin(const void *a, const void *b)
{
    const span *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static int check_cover(ch_file *f, span *s, size_t n, uint64_t data, ch_err *e)
{
    qsort(s, n, sizeof *s, by_begin);
    uint64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i].begin != at)
            return ch_fail(e, CH_EFORMAT,
                           "%s: tensor \"%.*s\" begins at %llu, where the one before ends is %llu",
                           f->path, CH_SHOWN(strlen(s[i].name)), s[i].name,
                           (unsigned long long)s[i].begin, (unsigned long long)at);
        at = s[i].end;
    }
    if (at != data)
        return ch_fail(e, CH_EFORMAT, "%s: the tensors end at %llu of %llu bytes of data", f->path,
                       (unsigned long long)at, (unsigned long long)data);
    return CH_OK;
}

static int bad(const ch_file *f, const char *name, const char *what, ch_err *e)
{
    return ch_fail(e, CH_EFORMAT, "%s: tensor \"%.*s\": %s", f->path, CH_SHOWN(strlen(name)), name,
                   what);
}

/* The shape: an array of integers; ch_tensor_shape judges their values. */
static int read_shape(int64_t *dim, int *rank, const ch_file *f, const char *name,
                      const json_t *shape, ch_err *e)
{
    if (!json_is_array(shape) || json_array_size(shape) > CH_MAX_RANK)
        return bad(f, name, "its shape is no array of at most 4 dimensions", e);
    *rank = (int)json_array_size(shape);
    for (int i = 0; i < *rank; i++) {
        const json_t *v = json_array_get(shape, (size_t)i);
        if (!json_is_integer(v))
            return bad(f, name, "its shape holds something that is no integer", e);
        dim[i] = json_integer_value(v);
    }
    if (*rank == 0) {
        *rank = 1;
        dim[0] = 1;
    }
    return CH_OK;
}

static int read_offsets(span *s, const ch_file *f, const char *name, const json_t *o, uint64_t data,
                        ch_err *e)
{
    const json_t *b = json_array_get(o, 0), *d = json_array_get(o, 1);
    if (json_array_size(o) != 2 || !json_is_integer(b) || !json_is_integer(d))
        return bad(f, name, "its data_offsets are no pair of integers", e);
    const int64_t begin = json_integer_value(b), end = json_integer_value(d);
    if (begin < 0 || end < begin || (uint64_t)end > data)
        return ch_fail(
            e, CH_EFORMAT,
            "%s: tensor \"%.*s\": data_offsets %lld to %lld, the file has %llu bytes of data",
            f->path, CH_SHOWN(strlen(name)), name, (long long)begin, (long long)end,
            (unsigned long long)data);
    *s = (span){.begin = (uint64_t)begin, .end = (uint64_t)end, .name = name};
    return CH_OK;
}

static int read_dtype(ch_dtype *out, const ch_file *f, const char *name, const json_t *v, ch_err *e)
{
    static const char known[] = ""
#define DTYPE(ENUM, name, gguf, st, block, bytes, panel, encode, fit) " " st
#include "dtypes.def"
#undef DTYPE
        ;
    const char *s = json_string_value(v);
    if (!s)
        return bad(f, name, "its dtype is no string", e);
    if (ch_dtype_by_name(out, s) && strcmp(ch_dtype_get(*out)->safetensors, s) == 0)
        return CH_OK;
    return ch_fail(e, CH_EUNSUPPORTED, "%s: tensor \"%.*s\": dtype \"%.*s\", supported are%s",
                   f->path, CH_SHOWN(strlen(name)), name, CH_SHOWN(strlen(s)), s, known);
}

/* Bytes of an element of a kind that is none of dtypes.def; 0: unknown. */
static size_t other_bytes(const char *dtype)
{
    static const struct {
        const char *name;
        size_t bytes;
    } others[] = {{"I64", 8}, {"U64", 8}, {"I32", 4}, {"U32", 4}, {"I16", 2},
                  {"U16", 2}, {"I8", 1},  {"U8", 1},  {"BOOL", 1}};
    for (size_t i = 0; dtype && i < CH_COUNT(others); i++)
        if (strcmp(others[i].name, dtype) == 0)
            return others[i].bytes;
    return 0;
}

/* One that is named and not read. */
static int name_other(ch_file *f, span *s, const char *name, const json_t *o, size_t size,
                      uint64_t n, ch_err *e)
{
    int64_t dim[CH_MAX_RANK];
    int rank = 0;
    int rc = read_shape(dim, &rank, f, name, json_object_get(o, "shape"), e);
    if (rc == CH_OK)
        rc = read_offsets(s, f, name, json_object_get(o, "data_offsets"), n, e);
    for (int i = 0; i < rank && rc == CH_OK; i++) {
        size = dim[i] < 1 ? 0 : ch_size_mul(size, (size_t)dim[i]);
        if (size == 0)
            rc = bad(f, name, "its shape holds a dimension that is less than 1", e);
    }
    if (rc == CH_OK && size != s->end - s->begin)
        rc = bad(f, name, "its shape and its data_offsets are not of one size", e);
    char *copy = rc == CH_OK ? ch_file_copy(f, name, strlen(name)) : NULL;
    if (rc == CH_OK && !copy)
        rc = ch_fail(e, CH_ENOMEM, "%s: out of memory for names of tensors", f->path);
    if (rc == CH_OK)
        f->index->others[f->index->n_others++] = copy;
    return rc;
}

static int read_tensor(ch_file *f, span *s, const char *name, const json_t *o,
                       const unsigned char *data, uint64_t n, ch_err *e)
{
    ch_dtype dtype;
    int64_t dim[CH_MAX_RANK];
    int rank = 0;
    ch_tensor t;
    size_t bytes;
    const size_t other = other_bytes(json_string_value(json_object_get(o, "dtype")));
    if (other && f->index->names_others)
        return name_other(f, s, name, o, other, n, e);
    int rc = read_dtype(&dtype, f, name, json_object_get(o, "dtype"), e);
    if (rc == CH_OK)
        rc = read_shape(dim, &rank, f, name, json_object_get(o, "shape"), e);
    if (rc == CH_OK)
        rc = read_offsets(s, f, name, json_object_get(o, "data_offsets"), n, e);
    if (rc < 0)
        return rc;
    rc = ch_tensor_shape(&t, &bytes, dtype, rank, dim, name, e);
    if (rc < 0) {
        ch_fail_at(e, "%s", f->path);
        return rc;
    }
    if (bytes != s->end - s->begin)
        return ch_fail(e, CH_EFORMAT,
                       "%s: tensor \"%.*s\": its shape takes %zu bytes, its data_offsets hold %llu",
                       f->path, CH_SHOWN(strlen(name)), name, bytes,
                       (unsigned long long)(s->end - s->begin));
    t.data = (void *)(uintptr_t)(data + s->begin);
    return ch_file_put_tensor(f, (ch_str){.p = name, .n = strlen(name)}, &t, bytes, e);
}

static int read_metadata(ch_file *f, const json_t *o, ch_err *e)
{
    if (!json_is_object(o))
        return ch_fail(e, CH_EFORMAT, "%s: __metadata__ is no JSON object", f->path);
    const char *key;
    json_t *v;
    int rc = CH_OK;
    json_object_foreach((json_t *)(uintptr_t)o, key, v)
    {
        if (!json_is_string(v))
            return ch_fail(e, CH_EFORMAT, "%s: metadata \"%.*s\" is no string", f->path,
                           CH_SHOWN(strlen(key)), key);
        rc = ch_file_set_str(f, key, json_string_value(v), json_string_length(v), e);
        if (rc < 0)
            return rc;
    }
    return rc;
}

static int read_all(ch_file *f, const json_t *root, const unsigned char *data, uint64_t n,
                    ch_err *e)
{
    const size_t entries = json_object_size(root);
    if (entries > CH_FILE_MAX_TENSORS)
        return ch_fail(e, CH_ELIMIT, "%s: %zu tensors, allowed are %d", f->path, entries,
                       CH_FILE_MAX_TENSORS);
    span *spans = ch_file_take(f, entries * sizeof *spans);
    f->index->others = ch_file_take(f, entries * sizeof *f->index->others);
    if (!spans || !f->index->others)
        return ch_fail(e, CH_ENOMEM, "%s: out of memory for %zu tensors", f->path, entries);
    const char *name;
    json_t *v;
    int rc = ch_file_reserve(f, 0, entries, e);
    json_object_foreach((json_t *)(uintptr_t)root, name, v)
    {
        if (rc == CH_OK && strcmp(name, "__metadata__") == 0)
            rc = read_metadata(f, v, e);
        else if (rc == CH_OK)
            rc = read_tensor(f, &spans[f->n_tensors + f->index->n_others], name, v, data, n, e);
    }
    return rc < 0 ? rc : check_cover(f, spans, f->n_tensors + f->index->n_others, n, e);
}

int ch_safetensors_read(ch_file *f, ch_err *e)
{
    uint64_t header;
    memcpy(&header, f->map.data, sizeof header);
    const size_t left = f->map.size - sizeof header;
    if (header > left)
        return ch_fail(e, CH_EFORMAT,
                       "%s: a header of %llu bytes, the file has %zu after its length", f->path,
                       (unsigned long long)header, left);
    json_t *root;
    const char *text = (const char *)f->map.data + sizeof header;
    int rc = ch_json_parse(&root, text, (size_t)header, f->path, e);
    if (rc < 0)
        return rc;
    f->alignment = 8;
    rc = read_all(f, root, f->map.data + sizeof header + header, left - header, e);
    json_decref(root);
    return rc;
}
