/* Hugging Face folders of every architecture: opened, converted to GGUF and back to the bit.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conversion.h"
#include "folders.h"

static void convert(const char *from, const char *to, ch_dtype type, uint64_t shard)
{
    ch_err e = {0};
    ch_file *f;
    ch_conversion *c;
    const ch_conversion_options o = {.type = type, .shard_bytes = shard};
    assert_ok(ch_file_open(&f, from, &e), e);
    assert_ok(ch_conversion_open(&c, f, to, &o, &e), e);
    for (size_t i = 0; i < f->n_meta && !c->folder; i++)
        assert_ok(ch_file_set_meta(c->to, &f->meta[i], &e), e);
    assert_ok(ch_conversion_write(c, &e), e);
    assert_int_equal(c->done, c->bytes);
    ch_conversion_close(&c);
    ch_file_close(&f);
}

static void same_tensors(const ch_file *f, const ch_file *g)
{
    assert_int_equal(f->n_tensors, g->n_tensors);
    for (size_t i = 0; i < f->n_tensors; i++) {
        const ch_file_tensor *t = &f->tensors[i], *u = ch_file_tensor_find(g, t->name);
        if (!u || u->t.dtype != t->t.dtype || u->t.rank != t->t.rank || u->bytes != t->bytes ||
            memcmp(u->t.dim, t->t.dim, sizeof t->t.dim[0] * (size_t)t->t.rank) != 0 ||
            memcmp(u->t.data, t->t.data, t->bytes) != 0)
            fail_msg("tensor %s is not the same", t->name);
    }
}

static ch_file *open_file(const char *dir, const char *name)
{
    ch_err e = {0};
    ch_file *f;
    char *path = ch_io_join(dir, name);
    assert_ok(ch_file_open(&f, path, &e), e);
    free(path);
    return f;
}

/* Folder -> GGUF -> folder -> GGUF: both folders' and both GGUF files' tensors, keys. */
static void round_trip(const folder_kind *k, ch_dtype type, uint64_t shard)
{
    char *top = temp_dir();
    char *a = ch_io_join(top, "a"), *b = ch_io_join(top, "b");
    char *g = ch_io_join(top, "g.gguf"), *h = ch_io_join(top, "h.gguf");
    folder_write(a, k, type, shard, 7);
    convert(a, g, CH_DTYPES, 0);
    convert(g, b, CH_DTYPES, shard);
    convert(b, h, CH_DTYPES, 0);
    ch_file *before = folder_weights(k, type, 7), *after;
    ch_file *once = open_file(top, "g.gguf"), *twice = open_file(top, "h.gguf");
    if (shard == 0) {
        after = open_file(b, "model.safetensors");
        same_tensors(before, after);
        ch_file_close(&after);
    }
    same_tensors(once, twice);
    same_metadata(once, twice);
    same_metadata(twice, once);
    ch_file_close(&before);
    ch_file_close(&once);
    ch_file_close(&twice);
    free(a);
    free(b);
    free(g);
    free(h);
    temp_dir_remove(top);
}

static void round_trips_are_equal_to_the_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(folder_kinds); i++) {
        print_message("# %s\n", folder_kinds[i].name);
        round_trip(&folder_kinds[i], CH_BF16, 0);
        round_trip(&folder_kinds[i], CH_F32, 0);
        round_trip(&folder_kinds[i], CH_F16, 0);
        round_trip(&folder_kinds[i], CH_BF16, 5000);
    }
}

/* The JSON value of a key in a folder's config.json, as text. */
static void config_is(const char *dir, const char *key, const char *want)
{
    ch_err e = {0};
    json_t *v;
    ch_buf b;
    char *path = ch_io_join(dir, "config.json");
    ch_buf_init(&b, 1 << 16);
    assert_ok(ch_json_load(&v, path, 1 << 20, &e), e);
    if (!json_object_get(v, key))
        fail_msg("%s is not in config.json", key);
    assert_ok(ch_json_dump(&b, json_object_get(v, key), &e), e);
    assert_string_equal(b.data, want);
    json_decref(v);
    ch_buf_close(&b);
    free(path);
}

