/* conversion.c - see conversion.h: planning, making, writing
 *
 * SPDX-License-Identifier: MIT */
#include "conversion.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hf_change.h"
#include "hf_inl.h"

struct ch_conversion_part {
    size_t from;
    ch_hf_change change;
};

enum { NAME_MOST = 1100 };

static bool ends(const char *s, const char *with)
{
    const size_t n = strlen(s), m = strlen(with);
    return n >= m && strcmp(s + n - m, with) == 0;
}

static bool stays_f32(const ch_file_tensor *t)
{
    return t->t.rank < 2 || ends(t->name, "_norm.weight") ||
           ends(t->name, "shortconv.conv.weight") || ends(t->name, "inl_in.weight") ||
           ends(t->name, "inl_out.weight");
}

ch_dtype ch_conversion_main_type(const ch_file *f)
{
    static const ch_dtype plain[] = {CH_F32, CH_F16, CH_BF16};
    uint64_t bytes[CH_COUNT(plain)] = {0};
    size_t best = 0;
    for (size_t i = 0; i < f->n_tensors; i++)
        for (size_t k = 0; k < CH_COUNT(plain); k++)
            if (f->tensors[i].t.dtype == plain[k] && !stays_f32(&f->tensors[i]))
                bytes[k] += f->tensors[i].bytes;
    for (size_t k = 1; k < CH_COUNT(plain); k++)
        if (bytes[k] > bytes[best])
            best = k;
    return plain[best];
}

/* ---- One tensor ------------------------------------------------------------------------------ */

static void *room(ch_conversion *c, int which, size_t bytes, ch_err *e)
{
    if (c->room[which] < bytes) {
        free(c->work[which]);
        c->room[which] = 0;
        c->work[which] = malloc(bytes);
        if (!c->work[which]) {
            ch_fail(e, CH_ENOMEM, "no memory for a tensor of %zu bytes", bytes);
            return NULL;
        }
        c->room[which] = bytes;
    }
    return c->work[which];
}

static int64_t count_finite(const float *x, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        count += isfinite(x[i]) != 0;
    return count;
}

/* *t in another format, in room `which`.  What is finite stays so, or is refused. */
static int retype(ch_conversion *c, int which, ch_tensor *t, ch_dtype type, ch_err *e)
{
    const int64_t n = ch_tensor_count(t), width = ch_tensor_width(t), rows = n / width;
    const ch_dtype_info *from = ch_dtype_get(t->dtype), *to = ch_dtype_get(type);
    if (t->dtype == type)
        return CH_OK;
    const size_t in = ch_dtype_bytes(t->dtype, width), out = ch_dtype_bytes(type, width);
    char *data = room(c, which, ch_size_mul(out, (size_t)rows), e);
    float *row = malloc((size_t)width * sizeof *row);
    if (!data || !row) {
        free(row);
        return ch_fail(e, CH_ENOMEM, "no memory for a tensor of %lld numbers", (long long)n);
    }
    bool fits = true;
    for (int64_t r = 0; r < rows && fits; r++) {
        from->decode(row, (const char *)t->data + (size_t)r * in, width);
        const int64_t finite = count_finite(row, width);
        to->encode(data + (size_t)r * out, row, width);
        to->decode(row, data + (size_t)r * out, width);
        fits = count_finite(row, width) == finite;
    }
    free(row);
    if (!fits)
        return ch_fail(e, CH_ELIMIT, "it holds values that are too large for %s", to->name);
    t->data = data;
    t->dtype = type;
    return CH_OK;
}

static int heads_of(int64_t heads[2], const ch_file *f, const ch_hf_arch *a, ch_err *e)
{
    const ch_hf_config c = {.arch = a, .f = (ch_file *)(uintptr_t)f, .path = f->path, .e = e};
    int rc = ch_hf_get_int(&heads[0], &c, "attention.head_count", 1);
    heads[1] = heads[0];
    if (rc == CH_OK && (a->bit & TURNED))
        rc = ch_hf_get_int(&heads[1], &c, "attention.head_count_kv", heads[0]);
    return rc;
}

static const ch_hf_arch *arch_of(const ch_file *f)
{
    char name[64];
    const ch_meta *m = ch_file_meta_find(f, "general.architecture");
    if (!m || m->type != CH_META_STR || m->v.s.n >= sizeof name)
        return NULL;
    snprintf(name, sizeof name, "%.*s", (int)m->v.s.n, m->v.s.p);
    return ch_hf_arch_of_gguf(name);
}

