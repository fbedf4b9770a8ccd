/* lora_open.c - adapters out of files, for use: PEFT folders, GGUF files, several at once
 *
 *     y += sum_j s_j B_j (A_j x) = [s_1 B_1, s_2 B_2, ...] ([A_1; A_2; ...] x)
 *
 * so several are one of the sum of their ranks, map by map; a map that only one of them changes
 * keeps its values as they are, and its scale apart.  s = strength alpha / R, with rslora alpha /
 * sqrt(R).
 *
 *   PEFT folder   adapter_config.json, adapter_model.safetensors (peft.c)
 *   GGUF          general.type "adapter", adapter.type "lora", adapter.lora.alpha; tensors
 *                 blk.0.attn_q.weight.lora_a (R, K) and .lora_b (N, R), rows as the model's
 *
 * What may be asked for and is not computed (DoRA, biases, whole modules) is refused by name.
 * Sources: PEFT, LoraConfig; llama.cpp, convert_lora_to_gguf.py.  SPDX-License-Identifier: MIT */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "peft.h"
#include "table.h"

#include <math.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MOST = 256, CONFIG_MOST = 1 << 20, MATCH_MOST = 100000, PATTERNS_MOST = 256 };

typedef struct source {
    ch_file *f;
    json_t *config; /* PEFT's; NULL: GGUF */
    char *path;     /* of the configuration, for messages */
    double alpha, strength;
    int64_t rank;   /* that the configuration says; 0: it does not */
    bool root;      /* scale by the root of the rank */
    size_t found;
} source;

typedef struct opening {
    ch_model *m;
    source *s;
    size_t n;
    ch_lora *l;
    ch_err *e;
} opening;

/* ---- What PEFT asks for ---------------------------------------------------------------------- */

/* Is the value what an adapter that is computed here has: absent, null, false, empty, or `allowed`?
 */
static bool harmless(const json_t *v, const char *allowed)
{
    if (json_is_string(v))
        return allowed && strcmp(json_string_value(v), allowed) == 0;
    return !v || json_is_null(v) || json_is_false(v) ||
           (json_is_object(v) && json_object_size(v) == 0) ||
           (json_is_array(v) && json_array_size(v) == 0);
}

static int check_asked(const source *s, const ch_model *m, ch_err *e)
{
    static const char *const refused[] = {"use_dora", "modules_to_save", "megatron_config",
                                          "layer_replication", "lora_bias", "bias",
                                          "alora_invocation_tokens", "use_qalora",
                                          "target_parameters", "trainable_token_indices"};
    const char *type;
    int rc = ch_json_str(&type, s->config, "peft_type", "", s->path, e);
    if (rc == CH_OK && strcmp(type, "LORA") != 0)
        rc = ch_fail(e, CH_EUNSUPPORTED, "%s: peft_type is \"%.40s\"; supported is LORA", s->path,
                     type);
    for (size_t i = 0; i < CH_COUNT(refused) && rc == CH_OK; i++)
        if (!harmless(json_object_get(s->config, refused[i]), "none"))
            rc = ch_fail(e, CH_EUNSUPPORTED, "%s: \"%s\" is set, which is not supported", s->path,
                         refused[i]);
    /* GPT-2's maps are (in, out) there; its adapters are as all others. */
    const bool flipped = json_is_true(json_object_get(s->config, "fan_in_fan_out"));
    if (rc == CH_OK && flipped && strcmp(m->config.arch->name, "gpt2") != 0)
        rc = ch_fail(e, CH_EUNSUPPORTED, "%s: \"fan_in_fan_out\" is set, which only gpt2 has",
                     s->path);
    return rc;
}

