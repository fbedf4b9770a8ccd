/* config_read.c - a configuration from a file's metadata
 *
 * Keys are GGUF's "<arch>.*" (GGUF specification, "Standardized key-value pairs"; those of rotary
 * scaling, windows and multipliers as llama.cpp's converters write them).  Whatever would change
 * numbers and is not computed is refused by its key.  SPDX-License-Identifier: MIT */
#include "model.h"

#include <stdio.h>
#include <string.h>

/* The first failure stays. */
typedef struct reader {
    const ch_file *f;
    const char *arch;
    ch_err *e;
    int rc;
    char key[128];
} reader;

static const char *key_of(reader *r, const char *suffix)
{
    snprintf(r->key, sizeof r->key, "%s.%s", r->arch, suffix);
    return r->key;
}

static const ch_meta *find(reader *r, const char *suffix)
{
    return ch_file_meta_find(r->f, key_of(r, suffix));
}

static void real_opt(reader *r, double *out, const char *suffix, double min, double max)
{
    if (r->rc == CH_OK)
        r->rc = ch_file_real_opt(out, r->f, key_of(r, suffix), min, max, r->e);
}

static void int_opt(reader *r, int *out, const char *suffix, int64_t min, int64_t max)
{
    int64_t value = *out;
    if (r->rc == CH_OK)
        r->rc = ch_file_int_opt(&value, r->f, key_of(r, suffix), min, max, r->e);
    *out = (int)value;
}

static void int_required(reader *r, int *out, const char *suffix)
{
    int64_t value = 0;
    if (r->rc == CH_OK)
        r->rc = ch_file_int(&value, r->f, key_of(r, suffix), 1, INT32_MAX, r->e);
    *out = (int)value;
}

/* ---- Numbers that a file may give layer by layer -------------------------------------------- */

/* They have to agree; a layer with none of them (`none` is set) is a convolution. */
static void same_everywhere(reader *r, ch_config *c, int *out, const char *suffix, bool none)
{
    const ch_meta *m = find(r, suffix);
    if (r->rc < 0 || !m)
        return;
    if (m->type != CH_META_ARRAY) {
        int_opt(r, out, suffix, 1, INT32_MAX);
        return;
    }
    if (c->layers > CH_MAX_LAYERS || m->v.a.n != (size_t)c->layers) {
        r->rc = ch_fail(r->e, CH_EFORMAT, "%s: %s has %zu numbers for %d layers", r->f->path,
                        r->key, m->v.a.n, c->layers);
        return;
    }
    int64_t seen = 0, n;
    for (int l = 0; l < c->layers; l++) {
        if (ch_meta_at_int(&n, m, (size_t)l) < 0 || n < 0 || n > INT32_MAX) {
            r->rc = ch_fail(r->e, CH_EFORMAT, "%s: %s is no list of whole numbers", r->f->path,
                            r->key);
            return;
        }
        if (n == 0 && none)
            c->kind[l] = CH_LAYER_CONVOLUTION;
        else if (seen == 0)
            seen = n;
        else if (n != seen) {
            r->rc = ch_fail(r->e, CH_EUNSUPPORTED,
                            "%s: %s is %lld in layer %d and %lld before; layers that differ in it "
                            "are not supported",
                            r->f->path, r->key, (long long)n, l, (long long)seen);
            return;
        }
    }
    *out = (int)seen;
}

static void read_windows(reader *r, ch_config *c)
{
    int_opt(r, &c->window, "attention.sliding_window", 0, INT32_MAX);
    if (r->rc < 0 || c->window == 0)
        return;
    const ch_meta *m = find(r, "attention.sliding_window_pattern");
    int period = c->arch->window_period;
    if (!m || m->type != CH_META_ARRAY) {
        int_opt(r, &period, "attention.sliding_window_pattern", 0, CH_MAX_LAYERS);
        ch_config_windows(c, period);
        return;
    }
    int64_t local;
    for (int l = 0; l < CH_MIN(c->layers, CH_MAX_LAYERS) && r->rc == CH_OK; l++)
        if ((size_t)l >= m->v.a.n || ch_meta_at_int(&local, m, (size_t)l) < 0)
            r->rc = ch_fail(r->e, CH_EFORMAT, "%s: %s has no flag for layer %d", r->f->path, r->key,
                            l);
        else if (local && ch_config_attends(c, l))
            c->kind[l] = CH_LAYER_WINDOW;
}