/* The tensor as it is there: plain, changed, but in the format that it has here. */
static int changed(ch_tensor *t, ch_conversion *c, const struct ch_conversion_part *p, ch_err *e)
{
    const ch_file_tensor *is = &c->from->tensors[p->from];
    *t = is->t;
    ch_hf_changing how = {.f = c->to, .from = c->from, .name = is->name, .gguf = is->name, .e = e};
    int rc = ch_dtype_get(t->dtype)->block > 1 || p->change == CHANGE_PLUS_ONE
                 ? retype(c, 0, t, CH_F32, e)
                 : CH_OK;
    if (rc < 0 || p->change == CHANGE_NONE || p->change >= CHANGE_TAPS)
        return rc;
    rc = heads_of(how.heads, c->from, arch_of(c->from), e);
    void *to = rc == CH_OK ? room(c, 1, ch_dtype_bytes(t->dtype, ch_tensor_count(t)), e) : NULL;
    return to ? ch_hf_change_write(to, t, p->change, &how) : CH_ENOMEM;
}

static int make(void *arg, const void **data, size_t i, ch_err *e)
{
    ch_conversion *c = arg;
    const ch_file_tensor *want = &c->to->tensors[i];
    ch_tensor t;
    int rc = CH_OK;
    if (c->folder)
        rc = changed(&t, c, &c->parts[i], e);
    else
        t = c->from->tensors[c->parts[i].from].t;
    if (rc == CH_OK)
        rc = retype(c, 2, &t, want->t.dtype, e);
    *data = t.data;
    if (c->o.progress)
        c->o.progress(c->o.arg, want->name, c->done, c->bytes);
    c->done += want->bytes;
    if (rc < 0)
        ch_fail_at(e, "%s", want->name);
    return rc;
}

/* ---- What it will be ------------------------------------------------------------------------- */

static int plan(ch_conversion *c, const char *name, const ch_tensor *t, size_t from,
                ch_hf_change change, ch_err *e)
{
    c->parts[c->to->n_tensors] = (struct ch_conversion_part){from, change};
    const int rc = ch_file_plan_tensor(c->to, name, t, e);
    if (rc == CH_OK && change == CHANGE_SCALAR)
        c->to->tensors[c->to->n_tensors - 1].t.rank = 0;
    return rc;
}

static int plan_gguf(ch_conversion *c, ch_err *e)
{
    int rc = CH_OK;
    for (size_t i = 0; i < c->from->n_tensors && rc == CH_OK; i++) {
        const ch_file_tensor *is = &c->from->tensors[i];
        ch_tensor t = is->t;
        if (stays_f32(is) || t.dtype == CH_F64)
            t.dtype = CH_F32;
        else if (c->o.type != CH_DTYPES)
            t.dtype = ch_tensor_width(&t) % ch_dtype_get(c->o.type)->block ? CH_F16 : c->o.type;
        rc = plan(c, is->name, &t, i, CHANGE_NONE, e);
    }
    return rc;
}

/* Would every number of it be the same in `type`? */
static int holds(bool *out, ch_conversion *c, const struct ch_conversion_part *p, ch_dtype type,
                 ch_err *e)
{
    ch_tensor t;
    int rc = changed(&t, c, p, e);
    if (rc < 0)
        return rc;
    const int64_t n = ch_tensor_count(&t), width = ch_tensor_width(&t);
    float *now = malloc(2 * (size_t)width * sizeof *now);
    unsigned char *packed = malloc((size_t)width * sizeof(float));
    *out = now && packed;
    for (int64_t r = 0; *out && r < n / width; r++) {
        float *then = now + width;
        ch_dtype_get(t.dtype)->decode(
            now, (const char *)t.data + (size_t)r * ch_dtype_bytes(t.dtype, width), width);
        ch_dtype_get(type)->encode(packed, now, width);
        ch_dtype_get(type)->decode(then, packed, width);
        *out &= memcmp(now, then, (size_t)width * sizeof *now) == 0;
    }
    const bool memory = now && packed;
    free(now);
    free(packed);
    return memory ? CH_OK : ch_fail(e, CH_ENOMEM, "no memory for a tensor of %lld numbers",
                                    (long long)n);
}

