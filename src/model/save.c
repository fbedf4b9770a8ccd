/* save.c - a model into a file under construction, each matrix in the format asked for
 *
 * SPDX-License-Identifier: MIT */
#include "table.h"

#include <stdlib.h>
#include <string.h>

struct saving {
    ch_model *m;
    ch_file *f;
    ch_dtype dtype;
    int fallbacks;
    ch_err *e;
};

/* Rows that are no whole blocks of the wanted format are kept in f16: a quarter of f32's error
 * for half its bytes, and every engine reads it. */
static ch_dtype format_of(struct saving *s, const ch_tensor *t, const ch_weight_row *row)
{
    if (t->rank == 1 || (row->flags & (CH_ROW_REALS | CH_ROW_EXACT)))
        return CH_F32;
    if (s->dtype == CH_DTYPES)
        return t->dtype;
    if (row->flags & CH_ROW_POSITIONS) /* as other quantizers leave it */
        return CH_F32;
    if (ch_tensor_width(t) % ch_dtype_get(s->dtype)->block == 0)
        return s->dtype;
    s->fallbacks++;
    return CH_F16;
}

static int encode(const struct saving *s, void *out, const ch_tensor *t, ch_dtype dtype,
                  const char *name)
{
    const int64_t width = ch_tensor_width(t), rows = ch_tensor_rows(t);
    const size_t row_bytes = ch_dtype_bytes(dtype, width);
    real *values = malloc((size_t)width * sizeof *values);
    float *floats = malloc((size_t)width * sizeof *floats);
    if (!values || !floats) {
        free(values);
        free(floats);
        return ch_fail(s->e, CH_ENOMEM, "no memory to encode %s", name);
    }
    for (int64_t i = 0; i < rows; i++) {
        ch_tensor_read(values, t, i * width, width);
        for (int64_t j = 0; j < width; j++)
            floats[j] = (float)values[j];
        ch_dtype_get(dtype)->encode((char *)out + (size_t)i * row_bytes, floats, width);
    }
    free(values);
    free(floats);
    return CH_OK;
}

static int save_weight(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct saving *s = arg;
    (void)layer;
    if (!w->stored.data)
        return CH_OK;
    const ch_dtype dtype = format_of(s, &w->stored, row);
    if (dtype == w->stored.dtype) /* as it lies, to the bit */
        return ch_file_add_tensor(s->f, w->name, &w->stored, s->e);
    const size_t bytes = ch_dtype_bytes(dtype, ch_tensor_count(&w->stored));
    void *data = ch_file_memory(s->f, bytes, s->e);
    if (!data)
        return s->e ? s->e->code : CH_ENOMEM;
    const int rc = encode(s, data, &w->stored, dtype, w->name);
    if (rc < 0)
        return rc;
    ch_tensor t = w->stored.rank == 2
                      ? ch_tensor_2d(data, dtype, w->stored.dim[0], w->stored.dim[1])
                      : ch_tensor_1d(data, dtype, w->stored.dim[0]);
    return ch_file_add_tensor(s->f, w->name, &t, s->e);
}

int ch_model_to_file(ch_model *m, ch_file *f, ch_dtype dtype, int *fallbacks, ch_err *e)
{
    int rc = ch_config_write(&m->config, f, e);
    struct saving s = {.m = m, .f = f, .dtype = dtype, .e = e};
    if (rc == CH_OK)
        rc = ch_model_each(m, save_weight, &s);
    if (fallbacks)
        *fallbacks = s.fallbacks;
    return rc;
}
