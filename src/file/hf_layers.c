/* hf_layers.c - which layers are of which kind: windows, convolutions, no positions; and the scale
 * of Gemma's scores
 *
 * GGUF has a window's period where it is not the architecture's own (gemma2 2, gemma3 6: every so
 * many layers one sees everything), LFM2's convolutions as layers without key heads, and nothing at
 * all about SmolLM3's layers without positions, which are every fourth.  What does not fit is
 * refused.  Of Mistral's window is said what it is.
 * SPDX-License-Identifier: MIT */
#include "hf_config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS_MOST = 4096, SMOLLM3_PERIOD = 4 };

static int usual_period(const ch_hf_config *c)
{
    return c->arch->bit == GEMMA2 ? 2 : c->arch->bit == GEMMA3 ? 6 : 1;
}

static int count_layers(int64_t *out, const ch_hf_config *c)
{
    const int rc = ch_hf_get_int(out, c, "block_count", 0);
    if (rc == CH_OK && (*out < 1 || *out > LAYERS_MOST))
        return ch_fail(c->e, CH_EFORMAT, "%s: %lld layers, allowed are 1 to %d", c->path,
                       (long long)*out, LAYERS_MOST);
    return rc;
}

/* The list `key` as one of `names` a layer, their numbers in kind[0..layers); *there: is it? */
static int read_list(unsigned char *kind, bool *there, const ch_hf_config *c, const char *key,
                     int64_t layers, const char *const *names)
{
    const json_t *list = json_object_get(c->v, key);
    *there = list && !json_is_null(list);
    if (!*there)
        return CH_OK;
    if (!json_is_array(list) || json_array_size(list) != (size_t)layers)
        return ch_fail(c->e, CH_EFORMAT, "%s: \"%s\" is no list of %lld", c->path, key,
                       (long long)layers);
    for (size_t i = 0; i < (size_t)layers; i++) {
        const char *s = json_string_value(json_array_get(list, i));
        int k = 0;
        while (s && names[k] && strcmp(names[k], s) != 0)
            k++;
        if (!s || !names[k])
            return ch_fail(c->e, CH_EUNSUPPORTED, "%s: \"%s\" holds \"%.40s\", which is not "
                                                  "supported in %s models",
                           c->path, key, s ? s : "no string", c->arch->type);
        kind[i] = (unsigned char)k;
    }
    return CH_OK;
}

/* ---- Windows --------------------------------------------------------------------------------- */

/* The period p of which each p-th layer is full (0: none is), or -1. */
static int period_of(const unsigned char *windowed, int64_t layers)
{
    int64_t p = 0;
    while (p < layers && windowed[p])
        p++;
    p = p == layers ? 0 : p + 1;
    for (int64_t i = 0; i < layers; i++)
        if (windowed[i] != (p == 0 || (i + 1) % p != 0))
            return -1;
    return (int)p;
}

static int read_windows(const ch_hf_config *c, int64_t layers, unsigned char *kind)
{
    static const char *const gemma[] = {"full_attention", "sliding_attention", NULL};
    static const char *const others[] = {"full_attention", NULL};
    const bool has = c->arch->bit & GEMMA;
    bool there;
    int64_t period = usual_period(c);
    int rc = read_list(kind, &there, c, "layer_types", layers, has ? gemma : others);
    if (rc < 0 || !has)
        return rc;
    if (there)
        period = period_of(kind, layers);
    else
        rc = ch_json_int(&period, c->v, "_sliding_window_pattern", period, 1, LAYERS_MOST, c->path,
                         c->e);
    if (rc == CH_OK && !there)
        rc = ch_json_int(&period, c->v, "sliding_window_pattern", period, 1, LAYERS_MOST, c->path,
                         c->e);
    if (rc == CH_OK && period < 0)
        return ch_fail(c->e, CH_EUNSUPPORTED, "%s: \"layer_types\" has no period", c->path);
    /* A model that ends before its first full layer has the usual period for all anyone can say. */
    if (rc < 0 || period == usual_period(c) || (period == 0 && layers < usual_period(c)))
        return rc;
    return ch_hf_put_int(c, "attention.sliding_window_pattern", period);
}

