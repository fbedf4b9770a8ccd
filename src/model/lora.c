/* lora.c - low-rank adapters: memory, beginnings, merging
 *
 * Names by which a map can be chosen: GGUF's, Hugging Face's with and without ".weight", and the
 * last part of that, which is how PEFT's target_modules are written.
 * Source: Hu et al. 2021; PEFT, LoraConfig.  SPDX-License-Identifier: MIT */
#include "lora.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKET_ALIGN = 64, TARGETS = 64, TARGET_MOST = 128 };

/* ---- Memory --------------------------------------------------------------------------------- */

struct laying {
    ch_lora *l; /* NULL: count only */
    ch_lora_choose_fn *choose;
    void *arg;
    int weights;
    int64_t at, count;
};

static void place(struct laying *s, ch_weight *w, const char *name, int64_t rows, int64_t width)
{
    const int64_t n = rows * width;
    if (s->l) {
        real *p = s->l->parameters + s->at;
        w->name = name;
        w->kind = CH_PANEL_F32;
        w->stored = ch_tensor_2d(p, CH_REAL, rows, width);
        w->stored.grad = s->l->gradients ? s->l->gradients + s->at : NULL;
    }
    s->at += ch_round_up(n, BUCKET_ALIGN);
    s->count += n;
}

static int lay_out(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct laying *s = arg;
    (void)layer;
    s->weights = CH_MAX(s->weights, w->number + 1);
    const int rank = w->stored.data && w->stored.rank == 2 ? s->choose(s->arg, w, row) : 0;
    if (rank == 0)
        return 0;
    ch_weight *a = s->l ? &s->l->maps[2 * w->number] : NULL, *b = a ? a + 1 : NULL;
    place(s, a, w->name, rank, ch_weight_width(w));
    place(s, b, w->name, ch_weight_rows(w), rank);
    if (s->l)
        s->l->low[w->number] = (ch_low_rank){a, b, (real)(s->l->alpha / rank)};
    return 0;
}

int ch_lora_alloc(ch_lora **out, ch_model *m, int rank, double alpha, bool trains,
                  ch_lora_choose_fn *choose, void *arg, ch_err *e)
{
    struct laying s = {.choose = choose, .arg = arg};
    ch_lora *l = *out = calloc(1, sizeof *l);
    ch_model_each(m, lay_out, &s);
    if (l) {
        l->maps = calloc((size_t)s.weights * 2, sizeof *l->maps);
        l->low = calloc((size_t)s.weights, sizeof *l->low);
    }
    const size_t bytes = ch_size_mul((size_t)s.at, sizeof(real));
    int rc = l && l->maps && l->low ? ch_arena_open(&l->arena, ch_size_mul(bytes, 2) + 4096, e)
                                    : ch_fail(e, CH_ENOMEM, "no memory for an adapter of %d maps",
                                              s.weights);
    if (rc < 0) {
        ch_lora_close(out);
        return rc;
    }
    l->rank = rank;
    l->alpha = alpha;
    l->adapter = (ch_adapter){l->low, s.weights};
    l->self = &l->adapter;
    l->alone = (ch_adapters){&l->self, 1};
    l->bucket = s.at;
    l->count = s.count;
    l->parameters = ch_arena_take_zero(&l->arena, bytes);
    l->gradients = trains ? ch_arena_take_zero(&l->arena, bytes) : NULL;
    s = (struct laying){.l = l, .choose = choose, .arg = arg};
    ch_model_each(m, lay_out, &s);
    return CH_OK;
}

void ch_lora_close(ch_lora **l)
{
    if (!*l)
        return;
    ch_arena_close(&(*l)->arena);
    ch_arena_close(&(*l)->panels);
    ch_arena_close(&(*l)->merged);
    free((*l)->maps);
    free((*l)->low);
    free(*l);
    *l = NULL;
}

/* ---- Which maps ------------------------------------------------------------------------------ */

struct targets {
    char pattern[TARGETS][TARGET_MOST];
    bool used[TARGETS];
    int n, rank;
    const char *arch;
};

