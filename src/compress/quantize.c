/* quantize.c - tensors encoded on their way into a file, rows in parallel
 *
 * A scale is a binary16, which ends at 65504, and so is a number of f16: a tensor of which
 * something would come back as no number is refused by name, as is one that holds such already.
 * Cost: some hundred operations a weight for formats with searched scales (dtype/fit.h); memory for
 * one tensor.  SPDX-License-Identifier: MIT */
#include "quantize.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "imatrix.h"

static int choose(ch_dtype *type, const ch_file *from, const ch_file_tensor *t,
                  const ch_quantize *o, ch_err *e)
{
    const int64_t width = ch_tensor_width(&t->t);
    bool found = false;
    *type = ch_mixture_of(o->mixture, &o->model, from, t);
    if (!ch_mixture_changes(t))
        return CH_OK;
    const ch_override *own = ch_override_of(o->overrides, o->n_overrides, t->name);
    if (own && width % ch_dtype_get(own->type)->block != 0)
        return ch_fail(e, CH_EARG,
                       "\"%.80s\": tensor %s has rows of %lld, and %s takes multiples of %d",
                       own->text, t->name, (long long)width, ch_dtype_get(own->type)->name,
                       ch_dtype_get(own->type)->block);
    *type = own ? own->type : *type;
    return o->imatrix ? ch_imatrix_has(&found, o->imatrix, t->name, width, e) : CH_OK;
}

/* Overrides that change nothing are mistakes. */
static int check_overrides(const ch_file *from, const ch_quantize *o, ch_err *e)
{
    for (int k = 0; k < o->n_overrides; k++) {
        size_t i = 0;
        while (i < from->n_tensors &&
               !(ch_mixture_changes(&from->tensors[i]) &&
                 ch_override_of(o->overrides, o->n_overrides, from->tensors[i].name) ==
                     &o->overrides[k]))
            i++;
        if (i == from->n_tensors)
            return ch_fail(e, CH_EARG,
                           "%s: \"%.80s\" is the first to fit no matrix that is quantized (names "
                           "are as in blk.0.attn_v.weight)", from->path, o->overrides[k].text);
    }
    return CH_OK;
}

bool ch_quantize_weighs(const ch_quantize *o, const ch_file_tensor *from,
                        const ch_file_tensor *to)
{
    bool found = false;
    return o->imatrix && from->t.dtype != to->t.dtype && ch_dtype_get(to->t.dtype)->fit &&
           ch_imatrix_has(&found, o->imatrix, to->name, ch_tensor_width(&to->t), NULL) == CH_OK &&
           found;
}

int ch_quantize_plan(ch_file *to, const ch_file *from, const ch_quantize *o, ch_err *e)
{
    for (size_t i = 0; i < from->n_tensors; i++) {
        const ch_file_tensor *t = &from->tensors[i];
        const ch_dtype was = t->t.dtype;
        ch_dtype type;
        if (ch_file_tensor_find(to, t->name))
            continue;
        int rc = choose(&type, from, t, o, e);
        if (rc < 0)
            return rc;
        const bool rounds = ch_dtype_get(was)->block > 1 && ch_dtype_get(type)->block > 1;
        if (was != type && rounds && !o->again)
            return ch_fail(e, CH_EARG,
                           "%s: tensor %s is %s already; rounded again to %s it loses more than "
                           "from the original, which --allow-requantize accepts",
                           from->path, t->name, ch_dtype_get(was)->name, ch_dtype_get(type)->name);
        ch_tensor planned;
        size_t bytes;
        rc = ch_tensor_shape(&planned, &bytes, type, t->t.rank, t->t.dim, t->name, e);
        if (rc == CH_OK)
            rc = ch_file_plan_tensor(to, t->name, &planned, e);
        if (rc < 0)
            return rc;
    }
    return check_overrides(from, o, e);
}

/* ---- Making -------------------------------------------------------------------------------- */

enum { TASK_BYTES = 64 << 10 }; /* of floats, or one row */

enum { WAS_NONE = 1, IS_NONE = 2 }; /* no number: before, and behind */

typedef struct encoding {
    const ch_tensor *from;
    ch_dtype type;
    unsigned char *out;
    const float *importance; /* of a row's columns, or NULL */
    int64_t rows_a_task;
    float *room; /* rows_a_task rows a thread */
    atomic_int bad;
} encoding;

