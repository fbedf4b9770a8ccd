/* lora.c - low-rank adapters: what they change, how PEFT keeps them, merging; trainable models made
 * from files
 *
 * SPDX-License-Identifier: MIT */
#include "conversion.h"
#include "generate.h"
#include "lora.h"
#include "support.h"
#include "tiny.h"

#include <stdlib.h>
#include <string.h>

enum { V = 320, TOKENS = 21, RANK = 3 };

static const ch_token text[TOKENS] = {1,  50, 7,  300, 12, 9, 9,   41, 250, 3, 77,
                                      31, 8,  90, 11,  2,  5, 100, 13, 219, 64};

static void logits_of(float out[V], ch_model *m, const ch_lora *l)
{
    ch_err e = {0};
    ch_session *s;
    const ch_session_options o = {.threads = 1, .k_type = "f32", .v_type = "f32", .lora = l};
    assert_ok(ch_session_open(&s, m, &o, &e), e);
    assert_ok(ch_session_feed(s, text, TOKENS, &e), e);
    const ch_sampling how = CH_SAMPLING;
    ch_token t;
    assert_ok(ch_session_next(&t, s, &how, &e), e);
    memcpy(out, ch_session_logits(s), V * sizeof *out);
    ch_session_close(&s);
}

/* An adapter as training would leave it: nothing in it is zero. */
static ch_lora *trained(ch_model *m, const char *targets)
{
    ch_err e = {0};
    ch_lora *l;
    const ch_lora_options o = {.rank = RANK, .alpha = 6, .targets = targets, .seed = 5};
    assert_ok(ch_lora_create(&l, m, &o, &e), e);
    for (int64_t i = 0; i < l->bucket; i++)
        if (l->parameters[i] == 0)
            l->parameters[i] = (real)(0.2 * ch_rng_normal(1, CH_RNG_TEST, 0, (uint64_t)i));
    return l;
}

struct folder {
    char *dir, *config, *values;
};

static void write_folder(struct folder *f, const ch_lora *l, ch_model *m)
{
    ch_err e = {0};
    f->dir = temp_dir();
    f->config = ch_io_join(f->dir, "adapter_config.json");
    f->values = ch_io_join(f->dir, "adapter_model.safetensors");
    assert_ok(ch_lora_write_config(f->config, l, m, "base", &e), e);
    assert_ok(ch_lora_write_values(f->values, l, m, &e), e);
}

static void remove_folder(struct folder *f)
{
    free(f->config);
    free(f->values);
    temp_dir_remove(f->dir);
}

static void assert_same_values(const ch_lora *a, const ch_lora *b)
{
    assert_int_equal(a->adapter.n, b->adapter.n);
    for (int i = 0; i < a->adapter.n; i++)
        assert_true(a->low[i].scale == b->low[i].scale);
    for (int i = 0; i < 2 * a->adapter.n; i++) {
        const ch_tensor *x = &a->maps[i].stored, *y = &b->maps[i].stored;
        assert_int_equal(x->data != NULL, y->data != NULL);
        if (x->data)
            assert_memory_equal(x->data, y->data, (size_t)ch_tensor_count(x) * sizeof(real));
    }
}

static const char *const archs[] = {"llama", "qwen3"};

static void test_round_trip(void **state)
{
    (void)state;
    static const char *const targets[] = {NULL, "q_proj,down_proj", "blk.1.*",
                                          "model.layers.0.self_attn.*,up_proj"};
    static const int maps[] = {21, 6, 7, 7};
    for (size_t i = 0; i < CH_COUNT(archs); i++)
        for (size_t t = 0; t < CH_COUNT(targets); t++) {
            ch_err e = {0};
            ch_model *m = tiny_open(archs[i], CH_Q8_0, 1);
            ch_lora *l = trained(m, targets[t]), *again;
            struct folder f;
            int found = 0;
            for (int k = 0; k < l->adapter.n; k++)
                found += l->low[k].a != NULL;
            assert_int_equal(found, maps[t]);
            write_folder(&f, l, m);
            assert_ok(ch_lora_open(&again, m, f.dir, 0, &e), e);
            assert_same_values(l, again);
            memset(l->parameters, 0, (size_t)l->bucket * sizeof(real));
            assert_ok(ch_lora_read_values(l, m, f.values, &e), e);
            assert_same_values(l, again);
            remove_folder(&f);
            ch_lora_close(&l);
            ch_lora_close(&again);
            ch_model_close(&m);
        }
}