static int split(struct targets *t, const char *list, ch_err *e)
{
    for (const char *s = list; s; s = strchr(s, ',') ? strchr(s, ',') + 1 : NULL) {
        const size_t n = strcspn(s, ",");
        if (n == 0 || n >= TARGET_MOST || t->n == TARGETS)
            return ch_fail(e, CH_EARG,
                           "lora_targets \"%.80s\": allowed are up to %d patterns of 1 to %d "
                           "characters, with commas between them",
                           list, TARGETS, TARGET_MOST - 1);
        memcpy(t->pattern[t->n], s, n);
        t->pattern[t->n++][n] = '\0';
    }
    return CH_OK;
}

static bool matches(const char *pattern, const char *arch, const char *gguf)
{
    char hf[192];
    if (fnmatch(pattern, gguf, 0) == 0)
        return true;
    if (!ch_name_to_hf(hf, sizeof hf, arch, gguf))
        return false;
    char *ending = strrchr(hf, '.');
    if (fnmatch(pattern, hf, 0) == 0)
        return true;
    *ending = '\0';
    const char *last = strrchr(hf, '.');
    return fnmatch(pattern, hf, 0) == 0 || (last && fnmatch(pattern, last + 1, 0) == 0);
}

static bool is_map(const ch_weight_row *row)
{
    return strchr(row->name, '%') && !ch_row_is_table(row); /* of a layer */
}

static int chosen(void *arg, const ch_weight *w, const ch_weight_row *row)
{
    struct targets *t = arg;
    bool any = t->n == 0;
    for (int i = 0; i < t->n && is_map(row); i++)
        if (matches(t->pattern[i], t->arch, w->name))
            t->used[i] = any = true;
    return any && is_map(row) ? t->rank : 0;
}

/* ---- Beginning ------------------------------------------------------------------------------- */

static void initialise(ch_lora *l, uint64_t seed)
{
    for (int i = 0; i < l->adapter.n; i++) {
        const ch_tensor *a = &l->maps[2 * i].stored;
        const int64_t n = a->data ? ch_tensor_count(a) : 0;
        for (int64_t j = 0; j < n; j++)
            ((real *)a->data)[j] =
                (real)((2 * ch_rng_uniform(seed, CH_RNG_INIT, (uint32_t)i, (uint64_t)j) - 1) /
                       sqrt((double)ch_tensor_width(a)));
    }
}

int ch_lora_create(ch_lora **out, ch_model *m, const ch_lora_options *o, ch_err *e)
{
    *out = NULL;
    const int rank = o->rank ? o->rank : 8;
    struct targets t = {.rank = rank, .arch = m->config.arch->name};
    const double alpha = o->alpha != 0 ? o->alpha : 16;
    if (rank < 1 || rank > CH_MAX_LORA_RANK)
        return ch_fail(e, CH_EARG, "an adapter of rank %d; allowed are 1 to %d", rank,
                       CH_MAX_LORA_RANK);
    if (!(alpha > 0 && alpha <= 1e6))
        return ch_fail(e, CH_EARG, "lora_alpha is %g; allowed is more than 0, up to 1e6", alpha);
    int rc = o->targets ? split(&t, o->targets, e) : CH_OK;
    if (rc == CH_OK)
        rc = ch_lora_alloc(out, m, rank, alpha, true, chosen, &t, e);
    if (rc < 0)
        return rc;
    for (int i = 0; i < t.n; i++)
        if (!t.used[i]) {
            ch_lora_close(out);
            return ch_fail(e, CH_EARG,
                           "lora_targets: \"%s\" names no linear map of this model's layers; there "
                           "are q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, and "
                           "globs over names like blk.0.attn_q.weight",
                           t.pattern[i]);
        }
    initialise(*out, o->seed);
    return CH_OK;
}

/* ---- With its model -------------------------------------------------------------------------- */

void ch_lora_attach(ch_lora *l, ch_model *m)
{
    m->lora = l;
    m->parameters = l->parameters;
    m->gradients = l->gradients;
    m->bucket = l->bucket;
}

struct fitting {
    const ch_lora *l;
    bool fits;
    int weights;
};

