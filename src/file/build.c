/* build.c - files made in memory: metadata set value by value, tensors added (file.h)
 *
 * A key that is set again keeps its place and gets the new value; the memory of the old one stays
 * until the file is closed.
 * SPDX-License-Identifier: MIT */
#include "gguf.h"
#include "store.h"

#include <string.h>

int ch_file_new(ch_file **out, ch_err *e)
{
    int rc = ch_file_empty(out, "(new file)", e);
    if (rc < 0)
        return rc;
    (*out)->format = "gguf";
    (*out)->version = 3;
    (*out)->alignment = CH_GGUF_ALIGNMENT;
    return CH_OK;
}

void *ch_file_memory(ch_file *f, size_t bytes, ch_err *e)
{
    void *p = ch_file_take(f, bytes);
    if (!p)
        ch_fail(e, CH_ENOMEM, "%s: out of memory for a tensor of %zu bytes", f->path, bytes);
    return p;
}

static int no_memory(const ch_file *f, ch_str key, ch_err *e)
{
    return ch_fail(e, CH_ENOMEM, "%s: out of memory for metadata \"%.*s\"", f->path,
                   CH_SHOWN(key.n), key.p);
}

/* Stores *m, whose value is owned by f already; the key is copied. */
static int set(ch_file *f, ch_str key, ch_meta *m, ch_err *e)
{
    if (key.n < 1 || key.n > CH_FILE_MAX_KEY)
        return ch_fail(e, CH_EARG, "%s: a metadata key of %zu bytes, allowed are 1 to %d", f->path,
                       key.n, CH_FILE_MAX_KEY);
    const int64_t i = ch_map_get(&f->index->meta, key.p, key.n);
    if (i >= 0) {
        m->key = f->meta[i].key;
        f->meta[i] = *m;
        return CH_OK;
    }
    m->key = (ch_str){.p = ch_file_copy(f, key.p, key.n), .n = key.n};
    return m->key.p ? ch_file_put_meta(f, m, e) : no_memory(f, key, e);
}

static ch_str str_of(const char *key)
{
    return (ch_str){.p = key, .n = strlen(key)};
}

static int set_number(ch_file *f, const char *key, int gguf_type, const void *bytes, ch_err *e)
{
    ch_meta m = {0};
    ch_gguf_value(&m, gguf_type, bytes);
    return set(f, str_of(key), &m, e);
}

int ch_file_set_u32(ch_file *f, const char *key, uint32_t value, ch_err *e)
{
    return set_number(f, key, CH_GGUF_U32, &value, e);
}

int ch_file_set_i32(ch_file *f, const char *key, int32_t value, ch_err *e)
{
    return set_number(f, key, CH_GGUF_I32, &value, e);
}

int ch_file_set_u64(ch_file *f, const char *key, uint64_t value, ch_err *e)
{
    return set_number(f, key, CH_GGUF_U64, &value, e);
}

int ch_file_set_f32(ch_file *f, const char *key, float value, ch_err *e)
{
    return set_number(f, key, CH_GGUF_F32, &value, e);
}

int ch_file_set_bool(ch_file *f, const char *key, bool value, ch_err *e)
{
    return set_number(f, key, CH_GGUF_BOOL, &value, e);
}

static int check_string(const ch_file *f, ch_str key, size_t n, ch_err *e)
{
    if (n <= CH_FILE_MAX_STRING)
        return CH_OK;
    return ch_fail(e, CH_ELIMIT, "%s: metadata \"%.*s\": a string of %zu bytes, allowed are %zu",
                   f->path, CH_SHOWN(key.n), key.p, n, CH_FILE_MAX_STRING);
}

static int set_string(ch_file *f, ch_str key, ch_str value, ch_err *e)
{
    ch_meta m = {.type = CH_META_STR, .gguf_type = CH_GGUF_STR, .v.s.n = value.n};
    int rc = check_string(f, key, value.n, e);
    if (rc < 0)
        return rc;
    m.v.s.p = ch_file_copy(f, value.p, value.n);
    return m.v.s.p ? set(f, key, &m, e) : no_memory(f, key, e);
}

/* n elements of an array of numbers or bools. */
static int set_numbers(ch_file *f, ch_str key, int gguf_type, const void *values, size_t n,
                       ch_err *e)
{
    ch_meta m = {.type = CH_META_ARRAY, .gguf_type = CH_GGUF_ARRAY};
    const size_t bytes = ch_size_mul(n, ch_gguf_value_bytes(&m.v.a.type, gguf_type));
    m.v.a.gguf_type = gguf_type;
    m.v.a.n = n;
    m.v.a.data = ch_file_copy(f, values, bytes);
    return m.v.a.data ? set(f, key, &m, e) : no_memory(f, key, e);
}

