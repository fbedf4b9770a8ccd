/* hf_change.c - what happens to a tensor between a Hugging Face checkpoint and a GGUF file
 *
 *   PAIRS       rows of a head, halves (i, i + E/2) there, are pairs (2i, 2i + 1) here
 *   PLUS_ONE    Gemma's norms: w there multiplies as 1 + w; here it is y = fl(1 + w), as f32
 *   TRANSPOSED  GPT-2's maps are (in, out) there, (out, in) here
 *   TAPS        a convolution's (D, 1, S) there is (D, S) here, as f32
 *   SCALAR      () there is (1) here: readers make it that, conversion.c takes it back
 *
 * All but PLUS_ONE only move bits.  The error of a sum of floats is a float (Knuth, TwoSum): with
 * e = (1 + w) - y is w = (y - 1) + e, and in double both steps are exact for every finite float w.
 * A bfloat16 w of size 2^-16 to 2^23, or 0, has e = 0, for its last bit is no smaller than the last
 * of y.  Where some e of a tensor is not zero all of them are kept, as metadata
 * "chalcis.remainder.<tensor>", so that the way back is exact too.
 * Source: llama.cpp's converter (conversion/llama.py permute, gemma.py, gpt2.py, lfm2.py).
 * SPDX-License-Identifier: MIT */
#include "hf_change.h"

#include <stdio.h>
#include <string.h>

static int no_memory(const ch_file *f, const char *name, ch_err *e)
{
    return ch_fail(e, CH_ENOMEM, "%s: out of memory for tensor \"%s\"", f->path, name);
}

/* ---- Moving bits ---------------------------------------------------------------------------- */

static int move_rows(char *to, const ch_tensor *t, size_t bytes, int64_t heads, bool to_pairs,
                     const ch_hf_changing *c)
{
    const int64_t rows = t->dim[0];
    if (t->rank > 2 || heads < 1 || rows % (2 * heads) != 0)
        return ch_fail(c->e, CH_EFORMAT, "%s: tensor \"%s\" of %lld rows cannot be %lld heads of "
                                         "even width",
                       c->f->path, c->name, (long long)rows, (long long)heads);
    const int64_t width = rows / heads, half = width / 2;
    const size_t row = bytes / (size_t)rows;
    const char *from = t->data;
    for (int64_t r = 0; r < rows; r++) {
        const int64_t in = r % width, there = r - in + in % 2 * half + in / 2;
        memcpy(to + (size_t)(to_pairs ? r : there) * row,
               from + (size_t)(to_pairs ? there : r) * row, row);
    }
    return CH_OK;
}

static int transpose(char *to, ch_tensor *t, const ch_hf_changing *c)
{
    const ch_dtype_info *d = ch_dtype_get(t->dtype);
    if (t->rank != 2 || d->block != 1)
        return ch_fail(c->e, CH_EFORMAT, "%s: tensor \"%s\" is no matrix of plain numbers",
                       c->f->path, c->name);
    const int64_t rows = t->dim[0], cols = t->dim[1];
    const size_t size = (size_t)d->bytes;
    const char *from = t->data;
    enum { TILE = 32 }; /* both sides stay in cache */
    for (int64_t r0 = 0; r0 < rows; r0 += TILE)
        for (int64_t c0 = 0; c0 < cols; c0 += TILE)
            for (int64_t r = r0; r < CH_MIN(r0 + TILE, rows); r++)
                for (int64_t k = c0; k < CH_MIN(c0 + TILE, cols); k++)
                    memcpy(to + (size_t)(k * rows + r) * size,
                           from + (size_t)(r * cols + k) * size, size);
    *t = ch_tensor_2d(to, t->dtype, cols, rows);
    return CH_OK;
}

/* ---- One more, one less ---------------------------------------------------------------------- */

static void remainder_key(char *out, size_t size, const char *name)
{
    snprintf(out, size, "chalcis.remainder.%s", name);
}

static int add_one(ch_tensor *t, const ch_hf_changing *c)
{
    const int64_t n = ch_tensor_count(t);
    const size_t bytes = (size_t)n * sizeof(float);
    float *y = ch_file_memory(c->f, ch_size_mul(bytes, 2), c->e);
    if (!y)
        return CH_ENOMEM;
    float *w = y + n;
    bool exact = true;
    if (t->rank != 1 || ch_dtype_get(t->dtype)->block != 1 || t->dtype == CH_F64)
        return ch_fail(c->e, CH_EUNSUPPORTED,
                       "%s: tensor \"%s\" is no vector of f32, f16 or bf16", c->f->path, c->name);
    ch_dtype_get(t->dtype)->decode(w, t->data, n);
    for (int64_t i = 0; i < n; i++) {
        y[i] = 1 + w[i];
        w[i] = (float)((double)w[i] - ((double)y[i] - 1));
        exact &= w[i] == 0;
    }
    *t = ch_tensor_1d(y, CH_F32, n);
    char key[CH_FILE_MAX_NAME + 32];
    remainder_key(key, sizeof key, c->gguf);
    return exact ? CH_OK : ch_file_set_f32s(c->f, key, w, (size_t)n, c->e);
}