static void configurations_say_the_same(void **state)
{
    (void)state;
    static const char *const all[][3] = {
        {"llama3.2", "rope_scaling",
         "{\"rope_type\":\"llama3\",\"factor\":32.0,\"low_freq_factor\":1.0,"
         "\"high_freq_factor\":4.0,\"original_max_position_embeddings\":64}"},
        {"llama3.2", "rms_norm_eps", "1.0000000000000001e-5"},
        {"llama3.2", "tie_word_embeddings", "true"},
        {"llama3.2", "head_dim", "8"},
        {"llama with biases", "attention_bias", "true"},
        {"llama with biases", "rope_scaling", "{\"rope_type\":\"linear\",\"factor\":2.0}"},
        {"mistral", "model_type", "\"mistral\""},
        {"mistral", "sliding_window", "64"},
        {"llama that integrates", "model_type", "\"chalcis_llama\""},
        {"llama that integrates", "architectures", "[\"ChalcisLlamaForCausalLM\"]"},
        {"llama that integrates", "sliding_window", "16"},
        {"qwen3 that shares", "model_type", "\"chalcis_qwen3\""},
        {"qwen3 that shares", "architectures", "[\"ChalcisQwen3ForCausalLM\"]"},
        {"qwen3", "model_type", "\"qwen3\""},
        {"llama3.2", "model_type", "\"llama\""},
        {"qwen2 with yarn", "rope_scaling",
         "{\"rope_type\":\"yarn\",\"factor\":4.0,\"original_max_position_embeddings\":32}"},
        {"gpt2", "n_inner", "128"},
        {"gpt2", "n_positions", "128"},
        {"gemma2", "query_pre_attn_scalar", "9"},
        {"gemma2", "layer_types", "[\"sliding_attention\",\"full_attention\"]"},
        {"gemma2", "attn_logit_softcapping", "50.0"},
        {"gemma3", "sliding_window_pattern", "6"},
        {"gemma3", "rope_local_base_freq", "10000.0"},
        {"phi3", "partial_rotary_factor", "0.75"},
        {"phi3", "original_max_position_embeddings", "64"},
        {"smollm3", "no_rope_layers", "[1,1,1,0]"},
        {"granite", "residual_multiplier", "0.22"},
        {"granite", "logits_scaling", "8.0"},
        {"lfm2", "layer_types", "[\"conv\",\"conv\",\"conv\"]"},
        {"lfm2", "intermediate_size", "48"},
        {"lfm2", "torch_dtype", "\"bfloat16\""},
    };
    for (size_t i = 0; i < CH_COUNT(all); i++) {
        char *top = temp_dir(), *a = ch_io_join(top, "a"), *b = ch_io_join(top, "b");
        char *g = ch_io_join(top, "g.gguf");
        folder_write(a, kind_of(all[i][0]), CH_BF16, 0, 7);
        convert(a, g, CH_DTYPES, 0);
        convert(g, b, CH_DTYPES, 0);
        config_is(b, all[i][1], all[i][2]);
        free(a);
        free(b);
        free(g);
        temp_dir_remove(top);
    }
}

/* Where rows of heads, norms, transposed maps and taps go, element by element. */
static void tensors_change_as_the_converter_does(void **state)
{
    (void)state;
    static const char *const kinds[] = {"llama3.2", "gemma2", "gpt2", "lfm2"};
    static const char *const names[][2] = {
        {"model.layers.1.self_attn.k_proj.weight", "blk.1.attn_k.weight"},
        {"model.layers.1.input_layernorm.weight", "blk.1.attn_norm.weight"},
        {"transformer.h.1.mlp.c_fc.weight", "blk.1.ffn_up.weight"},
        {"model.layers.1.conv.conv.weight", "blk.1.shortconv.conv.weight"}};
    for (size_t i = 0; i < CH_COUNT(kinds); i++) {
        ch_err e = {0};
        ch_file *here;
        char *dir = temp_dir();
        folder_write(dir, kind_of(kinds[i]), CH_F32, 0, 3);
        ch_file *there = folder_weights(kind_of(kinds[i]), CH_F32, 3);
        assert_ok(ch_file_open(&here, dir, &e), e);
        const ch_tensor *t = &ch_file_tensor_find(there, names[i][0])->t;
        const ch_tensor *u = &ch_file_tensor_find(here, names[i][1])->t;
        const float *x = t->data, *y = u->data;
        if (i == 0) /* row 2i + p of a head of 8 is row 4p + i there */
            for (int r = 0; r < 16; r++)
                assert_memory_equal(y + r * 32, x + (r / 8 * 8 + r % 2 * 4 + r % 8 / 2) * 32, 128);
        for (int k = 0; i == 1 && k < 32; k++)
            assert_true(y[k] == 1 + x[k]);
        for (int r = 0; i == 2 && r < 128; r++)
            for (int k = 0; k < 32; k++)
                assert_true(y[r * 32 + k] == x[k * 128 + r]);
        if (i == 3) {
            assert_int_equal(u->rank, 2);
            assert_memory_equal(x, y, 32 * 3 * sizeof *x);
        }
        ch_file_close(&here);
        ch_file_close(&there);
        temp_dir_remove(dir);
    }
}

