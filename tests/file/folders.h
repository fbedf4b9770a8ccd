/* folders.h - small Hugging Face folders of every architecture: config.json as transformers writes
 * it for the published models, but for the sizes, and random weights
 *
 * Width 32, 4 heads and 2 key heads of 8, hidden 48, 40 tokens, context 128.
 * SPDX-License-Identifier: MIT */
#ifndef CH_FOLDERS_H
#define CH_FOLDERS_H

#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "support.h"

typedef struct folder_tensor {
    const char *name; /* % d: of each layer */
    int64_t dim[3];   /* 0: no more */
} folder_tensor;

typedef struct folder_kind {
    const char *name, *arch; /* arch: GGUF's */
    int layers;
    const char *config;
    folder_tensor tensors[26];
} folder_kind;

#define COMMON                                                                                     \
    "\"hidden_size\":32,\"intermediate_size\":48,\"num_attention_heads\":4,"                       \
    "\"num_key_value_heads\":2,\"vocab_size\":40,\"max_position_embeddings\":128,"                 \
    "\"attention_dropout\":0.0,\"initializer_range\":0.02,\"use_cache\":true,"                     \
    "\"bos_token_id\":1,\"eos_token_id\":2,\"torch_dtype\":\"bfloat16\","                          \
    "\"transformers_version\":\"4.51.3\","
#define SILU "\"hidden_act\":\"silu\",\"rms_norm_eps\":1e-05,"
#define ENDS {"model.embed_tokens.weight", {40, 32}}, {"model.norm.weight", {32}}
#define HEAD {"lm_head.weight", {40, 32}}
#define LAYER(n) "model.layers.%d." n ".weight"
#define QKV                                                                                        \
    {LAYER("self_attn.q_proj"), {32, 32}}, {LAYER("self_attn.k_proj"), {16, 32}},                  \
        {LAYER("self_attn.v_proj"), {16, 32}}
#define ATTENTION QKV, {LAYER("self_attn.o_proj"), {32, 32}}
#define NORMS {LAYER("input_layernorm"), {32}}, {LAYER("post_attention_layernorm"), {32}}
#define FFN                                                                                        \
    {LAYER("mlp.gate_proj"), {48, 32}}, {LAYER("mlp.up_proj"), {48, 32}},                          \
        {LAYER("mlp.down_proj"), {32, 48}}
#define HEAD_NORMS {LAYER("self_attn.q_norm"), {8}}, {LAYER("self_attn.k_norm"), {8}}
#define INTEGRATOR                                                                                 \
    {LAYER("mlp.integrator_norm"), {32}}, {LAYER("mlp.integrator_gain"), {3, 32}},                 \
        {LAYER("mlp.integrator_inertia"), {3, 32}}, {LAYER("mlp.integrator_pull"), {3, 32}}
#define QKV_BIAS                                                                                   \
    {"model.layers.%d.self_attn.q_proj.bias", {32}},                                               \
        {"model.layers.%d.self_attn.k_proj.bias", {16}},                                           \
        {"model.layers.%d.self_attn.v_proj.bias", {16}}

#define INL                                                                                        \
    "\"vocab_size\":40,\"d_model\":32,\"num_layers\":2,\"num_heads\":4,\"max_seq_len\":128,"   \
    "\"num_iterations_per_layer\":5,\"hierarchical_group_size\":12,\"dropout\":0.1,"               \
    "\"use_adaptive_stopping\":true,\"adaptive_convergence_threshold\":0.002,"                     \
    "\"use_shared_controllers\":true,\"excitation_sparsity\":0.1,\"torch_dtype\":\"bfloat16\","
#define INL_NORM(n) {n ".weight", {32}}, {n ".bias", {32}}
#define INL_LAYER                                                                                  \
    HEAD, {"layers.%d.inl.inl.mu_global", {1}}, {"layers.%d.inl.inl.mu_local_offsets", {3}},       \
        {"layers.%d.inl.inl.controller.0.weight", {64, 96}},                                       \
        {"layers.%d.inl.inl.controller.0.bias", {64}},                                             \
        {"layers.%d.inl.inl.controller.2.weight", {96, 64}},                                       \
        {"layers.%d.inl.inl.controller.2.bias", {96}}

