/* load.c - a model from a file: every row of the weight table finds its tensor, is checked, and
 * is packed
 *
 * Matrices stay in the mapped file and are packed into panels beside it; vectors become reals.
 * The file's tensors and the table must match exactly: a tensor that nobody asked for would be a
 * model that is not computed as meant. SPDX-License-Identifier: MIT */
#include "table.h"

#include <stdio.h>
#include <string.h>

struct loading {
    ch_model *m;
    const ch_file *f;
    ch_err *e;
    size_t bytes; /* of arena */
    size_t stored, settled; /* bytes of weights in the file, and those that are done */
    const ch_model_load *o;
};

/* An embedding table that is no head is read row by row where it lies. */
static bool looked_up_only(const ch_weight_row *row, const ch_config *c)
{
    return (row->flags & (CH_ROW_MEMORY | CH_ROW_POSITIONS)) ||
           (row->shape[0] == 'V' && !(row->flags & CH_ROW_HEAD) && !c->tied);
}

/* Left to a run to pack, in its own precision. */
static bool packed_at_use(const struct loading *l, const ch_weight_row *row, const ch_tensor *t)
{
    return l->o->plain_as_reals && ch_dtype_get(t->dtype)->block == 1 &&
           !looked_up_only(row, &l->m->config);
}

static bool kept_as_reals(const struct loading *l, const ch_weight_row *row, const ch_tensor *t)
{
    return t->rank == 1 || (row->flags & CH_ROW_REALS) ||
           (packed_at_use(l, row, t) && t->dtype != CH_REAL);
}

/* What a packed weight takes: panels, and before them its numbers, where they are not reals yet. */
static size_t packed_bytes(const ch_weight_row *row, const ch_weight *w)
{
    const ch_tensor *t = &w->stored;
    if (!(row->flags & CH_ROW_EXACT) || t->dtype == CH_REAL)
        return ch_weight_packed_bytes(w);
    return ch_panels_bytes(CH_PANEL_F32, (int)t->dim[0], (int)t->dim[1]) +
           (size_t)ch_tensor_count(t) * sizeof(real);
}

static int find_weight(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct loading *l = arg;
    if (!ch_row_present(row, &l->m->config, layer))
        return CH_OK;
    w->stored = ch_file_tensor_find(l->f, w->name)->t;
    w->kind = ch_dtype_get(w->stored.dtype)->panel;
    l->stored += ch_dtype_bytes(w->stored.dtype, ch_tensor_count(&w->stored));
    l->bytes += 3 * CH_ARENA_ALIGN;
    if (kept_as_reals(l, row, &w->stored))
        l->bytes += (size_t)ch_tensor_count(&w->stored) * sizeof(real);
    else if (!packed_at_use(l, row, &w->stored))
        l->bytes += packed_bytes(row, w);
    return CH_OK;
}

static void packed(void *arg, const void *stored, size_t bytes)
{
    const struct loading *l = arg;
    ch_file_forget(l->f, stored, bytes);
}

static int settle_weight(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct loading *l = arg;
    (void)layer;
    if (!w->stored.data)
        return CH_OK;
    ch_tensor *t = &w->stored;
    const ch_file_tensor *source = ch_file_tensor_find(l->f, w->name);
    l->settled += source->bytes;
    const bool reals = kept_as_reals(l, row, t), later = packed_at_use(l, row, t);
    if (reals || ((row->flags & CH_ROW_EXACT) && t->dtype != CH_REAL)) {
        const int64_t n = ch_tensor_count(t);
        real *values = ch_arena_take(&l->m->arena, (size_t)n * sizeof(real));
        ch_tensor_read(values, t, 0, n);
        *t = t->rank == 1 ? ch_tensor_1d(values, CH_REAL, n)
                          : ch_tensor_2d(values, CH_REAL, t->dim[0], t->dim[1]);
        w->kind = CH_PANEL_F32;
    }
    if (!reals && !later && !l->o->keep_unpacked && !looked_up_only(row, &l->m->config)) {
        ch_weight_pack(w, ch_arena_take(&l->m->arena, ch_weight_packed_bytes(w)), l->o->pool,
                       packed, l);
    }
    ch_file_forget(l->f, source->t.data, source->bytes);
    if (l->o->told)
        l->o->told(l->o->arg, l->settled, l->stored);
    return CH_OK;
}

