/* load.c - a model file must be exactly what its configuration says, or a sentence tells what is
 * not
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"
#include "tiny.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Rewrites a good file, leaving out or changing one thing, and opens the result. */
struct change {
    const char *drop_tensor, *drop_key, *add_tensor, *reshape_tensor;
    const char *set_key;
    uint32_t set_value;
    const char *set_string;
    bool no_tensors;
};

static int open_changed(const struct change *c, ch_err *e)
{
    char *dir = temp_dir();
    char *good = ch_io_join(dir, "good.gguf"), *bad = ch_io_join(dir, "bad.gguf");
    static float room[64 * 400];
    tiny_write(good, "llama", CH_F32, 1);
    ch_file *from, *to;
    assert_ok(ch_file_open(&from, good, e), *e);
    assert_ok(ch_file_new(&to, e), *e);
    for (size_t i = 0; i < from->n_meta; i++) {
        char key[128];
        snprintf(key, sizeof key, "%.*s", (int)from->meta[i].key.n, from->meta[i].key.p);
        if (!(c->drop_key && strcmp(key, c->drop_key) == 0))
            assert_ok(ch_file_set_meta(to, &from->meta[i], e), *e);
    }
    if (c->set_key && c->set_string)
        assert_ok(ch_file_set_str(to, c->set_key, c->set_string, strlen(c->set_string), e), *e);
    else if (c->set_key)
        assert_ok(ch_file_set_u32(to, c->set_key, c->set_value, e), *e);
    for (size_t i = 0; i < from->n_tensors && !c->no_tensors; i++) {
        const char *name = from->tensors[i].name;
        ch_tensor t = from->tensors[i].t;
        if (c->drop_tensor && strcmp(name, c->drop_tensor) == 0)
            continue;
        if (c->reshape_tensor && strcmp(name, c->reshape_tensor) == 0)
            t = ch_tensor_2d(room, CH_F32, 65, 64);
        assert_ok(ch_file_add_tensor(to, name, &t, e), *e);
    }
    if (c->add_tensor) {
        const ch_tensor t = ch_tensor_1d(room, CH_F32, 64);
        assert_ok(ch_file_add_tensor(to, c->add_tensor, &t, e), *e);
    }
    assert_ok(ch_gguf_write(to, bad, e), *e);
    ch_file_close(&from);
    ch_file_close(&to);
    ch_model *m;
    const int rc = ch_model_open(&m, bad, 1, e);
    ch_model_close(&m);
    free(good);
    free(bad);
    temp_dir_remove(dir);
    return rc;
}

static void faults_are_sentences(void **state)
{
    (void)state;
    static const struct {
        struct change change;
        int code;
        const char *says;
    } cases[] = {
        {{.drop_tensor = "blk.1.ffn_up.weight"}, CH_EFORMAT, "blk.1.ffn_up.weight is missing"},
        {{.drop_tensor = "output_norm.weight"}, CH_EFORMAT, "output_norm.weight is missing"},
        {{.add_tensor = "blk.3.attn_norm.weight"}, CH_EFORMAT, "blk.3.attn_norm.weight"},
        {{.add_tensor = "blk.0.attn_q.bias"}, CH_EFORMAT, "blk.0.attn_k.bias is missing"},
        {{.add_tensor = "rope_freqs.weight"}, CH_EFORMAT, "rope_freqs.weight is f32 (64)"},
        {{.reshape_tensor = "blk.0.attn_q.weight"}, CH_EFORMAT, "(65, 64)"},
        {{.drop_key = "llama.block_count"}, CH_EFORMAT, "llama.block_count"},
        {{.drop_key = "general.architecture"}, CH_EFORMAT, "general.architecture"},
        {{.set_key = "general.architecture", .set_string = "gpt9"}, CH_EUNSUPPORTED, "gpt9"},
        {{.set_key = "llama.attention.head_count", .set_value = 0}, CH_EFORMAT, "head_count"},
        {{.set_key = "llama.attention.head_count_kv", .set_value = 3}, CH_EFORMAT, "3 key heads"},
        {{.set_key = "llama.rope.dimension_count", .set_value = 17}, CH_EFORMAT, "17"},
        {{.set_key = "llama.block_count", .set_value = 2000000000}, CH_EFORMAT, "2000000000"},
        {{.set_key = "llama.embedding_length", .set_value = 128}, CH_EFORMAT, "token_embd.weight"},
        {{.set_key = "llama.rope.scaling.type", .set_string = "dynamic"},
         CH_EUNSUPPORTED,
         "none, linear, yarn, longrope"},
        {{.set_key = "llama.rope.scaling.factor", .set_value = 4000000},
         CH_EFORMAT,
         "rope.scaling.factor is 4e+06"},
        {{.set_key = "llama.expert_count", .set_value = 8}, CH_EUNSUPPORTED, "expert_count is 8"},
        {{.set_key = "llama.attention.value_length", .set_value = 8}, CH_EUNSUPPORTED, "value_length is 8"},
        {{.no_tensors = true, .drop_key = "llama.vocab_size"}, CH_EFORMAT, "holds no tensors"},
    };
    for (size_t i = 0; i < CH_COUNT(cases); i++) {
        ch_err e = {0};
        assert_fails(open_changed(&cases[i].change, &e), cases[i].code, e, cases[i].says);
    }
    ch_err e = {0};
    assert_ok(
        open_changed(&(struct change){.set_key = "llama.rope.scaling.type", .set_string = "none"},
                     &e),
        e);
}