static int read_config(source *s, const ch_model *m, ch_err *e)
{
    int rc = ch_io_is_dir(s->path) || !ch_io_is_file(s->path)
                 ? ch_fail(e, CH_EIO, "%s is no file", s->path)
                 : ch_json_load(&s->config, s->path, CONFIG_MOST, e);
    if (rc == CH_OK && !json_is_object(s->config))
        rc = ch_fail(e, CH_EFORMAT, "%s: it is no JSON object", s->path);
    if (rc == CH_OK)
        rc = check_asked(s, m, e);
    if (rc == CH_OK)
        rc = ch_json_int(&s->rank, s->config, "r", 8, 1, CH_MAX_LORA_RANK, s->path, e);
    if (rc == CH_OK)
        rc = ch_json_real(&s->alpha, s->config, "lora_alpha", 8, s->path, e);
    if (rc == CH_OK && !(s->alpha > 0 && s->alpha <= 1e6))
        rc = ch_fail(e, CH_EFORMAT, "%s: lora_alpha is %g; allowed is more than 0, up to 1e6",
                     s->path, s->alpha);
    s->root = json_is_true(json_object_get(s->config, "use_rslora"));
    return rc;
}

/* PEFT's patterns match the end of a module's name, from a dot on: (.*\.)?(KEY)$ */
static int pattern_fits(bool *out, const char *key, const char *module, const char *path, ch_err *e)
{
    int code;
    PCRE2_SIZE at;
    char text[NAME_MOST + 16];
    *out = false;
    const int n = snprintf(text, sizeof text, "^(?:.*\\.)?(?:%s)$", key);
    if (n < 0 || (size_t)n >= sizeof text)
        return ch_fail(e, CH_EFORMAT, "%s: the pattern \"%.60s\" is too long", path, key);
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)text, (PCRE2_SIZE)n, PCRE2_UTF, &code, &at, NULL);
    if (!re)
        return ch_fail(e, CH_EFORMAT, "%s: the pattern \"%.60s\" cannot be read", path, key);
    pcre2_match_data *md = pcre2_match_data_create_from_pattern(re, NULL);
    pcre2_match_context *mc = pcre2_match_context_create(NULL);
    const bool memory = md && mc;
    if (memory) {
        pcre2_set_match_limit(mc, MATCH_MOST);
        code = pcre2_match(re, (PCRE2_SPTR)module, strlen(module), 0, 0, md, mc);
        *out = code >= 0;
    }
    pcre2_match_context_free(mc);
    pcre2_match_data_free(md);
    pcre2_code_free(re);
    if (!memory)
        return ch_fail(e, CH_ENOMEM, "no memory for a pattern");
    return *out || code == PCRE2_ERROR_NOMATCH
               ? CH_OK
               : ch_fail(e, CH_ELIMIT, "%s: the pattern \"%.60s\" takes too long", path, key);
}

/* The number that a pattern gives a module, or *out as it is. */
static int by_pattern(double *out, const source *s, const char *which, const char *module,
                      ch_err *e)
{
    const char *key;
    json_t *v;
    bool fits = false;
    int rc = CH_OK;
    const json_t *all = json_object_get(s->config, which);
    if (json_object_size(all) > PATTERNS_MOST)
        return ch_fail(e, CH_ELIMIT, "%s: \"%s\" has %zu patterns; allowed are %d", s->path, which,
                       json_object_size(all), PATTERNS_MOST);
    json_object_foreach((json_t *)(uintptr_t)all, key, v)
    {
        if (rc == CH_OK && !json_is_number(v))
            rc = ch_fail(e, CH_EFORMAT, "%s: \"%s\" of \"%.60s\" is no number", s->path, which,
                         key);
        if (rc == CH_OK && !fits)
            rc = pattern_fits(&fits, key, module, s->path, e);
        if (rc < 0 || fits) {
            *out = rc < 0 ? *out : json_number_value(v);
            return rc;
        }
    }
    return rc;
}

/* ---- One file -------------------------------------------------------------------------------- */

