/* hf_config.c - config.json of Hugging Face's transformers as keys of a GGUF file, and back
 *
 * hf_keys.def says which number is which key; hf_must.def, which values are computed here at all.
 * What neither table, hf_rope.c nor hf_layers.c knows is passed over when it is known to change
 * nothing, or is empty; other keys are named in ch_file.notes, since transformers lets a model
 * carry any.
 * Sources: transformers, configuration_*.py; llama.cpp's converter (set_gguf_parameters).
 * SPDX-License-Identifier: MIT */
#include "hf_inl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INT, REAL, NEEDED = -1, OPTIONAL = -2 };

static const struct {
    unsigned models;
    const char *key, *suffix;
    int kind;
    double or;
} keys[] = {
#define KEY(models, key, suffix, kind, or) {models, key, suffix, kind, or},
#include "hf_keys.def"
#undef KEY
};

static const struct {
    unsigned models;
    const char *key, *values;
    bool written;
} musts[] = {
#define MUST(models, key, values, written) {models, key, values, written},
#include "hf_must.def"
#undef MUST
};

/* Keys that change no number, and those that hf_rope.c, hf_layers.c or the functions below read. */
static const char *const known[] = {
    "architectures", "model_type", "torch_dtype", "dtype", "transformers_version", "_name_or_path",
    "bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id", "sep_token_id", "use_cache",
    "initializer_range", "attention_dropout", "hidden_dropout", "resid_pdrop", "embd_pdrop",
    "attn_pdrop", "summary_activation", "summary_first_dropout", "summary_proj_to_labels",
    "summary_type", "summary_use_proj", "task_specific_params", "reorder_and_upcast_attn",
    "n_inner", "pretraining_tp", "tie_word_embeddings", "tie_embedding", "cache_implementation",
    "auto_map", "max_window_layers", "return_dict", "output_attentions", "output_hidden_states",
    "id2label", "label2id", "gradient_checkpointing", "is_decoder", "problem_type",
    "chunk_size_feed_forward", "use_bfloat16", "tokenizer_class", "prefix", "unsloth_version",
    "unsloth_fixed", "is_llama_config", "transformers.js_config", "_attn_implementation_autoset",
    "attention_bias", "mlp_bias", "rope_theta", "rope_scaling", "rope_parameters",
    "rope_local_base_freq", "partial_rotary_factor", "original_max_position_embeddings",
    "layer_types", "full_attn_idxs", "sliding_window", "sliding_window_pattern",
    "_sliding_window_pattern", "no_rope_layers", "no_rope_layer_interval", "query_pre_attn_scalar",
    "block_ff_dim", "block_auto_adjust_ff_dim", "block_ffn_dim_multiplier", "block_multiple_of",
    "intermediate_size", "block_dim", "block_norm_eps", "block_mlp_init_scale",
    "block_out_init_scale", "block_use_xavier_init", "conv_use_xavier_init", "conv_dim",
    "conv_dim_out", "num_heads", "head_dim", "text_config", "vision_config", "boi_token_index",
    "eoi_token_index", "image_token_index", "mm_tokens_per_image", "quantization_config",
    "feedforward_dim", "dropout", "use_gradient_checkpointing", "use_lowrank_embeddings",
    "lowrank_ratio", "use_adaptive_stopping", "num_iterations_per_layer", "use_shared_controllers",
    "excitation_sparsity", "integrator_type", "controller_type", "equilibrium_type",
    "excitation_type", "integrator_iterations", "integrator_stop",
};

/* ---- Shared ---------------------------------------------------------------------------------- */

void ch_hf_key(char out[CH_HF_KEY_MOST], const ch_hf_config *c, const char *suffix)
{
    snprintf(out, CH_HF_KEY_MOST, "%s.%s", c->arch->gguf, suffix);
}

int ch_hf_put_int(const ch_hf_config *c, const char *suffix, int64_t value)
{
    char key[CH_HF_KEY_MOST];
    ch_hf_key(key, c, suffix);
    return ch_file_set_u32(c->f, key, (uint32_t)value, c->e);
}

int ch_hf_put_real(const ch_hf_config *c, const char *suffix, double value)
{
    char key[CH_HF_KEY_MOST];
    ch_hf_key(key, c, suffix);
    return ch_file_set_f32(c->f, key, (float)value, c->e);
}

int ch_hf_put_str(const ch_hf_config *c, const char *suffix, const char *value)
{
    char key[CH_HF_KEY_MOST];
    ch_hf_key(key, c, suffix);
    return ch_file_set_str(c->f, key, value, strlen(value), c->e);
}

