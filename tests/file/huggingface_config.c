/* What config.json says and does not say: refused by name where it is not computed, the class's own
 * where it is absent.  SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "folders.h"

#define LONGROPE                                                                                   \
    "{\"type\":\"longrope\",\"long_factor\":[1,2,3],\"short_factor\":[1,1,1]"

/* A change of one key of a configuration, and what is said. */
static const struct {
    const char *kind, *key, *value;
    int code;
    const char *says;
} refused[] = {
    {"llama3.2", "model_type", "\"mamba\"", CH_EUNSUPPORTED, "model_type is \"mamba\""},
    {"llama3.2", "hidden_act", "\"gelu\"", CH_EUNSUPPORTED, "\"hidden_act\" is \"gelu\""},
    {"llama3.2", "hidden_size", "null", CH_EFORMAT, "\"hidden_size\" is missing"},
    {"llama3.2", "hidden_size", "-1", CH_EFORMAT, "\"hidden_size\" is -1"},
    {"llama3.2", "num_hidden_layers", "100000", CH_EFORMAT, "100000 layers"},
    {"llama3.2", "num_attention_heads", "0", CH_EFORMAT, "0 heads"},
    {"llama3.2", "num_attention_heads", "5", CH_EFORMAT, "5 heads"},
    {"llama3.2", "rope_scaling", "{\"rope_type\":\"dynamic\",\"factor\":2}", CH_EUNSUPPORTED,
     "rope_type is \"dynamic\""},
    {"llama3.2", "rope_scaling", "7", CH_EFORMAT, "\"rope_scaling\" is no object"},
    {"llama3.2", "rope_scaling", "{\"rope_type\":\"yarn\",\"factor\":2,\"mscale\":1}",
     CH_EUNSUPPORTED, "\"mscale\""},
    {"llama3.2", "rope_scaling", "{\"rope_type\":\"llama3\",\"factor\":2,\"low_freq_factor\":9}",
     CH_EFORMAT, "\"high_freq_factor\" 4"},
    {"llama3.2", "rope_scaling", "{\"rope_type\":\"llama3\",\"factor\":2,\"beta_fast\":9}",
     CH_EUNSUPPORTED, "\"beta_fast\" of rotary positions is not supported beside rope_type"},
    {"llama3.2", "rope_scaling", "{\"type\":\"linear\",\"factor\":2,\"magic\":1}", CH_EUNSUPPORTED,
     "\"magic\" of rotary positions"},
    {"llama3.2", "rope_scaling", "{\"type\":\"default\",\"factor\":2}", CH_EUNSUPPORTED,
     "\"factor\" of rotary positions is not supported beside rope_type \"default\""},
    {"llama3.2", "rope_parameters", "[]", CH_EFORMAT, "\"rope_parameters\" is no object"},
    {"llama3.2", "rope_parameters", "{\"rope_type\":\"default\"}", CH_EUNSUPPORTED,
     "\"rope_scaling\" and \"rope_parameters\" do not say the same"},
    {"llama with biases", "rope_parameters", "{\"rope_type\":\"linear\",\"factor\":3}",
     CH_EUNSUPPORTED, "do not say the same"},
    {"llama with biases", "rope_parameters",
     "{\"rope_type\":\"linear\",\"factor\":2,\"rope_theta\":7}", CH_EUNSUPPORTED,
     "do not say the same"},
    {"qwen3", "rope_parameters",
     "{\"full_attention\":{\"rope_theta\":9},\"sliding_attention\":{\"rope_theta\":7}}",
     CH_EUNSUPPORTED, "\"sliding_attention\" of \"rope_parameters\""},
    {"gemma3", "rope_parameters",
     "{\"full_attention\":{\"rope_theta\":9},\"sliding_attention\":{\"factor\":7}}",
     CH_EUNSUPPORTED, "\"factor\" of rotary positions"},
    {"llama3.2", "partial_rotary_factor", "0.5", CH_EUNSUPPORTED, "\"partial_rotary_factor\""},
    {"llama3.2", "tie_word_embeddings", "false", CH_EFORMAT, "lm_head.weight is missing"},
    {"llama3.2", "num_local_experts", "8", CH_EUNSUPPORTED, "\"num_local_experts\" is 8"},
    {"llama3.2", "quantization_config", "{\"quant_method\":\"gptq\",\"bits\":4}", CH_EUNSUPPORTED,
     "quantization_config: gptq"},
    {"llama3.2", "quantization_config", "{\"quant_method\":\"awq\"}", CH_EUNSUPPORTED, "awq"},
    {"llama3.2", "quantization_config", "{\"load_in_4bit\":true}", CH_EUNSUPPORTED, "bitsandbytes"},
    {"llama3.2", "quantization_config", "{\"quant_method\":\"fp8\"}", CH_EUNSUPPORTED, "fp8"},
    {"qwen2 with yarn", "use_sliding_window", "true", CH_EUNSUPPORTED, "use_sliding_window"},
    {"qwen3", "layer_types", "[\"full_attention\",\"linear_attention\"]", CH_EUNSUPPORTED,
     "linear_attention"},
    {"qwen3", "layer_types", "[\"full_attention\"]", CH_EFORMAT, "no list of 2"},
    {"gemma3", "layer_types",
     "[\"full_attention\",\"sliding_attention\",\"sliding_attention\",\"full_attention\","
     "\"full_attention\",\"full_attention\",\"full_attention\"]",
     CH_EUNSUPPORTED, "no period"},
    {"gemma2", "hidden_activation", "\"silu\"", CH_EUNSUPPORTED, "hidden_activation"},
    {"gemma2", "query_pre_attn_scalar", "0", CH_EFORMAT, "query_pre_attn_scalar"},
    {"smollm3", "no_rope_layers", "[1,0,1,0]", CH_EUNSUPPORTED, "no_rope_layers"},
    {"phi3", "rope_scaling", "{\"type\":\"longrope\",\"long_factor\":[1],\"short_factor\":[1]}",
     CH_EFORMAT, "\"long_factor\" is no list of 3"},
    {"phi3", "rope_scaling", LONGROPE ",\"factor\":4}", CH_EUNSUPPORTED,
     "\"factor\" of LongRoPE is 4 and the contexts' ratio 2"},
    {"phi3", "rope_scaling", LONGROPE ",\"original_max_position_embeddings\":32}", CH_EUNSUPPORTED,
     "\"original_max_position_embeddings\" is 64, and 32"},
    {"olmo2", "clip_qkv", "8.0", CH_EUNSUPPORTED, "clip_qkv"},
    {"gpt2", "scale_attn_by_inverse_layer_idx", "true", CH_EUNSUPPORTED, "inverse_layer"},
    {"lfm2", "conv_bias", "true", CH_EUNSUPPORTED, "conv_bias"},
    {"lfm2", "layer_types", "[\"conv\",\"conv\",\"mamba\"]", CH_EUNSUPPORTED, "\"mamba\""},
};