static int open_peft(source *s, const ch_model *m, const char *dir, ch_err *e)
{
    s->path = ch_io_join(dir, "adapter_config.json");
    char *values = ch_io_join(dir, "adapter_model.safetensors");
    int rc = s->path && values ? read_config(s, m, e)
                               : ch_fail(e, CH_ENOMEM, "no memory for a path in %s", dir);
    if (rc == CH_OK)
        rc = ch_file_open(&s->f, values, e);
    free(values);
    return rc;
}

static bool says(const ch_file *f, const char *key, const char *value)
{
    const ch_meta *m = ch_file_meta_find(f, key);
    return m && m->type == CH_META_STR && m->v.s.n == strlen(value) &&
           memcmp(m->v.s.p, value, m->v.s.n) == 0;
}

static int open_gguf(source *s, const ch_model *m, const char *path, ch_err *e)
{
    int rc = ch_file_open(&s->f, path, e);
    if (rc < 0)
        return rc;
    if (!says(s->f, "general.type", "adapter") || !says(s->f, "adapter.type", "lora"))
        return ch_fail(e, CH_EFORMAT,
                       "%s: it is no adapter (general.type \"adapter\", adapter.type \"lora\")",
                       path);
    if (!says(s->f, "general.architecture", m->config.arch->name))
        return ch_fail(e, CH_EFORMAT, "%s: the adapter is not for %s models", path,
                       m->config.arch->name);
    if (ch_file_meta_find(s->f, "adapter.alora.invocation_tokens"))
        return ch_fail(e, CH_EUNSUPPORTED,
                       "%s: \"adapter.alora.invocation_tokens\" is set, which is not supported",
                       path);
    s->alpha = 0; /* none: the scale is the strength */
    return ch_file_real_opt(&s->alpha, s->f, "adapter.lora.alpha", 0, 1e6, e);
}

static const ch_file_tensor *find_part(const source *s, const ch_model *m, const ch_weight *w,
                                       int part)
{
    char name[NAME_MOST];
    if (s->config && !ch_peft_name(name, sizeof name, m->config.arch->name, w->name, part))
        return NULL;
    if (!s->config)
        snprintf(name, sizeof name, "%s.lora_%c", w->name, 'a' + part);
    return ch_file_tensor_find(s->f, name);
}

/* ---- Which maps, of which rank --------------------------------------------------------------- */

static int expect_shape(const source *s, const ch_file_tensor *t, int64_t rows, int64_t width,
                        ch_err *e)
{
    char shape[96];
    if (t->t.rank == 2 && t->t.dim[0] == rows && t->t.dim[1] == width)
        return CH_OK;
    ch_tensor_describe(shape, sizeof shape, &t->t);
    return ch_fail(e, CH_EFORMAT, "%s: tensor %s is %s; allowed is (%lld, %lld)", s->f->path,
                   t->name, shape, (long long)rows, (long long)width);
}

/* Before memory is taken: both parts are there, and as large as they have to be. */
static int check_map(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    opening *o = arg;
    (void)layer;
    if (!w->stored.data || w->stored.rank != 2 ||
        (ch_row_is_table(row) && !(row->flags & CH_ROW_HEAD)))
        return CH_OK;
    for (size_t j = 0; j < o->n; j++) {
        source *s = &o->s[j];
        const ch_file_tensor *a = find_part(s, o->m, w, 0), *b = find_part(s, o->m, w, 1);
        if (!a && !b)
            continue;
        if (!a || !b)
            return ch_fail(o->e, CH_EFORMAT, "%s: of the adapter of %s there is only one part: %s",
                           s->f->path, w->name, a ? a->name : b->name);
        const json_t *ranks = json_object_get(s->config, "rank_pattern");
        const bool listed = s->config && !harmless(ranks, NULL);
        const int64_t rank = s->rank && !listed ? s->rank : a->t.dim[0];
        if (rank < 1 || rank > CH_MAX_LORA_RANK)
            return ch_fail(o->e, CH_EFORMAT, "%s: tensor %s has rank %lld, allowed are 1 to %d",
                           s->f->path, a->name, (long long)rank, CH_MAX_LORA_RANK);
        int rc = expect_shape(s, a, rank, ch_weight_width(w), o->e);
        if (rc == CH_OK)
            rc = expect_shape(s, b, ch_weight_rows(w), rank, o->e);
        if (rc < 0)
            return rc;
        s->found += 2;
    }
    return CH_OK;
}