/* Identity for page keys and saved sessions: configuration, file size and tensor directory in full,
 * of each tensor's bytes some 64 stretches of 64.  Two models that differ only between the samples
 * would have to be made on purpose. */
ch_hash128 ch_model_file_hash(const ch_config *c, const ch_file *f)
{
    ch_hash128 h = ch_config_hash((ch_hash128){f->map.size, f->n_tensors}, c);
    for (size_t i = 0; i < f->n_tensors; i++) {
        const ch_file_tensor *t = &f->tensors[i];
        const unsigned char *p = t->t.data;
        const size_t step = CH_MAX(t->bytes / 64, (size_t)64);
        h = ch_hash_bytes(h, t->name, strlen(t->name));
        h = ch_hash_bytes(h, &t->t.dtype, sizeof t->t.dtype);
        h = ch_hash_bytes(h, t->t.dim, sizeof t->t.dim[0] * (size_t)t->t.rank);
        for (size_t at = 0; at < t->bytes; at += step)
            h = ch_hash_bytes(h, p + at, CH_MIN((size_t)64, t->bytes - at));
        ch_file_forget(f, p, t->bytes);
    }
    return h;
}

static int fill(struct loading *l)
{
    int rc = ch_model_match(l->m, l->f, l->e);
    if (rc < 0)
        return rc;
    ch_model_each(l->m, find_weight, l);
    /* Before packing: what it touches of the file, which may be all of it, is not held beside. */
    l->m->hash = ch_model_file_hash(&l->m->config, l->f);
    rc = ch_arena_open(&l->m->arena, l->bytes + 4096, l->e);
    if (rc < 0)
        return rc;
    ch_arena_fill(&l->m->arena);
    ch_model_each(l->m, settle_weight, l);
    ch_model_connect(l->m);
    ch_str name;
    if (ch_file_meta_find(l->f, "general.name") &&
        ch_file_str(&name, l->f, "general.name", NULL) == CH_OK) {
        const size_t n = ch_utf8_whole(name.p, CH_MIN(name.n, sizeof l->m->name - 1));
        memcpy(l->m->name, name.p, n);
    }
    return ch_file_whole(l->f, l->e);
}

int ch_model_load_file(ch_model **out, const char *path, const ch_model_load *o, ch_err *e)
{
    *out = NULL;
    ch_file *f;
    ch_config c;
    int rc = ch_file_open(&f, path, e);
    if (rc < 0)
        return rc;
    rc = ch_config_read(&c, f, e);
    if (rc == CH_OK)
        rc = ch_model_alloc(out, &c, e);
    if (rc < 0) {
        ch_file_close(&f);
        return rc;
    }
    (*out)->file = f;
    struct loading l = {.m = *out, .f = f, .e = e, .o = o ? o : &(ch_model_load){0}};
    rc = fill(&l);
    if (rc < 0)
        ch_model_free(out);
    return rc;
}

/* ---- The public face ----------------------------------------------------------------------- */

int ch_model_open(ch_model **out, const char *path, int threads, ch_err *e)
{
    *out = NULL;
    ch_pool *pool;
    int rc = ch_pool_open(&pool, threads, e);
    if (rc < 0)
        return rc;
    rc = ch_model_load_file(out, path, &(ch_model_load){.pool = pool}, e);
    ch_pool_close(&pool);
    return rc;
}

void ch_model_close(ch_model **m)
{
    ch_model_free(m);
}

int ch_model_whole(const ch_model *m, ch_err *e)
{
    return m->file ? ch_file_whole(m->file, e) : CH_OK;
}

void ch_model_get_info(ch_model_info *out, const ch_model *m)
{
    const ch_config *c = &m->config;
    *out = (ch_model_info){.arch = c->arch->name,
                           .name = m->name,
                           .layers = c->layers,
                           .width = c->width,
                           .heads = c->heads,
                           .kv_heads = c->kv_heads,
                           .head_width = c->head_width,
                           .hidden = c->hidden,
                           .vocab = c->vocab,
                           .context = c->context};
    if (!m->file) {
        out->parameters = ch_model_count(c, true);
        out->weight_bytes = (size_t)m->bucket * sizeof(real);
        return;
    }
    for (size_t i = 0; i < m->file->n_tensors; i++) {
        out->parameters += ch_tensor_count(&m->file->tensors[i].t);
        out->weight_bytes += m->file->tensors[i].bytes;
    }
}
