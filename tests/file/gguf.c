/* GGUF: every type of value, files that lie, and what is written.  SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "samples.h"
#include "support.h"

static ch_file *open_bytes(const ch_buf *b)
{
    ch_err e = {0};
    ch_file *f;
    assert_ok(ch_file_open_memory(&f, b->data, b->size, "sample", &e), e);
    return f;
}

static void every_type_is_read(void **state)
{
    (void)state;
    for (uint32_t version = 2; version <= 3; version++) {
        ch_buf b;
        sample_gguf(&b, version);
        ch_file *f = open_bytes(&b);
        assert_string_equal(f->format, "gguf");
        assert_int_equal(f->version, version);
        assert_int_equal(f->alignment, 32);
        assert_int_equal(f->n_meta, 16);
        assert_int_equal(ch_file_meta_find(f, "a.u8")->v.u, 254);
        assert_int_equal(ch_file_meta_find(f, "a.i8")->v.i, -2);
        assert_int_equal(ch_file_meta_find(f, "a.u16")->v.u, 65534);
        assert_int_equal(ch_file_meta_find(f, "a.i16")->v.i, -2);
        assert_int_equal(ch_file_meta_find(f, "a.u32")->v.u, 4294967294);
        assert_int_equal(ch_file_meta_find(f, "a.i32")->v.i, -2);
        assert_true(ch_file_meta_find(f, "a.f32")->v.r == -0.5);
        assert_true(ch_file_meta_find(f, "a.f64")->v.r == 1e300);
        assert_true(ch_file_meta_find(f, "a.bool")->v.b);
        assert_true(ch_file_meta_find(f, "a.u64")->v.u == UINT64_MAX - 1);
        assert_int_equal(ch_file_meta_find(f, "a.i64")->v.i, -2);
        assert_int_equal(ch_file_meta_find(f, "a.i64")->gguf_type, 11);

        const ch_str *s;
        size_t n;
        ch_err e = {0};
        assert_ok(ch_file_str_array(&s, &n, f, "words", &e), e);
        assert_int_equal(n, 3);
        assert_int_equal(s[1].n, 0);
        assert_memory_equal(s[2].p, "\xe2\x96\x81the", 6);
        int64_t v;
        const ch_meta *m = ch_file_meta_find(f, "numbers");
        assert_int_equal(ch_meta_at_int(&v, m, 1), CH_OK);
        assert_int_equal(v, -1);
        assert_int_equal(ch_meta_at_int(&v, m, 2), CH_OK);
        assert_int_equal(v, -32768);
        assert_true(ch_meta_at_int(&v, m, 3) < 0);
        assert_int_equal(ch_meta_at_int(&v, ch_file_meta_find(f, "flags"), 1), CH_OK);
        assert_int_equal(v, 1);
        ch_file_close(&f);
        assert_null(f);
        ch_buf_close(&b);
    }
}

static void tensors_have_their_shapes_and_bytes(void **state)
{
    (void)state;
    ch_buf b;
    sample_gguf(&b, 3);
    ch_file *f = open_bytes(&b);
    static const struct {
        const char *name, *is;
        size_t bytes;
    } all[] = {{"blk.0.attn_q.weight", "f32 (5, 3)", 60},
               {"cube", "f16 (3, 2, 1)", 12},
               {"q8", "q8_0 (2, 32)", 68},
               {"q4", "q4_0 (32)", 18},
               {"four", "f64 (2, 1, 1, 1)", 16}};
    assert_int_equal(f->n_tensors, CH_COUNT(all));
    for (size_t i = 0; i < CH_COUNT(all); i++) {
        char text[64];
        const ch_file_tensor *t = ch_file_tensor_find(f, all[i].name);
        assert_ptr_equal(t, &f->tensors[i]);
        ch_tensor_describe(text, sizeof text, &t->t);
        assert_string_equal(text, all[i].is);
        assert_int_equal(t->bytes, all[i].bytes);
        for (size_t k = 0; k < t->bytes; k++)
            assert_int_equal(((const unsigned char *)t->t.data)[k], k * 7 % 60);
    }
    assert_null(ch_file_tensor_find(f, "five"));
    ch_file_close(&f);
    ch_buf_close(&b);
}

/* Wherever the bytes lie, elements are aligned; bytes that are not are copied. */
static void misplaced_bytes_are_aligned(void **state)
{
    (void)state;
    ch_buf b;
    sample_gguf(&b, 3);
    char *odd = malloc(b.size + 1);
    assert_non_null(odd);
    memcpy(odd + 1, b.data, b.size);
    ch_file *f = open_bytes(&b), *g;
    ch_err e = {0};
    assert_ok(ch_file_open_memory(&g, odd + 1, b.size, "odd", &e), e);
    assert_int_equal(sample_touch(f), sample_touch(g));
    assert_int_equal((uintptr_t)ch_file_tensor_find(g, "four")->t.data % 8, 0);
    ch_file_close(&f);
    ch_file_close(&g);
    free(odd);
    ch_buf_close(&b);
}

