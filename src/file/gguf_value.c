/* gguf_value.c - the value types of GGUF metadata: sizes, kinds, and elements out of stored bytes
 *
 * SPDX-License-Identifier: MIT */
#include "gguf.h"

#include <string.h>

static const struct {
    unsigned char bytes;
    ch_meta_type type;
} types[CH_GGUF_TYPES] = {
    [CH_GGUF_U8] = {1, CH_META_UINT},     [CH_GGUF_I8] = {1, CH_META_INT},
    [CH_GGUF_U16] = {2, CH_META_UINT},    [CH_GGUF_I16] = {2, CH_META_INT},
    [CH_GGUF_U32] = {4, CH_META_UINT},    [CH_GGUF_I32] = {4, CH_META_INT},
    [CH_GGUF_U64] = {8, CH_META_UINT},    [CH_GGUF_I64] = {8, CH_META_INT},
    [CH_GGUF_F32] = {4, CH_META_REAL},    [CH_GGUF_F64] = {8, CH_META_REAL},
    [CH_GGUF_BOOL] = {1, CH_META_BOOL},   [CH_GGUF_STR] = {0, CH_META_STR},
    [CH_GGUF_ARRAY] = {0, CH_META_ARRAY},
};

size_t ch_gguf_value_bytes(ch_meta_type *type, int gguf_type)
{
    *type = types[gguf_type].type;
    return types[gguf_type].bytes;
}

void ch_gguf_value(ch_meta *m, int gguf_type, const void *bytes)
{
    const size_t n = types[gguf_type].bytes;
    uint64_t raw = 0;
    memcpy(&raw, bytes, n);
    m->gguf_type = gguf_type;
    m->type = types[gguf_type].type;
    float f;
    switch (gguf_type) {
    case CH_GGUF_I8: m->v.i = (int8_t)raw; break;
    case CH_GGUF_I16: m->v.i = (int16_t)raw; break;
    case CH_GGUF_I32: m->v.i = (int32_t)raw; break;
    case CH_GGUF_I64: m->v.i = (int64_t)raw; break;
    case CH_GGUF_F32:
        memcpy(&f, bytes, sizeof f);
        m->v.r = (double)f;
        break;
    case CH_GGUF_F64: memcpy(&m->v.r, bytes, sizeof m->v.r); break;
    case CH_GGUF_BOOL: m->v.b = raw != 0; break;
    default: m->v.u = raw; break;
    }
}

/* Element i as a value of its own. */
static bool element(ch_meta *out, const ch_meta *m, size_t i)
{
    if (m->type != CH_META_ARRAY || m->v.a.type == CH_META_STR || i >= m->v.a.n)
        return false;
    const size_t size = types[m->v.a.gguf_type].bytes;
    ch_gguf_value(out, m->v.a.gguf_type, (const char *)m->v.a.data + i * size);
    return true;
}

int ch_meta_at_int(int64_t *out, const ch_meta *m, size_t i)
{
    ch_meta v;
    if (!element(&v, m, i))
        return CH_EARG;
    switch (v.type) {
    case CH_META_INT: *out = v.v.i; return CH_OK;
    case CH_META_BOOL: *out = v.v.b; return CH_OK;
    case CH_META_UINT:
        if (v.v.u > INT64_MAX)
            return CH_EARG;
        *out = (int64_t)v.v.u;
        return CH_OK;
    default: return CH_EARG;
    }
}

int ch_meta_at_real(double *out, const ch_meta *m, size_t i)
{
    ch_meta v;
    if (!element(&v, m, i))
        return CH_EARG;
    switch (v.type) {
    case CH_META_REAL: *out = v.v.r; return CH_OK;
    case CH_META_INT: *out = (double)v.v.i; return CH_OK;
    case CH_META_UINT: *out = (double)v.v.u; return CH_OK;
    default: return CH_EARG;
    }
}

int ch_gguf_alignment(size_t *out, const ch_file *f, ch_err *e)
{
    int64_t a = CH_GGUF_ALIGNMENT;
    int rc = ch_file_int_opt(&a, f, "general.alignment", 8, CH_GGUF_MAX_ALIGNMENT, e);
    if (rc < 0)
        return rc;
    if (a & (a - 1))
        return ch_fail(e, CH_EFORMAT,
                       "%s: metadata \"general.alignment\" is %lld, allowed are powers of two",
                       f->path, (long long)a);
    *out = (size_t)a;
    return CH_OK;
}