/* Before training nothing changes; afterwards something does, by the strength asked for, and a
 * cache page of one is not taken for one of the other. */
static void test_changes(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(archs); i++) {
        ch_err e = {0};
        float plain[V], fresh[V], changed[V], half[V];
        ch_model *m = tiny_open(archs[i], CH_Q8_0, 1);
        ch_lora *l, *strong, *weak;
        assert_ok(ch_lora_create(&l, m, &(ch_lora_options){.rank = 2}, &e), e);
        logits_of(plain, m, NULL);
        logits_of(fresh, m, l);
        assert_memory_equal(plain, fresh, sizeof plain);
        ch_lora_close(&l);
        l = trained(m, NULL);
        struct folder f;
        write_folder(&f, l, m);
        assert_ok(ch_lora_open(&strong, m, f.dir, 1, &e), e);
        assert_ok(ch_lora_open(&weak, m, f.dir, 0.5, &e), e);
        assert_true(memcmp(&strong->hash, &weak->hash, sizeof strong->hash) != 0);
        logits_of(changed, m, strong);
        logits_of(half, m, weak);
        logits_of(fresh, m, l);
        assert_memory_equal(fresh, changed, sizeof plain);
        assert_memory_not_equal(plain, changed, sizeof plain);
        assert_memory_not_equal(half, changed, sizeof plain);
        ch_lora_close(&l);
        ch_lora_close(&strong);
        ch_lora_close(&weak);
        remove_folder(&f);
        ch_model_close(&m);
    }
}

static ch_model *unpacked(const char *path)
{
    ch_err e = {0};
    ch_model *m;
    assert_ok(ch_model_load_file(&m, path, &(ch_model_load){.keep_unpacked = true}, &e), e);
    return m;
}

static ch_model *save_and_open(ch_model *m, const char *path, ch_dtype dtype)
{
    ch_err e = {0};
    ch_file *f;
    ch_model *out;
    assert_ok(ch_file_new(&f, &e), e);
    assert_ok(ch_model_to_file(m, f, dtype, NULL, &e), e);
    assert_ok(ch_gguf_write(f, path, &e), e);
    ch_file_close(&f);
    assert_ok(ch_model_open(&out, path, 1, &e), e);
    return out;
}

/* A merged model computes what the model with the adapter does. */
static void test_merge(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(archs); i++) {
        ch_err e = {0};
        char *dir = temp_dir(), *base = ch_io_join(dir, "a"), *out = ch_io_join(dir, "b");
        float with[V], merged[V];
        tiny_write(base, archs[i], CH_F32, 1);
        ch_model *m = unpacked(base), *run;
        ch_lora *l = trained(m, NULL);
        assert_ok(ch_model_open(&run, base, 1, &e), e);
        logits_of(with, run, l);
        ch_model_close(&run);
        assert_ok(ch_lora_merge(m, l, false, &e), e);
        assert_fails(ch_lora_merge(m, l, false, &e), CH_EARG, e, "merged already");
        run = save_and_open(m, out, CH_F32);
        logits_of(merged, run, NULL);
        for (int v = 0; v < V; v++)
            assert_true(fabsf(with[v] - merged[v]) < 2e-4F * (1 + fabsf(with[v])));
        ch_model_close(&run);
        ch_model_close(&m);
        ch_lora_close(&l);
        free(base);
        free(out);
        temp_dir_remove(dir);
    }
}

/* ---- The same through Hugging Face's files --------------------------------------------------- */