static bool all_finite(const float *x, int64_t n)
{
    bool all = true;
    for (int64_t i = 0; i < n; i++)
        all &= isfinite(x[i]) != 0;
    return all;
}

static void encode(void *arg, int task, int thread)
{
    encoding *c = arg;
    const ch_dtype_info *type = ch_dtype_get(c->type);
    const int64_t width = ch_tensor_width(c->from), rows = ch_tensor_rows(c->from);
    const int64_t row0 = task * c->rows_a_task, n = CH_MIN(c->rows_a_task, rows - row0) * width;
    const ch_dtype_info *was = ch_dtype_get(c->from->dtype);
    float *x = c->room + thread * c->rows_a_task * width;
    was->decode(x, (const char *)c->from->data + ch_dtype_bytes(c->from->dtype, row0 * width), n);
    unsigned char *to = c->out + ch_dtype_bytes(c->type, row0 * width);
    if (!all_finite(x, n)) {
        atomic_fetch_or(&c->bad, WAS_NONE);
        return;
    }
    for (int64_t i = 0; i < n && c->importance; i += width)
        type->fit(to + ch_dtype_bytes(c->type, i), x + i, c->importance, width);
    if (!c->importance)
        type->encode(to, x, n);
    type->decode(x, to, n);
    if (!all_finite(x, n))
        atomic_fetch_or(&c->bad, IS_NONE);
}

static int check_made(const encoding *c, const ch_file_tensor *t, ch_err *e)
{
    const int bad = atomic_load(&c->bad);
    if (bad & WAS_NONE)
        return ch_fail(e, CH_EFORMAT, "tensor %s holds infinities or what is no number", t->name);
    if (bad & IS_NONE)
        return ch_fail(e, CH_ELIMIT, "tensor %s holds values that are too large for %s", t->name,
                       ch_dtype_get(t->t.dtype)->name);
    return CH_OK;
}

typedef struct making {
    const ch_file *to, *from;
    const ch_quantize *o;
    void *bytes;
} making;

static int make(void *arg, const void **data, size_t i, ch_err *e)
{
    making *m = arg;
    const ch_file_tensor *t = &m->to->tensors[i], *s = ch_file_tensor_find(m->from, t->name);
    *data = t->t.data;
    if (t->t.data || !s)
        return CH_OK;
    if (m->o->tell)
        m->o->tell(m->o->arg, s, t);
    *data = s->t.data;
    if (s->t.dtype == t->t.dtype) /* as it lies */
        return CH_OK;
    const int64_t width = ch_tensor_width(&t->t), rows = ch_tensor_rows(&t->t);
    const int64_t each = CH_MAX(TASK_BYTES / (int64_t)sizeof(float) / CH_MAX(width, 1), 1);
    const size_t threads = (size_t)ch_pool_threads(m->o->pool);
    free(m->bytes);
    m->bytes = malloc(CH_MAX(t->bytes, (size_t)1));
    encoding c = {.from = &s->t, .type = t->t.dtype, .out = m->bytes, .rows_a_task = each};
    c.room = malloc(ch_size_mul(ch_size_mul(threads, (size_t)(each * width)) + (size_t)width,
                                sizeof(float)));
    *data = m->bytes;
    if (c.room && ch_quantize_weighs(m->o, s, t)) {
        float *importance = c.room + (int64_t)threads * each * width;
        ch_imatrix_columns(importance, m->o->imatrix, t->name, width);
        c.importance = importance;
    }
    const bool enough = m->bytes && c.room && (rows + each - 1) / each <= INT32_MAX;
    if (enough)
        ch_pool_run(m->o->pool, encode, &c, (int)((rows + each - 1) / each));
    free(c.room);
    return enough ? check_made(&c, t, e)
                  : ch_fail(e, CH_ENOMEM, "no memory to encode %s: %zu bytes", t->name, t->bytes);
}

int ch_quantize_write(const ch_file *to, const ch_file *from, const char *path,
                      const ch_quantize *o, ch_err *e)
{
    making m = {to, from, o, NULL};
    const int rc = ch_gguf_write_made(to, path, &(ch_file_made){make, &m}, e);
    free(m.bytes);
    return rc;
}
