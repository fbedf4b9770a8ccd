/* read.c - a file's numbers as doubles, and which function is for which architecture
 *
 * SPDX-License-Identifier: MIT */
#include "reference.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

static const struct {
    const char *name;
    double *(*logits)(ref *r);
} archs[] = {
    {"llama", ref_llama},   {"qwen2", ref_qwen2},     {"qwen3", ref_qwen3}, {"gpt2", ref_gpt2},
    {"gemma2", ref_gemma2}, {"gemma3", ref_gemma3},   {"phi3", ref_phi3},   {"smollm3", ref_smollm3},
    {"olmo2", ref_olmo2},   {"granite", ref_granite}, {"lfm2", ref_lfm2},
    {"integrator", ref_integrator},
    {"inl_v2", ref_inl_v2}, {"inl_v3", ref_inl_v3},
};

bool ref_knows(const char *arch)
{
    for (size_t i = 0; i < CH_COUNT(archs); i++)
        if (!strcmp(archs[i].name, arch))
            return true;
    return false;
}

static const ch_meta *find(const ref *r, const char *key)
{
    char full[128];
    snprintf(full, sizeof full, "%s.%s", r->arch, key);
    return ch_file_meta_find(r->file, full);
}

static double number(const ref *r, const ch_meta *m, const char *key)
{
    switch (m->type) {
    case CH_META_INT: return (double)m->v.i;
    case CH_META_UINT: return (double)m->v.u;
    case CH_META_REAL: return m->v.r;
    case CH_META_BOOL: return m->v.b;
    default: fail_msg("%s.%s is no number", r->arch, key); return 0;
    }
}

int ref_int(const ref *r, const char *key, int or) { return ref_int_at(r, key, 0, or); }

int ref_int_at(const ref *r, const char *key, int i, int or)
{
    const ch_meta *m = find(r, key);
    int64_t v;
    if (!m && or == INT_MIN)
        fail_msg("%s.%s is missing", r->arch, key);
    if (!m)
        return or;
    if (m->type != CH_META_ARRAY)
        return (int)number(r, m, key);
    if (ch_meta_at_int(&v, m, (size_t)i) < 0)
        fail_msg("%s.%s has no element %d", r->arch, key, i);
    return (int)v;
}

double ref_real(const ref *r, const char *key, double or)
{
    const ch_meta *m = find(r, key);
    if (!m && isnan(or))
        fail_msg("%s.%s is missing", r->arch, key);
    return m ? number(r, m, key) : or;
}

bool ref_says(const ref *r, const char *key, const char *word)
{
    const ch_meta *m = find(r, key);
    return m && m->type == CH_META_STR && m->v.s.n == strlen(word) &&
           !memcmp(m->v.s.p, word, m->v.s.n);
}

bool ref_is_local(const ref *r, int layer, int period)
{
    const ch_meta *m = find(r, "attention.sliding_window_pattern");
    if (m && m->type == CH_META_ARRAY)
        return ref_int_at(r, "attention.sliding_window_pattern", layer, 0) != 0;
    period = ref_int(r, "attention.sliding_window_pattern", period);
    return period == 0 || layer % period < period - 1;
}

double *ref_new(ref *r, int64_t n)
{
    double *p = calloc((size_t)n, sizeof *p);
    assert_true(ch_array_room(&r->owned, &r->cap_owned, r->n_owned + 1, sizeof *r->owned));
    assert_non_null(p);
    r->owned[r->n_owned++] = p;
    return p;
}

/* Like printf, for names that may have one %d. */
static void name_of(char *out, size_t size, const char *name, int layer)
{
    const char *mark = strstr(name, "%d");
    if (mark)
        snprintf(out, size, "%.*s%d%s", (int)(mark - name), name, layer, mark + 2);
    else
        snprintf(out, size, "%s", name);
}

bool ref_has(const ref *r, const char *name, int layer)
{
    char full[128];
    name_of(full, sizeof full, name, layer);
    return ch_file_tensor_find(r->file, full) != NULL;
}

double *ref_tensor(ref *r, const char *name, int layer, int64_t rows, int64_t cols)
{
    char full[128];
    name_of(full, sizeof full, name, layer);
    const ch_file_tensor *t = ch_file_tensor_find(r->file, full);
    const int64_t n = rows * cols;
    if (!t)
        fail_msg("no tensor %s", full);
    if (ch_tensor_count(&t->t) != n || t->t.dim[t->t.rank - 1] != cols)
        fail_msg("%s is not %lld x %lld", full, (long long)rows, (long long)cols);
    double *out = ref_new(r, n);
    real *plain = malloc((size_t)n * sizeof *plain);
    assert_non_null(plain);
    ch_tensor_read(plain, &t->t, 0, n);
    for (int64_t i = 0; i < n; i++)
        out[i] = (double)plain[i];
    free(plain);
    return out;
}

static void read_sizes(ref *r)
{
    const ch_file_tensor *table = ch_file_tensor_find(r->file, "token_embd.weight");
    assert_non_null(table);
    r->V = (int)table->t.dim[0];
    r->D = ref_int(r, "embedding_length", INT_MIN);
    r->L = ref_int(r, "block_count", INT_MIN);
    r->F = ref_int(r, "feed_forward_length", INT_MIN);
    r->H = ref_int(r, "attention.head_count", INT_MIN);
    r->K = 0; /* layers without attention say 0 */
    for (int l = 0; l < r->L; l++)
        r->K = CH_MAX(r->K, ref_int_at(r, "attention.head_count_kv", l, r->H));
    r->E = ref_int(r, "attention.key_length", r->D / r->H);
    r->eps = ref_real(r, "attention.layer_norm_rms_epsilon",
                      ref_real(r, "attention.layer_norm_epsilon", 1e-5));
    assert_true(r->K > 0 && r->H % r->K == 0);
}

/* Of a reference whose file, ids and wishes are filled in. */
static double *run(ref *r)
{
    ch_err e;
    ch_str name;
    assert_ok(ch_file_str(&name, r->file, "general.architecture", &e), e);
    for (size_t i = 0; i < CH_COUNT(archs); i++) {
        if (strlen(archs[i].name) != name.n || memcmp(archs[i].name, name.p, name.n) != 0)
            continue;
        r->arch = archs[i].name;
        read_sizes(r);
        for (int t = 0; t < r->T; t++)
            assert_in_range(r->id[t], 0, r->V - 1);
        const double *z = archs[i].logits(r);
        const size_t bytes = (size_t)r->T * (size_t)r->V * sizeof *z;
        double *out = malloc(bytes);
        assert_non_null(out);
        memcpy(out, z, bytes);
        for (size_t j = 0; j < r->n_owned; j++)
            free(r->owned[j]);
        free(r->owned);
        return out;
    }
    fail_msg("no reference for %.*s", (int)name.n, name.p);
    return NULL;
}

double *ref_logits(int *vocab, const ch_file *f, const ch_token *id, int n, int context,
                   double noise, uint64_t seed)
{
    ref r = {.file = f, .id = id, .T = n, .context = context, .noise = noise, .drawn = seed};
    double *z = run(&r);
    *vocab = r.V;
    return z;
}

void ref_observe(const ch_file *f, const ch_token *id, int n, ref_seen_fn *fn, void *arg)
{
    ref r = {.file = f, .id = id, .T = n, .context = n, .seen = fn, .seen_arg = arg};
    free(run(&r));
}
