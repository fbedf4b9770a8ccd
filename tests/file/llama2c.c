/* llama2.c checkpoints of both layouts, against each other and against GGUF.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "samples.h"
#include "support.h"

/* The value of the first element: where the tensor lies, since float i of a sample is i. */
static int first_of(const ch_file *f, const char *name)
{
    const ch_file_tensor *t = ch_file_tensor_find(f, name);
    if (!t)
        fail_msg("no tensor \"%s\"", name);
    real v;
    ch_tensor_read(&v, &t->t, 0, 1);
    return (int)v;
}

static void describes(const ch_file *f, const char *name, const char *is)
{
    char text[64];
    ch_tensor_describe(text, sizeof text, &ch_file_tensor_find(f, name)->t);
    assert_string_equal(text, is);
}

static void both_layouts_lie_where_they_should(void **state)
{
    (void)state;
    for (int version = 0; version <= 1; version++) {
        for (int shared = 0; shared <= 1; shared++) {
            ch_buf b;
            ch_err e = {0};
            ch_file *f;
            int64_t v;
            sample_llama2c(&b, version, shared);
            assert_ok(ch_file_open_memory(&f, b.data, b.size, "sample", &e), e);
            assert_string_equal(f->format, "llama2c");
            assert_int_equal(f->version, version);
            assert_int_equal(f->n_tensors, 2 * 9 + 2 + !shared);
            assert_ok(ch_file_int(&v, f, "llama.vocab_size", 5, 5, &e), e);
            assert_ok(ch_file_int(&v, f, "llama.embedding_length", 8, 8, &e), e);
            assert_ok(ch_file_int(&v, f, "llama.feed_forward_length", 12, 12, &e), e);
            assert_ok(ch_file_int(&v, f, "llama.block_count", 2, 2, &e), e);
            assert_ok(ch_file_int(&v, f, "llama.attention.head_count", 2, 2, &e), e);
            assert_ok(ch_file_int(&v, f, "llama.attention.head_count_kv", 1, 1, &e), e);
            assert_ok(ch_file_int(&v, f, "llama.rope.dimension_count", 4, 4, &e), e);
            assert_ok(ch_file_int(&v, f, "llama.context_length", 6, 6, &e), e);
            describes(f, "token_embd.weight", "f32 (5, 8)");
            describes(f, "blk.1.attn_norm.weight", "f32 (8)");
            describes(f, "blk.1.attn_q.weight", "f32 (8, 8)");
            describes(f, "blk.1.attn_k.weight", "f32 (4, 8)");
            describes(f, "blk.1.ffn_gate.weight", "f32 (12, 8)");
            describes(f, "blk.1.ffn_down.weight", "f32 (8, 12)");
            /* legacy: embedding 40, norms 2*8, q 2*64, k 2*32, v 2*32, o 2*64, norms 2*8,
             * gate 2*96, down 2*96, up 2*96, norm 8, rotations 6*4, head.
             * v1: norms 2*8, norms 2*8, norm 8, embedding 40, q ... up, head. */
            const int at = version == 0 ? 40 + 16 : 16 + 16 + 8 + 40;
            assert_int_equal(first_of(f, "token_embd.weight"), version == 0 ? 0 : 40);
            assert_int_equal(first_of(f, "blk.1.attn_norm.weight"), version == 0 ? 48 : 8);
            assert_int_equal(first_of(f, "blk.0.attn_q.weight"), at);
            assert_int_equal(first_of(f, "blk.1.attn_k.weight"), at + 128 + 32);
            assert_int_equal(first_of(f, "blk.1.attn_output.weight"), at + 128 + 128 + 64);
            const int gate = at + 128 + 128 + 128 + (version == 0 ? 16 : 0);
            assert_int_equal(first_of(f, "blk.0.ffn_gate.weight"), gate);
            assert_int_equal(first_of(f, "blk.1.ffn_down.weight"), gate + 192 + 96);
            assert_int_equal(first_of(f, "blk.0.ffn_up.weight"), gate + 192 + 192);
            const int end = gate + 3 * 192;
            assert_int_equal(first_of(f, "output_norm.weight"), version == 0 ? end : 32);
            if (!shared)
                assert_int_equal(first_of(f, "output.weight"), version == 0 ? end + 8 + 24 : end);
            else
                assert_null(ch_file_tensor_find(f, "output.weight"));
            ch_file_close(&f);
            ch_buf_close(&b);
        }
    }
}

static void refused(ch_buf *b, int code, const char *says)
{
    ch_err e = {0};
    ch_file *f;
    assert_fails(ch_file_open_memory(&f, b->data, b->size, "bad.bin", &e), code, e, says);
    assert_null(f);
    ch_buf_close(b);
}

static void wrong_sizes_are_refused(void **state)
{
    (void)state;
    for (int version = 0; version <= 1; version++) {
        ch_buf b;
        sample_llama2c(&b, version, true), b.size -= 1;
        refused(&b, CH_EFORMAT, "a llama2.c model of these dimensions has");
        sample_llama2c(&b, version, true), ch_buf_put(&b, "", 1);
        refused(&b, CH_EFORMAT, "a llama2.c model of these dimensions has");
        sample_llama2c(&b, version, false), b.size -= 5 * 8 * 4;
        refused(&b, CH_EFORMAT, "a llama2.c model of these dimensions has");
    }
}