static int there_type(ch_dtype *out, ch_conversion *c, const ch_file_tensor *t,
                      const struct ch_conversion_part *p, ch_dtype main, ch_err *e)
{
    bool same = false;
    int rc = CH_OK;
    *out = t->t.dtype;
    if (stays_f32(t)) {
        if (main != CH_F32)
            rc = holds(&same, c, p, main, e);
        *out = same ? main : CH_F32;
    } else if (c->o.type != CH_DTYPES) {
        *out = c->o.type;
    } else if (ch_dtype_get(t->t.dtype)->block > 1) {
        *out = CH_F32;
    }
    return rc;
}

static bool is_made(const char *name) /* out of config.json: hf_rope.c */
{
    return strcmp(name, "rope_freqs.weight") == 0 ||
           strcmp(name, "rope_factors_long.weight") == 0 ||
           strcmp(name, "rope_factors_short.weight") == 0;
}

static int plan_folder(ch_conversion *c, ch_err *e)
{
    const ch_hf_arch *a = arch_of(c->from);
    const ch_dtype main = c->o.type != CH_DTYPES ? c->o.type : ch_conversion_main_type(c->from);
    if (!a)
        return ch_fail(e, CH_EUNSUPPORTED,
                       "%s: models of its architecture have no config.json here", c->from->path);
    if (ch_dtype_get(main)->block > 1)
        return ch_fail(e, CH_EARG, "%s is a format of blocks, which safetensors does not have",
                       ch_dtype_get(main)->name);
    int rc = ch_file_set_str(c->to, "format", "pt", 2, e); /* transformers asks for it */
    for (size_t i = 0; i < c->from->n_tensors && rc == CH_OK; i++) {
        const ch_file_tensor *is = &c->from->tensors[i];
        char name[NAME_MOST];
        struct ch_conversion_part p = {.from = i};
        if (is_made(is->name))
            continue;
        if (!ch_hf_name(name, sizeof name, &p.change, a, is->name, false))
            return ch_fail(e, CH_EUNSUPPORTED, "%s: tensor \"%s\" has no name in a %s checkpoint",
                           c->from->path, is->name, a->type);
        if (a->bit & INL)
            ch_hf_inl_plain(name, sizeof name, is->name, c->from);
        ch_tensor t = is->t;
        rc = there_type(&t.dtype, c, is, &p, main, e);
        if (rc == CH_OK && ch_hf_change_shape(&t, p.change) < 0)
            rc = ch_fail(e, CH_EFORMAT, "%s: tensor \"%s\" is no matrix", c->from->path, is->name);
        if (rc == CH_OK)
            rc = plan(c, name, &t, i, p.change, e);
    }
    return rc;
}

int ch_conversion_open(ch_conversion **out, const ch_file *from, const char *path,
                       const ch_conversion_options *o, ch_err *e)
{
    ch_conversion *c = *out = calloc(1, sizeof *c);
    if (c) {
        *c = (ch_conversion){.from = from, .path = path, .o = *o, .folder = !ends(path, ".gguf")};
        c->parts = calloc(from->n_tensors + 1, sizeof *c->parts);
    }
    int rc = c && c->parts ? ch_file_new(&c->to, e)
                           : ch_fail(e, CH_ENOMEM, "no memory for %zu tensors", from->n_tensors);
    if (rc == CH_OK)
        rc = c->folder ? plan_folder(c, e) : plan_gguf(c, e);
    if (rc < 0) {
        ch_conversion_close(out);
        return rc;
    }
    for (size_t i = 0; i < c->to->n_tensors; i++)
        c->bytes += c->to->tensors[i].bytes;
    return CH_OK;
}

void ch_conversion_close(ch_conversion **pc)
{
    ch_conversion *c = *pc;
    if (!c)
        return;
    ch_file_close(&c->to);
    for (size_t i = 0; i < CH_COUNT(c->work); i++)
        free(c->work[i]);
    free(c->parts);
    free(c);
    *pc = NULL;
}

int ch_conversion_write(ch_conversion *c, ch_err *e)
{
    const ch_file_made made = {make, c};
    c->done = 0;
    if (!c->folder)
        return ch_gguf_write_made(c->to, c->path, &made, e);
    int rc = ch_io_make_dir(c->path, e);
    if (rc == CH_OK)
        rc = ch_hf_write_config(c->path, c->from, arch_of(c->from),
                                c->to->n_tensors ? ch_conversion_main_type(c->to) : CH_F32, e);
    return rc == CH_OK
               ? ch_safetensors_write_folder(c->to, c->path, c->o.shard_bytes, &made, e)
               : rc;
}