static const folder_kind folder_kinds[] = {
    {"llama3.2", "llama", 2,
     "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\"," COMMON SILU
     "\"num_hidden_layers\":2,\"attention_bias\":false,\"mlp_bias\":false,\"head_dim\":8,"
     "\"pretraining_tp\":1,\"rope_scaling\":{\"factor\":32.0,\"high_freq_factor\":4.0,"
     "\"low_freq_factor\":1.0,\"original_max_position_embeddings\":64,\"rope_type\":\"llama3\"},"
     "\"rope_theta\":500000.0,\"tie_word_embeddings\":true}",
     {ENDS, ATTENTION, NORMS, FFN}},
    {"llama with biases", "llama", 2,
     "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\"," COMMON SILU
     "\"num_hidden_layers\":2,\"attention_bias\":true,\"rope_theta\":10000.0,"
     "\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.0},\"tie_word_embeddings\":false}",
     {ENDS, HEAD, ATTENTION, QKV_BIAS, NORMS, FFN}},
    {"mistral", "llama", 2,
     "{\"architectures\":[\"MistralForCausalLM\"],\"model_type\":\"mistral\"," COMMON SILU
     "\"num_hidden_layers\":2,\"rope_theta\":10000.0,\"sliding_window\":64,"
     "\"tie_word_embeddings\":false}",
     {ENDS, HEAD, ATTENTION, NORMS, FFN}},
    {"qwen2 with yarn", "qwen2", 2,
     "{\"architectures\":[\"Qwen2ForCausalLM\"],\"model_type\":\"qwen2\"," COMMON SILU
     "\"num_hidden_layers\":2,\"max_window_layers\":2,\"rope_theta\":1000000.0,"
     "\"rope_scaling\":{\"factor\":4.0,\"original_max_position_embeddings\":32,\"type\":\"yarn\"},"
     "\"sliding_window\":32768,\"tie_word_embeddings\":true,\"use_sliding_window\":false}",
     {ENDS, ATTENTION, QKV_BIAS, NORMS, FFN}},
    {"qwen3", "qwen3", 2,
     "{\"architectures\":[\"Qwen3ForCausalLM\"],\"model_type\":\"qwen3\"," COMMON SILU
     "\"num_hidden_layers\":2,\"attention_bias\":false,\"head_dim\":8,\"max_window_layers\":2,"
     "\"rope_parameters\":{\"rope_theta\":1000000,\"rope_type\":\"default\"},"
     "\"layer_types\":[\"full_attention\",\"full_attention\"],\"sliding_window\":null,"
     "\"tie_word_embeddings\":true,\"use_sliding_window\":false}",
     {ENDS, ATTENTION, HEAD_NORMS, NORMS, FFN}},
    {"llama that integrates", "llama", 2,
     "{\"architectures\":[\"ChalcisLlamaForCausalLM\"],"
     "\"model_type\":\"chalcis_llama\"," COMMON SILU
     "\"num_hidden_layers\":2,\"rope_theta\":10000.0,\"tie_word_embeddings\":true,"
     "\"sliding_window\":16,\"integrator_depth\":3,\"integrator_anchor\":2}",
     {ENDS, ATTENTION, {LAYER("input_layernorm"), {32}}, FFN, INTEGRATOR}},
    {"qwen3 that shares", "qwen3", 2,
     "{\"architectures\":[\"ChalcisQwen3ForCausalLM\"],"
     "\"model_type\":\"chalcis_qwen3\"," COMMON SILU
     "\"num_hidden_layers\":2,\"head_dim\":8,\"rope_theta\":10000.0,"
     "\"tie_word_embeddings\":true,\"feed_forward_groups\":2}",
     {ENDS, ATTENTION, HEAD_NORMS, NORMS, FFN}},
    {"gpt2", "gpt2", 2,
     "{\"activation_function\":\"gelu_new\",\"architectures\":[\"GPT2LMHeadModel\"],"
     "\"attn_pdrop\":0.1,\"bos_token_id\":39,\"embd_pdrop\":0.1,\"eos_token_id\":39,"
     "\"initializer_range\":0.02,\"layer_norm_epsilon\":1e-05,\"model_type\":\"gpt2\",\"n_ctx\":128,"
     "\"n_embd\":32,\"n_head\":4,\"n_layer\":2,\"n_positions\":128,\"resid_pdrop\":0.1,"
     "\"summary_activation\":null,\"summary_first_dropout\":0.1,\"summary_proj_to_labels\":true,"
     "\"summary_type\":\"cls_index\",\"summary_use_proj\":true,\"task_specific_params\":"
     "{\"text-generation\":{\"do_sample\":true,\"max_length\":50}},\"vocab_size\":40}",
     {{"transformer.wte.weight", {40, 32}},
      {"transformer.wpe.weight", {128, 32}},
      {"transformer.ln_f.weight", {32}},
      {"transformer.ln_f.bias", {32}},
      {"transformer.h.%d.ln_1.weight", {32}},
      {"transformer.h.%d.ln_1.bias", {32}},
      {"transformer.h.%d.ln_2.weight", {32}},
      {"transformer.h.%d.ln_2.bias", {32}},
      {"transformer.h.%d.attn.c_attn.weight", {32, 96}},
      {"transformer.h.%d.attn.c_attn.bias", {96}},
      {"transformer.h.%d.attn.c_proj.weight", {32, 32}},
      {"transformer.h.%d.attn.c_proj.bias", {32}},
      {"transformer.h.%d.mlp.c_fc.weight", {32, 128}},
      {"transformer.h.%d.mlp.c_fc.bias", {128}},
      {"transformer.h.%d.mlp.c_proj.weight", {128, 32}},
      {"transformer.h.%d.mlp.c_proj.bias", {32}}}},
    {"gemma2", "gemma2", 2,
     "{\"architectures\":[\"Gemma2ForCausalLM\"],\"model_type\":\"gemma2\"," COMMON
     "\"attention_bias\":false,\"attn_logit_softcapping\":50.0,\"cache_implementation\":\"hybrid\","
     "\"final_logit_softcapping\":30.0,\"head_dim\":8,\"hidden_act\":\"gelu_pytorch_tanh\","
     "\"hidden_activation\":\"gelu_pytorch_tanh\",\"num_hidden_layers\":2,\"pad_token_id\":0,"
     "\"query_pre_attn_scalar\":9,\"rms_norm_eps\":1e-06,\"rope_theta\":10000.0,"
     "\"sliding_window\":16}",
     {ENDS, ATTENTION, NORMS, FFN, {LAYER("pre_feedforward_layernorm"), {32}},
      {LAYER("post_feedforward_layernorm"), {32}}}},
    {"gemma3", "gemma3", 7,
     "{\"architectures\":[\"Gemma3ForCausalLM\"],\"model_type\":\"gemma3_text\"," COMMON
     "\"attention_bias\":false,\"attn_logit_softcapping\":null,\"final_logit_softcapping\":null,"
     "\"head_dim\":8,\"hidden_activation\":\"gelu_pytorch_tanh\",\"num_hidden_layers\":7,"
     "\"pad_token_id\":0,\"query_pre_attn_scalar\":8,\"rms_norm_eps\":1e-06,"
     "\"rope_local_base_freq\":10000,\"rope_scaling\":null,\"rope_theta\":1000000,"
     "\"sliding_window\":16,\"sliding_window_pattern\":6}",
     {ENDS, ATTENTION, HEAD_NORMS, NORMS, FFN, {LAYER("pre_feedforward_layernorm"), {32}},
      {LAYER("post_feedforward_layernorm"), {32}}}},
    {"phi3", "phi3", 2,
     "{\"architectures\":[\"Phi3ForCausalLM\"],\"model_type\":\"phi3\"," COMMON SILU
     "\"attention_bias\":false,\"embd_pdrop\":0.0,\"num_hidden_layers\":2,"
     "\"original_max_position_embeddings\":64,\"resid_pdrop\":0.0,\"rope_scaling\":"
     "{\"long_factor\":[1.5,2.25,3.125],\"short_factor\":[1.0,1.1,1.25],\"type\":\"longrope\"},"
     "\"partial_rotary_factor\":0.75,\"rope_theta\":10000.0,\"sliding_window\":100,"
     "\"tie_word_embeddings\":false}",
     {ENDS, HEAD, NORMS, {LAYER("self_attn.qkv_proj"), {64, 32}},
      {LAYER("self_attn.o_proj"), {32, 32}}, {LAYER("mlp.gate_up_proj"), {96, 32}},
      {LAYER("mlp.down_proj"), {32, 48}}}},
    {"smollm3", "smollm3", 4,
     "{\"architectures\":[\"SmolLM3ForCausalLM\"],\"model_type\":\"smollm3\"," COMMON SILU
     "\"attention_bias\":false,\"layer_types\":[\"full_attention\",\"full_attention\","
     "\"full_attention\",\"full_attention\"],\"max_window_layers\":28,\"mlp_bias\":false,"
     "\"no_rope_layer_interval\":4,\"no_rope_layers\":[1,1,1,0],\"num_hidden_layers\":4,"
     "\"pretraining_tp\":2,\"rope_scaling\":null,\"rope_theta\":5000000.0,\"sliding_window\":null,"
     "\"use_sliding_window\":false}",
     {ENDS, ATTENTION, NORMS, FFN}},
    {"olmo2", "olmo2", 2,
     "{\"architectures\":[\"Olmo2ForCausalLM\"],\"model_type\":\"olmo2\"," COMMON SILU
     "\"attention_bias\":false,\"num_hidden_layers\":2,\"rope_scaling\":null,"
     "\"rope_theta\":500000,\"tie_word_embeddings\":false}",
     {ENDS, HEAD, ATTENTION, {LAYER("self_attn.q_norm"), {32}}, {LAYER("self_attn.k_norm"), {16}},
      {LAYER("post_attention_layernorm"), {32}}, {LAYER("post_feedforward_layernorm"), {32}}, FFN}},
    {"granite", "granite", 2,
     "{\"architectures\":[\"GraniteForCausalLM\"],\"model_type\":\"granite\"," COMMON SILU
     "\"attention_bias\":false,\"attention_multiplier\":0.015625,\"embedding_multiplier\":12.0,"
     "\"logits_scaling\":8.0,\"mlp_bias\":false,\"num_hidden_layers\":2,"
     "\"residual_multiplier\":0.22,\"rope_scaling\":null,\"rope_theta\":5000000.0,"
     "\"tie_word_embeddings\":true}",
     {ENDS, ATTENTION, NORMS, FFN}},
    {"lfm2", "lfm2", 3,
     "{\"architectures\":[\"Lfm2ForCausalLM\"],\"model_type\":\"lfm2\","
     "\"block_auto_adjust_ff_dim\":true,\"block_dim\":32,\"block_ff_dim\":72,"
     "\"block_ffn_dim_multiplier\":1.0,\"block_mlp_init_scale\":1.0,\"block_multiple_of\":16,"
     "\"block_norm_eps\":1e-05,\"block_out_init_scale\":1.0,\"block_use_swiglu\":true,"
     "\"block_use_xavier_init\":true,\"bos_token_id\":1,\"conv_L_cache\":3,\"conv_bias\":false,"
     "\"conv_dim\":32,\"conv_dim_out\":32,\"conv_use_xavier_init\":true,\"eos_token_id\":7,"
     "\"full_attn_idxs\":[],\"hidden_size\":32,\"layer_types\":[\"conv\",\"conv\",\"conv\"],"
     "\"initializer_range\":0.02,\"max_position_embeddings\":128,\"norm_eps\":1e-05,"
     "\"num_attention_heads\":4,\"num_heads\":4,\"num_hidden_layers\":3,"
     "\"num_key_value_heads\":2,\"pad_token_id\":0,\"rope_theta\":1000000.0,"
     "\"tie_embedding\":true,\"torch_dtype\":\"bfloat16\",\"use_cache\":true,\"use_pos_enc\":true,"
     "\"vocab_size\":40}",
     {{"model.embed_tokens.weight", {40, 32}},
      {"model.embedding_norm.weight", {32}},
      {LAYER("operator_norm"), {32}},
      {LAYER("ffn_norm"), {32}},
      {LAYER("feed_forward.w1"), {48, 32}},
      {LAYER("feed_forward.w3"), {48, 32}},
      {LAYER("feed_forward.w2"), {32, 48}},
      {LAYER("conv.conv"), {32, 1, 3}},
      {LAYER("conv.in_proj"), {96, 32}},
      {LAYER("conv.out_proj"), {32, 32}}}},
    {"lfm2 with attention", "lfm2", 1,
     "{\"architectures\":[\"Lfm2ForCausalLM\"],\"model_type\":\"lfm2\",\"hidden_size\":32,"
     "\"intermediate_size\":48,\"block_auto_adjust_ff_dim\":false,\"conv_L_cache\":3,"
     "\"layer_types\":[\"full_attention\"],\"max_position_embeddings\":128,\"norm_eps\":1e-05,"
     "\"num_attention_heads\":4,\"num_hidden_layers\":1,\"num_key_value_heads\":2,"
     "\"rope_parameters\":{\"rope_theta\":1000000.0,\"rope_type\":\"default\"},"
     "\"tie_word_embeddings\":true,\"vocab_size\":40}",
     {{"model.embed_tokens.weight", {40, 32}},
      {"model.embedding_norm.weight", {32}},
      {LAYER("operator_norm"), {32}},
      {LAYER("ffn_norm"), {32}},
      {LAYER("feed_forward.w1"), {48, 32}},
      {LAYER("feed_forward.w3"), {48, 32}},
      {LAYER("feed_forward.w2"), {32, 48}},
      QKV, {LAYER("self_attn.out_proj"), {32, 32}},
      {LAYER("self_attn.q_layernorm"), {8}}, {LAYER("self_attn.k_layernorm"), {8}}}},
    {"inl v2", "inl_v2", 2,
     "{\"architectures\":[\"INLLLMForCausalLM\"],\"model_type\":\"inl-llm\"," INL
     "\"feedforward_dim\":48,\"use_lowrank_embeddings\":true,\"lowrank_ratio\":0.125}",
     {{"token_embedding.embed_low.weight", {40, 64}},
      {"token_embedding.project_up.weight", {32, 64}},
      INL_LAYER, INL_NORM("final_norm"), INL_NORM("layers.%d.norm_attn"),
      INL_NORM("layers.%d.norm1"), INL_NORM("layers.%d.norm2"),
      {"layers.%d.attention.qkv_proj.weight", {96, 32}},
      {"layers.%d.attention.qkv_proj.bias", {96}},
      {"layers.%d.attention.out_proj.weight", {32, 32}},
      {"layers.%d.attention.out_proj.bias", {32}},
      {"layers.%d.ff.0.weight", {48, 32}}, {"layers.%d.ff.0.bias", {48}},
      {"layers.%d.ff.3.weight", {32, 48}}, {"layers.%d.ff.3.bias", {32}}}},
    {"inl v3", "inl_v3", 2,
     "{\"architectures\":[\"INLLLMV3ForCausalLM\"],\"model_type\":\"inl-llm-v3\"," INL
     "\"feedforward_dim\":72,\"use_lowrank_embeddings\":false,\"num_kv_heads\":2,"
     "\"rope_base\":5000.0}",
     {{"token_embedding.weight", {40, 32}}, INL_LAYER,
      {"final_norm.weight", {32}}, {"layers.%d.norm_attn.weight", {32}},
      {"layers.%d.norm1.weight", {32}}, {"layers.%d.norm2.weight", {32}},
      {"layers.%d.attention.q_proj.weight", {32, 32}},
      {"layers.%d.attention.k_proj.weight", {16, 32}},
      {"layers.%d.attention.v_proj.weight", {16, 32}},
      {"layers.%d.attention.out_proj.weight", {32, 32}},
      {"layers.%d.ff.w1.weight", {48, 32}}, {"layers.%d.ff.w2.weight", {32, 48}},
      {"layers.%d.ff.w3.weight", {48, 32}}}},
};