static void wrong_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        int field;
        int32_t value;
        const char *says;
    } bad[] = {
        {0, 0, "dim is 0, allowed are 1 to 65536"},
        {0, -8, "dim is -8"},
        {0, 65537, "dim is 65537"},
        {0, 9, "heads need an even width"},
        {0, 6, "heads need an even width"},
        {1, INT32_MAX, "hidden_dim is 2147483647"},
        {2, 4097, "n_layers is 4097"},
        {3, 0, "n_heads is 0"},
        {4, 3, "n_kv_heads 3"},
        {4, 0, "n_kv_heads is 0"},
        {5, INT32_MIN, "vocab_size is -2147483648"},
        {5, -5, "vocab_size is -5"},
        {6, 1 << 21, "seq_len is 2097152"},
        {2, 4096, "of these dimensions has"},
    };
    for (size_t i = 0; i < CH_COUNT(bad); i++) {
        ch_buf b;
        sample_llama2c(&b, 1, true);
        memcpy(b.data + 8 + 4 * bad[i].field, &bad[i].value, 4);
        refused(&b, CH_EFORMAT, bad[i].says);
        if (bad[i].field == 5)
            continue;
        sample_llama2c(&b, 0, true); /* known by its numbers: wrong ones are another kind of file */
        memcpy(b.data + 4 * bad[i].field, &bad[i].value, 4);
        refused(&b, CH_EFORMAT, bad[i].value == 4096 ? "dimensions has" : "not a model file");
    }
    ch_buf b;
    sample_llama2c(&b, 2, true), refused(&b, CH_EUNSUPPORTED, "version 2 (int8)");
    sample_llama2c(&b, 3, true), refused(&b, CH_EUNSUPPORTED, "version 3");
    sample_llama2c(&b, 1, true), b.data[36] = 2, refused(&b, CH_EFORMAT, "shared_classifier is 2");
    sample_llama2c(&b, 1, true), b.size = 255,
                                 refused(&b, CH_EFORMAT, "a llama2.c header takes 256");
    sample_llama2c(&b, 1, true), b.size = 4, refused(&b, CH_EFORMAT, "a llama2.c header takes 256");
    sample_llama2c(&b, 0, true), b.size = 27, refused(&b, CH_EFORMAT, "not a model file");
}

/* One model in three files. */
static void three_files_hold_one_model(void **state)
{
    (void)state;
    static const char *const paths[] = {"models/stories260K/stories260K-f32.gguf",
                                        "models/stories260K/stories260K.bin",
                                        "models/stories260K/checkpoint_v1.bin"};
    static const char *const keys[] = {
        "embedding_length",     "feed_forward_length",     "block_count",
        "attention.head_count", "attention.head_count_kv", "rope.dimension_count"};
    ch_file *f[3];
    ch_err e = {0};
    for (int i = 0; i < 3; i++)
        skip_without(paths[i]);
    for (int i = 0; i < 3; i++)
        assert_ok(ch_file_open(&f[i], shared_path(paths[i]), &e), e);
    for (int i = 1; i < 3; i++) {
        for (size_t k = 0; k < f[0]->n_tensors; k++) {
            const ch_file_tensor *t = &f[0]->tensors[k], *u = ch_file_tensor_find(f[i], t->name);
            if (strcmp(t->name, "output.weight") == 0) { /* GGUF repeats the shared head */
                assert_null(u);
                u = ch_file_tensor_find(f[i], "token_embd.weight");
            }
            if (!u || u->t.rank != t->t.rank || memcmp(u->t.dim, t->t.dim, sizeof t->t.dim) != 0 ||
                memcmp(u->t.data, t->t.data, t->bytes) != 0)
                fail_msg("%s: tensor \"%s\" differs", paths[i], t->name);
        }
        assert_int_equal(f[i]->n_tensors, f[0]->n_tensors - 1);
        for (size_t k = 0; k < CH_COUNT(keys); k++) {
            char key[64];
            int64_t a = -1, b = -2;
            snprintf(key, sizeof key, "llama.%s", keys[k]);
            assert_ok(ch_file_int(&a, f[0], key, 1, 1000, &e), e);
            assert_ok(ch_file_int(&b, f[i], key, 1, 1000, &e), e);
            assert_int_equal(a, b);
        }
        double eps = 0, eps0 = 1;
        const char *key = "llama.attention.layer_norm_rms_epsilon";
        assert_ok(ch_file_real(&eps0, f[0], key, 0, 1, &e), e);
        assert_ok(ch_file_real(&eps, f[i], key, 0, 1, &e), e);
        assert_true(eps == eps0);
    }
    for (int i = 0; i < 3; i++)
        ch_file_close(&f[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_layouts_lie_where_they_should),
        cmocka_unit_test(wrong_sizes_are_refused),
        cmocka_unit_test(wrong_headers_are_refused),
        cmocka_unit_test(three_files_hold_one_model),
    };
    return cmocka_run_group_tests_name("file/llama2c", tests, NULL, NULL);
}
