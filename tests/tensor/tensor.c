/* Shapes from files, views, and reading elements of any format.  SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tensor.h"

static int shape(ch_dtype t, int rank, const int64_t *dim, ch_err *e)
{
    ch_tensor out;
    size_t bytes;
    memset(e, 0, sizeof *e);
    return ch_tensor_shape(&out, &bytes, t, rank, dim, "blk.0.x", e);
}

static void shapes_are_taken(void **state)
{
    (void)state;
    ch_tensor t;
    size_t bytes = 0;
    assert_int_equal(ch_tensor_shape(&t, &bytes, CH_F16, 4, (int64_t[]){2, 3, 4, 5}, "a", NULL),
                     CH_OK);
    assert_int_equal(bytes, 240);
    assert_int_equal(t.stride[0], 60);
    assert_int_equal(t.stride[1], 20);
    assert_int_equal(t.stride[2], 5);
    assert_int_equal(t.stride[3], 1);
    assert_int_equal(ch_tensor_count(&t), 120);
    assert_int_equal(ch_tensor_rows(&t), 24);
    assert_int_equal(ch_tensor_width(&t), 5);
    assert_int_equal(ch_tensor_row_bytes(&t), 10);
    assert_null(t.data);
    assert_null(t.grad);
    assert_int_equal(ch_tensor_shape(&t, &bytes, CH_Q8_0, 2, (int64_t[]){3, 64}, "a", NULL), CH_OK);
    assert_int_equal(bytes, 3 * 2 * 34);
    assert_int_equal(ch_tensor_row_bytes(&t), 68);
    assert_int_equal(ch_tensor_shape(&t, &bytes, CH_F32, 1, (int64_t[]){7}, "a", NULL), CH_OK);
    assert_int_equal(ch_tensor_rows(&t), 1);
    assert_int_equal(ch_tensor_count(&t), 7);
}

static void hostile_shapes_are_refused(void **state)
{
    (void)state;
    static const struct {
        ch_dtype t;
        int rank;
        int64_t dim[4];
        const char *says;
    } bad[] = {
        {CH_F32, 0, {0}, "0 dimensions"},
        {CH_F32, 5, {1, 1, 1, 1}, "5 dimensions"},
        {CH_F32, -1, {0}, "-1 dimensions"},
        {CH_F32, 2, {4, 0}, "dimension 1 is 0"},
        {CH_F32, 2, {-4, 4}, "dimension 0 is -4"},
        {CH_F32, 1, {INT64_MIN}, "dimension 0 is -9223372036854775808"},
        {CH_F32, 2, {INT64_MAX, 2}, "multiply to more"},
        {CH_F32, 4, {1LL << 32, 1LL << 31, 1, 1}, "multiply to more"},
        {CH_F32, 1, {INT64_MAX}, "more than memory"},
        {CH_F64, 2, {1LL << 31, 1LL << 30}, "more than memory"},
        {CH_Q8_0, 2, {32, 33}, "whole blocks of q8_0"},
        {CH_Q4_0, 1, {31}, "whole blocks of q4_0"},
    };
    for (size_t i = 0; i < CH_COUNT(bad); i++) {
        ch_err e;
        assert_int_equal(shape(bad[i].t, bad[i].rank, bad[i].dim, &e), CH_EFORMAT);
        assert_int_equal(e.code, CH_EFORMAT);
        if (!strstr(e.text, bad[i].says) || !strstr(e.text, "blk.0.x"))
            fail_msg("case %zu: \"%s\" does not say \"%s\"", i, e.text, bad[i].says);
    }
}

static void rows_and_slices_point_at_the_data(void **state)
{
    (void)state;
    real data[6 * 8], grad[6 * 8];
    for (int i = 0; i < 6 * 8; i++)
        data[i] = (real)i;
    ch_tensor t = ch_tensor_2d(data, CH_REAL, 6, 8);
    t.grad = grad;
    assert_ptr_equal(ch_tensor_row(&t, 5), data + 40);
    ch_tensor s = ch_tensor_slice_rows(&t, 2, 3);
    assert_int_equal(s.rank, 2);
    assert_int_equal(s.dim[0], 3);
    assert_ptr_equal(s.data, data + 16);
    assert_ptr_equal(s.grad, grad + 16);
    assert_ptr_equal(ch_tensor_row(&s, 1), data + 24);

    ch_tensor half = t; /* the right half of every row: a strided view */
    half.data = data + 4;
    half.dim[1] = 4;
    assert_ptr_equal(ch_tensor_row(&half, 3), data + 3 * 8 + 4);
    s = ch_tensor_slice_rows(&half, 1, 2);
    assert_int_equal(s.stride[0], 8);
    assert_ptr_equal(ch_tensor_row(&s, 1), data + 2 * 8 + 4);

    ch_tensor one = ch_tensor_1d(data, CH_REAL, 8);
    assert_ptr_equal(ch_tensor_row(&one, 0), data);
    assert_int_equal(ch_tensor_slice_rows(&one, 0, 1).dim[1], 8);
}