/* 1 + w and back: every bfloat16 from 2^-16 on without a remainder, all floats with one. */
static void one_more_and_one_less_is_exact(void **state)
{
    (void)state;
    static const char config[] =
        "{\"model_type\":\"gemma2\",\"hidden_size\":%d,\"intermediate_size\":8,"
        "\"num_hidden_layers\":1,\"num_attention_heads\":1,\"num_key_value_heads\":1,"
        "\"vocab_size\":2,\"head_dim\":8,\"query_pre_attn_scalar\":8}";
    enum { N = 30000 };
    static float w[N];
    ch_err e = {0};
    for (int round = 0; round < 2; round++) {
        char text[400], *top = temp_dir(), *a = ch_io_join(top, "a");
        char *g = ch_io_join(top, "g.gguf"), *b = ch_io_join(top, "b");
        ch_file *f, *back;
        fill(w, N, FILL_HOSTILE, 5);
        for (int i = 0; i < N; i++) {
            const uint32_t high = (uint32_t)(0x3780 + i / 2 % 2400) << 16; /* from 2^-16 up */
            if (round == 0)
                memcpy(&w[i], &high, sizeof high);
            if (round == 0 && i % 2)
                w[i] = -w[i];
        }
        assert_ok(ch_file_new(&f, &e), e);
        const ch_tensor t = ch_tensor_1d(w, CH_F32, N);
        assert_ok(ch_file_add_tensor(f, "model.norm.weight", &t, &e), e);
        assert_ok(ch_io_make_dir(a, &e), e);
        assert_ok(ch_safetensors_write_folder(f, a, 0, NULL, &e), e);
        ch_file_close(&f);
        snprintf(text, sizeof text, config, N);
        folder_put(a, "config.json", text);
        assert_ok(ch_file_open(&f, a, &e), e);
        assert_int_equal(
            ch_file_meta_find(f, "chalcis.remainder.output_norm.weight") != NULL, round);
        ch_file_close(&f);
        convert(a, g, CH_DTYPES, 0);
        convert(g, b, CH_DTYPES, 0);
        back = open_file(b, "model.safetensors");
        const float *x = ch_file_tensor_find(back, "model.norm.weight")->t.data;
        for (int i = 0; i < N; i++)
            if (memcmp(&x[i], &w[i], sizeof *x) != 0 && !(x[i] == 0 && w[i] == 0))
                fail_msg("number %d, %a, came back as %a", i, (double)w[i], (double)x[i]);
        ch_file_close(&back);
        free(a);
        free(b);
        free(g);
        temp_dir_remove(top);
    }
}

/* What f16 cannot hold is refused by the tensor's name. */
static void too_large_for_the_type(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_file *f;
    ch_conversion *c;
    char *dir = temp_dir(), *to = ch_io_join(dir, "x.gguf");
    folder_write(dir, kind_of("qwen3"), CH_BF16, 0, 1);
    ch_file *w = folder_weights(kind_of("qwen3"), CH_BF16, 1);
    const ch_file_tensor *t = ch_file_tensor_find(w, "model.layers.1.mlp.up_proj.weight");
    const uint16_t large = ch_f32_to_bf16(70000);
    memcpy((char *)(uintptr_t)t->t.data + 200, &large, sizeof large);
    assert_ok(ch_safetensors_write_folder(w, dir, 0, NULL, &e), e);
    assert_ok(ch_file_open(&f, dir, &e), e);
    const ch_conversion_options o = {.type = CH_F16};
    assert_ok(ch_conversion_open(&c, f, to, &o, &e), e);
    assert_fails(ch_conversion_write(c, &e), CH_ELIMIT, e, "blk.1.ffn_up.weight");
    assert_non_null(strstr(e.text, "too large for f16"));
    assert_false(ch_io_exists(to));
    ch_conversion_close(&c);
    ch_file_close(&f);
    ch_file_close(&w);
    free(to);
    temp_dir_remove(dir);
}

/* As many key heads as heads: null there, nothing in GGUF, and a number again, for absent is
 * something else. */