/* ---- Rotary positions ----------------------------------------------------------------------- */

static const struct {
    const char *name;
    ch_stretch_kind kind;
} kinds[] = {{"none", CH_STRETCH_NONE},
             {"linear", CH_STRETCH_LINEAR},
             {"yarn", CH_STRETCH_YARN},
             {"longrope", CH_STRETCH_LONG}};

static void read_kind(reader *r, ch_stretch *s)
{
    const bool said = find(r, "rope.scaling.type") != NULL;
    ch_str type = {"linear", 6}; /* files from before there were types */
    if (r->rc == CH_OK && said)
        r->rc = ch_file_str(&type, r->f, r->key, r->e);
    for (size_t i = 0; i < CH_COUNT(kinds) && r->rc == CH_OK; i++)
        if (strlen(kinds[i].name) == type.n && memcmp(kinds[i].name, type.p, type.n) == 0) {
            s->kind = kinds[i].kind;
            if (!said && (s->factor == 0 || s->factor == 1))
                s->kind = CH_STRETCH_NONE;
            return;
        }
    if (r->rc == CH_OK)
        r->rc = ch_fail(r->e, CH_EUNSUPPORTED,
                        "%s: %s is \"%.*s\"; supported are none, linear, yarn, longrope",
                        r->f->path, r->key, (int)CH_MIN(type.n, (size_t)64), type.p);
}

/* A list of R/2 divisors; false: the file has none. */
static bool read_divisors(reader *r, const ch_config *c, float *out, const char *name)
{
    const ch_file_tensor *t = ch_file_tensor_find(r->f, name);
    if (!t || r->rc < 0)
        return false;
    real values[CH_MAX_PAIRS];
    const int pairs = c->rope.dims / 2;
    if (t->t.rank != 1 || t->t.dim[0] != pairs || pairs > CH_MAX_PAIRS) {
        char found[96];
        ch_tensor_describe(found, sizeof found, &t->t);
        r->rc = ch_fail(r->e, CH_EFORMAT, "%s: tensor %s is %s, the configuration says (%d)",
                        r->f->path, name, found, pairs);
        return false;
    }
    ch_tensor_read(values, &t->t, 0, pairs);
    for (int i = 0; i < pairs; i++)
        out[i] = (float)values[i];
    return true;
}

static void read_stretch(reader *r, ch_config *c)
{
    ch_stretch *s = &c->stretch;
    real_opt(r, &s->factor, "rope.scale_linear", 0, 1e12);
    real_opt(r, &s->factor, "rope.scaling.factor", 0, 1e12);
    read_kind(r, s);
    int_opt(r, &s->original, "rope.scaling.original_context_length", 0, INT32_MAX);
    real_opt(r, &s->magnitude, "rope.scaling.attn_factor", 0, 1e12);
    if (s->kind == CH_STRETCH_YARN) {
        s->mixed = 1;
        s->fast = 32;
        s->slow = 1;
        real_opt(r, &s->mixed, "rope.scaling.yarn_ext_factor", 0, 1);
        real_opt(r, &s->own, "rope.scaling.yarn_attn_factor", 0, 1e12);
        real_opt(r, &s->fast, "rope.scaling.yarn_beta_fast", 0, 1e12);
        real_opt(r, &s->slow, "rope.scaling.yarn_beta_slow", 0, 1e12);
        real_opt(r, &s->log_mul, "rope.scaling.yarn_log_multiplier", 0, 1e12);
    }
    if (read_divisors(r, c, s->divisor[0], "rope_freqs.weight"))
        s->lists = 1;
    else if (read_divisors(r, c, s->divisor[0], "rope_factors_short.weight") &&
             read_divisors(r, c, s->divisor[1], "rope_factors_long.weight"))
        s->lists = 2;
    if (s->lists == 2 && s->kind == CH_STRETCH_NONE) /* files need not say what their tensors do */
        s->kind = CH_STRETCH_LONG;
    real_opt(r, &c->local_base, "rope.freq_base_swa", 1, 1e12);
}

/* ---- All of it ------------------------------------------------------------------------------ */

