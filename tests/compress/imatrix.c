/* imatrix.c - importance against sums made directly, files and what is no file
 *
 * SPDX-License-Identifier: MIT */
#include "imatrix.h"
#include "tiny.h"

#include "../token/small.h"

#include <math.h>
#include <stdlib.h>

enum { TEXT = 600 };

static char text[TEXT];
static ch_tokenizer *tk;
static ch_model *m;

static int open_all(void **state)
{
    (void)state;
    small_text(text, TEXT, 4, "aaeeiou  bdtst.");
    tk = small_bpe(text, TEXT, 280);
    m = tiny_open("llama", CH_F32, 5);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    ch_model_close(&m);
    ch_tokenizer_close(&tk);
    return 0;
}

static ch_file *measure(const char *of, size_t n, const ch_imatrix_options *o)
{
    ch_file *f;
    ch_err e = {0};
    assert_ok(ch_imatrix_measure(&f, m, tk, of, n, o, &e), e);
    return f;
}

static const float *tensor(const ch_file *f, const char *name, int64_t n)
{
    const ch_file_tensor *t = ch_file_tensor_find(f, name);
    if (!t || ch_tensor_count(&t->t) != n)
        fail_msg("%s: %s", name, t ? "another size" : "absent");
    return t->t.data;
}

/* What the first layer's query, key and value are given is rmsnorm(embedding) gain. */
static void direct_sums(void **state)
{
    (void)state;
    ch_tokens ids = {0};
    ch_err e = {0};
    const int D = m->config.width;
    double *want = calloc((size_t)D, sizeof *want);
    const float *table = ch_file_tensor_find(m->file, "token_embd.weight")->t.data;
    const float *gain = ch_file_tensor_find(m->file, "blk.0.attn_norm.weight")->t.data;
    assert_ok(ch_tokenizer_encode(&ids, tk, text, TEXT, CH_ENCODE_BOS, &e), e);
    for (size_t t = 0; t < ids.n; t++) {
        const float *x = table + (ptrdiff_t)ids.id[t] * D;
        double squares = 0;
        for (int k = 0; k < D; k++)
            squares += (double)x[k] * (double)x[k] / D;
        for (int k = 0; k < D; k++)
            want[k] += pow((double)x[k] * (double)gain[k], 2) / (squares + m->config.norm_eps);
    }
    ch_file *f = measure(text, TEXT, &(ch_imatrix_options){
                                         .window = (int)ids.n, .session = {.threads = 1}});
    static const char *const names[] = {"blk.0.attn_q.weight", "blk.0.attn_k.weight",
                                        "blk.0.attn_v.weight"};
    for (size_t i = 0; i < CH_COUNT(names); i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.in_sum2", names[i]);
        const float *got = tensor(f, name, D);
        for (int k = 0; k < D; k++)
            if (!(fabs((double)got[k] / want[k] - 1) < 1e-5))
                fail_msg("%s column %d: %g, wanted %g", names[i], k, (double)got[k], want[k]);
        snprintf(name, sizeof name, "%s.counts", names[i]);
        assert_true(tensor(f, name, 1)[0] == (float)ids.n);
    }
    assert_null(ch_file_tensor_find(f, "token_embd.weight.in_sum2")); /* tied: no map alone */
    assert_int_equal(f->n_tensors, 2 * 7 * 3);
    ch_file_close(&f);
    ch_tokens_free(&ids);
    free(want);
}

/* Threads and the size of steps change nothing; windows that are alike count each time. */
static void same_bits(void **state)
{
    (void)state;
    const ch_imatrix_options one = {.window = 40, .session = {.threads = 1}},
                             other = {.window = 40, .session = {.threads = 3, .step_rows = 7}};
    ch_file *a = measure(text, TEXT, &one), *b = measure(text, TEXT, &other);
    assert_int_equal(a->n_tensors, b->n_tensors);
    for (size_t i = 0; i < a->n_tensors; i++)
        assert_memory_equal(a->tensors[i].t.data, b->tensors[i].t.data, a->tensors[i].bytes);
    ch_file_close(&a);
    ch_file_close(&b);
    static char alike[TEXT];
    memset(alike, 'a', TEXT);
    const ch_imatrix_options two = {.window = 40, .most = 2, .session = {.threads = 1}},
                             first = {.window = 40, .most = 1, .session = {.threads = 1}};
    a = measure(alike, TEXT, &first);
    b = measure(alike, TEXT, &two);
    assert_true(tensor(b, "blk.1.ffn_up.weight.counts", 1)[0] ==
                2 * tensor(a, "blk.1.ffn_up.weight.counts", 1)[0]);
    ch_file_close(&a);
    ch_file_close(&b);
}

