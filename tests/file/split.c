/* GGUF models in several files: any opens all; a part that is missing, or of another model, is
 * named.  SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "support.h"

enum { PARTS = 3 };

static char *dir;
static float data[PARTS][8];

static char *part_path(int i)
{
    static char path[4][512];
    snprintf(path[i % 4], sizeof path[0], "%s/m-%05d-of-%05d.gguf", dir, i + 1, PARTS);
    return path[i % 4];
}

/* Part i, that says it is `no` of `count` with `tensors` in all, and has the tensor of `name`. */
static void write_part(int i, uint32_t no, uint32_t count, uint32_t tensors, int name)
{
    ch_err e = {0};
    ch_file *f;
    char text[16];
    assert_ok(ch_file_new(&f, &e), e);
    if (i == 0)
        assert_ok(ch_file_set_str(f, "general.architecture", "llama", 5, &e), e);
    assert_ok(ch_file_set_u32(f, "split.no", no, &e), e);
    assert_ok(ch_file_set_u32(f, "split.count", count, &e), e);
    assert_ok(ch_file_set_u32(f, "split.tensors.count", tensors, &e), e);
    for (int k = 0; k < 8; k++)
        data[i][k] = (float)(10 * i + k);
    snprintf(text, sizeof text, "t%d", name);
    const ch_tensor t = ch_tensor_1d(data[i], CH_F32, 8);
    assert_ok(ch_file_add_tensor(f, text, &t, &e), e);
    assert_ok(ch_gguf_write(f, part_path(i), &e), e);
    ch_file_close(&f);
}

static int write_all(void **state)
{
    (void)state;
    if (!dir)
        dir = temp_dir();
    for (int i = 0; i < PARTS; i++)
        write_part(i, (uint32_t)i, PARTS, PARTS, i);
    return 0;
}

static int remove_all(void **state)
{
    (void)state;
    temp_dir_remove(dir);
    return 0;
}

static void any_part_opens_all(void **state)
{
    (void)state;
    for (int i = 0; i < PARTS; i++) {
        ch_err e = {0};
        ch_file *f;
        assert_ok(ch_file_open(&f, part_path(i), &e), e);
        assert_int_equal(f->n_tensors, PARTS);
        assert_non_null(ch_file_meta_find(f, "general.architecture"));
        assert_string_equal(f->path, part_path(0));
        for (int k = 0; k < PARTS; k++) {
            char name[16];
            snprintf(name, sizeof name, "t%d", k);
            const ch_file_tensor *t = ch_file_tensor_find(f, name);
            assert_non_null(t);
            assert_memory_equal(t->t.data, data[k], sizeof data[k]);
        }
        ch_file_close(&f);
    }
}

static void refused(int open, int code, const char *says)
{
    ch_err e = {0};
    ch_file *f;
    assert_fails(ch_file_open(&f, part_path(open), &e), code, e, says);
    assert_null(f);
}

static void what_does_not_belong_is_named(void **state)
{
    (void)state;
    unlink(part_path(1));
    refused(0, CH_EIO, "m-00002-of-00003.gguf: a part of the model is missing");
    refused(2, CH_EIO, "m-00002-of-00003.gguf");
    write_part(1, 2, PARTS, PARTS, 1);
    refused(0, CH_EFORMAT, "m-00002-of-00003.gguf: it says it is part 3 of 3");
    write_part(1, 1, PARTS, 7, 1);
    refused(0, CH_EFORMAT, "with 7 tensors in all");
    write_part(1, 1, PARTS, PARTS, 0);
    refused(0, CH_EFORMAT, "tensor \"t0\" appears twice");
    write_part(1, 1, 1, PARTS, 1);
    refused(0, CH_EFORMAT, "part 2 of 1");
    for (int i = 0; i < PARTS; i++)
        write_part(i, (uint32_t)i, PARTS, 4, i);
    refused(1, CH_EFORMAT, "hold 3 tensors, split.tensors.count is 4");
    assert_int_equal(ch_io_write_file(part_path(1), "text", 4, NULL), CH_OK);
    refused(0, CH_EFORMAT, "no GGUF file");
}

static void a_part_by_another_name_says_so(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_file *f;
    char *other = ch_io_join(dir, "other.gguf");
    assert_int_equal(rename(part_path(1), other), 0);
    assert_fails(ch_file_open(&f, other, &e), CH_EFORMAT, e, "it is part 2 of 3 of a model");
    assert_null(f);
    assert_int_equal(rename(part_path(0), part_path(1)), 0);
    refused(1, CH_EFORMAT, "its name says another");
    free(other);
}

static void one_of_one_is_a_file(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_file *f;
    write_part(0, 0, 1, 1, 0);
    assert_ok(ch_file_open(&f, part_path(0), &e), e);
    assert_int_equal(f->n_tensors, 1);
    ch_file_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(any_part_opens_all, write_all),
        cmocka_unit_test_setup(what_does_not_belong_is_named, write_all),
        cmocka_unit_test_setup(a_part_by_another_name_says_so, write_all),
        cmocka_unit_test_setup(one_of_one_is_a_file, write_all),
    };
    return cmocka_run_group_tests_name("file/split", tests, NULL, remove_all);
}
