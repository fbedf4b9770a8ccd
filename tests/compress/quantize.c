/* quantize.c - tests of compress/: which format a tensor gets, and what writing them keeps.
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "quantize.h"

static const ch_mixture_model plain = {.layers = 32, .groups = 1};

static void is(ch_mixture m, const ch_mixture_model *model, const char *name, int64_t width,
               int number, ch_dtype want)
{
    const ch_dtype t = ch_mixture_choose(m, model, name, width, number, 32);
    if (t != want)
        fail_msg("%s %d of width %lld is %s, wanted %s", name, number, (long long)width,
                 ch_dtype_get(t)->name, ch_dtype_get(want)->name);
}

static void names(void **state)
{
    (void)state;
    ch_mixture m;
    ch_err e = {0};
    assert_int_equal(ch_mixture_by_name(&m, "Q4_K_M", &e), CH_OK);
    assert_int_equal(m, CH_MIX_q4_k_m);
    assert_int_equal(ch_mixture_file_type(m), 15);
    assert_fails(ch_mixture_by_name(&m, "q4_k", &e), CH_EARG, e, "q4_k_m");
    assert_fails(ch_mixture_by_name(&m, "", &e), CH_EARG, e, "no format \"\"");
    for (int i = 0; i < CH_MIXTURES; i++)
        assert_non_null(ch_dtype_get(ch_mixture_base((ch_mixture)i))->encode);
}

static void better_formats_where_it_matters(void **state)
{
    (void)state;
    const ch_mixture_model tied = {32, 1, true, false}, grouped = {32, 4, false, false},
                           deep = {80, 8, false, false};
    is(CH_MIX_q4_k_m, &plain, "blk.0.attn_q.weight", 512, 0, CH_Q4_K);
    is(CH_MIX_q4_k_m, &plain, "blk.3.attn_v.weight", 512, 3, CH_Q6_K);
    is(CH_MIX_q4_k_m, &plain, "blk.4.attn_v.weight", 512, 4, CH_Q4_K);
    is(CH_MIX_q4_k_m, &plain, "blk.6.attn_v.weight", 512, 6, CH_Q6_K);
    is(CH_MIX_q4_k_m, &plain, "blk.28.ffn_down.weight", 512, 28, CH_Q6_K);
    is(CH_MIX_q5_k_m, &plain, "blk.27.ffn_down.weight", 512, 27, CH_Q6_K);
    is(CH_MIX_q5_k_s, &plain, "blk.27.ffn_down.weight", 512, 27, CH_Q5_K);
    is(CH_MIX_q4_k_s, &plain, "blk.3.ffn_down.weight", 512, 3, CH_Q5_K);
    is(CH_MIX_q4_k_s, &plain, "blk.4.ffn_down.weight", 512, 4, CH_Q4_K);
    is(CH_MIX_q3_k_m, &plain, "blk.1.attn_v.weight", 512, 1, CH_Q5_K);
    is(CH_MIX_q3_k_m, &plain, "blk.2.attn_output.weight", 512, 2, CH_Q4_K);
    is(CH_MIX_q2_k, &plain, "blk.9.attn_v.weight", 512, 9, CH_Q3_K);
    is(CH_MIX_q2_k, &grouped, "blk.9.attn_v.weight", 512, 9, CH_Q4_K);
    is(CH_MIX_iq4_xs, &grouped, "blk.9.attn_v.weight", 512, 9, CH_Q5_K);
    is(CH_MIX_q4_k_m, &deep, "blk.9.attn_v.weight", 512, 5, CH_Q5_K);
    is(CH_MIX_q4_k_m, &plain, "output.weight", 512, 0, CH_Q6_K);
    is(CH_MIX_q8_0, &plain, "output.weight", 512, 0, CH_Q8_0);
    is(CH_MIX_q4_0, &tied, "token_embd.weight", 512, 0, CH_Q6_K);
    is(CH_MIX_q4_0, &plain, "token_embd.weight", 512, 0, CH_Q4_0);
    const ch_mixture_model weighed = {.layers = 32, .groups = 1, .weighed = true};
    is(CH_MIX_iq4_xs, &plain, "blk.3.ffn_down.weight", 512, 3, CH_Q5_K);
    is(CH_MIX_iq4_xs, &weighed, "blk.3.ffn_down.weight", 512, 3, CH_IQ4_XS);
    is(CH_MIX_q4_0, &plain, "blk.3.ffn_down.weight", 512, 3, CH_Q4_0);
    is(CH_MIX_q4_0, &weighed, "blk.3.ffn_down.weight", 512, 3, CH_Q4_1);
    is(CH_MIX_bf16, &tied, "token_embd.weight", 511, 0, CH_BF16);
}

static void rows_that_do_not_fit(void **state)
{
    (void)state;
    static const struct {
        ch_mixture mixture;
        ch_dtype at_32, at_33;
    } cases[] = {{CH_MIX_q4_k_m, CH_Q5_0, CH_F16},  {CH_MIX_q5_k_m, CH_Q5_1, CH_F16},
                 {CH_MIX_q6_k, CH_Q8_0, CH_F16},    {CH_MIX_q2_k, CH_Q4_0, CH_F16},
                 {CH_MIX_q3_k_m, CH_Q4_0, CH_F16},  {CH_MIX_iq4_xs, CH_IQ4_NL, CH_F16},
                 {CH_MIX_iq4_nl, CH_IQ4_NL, CH_F16}, {CH_MIX_q8_0, CH_Q8_0, CH_F16}};
    for (size_t i = 0; i < CH_COUNT(cases); i++) {
        is(cases[i].mixture, &plain, "blk.9.ffn_up.weight", 96, 9, cases[i].at_32);
        is(cases[i].mixture, &plain, "blk.9.ffn_up.weight", 33, 9, cases[i].at_33);
        is(cases[i].mixture, &plain, "output.weight", 96, 0, CH_Q8_0);
    }
}

/* A file of three tensors through q4_k_m and back: names, shapes, values near; a second rounding is
 * refused, decoding is not. */