static void through_a_file(void **state)
{
    (void)state;
    ch_err e = {0};
    bool found;
    float got[3];
    char *dir = temp_dir(), *path = ch_io_join(dir, "im.gguf");
    ch_file *f = measure(text, TEXT, &(ch_imatrix_options){.dataset = "a text"}), *back;
    assert_ok(ch_gguf_write(f, path, &e), e);
    assert_ok(ch_imatrix_open(&back, path, &e), e);
    assert_int_equal(back->n_tensors, f->n_tensors);
    assert_ok(ch_imatrix_has(&found, back, "blk.0.attn_q.weight", m->config.width, &e), e);
    assert_true(found);
    assert_ok(ch_imatrix_has(&found, back, "blk.9.attn_q.weight", 7, &e), e);
    assert_false(found);
    assert_fails(ch_imatrix_has(&found, back, "blk.0.attn_q.weight", 7, &e), CH_EARG, e,
                 "of another model");
    ch_file_close(&back);
    ch_file_close(&f);
    float sums[] = {3, 0, 9}, calls[] = {5};
    assert_ok(ch_file_new(&f, &e), e);
    const ch_tensor s = ch_tensor_1d(sums, CH_F32, 3), c = ch_tensor_1d(calls, CH_F32, 1);
    assert_ok(ch_file_add_tensor(f, "x.in_sum2", &s, &e), e);
    assert_ok(ch_gguf_write(f, path, &e), e);
    assert_fails(ch_imatrix_open(&back, path, &e), CH_EFORMAT, e, "x.in_sum2 has no .counts");
    assert_ok(ch_file_add_tensor(f, "x.counts", &c, &e), e);
    ch_imatrix_columns(got, f, "x", 3);
    assert_true(got[0] == 0.75f && got[1] == 1e-4f && got[2] == 2.25f);
    sums[1] = -1;
    assert_ok(ch_gguf_write(f, path, &e), e);
    assert_fails(ch_imatrix_open(&back, path, &e), CH_EFORMAT, e, "number 1 of x.in_sum2 is -1");
    ch_file_close(&f);
    assert_ok(ch_file_new(&f, &e), e);
    assert_ok(ch_gguf_write(f, path, &e), e);
    assert_fails(ch_imatrix_open(&back, path, &e), CH_EFORMAT, e, "no tensor NAME.in_sum2");
    ch_file_close(&f);
    free(path);
    temp_dir_remove(dir);
}

static size_t put(unsigned char *to, const void *from, size_t n)
{
    memcpy(to, from, n);
    return n;
}

/* imatrix.dat: two maps; cut anywhere it is refused. */
static void earlier_layout(void **state)
{
    (void)state;
    unsigned char bytes[128];
    size_t n = 0;
    const int32_t two = 2, one = 1, calls = 4, width[] = {3, 1};
    const float sums[] = {8, 4, 0, 1};
    n += put(bytes + n, &two, 4);
    for (int i = 0; i < 2; i++) {
        n += put(bytes + n, &one, 4);
        n += put(bytes + n, i ? "b" : "a", 1);
        n += put(bytes + n, &calls, 4);
        n += put(bytes + n, &width[i], 4);
        n += put(bytes + n, sums + 3 * i, sizeof(float) * (size_t)width[i]);
    }
    const size_t whole = n;
    ch_err e = {0};
    ch_file *f;
    float got[3];
    bool found;
    memset(bytes + n, 1, 20); /* what follows is not looked at */
    assert_ok(ch_imatrix_open_memory(&f, bytes, n + 20, "x", &e), e);
    assert_ok(ch_imatrix_has(&found, f, "b", 1, &e), e);
    assert_true(found);
    ch_imatrix_columns(got, f, "a", 3);
    assert_true(got[0] == 2 && got[1] == 1 && got[2] == 1e-4f);
    ch_file_close(&f);
    for (n = 0; n < whole; n++) {
        assert_true(ch_imatrix_open_memory(&f, bytes, n, "x", &e) == CH_EFORMAT);
        assert_null(f);
        assert_true(e.text[0] != 0);
    }
    const int32_t lots = INT32_MAX, none = 0;
    memcpy(bytes + 13, &lots, 4);
    assert_fails(ch_imatrix_open_memory(&f, bytes, whole, "x", &e), CH_EFORMAT, e,
                 "bytes are left");
    memcpy(bytes + 13, &none, 4);
    assert_fails(ch_imatrix_open_memory(&f, bytes, whole, "x", &e), CH_EFORMAT, e, "is 0, allowed");
    assert_fails(ch_imatrix_open_memory(&f, "some text of mine", 17, "x", &e), CH_EFORMAT, e,
                 "it is no GGUF");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(direct_sums),
        cmocka_unit_test(same_bits),
        cmocka_unit_test(through_a_file),
        cmocka_unit_test(earlier_layout),
    };
    return cmocka_run_group_tests_name("compress/imatrix", tests, open_all, close_all);
}
