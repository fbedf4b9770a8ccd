/* config_write.c - a configuration into a file: what config_read.c reads, and readers of GGUF
 * elsewhere
 *
 * SPDX-License-Identifier: MIT */
#include "model.h"

#include <stdio.h>
#include <string.h>

/* The first failure stays. */
typedef struct writer {
    ch_file *f;
    const char *arch;
    ch_err *e;
    int rc;
    char key[128];
} writer;

static const char *key_of(writer *w, const char *suffix)
{
    snprintf(w->key, sizeof w->key, "%s.%s", w->arch, suffix);
    return w->key;
}

static void put_int(writer *w, const char *suffix, int value)
{
    if (w->rc == CH_OK)
        w->rc = ch_file_set_u32(w->f, key_of(w, suffix), (uint32_t)value, w->e);
}

static void put_real(writer *w, const char *suffix, double value)
{
    if (w->rc == CH_OK)
        w->rc = ch_file_set_f32(w->f, key_of(w, suffix), (float)value, w->e);
}

static void put_str(writer *w, const char *suffix, const char *value)
{
    if (w->rc == CH_OK)
        w->rc = ch_file_set_str(w->f, key_of(w, suffix), value, strlen(value), w->e);
}

static void put_real_unless(writer *w, const char *suffix, double value, double usual)
{
    if (value != usual)
        put_real(w, suffix, value);
}

static void write_sizes(writer *w, const ch_config *c)
{
    put_int(w, "context_length", c->context);
    put_int(w, "embedding_length", c->width);
    put_int(w, "block_count", c->layers);
    put_int(w, "feed_forward_length", c->hidden);
    put_int(w, "attention.head_count", c->heads);
    if (ch_config_attending(c, c->layers) == c->layers) {
        put_int(w, "attention.head_count_kv", c->kv_heads);
    } else if (w->rc == CH_OK) {
        int32_t each[CH_MAX_LAYERS];
        for (int l = 0; l < c->layers; l++)
            each[l] = ch_config_attends(c, l) ? c->kv_heads : 0;
        w->rc = ch_file_set_i32s(w->f, key_of(w, "attention.head_count_kv"), each,
                                 (size_t)c->layers, w->e);
        put_int(w, "shortconv.l_cache", c->taps);
    }
    put_int(w, "attention.key_length", c->head_width);
    put_int(w, "attention.value_length", c->head_width);
    put_int(w, "vocab_size", c->vocab);
    if (c->memory)
        put_int(w, "memory_length", c->memory);
    if (c->relu2)
        put_str(w, "feed_forward_type", "relu2");
}

static void put_int_unless_0(writer *w, const char *suffix, int value)
{
    if (value != 0)
        put_int(w, suffix, value);
}

static void write_integrator(writer *w, const ch_config *c)
{
    put_int_unless_0(w, "integrator.depth", c->integrator.depth);
    put_int_unless_0(w, "integrator.anchor", (int)c->integrator.anchor);
    put_int_unless_0(w, "integrator.controller_groups", c->integrator.controller_groups);
    put_int_unless_0(w, "integrator.excited", c->integrator.excited);
    put_int_unless_0(w, "integrator.gate_layer", c->integrator.gate_layer);
    put_real_unless(w, "integrator.tolerance", c->integrator.tolerance, 0);
    put_int_unless_0(w, "feed_forward_groups", c->ffn_groups);
    put_int_unless_0(w, "attention_groups", c->attention_groups);
    put_int_unless_0(w, "embedding_rank", c->rank);
}

static void write_windows(writer *w, const ch_config *c)
{
    if (c->window == 0)
        return;
    put_int(w, "attention.sliding_window", c->window);
    ch_config usual = *c;
    ch_config_windows(&usual, c->arch->window_period);
    if (memcmp(usual.kind, c->kind, sizeof usual.kind) == 0 || w->rc < 0)
        return; /* as readers suppose where nothing is said */
    bool each[CH_MAX_LAYERS];
    for (int l = 0; l < c->layers; l++)
        each[l] = c->kind[l] == CH_LAYER_WINDOW;
    w->rc = ch_file_set_bools(w->f, key_of(w, "attention.sliding_window_pattern"), each,
                              (size_t)c->layers, w->e);
}