static void read_sizes(reader *r, ch_config *c)
{
    int_required(r, &c->width, "embedding_length");
    int_required(r, &c->layers, "block_count");
    same_everywhere(r, c, &c->heads, "attention.head_count", false);
    if (r->rc == CH_OK && c->heads == 0)
        int_required(r, &c->heads, "attention.head_count");
    c->kv_heads = c->heads;
    same_everywhere(r, c, &c->kv_heads, "attention.head_count_kv", true);
    same_everywhere(r, c, &c->hidden, "feed_forward_length", false);
    if (r->rc == CH_OK && c->hidden == 0)
        int_required(r, &c->hidden, "feed_forward_length");
    int_required(r, &c->context, "context_length");
    int_opt(r, &c->head_width, "attention.key_length", 1, INT32_MAX);
    if (r->rc == CH_OK && c->head_width == 0 && c->width % c->heads != 0)
        r->rc = ch_fail(r->e, CH_EFORMAT, "%s: a width of %d does not divide into %d heads",
                        r->f->path, c->width, c->heads);
    if (r->rc == CH_OK && c->head_width == 0)
        c->head_width = c->width / c->heads;
    c->rope.dims = c->head_width;
    c->rope.base = 10000;
    int_opt(r, &c->rope.dims, "rope.dimension_count", 0, INT32_MAX);
    real_opt(r, &c->rope.base, "rope.freq_base", 1, 1e12);
    if (r->rc == CH_OK)
        r->rc = ch_file_real(&c->norm_eps, r->f,
                             key_of(r, c->arch->layernorm ? "attention.layer_norm_epsilon"
                                                          : "attention.layer_norm_rms_epsilon"),
                             1e-30, 1, r->e);
    const ch_file_tensor *t = ch_file_tensor_find(r->f, "token_embd.weight");
    if (t && t->t.rank == 2)
        c->vocab = (int)CH_MIN(t->t.dim[0], (int64_t)INT32_MAX);
    int_opt(r, &c->vocab, "vocab_size", 1, CH_MAX_VOCAB);
    if (r->rc == CH_OK && c->vocab == 0 && r->f->n_tensors == 0)
        r->rc = ch_fail(r->e, CH_EFORMAT,
                        "%s holds no tensors: it is a vocabulary at most, which `tokenize` takes, "
                        "and no model", r->f->path);
}

static void read_scales(reader *r, ch_config *c)
{
    real_opt(r, &c->attention_scale, "attention.scale", 0, 1e12);
    c->attention_cap = c->arch->attention_cap;
    c->logit_cap = c->arch->logit_cap;
    real_opt(r, &c->attention_cap, "attn_logit_softcapping", 0, 1e12);
    real_opt(r, &c->logit_cap, "final_logit_softcapping", 0, 1e12);
    real_opt(r, &c->embedding_scale, "embedding_scale", 0, 1e12);
    real_opt(r, &c->residual_scale, "residual_scale", 0, 1e12);
    real_opt(r, &c->logit_scale, "logit_scale", 0, 1e12);
    const double most = CH_MAX(CH_MAX(c->embedding_scale, c->residual_scale), c->logit_scale);
    const double least = CH_MIN(CH_MIN(c->embedding_scale, c->residual_scale), c->logit_scale);
    const bool none = (most == 0 || most == 1) && (least == 0 || least == 1);
    if (r->rc == CH_OK && !none && !c->arch->scales)
        r->rc = ch_fail(r->e, CH_EUNSUPPORTED,
                        "%s: embedding_scale, residual_scale and logit_scale are %g, %g and %g; a "
                        "%s model is computed without them",
                        r->f->path, c->embedding_scale, c->residual_scale, c->logit_scale,
                        c->arch->name);
    if (!c->arch->scales)
        c->embedding_scale = c->residual_scale = c->logit_scale = 0; /* 1 says nothing */
    if (c->logit_scale > 0) /* files say what logits are divided by */
        c->logit_scale = 1 / c->logit_scale;
}