int ch_hf_get_int(int64_t *out, const ch_hf_config *c, const char *suffix, int64_t or)
{
    char key[CH_HF_KEY_MOST];
    ch_hf_key(key, c, suffix);
    *out = or;
    return ch_file_int_opt(out, c->f, key, 0, INT32_MAX, c->e);
}

int ch_hf_get_real(double *out, const ch_hf_config *c, const char *suffix, double or)
{
    char key[CH_HF_KEY_MOST];
    ch_hf_key(key, c, suffix);
    *out = or;
    return ch_file_real_opt(out, c->f, key, -1e30, 1e30, c->e);
}

int ch_hf_set(const ch_hf_config *c, json_t *o, const char *key, json_t *v)
{
    return json_object_set_new(o, key, v) == 0
               ? CH_OK
               : ch_fail(c->e, CH_ENOMEM, "%s: out of memory for \"%s\"", c->path, key);
}

json_t *ch_hf_number(double x)
{
    char text[40];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if ((float)strtod(text, NULL) == (float)x)
            return json_real(strtod(text, NULL));
    }
    return json_real(x);
}

/* ---- What is computed here ------------------------------------------------------------------- */

static bool is_nothing(const json_t *v)
{
    return !v || json_is_null(v) || json_is_false(v) ||
           (json_is_object(v) && json_object_size(v) == 0) ||
           (json_is_array(v) && json_array_size(v) == 0);
}

/* Does v stand in "a|b|c"? */
static bool is_one_of(const json_t *v, const char *values, ch_buf *text)
{
    ch_buf_clear(text);
    if (ch_json_dump(text, v, NULL) < 0)
        return false;
    for (const char *s = values; s; s = strchr(s, '|') ? strchr(s, '|') + 1 : NULL) {
        const size_t n = strcspn(s, "|");
        json_t *is;
        if (n == text->size && memcmp(s, text->data, n) == 0)
            return true;
        if (json_is_number(v) && ch_json_parse(&is, s, n, "", NULL) == CH_OK) {
            const bool same = json_is_number(is) && json_number_value(is) == json_number_value(v);
            json_decref(is);
            if (same)
                return true;
        }
    }
    return false;
}

static int check_musts(const ch_hf_config *c)
{
    ch_buf text;
    int rc = CH_OK;
    ch_buf_init(&text, 1 << 20);
    for (size_t i = 0; i < CH_COUNT(musts) && rc == CH_OK; i++) {
        const json_t *v = json_object_get(c->v, musts[i].key);
        if (!(musts[i].models & c->arch->bit) || !v || json_is_null(v) ||
            is_one_of(v, musts[i].values, &text))
            continue;
        rc = ch_fail(c->e, CH_EUNSUPPORTED, "%s: \"%s\" is %.60s; supported is %s", c->path,
                     musts[i].key, text.data ? text.data : "?", musts[i].values);
    }
    ch_buf_close(&text);
    return rc;
}

static int check_quantization(const ch_hf_config *c)
{
    const json_t *v = json_object_get(c->v, "quantization_config");
    const char *method = json_string_value(json_object_get(v, "quant_method"));
    if (is_nothing(v))
        return CH_OK;
    if (!method)
        method = json_is_true(json_object_get(v, "load_in_4bit")) ||
                         json_is_true(json_object_get(v, "load_in_8bit"))
                     ? "bitsandbytes"
                     : "of an unknown kind";
    return ch_fail(c->e, CH_EUNSUPPORTED,
                   "%s: the weights are quantized (quantization_config: %.40s), which is not "
                   "read; take the model's f16 or bf16 files, or a GGUF file of it",
                   c->path, method);
}

static bool is_known(const ch_hf_config *c, const char *key)
{
    bool is = false;
    for (size_t i = 0; i < CH_COUNT(known); i++)
        is |= strcmp(known[i], key) == 0;
    for (size_t i = 0; i < CH_COUNT(keys); i++)
        is |= (keys[i].models & c->arch->bit) && strcmp(keys[i].key, key) == 0;
    for (size_t i = 0; i < CH_COUNT(musts); i++)
        is |= (musts[i].models & c->arch->bit) && strcmp(musts[i].key, key) == 0;
    return is;
}

