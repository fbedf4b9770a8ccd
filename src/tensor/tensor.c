/* tensor.c - shapes, strides and reading elements (tensor.h)
 *
 * Strides count elements even in block formats: an element offset is a multiple of the block where
 * it is turned into bytes, because rows are whole blocks.
 * SPDX-License-Identifier: MIT */
#include "tensor.h"

#include <stdio.h>
#include <string.h>

static size_t offset_bytes(ch_dtype t, int64_t elements)
{
    const ch_dtype_info *d = ch_dtype_get(t);
    return (size_t)(elements / d->block) * (size_t)d->bytes;
}

static void set_contiguous(ch_tensor *t)
{
    int64_t stride = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        t->stride[i] = stride;
        stride *= t->dim[i];
    }
}

ch_tensor ch_tensor_1d(void *data, ch_dtype t, int64_t n)
{
    return (ch_tensor){.data = data, .dtype = t, .rank = 1, .dim = {n}, .stride = {1}};
}

ch_tensor ch_tensor_2d(void *data, ch_dtype t, int64_t rows, int64_t cols)
{
    return (ch_tensor){
        .data = data, .dtype = t, .rank = 2, .dim = {rows, cols}, .stride = {cols, 1}};
}

int ch_tensor_shape(ch_tensor *out, size_t *bytes, ch_dtype t, int rank, const int64_t *dim,
                    const char *name, ch_err *e)
{
    const ch_dtype_info *d = ch_dtype_get(t);
    if (rank < 1 || rank > CH_MAX_RANK)
        return ch_fail(e, CH_EFORMAT, "tensor \"%s\": %d dimensions, allowed are 1 to %d", name,
                       rank, CH_MAX_RANK);
    int64_t count = 1;
    for (int i = 0; i < rank; i++) {
        if (dim[i] < 1)
            return ch_fail(e, CH_EFORMAT,
                           "tensor \"%s\": dimension %d is %lld, allowed is 1 or more", name, i,
                           (long long)dim[i]);
        if (dim[i] > INT64_MAX / count)
            return ch_fail(e, CH_EFORMAT,
                           "tensor \"%s\": its dimensions multiply to more than 2^63 - 1 elements",
                           name);
        count *= dim[i];
    }
    if (dim[rank - 1] % d->block)
        return ch_fail(
            e, CH_EFORMAT,
            "tensor \"%s\": rows of %lld elements are no whole blocks of %s (%d elements)", name,
            (long long)dim[rank - 1], d->name, d->block);
    size_t size = ch_dtype_bytes(t, count);
    if (size == SIZE_MAX || size > PTRDIFF_MAX)
        return ch_fail(e, CH_EFORMAT,
                       "tensor \"%s\": %lld elements of %s are more than memory can address", name,
                       (long long)count, d->name);
    *out = (ch_tensor){.dtype = t, .rank = rank};
    memcpy(out->dim, dim, (size_t)rank * sizeof *dim);
    set_contiguous(out);
    *bytes = size;
    return CH_OK;
}

int64_t ch_tensor_count(const ch_tensor *t)
{
    return ch_tensor_rows(t) * ch_tensor_width(t);
}

int64_t ch_tensor_rows(const ch_tensor *t)
{
    int64_t rows = 1;
    for (int i = 0; i < t->rank - 1; i++)
        rows *= t->dim[i];
    return rows;
}

int64_t ch_tensor_width(const ch_tensor *t)
{
    return t->rank ? t->dim[t->rank - 1] : 0;
}

size_t ch_tensor_row_bytes(const ch_tensor *t)
{
    return offset_bytes(t->dtype, ch_tensor_width(t));
}

/* Elements from one row to the next, all outer dimensions taken as one. */
static int64_t row_stride(const ch_tensor *t)
{
    return t->rank > 1 ? t->stride[t->rank - 2] : ch_tensor_width(t);
}

real *ch_tensor_row(const ch_tensor *t, int64_t row)
{
    return (real *)t->data + row * row_stride(t);
}

ch_tensor ch_tensor_slice_rows(const ch_tensor *t, int64_t row0, int64_t rows)
{
    const int64_t width = ch_tensor_width(t), stride = row_stride(t);
    ch_tensor s = ch_tensor_2d(NULL, t->dtype, rows, width);
    s.stride[0] = stride;
    if (t->data)
        s.data = (char *)t->data + offset_bytes(t->dtype, row0 * stride);
    if (t->grad)
        s.grad = t->grad + row0 * width;
    return s;
}

void ch_tensor_describe(char *out, size_t size, const ch_tensor *t)
{
    size_t at = (size_t)snprintf(out, size, "%s (", ch_dtype_get(t->dtype)->name);
    for (int i = 0; i < t->rank && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, i ? ", %lld" : "%lld", (long long)t->dim[i]);
    if (at < size)
        snprintf(out + at, size - at, ")");
}

void ch_tensor_read(real *out, const ch_tensor *t, int64_t at, int64_t n)
{
    const ch_dtype_info *d = ch_dtype_get(t->dtype);
    const char *from = (const char *)t->data + offset_bytes(t->dtype, at);
    if (t->dtype == CH_REAL) {
        memcpy(out, from, (size_t)n * sizeof *out);
        return;
    }
    /* Through a small float buffer, because real may be double. */
    enum { CHUNK = 1024 };
    float part[CHUNK];
    for (int64_t done = 0; done < n; done += CHUNK) {
        const int64_t take = CH_MIN(n - done, (int64_t)CHUNK);
        d->decode(part, from + offset_bytes(t->dtype, done), take);
        for (int64_t i = 0; i < take; i++)
            out[done + i] = (real)part[i];
    }
}