static void read_integrator(reader *r, ch_config *c)
{
    int anchor = 0;
    int_opt(r, &c->integrator.depth, "integrator.depth", 0, INT32_MAX);
    int_opt(r, &anchor, "integrator.anchor", 0, CH_ANCHORS - 1);
    c->integrator.anchor = (ch_anchor)anchor;
    int_opt(r, &c->integrator.controller_groups, "integrator.controller_groups", 0, INT32_MAX);
    int_opt(r, &c->integrator.excited, "integrator.excited", 0, INT32_MAX);
    int_opt(r, &c->integrator.gate_layer, "integrator.gate_layer", 0, INT32_MAX);
    real_opt(r, &c->integrator.tolerance, "integrator.tolerance", 0, 1e3);
    int_opt(r, &c->ffn_groups, "feed_forward_groups", 0, INT32_MAX);
}

static void read_biases(const ch_file *f, ch_config *c)
{
    static const struct {
        const char *name;
        int bit;
    } of[] = {{"blk.0.attn_q.bias", CH_ROW_QKV_BIAS},
              {"blk.0.attn_output.bias", CH_ROW_OUTPUT_BIAS},
              {"blk.0.ffn_up.bias", CH_ROW_HIDDEN_BIAS}};
    for (size_t i = 0; i < CH_COUNT(of); i++)
        if (ch_file_tensor_find(f, of[i].name))
            c->biases |= of[i].bit;
    c->tied = !ch_file_tensor_find(f, "output.weight");
}

/* What would silently give wrong numbers if it was passed over, and the number that asks for
 * nothing. */
static void refuse_unknown(reader *r, const ch_config *c)
{
    const struct {
        const char *suffix;
        double harmless;
    } keys[] = {
        {"attention.value_length", c->head_width},
        {"attention.key_length_swa", c->head_width},
        {"attention.value_length_swa", c->head_width},
        {"rope.dimension_count_swa", c->rope.dims},
        {"rope.scaling.alpha", 0},
        {"attention.max_alibi_bias", 0},
        {"attention.clamp_kqv", 0},
        {"attention.output_scale", 0},
        {"attention.value_scale", 0},
        {"attention.temperature_length", 0},
        {"attention.temperature_scale", 0},
        {"attention.shared_kv_layers", 0},
        {"expert_count", 0},
        {"rescale_every_n_layers", 0},
        {"embedding_length_per_layer_input", 0},
    };
    for (size_t i = 0; i < CH_COUNT(keys) && r->rc == CH_OK; i++) {
        double value = keys[i].harmless;
        real_opt(r, &value, keys[i].suffix, -1e300, 1e300);
        if (r->rc == CH_OK && value != keys[i].harmless)
            r->rc = ch_fail(r->e, CH_EUNSUPPORTED,
                            "%s: %s is %g; only %g is supported in %s models", r->f->path,
                            r->key, value, keys[i].harmless, r->arch);
    }
    bool causal = true;
    if (r->rc == CH_OK)
        r->rc = ch_file_bool_opt(&causal, r->f, key_of(r, "attention.causal"), r->e);
    if (r->rc == CH_OK && !causal)
        r->rc = ch_fail(r->e, CH_EUNSUPPORTED,
                        "%s: %s is false: tokens that see what follows are not supported",
                        r->f->path, r->key);
    if (r->rc == CH_OK && find(r, "rope.dimension_sections"))
        r->rc = ch_fail(r->e, CH_EUNSUPPORTED,
                        "%s: %s asks for positions in several dimensions, which are not supported",
                        r->f->path, r->key);
}

int ch_config_read(ch_config *c, const ch_file *f, ch_err *e)
{
    memset(c, 0, sizeof *c);
    ch_str arch;
    int rc = ch_file_str(&arch, f, "general.architecture", e);
    if (rc < 0)
        return rc;
    c->arch = ch_arch_find(arch.p, arch.n);
    if (!c->arch)
        return ch_fail(e, CH_EUNSUPPORTED,
                       "%s: architecture \"%.*s\" is not supported; supported are %s", f->path,
                       (int)CH_MIN(arch.n, 64), arch.p, ch_arch_names());
    reader r = {.f = f, .arch = c->arch->name, .e = e};
    read_sizes(&r, c);
    read_windows(&r, c);
    read_stretch(&r, c);
    read_scales(&r, c);
    read_integrator(&r, c);
    read_biases(f, c);
    refuse_unknown(&r, c);
    if (r.rc == CH_OK)
        r.rc = c->arch->configure(c, f, e);
    return r.rc == CH_OK ? ch_config_check(c, f->path, e) : r.rc;
}
