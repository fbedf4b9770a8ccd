/* Asking a file for metadata, and building one.  SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>

#include "samples.h"
#include "support.h"

static ch_file *sample(ch_buf *b)
{
    ch_err e = {0};
    ch_file *f;
    sample_gguf(b, 3);
    assert_ok(ch_file_open_memory(&f, b->data, b->size, "x.gguf", &e), e);
    return f;
}

static void numbers_come_within_their_range(void **state)
{
    (void)state;
    ch_buf b;
    ch_file *f = sample(&b);
    ch_err e = {0};
    int64_t v = 7;
    double r = 7;
    bool on = false;
    assert_ok(ch_file_int(&v, f, "a.i8", -2, -2, &e), e);
    assert_int_equal(v, -2);
    assert_ok(ch_file_int(&v, f, "a.u32", 0, INT64_MAX, &e), e);
    assert_int_equal(v, 4294967294);
    assert_fails(ch_file_int(&v, f, "a.i8", 0, 9, &e), CH_EFORMAT, e,
                 "x.gguf: metadata \"a.i8\" is -2, allowed are 0 to 9");
    assert_fails(ch_file_int(&v, f, "a.u64", 0, INT64_MAX, &e), CH_EFORMAT, e,
                 "is 18446744073709551614, allowed are 0 to 9223372036854775807");
    assert_fails(ch_file_int(&v, f, "a.f32", 0, 9, &e), CH_EFORMAT, e,
                 "\"a.f32\" is a real number, wanted is an integer");
    assert_fails(ch_file_int(&v, f, "a.bool", 0, 9, &e), CH_EFORMAT, e, "is a bool");
    assert_fails(ch_file_int(&v, f, "none", 0, 9, &e), CH_EFORMAT, e, "\"none\" is missing");
    assert_int_equal(v, 4294967294); /* failures leave it alone */
    assert_ok(ch_file_int_opt(&v, f, "none", 0, 9, &e), e);
    assert_int_equal(v, 4294967294);
    assert_fails(ch_file_int_opt(&v, f, "words", 0, 9, &e), CH_EFORMAT, e, "is an array");

    assert_ok(ch_file_real(&r, f, "a.f32", -1, 1, &e), e);
    assert_true(r == -0.5);
    assert_ok(ch_file_real(&r, f, "a.i16", -3, 1, &e), e);
    assert_true(r == -2);
    assert_fails(ch_file_real(&r, f, "a.f64", 0, 1, &e), CH_EFORMAT, e,
                 "1e+300, allowed are 0 to 1");
    assert_fails(ch_file_real(&r, f, "words", 0, 1, &e), CH_EFORMAT, e, "wanted is a number");
    assert_fails(ch_file_real(&r, f, "none", 0, 1, &e), CH_EFORMAT, e, "missing");
    assert_ok(ch_file_real_opt(&r, f, "none", 0, 1, &e), e);
    assert_ok(ch_file_bool_opt(&on, f, "a.bool", &e), e);
    assert_true(on);
    assert_ok(ch_file_bool_opt(&on, f, "none", &e), e);
    assert_fails(ch_file_bool_opt(&on, f, "a.u8", &e), CH_EFORMAT, e, "wanted is a bool");
    ch_file_close(&f);
    ch_buf_close(&b);
}