static void write_config_json(const char *dir, const char *arch)
{
    ch_err e = {0};
    char text_of[600], *path = ch_io_join(dir, "config.json");
    const ch_config c = tiny_config(arch);
    const int n = snprintf(
        text_of, sizeof text_of,
        "{\"model_type\": \"%s\", \"hidden_size\": %d, \"intermediate_size\": %d, "
        "\"num_hidden_layers\": %d, \"num_attention_heads\": %d, \"num_key_value_heads\": %d, "
        "\"head_dim\": %d, \"vocab_size\": %d, \"max_position_embeddings\": %d, "
        "\"rms_norm_eps\": %g, \"rope_theta\": %g, \"tie_word_embeddings\": %s}",
        arch, c.width, c.hidden, c.layers, c.heads, c.kv_heads, c.head_width, c.vocab, c.context,
        c.norm_eps, c.rope.base, c.tied ? "true" : "false");
    assert_ok(ch_io_write_file(path, text_of, (size_t)n, &e), e);
    free(path);
}

/* W + s B A of every map, in Hugging Face's names and order of rows, as PEFT's merge does. */
static void merge_there(const char *to, const char *from, const char *adapter, float s)
{
    ch_err e = {0};
    ch_file *base, *low, *out;
    assert_ok(ch_file_open(&base, from, &e), e);
    assert_ok(ch_file_open(&low, adapter, &e), e);
    assert_ok(ch_file_new(&out, &e), e);
    for (size_t i = 0; i < base->n_tensors; i++) {
        const char *hf = base->tensors[i].name;
        char name[256];
        ch_tensor t = base->tensors[i].t;
        const int stem = (int)strlen(hf) - (int)strlen(".weight");
        snprintf(name, sizeof name, "base_model.model.%.*s.lora_A.weight", stem, hf);
        const ch_file_tensor *a = ch_file_tensor_find(low, name);
        snprintf(name, sizeof name, "base_model.model.%.*s.lora_B.weight", stem, hf);
        const ch_file_tensor *b = ch_file_tensor_find(low, name);
        if (a) {
            assert_non_null(b);
            float *w = ch_file_memory(out, base->tensors[i].bytes, &e);
            memcpy(w, t.data, base->tensors[i].bytes);
            for (int64_t n = 0; n < t.dim[0]; n++)
                for (int64_t k = 0; k < t.dim[1]; k++)
                    for (int64_t r = 0; r < RANK; r++)
                        w[n * t.dim[1] + k] += s * ((float *)b->t.data)[n * RANK + r] *
                                               ((float *)a->t.data)[r * t.dim[1] + k];
            t.data = w;
        }
        assert_ok(ch_file_add_tensor(out, hf, &t, &e), e);
    }
    assert_ok(ch_safetensors_write(out, to, &e), e);
    ch_file_close(&base);
    ch_file_close(&low);
    ch_file_close(&out);
}

static void assert_near(const ch_file *a, const ch_file *b, float tolerance)
{
    assert_int_equal(a->n_tensors, b->n_tensors);
    for (size_t i = 0; i < a->n_tensors; i++) {
        const ch_file_tensor *x = &a->tensors[i], *y = ch_file_tensor_find(b, x->name);
        assert_non_null(y);
        assert_int_equal(x->bytes, y->bytes);
        for (size_t k = 0; k < x->bytes / sizeof(float); k++)
            assert_true(fabsf(((float *)x->t.data)[k] - ((float *)y->t.data)[k]) <= tolerance);
    }
}