/* What Mistral's class has that Llama's passes over, or has otherwise where nothing is said. */
static int read_mistral(const ch_hf_config *c)
{
    int64_t window;
    const char *type;
    int rc = ch_json_str(&type, c->v, "model_type", "", c->path, c->e);
    const bool mistral = rc == CH_OK && strcmp(type, "mistral") == 0;
    const bool named = json_object_get(c->v, "sliding_window") != NULL;
    if (rc < 0 || (!mistral && strcmp(type, "chalcis_llama") != 0))
        return rc;
    if (mistral && !json_object_get(c->v, "max_position_embeddings"))
        rc = ch_hf_put_int(c, "context_length", 131072);
    if (rc == CH_OK && mistral && !json_object_get(c->v, "num_key_value_heads"))
        rc = ch_hf_put_int(c, "attention.head_count_kv", 8);
    if (rc == CH_OK)
        rc = ch_json_int(&window, c->v, "sliding_window", named || !mistral ? 0 : 4096, 0,
                         INT32_MAX, c->path, c->e);
    return rc < 0 || window == 0 ? rc : ch_hf_put_int(c, "attention.sliding_window", window);
}

/* Is layer i one with a window? */
static int write_kinds(const ch_hf_config *c, int64_t layers)
{
    char key[CH_HF_KEY_MOST];
    int64_t period = usual_period(c), flag = 0;
    ch_hf_key(key, c, "attention.sliding_window_pattern");
    const ch_meta *m = ch_file_meta_find(c->f, key);
    const bool list = m && m->type == CH_META_ARRAY;
    int rc = list ? CH_OK
                  : ch_hf_get_int(&period, c, "attention.sliding_window_pattern", period);
    json_t *types = json_array();
    for (int64_t i = 0; i < layers && rc == CH_OK; i++) {
        if (list && ch_meta_at_int(&flag, m, (size_t)i) < 0)
            rc = ch_fail(c->e, CH_EFORMAT, "%s: metadata \"%s\" is no list of %lld flags",
                         c->f->path, key, (long long)layers);
        const bool windowed = list ? flag != 0 : period == 0 || (i + 1) % period != 0;
        json_array_append_new(types,
                              json_string(windowed ? "sliding_attention" : "full_attention"));
    }
    if (rc < 0) {
        json_decref(types);
        return rc;
    }
    rc = ch_hf_set(c, c->to, "layer_types", types);
    return rc == CH_OK && c->arch->bit == GEMMA3 && !list && period > 0
               ? ch_hf_set(c, c->to, "sliding_window_pattern", json_integer(period))
               : rc;
}

/* ---- Gemma's scores -------------------------------------------------------------------------- */

/* GGUF's readers take the head width, in the largest models width / heads; a scale of its own where
 * that is not it. */
static int usual_scalar(double *out, const ch_hf_config *c)
{
    int64_t layers, width, heads, head;
    int rc = ch_hf_get_int(&layers, c, "block_count", 0);
    if (rc == CH_OK)
        rc = ch_hf_get_int(&width, c, "embedding_length", 0);
    if (rc == CH_OK)
        rc = ch_hf_get_int(&heads, c, "attention.head_count", 1);
    if (rc == CH_OK)
        rc = ch_hf_get_int(&head, c, "attention.key_length", 256);
    const int64_t large = c->arch->bit == GEMMA2 ? 46 : 62;
    *out = rc < 0 ? 0 : (double)(layers == large ? width / CH_MAX(heads, (int64_t)1) : head);
    return rc;
}