static void a_file(void **state)
{
    (void)state;
    enum { N = 48, K = 256 };
    static float w[N * K], norm[K], back[N * K];
    ch_err e = {0};
    ch_file *from, *to, *read;
    char path[] = "/tmp/chalcis-quantize-XXXXXX";
    close(mkstemp(path));
    fill(w, N * K, FILL_NORMAL, 1);
    fill(norm, K, FILL_NORMAL, 2);
    const ch_tensor matrix = ch_tensor_2d(w, CH_F32, N, K), vector = ch_tensor_1d(norm, CH_F32, K);
    assert_int_equal(ch_file_new(&from, &e), CH_OK);
    assert_int_equal(ch_file_add_tensor(from, "blk.0.ffn_up.weight", &matrix, &e), CH_OK);
    assert_int_equal(ch_file_add_tensor(from, "blk.0.ffn_norm.weight", &vector, &e), CH_OK);
    assert_int_equal(ch_file_new(&to, &e), CH_OK);
    ch_quantize q = {.mixture = CH_MIX_q4_k_m, .model = {1, 1, false, false}};
    assert_int_equal(ch_quantize_plan(to, from, &q, &e), CH_OK);
    assert_int_equal(ch_quantize_write(to, from, path, &q, &e), CH_OK);
    ch_file_close(&to);
    assert_int_equal(ch_file_open(&read, path, &e), CH_OK);
    const ch_file_tensor *t = ch_file_tensor_find(read, "blk.0.ffn_up.weight");
    assert_int_equal(t->t.dtype, CH_Q4_K);
    ch_dtype_get(CH_Q4_K)->decode(back, t->t.data, N * K);
    double error = 0, size = 0;
    for (int i = 0; i < N * K; i++) {
        error += (double)(back[i] - w[i]) * (double)(back[i] - w[i]);
        size += (double)w[i] * (double)w[i];
    }
    assert_true(error < 0.01 * size);
    assert_memory_equal(ch_file_tensor_find(read, "blk.0.ffn_norm.weight")->t.data, norm,
                        sizeof norm);
    q.mixture = CH_MIX_q5_0;
    assert_int_equal(ch_file_new(&to, &e), CH_OK);
    assert_fails(ch_quantize_plan(to, read, &q, &e), CH_EARG, e, "--allow-requantize");
    ch_file_close(&to);
    q.mixture = CH_MIX_f32;
    assert_int_equal(ch_file_new(&to, &e), CH_OK);
    assert_int_equal(ch_quantize_plan(to, read, &q, &e), CH_OK);
    ch_file_close(&to);
    ch_file_close(&read);
    ch_file_close(&from);
    unlink(path);
}

static int plan(ch_file **to, const ch_file *from, const char *wish, ch_err *e)
{
    ch_override own;
    int rc = ch_override_open(&own, wish, e);
    *to = NULL;
    if (rc < 0)
        return rc;
    const ch_quantize q = {.mixture = CH_MIX_q4_k_m,
                           .model = {2, 1, false, false},
                           .overrides = &own,
                           .n_overrides = 1};
    rc = ch_file_new(to, e);
    if (rc == CH_OK)
        rc = ch_quantize_plan(*to, from, &q, e);
    ch_override_close(&own);
    return rc;
}