/* ---- Refusals: a header, then one wrong thing ------------------------------------------------ */

static void begin(ch_buf *b, uint64_t tensors, uint64_t metas)
{
    ch_buf_init(b, 1 << 20);
    ch_buf_str(b, "GGUF");
    put_u32(b, 3);
    put_u64(b, tensors);
    put_u64(b, metas);
}

static void refused(ch_buf *b, int code, const char *says)
{
    ch_err e = {0};
    ch_file *f;
    ch_buf_put(b, NULL, 0);
    char *exact = guarded(b->size); /* reading one byte past the end is fatal */
    memcpy(exact, b->data, b->size);
    assert_fails(ch_file_open_memory(&f, exact, b->size, "bad.gguf", &e), code, e, says);
    assert_null(f);
    if (!strstr(e.text, "bad.gguf"))
        fail_msg("\"%s\" names no file", e.text);
    guarded_free(exact, b->size);
    ch_buf_close(b);
}

static void bad_headers_are_refused(void **state)
{
    (void)state;
    ch_buf b;
    sample_gguf(&b, 1), refused(&b, CH_EUNSUPPORTED, "GGUF version 1, which");
    sample_gguf(&b, 4), refused(&b, CH_EUNSUPPORTED, "version 4");
    sample_gguf(&b, 0x03000000), refused(&b, CH_EUNSUPPORTED, "big-endian");
    begin(&b, UINT64_MAX, 0),
        refused(&b, CH_ELIMIT, "18446744073709551615 tensors, allowed are 65536");
    begin(&b, 0, UINT64_MAX), refused(&b, CH_ELIMIT, "metadata entries, allowed are 65536");
    begin(&b, 1, 0), refused(&b, CH_EFORMAT, "1 tensors cannot fit into the 0 bytes");
    begin(&b, 0, 65536), refused(&b, CH_EFORMAT, "65536 metadata entries cannot fit");
    begin(&b, 1ull << 60, 1ull << 60), refused(&b, CH_ELIMIT, "allowed are");
}

static void bad_metadata_is_refused(void **state)
{
    (void)state;
    static const char filler[64];
    ch_buf b;
#define ONE(...) (begin(&b, 0, 1), __VA_ARGS__, ch_buf_put(&b, filler, sizeof filler))
    ONE(put_u64(&b, UINT64_MAX)),
        refused(&b, CH_EFORMAT, "its key takes 18446744073709551615 bytes");
    ONE(put_u64(&b, 1ull << 63)), refused(&b, CH_EFORMAT, "metadata 0: its key takes");
    ONE(put_key(&b, "", 4)), refused(&b, CH_EFORMAT, "its key is empty");
    ONE(put_key(&b, "k", 13)), refused(&b, CH_EFORMAT, "\"k\": type 13, allowed are 0 to 12");
    ONE(put_key(&b, "k", UINT32_MAX)), refused(&b, CH_EFORMAT, "type 4294967295");
    ONE(put_key(&b, "k", 7), ch_buf_put(&b, "\2", 1)), refused(&b, CH_EFORMAT, "a bool is 2");
    ONE(put_key(&b, "k", 8), put_u64(&b, 65)), refused(&b, CH_EFORMAT, "its string takes 65 bytes");
    ONE(put_key(&b, "k", 9), put_u32(&b, 9), put_u64(&b, 1));
    refused(&b, CH_EUNSUPPORTED, "an array of arrays");
    ONE(put_key(&b, "k", 9), put_u32(&b, 77), put_u64(&b, 0)),
        refused(&b, CH_EFORMAT, "of type 77");
    ONE(put_key(&b, "k", 9), put_u32(&b, 8), put_u64(&b, UINT64_MAX / 8));
    refused(&b, CH_EFORMAT, "strings cannot fit into the 64 bytes");
    ONE(put_key(&b, "k", 9), put_u32(&b, 8), put_u64(&b, 2), put_str(&b, "x"), put_u64(&b, 99));
    refused(&b, CH_EFORMAT, "a string in its array takes 99 bytes");
    ONE(put_key(&b, "k", 9), put_u32(&b, 12), put_u64(&b, UINT64_MAX / 8 + 2));
    refused(&b, CH_EFORMAT, "an array of 2305843009213693953 elements of 8 bytes");
    ONE(put_key(&b, "k", 9), put_u32(&b, 7), put_u64(&b, 2), ch_buf_put(&b, "\1\5", 2));
    refused(&b, CH_EFORMAT, "a bool is 5");
    for (int i = 0; i < 4; i++) {
        static const uint32_t wrong[] = {0, 4, 48, 1u << 30};
        ONE(put_key(&b, "general.alignment", 4), put_u32(&b, wrong[i]));
        refused(&b, CH_EFORMAT, "general.alignment");
    }
#undef ONE
    begin(&b, 0, 2), put_key(&b, "twice", 0), ch_buf_put(&b, "1", 1);
    put_key(&b, "twice", 0), ch_buf_put(&b, "1", 1);
    refused(&b, CH_EFORMAT, "\"twice\" appears twice");
    char *key = calloc(1, 65537);
    assert_non_null(key);
    memset(key, 'k', 65536);
    begin(&b, 0, 1), put_key(&b, key, 0), ch_buf_put(&b, "1", 1);
    refused(&b, CH_ELIMIT, "its key has 65536 bytes, allowed are 65535");
    free(key);
    begin(&b, 0, 1), put_key(&b, "k", 10), put_u32(&b, 0);
    refused(&b, CH_EFORMAT, "its value takes 8 bytes at offset 37, the file has 4 left");
}