static int fit(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct fitting *s = arg;
    (void)row, (void)layer;
    s->weights++;
    const ch_low_rank *p = w->number < s->l->adapter.n ? &s->l->low[w->number] : NULL;
    if (p && p->a)
        s->fits &= w->stored.data && w->stored.rank == 2 &&
                   ch_weight_width(p->a) == ch_weight_width(w) &&
                   ch_weight_rows(p->b) == ch_weight_rows(w);
    return 0;
}

int ch_lora_fits(const ch_lora *l, const ch_model *m, ch_err *e)
{
    struct fitting s = {l, true, 0};
    ch_model_each((ch_model *)(uintptr_t)m, fit, &s);
    if (s.fits && s.weights == l->adapter.n)
        return CH_OK;
    return ch_fail(e, CH_EARG, "the adapter was made for a model of other shapes");
}

/* out (N, K) += s B A, each element summed over the rank in order. */
static void add_product(real *out, const ch_low_rank *p)
{
    const int64_t N = ch_weight_rows(p->b), K = ch_weight_width(p->a), R = ch_weight_rows(p->a);
    for (int64_t n = 0; n < N; n++)
        for (int64_t i = 0; i < R; i++) {
            const real f = p->scale * ch_tensor_row(&p->b->stored, n)[i];
            const real *a = ch_tensor_row(&p->a->stored, i);
            for (int64_t k = 0; k < K; k++)
                out[n * K + k] += f * a[k];
        }
}

struct merging {
    ch_lora *l;
    bool as_reals;
    int64_t most; /* elements of one matrix */
    size_t bytes;
    ch_arena *arena;
    real *values;
    float *floats;
};

/* A format that is only read becomes f16. */
static ch_dtype merged_type(const struct merging *s, const ch_weight *w)
{
    const ch_dtype t = w->stored.dtype;
    return s->as_reals ? CH_REAL : ch_dtype_get(t)->encode ? t : CH_F16;
}

static int measure_merged(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct merging *s = arg;
    (void)row, (void)layer;
    if (s->l->low[w->number].a) {
        const int64_t n = ch_tensor_count(&w->stored);
        s->most = CH_MAX(s->most, n);
        s->bytes += ch_dtype_bytes(merged_type(s, w), n) + 4 * CH_ARENA_ALIGN;
    }
    return 0;
}

static int merge(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct merging *s = arg;
    (void)row, (void)layer;
    const ch_low_rank *p = &s->l->low[w->number];
    if (!p->a)
        return 0;
    const int64_t n = ch_tensor_count(&w->stored);
    const ch_dtype type = merged_type(s, w);
    void *data = ch_arena_take(s->arena, ch_dtype_bytes(type, n));
    ch_tensor_read(s->values, &w->stored, 0, n);
    add_product(s->values, p);
    if (type == CH_REAL) {
        memcpy(data, s->values, (size_t)n * sizeof(real));
    } else {
        for (int64_t i = 0; i < n; i++)
            s->floats[i] = (float)s->values[i];
        ch_dtype_get(type)->encode(data, s->floats, n);
    }
    w->stored = ch_tensor_2d(data, type, w->stored.dim[0], w->stored.dim[1]);
    return 0;
}

int ch_lora_merge(ch_model *m, ch_lora *l, bool as_reals, ch_err *e)
{
    int rc = ch_lora_fits(l, m, e);
    if (rc < 0)
        return rc;
    struct merging s = {.l = l, .as_reals = as_reals};
    ch_model_each(m, measure_merged, &s);
    if (l->merged.base)
        return ch_fail(e, CH_EARG, "the adapter has been merged already");
    rc = ch_arena_open(&l->merged, s.bytes + 4096, e);
    if (rc < 0)
        return rc;
    s.arena = &l->merged;
    s.values = malloc(ch_size_mul((size_t)s.most, sizeof *s.values));
    s.floats = malloc(ch_size_mul((size_t)s.most, sizeof *s.floats));
    if (s.values && s.floats)
        ch_model_each(m, merge, &s);
    else
        rc = ch_fail(e, CH_ENOMEM, "no memory to merge matrices of %lld numbers",
                     (long long)s.most);
    free(s.values);
    free(s.floats);
    if (rc < 0)
        ch_arena_close(&l->merged);
    return rc;
}