static void test_both_routes(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(archs); i++) {
        ch_err e = {0};
        char *dir = temp_dir(), *gguf = ch_io_join(dir, "a.gguf");
        char *there = ch_io_join(dir, "there"), *other = ch_io_join(dir, "other");
        tiny_write(gguf, archs[i], CH_F32, 1);
        assert_ok(ch_io_make_dir(there, &e), e);
        assert_ok(ch_io_make_dir(other, &e), e);
        char *weights = ch_io_join(there, "model.safetensors");
        char *merged = ch_io_join(other, "model.safetensors");
        ch_file *from, *folder;
        ch_model *m;
        const ch_config c = tiny_config(archs[i]);
        assert_ok(ch_file_open(&from, gguf, &e), e);
        assert_ok(ch_model_create(&m, &c, 1, from, &e), e);
        ch_conversion *into;
        const ch_conversion_options as_it_is = {.type = CH_DTYPES};
        assert_ok(ch_conversion_open(&into, from, there, &as_it_is, &e), e);
        assert_ok(ch_conversion_write(into, &e), e);
        ch_conversion_close(&into);
        assert_ok(ch_file_open(&folder, there, &e), e);
        assert_near(from, folder, 0);
        ch_model_free(&m);
        ch_file_close(&folder);
        ch_file_close(&from);

        m = unpacked(gguf);
        ch_lora *l = trained(m, NULL);
        struct folder f;
        write_folder(&f, l, m);
        write_config_json(other, archs[i]);
        merge_there(merged, weights, f.values, 6.0F / RANK);
        assert_ok(ch_lora_merge(m, l, true, &e), e);
        ch_model *saved = save_and_open(m, gguf, CH_F32);
        assert_ok(ch_file_open(&from, gguf, &e), e);
        assert_ok(ch_file_open(&folder, other, &e), e);
        assert_near(from, folder, 1e-5F);
        ch_file_close(&from);
        ch_file_close(&folder);
        ch_model_close(&saved);
        ch_model_close(&m);
        ch_lora_close(&l);
        remove_folder(&f);
        free(weights);
        free(merged);
        free(there);
        free(other);
        free(gguf);
        temp_dir_remove(dir);
    }
}

/* ---- What is refused ------------------------------------------------------------------------- */

static void test_options(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_model *m = tiny_open("llama", CH_F16, 1);
    ch_lora *l;
    assert_fails(ch_lora_create(&l, m, &(ch_lora_options){.rank = 4096}, &e), CH_EARG, e, "4096");
    assert_null(l);
    assert_fails(ch_lora_create(&l, m, &(ch_lora_options){.alpha = -1}, &e), CH_EARG, e, "-1");
    assert_fails(ch_lora_create(&l, m, &(ch_lora_options){.targets = "q_proj,nose"}, &e), CH_EARG,
                 e, "\"nose\"");
    assert_fails(ch_lora_create(&l, m, &(ch_lora_options){.targets = "token_embd.weight"}, &e),
                 CH_EARG, e, "token_embd");
    assert_fails(ch_lora_create(&l, m, &(ch_lora_options){.targets = "q_proj,,v_proj"}, &e),
                 CH_EARG, e, "patterns");
    assert_null(l);
    ch_model_close(&m);
}

static void rewrite_config(const struct folder *f, const char *json, ch_model *m, const char *says)
{
    ch_err e = {0};
    ch_lora *l;
    assert_ok(ch_io_write_file(f->config, json, strlen(json), &e), e);
    const int rc = ch_lora_open(&l, m, f->dir, 0, &e);
    assert_null(l);
    assert_true(rc < 0);
    if (!strstr(e.text, says))
        fail_msg("\"%s\" does not say \"%s\"", e.text, says);
}