static void info_and_count_agree(void **state)
{
    (void)state;
    const ch_config c = tiny_config("qwen3");
    ch_model *m = tiny_open("qwen3", CH_Q8_0, 1);
    ch_model_info info;
    ch_model_get_info(&info, m);
    assert_string_equal(info.arch, "qwen3");
    assert_int_equal(info.parameters, ch_model_count(&c, true));
    assert_int_equal(ch_model_count(&c, true) - ch_model_count(&c, false), 320 * 64);
    assert_int_equal(info.head_width, 16);
    ch_model_close(&m);
}

struct seen {
    const real *at;
    int n;
};

static int in_order(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct seen *s = arg;
    (void)row, (void)layer;
    if (!w->stored.data)
        return 0;
    const real *p = w->stored.data;
    assert_true(!s->at || p > s->at);
    assert_int_equal((uintptr_t)p % 64, 0);
    assert_non_null(w->stored.grad);
    s->at = p;
    s->n++;
    return 0;
}

/* Parameters and gradients are one bucket each, in table order; equal seeds make equal models. */
static void buckets(void **state)
{
    (void)state;
    ch_err e = {0};
    const ch_config c = tiny_config("llama");
    ch_model *a, *b, *d;
    assert_ok(ch_model_create(&a, &c, 4, NULL, &e), e);
    assert_ok(ch_model_create(&b, &c, 4, NULL, &e), e);
    assert_ok(ch_model_create(&d, &c, 5, NULL, &e), e);
    struct seen s = {0};
    ch_model_each(a, in_order, &s);
    assert_int_equal(s.n, 2 + 3 * 9);
    assert_true(a->bucket >= ch_model_count(&c, true));
    assert_memory_equal(a->parameters, b->parameters, (size_t)a->bucket * sizeof(real));
    assert_memory_not_equal(a->parameters, d->parameters, (size_t)a->bucket * sizeof(real));
    ch_model_free(&a);
    ch_model_free(&b);
    ch_model_free(&d);
}

struct loaded {
    const ch_weight *weight[128];
    int n, unpacked;
};

static int note(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct loaded *l = arg;
    (void)row, (void)layer;
    if (w->stored.data && w->stored.rank == 2)
        l->weight[l->n++] = w;
    return 0;
}

/* Plain floats become reals that nothing has packed, with the values that they have in the file;
 * quantized matrices are packed as ever. */
static void plain_floats_as_reals(void **state)
{
    (void)state;
    static const ch_dtype dtypes[] = {CH_F32, CH_F16, CH_BF16, CH_Q8_0};
    for (size_t d = 0; d < CH_COUNT(dtypes); d++) {
        ch_err e = {0};
        char *dir = temp_dir(), *path = ch_io_join(dir, "m.gguf");
        ch_model *usual, *plain;
        struct loaded a = {.n = 0}, b = {.n = 0};
        static real wanted[64 * 400], found[64 * 400];
        tiny_write(path, "llama", dtypes[d], 1);
        assert_ok(ch_model_load_file(&usual, path, NULL, &e), e);
        assert_ok(ch_model_load_file(&plain, path, &(ch_model_load){.plain_as_reals = true}, &e),
                  e);
        ch_model_each(usual, note, &a);
        ch_model_each(plain, note, &b);
        assert_int_equal(a.n, b.n);
        assert_true(a.n >= 3 * 7);
        for (int i = 0; i < a.n; i++) {
            const ch_tensor *was = &a.weight[i]->stored, *is = &b.weight[i]->stored;
            const int64_t n = ch_tensor_count(was);
            assert_true(n <= (int64_t)CH_COUNT(wanted));
            ch_tensor_read(wanted, was, 0, n);
            ch_tensor_read(found, is, 0, n);
            assert_memory_equal(wanted, found, (size_t)n * sizeof *wanted);
            if (b.weight[i]->panels)
                assert_int_equal(is->dtype, was->dtype);
            else if (a.weight[i]->panels)
                assert_int_equal(is->dtype, CH_REAL);
            b.unpacked += a.weight[i]->panels && !b.weight[i]->panels;
        }
        if (dtypes[d] == CH_Q8_0)
            assert_int_equal(b.unpacked, 0);
        else
            assert_true(b.unpacked >= 3 * 7);
        ch_model_close(&usual);
        ch_model_close(&plain);
        free(path);
        temp_dir_remove(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_are_sentences),
        cmocka_unit_test(info_and_count_agree),
        cmocka_unit_test(buckets),
        cmocka_unit_test(plain_floats_as_reals),
    };
    return cmocka_run_group_tests_name("model/load", tests, NULL, NULL);
}