static void key_heads_of_null_are_the_heads(void **state)
{
    (void)state;
    static const char *const kinds[] = {"mistral", "qwen2 with yarn", "smollm3"};
    for (size_t i = 0; i < CH_COUNT(kinds); i++) {
        char *top = temp_dir(), *a = ch_io_join(top, "a"), *b = ch_io_join(top, "b");
        char *g = ch_io_join(top, "g.gguf"), key[64];
        const folder_kind *k = kind_of(kinds[i]);
        folder_write(a, k, CH_BF16, 0, 7);
        with_key(a, k->config, "num_key_value_heads", "null");
        convert(a, g, CH_DTYPES, 0);
        ch_file *f = open_file(top, "g.gguf");
        snprintf(key, sizeof key, "%s.attention.head_count_kv", k->arch);
        assert_null(ch_file_meta_find(f, key));
        ch_file_close(&f);
        convert(g, b, CH_DTYPES, 0);
        config_is(b, "num_key_value_heads", "4");
        free(a);
        free(b);
        free(g);
        temp_dir_remove(top);
    }
}

/* One more tensor in the file of a folder. */
static int open_with(const char *dir, const folder_kind *k, const char *name, const int64_t dim[3],
                     ch_file **f, ch_err *e)
{
    ch_file *w = folder_weights(k, CH_BF16, 1);
    folder_add(w, name, dim, CH_BF16, 1);
    assert_ok(ch_safetensors_write_folder(w, dir, 0, NULL, e), *e);
    ch_file_close(&w);
    return ch_file_open(f, dir, e);
}

static void strange_tensors_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *name;
        int64_t dim[3];
        const char *says; /* NULL: it is passed over */
    } all[] = {
        {"llama3.2", "blk.0.attn_q.weight", {32, 32}, "\"blk.0.attn_q.weight\" is no part"},
        {"llama3.2", "model.layers.0.self_attn.q_norm.weight", {8}, "q_norm"},
        {"llama3.2", "layers.0.mlp.up_proj.weight", {48, 32}, "appears twice"},
        {"llama3.2", "model.layers.0.self_attn.rotary_emb.inv_freq", {4}, NULL},
        {"llama3.2", "lm_head.weight", {40, 32}, NULL}, /* it is tied */
        {"gpt2", "h.0.attn.bias", {128, 128}, NULL},
        {"gemma3", "vision_tower.x.weight", {8}, "vision_tower"},
    };
    for (size_t i = 0; i < CH_COUNT(all); i++) {
        ch_err e = {0};
        ch_file *f;
        char *dir = temp_dir();
        const folder_kind *k = kind_of(all[i].kind);
        folder_write(dir, k, CH_BF16, 0, 1);
        const int rc = open_with(dir, k, all[i].name, all[i].dim, &f, &e);
        if (!all[i].says)
            assert_ok(rc, e);
        else if (rc == CH_OK || !strstr(e.text, all[i].says))
            fail_msg("%s: %d %s", all[i].name, rc, e.text);
        ch_file_close(&f);
        temp_dir_remove(dir);
    }
}

/* The text of a Gemma 3 that sees: text_config, another prefix, and what sees is left out. */
static void the_text_of_a_model_that_sees_is_read(void **state)
{
    (void)state;
    ch_err e = {0};
    char *top = temp_dir(), *plain = ch_io_join(top, "plain"), *sees = ch_io_join(top, "sees");
    const folder_kind *k = kind_of("gemma3");
    folder_write(plain, k, CH_BF16, 0, 1);
    assert_ok(ch_io_make_dir(sees, &e), e);
    ch_file *w = folder_weights(k, CH_BF16, 1), *f, *g;
    ch_file *out;
    assert_ok(ch_file_new(&out, &e), e);
    for (size_t i = 0; i < w->n_tensors; i++) {
        char name[200];
        snprintf(name, sizeof name, "language_model.%s", w->tensors[i].name);
        assert_ok(ch_file_add_tensor(out, name, &w->tensors[i].t, &e), e);
    }
    folder_add(out, "vision_tower.vision_model.x.weight", (const int64_t[3]){8, 8}, CH_BF16, 1);
    assert_ok(ch_safetensors_write_folder(out, sees, 0, NULL, &e), e);
    ch_buf b;
    ch_buf_init(&b, 1 << 16);
    ch_buf_printf(&b, "{\"architectures\":[\"Gemma3ForConditionalGeneration\"],"
                      "\"model_type\":\"gemma3\",\"text_config\":%s,\"vision_config\":{}}",
                  k->config);
    folder_put(sees, "config.json", b.data);
    assert_ok(ch_file_open(&f, plain, &e), e);
    assert_ok(ch_file_open(&g, sees, &e), e);
    same_tensors(f, g);
    same_metadata(f, g);
    ch_buf_close(&b);
    ch_file_close(&f);
    ch_file_close(&g);
    ch_file_close(&out);
    ch_file_close(&w);
    free(plain);
    free(sees);
    temp_dir_remove(top);
}

