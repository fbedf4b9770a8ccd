/* Adapters out of files: several at once, GGUF, patterns of ranks and alphas, over packed weights
 * of every architecture.  SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "generate.h"
#include "lora.h"
#include "support.h"
#include "tiny.h"

enum { RANK = 4, TOKENS = 9, MOST = 320 };

static char *top;

static char *at(const char *name)
{
    static char path[4][512];
    static int n;
    snprintf(path[n = (n + 1) % 4], sizeof path[0], "%s/%s", top, name);
    return path[n];
}

static int begin(void **state)
{
    (void)state;
    top = temp_dir();
    return 0;
}

static int end(void **state)
{
    (void)state;
    temp_dir_remove(top);
    return 0;
}

static void logits_of(float *out, ch_model *m, const ch_lora *l)
{
    static const ch_token text[TOKENS] = {1, 50, 7, 30, 12, 9, 9, 41, 25};
    ch_err e = {0};
    ch_session *s;
    ch_token t;
    const ch_session_options o = {.threads = 1, .k_type = "f32", .v_type = "f32", .lora = l};
    const ch_sampling how = CH_SAMPLING;
    assert_ok(ch_session_open(&s, m, &o, &e), e);
    assert_ok(ch_session_feed(s, text, TOKENS, &e), e);
    assert_ok(ch_session_next(&t, s, &how, &e), e);
    memcpy(out, ch_session_logits(s), (size_t)m->config.vocab * sizeof *out);
    ch_session_close(&s);
}

static double apart(const float *a, const float *b, int n)
{
    double most = 0;
    for (int i = 0; i < n; i++)
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

/* A PEFT folder of an adapter with nothing zero in it. */
static void write_peft(const char *name, ch_model *m, const char *targets, uint64_t seed)
{
    ch_err e = {0};
    ch_lora *l;
    char path[600];
    const ch_lora_options o = {.rank = RANK, .alpha = 8, .targets = targets, .seed = seed};
    assert_ok(ch_lora_create(&l, m, &o, &e), e);
    for (int64_t i = 0; i < l->bucket; i++)
        if (l->parameters[i] == 0)
            l->parameters[i] = (real)(0.1 * ch_rng_normal(seed, CH_RNG_TEST, 0, (uint64_t)i));
    assert_ok(ch_io_make_dir(at(name), &e), e);
    snprintf(path, sizeof path, "%s/adapter_config.json", at(name));
    assert_ok(ch_lora_write_config(path, l, m, NULL, &e), e);
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", at(name));
    assert_ok(ch_lora_write_values(path, l, m, &e), e);
    ch_lora_close(&l);
}

static void set_config(const char *name, const char *key, const char *value)
{
    ch_err e = {0};
    json_t *v, *is;
    ch_buf b;
    char path[600];
    ch_buf_init(&b, 1 << 20);
    snprintf(path, sizeof path, "%s/adapter_config.json", at(name));
    assert_ok(ch_json_load(&v, path, 1 << 20, &e), e);
    assert_ok(ch_json_parse(&is, value, strlen(value), "value", &e), e);
    json_object_set_new(v, key, is);
    assert_ok(ch_json_dump(&b, v, &e), e);
    assert_ok(ch_io_write_file(path, b.data, b.size, &e), e);
    json_decref(v);
    ch_buf_close(&b);
}

static ch_lora *open_both(ch_model *m, const char *a, double s, const char *b, double t)
{
    ch_err e = {0};
    ch_lora *l;
    const char *const paths[] = {at(a), at(b)};
    assert_ok(ch_lora_open_all(&l, m, paths, (const double[]){s, t}, 2, &e), e);
    return l;
}

/* A folder and its GGUF file are one adapter to the bit; half of it twice is it, but for rounding;
 * with its opposite it is nothing. */
static void adapters_add_up(void **state)
{
    (void)state;
    static const char *const archs[] = {"llama", "qwen3", "gpt2", "phi3", "gemma2", "lfm2"};
    for (size_t i = 0; i < CH_COUNT(archs); i++) {
        ch_err e = {0};
        float plain[MOST], one[MOST], other[MOST];
        ch_lora *l, *g;
        ch_model *m = tiny_open(archs[i], CH_Q8_0, 1);
        const int V = m->config.vocab;
        assert_true(V <= MOST);
        write_peft("a", m, NULL, 3);
        logits_of(plain, m, NULL);
        assert_ok(ch_lora_open(&l, m, at("a"), 0, &e), e);
        logits_of(one, m, l);
        const double change = apart(plain, one, V);
        assert_true(change > 1e-2);
        assert_ok(ch_lora_write_gguf(at("a.gguf"), l, m, "a", &e), e);
        assert_ok(ch_lora_open(&g, m, at("a.gguf"), 0, &e), e);
        logits_of(other, m, g);
        assert_memory_equal(one, other, (size_t)V * sizeof *one);
        ch_lora_close(&g);
        ch_lora_close(&l);
        l = open_both(m, "a", 0.5, "a.gguf", 0.5);
        logits_of(other, m, l);
        assert_true(apart(one, other, V) < 0.1 * change);
        ch_lora_close(&l);
        l = open_both(m, "a", 1, "a", -1);
        logits_of(other, m, l);
        assert_true(apart(plain, other, V) < 0.1 * change);
        ch_lora_close(&l);
        ch_model_close(&m);
    }
}