/* A file of one tensor "t" and 16 bytes of data. */
static void one(ch_buf *b, int rank, const uint64_t *dim, uint32_t type, uint64_t offset)
{
    begin(b, 1, 0);
    put_gguf_tensor(b, "t", rank, dim, type, offset);
    put_pad(b, 32);
    put_data(b, 16);
}

static void bad_tensors_are_refused(void **state)
{
    (void)state;
    const uint64_t four[] = {4, 1, 1, 1, 1}, huge[] = {1ull << 62, 2}, block[] = {33};
    ch_buf b;
    one(&b, 0, four, 0, 0), refused(&b, CH_EFORMAT, "\"t\": 0 dimensions, allowed are 1 to 4");
    one(&b, 5, four, 0, 0), refused(&b, CH_EFORMAT, "5 dimensions");
    one(&b, -1, four, 0, 0), refused(&b, CH_EFORMAT, "4294967295 dimensions");
    one(&b, 1, four, 24, 0),
        refused(&b, CH_EUNSUPPORTED, "\"t\": number format 24, supported are f32 f16");
    one(&b, 1, four, 4, 0), refused(&b, CH_EUNSUPPORTED, "number format 4, q4_2, was removed");
    one(&b, 1, four, 33, 0), refused(&b, CH_EUNSUPPORTED, "quantize the original model again");
    one(&b, 1, four, UINT32_MAX, 0), refused(&b, CH_EUNSUPPORTED, "number format 4294967295");
    one(&b, 2, huge, 0, 0), refused(&b, CH_EFORMAT, "2^63");
    one(&b, 1, huge, 0, 0), refused(&b, CH_EFORMAT, "more than memory");
    one(&b, 1, (uint64_t[]){UINT64_MAX}, 0, 0), refused(&b, CH_EFORMAT, "less than 2^63");
    one(&b, 1, (uint64_t[]){0}, 0, 0), refused(&b, CH_EFORMAT, "dimension 0 is 0");
    one(&b, 1, block, 8, 0), refused(&b, CH_EFORMAT, "whole blocks of q8_0");
    one(&b, 1, four, 0, 8),
        refused(&b, CH_EFORMAT, "its offset 8 is no multiple of the alignment 32");
    one(&b, 1, four, 0, 32),
        refused(&b, CH_EFORMAT, "16 bytes at offset 32, the file has 16 bytes");
    one(&b, 1, four, 0, UINT64_MAX - 31), refused(&b, CH_EFORMAT, "at offset 18446744073709551584");
    one(&b, 1, (uint64_t[]){5}, 0, 0),
        refused(&b, CH_EFORMAT, "20 bytes at offset 0, the file has 16");
    begin(&b, 2, 0);
    put_gguf_tensor(&b, "t", 1, four, 0, 0), put_gguf_tensor(&b, "t", 1, four, 0, 0);
    put_pad(&b, 32), put_data(&b, 16);
    refused(&b, CH_EFORMAT, "tensor \"t\" appears twice");
    begin(&b, 1, 0), put_u64(&b, 3), ch_buf_put(&b, "a\0b", 3), put_data(&b, 64);
    refused(&b, CH_EFORMAT, "dimensions");
    begin(&b, 1, 0), put_u64(&b, 3), ch_buf_put(&b, "a\0b", 3);
    put_u32(&b, 1), put_u64(&b, 1), put_u32(&b, 0), put_u64(&b, 0), put_pad(&b, 32),
        put_data(&b, 4);
    refused(&b, CH_EFORMAT, "none of them 0");
    char name[1025] = {0};
    memset(name, 'n', 1024);
    begin(&b, 1, 0), put_gguf_tensor(&b, name, 1, four, 0, 0);
    refused(&b, CH_ELIMIT, "its name has 1024 bytes, allowed are 1023");
    begin(&b, 1, 0), put_gguf_tensor(&b, "t", 1, four, 0, 0); /* no data at all */
    refused(&b, CH_EFORMAT, "the file has 0 bytes of data");
}