static int note_unknown(const ch_hf_config *c)
{
    enum { MOST = 400 };
    const char *key;
    json_t *v;
    ch_buf b;
    ch_buf_init(&b, 1 << 16);
    json_object_foreach((json_t *)(uintptr_t)c->v, key, v)
    {
        if (is_known(c, key) || is_nothing(v))
            continue;
        ch_buf_printf(&b, "%s%.60s", b.size ? ", " : "config.json says things that are not known "
                                                      "here and are passed over: ",
                      key);
        if (b.size > MOST) {
            ch_buf_str(&b, " ...");
            break;
        }
    }
    char *notes = b.data ? ch_file_copy(c->f, b.data, b.size) : NULL;
    if (notes)
        ch_utf8_printable(notes, b.size);
    c->f->notes = notes;
    const int rc = ch_buf_check(&b, "notes on config.json", c->e);
    ch_buf_close(&b);
    return rc;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static bool is_suffix(size_t i, const char *suffix)
{
    return strcmp(keys[i].suffix, suffix) == 0;
}

static int read_key(const ch_hf_config *c, size_t i)
{
    const json_t *v = json_object_get(c->v, keys[i].key);
    const bool there = v && !json_is_null(v);
    int64_t n = 0;
    double x = 0;
    if (!there && keys[i].or == NEEDED)
        return ch_fail(c->e, CH_EFORMAT, "%s: \"%s\" is missing", c->path, keys[i].key);
    if (json_is_null(v) && strstr(keys[i].key, "_softcapping"))
        return ch_hf_put_real(c, keys[i].suffix, 0); /* null: none; absent: the usual ones */
    if (!there && (keys[i].or == OPTIONAL || (v && is_suffix(i, "attention.head_count_kv"))))
        return CH_OK; /* null: as many key heads as heads, which GGUF means too; absent: as usual */
    if (keys[i].kind == REAL) {
        const int rc = ch_json_real(&x, c->v, keys[i].key, keys[i].or, c->path, c->e);
        return rc < 0 ? rc : ch_hf_put_real(c, keys[i].suffix, x);
    }
    const int rc =
        ch_json_int(&n, c->v, keys[i].key, (int64_t)keys[i].or, 0, INT32_MAX, c->path, c->e);
    return rc < 0 || (n == 0 && keys[i].or == OPTIONAL) ? rc : ch_hf_put_int(c, keys[i].suffix, n);
}

/* n_inner of GPT-2 is 4 n_embd where it is not said; LFM2's is adjusted (Lfm2MLP). */
static int read_hidden(const ch_hf_config *c)
{
    int64_t n, width, multiple;
    double factor;
    const char *path = c->path;
    if (c->arch->bit == GPT2) {
        int rc = ch_json_int(&width, c->v, "n_embd", 0, 0, 1 << 28, path, c->e);
        if (rc == CH_OK)
            rc = ch_json_int(&n, c->v, "n_inner", 4 * width, 1, INT32_MAX, path, c->e);
        return rc < 0 ? rc : ch_hf_put_int(c, "feed_forward_length", n);
    }
    int rc = ch_json_int(&n, c->v, "intermediate_size", 12288, 1, 1 << 28, path, c->e);
    if (rc == CH_OK)
        rc = ch_json_int(&n, c->v, "block_ff_dim", n, 1, 1 << 28, path, c->e);
    if (rc == CH_OK)
        rc = ch_json_int(&multiple, c->v, "block_multiple_of", 256, 1, 1 << 20, path, c->e);
    if (rc == CH_OK)
        rc = ch_json_real(&factor, c->v, "block_ffn_dim_multiplier", 1, path, c->e);
    if (rc < 0)
        return rc;
    if (!(factor > 0 && factor <= 64))
        return ch_fail(c->e, CH_EFORMAT, "%s: \"block_ffn_dim_multiplier\" is %g", path, factor);
    const json_t *adjust = json_object_get(c->v, "block_auto_adjust_ff_dim");
    if (!adjust || json_is_true(adjust)) {
        n = (int64_t)(factor * (double)(2 * n / 3));
        n = CH_MIN((n + multiple - 1) / multiple * multiple, (int64_t)INT32_MAX);
    }
    return ch_hf_put_int(c, "feed_forward_length", n);
}

/* Values are as wide as keys in all of these models; GGUF says it where it says how wide. */
static int read_value_width(const ch_hf_config *c)
{
    int64_t width;
    const int rc = ch_hf_get_int(&width, c, "attention.key_length", 0);
    return rc < 0 || width == 0 ? rc : ch_hf_put_int(c, "attention.value_length", width);
}

static int find_arch(ch_hf_config *c)
{
    const char *type;
    int rc = ch_json_str(&type, c->v, "model_type", "", c->path, c->e);
    if (rc < 0)
        return rc;
    c->arch = ch_hf_arch_of_type(type);
    if (!c->arch)
        return ch_fail(c->e, CH_EUNSUPPORTED, "%s: model_type is \"%.40s\"; supported are %s",
                       c->path, type, ch_hf_arch_types());
    if (strcmp(type, "gemma3") == 0) {
        const json_t *text = json_object_get(c->v, "text_config");
        if (!json_is_object(text))
            return ch_fail(c->e, CH_EFORMAT, "%s: \"text_config\" is no object", c->path);
        c->v = text;
    }
    return ch_file_set_str(c->f, "general.architecture", c->arch->gguf, strlen(c->arch->gguf),
                           c->e);
}

int ch_hf_config_read(ch_hf_config *c)
{
    if (!json_is_object(c->v))
        return ch_fail(c->e, CH_EFORMAT, "%s: it is no JSON object", c->path);
    int rc = check_quantization(c);
    if (rc == CH_OK)
        rc = find_arch(c);
    if (rc == CH_OK)
        rc = check_quantization(c);
    if (rc == CH_OK)
        rc = check_musts(c);
    for (size_t i = 0; i < CH_COUNT(keys) && rc == CH_OK; i++)
        if (keys[i].models & c->arch->bit)
            rc = read_key(c, i);
    if (rc == CH_OK)
        rc = read_value_width(c);
    if (rc == CH_OK && (c->arch->bit & (GPT2 | LFM2)))
        rc = read_hidden(c);
    const char *act = json_string_value(json_object_get(c->v, "hidden_act"));
    if (rc == CH_OK && (c->arch->bit & RELU2) && act && strcmp(act, "relu2") == 0)
        rc = ch_hf_put_str(c, "feed_forward_type", act);
    if (rc == CH_OK)
        rc = ch_hf_layers_read(c);
    if (rc == CH_OK)
        rc = c->arch->bit & INL ? ch_hf_inl_read(c) : ch_hf_rope_read(c);
    return rc == CH_OK ? note_unknown(c) : rc;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* What GGUF's readers take where it does not say, which is not what transformers takes. */
static int unsaid(int64_t *out, const ch_hf_config *c, size_t i)
{
    int64_t width = 0, heads = 1;
    int rc = CH_OK;
    *out = (int64_t)keys[i].or;
    if (!is_suffix(i, "attention.head_count_kv") && !is_suffix(i, "attention.key_length"))
        return CH_OK;
    rc = ch_hf_get_int(&width, c, "embedding_length", 0);
    if (rc == CH_OK)
        rc = ch_hf_get_int(&heads, c, "attention.head_count", 1);
    *out = is_suffix(i, "attention.key_length") ? width / CH_MAX(heads, (int64_t)1) : heads;
    return rc;
}

static int write_key(const ch_hf_config *c, size_t i)
{
    char key[CH_HF_KEY_MOST];
    int64_t n = 0, or = 0;
    double x = 0;
    ch_hf_key(key, c, keys[i].suffix);
    if (!ch_file_meta_find(c->f, key)) {
        if (keys[i].or == OPTIONAL)
            return CH_OK;
        if (keys[i].or == NEEDED && !is_suffix(i, "vocab_size"))
            return ch_fail(c->e, CH_EFORMAT, "%s: metadata \"%s\" is missing", c->f->path, key);
        if (is_suffix(i, "vocab_size")) {
            const ch_file_tensor *t = ch_file_tensor_find(c->f, "token_embd.weight");
            return ch_hf_set(c, c->to, keys[i].key, json_integer(t ? t->t.dim[0] : 0));
        }
    }
    if (keys[i].kind == REAL) {
        const int rc = ch_hf_get_real(&x, c, keys[i].suffix, keys[i].or);
        return rc < 0 ? rc : ch_hf_set(c, c->to, keys[i].key, ch_hf_number(x));
    }
    int rc = unsaid(&or, c, i);
    if (rc == CH_OK)
        rc = ch_hf_get_int(&n, c, keys[i].suffix, or);
    const bool none = n == 0 && strcmp(keys[i].key, "sliding_window") == 0;
    return rc < 0 ? rc
                  : ch_hf_set(c, c->to, keys[i].key, none ? json_null() : json_integer(n));
}

static int write_hidden(const ch_hf_config *c)
{
    int64_t n;
    int rc = ch_hf_get_int(&n, c, "feed_forward_length", 0);
    if (rc == CH_OK && c->arch->bit == GPT2)
        return ch_hf_set(c, c->to, "n_inner", json_integer(n));
    if (rc == CH_OK)
        rc = ch_hf_set(c, c->to, "intermediate_size", json_integer(n));
    if (rc == CH_OK)
        rc = ch_hf_set(c, c->to, "block_ff_dim", json_integer(n));
    return rc == CH_OK ? ch_hf_set(c, c->to, "block_auto_adjust_ff_dim", json_false()) : rc;
}

/* What tensors say by being there. */
static int write_flags(const ch_hf_config *c)
{
    const unsigned biased = LLAMA | QWEN3 | CHALCIS | GEMMA | PHI3 | SMOLLM3 | OLMO2 | GRANITE;
    const bool tied = !ch_file_tensor_find(c->f, "output.weight");
    int rc = ch_hf_set(c, c->to, "tie_word_embeddings", json_boolean(tied));
    if (rc == CH_OK && c->arch->bit == LFM2)
        rc = ch_hf_set(c, c->to, "tie_embedding", json_boolean(tied));
    if (rc == CH_OK && (c->arch->bit & biased))
        rc = ch_hf_set(c, c->to, "attention_bias",
                       json_boolean(ch_file_tensor_find(c->f, "blk.0.attn_q.bias") != NULL));
    if (rc == CH_OK && (c->arch->bit & (LLAMA | CHALCIS | SMOLLM3 | GRANITE)))
        rc = ch_hf_set(c, c->to, "mlp_bias",
                       json_boolean(ch_file_tensor_find(c->f, "blk.0.ffn_up.bias") != NULL));
    return rc;
}

static int write_act(const ch_hf_config *c)
{
    char key[CH_HF_KEY_MOST];
    ch_hf_key(key, c, "feed_forward_type");
    const ch_meta *m = ch_file_meta_find(c->f, key);
    const bool relu2 = m && m->type == CH_META_STR && m->v.s.n == 5;
    return ch_hf_set(c, c->to, "hidden_act", json_string(relu2 ? "relu2" : "silu"));
}

/* A model that integrates is none that transformers computes: its name says so. */
static int write_ours(const ch_hf_config *c)
{
    const ch_hf_arch *ours = ch_hf_arch_ours(c->arch);
    int64_t depth, groups;
    int rc = ch_hf_get_int(&depth, c, "integrator.depth", 0);
    if (rc == CH_OK)
        rc = ch_hf_get_int(&groups, c, "feed_forward_groups", 0);
    if (rc < 0 || (depth == 0 && groups == 0))
        return rc;
    rc = ch_hf_set(c, c->to, "architectures", json_pack("[s]", ours->class_name));
    return rc == CH_OK ? ch_hf_set(c, c->to, "model_type", json_string(ours->type)) : rc;
}

int ch_hf_config_write(ch_hf_config *c)
{
    int rc = ch_hf_set(c, c->to, "architectures", json_pack("[s]", c->arch->class_name));
    if (rc == CH_OK)
        rc = ch_hf_set(c, c->to, "model_type", json_string(c->arch->type));
    for (size_t i = 0; i < CH_COUNT(keys) && rc == CH_OK; i++)
        if (keys[i].models & c->arch->bit)
            rc = write_key(c, i);
    for (size_t i = 0; i < CH_COUNT(musts) && rc == CH_OK; i++) {
        json_t *v;
        if (!(musts[i].models & c->arch->bit) || !musts[i].written)
            continue;
        rc = ch_json_parse(&v, musts[i].values, strcspn(musts[i].values, "|"), c->path, c->e);
        if (rc == CH_OK)
            rc = ch_hf_set(c, c->to, musts[i].key, v);
    }
    if (rc == CH_OK && (c->arch->bit & (GPT2 | LFM2)))
        rc = write_hidden(c);
    if (rc == CH_OK && (c->arch->bit & RELU2))
        rc = write_act(c);
    if (rc == CH_OK)
        rc = write_flags(c);
    if (rc == CH_OK)
        rc = ch_hf_layers_write(c);
    if (rc == CH_OK && (c->arch->bit & INTEGRATES))
        rc = write_ours(c);
    if (rc < 0)
        return rc;
    return c->arch->bit & INL ? ch_hf_inl_write(c) : ch_hf_rope_write(c);
}