static int read_scalar(const ch_hf_config *c)
{
    double usual, is;
    int rc = usual_scalar(&usual, c);
    if (rc == CH_OK)
        rc = ch_json_real(&is, c->v, "query_pre_attn_scalar", 256, c->path, c->e);
    if (rc == CH_OK && !(is > 0 && is < 1e9))
        return ch_fail(c->e, CH_EFORMAT, "%s: \"query_pre_attn_scalar\" is %g", c->path, is);
    return rc < 0 || is == usual ? rc : ch_hf_put_real(c, "attention.scale", 1 / sqrt(is));
}

static int write_scalar(const ch_hf_config *c)
{
    double usual, scale;
    int rc = usual_scalar(&usual, c);
    if (rc == CH_OK)
        rc = ch_hf_get_real(&scale, c, "attention.scale", 0);
    if (rc < 0)
        return rc;
    if (scale > 0) {
        usual = 1 / (scale * scale);
        if ((float)(1 / sqrt(round(usual))) == (float)scale)
            usual = round(usual);
    }
    return ch_hf_set(c, c->to, "query_pre_attn_scalar",
                     usual == round(usual) ? json_integer((json_int_t)usual) : json_real(usual));
}

/* ---- Convolutions ---------------------------------------------------------------------------- */

static int read_convolutions(const ch_hf_config *c, int64_t layers, unsigned char *kind)
{
    static const char *const names[] = {"conv", "full_attention", NULL};
    bool there;
    int64_t heads;
    int rc = read_list(kind, &there, c, "layer_types", layers, names);
    const json_t *at = json_object_get(c->v, "full_attn_idxs");
    if (rc == CH_OK && !there)
        memset(kind, json_is_array(at) ? 0 : 1, (size_t)layers);
    for (size_t i = 0; rc == CH_OK && !there && i < json_array_size(at); i++) {
        const json_int_t l = json_integer_value(json_array_get(at, i));
        if (!json_is_integer(json_array_get(at, i)) || l < 0 || l >= layers)
            return ch_fail(c->e, CH_EFORMAT, "%s: \"full_attn_idxs\" names no layer of %lld",
                           c->path, (long long)layers);
        kind[l] = 1;
    }
    if (rc == CH_OK)
        rc = ch_json_int(&heads, c->v, "num_key_value_heads", 8, 1, 1 << 16, c->path, c->e);
    int32_t list[LAYERS_MOST];
    for (int64_t i = 0; rc == CH_OK && i < layers; i++)
        list[i] = kind[i] ? (int32_t)heads : 0;
    char key[CH_HF_KEY_MOST];
    ch_hf_key(key, c, "attention.head_count_kv");
    return rc < 0 ? rc : ch_file_set_i32s(c->f, key, list, (size_t)layers, c->e);
}

static int write_convolutions(const ch_hf_config *c, int64_t layers)
{
    char key[CH_HF_KEY_MOST];
    int64_t most = 0, n = 0;
    ch_hf_key(key, c, "attention.head_count_kv");
    const ch_meta *m = ch_file_meta_find(c->f, key);
    if (!m || m->type != CH_META_ARRAY || m->v.a.n != (size_t)layers)
        return ch_fail(c->e, CH_EFORMAT, "%s: metadata \"%s\" is no list of %lld", c->f->path, key,
                       (long long)layers);
    json_t *types = json_array();
    for (size_t i = 0; i < m->v.a.n; i++) {
        if (ch_meta_at_int(&n, m, i) < 0) {
            json_decref(types);
            return ch_fail(c->e, CH_EFORMAT, "%s: metadata \"%s\" holds something that is no "
                                             "integer",
                           c->f->path, key);
        }
        most = CH_MAX(most, n);
        json_array_append_new(types, json_string(n > 0 ? "full_attention" : "conv"));
    }
    int rc = ch_hf_set(c, c->to, "layer_types", types);
    if (rc == CH_OK && most == 0) /* no layer attends */
        rc = ch_hf_get_int(&most, c, "attention.head_count", 1);
    return rc == CH_OK ? ch_hf_set(c, c->to, "num_key_value_heads", json_integer(most)) : rc;
}