static void strings_and_arrays_come_as_what_they_are(void **state)
{
    (void)state;
    ch_buf b;
    ch_file *f = sample(&b);
    ch_err e = {0};
    ch_str s;
    const ch_str *all;
    size_t n;
    double r;
    int64_t v;
    assert_ok(ch_file_str(&s, f, "general.architecture", &e), e);
    assert_int_equal(s.n, 5);
    assert_memory_equal(s.p, "llama", 5);
    assert_fails(ch_file_str(&s, f, "a.u8", &e), CH_EFORMAT, e, "wanted is a string");
    assert_fails(ch_file_str(&s, f, "none", &e), CH_EFORMAT, e, "missing");
    assert_fails(ch_file_str_array(&all, &n, f, "numbers", &e), CH_EFORMAT, e,
                 "wanted are strings");
    assert_fails(ch_file_str_array(&all, &n, f, "a.u8", &e), CH_EFORMAT, e, "array of strings");
    assert_fails(ch_file_str_array(&all, &n, f, "none", &e), CH_EFORMAT, e, "missing");
    assert_int_equal(ch_meta_at_real(&r, ch_file_meta_find(f, "numbers"), 0), CH_OK);
    assert_true(r == 1);
    assert_true(ch_meta_at_real(&r, ch_file_meta_find(f, "flags"), 0) < 0);
    assert_true(ch_meta_at_int(&v, ch_file_meta_find(f, "words"), 0) < 0);
    assert_true(ch_meta_at_int(&v, ch_file_meta_find(f, "a.u8"), 0) < 0);
    static const uint64_t big[] = {INT64_MAX, 1ull << 63};
    ch_meta m = {.type = CH_META_ARRAY,
                 .v.a = {.type = CH_META_UINT, .gguf_type = 10, .n = 2, .data = big}};
    assert_int_equal(ch_meta_at_int(&v, &m, 0), CH_OK);
    assert_int_equal(v, INT64_MAX);
    assert_true(ch_meta_at_int(&v, &m, 1) < 0);
    assert_int_equal(ch_meta_at_real(&r, &m, 1), CH_OK);
    assert_true(r == 0x1p63);
    ch_file_close(&f);
    ch_buf_close(&b);
}

static void what_is_no_model_says_so(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_file *f;
    assert_fails(ch_file_open_memory(&f, "", 0, "x", &e), CH_EFORMAT, e, "x: the file is empty");
    assert_fails(ch_file_open_memory(&f, "PL\3\4....", 8, "x", &e), CH_EFORMAT, e,
                 "8 bytes that begin with 50 4c 03 04, known are gguf safetensors llama2c");
    assert_fails(ch_file_open_memory(&f, "PK\3\4....", 8, "x", &e), CH_EUNSUPPORTED, e, "pickles");
    assert_fails(ch_file_open_memory(&f, "tjgg....", 8, "x", &e), CH_EUNSUPPORTED, e,
                 "before GGUF");
    assert_fails(ch_file_open(&f, "/dev/zero", &e), CH_EARG, e, "/dev/zero is a device or a pipe");
    assert_null(f);
    assert_fails(ch_file_open_memory(&f, "G", 1, "x", &e), CH_EFORMAT, e, "not a model file");
    char *dir = temp_dir(), *path = ch_io_join(dir, "none");
    assert_fails(ch_file_open(&f, path, &e), CH_EIO, e, "none");
    assert_fails(ch_file_open(&f, dir, &e), CH_EARG, e, "directory");
    assert_null(f);
    assert_int_equal(ch_file_open(&f, path, NULL), CH_EIO);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_fails(ch_file_open(&f, path, &e), CH_EARG, e, "is a device or a pipe");
    ch_file_close(&f);
    ch_file_close(NULL);
    free(path);
    temp_dir_remove(dir);
}

/* ---- Building ------------------------------------------------------------------------------- */

static bool same_meta(const ch_meta *a, const ch_meta *b)
{
    if (a->key.n != b->key.n || memcmp(a->key.p, b->key.p, a->key.n) != 0 || a->type != b->type ||
        a->gguf_type != b->gguf_type)
        return false;
    if (a->type == CH_META_STR)
        return a->v.s.n == b->v.s.n && memcmp(a->v.s.p, b->v.s.p, a->v.s.n) == 0;
    if (a->type == CH_META_BOOL)
        return a->v.b == b->v.b;
    if (a->type != CH_META_ARRAY)
        return a->v.u == b->v.u;
    if (a->v.a.type != b->v.a.type || a->v.a.gguf_type != b->v.a.gguf_type || a->v.a.n != b->v.a.n)
        return false;
    const ch_str *s = a->v.a.data, *t = b->v.a.data;
    for (size_t i = 0; i < a->v.a.n; i++) {
        int64_t v = 0, w = 0;
        double x = 0, y = 0;
        if (a->v.a.type == CH_META_STR) {
            if (s[i].n != t[i].n || memcmp(s[i].p, t[i].p, s[i].n) != 0)
                return false;
        } else if (ch_meta_at_int(&v, a, i) != ch_meta_at_int(&w, b, i) || v != w ||
                   ch_meta_at_real(&x, a, i) != ch_meta_at_real(&y, b, i) || x != y) {
            return false;
        }
    }
    return true;
}