static void parts_that_do_not_fit_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *index;
        int code;
        const char *says;
    } bad[] = {
        {"{}", CH_EFORMAT, "\"weight_map\" is no object"},
        {"{\"weight_map\":[]}", CH_EFORMAT, "\"weight_map\" is no object"},
        {"{\"weight_map\":{\"a\":7}}", CH_EFORMAT, "the file of \"a\" is no string"},
        {"{\"weight_map\":{\"a\":\"../../etc/passwd\"}}", CH_EFORMAT, "etc/passwd"},
        {"{\"weight_map\":{\"a\":\"none.safetensors\"}}", CH_EIO, "none.safetensors: a part of"},
        {"{\"weight_map\":{\"a\":\"config.json\"}}", CH_EFORMAT, "config.json"},
        {"{\"weight_map\":{\"a\":\"model-00001-of-00002.safetensors\"}}", CH_EFORMAT,
         "it names 1 tensors"},
        {"not json", CH_EFORMAT, "model.safetensors.index.json:1:"},
    };
    for (size_t i = 0; i < CH_COUNT(bad); i++) {
        ch_err e = {0};
        ch_file *f;
        char *dir = temp_dir();
        folder_write(dir, kind_of("qwen3"), CH_BF16, 20000, 1);
        folder_put(dir, "model.safetensors.index.json", bad[i].index);
        assert_fails(ch_file_open(&f, dir, &e), bad[i].code, e, bad[i].says);
        assert_null(f);
        temp_dir_remove(dir);
    }
    ch_err e = {0};
    ch_file *f;
    char *dir = temp_dir(), *link = ch_io_join(dir, "link"), *there = ch_io_join(dir, "real");
    folder_write(there, kind_of("qwen3"), CH_BF16, 20000, 1);
    assert_int_equal(symlink("real", link), 0);
    assert_ok(ch_file_open(&f, link, &e), e);
    ch_file_close(&f);
    free(link);
    free(there);
    temp_dir_remove(dir);
}

/* Each of 200 tensors in a file of its own; two of them changed round are named. */
static void many_parts_are_put_together(void **state)
{
    (void)state;
    enum { LAYERS = 18, DIGIT = sizeof "model-0010" - 1 };
    ch_err e = {0};
    ch_file *f;
    folder_kind k = *kind_of("qwen3");
    char *dir = temp_dir(), *path = ch_io_join(dir, "config.json");
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    k.layers = LAYERS;
    folder_write(dir, &k, CH_BF16, 1, 1);
    with_key(dir, k.config, "num_hidden_layers", "18");
    assert_ok(ch_io_read_file(&b, path, &e), e);
    with_key(dir, b.data, "layer_types", NULL);
    assert_ok(ch_file_open(&f, dir, &e), e);
    ch_file *all = folder_weights(&k, CH_BF16, 1);
    assert_int_equal(f->n_tensors, all->n_tensors);
    assert_true(f->n_tensors > 190);
    ch_file_close(&all);
    ch_file_close(&f);
    free(path);
    path = ch_io_join(dir, "model.safetensors.index.json");
    ch_buf_clear(&b);
    assert_ok(ch_io_read_file(&b, path, &e), e);
    char *one = strstr(b.data, "model-00100-of-"), *other = strstr(b.data, "model-00101-of-");
    assert_true(one && other);
    one[DIGIT] = '1';
    other[DIGIT] = '0';
    folder_put(dir, "model.safetensors.index.json", b.data);
    assert_fails(ch_file_open(&f, dir, &e), CH_EFORMAT, e, "is not in model-0010");
    ch_buf_close(&b);
    free(path);
    temp_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips_are_equal_to_the_bit),
        cmocka_unit_test(configurations_say_the_same),
        cmocka_unit_test(tensors_change_as_the_converter_does),
        cmocka_unit_test(one_more_and_one_less_is_exact),
        cmocka_unit_test(too_large_for_the_type),
        cmocka_unit_test(key_heads_of_null_are_the_heads),
        cmocka_unit_test(strange_tensors_are_told_apart),
        cmocka_unit_test(the_text_of_a_model_that_sees_is_read),
        cmocka_unit_test(parts_that_do_not_fit_are_named),
        cmocka_unit_test(many_parts_are_put_together),
    };
    return cmocka_run_group_tests_name("file/huggingface", tests, NULL, NULL);
}
