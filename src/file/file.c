/* file.c - opening a model file of any format, and asking it for metadata and tensors (file.h)
 *
 * SPDX-License-Identifier: MIT */
#include "guard.h"
#include "store.h"

#include <string.h>

static const struct {
    const char *name;
    ch_file_sniff *sniff;
    ch_file_read *read;
} formats[] = {
#define FORMAT(name) {#name, ch_##name##_sniff, ch_##name##_read},
#include "files.def"
#undef FORMAT
};

static const char format_list[] = ""
#define FORMAT(name) " " #name
#include "files.def"
#undef FORMAT
    ;

/* ---- Opening -------------------------------------------------------------------------------- */

static int unknown_format(const ch_file *f, ch_err *e)
{
    static const struct {
        const char *begin, *what;
    } strangers[] = {
        {"tjgg", "a GGJT file, the format before GGUF; convert the original model again"},
        {"fmgg", "a GGMF file, a format before GGUF; convert the original model again"},
        {"lmgg", "a GGML file, a format before GGUF; convert the original model again"},
        {"FUGG", "a byte-swapped GGUF file; supported is little-endian"},
        {"PK\3\4", "a zip archive, as PyTorch's pickles are; reading those runs code: take the "
                   "model's safetensors or GGUF files"},
        {"\x80\2", "a Python pickle; reading it runs code: take the model's safetensors or GGUF "
                   "files"},
        {"version https://git-lfs", "a pointer of Git LFS; fetch the file itself (git lfs pull)"},
    };
    if (!f->map.size)
        return ch_fail(e, CH_EFORMAT, "%s: the file is empty", f->path);
    for (size_t i = 0; i < CH_COUNT(strangers); i++) {
        const size_t n = strlen(strangers[i].begin);
        if (f->map.size >= n && memcmp(f->map.data, strangers[i].begin, n) == 0)
            return ch_fail(e, CH_EUNSUPPORTED, "%s: not a model file that is read here: it is %s",
                           f->path, strangers[i].what);
    }
    unsigned char head[4] = {0};
    memcpy(head, f->map.data, CH_MIN(f->map.size, sizeof head));
    return ch_fail(
        e, CH_EFORMAT,
        "%s: not a model file: %zu bytes that begin with %02x %02x %02x %02x, known are%s", f->path,
        f->map.size, head[0], head[1], head[2], head[3], format_list);
}

/* Reads f->map into f by the first format that knows it; closes *pf when that fails. */
static int read_any(ch_file **pf, ch_err *e)
{
    ch_file *f = *pf;
    int rc = CH_EFORMAT;
    size_t i = 0;
    while (i < CH_COUNT(formats) && !(f->map.size && formats[i].sniff(f->map.data, f->map.size)))
        i++;
    if (i < CH_COUNT(formats)) {
        f->format = formats[i].name;
        rc = formats[i].read(f, e);
    } else {
        rc = unknown_format(f, e);
    }
    if (rc < 0)
        ch_file_close(pf);
    return rc;
}

int ch_file_map(ch_file *f, ch_err *e)
{
    if (ch_io_exists(f->path) && !ch_io_is_dir(f->path) && !ch_io_is_file(f->path))
        return ch_fail(e, CH_EARG, "%s is a device or a pipe, wanted a file", f->path);
    return ch_io_map(&f->map, f->path, e);
}

static int open_path(ch_file **out, const char *path, bool part, ch_err *e)
{
    int rc = ch_file_empty(out, path, e);
    if (rc < 0)
        return rc;
    (*out)->index->names_others = part;
    rc = ch_file_map(*out, e);
    if (rc < 0) {
        ch_file_close(out);
        return rc;
    }
    rc = read_any(out, e);
    if (rc == CH_OK && strcmp((*out)->format, "gguf") == 0)
        rc = ch_gguf_open_split(out, e);
    if (rc < 0)
        ch_file_close(out);
    return rc;
}

int ch_file_open(ch_file **out, const char *path, ch_err *e)
{
    return ch_io_is_dir(path) ? ch_file_open_folder(out, path, e) : open_path(out, path, false, e);
}

int ch_file_open_part(ch_file **out, const char *path, ch_err *e)
{
    return open_path(out, path, true, e);
}

static int open_bytes(ch_file **out, const void *bytes, size_t n, const char *name, bool part,
                      ch_err *e)
{
    int rc = ch_file_empty(out, name, e);
    if (rc < 0)
        return rc;
    (*out)->index->names_others = part;
    (*out)->map = (ch_mapping){.data = bytes, .size = n};
    (*out)->index->borrowed = true;
    return read_any(out, e);
}

int ch_file_open_memory(ch_file **out, const void *bytes, size_t n, const char *name, ch_err *e)
{
    return open_bytes(out, bytes, n, name, false, e);
}

int ch_file_open_part_memory(ch_file **out, const void *bytes, size_t n, const char *name,
                             ch_err *e)
{
    return open_bytes(out, bytes, n, name, true, e);
}

int ch_file_whole(const ch_file *f, ch_err *e)
{
    int rc = ch_guard_whole(f->map.data, e);
    for (const ch_file *p = f->index->parts; p && rc == CH_OK; p = p->index->next)
        rc = ch_guard_whole(p->map.data, e);
    return rc;
}

/* ---- Looking up ----------------------------------------------------------------------------- */