static void a_vocabulary_needs_no_tensors(void **state)
{
    (void)state;
    ch_buf b;
    begin(&b, 0, 1), put_key(&b, "general.architecture", 8), put_str(&b, "llama");
    ch_file *f = open_bytes(&b);
    assert_int_equal(f->n_tensors, 0);
    ch_file_close(&f);
    ch_buf_close(&b);
    begin(&b, 0, 0);
    f = open_bytes(&b);
    assert_int_equal(f->n_meta, 0);
    ch_file_close(&f);
    ch_buf_close(&b);
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void same_bytes_after_reading_and_writing(const void *bytes, size_t n, const char *name)
{
    ch_err e = {0};
    ch_file *f;
    ch_mapping m;
    char *dir = temp_dir(), *path = ch_io_join(dir, "again.gguf");
    assert_ok(ch_file_open_memory(&f, bytes, n, name, &e), e);
    assert_ok(ch_gguf_write(f, path, &e), e);
    assert_ok(ch_io_map(&m, path, &e), e);
    assert_int_equal(m.size, n);
    assert_memory_equal(m.data, bytes, n);
    ch_io_unmap(&m);
    ch_file_close(&f);
    free(path);
    temp_dir_remove(dir);
}

static void the_writer_repeats_the_layout(void **state)
{
    (void)state;
    ch_buf b;
    sample_gguf(&b, 3);
    same_bytes_after_reading_and_writing(b.data, b.size, "sample");
    ch_buf_close(&b);
    /* another alignment */
    begin(&b, 2, 1), put_key(&b, "general.alignment", 4), put_u32(&b, 64);
    put_gguf_tensor(&b, "a", 1, (uint64_t[]){1}, 0, 0);
    put_gguf_tensor(&b, "b", 1, (uint64_t[]){1}, 0, 64);
    put_pad(&b, 64), put_data(&b, 4), put_pad(&b, 64), put_data(&b, 4), put_pad(&b, 64);
    same_bytes_after_reading_and_writing(b.data, b.size, "alignment 64");
    ch_buf_close(&b);
}

static void real_files_are_repeated(void **state)
{
    (void)state;
    static const char *const all[] = {
        "models/stories260K/stories260K-f32.gguf",        "tokenizers/gguf/ggml-vocab-gpt-2.gguf",
        "tokenizers/gguf/ggml-vocab-llama-spm.gguf",      "tokenizers/gguf/ggml-vocab-phi-3.gguf",
        "tokenizers/gguf/ggml-vocab-deepseek-coder.gguf",
    };
    skip_without("models/stories260K/stories260K-f32.gguf");
    skip_without("tokenizers/gguf");
    for (size_t i = 0; i < CH_COUNT(all); i++) {
        ch_mapping m = shared_map(all[i]);
        same_bytes_after_reading_and_writing(m.data, m.size, all[i]);
        ch_io_unmap(&m);
    }
}

static void mixed_formats_open(void **state)
{
    (void)state;
    skip_without("models/stories260K/stories260K-q4_k_m.gguf");
    ch_err e = {0};
    ch_file *f;
    int rc = ch_file_open(&f, shared_path("models/stories260K/stories260K-q4_k_m.gguf"), &e);
    assert_int_equal(rc, CH_OK);
    assert_int_equal(ch_file_tensor_find(f, "token_embd.weight")->t.dtype, CH_Q5_0);
    assert_int_equal(ch_file_tensor_find(f, "blk.0.ffn_norm.weight")->t.dtype, CH_F32);
    ch_file_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(tensors_have_their_shapes_and_bytes),
        cmocka_unit_test(misplaced_bytes_are_aligned),
        cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(bad_metadata_is_refused),
        cmocka_unit_test(bad_tensors_are_refused),
        cmocka_unit_test(a_vocabulary_needs_no_tensors),
        cmocka_unit_test(the_writer_repeats_the_layout),
        cmocka_unit_test(real_files_are_repeated),
        cmocka_unit_test(mixed_formats_open),
    };
    return cmocka_run_group_tests_name("file/gguf", tests, NULL, NULL);
}