static int rank_of(void *arg, const ch_weight *w, const ch_weight_row *row)
{
    opening *o = arg;
    int64_t rank = 0;
    for (size_t j = 0; j < o->n && !(ch_row_is_table(row) && !(row->flags & CH_ROW_HEAD)); j++) {
        const ch_file_tensor *a = find_part(&o->s[j], o->m, w, 0);
        rank += a ? a->t.dim[0] : 0;
    }
    return (int)rank;
}

/* ---- Values ---------------------------------------------------------------------------------- */

static int scale_of(double *out, const source *s, const ch_weight *w, const ch_model *m,
                    int64_t rank, ch_err *e)
{
    char module[192];
    double alpha = s->alpha;
    int rc = CH_OK;
    if (s->config && ch_name_to_hf(module, sizeof module, m->config.arch->name, w->name)) {
        *strrchr(module, '.') = '\0';
        rc = by_pattern(&alpha, s, "alpha_pattern", module, e);
    }
    *out = s->strength * (alpha == 0 && !s->config ? 1
                          : s->root                ? alpha / sqrt((double)rank)
                                                   : alpha / (double)rank);
    return rc;
}

/* B of one file into columns [at, at + rank) of all, times f. */
static int put_columns(const opening *o, ch_weight *all, const ch_file_tensor *b, int64_t at,
                       bool turned, real f)
{
    const int64_t rows = b->t.dim[0], rank = b->t.dim[1];
    const size_t n = (size_t)(rows * rank);
    real *is = malloc(2 * n * sizeof *is), *from = is;
    if (!is)
        return ch_fail(o->e, CH_ENOMEM, "no memory for tensor %s", b->name);
    ch_tensor_read(is, &b->t, 0, rows * rank);
    if (turned) {
        from = is + n;
        ch_peft_turn_rows(from, is, &b->t, &o->m->config, false);
    }
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < rank; k++)
            ((real *)all->stored.data)[r * ch_weight_width(all) + at + k] = f * from[r * rank + k];
    free(is);
    return CH_OK;
}

static int fill_map(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    opening *o = arg;
    ch_low_rank *low = &o->l->low[w->number];
    int64_t at = 0;
    int rc = CH_OK, parts = 0;
    (void)layer;
    if (!low->a)
        return CH_OK;
    for (size_t j = 0; j < o->n; j++)
        parts += find_part(&o->s[j], o->m, w, 0) != NULL;
    ch_weight *a = &o->l->maps[2 * w->number], *b = a + 1;
    for (size_t j = 0; j < o->n && rc == CH_OK; j++) {
        const source *s = &o->s[j];
        const ch_file_tensor *ta = find_part(s, o->m, w, 0), *tb = find_part(s, o->m, w, 1);
        double scale;
        if (!ta)
            continue;
        const int64_t rank = ta->t.dim[0], width = ch_weight_width(w);
        rc = scale_of(&scale, s, w, o->m, rank, o->e);
        if (rc < 0)
            break;
        low->scale = parts == 1 ? (real)scale : 1;
        ch_tensor_read((real *)a->stored.data + at * width, &ta->t, 0, rank * width);
        rc = put_columns(o, b, tb, at, s->config && ch_peft_is_turned(&o->m->config, row, 1),
                         parts == 1 ? 1 : (real)scale);
        at += rank;
    }
    return rc;
}

struct packing {
    ch_lora *l;
    ch_arena *arena; /* NULL: count */
    size_t bytes;
};

