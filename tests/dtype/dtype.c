/* dtype.c - tests of dtype/dtype.c, f32.c and f64.c, and of what every format in dtypes.def owes.
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "dtype.h"

static void the_table_is_consistent(void **state)
{
    (void)state;
    for (int t = 0; t < CH_DTYPES; t++) {
        const ch_dtype_info *f = ch_dtype_get((ch_dtype)t);
        ch_dtype found;
        assert_non_null(f);
        assert_true(ch_dtype_by_gguf(&found, f->gguf) && found == (ch_dtype)t);
        assert_true(ch_dtype_by_name(&found, f->name) && found == (ch_dtype)t);
        if (*f->safetensors != 0)
            assert_true(ch_dtype_by_name(&found, f->safetensors) && found == (ch_dtype)t);
        assert_true(f->block > 0 && f->bytes > 0 && (unsigned)f->panel < CH_PANELS);
    }
    assert_null(ch_dtype_get((ch_dtype)CH_DTYPES));
    assert_null(ch_dtype_get((ch_dtype)-1));
    ch_dtype t;
    assert_false(ch_dtype_by_gguf(&t, -1));
    assert_false(ch_dtype_by_gguf(&t, (1ll << 32) + 8));
    assert_false(ch_dtype_by_name(&t, ""));
    assert_false(ch_dtype_by_name(&t, "q8_00"));
    assert_true(ch_dtype_by_name(&t, "BF16") && t == CH_BF16);
}

static void sizes_are_checked(void **state)
{
    (void)state;
    assert_int_equal(ch_dtype_bytes(CH_F32, 0), 0);
    assert_int_equal(ch_dtype_bytes(CH_F32, 7), 28);
    assert_int_equal(ch_dtype_bytes(CH_Q8_0, 64), 68);
    assert_int_equal(ch_dtype_bytes(CH_Q4_0, 4096), 2304);
    assert_true(ch_dtype_bytes(CH_Q4_0, 33) == SIZE_MAX);
    assert_true(ch_dtype_bytes(CH_Q4_0, -32) == SIZE_MAX);
    assert_true(ch_dtype_bytes(CH_F32, -1) == SIZE_MAX);
    assert_true(ch_dtype_bytes(CH_F32, INT64_MAX) == SIZE_MAX);
    assert_true(ch_dtype_bytes(CH_F64, INT64_MAX / 2) == SIZE_MAX);
    assert_true(ch_dtype_bytes(CH_Q8_0, INT64_MAX / 32 * 32) != 0);
    assert_true(ch_dtype_bytes((ch_dtype)CH_DTYPES, 32) == SIZE_MAX);
}

/* Reads and writes n elements' bytes and no others, at any alignment, and what was decoded once
 * encodes to something that decodes to the same (formats with one value a block only). */
static void every_format_stays_inside(void **state)
{
    (void)state;
    for (int t = 0; t < CH_DTYPES; t++) {
        const ch_dtype_info *f = ch_dtype_get((ch_dtype)t);
        for (int64_t blocks = 0; blocks < 5; blocks++) {
            size_t n = (size_t)(blocks * f->block), bytes = ch_dtype_bytes((ch_dtype)t, (int64_t)n);
            float *in = guarded(n * sizeof *in), *out = guarded(n * sizeof *out);
            unsigned char *packed = guarded(bytes), *front = guarded_front(bytes + 1);
            fill(in, n, FILL_POISON, (uint64_t)(blocks + t));
            if (f->encode) {
                f->encode(packed, in, (int64_t)n);
                f->encode(front + 1, in, (int64_t)n);
            } else {
                memset(packed, 0x5a, bytes);
                memset(front + 1, 0x5a, bytes);
            }
            if (bytes > 0)
                assert_memory_equal(packed, front + 1, bytes);
            f->decode(out, packed, (int64_t)n);
            if (f->block == 1) {
                f->encode(packed, out, (int64_t)n);
                f->decode(in, packed, (int64_t)n);
                for (size_t i = 0; i < n; i++)
                    assert_int_equal(ulps(in[i], out[i]), 0);
            }
            guarded_free(in, n * sizeof *in);
            guarded_free(out, n * sizeof *out);
            guarded_free(packed, bytes);
            guarded_free(front, bytes + 1);
        }
    }
}