static ch_file *built(float *data)
{
    static const int32_t ids[] = {-1, 0, INT32_MAX};
    static const float scores[] = {-1.5f, 0.25f};
    ch_str words[] = {{"a", 1}, {"", 0}, {"b\0c", 3}};
    ch_err e = {0};
    ch_file *f;
    assert_ok(ch_file_new(&f, &e), e);
    assert_ok(ch_file_set_str(f, "name", "first", 5, &e), e);
    assert_ok(ch_file_set_u32(f, "u32", UINT32_MAX, &e), e);
    assert_ok(ch_file_set_u64(f, "u64", UINT64_MAX, &e), e);
    assert_ok(ch_file_set_f32(f, "f32", 1e-5f, &e), e);
    assert_ok(ch_file_set_bool(f, "bool", true, &e), e);
    assert_ok(ch_file_set_strs(f, "words", words, CH_COUNT(words), &e), e);
    assert_ok(ch_file_set_strs(f, "no words", NULL, 0, &e), e);
    assert_ok(ch_file_set_i32s(f, "ids", ids, CH_COUNT(ids), &e), e);
    assert_ok(ch_file_set_f32s(f, "scores", scores, CH_COUNT(scores), &e), e);
    assert_ok(ch_file_set_str(f, "name", "again", 5, &e), e); /* replaced in its place */
    const ch_tensor t = ch_tensor_2d(data, CH_F32, 3, 4);
    assert_ok(ch_file_add_tensor(f, "t", &t, &e), e);
    const ch_tensor row = ch_tensor_slice_rows(&t, 1, 1);
    assert_ok(ch_file_add_tensor(f, "row", &row, &e), e);
    return f;
}

static void what_was_built_is_what_is_read(void **state)
{
    (void)state;
    float data[12];
    for (int i = 0; i < 12; i++)
        data[i] = (float)i;
    ch_err e = {0};
    ch_file *f = built(data), *g, *h;
    char *dir = temp_dir(), *path = ch_io_join(dir, "built.gguf");
    assert_ok(ch_gguf_write(f, path, &e), e);
    assert_ok(ch_file_open(&g, path, &e), e);
    assert_int_equal(g->n_meta, 9);
    assert_ok(ch_file_new(&h, &e), e);
    for (size_t i = 0; i < g->n_meta; i++) {
        if (!same_meta(&f->meta[i], &g->meta[i]))
            fail_msg("entry %zu differs after writing and reading", i);
        assert_ok(ch_file_set_meta(h, &g->meta[i], &e), e);
        if (!same_meta(&h->meta[i], &g->meta[i]))
            fail_msg("entry %zu differs in a copy", i);
    }
    assert_memory_equal(g->meta[0].v.s.p, "again", 5);
    assert_int_equal(g->n_tensors, 2);
    assert_memory_equal(g->tensors[0].t.data, data, sizeof data);
    assert_memory_equal(g->tensors[1].t.data, data + 4, 16);
    ch_file_close(&g); /* the copy needs nothing of it */
    for (size_t i = 0; i < h->n_meta; i++)
        assert_true(same_meta(&h->meta[i], &f->meta[i]));
    ch_file_close(&h);
    ch_file_close(&f);
    free(path);
    temp_dir_remove(dir);
}

static void every_kind_of_value_is_copied(void **state)
{
    (void)state;
    ch_buf b;
    ch_err e = {0};
    ch_file *f = sample(&b), *g;
    assert_ok(ch_file_new(&g, &e), e);
    for (size_t i = 0; i < f->n_meta; i++) {
        assert_ok(ch_file_set_meta(g, &f->meta[i], &e), e);
        assert_true(same_meta(&f->meta[i], &g->meta[i]));
    }
    ch_file_close(&f);
    ch_file_close(&g);
    ch_buf_close(&b);
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    float data[12] = {0};
    ch_err e = {0};
    ch_file *f = built(data);
    ch_tensor t = ch_tensor_2d(data, CH_F32, 3, 4);
    assert_fails(ch_file_add_tensor(f, "t", &t, &e), CH_EARG, e, "\"t\" is there already");
    t.dim[1] = 2; /* half of each row */
    assert_fails(ch_file_add_tensor(f, "half", &t, &e), CH_EARG, e, "not contiguous");
    t = ch_tensor_2d(data, CH_F32, 3, 0);
    assert_fails(ch_file_add_tensor(f, "none", &t, &e), CH_EARG, e, "dimension 1 is 0");
    t = ch_tensor_1d(NULL, CH_F32, 3);
    assert_fails(ch_file_add_tensor(f, "null", &t, &e), CH_EARG, e, "no data");
    t = ch_tensor_1d(data, CH_F32, 3);
    assert_true(ch_file_add_tensor(f, "", &t, &e) < 0);
    assert_fails(ch_file_set_u32(f, "", 1, &e), CH_EARG, e, "a metadata key of 0 bytes");
    assert_int_equal(f->n_tensors, 2);
    assert_int_equal(f->n_meta, 9);
    void *p = ch_file_memory(f, 1 << 20, &e);
    assert_non_null(p);
    memset(p, 1, 1 << 20);
    assert_null(ch_file_memory(f, SIZE_MAX, &e));
    assert_int_equal(e.code, CH_ENOMEM);
    ch_file_close(&f);
}

