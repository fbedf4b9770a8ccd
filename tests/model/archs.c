/* archs.c - every architecture's file must be exactly its table; what sessions and files of it can
 * be
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"
#include "tiny.h"

#include "generate.h"

#include <stdlib.h>
#include <string.h>

/* ---- One tensor less, more, or of another shape --------------------------------------------- */

struct change {
    const char *without, *with, *reshaped;
};

/* The file of a tiny model, changed, at dir/bad.gguf. */
static int open_changed(const char *dir, const ch_file *good, const struct change *c, ch_err *e)
{
    static float room[8];
    const ch_tensor odd = ch_tensor_1d(room, CH_F32, 7);
    char *path = ch_io_join(dir, "bad.gguf");
    ch_file *f;
    ch_model *m;
    assert_ok(ch_file_new(&f, e), *e);
    for (size_t i = 0; i < good->n_meta; i++)
        assert_ok(ch_file_set_meta(f, &good->meta[i], e), *e);
    for (size_t i = 0; i < good->n_tensors; i++) {
        const ch_file_tensor *t = &good->tensors[i];
        const bool other = c->reshaped && strcmp(c->reshaped, t->name) == 0;
        if (!c->without || strcmp(c->without, t->name) != 0)
            assert_ok(ch_file_add_tensor(f, t->name, other ? &odd : &t->t, e), *e);
    }
    if (c->with)
        assert_ok(ch_file_add_tensor(f, c->with, &odd, e), *e);
    assert_ok(ch_gguf_write(f, path, e), *e);
    ch_file_close(&f);
    const int rc = ch_model_load_file(&m, path, NULL, e);
    ch_model_free(&m);
    free(path);
    return rc;
}

/* Whether a tensor may be missing: then the file is of another configuration, and as good. */
static bool decides(const char *name)
{
    return strcmp(name, "output.weight") == 0 || strncmp(name, "rope_f", 6) == 0;
}

static void misfits_are_named(void **state)
{
    (void)state;
    for (int a = 0; ch_arch_at(a); a++) {
        char *dir = temp_dir(), *path = ch_io_join(dir, "good.gguf"), says[128];
        ch_err e = {0};
        ch_file *good;
        tiny_write(path, ch_arch_at(a)->name, CH_F32, 1);
        assert_ok(ch_file_open(&good, path, &e), e);
        assert_ok(open_changed(dir, good, &(struct change){0}, &e), e);
        for (size_t i = 0; i < good->n_tensors; i++) {
            const char *name = good->tensors[i].name;
            if (strncmp(name, "blk.", 4) == 0 && strncmp(name, "blk.2.", 6) != 0)
                continue; /* one layer is like the others */
            snprintf(says, sizeof says, decides(name) ? "%s" : "tensor %s is missing", name);
            if (!decides(name))
                assert_fails(open_changed(dir, good, &(struct change){.without = name}, &e),
                             CH_EFORMAT, e, says);
            if (strcmp(name, "token_embd.weight") == 0)
                continue; /* tells the size of the vocabulary */
            snprintf(says, sizeof says, "tensor %s is f32 (7), the configuration says (", name);
            assert_fails(open_changed(dir, good, &(struct change){.reshaped = name}, &e),
                         CH_EFORMAT, e, says);
        }
        assert_fails(open_changed(dir, good, &(struct change){.with = "blk.0.what.weight"}, &e),
                     CH_EFORMAT, e, "tensor blk.0.what.weight is no part of a ");
        const struct change beyond = {.with = "blk.99.attn_norm.weight"};
        assert_fails(open_changed(dir, good, &beyond, &e), CH_EFORMAT, e,
                     "tensor blk.99.attn_norm.weight is no part of a ");
        ch_file_close(&good);
        free(path);
        temp_dir_remove(dir);
    }
}

/* A model of other sizes: all is wrong, some of it is told, and how much there is. */
static void many_misfits_are_counted(void **state)
{
    (void)state;
    char *dir = temp_dir(), *path = ch_io_join(dir, "good.gguf");
    ch_err e = {0};
    ch_file *f;
    ch_model *m;
    ch_config wide = tiny_config("llama");
    tiny_write(path, "llama", CH_F32, 1);
    assert_ok(ch_file_open(&f, path, &e), e);
    wide.width = 32;
    wide.head_width = wide.rope.dims = 8;
    assert_fails(ch_model_create(&m, &wide, 1, f, &e), CH_EFORMAT, e,
                 "29 tensors do not fit, among them: tensor token_embd.weight is f32 (320, 64), "
                 "the configuration says (320, 32); tensor output_norm.weight is f32 (64), the "
                 "configuration says (32); ");
    ch_file_close(&f);
    free(path);
    temp_dir_remove(dir);
}

/* ---- Written again -------------------------------------------------------------------------- */

static int same_values(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    const ch_file_tensor *t = ch_file_tensor_find(arg, w->name);
    (void)row, (void)layer;
    if (!w->stored.data)
        return 0;
    assert_non_null(t);
    assert_int_equal(ch_tensor_count(&t->t), ch_tensor_count(&w->stored));
    assert_int_equal(t->t.dtype, w->stored.dtype);
    assert_memory_equal(t->t.data, w->stored.data, t->bytes);
    return 0;
}