void ch_file_forget(const ch_file *f, const void *p, size_t n)
{
    if (!f->index->borrowed)
        ch_io_forget(&f->map, p, n);
    for (const ch_file *part = f->index->parts; part; part = part->index->next)
        ch_file_forget(part, p, n);
}

const ch_file_tensor *ch_file_tensor_find(const ch_file *f, const char *name)
{
    const int64_t i = ch_map_get(&f->index->tensors, name, strlen(name));
    return i < 0 ? NULL : &f->tensors[i];
}

const ch_meta *ch_file_meta_find(const ch_file *f, const char *key)
{
    const int64_t i = ch_map_get(&f->index->meta, key, strlen(key));
    return i < 0 ? NULL : &f->meta[i];
}

static const char *const type_names[] = {
    [CH_META_INT] = "an integer", [CH_META_UINT] = "an integer", [CH_META_REAL] = "a real number",
    [CH_META_BOOL] = "a bool",    [CH_META_STR] = "a string",    [CH_META_ARRAY] = "an array",
};

static int wrong_kind(const ch_file *f, const ch_meta *m, const char *wanted, ch_err *e)
{
    return ch_fail(e, CH_EFORMAT, "%s: metadata \"%.*s\" is %s, wanted is %s", f->path,
                   CH_SHOWN(m->key.n), m->key.p, type_names[m->type], wanted);
}

static const ch_meta *required(const ch_file *f, const char *key, ch_err *e)
{
    const ch_meta *m = ch_file_meta_find(f, key);
    if (!m)
        ch_fail(e, CH_EFORMAT, "%s: metadata \"%s\" is missing", f->path, key);
    return m;
}

int ch_file_int_opt(int64_t *out, const ch_file *f, const char *key, int64_t min, int64_t max,
                    ch_err *e)
{
    const ch_meta *m = ch_file_meta_find(f, key);
    if (!m)
        return CH_OK;
    if (m->type == CH_META_UINT && m->v.u > INT64_MAX)
        return ch_fail(e, CH_EFORMAT, "%s: metadata \"%s\" is %llu, allowed are %lld to %lld",
                       f->path, key, (unsigned long long)m->v.u, (long long)min, (long long)max);
    if (m->type != CH_META_INT && m->type != CH_META_UINT)
        return wrong_kind(f, m, "an integer", e);
    const int64_t v = m->type == CH_META_INT ? m->v.i : (int64_t)m->v.u;
    if (v < min || v > max)
        return ch_fail(e, CH_EFORMAT, "%s: metadata \"%s\" is %lld, allowed are %lld to %lld",
                       f->path, key, (long long)v, (long long)min, (long long)max);
    *out = v;
    return CH_OK;
}

int ch_file_real_opt(double *out, const ch_file *f, const char *key, double min, double max,
                     ch_err *e)
{
    const ch_meta *m = ch_file_meta_find(f, key);
    if (!m)
        return CH_OK;
    double v;
    switch (m->type) {
    case CH_META_REAL: v = m->v.r; break;
    case CH_META_INT: v = (double)m->v.i; break;
    case CH_META_UINT: v = (double)m->v.u; break;
    default: return wrong_kind(f, m, "a number", e);
    }
    if (!(v >= min && v <= max)) /* NaN is out of every range */
        return ch_fail(e, CH_EFORMAT, "%s: metadata \"%s\" is %g, allowed are %g to %g", f->path,
                       key, v, min, max);
    *out = v;
    return CH_OK;
}

int ch_file_bool_opt(bool *out, const ch_file *f, const char *key, ch_err *e)
{
    const ch_meta *m = ch_file_meta_find(f, key);
    if (!m)
        return CH_OK;
    if (m->type != CH_META_BOOL)
        return wrong_kind(f, m, "a bool", e);
    *out = m->v.b;
    return CH_OK;
}

int ch_file_int(int64_t *out, const ch_file *f, const char *key, int64_t min, int64_t max,
                ch_err *e)
{
    if (!required(f, key, e))
        return CH_EFORMAT;
    return ch_file_int_opt(out, f, key, min, max, e);
}

int ch_file_real(double *out, const ch_file *f, const char *key, double min, double max, ch_err *e)
{
    if (!required(f, key, e))
        return CH_EFORMAT;
    return ch_file_real_opt(out, f, key, min, max, e);
}

int ch_file_str(ch_str *out, const ch_file *f, const char *key, ch_err *e)
{
    const ch_meta *m = required(f, key, e);
    if (!m)
        return CH_EFORMAT;
    if (m->type != CH_META_STR)
        return wrong_kind(f, m, "a string", e);
    *out = m->v.s;
    return CH_OK;
}

int ch_file_str_array(const ch_str **out, size_t *n, const ch_file *f, const char *key, ch_err *e)
{
    const ch_meta *m = required(f, key, e);
    if (!m)
        return CH_EFORMAT;
    if (m->type != CH_META_ARRAY)
        return wrong_kind(f, m, "an array of strings", e);
    if (m->v.a.type != CH_META_STR)
        return ch_fail(
            e, CH_EFORMAT,
            "%s: metadata \"%s\" is an array whose elements are %s each, wanted are strings",
            f->path, key, type_names[m->v.a.type]);
    *out = m->v.a.data;
    *n = m->v.a.n;
    return CH_OK;
}