static void slices_of_blocks_count_bytes(void **state)
{
    (void)state;
    char data[4 * 2 * 34];
    ch_tensor t = ch_tensor_2d(data, CH_Q8_0, 4, 64);
    assert_ptr_equal(ch_tensor_slice_rows(&t, 3, 1).data, data + 3 * 68);
    int64_t dim[3] = {2, 2, 64};
    size_t bytes;
    assert_int_equal(ch_tensor_shape(&t, &bytes, CH_Q8_0, 3, dim, "experts", NULL), CH_OK);
    assert_null(ch_tensor_slice_rows(&t, 1, 2).data);
    t.data = data;
    assert_ptr_equal(ch_tensor_slice_rows(&t, 2, 2).data, data + 2 * 68);
}

static void description_fits_its_buffer(void **state)
{
    (void)state;
    char text[64];
    ch_tensor t = ch_tensor_2d(NULL, CH_F32, 512, 64);
    ch_tensor_describe(text, sizeof text, &t);
    assert_string_equal(text, "f32 (512, 64)");
    ch_tensor_describe(text, 8, &t);
    assert_string_equal(text, "f32 (51");
    t = ch_tensor_1d(NULL, CH_Q4_0, 32);
    ch_tensor_describe(text, sizeof text, &t);
    assert_string_equal(text, "q4_0 (32)");
}

/* Every registered format: reading from any whole block gives what decoding the whole tensor gives,
 * across the internal chunks too. */
static void elements_read_as_decoded(void **state)
{
    (void)state;
    enum { N = 4096 };
    float *in = malloc(N * sizeof *in), *want = malloc(N * sizeof *want);
    real *got = malloc(N * sizeof *got);
    assert_non_null(in);
    assert_non_null(want);
    assert_non_null(got);
    for (int i = 0; i < N; i++)
        in[i] = (float)((i * 37) % 201 - 100) / 16.0f;
    for (int d = 0; d < CH_DTYPES; d++) {
        const ch_dtype_info *info = ch_dtype_get((ch_dtype)d);
        void *blocks = malloc(ch_dtype_bytes((ch_dtype)d, N));
        assert_non_null(blocks);
        if (info->encode)
            info->encode(blocks, in, N);
        else
            memset(blocks, 0x5a, ch_dtype_bytes((ch_dtype)d, N)); /* finite in all of these */
        info->decode(want, blocks, N);
        ch_tensor t = ch_tensor_1d(blocks, (ch_dtype)d, N);
        const int64_t at[] = {0, info->block, 1024, N - info->block};
        for (size_t k = 0; k < CH_COUNT(at); k++) {
            memset(got, 0xff, N * sizeof *got);
            ch_tensor_read(got, &t, at[k], N - at[k]);
            for (int64_t i = at[k]; i < N; i++)
                if (got[i - at[k]] != (real)want[i])
                    fail_msg("%s from %lld: element %lld differs", info->name, (long long)at[k],
                             (long long)i);
        }
        free(blocks);
    }
    free(got);
    free(want);
    free(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_are_taken),
        cmocka_unit_test(hostile_shapes_are_refused),
        cmocka_unit_test(rows_and_slices_point_at_the_data),
        cmocka_unit_test(slices_of_blocks_count_bytes),
        cmocka_unit_test(description_fits_its_buffer),
        cmocka_unit_test(elements_read_as_decoded),
    };
    return cmocka_run_group_tests_name("tensor", tests, NULL, NULL);
}