/* Any bytes decode without a fault. */
static void any_bytes_decode(void **state)
{
    (void)state;
    enum { BYTES = 34 * 18 * 32 };
    const int64_t room = BYTES / 50 * 256; /* iq1_s: the most elements a byte */
    unsigned char *bytes = malloc(BYTES);
    float *out = malloc(sizeof *out * (size_t)room);
    assert_non_null(bytes);
    assert_non_null(out);
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (unsigned char)ch_rng_below(256, 3, CH_RNG_TEST, 0, i);
    for (int t = 0; t < CH_DTYPES; t++) {
        const ch_dtype_info *f = ch_dtype_get((ch_dtype)t);
        f->decode(out, bytes, BYTES / f->bytes * f->block);
    }
    free(bytes);
    free(out);
}

static void f64_rounds(void **state)
{
    (void)state;
    const ch_dtype_info *f = ch_dtype_get(CH_F64);
    const double in[] = {1 + 0x1p-24, 1 + 0x1.8p-23, 1e300, -1e300, 0x1p-150, -0.0, 0.1};
    const float want[] = {1, 1 + 0x1p-22f, INFINITY, -INFINITY, 0, -0.0f, 0.1f};
    float out[CH_COUNT(in)];
    f->decode(out, in, CH_COUNT(in));
    assert_memory_equal(out, want, sizeof want);
}

/* With `again`: the decoded values lie on each block's grid, and its greatest magnitude fixes the
 * same scale again, so encoding them must give back the stored bytes. */
static void agrees_with(const char *name, const char *file, bool again)
{
    char format[16] = "";
    for (size_t i = 0; file[i] && i < sizeof format - 1; i++)
        format[i] = (char)tolower((unsigned char)file[i]);
    char path[200];
    ch_dtype t;
    assert_true(ch_dtype_by_name(&t, format));
    const ch_dtype_info *f = ch_dtype_get(t);
    snprintf(path, sizeof path, "conform/quant-blocks/%s-%s.blk", name, file);
    ch_mapping blk = shared_map(path);
    snprintf(path, sizeof path, "conform/quant-blocks/%s-%s.deq.f32", name, file);
    ch_mapping deq = shared_map(path);
    size_t n = deq.size / sizeof(float);
    assert_true(n > 0);
    assert_int_equal(blk.size, ch_dtype_bytes(t, (int64_t)n));
    float *out = malloc(deq.size);
    unsigned char *bytes = malloc(blk.size);
    assert_true(out != NULL && bytes != NULL);
    f->decode(out, blk.data, (int64_t)n);
    if (memcmp(out, deq.data, deq.size) != 0)
        fail_msg("%s-%s decodes differently", name, format);
    if (again)
        f->encode(bytes, out, (int64_t)n);
    for (size_t i = 0; again && i < blk.size; i++)
        if (bytes[i] != blk.data[i])
            fail_msg("%s-%s: byte %zu is %02x, wanted %02x", name, format, i, bytes[i],
                     blk.data[i]);
    free(out);
    free(bytes);
    ch_io_unmap(&blk);
    ch_io_unmap(&deq);
}

/* ggml's values from ggml's bytes, to the bit. */
static void as_the_reference(void **state)
{
    (void)state;
    static const char *const formats[] = {
        "f16",  "bf16", "q8_0", "q4_0", "tq1_0",  "tq2_0",  "q4_1",  "q5_0",  "q5_1",   "q2_K",
        "q3_K", "q4_K", "q5_K", "q6_K", "iq4_nl", "iq4_xs", "iq2_s", "iq3_s", "iq3_xxs"};
    skip_without("conform/quant-blocks");
    for (size_t i = 0; i < CH_COUNT(formats); i++)
        agrees_with("gauss", formats[i], i < 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_consistent), cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(every_format_stays_inside), cmocka_unit_test(any_bytes_decode),
        cmocka_unit_test(f64_rounds), cmocka_unit_test(as_the_reference),
    };
    return cmocka_run_group_tests_name("dtype/dtype", tests, NULL, NULL);
}
