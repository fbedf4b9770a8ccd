/* safetensors: names, offsets, headers that lie, and what is written.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "samples.h"
#include "support.h"

static void the_sample_is_read(void **state)
{
    (void)state;
    ch_buf b;
    ch_err e = {0};
    ch_file *f;
    sample_safetensors(&b);
    assert_ok(ch_file_open_memory(&f, b.data, b.size, "sample", &e), e);
    assert_string_equal(f->format, "safetensors");
    ch_str s;
    assert_int_equal(f->n_meta, 2);
    assert_ok(ch_file_str(&s, f, "note", &e), e);
    assert_int_equal(s.n, 5);
    assert_memory_equal(s.p, "\xc3\xa9t\xc3\xa9", 5);
    static const struct {
        const char *name, *is;
        size_t at;
    } all[] = {{"extra", "f64 (2)", 0},
               {"model.layers.1.self_attn.q_proj.weight", "f32 (2, 3)", 16},
               {"scale", "f32 (1)", 40},
               {"lm_head.weight", "bf16 (1, 2, 2)", 44},
               {"model.norm.weight", "f16 (3)", 52}};
    assert_int_equal(f->n_tensors, CH_COUNT(all));
    for (size_t i = 0; i < CH_COUNT(all); i++) {
        char text[64];
        const ch_file_tensor *t = ch_file_tensor_find(f, all[i].name);
        assert_ptr_equal(t, &f->tensors[i]);
        ch_tensor_describe(text, sizeof text, &t->t);
        assert_string_equal(text, all[i].is);
        for (size_t k = 0; k < t->bytes; k++)
            assert_int_equal(((const unsigned char *)t->t.data)[k], (all[i].at + k) * 7 % 60);
    }
    ch_file_close(&f);
    ch_buf_close(&b);
}

/* Headers, each with one wrong thing, and how many bytes of data follow. */
static const struct {
    const char *header;
    size_t data;
    int code;
    const char *says;
} bad[] = {
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}", 8, CH_EFORMAT, "bad:1:"},
    {"{\"t\":[]}", 0, CH_EFORMAT, "\"t\": its dtype is no string"},
    {"{\"t\":{\"dtype\":7,\"shape\":[2],\"data_offsets\":[0,8]}}", 8, CH_EFORMAT, "no string"},
    {"{\"t\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, CH_EUNSUPPORTED,
     "dtype \"I64\", supported are F32 F16"},
    {"{\"t\":{\"dtype\":\"q8_0\",\"shape\":[32],\"data_offsets\":[0,34]}}", 34, CH_EUNSUPPORTED,
     "\"q8_0\""},
    {"{\"t\":{\"dtype\":\"\",\"shape\":[32],\"data_offsets\":[0,34]}}", 34, CH_EUNSUPPORTED,
     "dtype \"\""},
    {"{\"t\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, CH_EFORMAT, "its shape"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,2],\"data_offsets\":[0,8]}}", 8, CH_EFORMAT,
     "at most 4"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", 8, CH_EFORMAT,
     "no integer"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, CH_EFORMAT,
     "dimension 0 is 0"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, CH_EFORMAT, "is -2"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,8]}}", 8,
     CH_EFORMAT, "2^63"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,8]}}", 8,
     CH_EFORMAT, "bad:1:"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, CH_EFORMAT, "no pair of integers"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8, CH_EFORMAT, "no pair"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,9]}}", 8, CH_EFORMAT,
     "no pair"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8, CH_EFORMAT, "-8 to 0"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, CH_EFORMAT, "8 to 0"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9]}}", 8, CH_EFORMAT,
     "the file has 8 bytes"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,7]}}", 8, CH_EFORMAT,
     "its shape takes 8 bytes, its data_offsets hold 7"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 9, CH_EFORMAT,
     "end at 8 of 9 bytes"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, CH_EFORMAT,
     "\"t\" begins at 4, where the one before ends is 0"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
     "\"u\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}",
     12, CH_EFORMAT, "\"u\" begins at 8"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
     "\"u\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
     12, CH_EFORMAT, "\"u\" begins at 4, where the one before ends is 8"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
     "\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}",
     16, CH_EFORMAT, "uplicate"},
    {"{\"\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, CH_EFORMAT,
     "a name of 0 bytes"},
    {"{\"__metadata__\":[]}", 0, CH_EFORMAT, "no JSON object"},
    {"{\"__metadata__\":{\"k\":1}}", 0, CH_EFORMAT, "\"k\" is no string"},
    {"{\"__metadata__\":{\"k\":\"v\",\"k\":\"v\"}}", 0, CH_EFORMAT, "uplicate"},
    {"{\"t\":\"\xff\"}", 0, CH_EFORMAT, "bad:1:"},
};