static int set_strings(ch_file *f, ch_str key, const ch_str *values, size_t n, ch_err *e)
{
    ch_meta m = {.type = CH_META_ARRAY, .gguf_type = CH_GGUF_ARRAY};
    if (n > CH_FILE_MAX_STRINGS)
        return ch_fail(e, CH_ELIMIT, "%s: metadata \"%.*s\": %zu strings, allowed are %zu", f->path,
                       CH_SHOWN(key.n), key.p, n, CH_FILE_MAX_STRINGS);
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        int rc = check_string(f, key, values[i].n, e);
        if (rc < 0)
            return rc;
        bytes += values[i].n; /* 2^24 strings of 2^26 bytes: no overflow */
    }
    ch_str *s = ch_file_take(f, ch_size_mul(n, sizeof *s));
    char *text = ch_file_take(f, bytes);
    if (!s || !text)
        return no_memory(f, key, e);
    for (size_t i = 0; i < n; i++) {
        if (values[i].n)
            memcpy(text, values[i].p, values[i].n);
        s[i] = (ch_str){.p = text, .n = values[i].n};
        text += values[i].n;
    }
    m.v.a.type = CH_META_STR;
    m.v.a.gguf_type = CH_GGUF_STR;
    m.v.a.n = n;
    m.v.a.data = s;
    return set(f, key, &m, e);
}

int ch_file_set_str(ch_file *f, const char *key, const char *value, size_t n, ch_err *e)
{
    return set_string(f, str_of(key), (ch_str){.p = value, .n = n}, e);
}

int ch_file_set_strs(ch_file *f, const char *key, const ch_str *values, size_t n, ch_err *e)
{
    return set_strings(f, str_of(key), values, n, e);
}

int ch_file_set_i32s(ch_file *f, const char *key, const int32_t *values, size_t n, ch_err *e)
{
    return set_numbers(f, str_of(key), CH_GGUF_I32, values, n, e);
}

int ch_file_set_f32s(ch_file *f, const char *key, const float *values, size_t n, ch_err *e)
{
    return set_numbers(f, str_of(key), CH_GGUF_F32, values, n, e);
}

int ch_file_set_bools(ch_file *f, const char *key, const bool *values, size_t n, ch_err *e)
{
    return set_numbers(f, str_of(key), CH_GGUF_BOOL, values, n, e);
}

int ch_file_set_meta(ch_file *f, const ch_meta *m, ch_err *e)
{
    if (m->type == CH_META_STR)
        return set_string(f, m->key, m->v.s, e);
    if (m->type == CH_META_ARRAY && m->v.a.type == CH_META_STR)
        return set_strings(f, m->key, m->v.a.data, m->v.a.n, e);
    if (m->type == CH_META_ARRAY)
        return set_numbers(f, m->key, m->v.a.gguf_type, m->v.a.data, m->v.a.n, e);
    ch_meta copy = *m;
    return set(f, m->key, &copy, e);
}

static int add_tensor(ch_file *f, const char *name, const ch_tensor *t, ch_err *e)
{
    ch_tensor shaped;
    size_t bytes;
    if (ch_tensor_shape(&shaped, &bytes, t->dtype, t->rank, t->dim, name, e) < 0) {
        if (e)
            e->code = CH_EARG; /* the caller's shape, not a file's */
        return CH_EARG;
    }
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] > 1 && t->stride[i] != shaped.stride[i])
            return ch_fail(e, CH_EARG, "tensor \"%s\": its elements are not contiguous", name);
    if (ch_file_tensor_find(f, name))
        return ch_fail(e, CH_EARG, "%s: tensor \"%s\" is there already", f->path, name);
    shaped.data = t->data;
    return ch_file_put_tensor(f, (ch_str){.p = name, .n = strlen(name)}, &shaped, bytes, e);
}

int ch_file_add_tensor(ch_file *f, const char *name, const ch_tensor *t, ch_err *e)
{
    if (!t->data)
        return ch_fail(e, CH_EARG, "tensor \"%s\": it has no data", name);
    return add_tensor(f, name, t, e);
}

int ch_file_plan_tensor(ch_file *f, const char *name, const ch_tensor *t, ch_err *e)
{
    ch_tensor planned = *t;
    planned.data = NULL;
    return add_tensor(f, name, &planned, e);
}