/* Values that no longer change are packed once. */
static void pack(struct packing *p)
{
    for (int i = 0; i < 2 * p->l->adapter.n; i++) {
        ch_weight *w = &p->l->maps[i];
        if (!w->stored.data)
            continue;
        const size_t bytes = ch_weight_packed_bytes(w);
        p->bytes += bytes + 2 * CH_ARENA_ALIGN;
        if (p->arena)
            ch_weight_pack(w, ch_arena_take(p->arena, bytes), NULL, NULL, NULL);
    }
}

static int settle(ch_lora *l, ch_err *e)
{
    struct packing p = {.l = l};
    l->hash = (ch_hash128){(uint64_t)l->bucket, (uint64_t)l->rank};
    for (int i = 0; i < 2 * l->adapter.n; i++) {
        const ch_tensor *t = &l->maps[i].stored;
        if (t->data) {
            l->hash = ch_hash_bytes(l->hash, &i, sizeof i);
            l->hash = ch_hash_bytes(l->hash, &l->low[i / 2].scale, sizeof(real));
            l->hash = ch_hash_bytes(l->hash, t->data, (size_t)ch_tensor_count(t) * sizeof(real));
        }
    }
    pack(&p);
    const int rc = ch_arena_open(&l->panels, p.bytes + 4096, e);
    p.arena = &l->panels;
    if (rc == CH_OK)
        pack(&p);
    return rc;
}

/* ---- All of them ----------------------------------------------------------------------------- */

static int check_others(const opening *o)
{
    for (size_t j = 0; j < o->n; j++)
        if (o->s[j].found != o->s[j].f->n_tensors)
            return ch_fail(o->e, CH_EFORMAT,
                           "%s: it has %zu tensors, of which %zu belong to linear maps of a %s "
                           "model of %d layers",
                           o->s[j].f->path, o->s[j].f->n_tensors, o->s[j].found,
                           o->m->config.arch->name, o->m->config.layers);
    return CH_OK;
}

int ch_lora_open_all(ch_lora **out, ch_model *m, const char *const *paths, const double *strengths,
                     size_t n, ch_err *e)
{
    opening o = {.m = m, .n = n, .e = e};
    int rc = CH_OK;
    *out = NULL;
    o.s = calloc(n + 1, sizeof *o.s);
    if (!o.s || n == 0)
        rc = o.s ? ch_fail(e, CH_EARG, "no adapter is named")
                 : ch_fail(e, CH_ENOMEM, "no memory for %zu adapters", n);
    for (size_t j = 0; j < n && rc == CH_OK; j++) {
        o.s[j].strength = strengths[j] != 0 ? strengths[j] : 1;
        rc = ch_io_is_file(paths[j]) ? open_gguf(&o.s[j], m, paths[j], e)
                                     : open_peft(&o.s[j], m, paths[j], e);
    }
    if (rc == CH_OK)
        rc = ch_model_each(m, check_map, &o);
    if (rc == CH_OK)
        rc = check_others(&o);
    if (rc == CH_OK)
        rc = ch_lora_alloc(out, m, (int)o.s[0].rank, o.s[0].alpha, false, rank_of, &o, e);
    o.l = *out;
    if (rc == CH_OK)
        rc = ch_model_each(m, fill_map, &o);
    if (rc == CH_OK)
        rc = settle(*out, e);
    for (size_t j = 0; j < n && rc == CH_OK; j++)
        rc = ch_file_whole(o.s[j].f, e);
    if (rc < 0)
        ch_lora_close(out);
    for (size_t j = 0; o.s && j < n; j++) {
        ch_file_close(&o.s[j].f);
        json_decref(o.s[j].config);
        free(o.s[j].path);
    }
    free(o.s);
    return rc;
}

int ch_lora_open(ch_lora **out, ch_model *m, const char *path, double strength, ch_err *e)
{
    return ch_lora_open_all(out, m, &path, &strength, 1, e);
}