static void bad_files_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(bad); i++) {
        ch_buf b;
        ch_err e = {0};
        ch_file *f;
        sample_json(&b, bad[i].header, bad[i].data);
        char *exact = guarded(b.size);
        memcpy(exact, b.data, b.size);
        int rc = ch_file_open_memory(&f, exact, b.size, "bad", &e);
        assert_fails(rc, bad[i].code, e, bad[i].says);
        assert_null(f);
        guarded_free(exact, b.size);
        ch_buf_close(&b);
    }
}

static void header_lengths_are_checked(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {3, 16, 100000000, 100000001, 1ull << 63, UINT64_MAX};
    for (size_t i = 0; i < CH_COUNT(lengths); i++) {
        ch_buf b;
        ch_err e = {0};
        ch_file *f;
        sample_json(&b, "{}      ", 0);
        memcpy(b.data, &lengths[i], 8);
        assert_true(ch_file_open_memory(&f, b.data, b.size, "bad", &e) < 0);
        assert_null(f);
        assert_true(strstr(e.text, "a header of") || strstr(e.text, "not a model file") ||
                    lengths[i] == 3);
        ch_buf_close(&b);
    }
}

static void the_order_of_names_is_free(void **state)
{
    (void)state;
    ch_buf b;
    ch_err e = {0};
    ch_file *f;
    sample_json(&b,
                "{\"c\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]},"
                "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
                12);
    assert_ok(ch_file_open_memory(&f, b.data, b.size, "mixed", &e), e);
    assert_string_equal(f->tensors[0].name, "c");
    assert_int_equal(*(const unsigned char *)ch_file_tensor_find(f, "b")->t.data, 4 * 7);
    ch_file_close(&f);
    ch_buf_close(&b);
}

static void no_tensors_are_fine(void **state)
{
    (void)state;
    ch_buf b;
    ch_err e = {0};
    ch_file *f;
    sample_json(&b, "{}", 0);
    assert_ok(ch_file_open_memory(&f, b.data, b.size, "empty", &e), e);
    assert_int_equal(f->n_tensors, 0);
    ch_file_close(&f);
    ch_buf_close(&b);
}

static void reading_and_writing_changes_nothing(void **state)
{
    (void)state;
    ch_buf b;
    ch_err e = {0};
    ch_file *f, *g;
    char *dir = temp_dir(), *path = ch_io_join(dir, "again.safetensors");
    sample_safetensors(&b);
    assert_ok(ch_file_open_memory(&f, b.data, b.size, "sample", &e), e);
    assert_ok(ch_safetensors_write(f, path, &e), e);
    assert_ok(ch_file_open(&g, path, &e), e);
    assert_int_equal(g->n_meta, f->n_meta);
    for (size_t i = 0; i < f->n_meta; i++) {
        assert_int_equal(g->meta[i].key.n, f->meta[i].key.n);
        assert_memory_equal(g->meta[i].key.p, f->meta[i].key.p, f->meta[i].key.n);
        assert_int_equal(g->meta[i].v.s.n, f->meta[i].v.s.n);
        assert_memory_equal(g->meta[i].v.s.p, f->meta[i].v.s.p, f->meta[i].v.s.n);
    }
    assert_int_equal(g->n_tensors, f->n_tensors);
    for (size_t i = 0; i < f->n_tensors; i++) {
        const ch_file_tensor *t = &f->tensors[i], *u = ch_file_tensor_find(g, t->name);
        assert_non_null(u);
        assert_int_equal(u->t.dtype, t->t.dtype);
        assert_int_equal(u->t.rank, t->t.rank);
        assert_memory_equal(u->t.dim, t->t.dim, sizeof t->t.dim);
        assert_memory_equal(u->t.data, t->t.data, t->bytes);
    }
    /* Descending elements: 8 bytes, then 4 by name, then 2 by name. */
    assert_string_equal(g->tensors[0].name, "extra");
    assert_string_equal(g->tensors[1].name, "model.layers.1.self_attn.q_proj.weight");
    assert_string_equal(g->tensors[2].name, "scale");
    assert_string_equal(g->tensors[3].name, "lm_head.weight");
    assert_int_equal((uintptr_t)g->tensors[0].t.data % 8, 0);
    ch_file_close(&f);
    ch_file_close(&g);
    ch_buf_close(&b);
    free(path);
    temp_dir_remove(dir);
}