/* Adapters of different maps keep their values and scales as they are. */
static void adapters_of_different_maps_stand_apart(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_model *m = tiny_open("llama", CH_Q8_0, 1);
    ch_lora *q, *both;
    write_peft("q", m, "q_proj", 3);
    write_peft("v", m, "v_proj,q_proj", 4);
    write_peft("up", m, "up_proj", 5);
    assert_ok(ch_lora_open(&q, m, at("q"), 0.75, &e), e);
    both = open_both(m, "q", 0.75, "up", 1);
    for (int i = 0; i < q->adapter.n; i++)
        if (q->low[i].a) {
            assert_true(q->low[i].scale == both->low[i].scale);
            const ch_tensor *a = &q->maps[2 * i].stored, *b = &both->maps[2 * i].stored;
            assert_memory_equal(a->data, b->data, (size_t)ch_tensor_count(a) * sizeof(real));
        }
    ch_lora_close(&both);
    both = open_both(m, "q", 0.75, "v", 1);
    int64_t ranks[2] = {0, 0};
    for (int i = 0; i < both->adapter.n; i++)
        if (both->low[i].a)
            ranks[ch_weight_rows(both->low[i].a) == 2 * RANK]++;
    assert_true(ranks[0] == 3 && ranks[1] == 3); /* v of three layers; q of both */
    ch_lora_close(&both);
    ch_lora_close(&q);
    ch_model_close(&m);
}

static void patterns_and_roots_scale(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value;
        double q0, q1; /* scales of q in layers 0 and 1, alpha 8 and rank 4 */
    } all[] = {
        {"use_rslora", "true", 4, 4},
        {"use_rslora", "false", 2, 2},
        {"alpha_pattern", "{\"q_proj\":16}", 4, 4},
        {"alpha_pattern", "{\"layers.1.self_attn.q_proj\":2}", 2, 0.5},
        {"alpha_pattern", "{\".*layers.0.*q_proj\":1,\"q_proj\":4}", 0.25, 1},
        {"alpha_pattern", "{\"proj\":16}", 2, 2},
        {"rank_pattern", "{\"k_proj\":2}", 2, 2},
    };
    ch_err e = {0};
    ch_model *m = tiny_open("llama", CH_Q8_0, 1);
    for (size_t i = 0; i < CH_COUNT(all); i++) {
        ch_lora *l;
        double scale[2];
        int n = 0;
        write_peft("p", m, "q_proj", 3);
        set_config("p", all[i].key, all[i].value);
        assert_ok(ch_lora_open(&l, m, at("p"), 0, &e), e);
        for (int k = 0; k < l->adapter.n && n < 2; k++)
            if (l->low[k].a)
                scale[n++] = (double)l->low[k].scale;
        if (scale[0] != all[i].q0 || scale[1] != all[i].q1)
            fail_msg("%s %s: %g and %g", all[i].key, all[i].value, scale[0], scale[1]);
        ch_lora_close(&l);
    }
    ch_model_close(&m);
}

static void what_is_no_adapter_is_told(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_lora *l;
    ch_model *m = tiny_open("llama", CH_Q8_0, 1), *q = tiny_open("qwen3", CH_Q8_0, 1);
    tiny_write(at("model.gguf"), "llama", CH_F16, 1);
    assert_fails(ch_lora_open(&l, m, at("model.gguf"), 0, &e), CH_EFORMAT, e, "it is no adapter");
    assert_null(l);
    write_peft("w", m, NULL, 3);
    assert_ok(ch_lora_open(&l, m, at("w"), 0, &e), e);
    assert_ok(ch_lora_write_gguf(at("w.gguf"), l, m, NULL, &e), e);
    ch_lora_close(&l);
    assert_fails(ch_lora_open(&l, q, at("w.gguf"), 0, &e), CH_EFORMAT, e, "not for qwen3 models");
    assert_fails(ch_lora_open(&l, m, at("none"), 0, &e), CH_EIO, e, "adapter_config.json");
    assert_null(l);
    ch_model_close(&m);
    ch_model_close(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adapters_add_up),
        cmocka_unit_test(adapters_of_different_maps_stand_apart),
        cmocka_unit_test(patterns_and_roots_scale),
        cmocka_unit_test(what_is_no_adapter_is_told),
    };
    return cmocka_run_group_tests_name("model/adapters", tests, begin, end);
}