static void put_divisors(writer *w, const ch_config *c, const char *name, const float *values)
{
    const size_t n = (size_t)(c->rope.dims / 2);
    float *copy = w->rc == CH_OK ? ch_file_memory(w->f, n * sizeof *copy, w->e) : NULL;
    if (w->rc == CH_OK && !copy)
        w->rc = w->e ? w->e->code : CH_ENOMEM;
    if (w->rc < 0)
        return;
    memcpy(copy, values, n * sizeof *copy);
    const ch_tensor t = ch_tensor_1d(copy, CH_F32, (int64_t)n);
    w->rc = ch_file_add_tensor(w->f, name, &t, w->e);
}

static void write_rope(writer *w, const ch_config *c)
{
    static const char *const kinds[] = {"none", "linear", "yarn", "longrope"};
    const ch_stretch *s = &c->stretch;
    if (c->rope.dims == 0)
        return;
    put_int(w, "rope.dimension_count", c->rope.dims);
    put_real(w, "rope.freq_base", c->rope.base);
    put_real_unless(w, "rope.freq_base_swa", c->local_base, 0);
    if (c->kind[0] == CH_LAYER_UNTURNED && w->rc == CH_OK) /* then all are: granite */
        w->rc = ch_file_set_bool(w->f, key_of(w, "rope.scaling.finetuned"), false, w->e);
    if (s->kind != CH_STRETCH_NONE) {
        put_str(w, "rope.scaling.type", kinds[s->kind]);
        put_real_unless(w, "rope.scaling.factor", s->factor, 0);
    }
    if (s->original > 0)
        put_int(w, "rope.scaling.original_context_length", s->original);
    put_real_unless(w, "rope.scaling.attn_factor", s->magnitude, 0);
    if (s->kind == CH_STRETCH_YARN) {
        put_real_unless(w, "rope.scaling.yarn_ext_factor", s->mixed, 1);
        put_real_unless(w, "rope.scaling.yarn_attn_factor", s->own, 0);
        put_real_unless(w, "rope.scaling.yarn_beta_fast", s->fast, 32);
        put_real_unless(w, "rope.scaling.yarn_beta_slow", s->slow, 1);
        put_real_unless(w, "rope.scaling.yarn_log_multiplier", s->log_mul, 0);
    }
    if (s->lists == 1) {
        put_divisors(w, c, "rope_freqs.weight", s->divisor[0]);
    } else if (s->lists == 2) {
        put_divisors(w, c, "rope_factors_long.weight", s->divisor[1]);
        put_divisors(w, c, "rope_factors_short.weight", s->divisor[0]);
    }
}

bool ch_config_owns(const ch_config *c, const char *name)
{
    static const char *const one[] = {"rope_freqs.weight"};
    static const char *const two[] = {"rope_factors_long.weight", "rope_factors_short.weight"};
    for (size_t i = 0; c->stretch.lists == 1 && i < CH_COUNT(one); i++)
        if (strcmp(name, one[i]) == 0)
            return true;
    for (size_t i = 0; c->stretch.lists == 2 && i < CH_COUNT(two); i++)
        if (strcmp(name, two[i]) == 0)
            return true;
    return false;
}

int ch_config_write(const ch_config *c, ch_file *f, ch_err *e)
{
    const char *arch = c->arch->name;
    writer w = {.f = f, .arch = arch, .e = e};
    w.rc = ch_file_set_str(f, "general.architecture", arch, strlen(arch), e);
    write_sizes(&w, c);
    put_real(&w, c->arch->layernorm ? "attention.layer_norm_epsilon"
                                    : "attention.layer_norm_rms_epsilon",
             c->norm_eps);
    write_integrator(&w, c);
    write_windows(&w, c);
    write_rope(&w, c);
    put_real_unless(&w, "attention.scale", c->attention_scale, 0);
    /* No cap is said where saying nothing would mean one. */
    put_real_unless(&w, "attn_logit_softcapping", c->attention_cap,
                    c->arch->attention_cap > 0 ? -1 : 0);
    put_real_unless(&w, "final_logit_softcapping", c->logit_cap, c->arch->logit_cap > 0 ? -1 : 0);
    put_real_unless(&w, "embedding_scale", c->embedding_scale, 0);
    put_real_unless(&w, "residual_scale", c->residual_scale, 0);
    if (c->logit_scale > 0)
        put_real(&w, "logit_scale", 1 / c->logit_scale);
    return w.rc == CH_OK ? ch_inl_write(c, f, e) : w.rc;
}