static void what_is_not_computed_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(refused); i++) {
        ch_err e = {0};
        ch_file *f;
        char *dir = temp_dir();
        const folder_kind *k = kind_of(refused[i].kind);
        folder_write(dir, k, CH_BF16, 0, 1);
        with_key(dir, k->config, refused[i].key, refused[i].value);
        assert_fails(ch_file_open(&f, dir, &e), refused[i].code, e, refused[i].says);
        assert_null(f);
        temp_dir_remove(dir);
    }
}

/* Both forms of the same, types under either name, nulls, and what stands outside too. */
static void said_twice_is_said_once(void **state)
{
    (void)state;
    static const char *const both[][2] = {
        {"llama with biases", "{\"rope_type\":\"linear\",\"factor\":2,\"rope_theta\":10000,"
                              "\"beta_fast\":null}"},
        {"qwen2 with yarn", "{\"rope_type\":\"yarn\",\"factor\":4,\"rope_theta\":1e6,"
                            "\"original_max_position_embeddings\":32}"},
        {"gemma3", "{\"full_attention\":{\"rope_type\":\"default\",\"rope_theta\":1000000},"
                   "\"sliding_attention\":{\"rope_type\":\"default\",\"rope_theta\":10000}}"},
    };
    for (size_t i = 0; i < CH_COUNT(both); i++) {
        ch_err e = {0};
        ch_file *once, *twice;
        char *dir = temp_dir();
        const folder_kind *k = kind_of(both[i][0]);
        folder_write(dir, k, CH_BF16, 0, 1);
        assert_ok(ch_file_open(&once, dir, &e), e);
        with_key(dir, k->config, "rope_parameters", both[i][1]);
        assert_ok(ch_file_open(&twice, dir, &e), e);
        same_metadata(once, twice);
        same_metadata(twice, once);
        ch_file_close(&once);
        ch_file_close(&twice);
        temp_dir_remove(dir);
    }
}