/* ---- No positions ---------------------------------------------------------------------------- */

static int read_unturned(const ch_hf_config *c, int64_t layers)
{
    const json_t *list = json_object_get(c->v, "no_rope_layers"); /* 1: with positions */
    int64_t every;
    const int rc = ch_json_int(&every, c->v, "no_rope_layer_interval", SMOLLM3_PERIOD, 0,
                               LAYERS_MOST, c->path, c->e);
    if (rc < 0)
        return rc;
    bool usual = json_is_array(list) || every == SMOLLM3_PERIOD;
    for (size_t i = 0; i < json_array_size(list); i++)
        usual &= json_integer_value(json_array_get(list, i)) == ((i + 1) % SMOLLM3_PERIOD != 0);
    if (usual && (!json_is_array(list) || json_array_size(list) == (size_t)layers))
        return CH_OK;
    return ch_fail(c->e, CH_EUNSUPPORTED,
                   "%s: \"no_rope_layers\": supported is every fourth layer without positions",
                   c->path);
}

static int write_unturned(const ch_hf_config *c, int64_t layers)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < layers; i++)
        json_array_append_new(list, json_integer((i + 1) % SMOLLM3_PERIOD != 0));
    const int rc = ch_hf_set(c, c->to, "no_rope_layers", list);
    return rc == CH_OK ? ch_hf_set(c, c->to, "no_rope_layer_interval",
                                   json_integer(SMOLLM3_PERIOD))
                       : rc;
}

/* ---- All of it ------------------------------------------------------------------------------- */

int ch_hf_layers_read(const ch_hf_config *c)
{
    int64_t layers;
    unsigned char kind[LAYERS_MOST] = {0};
    int rc = count_layers(&layers, c);
    if (rc == CH_OK)
        rc = c->arch->bit == LFM2 ? read_convolutions(c, layers, kind)
                                  : read_windows(c, layers, kind);
    if (rc == CH_OK && c->arch->bit == SMOLLM3)
        rc = read_unturned(c, layers);
    if (rc == CH_OK && c->arch->bit == LLAMA)
        rc = read_mistral(c);
    return rc == CH_OK && (c->arch->bit & GEMMA) ? read_scalar(c) : rc;
}

int ch_hf_layers_write(const ch_hf_config *c)
{
    int64_t layers, window = 0, heads = 0;
    int rc = count_layers(&layers, c);
    if (rc == CH_OK && c->arch->bit == LFM2)
        rc = write_convolutions(c, layers);
    if (rc == CH_OK && (c->arch->bit & GEMMA))
        rc = write_kinds(c, layers);
    if (rc == CH_OK && (c->arch->bit & GEMMA))
        rc = write_scalar(c);
    if (rc == CH_OK && c->arch->bit == SMOLLM3)
        rc = write_unturned(c, layers);
    if (rc == CH_OK && c->arch->bit == LLAMA)
        rc = ch_hf_get_int(&window, c, "attention.sliding_window", 0);
    if (rc < 0 || window == 0)
        return rc;
    rc = ch_hf_set(c, c->to, "sliding_window", json_integer(window));
    if (rc == CH_OK && !json_object_get(c->to, "num_key_value_heads"))
        rc = ch_hf_get_int(&heads, c, "attention.head_count", 1);
    if (rc == CH_OK && heads > 0)
        rc = ch_hf_set(c, c->to, "num_key_value_heads", json_integer(heads));
    if (rc == CH_OK) /* a Llama with a window is a Mistral */
        rc = ch_hf_set(c, c->to, "model_type", json_string("mistral"));
    return rc == CH_OK
               ? ch_hf_set(c, c->to, "architectures", json_pack("[s]", "MistralForCausalLM"))
               : rc;
}