static inline void folder_add(ch_file *f, const char *name, const int64_t dim[3], ch_dtype type,
                              uint64_t seed)
{
    ch_err e = {0};
    ch_tensor t;
    size_t bytes;
    const int rank = dim[1] == 0 ? 1 : dim[2] == 0 ? 2 : 3;
    assert_ok(ch_tensor_shape(&t, &bytes, type, rank, dim, name, &e), e);
    const int64_t n = ch_tensor_count(&t);
    float *x = malloc((size_t)n * sizeof *x);
    t.data = ch_file_memory(f, bytes, &e);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(0.3 * ch_rng_normal(seed, CH_RNG_TEST, (uint32_t)f->n_tensors, (uint64_t)i));
    ch_dtype_get(type)->encode(t.data, x, n);
    free(x);
    assert_ok(ch_file_add_tensor(f, name, &t, &e), e);
}

/* The weights of a kind, under the names of its checkpoints. */
static inline ch_file *folder_weights(const folder_kind *k, ch_dtype type, uint64_t seed)
{
    ch_err e = {0};
    ch_file *f;
    assert_ok(ch_file_new(&f, &e), e);
    assert_ok(ch_file_set_str(f, "format", "pt", 2, &e), e);
    for (size_t i = 0; i < CH_COUNT(k->tensors) && k->tensors[i].name; i++) {
        const char *cut = strstr(k->tensors[i].name, "%d");
        for (int l = 0; l < (cut ? k->layers : 1); l++) {
            char name[160];
            if (cut)
                snprintf(name, sizeof name, "%.*s%d%s", (int)(cut - k->tensors[i].name),
                         k->tensors[i].name, l, cut + 2);
            else
                snprintf(name, sizeof name, "%s", k->tensors[i].name);
            folder_add(f, name, k->tensors[i].dim, type, seed);
        }
    }
    return f;
}