static void unknown_keys_are_noted(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_file *f;
    char *dir = temp_dir();
    const folder_kind *k = kind_of("qwen3");
    folder_write(dir, k, CH_BF16, 0, 1);
    assert_ok(ch_file_open(&f, dir, &e), e);
    assert_null(f->notes);
    ch_file_close(&f);
    with_key(dir, k->config, "magic_factor", "2");
    assert_ok(ch_file_open(&f, dir, &e), e);
    assert_non_null(strstr(f->notes, "magic_factor"));
    ch_file_close(&f);
    with_key(dir, k->config, "magic_factor", "null");
    assert_ok(ch_file_open(&f, dir, &e), e);
    assert_null(f->notes);
    ch_file_close(&f);
    temp_dir_remove(dir);
}

/* Null switches a cap off; absent, it has its usual value.  Llama's class knows no window. */
static void null_is_not_absent(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_file *f;
    double cap = -1;
    char *dir = temp_dir();
    const folder_kind *k = kind_of("gemma2");
    folder_write(dir, k, CH_BF16, 0, 1);
    with_key(dir, k->config, "attn_logit_softcapping", "null");
    assert_ok(ch_file_open(&f, dir, &e), e);
    assert_ok(ch_file_real(&cap, f, "gemma2.attn_logit_softcapping", 0, 100, &e), e);
    assert_true(cap == 0);
    ch_file_close(&f);
    temp_dir_remove(dir);
    dir = temp_dir();
    k = kind_of("llama3.2");
    folder_write(dir, k, CH_BF16, 0, 1);
    with_key(dir, k->config, "sliding_window", "4");
    assert_ok(ch_file_open(&f, dir, &e), e);
    assert_null(ch_file_meta_find(f, "llama.attention.sliding_window"));
    ch_file_close(&f);
    temp_dir_remove(dir);
}

/* sqrt(1 + ln 2 / ln 64) where a factor says what the contexts say, or nothing; 3 where that is
 * said; and Phi-3's class was made for 4096. */
static void longrope_multiplies_by_what_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *more, *beside;
        double want;
    } all[] = {
        {"", "64", 1.0801234497346433},
        {",\"factor\":2", "64", 1.0801234497346433},
        {",\"factor\":7,\"attention_factor\":3", "64", 3},
        {"", NULL, 1},
    };
    for (size_t i = 0; i < CH_COUNT(all); i++) {
        ch_err e = {0};
        ch_file *f;
        ch_buf b, config;
        double is;
        char *dir = temp_dir(), *path = ch_io_join(dir, "config.json");
        const folder_kind *k = kind_of("phi3");
        ch_buf_init(&b, 1 << 12);
        ch_buf_init(&config, 1 << 20);
        ch_buf_printf(&b, LONGROPE "%s}", all[i].more);
        folder_write(dir, k, CH_BF16, 0, 1);
        with_key(dir, k->config, "rope_scaling", b.data);
        assert_ok(ch_io_read_file(&config, path, &e), e);
        with_key(dir, config.data, "original_max_position_embeddings", all[i].beside);
        assert_ok(ch_file_open(&f, dir, &e), e);
        assert_ok(ch_file_real(&is, f, "phi3.rope.scaling.attn_factor", 0, 9, &e), e);
        assert_true(is == (double)(float)all[i].want);
        ch_file_close(&f);
        ch_buf_close(&b);
        ch_buf_close(&config);
        free(path);
        temp_dir_remove(dir);
    }
}