/* A trainable model of a file is the file, to the bit, and its file is the same again. */
static void trained_from_and_written(void **state)
{
    (void)state;
    for (int a = 0; ch_arch_at(a); a++) {
        char *dir = temp_dir(), *path = ch_io_join(dir, "m.gguf");
        ch_err e = {0};
        ch_file *f, *again;
        ch_model *m;
        ch_config c;
        tiny_write(path, ch_arch_at(a)->name, CH_F32, 2);
        assert_ok(ch_file_open(&f, path, &e), e);
        assert_ok(ch_config_read(&c, f, &e), e);
        assert_ok(ch_model_create(&m, &c, 1, f, &e), e);
        ch_model_each(m, same_values, f);
        assert_ok(ch_file_new(&again, &e), e);
        assert_ok(ch_model_to_file(m, again, CH_F32, NULL, &e), e);
        assert_int_equal(again->n_tensors, f->n_tensors);
        for (size_t i = 0; i < f->n_tensors; i++) {
            const ch_file_tensor *t = ch_file_tensor_find(again, f->tensors[i].name);
            assert_non_null(t);
            assert_int_equal(t->bytes, f->tensors[i].bytes);
            assert_memory_equal(t->t.data, f->tensors[i].t.data, t->bytes);
        }
        ch_file_close(&again);
        ch_model_free(&m);
        ch_file_close(&f);
        free(path);
        temp_dir_remove(dir);
    }
}

/* ---- What everything that an architecture adds does to the logits ---------------------------- */

enum { TOKENS = 60 };

static void logits_of(float *out, ch_model *m, int context)
{
    ch_err e = {0};
    ch_session *s;
    ch_token t[TOKENS];
    const ch_session_options o = {
        .threads = 1, .context = context, .k_type = "f32", .v_type = "f32"};
    for (int i = 0; i < TOKENS; i++)
        t[i] = i * 7 % 320;
    assert_ok(ch_session_open(&s, m, &o, &e), e);
    assert_ok(ch_session_feed(s, t, TOKENS, &e), e);
    memcpy(out, ch_session_logits(s), 320 * sizeof *out);
    ch_session_close(&s);
}

static void logits_with(float *out, const ch_config *c, const ch_file *f)
{
    ch_err e = {0};
    ch_model *m;
    assert_ok(ch_model_create(&m, c, 1, f, &e), e);
    logits_of(out, m, 128);
    ch_model_free(&m);
}

/* Takes one thing back. */
static void change_config(ch_config *c, const char *what)
{
    const struct {
        const char *what;
        double *field, value;
    } reals[] = {
        {"attention cap", &c->attention_cap, 0},     {"logit cap", &c->logit_cap, 0},
        {"base of windows", &c->local_base, 0},      {"linear", &c->stretch.factor, 0},
        {"magnitude", &c->stretch.magnitude, 0},     {"embedding", &c->embedding_scale, 0},
        {"residual", &c->residual_scale, 0},         {"attention", &c->attention_scale, 0},
        {"logits", &c->logit_scale, 0},              {"base", &c->rope.base, 10},
    };
    for (size_t i = 0; i < CH_COUNT(reals); i++)
        if (strcmp(reals[i].what, what) == 0)
            *reals[i].field = reals[i].value;
    if (strcmp(what, "divisors") == 0)
        for (int i = 0; i < CH_MAX_PAIRS; i++)
            c->stretch.divisor[1][i] = 1;
    for (int l = 0; strcmp(what, "kinds") == 0 && l < c->layers; l++)
        c->kind[l] = CH_LAYER_FULL;
}

/* The same weights without one thing give other logits: so none of it is passed over. */
static void each_thing_counts(void **state)
{
    (void)state;
    static const char *const things[][2] = {
        {"gemma2", "attention cap"}, {"gemma2", "logit cap"},       {"gemma2", "kinds"},
        {"gemma3", "kinds"},         {"gemma3", "base of windows"}, {"gemma3", "linear"},
        {"phi3", "divisors"},        {"phi3", "magnitude"},         {"granite", "embedding"},
        {"granite", "residual"},     {"granite", "attention"},      {"granite", "logits"},
        {"smollm3", "kinds"},        {"lfm2", "base"},
    };
    float with[320], without[320];
    for (size_t i = 0; i < CH_COUNT(things); i++) {
        ch_model *m = tiny_open(things[i][0], CH_F32, 3);
        ch_config changed = m->config;
        change_config(&changed, things[i][1]);
        logits_with(with, &m->config, m->file);
        logits_with(without, &changed, m->file);
        if (memcmp(with, without, sizeof with) == 0)
            fail_msg("%s: %s makes no difference", things[i][0], things[i][1]);
        logits_with(without, &m->config, m->file);
        assert_memory_equal(with, without, sizeof with);
        ch_model_close(&m);
    }
}

/* Two lists of LongRoPE: which one is a matter of the session's context. */
static void long_positions(void **state)
{
    (void)state;
    float near[320], also_near[320], far[320];
    ch_model *m = tiny_open("phi3", CH_F32, 3);
    assert_int_equal(m->config.stretch.original, 64);
    logits_of(near, m, 60);
    logits_of(also_near, m, 64);
    logits_of(far, m, 65);
    assert_memory_equal(near, also_near, sizeof near);
    assert_memory_not_equal(near, far, sizeof near);
    ch_model_close(&m);
}

static void learned_positions_end(void **state)
{
    (void)state;
    ch_model *m = tiny_open("gpt2", CH_F32, 3);
    ch_err e = {0};
    ch_session *s;
    assert_fails(ch_session_open(&s, m, &(ch_session_options){.context = 257, .threads = 1}, &e),
                 CH_EARG, e, "the model has 256 positions");
    assert_ok(ch_session_open(&s, m, &(ch_session_options){.context = 256, .threads = 1}, &e), e);
    ch_session_close(&s);
    ch_model_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(misfits_are_named),        cmocka_unit_test(many_misfits_are_counted),
        cmocka_unit_test(trained_from_and_written), cmocka_unit_test(each_thing_counts),
        cmocka_unit_test(long_positions),           cmocka_unit_test(learned_positions_end),
    };
    return cmocka_run_group_tests_name("model/archs", tests, NULL, NULL);
}