static void test_hostile(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_model *m = tiny_open("llama", CH_F16, 1), *other;
    ch_lora *l = trained(m, "q_proj"), *wrong;
    struct folder f;
    write_folder(&f, l, m);
    rewrite_config(&f, "{", m, "adapter_config.json");
    rewrite_config(&f, "{\"peft_type\": \"IA3\"}", m, "IA3");
    rewrite_config(&f, "{\"peft_type\": \"LORA\", \"r\": 3, \"use_dora\": true}", m, "use_dora");
    rewrite_config(&f, "{\"peft_type\": \"LORA\", \"r\": 3, \"bias\": \"all\"}", m, "bias");
    rewrite_config(&f, "{\"peft_type\": \"LORA\", \"r\": 3, \"modules_to_save\": [\"a\"]}", m,
                   "modules_to_save");
    rewrite_config(&f, "{\"peft_type\": \"LORA\", \"r\": 3, \"fan_in_fan_out\": true}", m,
                   "fan_in_fan_out");
    rewrite_config(&f, "{\"peft_type\": \"LORA\", \"r\": 3, \"alpha_pattern\": {\"(\": 1}}", m,
                   "cannot be read");
    rewrite_config(&f, "{\"peft_type\": \"LORA\", \"r\": 3, \"alpha_pattern\": {\"a\": \"1\"}}",
                   m, "is no number");
    rewrite_config(&f, "{\"peft_type\": \"LORA\", \"r\": 0}", m, "\"r\"");
    rewrite_config(&f, "{\"peft_type\": \"LORA\", \"r\": 3, \"lora_alpha\": -4}", m, "lora_alpha");
    rewrite_config(&f, "{\"peft_type\": \"LORA\", \"r\": 4}", m, "q_proj.lora_A.weight");
    remove_folder(&f);

    /* one more map than the model has */
    const ch_config deep = {.arch = m->config.arch, .width = 64, .heads = 4, .kv_heads = 2,
                            .head_width = 16, .hidden = 96, .vocab = V, .layers = 4,
                            .context = 256, .norm_eps = 1e-5, .rope = m->config.rope};
    assert_ok(ch_model_create(&other, &deep, 1, NULL, &e), e);
    assert_fails(ch_lora_fits(l, other, &e), CH_EARG, e, "other shapes");
    ch_session *s;
    assert_fails(ch_session_open(&s, other, &(ch_session_options){.lora = l}, &e), CH_EARG, e,
                 "other shapes");
    ch_lora_close(&l);
    l = trained(other, NULL);
    write_folder(&f, l, other);
    assert_fails(ch_lora_open(&wrong, m, f.dir, 0, &e), CH_EFORMAT, e, "3 layers");
    assert_null(wrong);
    remove_folder(&f);
    ch_lora_close(&l);
    ch_model_free(&other);
    ch_model_close(&m);
}

/* A trainable model made from a file says what the file lacks, by name. */
static void test_from_file(void **state)
{
    (void)state;
    ch_err e = {0};
    char *dir = temp_dir(), *path = ch_io_join(dir, "a.gguf");
    tiny_write(path, "llama", CH_F16, 1);
    ch_file *f;
    ch_model *m;
    ch_config c = tiny_config("llama");
    assert_ok(ch_file_open(&f, path, &e), e);
    assert_ok(ch_model_create(&m, &c, 1, f, &e), e);
    ch_session *s;
    assert_ok(ch_session_open(&s, m, &(ch_session_options){.threads = 1}, &e), e);
    assert_ok(ch_session_feed(s, text, TOKENS, &e), e);
    assert_fails(ch_session_save(s, path, &e), CH_EUNSUPPORTED, e, "being trained");
    ch_session_close(&s);
    ch_model_free(&m);
    c.layers++;
    assert_fails(ch_model_create(&m, &c, 1, f, &e), CH_EFORMAT, e, "blk.3.attn_norm.weight");
    assert_null(m);
    c.layers -= 2;
    assert_fails(ch_model_create(&m, &c, 1, f, &e), CH_EFORMAT, e, "blk.2.");
    c = tiny_config("llama");
    c.hidden += 32;
    assert_fails(ch_model_create(&m, &c, 1, f, &e), CH_EFORMAT, e, "blk.0.ffn_gate.weight");
    assert_null(m);
    ch_file_close(&f);
    free(path);
    temp_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_changes),
        cmocka_unit_test(test_merge),      cmocka_unit_test(test_both_routes),
        cmocka_unit_test(test_options),    cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_from_file),
    };
    return cmocka_run_group_tests_name("model/lora", tests, NULL, NULL);
}