/* --tensor-type: what a pattern changes, and what is wrong with one. */
static void overrides(void **state)
{
    (void)state;
    enum { N = 2, K = 96, WIDE = 256 };
    static float w[N * WIDE];
    static const char *const names[] = {"blk.0.attn_v.weight", "blk.1.attn_v.weight",
                                        "blk.1.ffn_norm.weight"};
    static const struct {
        const char *wish, *says;
    } bad[] = {{"attn_v", "no PATTERN=TYPE"}, {"=q8_0", "no PATTERN=TYPE"},
               {"attn_v=q9", "no format \"q9\"; those to write are f32 f16 q4_0"},
               {"attn_v=iq2_s", "only read"},
               {"attn_(v=q8_0", "no regular expression"},
               {"attn_q=q8_0", "the first to fit no matrix"},
               {"ffn_norm=q8_0", "the first to fit no matrix"},
               {"blk.0=q4_k", "has rows of 96, and q4_k takes multiples of 256"}};
    ch_err e = {0};
    ch_file *from, *to;
    assert_ok(ch_file_new(&from, &e), e);
    for (int i = 0; i < 3; i++) {
        const ch_tensor t = ch_tensor_2d(w, CH_F32, i == 2 ? 1 : N, i == 0 ? K : WIDE);
        assert_ok(ch_file_add_tensor(from, names[i], &t, &e), e);
    }
    assert_ok(plan(&to, from, "blk\\.(1|2)\\.attn=Q2_K", &e), e);
    assert_int_equal(ch_file_tensor_find(to, names[0])->t.dtype, CH_Q5_0);
    assert_int_equal(ch_file_tensor_find(to, names[1])->t.dtype, CH_Q2_K);
    assert_int_equal(ch_file_tensor_find(to, names[2])->t.dtype, CH_F32);
    ch_file_close(&to);
    for (size_t i = 0; i < CH_COUNT(bad); i++) {
        assert_fails(plan(&to, from, bad[i].wish, &e), CH_EARG, e, bad[i].says);
        ch_file_close(&to);
    }
    ch_file_close(&from);
}

/* What a format cannot hold is refused by the tensor's name, and leaves no file. */
static void too_large(void **state)
{
    (void)state;
    enum { N = 4, K = 256 };
    static float w[N * K];
    static const struct {
        ch_mixture mixture;
        float value;
        int code;
        const char *says;
    } all[] = {
        {CH_MIX_f16, 65504, CH_OK, NULL},
        {CH_MIX_f16, 70000, CH_ELIMIT, "tensor blk.0.ffn_up.weight holds values that are too large"},
        {CH_MIX_q8_0, 65504.0f * 127, CH_OK, NULL},
        {CH_MIX_q8_0, -1e7f, CH_ELIMIT, "too large for q8_0"},
        {CH_MIX_q4_0, 1e6f, CH_ELIMIT, "too large for q4_0"},
        {CH_MIX_q4_k_m, 1e9f, CH_ELIMIT, "too large for q4_k"},
        {CH_MIX_q5_k_m, 1e9f, CH_ELIMIT, "too large for q5_k"},
        {CH_MIX_q6_k, -3e9f, CH_ELIMIT, "too large for q6_k"},
        {CH_MIX_q2_k, 1e9f, CH_ELIMIT, "too large for q2_k"},
        {CH_MIX_bf16, 1e9f, CH_OK, NULL},
        {CH_MIX_q8_0, INFINITY, CH_EFORMAT, "blk.0.ffn_up.weight holds infinities"},
        {CH_MIX_q4_k_m, -NAN, CH_EFORMAT, "blk.0.ffn_up.weight holds infinities"},
    };
    char *dir = temp_dir(), *path = ch_io_join(dir, "x.gguf");
    for (size_t i = 0; i < CH_COUNT(all); i++) {
        ch_err e = {0};
        ch_file *from, *to;
        fill(w, N * K, FILL_NORMAL, 1);
        w[2 * K + 77] = all[i].value;
        const ch_tensor matrix = ch_tensor_2d(w, CH_F32, N, K);
        assert_ok(ch_file_new(&from, &e), e);
        assert_ok(ch_file_add_tensor(from, "blk.0.ffn_up.weight", &matrix, &e), e);
        assert_ok(ch_file_new(&to, &e), e);
        const ch_quantize q = {.mixture = all[i].mixture, .model = {1, 1, false, false}};
        assert_ok(ch_quantize_plan(to, from, &q, &e), e);
        const int rc = ch_quantize_write(to, from, path, &q, &e);
        if (all[i].code == CH_OK)
            assert_ok(rc, e);
        else
            assert_fails(rc, all[i].code, e, all[i].says);
        assert_true(ch_io_exists(path) == (all[i].code == CH_OK));
        unlink(path);
        ch_file_close(&to);
        ch_file_close(&from);
    }
    free(path);
    temp_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(better_formats_where_it_matters),
        cmocka_unit_test(rows_that_do_not_fit),
        cmocka_unit_test(a_file),
        cmocka_unit_test(overrides),
        cmocka_unit_test(too_large),
    };
    return cmocka_run_group_tests_name("compress/quantize", tests, NULL, NULL);
}
