/* config_read.c - a file's numbers are anything: a sentence or a model, and nothing else
 *
 * Every key that an architecture's file has, and those that it could have, is set to every odd
 * value; the file is read as a configuration and, where that passes, as a model.
 * SPDX-License-Identifier: MIT */
#include "support.h"
#include "tiny.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const more[] = {
    "attention.sliding_window",    "attention.sliding_window_pattern",
    "attention.head_count_kv",     "attention.scale",
    "rope.scaling.type",           "rope.scaling.factor",
    "rope.scaling.attn_factor",    "rope.scaling.original_context_length",
    "rope.scaling.yarn_beta_fast", "rope.freq_base_swa",
    "rope.scaling.finetuned",      "shortconv.l_cache",
    "logit_scale",                 "final_logit_softcapping",
    "expert_count",                "attention.causal",
    "rope.dimension_sections",
};

enum { VALUES = 22 };

static int set(ch_file *f, const char *key, int value, ch_err *e)
{
    static const uint32_t whole[] = {0, 1, 2, 3, 17, 1023, 1 << 24, INT32_MAX, UINT32_MAX};
    static const float reals[] = {0, -1, 1e-30f, 1e30f, NAN, INFINITY};
    static const char *const texts[] = {"", "yarn", "linear"};
    static const int32_t zeros[64] = {0}, ones[6] = {1, 1, 1, 1, 1, 1}, odd[3] = {2, 0, -5};
    const int w = CH_COUNT(whole), r = w + (int)CH_COUNT(reals), t = r + (int)CH_COUNT(texts);
    if (value < w)
        return ch_file_set_u32(f, key, whole[value], e);
    if (value < r)
        return ch_file_set_f32(f, key, reals[value - w], e);
    if (value < t)
        return ch_file_set_str(f, key, texts[value - r], strlen(texts[value - r]), e);
    switch (value - t) {
    case 0: return ch_file_set_i32s(f, key, zeros, 64, e);
    case 1: return ch_file_set_i32s(f, key, ones, 6, e);
    case 2: return ch_file_set_i32s(f, key, odd, 3, e);
    default: return ch_file_set_bool(f, key, false, e);
    }
}

/* The good file with one key set. */
static void try_it(const ch_file *good, const char *key, int value)
{
    ch_err e = {0};
    ch_file *f;
    ch_config c;
    assert_ok(ch_file_new(&f, &e), e);
    for (size_t i = 0; i < good->n_meta; i++)
        assert_ok(ch_file_set_meta(f, &good->meta[i], &e), e);
    for (size_t i = 0; i < good->n_tensors; i++)
        assert_ok(ch_file_add_tensor(f, good->tensors[i].name, &good->tensors[i].t, &e), e);
    assert_ok(set(f, key, value, &e), e);
    int rc = ch_config_read(&c, f, &e);
    if (rc == CH_OK) {
        ch_model *m;
        rc = ch_model_create(&m, &c, 1, f, &e);
        ch_model_free(&m);
    }
    if (rc < 0 && (e.code != rc || strlen(e.text) < 10))
        fail_msg("%s, value %d: %d without a sentence", key, value, rc);
    ch_file_close(&f);
}

static void every_key_every_value(void **state)
{
    (void)state;
    skip_one_thread();
    for (int a = 0; ch_arch_at(a); a++) {
        char *dir = temp_dir(), *path = ch_io_join(dir, "m.gguf"), key[128];
        ch_err e = {0};
        ch_file *good;
        tiny_write(path, ch_arch_at(a)->name, CH_F32, 1);
        assert_ok(ch_file_open(&good, path, &e), e);
        for (int v = 0; v < VALUES; v++) {
            for (size_t i = 0; i < good->n_meta; i++) {
                snprintf(key, sizeof key, "%.*s", (int)good->meta[i].key.n, good->meta[i].key.p);
                try_it(good, key, v);
            }
            for (size_t i = 0; i < CH_COUNT(more); i++) {
                snprintf(key, sizeof key, "%s.%s", ch_arch_at(a)->name, more[i]);
                try_it(good, key, v);
            }
        }
        ch_file_close(&good);
        free(path);
        temp_dir_remove(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_key_every_value)};
    return cmocka_run_group_tests_name("model/config_read", tests, NULL, NULL);
}