/* Numbers have no place in its metadata. */
static void other_metadata_is_left_out(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_file *f, *g;
    char *dir = temp_dir(), *path = ch_io_join(dir, "strings");
    assert_ok(ch_file_new(&f, &e), e);
    assert_ok(ch_file_set_u32(f, "number", 7, &e), e);
    assert_ok(ch_safetensors_write(f, path, &e), e);
    assert_ok(ch_file_open(&g, path, &e), e);
    assert_int_equal(g->n_meta, 0);
    ch_file_close(&g);
    assert_ok(ch_file_set_str(f, "text", "", 0, &e), e);
    assert_ok(ch_safetensors_write(f, path, &e), e);
    assert_ok(ch_file_open(&g, path, &e), e);
    assert_int_equal(g->n_meta, 1);
    ch_file_close(&g);
    ch_file_close(&f);
    free(path);
    temp_dir_remove(dir);
}

static void what_it_cannot_hold_is_not_written(void **state)
{
    (void)state;
    static char data[34];
    static const struct {
        const char *name, *says;
        ch_dtype dtype;
        int code;
    } wrong[] = {{"t", "no such format", CH_Q8_0, CH_EUNSUPPORTED},
                 {"__metadata__", "cannot be called", CH_F16, CH_EARG},
                 {"\xff", "not UTF-8", CH_F16, CH_EARG}};
    char *dir = temp_dir(), *path = ch_io_join(dir, "never");
    for (size_t i = 0; i < CH_COUNT(wrong); i++) {
        ch_err e = {0};
        ch_file *f;
        assert_ok(ch_file_new(&f, &e), e);
        const ch_tensor t = ch_tensor_1d(data, wrong[i].dtype, wrong[i].dtype == CH_Q8_0 ? 32 : 17);
        assert_ok(ch_file_add_tensor(f, wrong[i].name, &t, &e), e);
        assert_fails(ch_safetensors_write(f, path, &e), wrong[i].code, e, wrong[i].says);
        assert_false(ch_io_exists(path));
        ch_file_close(&f);
    }
    ch_err e = {0};
    ch_file *f;
    assert_ok(ch_file_new(&f, &e), e);
    assert_ok(ch_file_set_str(f, "k", "\xff\xfe", 2, &e), e);
    assert_fails(ch_safetensors_write(f, path, &e), CH_EARG, e, "\"k\" is not UTF-8");
    ch_file_close(&f);
    free(path);
    temp_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sample_is_read),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(header_lengths_are_checked),
        cmocka_unit_test(the_order_of_names_is_free),
        cmocka_unit_test(no_tensors_are_fine),
        cmocka_unit_test(reading_and_writing_changes_nothing),
        cmocka_unit_test(other_metadata_is_left_out),
        cmocka_unit_test(what_it_cannot_hold_is_not_written),
    };
    return cmocka_run_group_tests_name("file/safetensors", tests, NULL, NULL);
}