/* What is not said is what transformers' class of that model has. */
static void what_is_absent_is_the_class_s_own(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *key, *gguf;
        double want;
    } all[] = {
        {"llama3.2", "max_position_embeddings", "llama.context_length", 2048},
        {"mistral", "max_position_embeddings", "llama.context_length", 131072},
        {"mistral", "num_key_value_heads", "llama.attention.head_count_kv", 8},
        {"mistral", "sliding_window", "llama.attention.sliding_window", 4096},
        {"qwen2 with yarn", "max_position_embeddings", "qwen2.context_length", 32768},
        {"qwen2 with yarn", "num_key_value_heads", "qwen2.attention.head_count_kv", 32},
        {"qwen2 with yarn", "rms_norm_eps", "qwen2.attention.layer_norm_rms_epsilon", 1e-6},
        {"qwen3", "max_position_embeddings", "qwen3.context_length", 32768},
        {"qwen3", "head_dim", "qwen3.attention.key_length", 128},
        {"gpt2", "n_positions", "gpt2.context_length", 1024},
        {"gemma2", "max_position_embeddings", "gemma2.context_length", 8192},
        {"gemma2", "num_key_value_heads", "gemma2.attention.head_count_kv", 4},
        {"gemma3", "max_position_embeddings", "gemma3.context_length", 131072},
        {"phi3", "max_position_embeddings", "phi3.context_length", 4096},
        {"phi3", "rms_norm_eps", "phi3.attention.layer_norm_rms_epsilon", 1e-5},
        {"smollm3", "max_position_embeddings", "smollm3.context_length", 32768},
        {"smollm3", "num_key_value_heads", "smollm3.attention.head_count_kv", 4},
        {"olmo2", "rms_norm_eps", "olmo2.attention.layer_norm_rms_epsilon", 1e-5},
        {"olmo2", "max_position_embeddings", "olmo2.context_length", 2048},
        {"granite", "rms_norm_eps", "granite.attention.layer_norm_rms_epsilon", 1e-6},
        {"lfm2", "max_position_embeddings", "lfm2.context_length", 128000},
    };
    for (size_t i = 0; i < CH_COUNT(all); i++) {
        ch_err e = {0};
        ch_file *f;
        double is;
        char *dir = temp_dir();
        const folder_kind *k = kind_of(all[i].kind);
        folder_write(dir, k, CH_BF16, 0, 1);
        with_key(dir, k->config, all[i].key, NULL);
        assert_ok(ch_file_open(&f, dir, &e), e);
        assert_ok(ch_file_real(&is, f, all[i].gguf, 0, 1e9, &e), e);
        if (is != (double)(float)all[i].want)
            fail_msg("%s of %s without %s is %g, not %g", all[i].gguf, k->name, all[i].key, is,
                     all[i].want);
        ch_file_close(&f);
        temp_dir_remove(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_computed_is_refused_by_name),
        cmocka_unit_test(said_twice_is_said_once),
        cmocka_unit_test(unknown_keys_are_noted),
        cmocka_unit_test(null_is_not_absent),
        cmocka_unit_test(longrope_multiplies_by_what_is_said),
        cmocka_unit_test(what_is_absent_is_the_class_s_own),
    };
    return cmocka_run_group_tests_name("file/huggingface_config", tests, NULL, NULL);
}