static void a_bad_alignment_is_not_written(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_file *f;
    char *dir = temp_dir(), *path = ch_io_join(dir, "never.gguf");
    assert_ok(ch_file_new(&f, &e), e);
    assert_ok(ch_file_set_u32(f, "general.alignment", 24, &e), e);
    assert_fails(ch_gguf_write(f, path, &e), CH_EFORMAT, e, "powers of two");
    assert_false(ch_io_exists(path));
    ch_file_close(&f);
    free(path);
    temp_dir_remove(dir);
}

static void limits_are_kept(void **state)
{
    (void)state;
    float one = 1;
    ch_err e = {0};
    ch_file *f;
    char name[32];
    assert_ok(ch_file_new(&f, &e), e);
    /* More than is allowed: refused before a byte is looked at. */
    const size_t string = ((size_t)64 << 20) + 1, strings = ((size_t)1 << 24) + 1;
    const ch_str words[] = {{"x", string}};
    assert_fails(ch_file_set_str(f, "k", "x", string, &e), CH_ELIMIT, e, "67108865 bytes");
    assert_fails(ch_file_set_strs(f, "k", words, 1, &e), CH_ELIMIT, e, "67108865 bytes");
    assert_fails(ch_file_set_strs(f, "k", words, strings, &e), CH_ELIMIT, e, "16777217 strings");
    const ch_tensor t = ch_tensor_1d(&one, CH_F32, 1);
    for (uint32_t i = 0; i < 65536; i++) {
        snprintf(name, sizeof name, "n%u", i);
        assert_ok(ch_file_set_u32(f, name, i, &e), e);
        assert_ok(ch_file_add_tensor(f, name, &t, &e), e);
    }
    assert_fails(ch_file_set_u32(f, "more", 1, &e), CH_ELIMIT, e, "more than 65536 metadata");
    assert_fails(ch_file_add_tensor(f, "more", &t, &e), CH_ELIMIT, e, "more than 65536 tensors");
    assert_ok(ch_file_set_u32(f, "n65535", 1, &e), e);
    ch_file_close(&f);
}

/* Many entries: look-up, growth and order hold. */
static void many_entries_keep_their_order(void **state)
{
    (void)state;
    enum { N = 3000 };
    float one = 1;
    ch_err e = {0};
    ch_file *f;
    char name[32];
    assert_ok(ch_file_new(&f, &e), e);
    const ch_tensor t = ch_tensor_1d(&one, CH_F32, 1);
    for (uint32_t i = 0; i < N; i++) {
        snprintf(name, sizeof name, "n%u", i);
        assert_ok(ch_file_set_u32(f, name, i, &e), e);
        assert_ok(ch_file_add_tensor(f, name, &t, &e), e);
    }
    for (uint32_t i = 0; i < N; i++) {
        snprintf(name, sizeof name, "n%u", i);
        assert_ptr_equal(ch_file_meta_find(f, name), &f->meta[i]);
        assert_ptr_equal(ch_file_tensor_find(f, name), &f->tensors[i]);
        assert_string_equal(f->tensors[i].name, name);
    }
    ch_file_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_come_within_their_range),
        cmocka_unit_test(strings_and_arrays_come_as_what_they_are),
        cmocka_unit_test(what_is_no_model_says_so),
        cmocka_unit_test(what_was_built_is_what_is_read),
        cmocka_unit_test(every_kind_of_value_is_copied),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(a_bad_alignment_is_not_written),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(many_entries_keep_their_order),
    };
    return cmocka_run_group_tests_name("file/file", tests, NULL, NULL);
}