static inline void folder_put(const char *dir, const char *name, const char *text)
{
    ch_err e = {0};
    char *path = ch_io_join(dir, name);
    assert_ok(ch_io_write_file(path, text, strlen(text), &e), e);
    free(path);
}

static inline void folder_write(const char *dir, const folder_kind *k, ch_dtype type,
                                uint64_t shard, uint64_t seed)
{
    ch_err e = {0};
    assert_ok(ch_io_make_dir(dir, &e), e);
    ch_file *f = folder_weights(k, type, seed);
    assert_ok(ch_safetensors_write_folder(f, dir, shard, NULL, &e), e);
    ch_file_close(&f);
    folder_put(dir, "config.json", k->config);
}

static inline const folder_kind *kind_of(const char *name)
{
    for (size_t i = 0; i < CH_COUNT(folder_kinds); i++)
        if (strcmp(folder_kinds[i].name, name) == 0)
            return &folder_kinds[i];
    fail_msg("no kind %s", name);
    return NULL;
}

/* config.json with one value changed; NULL: without it. */
static inline void with_key(const char *dir, const char *config, const char *key,
                            const char *value)
{
    ch_err e = {0};
    json_t *v, *is;
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    assert_ok(ch_json_parse(&v, config, strlen(config), "config", &e), e);
    if (value) {
        assert_ok(ch_json_parse(&is, value, strlen(value), "value", &e), e);
        json_object_set_new(v, key, is);
    } else {
        json_object_del(v, key);
    }
    assert_ok(ch_json_dump(&b, v, &e), e);
    folder_put(dir, "config.json", b.data);
    json_decref(v);
    ch_buf_close(&b);
}

/* Numbers and strings of all keys. */
static inline void same_metadata(const ch_file *f, const ch_file *g)
{
    for (size_t i = 0; i < f->n_meta; i++) {
        char key[256];
        snprintf(key, sizeof key, "%.*s", (int)f->meta[i].key.n, f->meta[i].key.p);
        const ch_meta *m = &f->meta[i], *n = ch_file_meta_find(g, key);
        bool same = n && n->type == m->type;
        if (same && m->type == CH_META_STR)
            same = m->v.s.n == n->v.s.n && memcmp(m->v.s.p, n->v.s.p, m->v.s.n) == 0;
        else if (same && m->type == CH_META_ARRAY)
            same = m->v.a.n == n->v.a.n;
        else if (same)
            same = m->v.u == n->v.u;
        if (!same)
            fail_msg("key %s is not the same", key);
    }
}

#undef COMMON
#undef SILU
#undef ENDS
#undef HEAD
#undef LAYER
#undef QKV
#undef ATTENTION
#undef NORMS
#undef FFN
#undef HEAD_NORMS
#undef INTEGRATOR
#undef QKV_BIAS
#undef INL
#undef INL_NORM
#undef INL_LAYER
#endif