static int take_one(float *w, const ch_tensor *t, const ch_hf_changing *c)
{
    const int64_t n = ch_tensor_count(t);
    char key[CH_FILE_MAX_NAME + 32];
    remainder_key(key, sizeof key, c->gguf);
    const ch_meta *m = ch_file_meta_find(c->from, key);
    if (t->rank != 1 || t->dtype != CH_F32)
        return ch_fail(c->e, CH_EUNSUPPORTED, "%s: tensor \"%s\" is no vector of f32",
                       c->from->path, c->gguf);
    if (m && (m->type != CH_META_ARRAY || m->v.a.n != (size_t)n))
        return ch_fail(c->e, CH_EFORMAT, "%s: metadata \"%s\" is no array of %lld numbers",
                       c->from->path, key, (long long)n);
    const float *y = t->data;
    for (int64_t i = 0; i < n; i++) {
        double rest = 0;
        if (m && ch_meta_at_real(&rest, m, (size_t)i) < 0)
            return ch_fail(c->e, CH_EFORMAT, "%s: metadata \"%s\" holds something that is no "
                                             "number",
                           c->from->path, key);
        w[i] = (float)(((double)y[i] - 1) + rest);
    }
    return CH_OK;
}

/* ---- Both ways ------------------------------------------------------------------------------- */

static int64_t heads_of(const ch_hf_changing *c, ch_hf_change change)
{
    return c->heads[change == CHANGE_PAIRS_K];
}

int ch_hf_change_read(ch_tensor *t, size_t *bytes, ch_hf_change change, const ch_hf_changing *c)
{
    const ch_dtype_info *d = ch_dtype_get(t->dtype);
    int rc = CH_OK;
    char *to = NULL;
    if (change == CHANGE_NONE || change == CHANGE_SCALAR)
        return CH_OK;
    if (change == CHANGE_PLUS_ONE) {
        rc = add_one(t, c);
        *bytes = (size_t)ch_tensor_count(t) * sizeof(float);
        return rc;
    }
    if (change == CHANGE_TAPS) {
        if (t->rank != 3 || t->dim[1] != 1 || d->block != 1 || t->dtype == CH_F64)
            return ch_fail(c->e, CH_EFORMAT,
                           "%s: tensor \"%s\" does not have the shape (width, 1, taps) of numbers",
                           c->f->path, c->name);
        *bytes = ch_size_mul((size_t)ch_tensor_count(t), sizeof(float));
    }
    to = ch_file_memory(c->f, *bytes, c->e);
    if (!to)
        return no_memory(c->f, c->name, c->e);
    if (change == CHANGE_TRANSPOSED)
        return transpose(to, t, c);
    if (change == CHANGE_TAPS) {
        d->decode((float *)(void *)to, t->data, ch_tensor_count(t));
        *t = ch_tensor_2d(to, CH_F32, t->dim[0], t->dim[2]);
        return CH_OK;
    }
    rc = move_rows(to, t, *bytes, heads_of(c, change), true, c);
    t->data = to;
    return rc;
}

int ch_hf_change_write(void *to, ch_tensor *t, ch_hf_change change, const ch_hf_changing *c)
{
    const size_t bytes = ch_dtype_bytes(t->dtype, ch_tensor_count(t));
    int rc = CH_OK;
    switch (change) {
    case CHANGE_PAIRS_Q:
    case CHANGE_PAIRS_K: rc = move_rows(to, t, bytes, heads_of(c, change), false, c); break;
    case CHANGE_TRANSPOSED: return transpose(to, t, c);
    case CHANGE_PLUS_ONE: rc = take_one(to, t, c); break;
    default: memcpy(to, t->data, bytes); break;
    }
    t->data = to;
    return rc;
}

int ch_hf_change_shape(ch_tensor *t, ch_hf_change change)
{
    if (change == CHANGE_TRANSPOSED && t->rank == 2)
        *t = ch_tensor_2d(t->data, t->dtype, t->dim[1], t->dim[0]);
    if (change != CHANGE_TAPS)
        return CH_OK;
    if (t->rank != 2)
        return CH_EFORMAT;
    const int64_t rows = t->dim[0], taps = t->dim[1];
    t->rank = 3;
    t->dim[0] = rows;
    t->dim[1] = 1;
    t->dim[2] = taps;
    t->stride[0] = t->stride[1] = taps;
    t->stride[2] = 1;
    return CH_OK;
}
