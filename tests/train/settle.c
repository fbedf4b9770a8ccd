/* settle.c - tests of train/settle.c: defaults, ranges, and what a resumed run holds one to
 *
 * SPDX-License-Identifier: MIT */
#include "nano.h"

static void defaults_are_the_header_s(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_options o = {0};
    assert_ok(ch_train_settle(&o, NULL, &e), e);
    assert_string_equal(o.arch, "qwen3");
    assert_string_equal(o.optimizer, "muon");
    assert_string_equal(o.schedule, "cosine");
    assert_true(o.matrix_lr == 0.01 && o.momentum == 0.95 && o.ema == 0 && o.spike == 0);
    assert_int_equal(o.layers, 6);
    assert_int_equal(o.width, 256);
    assert_int_equal(o.heads, 4);
    assert_int_equal(o.kv_heads, 2);
    assert_int_equal(o.head_width, 64);
    assert_int_equal(o.hidden, 1024);
    assert_int_equal(o.vocab, 4096);
    assert_int_equal(o.length, 256);
    assert_int_equal(o.micro_batch, 8);
    assert_int_equal(o.accumulate, 2);
    assert_int_equal(o.eval_tokens, 65536);
    assert_true(o.held_out == 0.02 && o.lr == 5e-3 && o.lr_end == 0.1 && o.warmup == 0.02);
    assert_true(o.weight_decay == 0.1 && o.beta1 == 0.9 && o.beta2 == 0.95 && o.clip == 1);
    o = (ch_train_options){.optimizer = "adamw"};
    assert_ok(ch_train_settle(&o, NULL, &e), e);
    assert_true(o.lr == 2e-3);
}

static void shapes_follow_the_width(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_options o = {.width = 128};
    assert_ok(ch_train_settle(&o, NULL, &e), e);
    assert_true(o.heads == 2 && o.kv_heads == 1 && o.head_width == 64 && o.hidden == 512);
    o = (ch_train_options){.width = 96, .heads = 3};
    assert_ok(ch_train_settle(&o, NULL, &e), e);
    assert_true(o.heads == 3 && o.kv_heads == 3 && o.head_width == 32 && o.hidden == 384);
    o = (ch_train_options){.width = 32};
    assert_ok(ch_train_settle(&o, NULL, &e), e);
    assert_true(o.heads == 1 && o.kv_heads == 1 && o.head_width == 64);
}

static void wrong_options_are_named(void **state)
{
    (void)state;
    const struct {
        ch_train_options o;
        const char *says;
    } wrong[] = {
        {{.lr = -1}, "lr is -1; allowed are 1e-12 to 10"},
        {{.lr = (double)NAN}, "lr is nan"},
        {{.layers = -2}, "layers is -2"},
        {{.layers = 5000}, "layers is 5000; allowed are 1 to 1024"},
        {{.heads = 4, .kv_heads = 3}, "heads is 4 and kv_heads 3"},
        {{.head_width = 63}, "head_width is 63; it must be even"},
        {{.arch = "gpt9"}, "arch is \"gpt9\"; known are llama, "},
        {{.accumulate = 6}, "accumulate is 6; it must be a power of two"},
        {{.length = 1}, "length is 1"},
        {{.micro_batch = 1 << 15, .length = 1 << 15}, "micro_batch times length is 1073741824"},
        {{.tokens = -5}, "tokens is -5"},
        {{.beta1 = 1}, "beta1 is 1"},
        {{.held_out = 0.95}, "held_out is 0.95; allowed are 0 to 0.9, or less than 0 for none"},
        {{.steps = -1}, "steps is -1"},
        {{.eval_tokens = -1}, "eval_tokens is -1"},
        {{.context = 100, .length = 200}, "context is 100 and length 200"},
        {{.preset = "huge"}, "preset is \"huge\"; known are nano, tiny, small, medium"},
        {{.optimizer = "sgd"}, "optimizer is \"sgd\"; known are adamw, muon"},
        {{.schedule = "steps"}, "schedule is \"steps\"; known are cosine, linear, constant"},
        {{.precision = "f16"}, "precision is \"f16\"; known are f32, i16"},
        {{.ramp = 0.2, .accumulate = 1}, "ramp is 0.2 and accumulate 1"},
        {{.hours = 2, .steps = 5}, "steps and hours both say how long to train"},
        {{.epochs = 2, .tokens = 5}, "epochs and tokens both say how long to train"},
        {{.width = 1 << 20}, "width is 1048576"},
        {{.lora = 4, .from = "m", .optimizer = "muon"}, "optimizer is \"muon\" beside lora 4"},
        {{.lora = 4, .from = "m", .weight_decay = 0.2}, "weight_decay is 0.2 beside lora 4"},
    };
    for (size_t i = 0; i < CH_COUNT(wrong); i++) {
        ch_err e = {0};
        ch_train_options o = wrong[i].o;
        assert_fails(ch_train_settle(&o, NULL, &e), CH_EARG, e, wrong[i].says);
    }
    ch_err e = {0};
    ch_train_options off = {
        .held_out = -1, .clip = -1, .weight_decay = -1, .warmup = -1, .lr_end = -1};
    assert_ok(ch_train_settle(&off, NULL, &e), e);
}

/* 0.29 100 is less than 29 in doubles. */
static void a_share_of_the_channels_is_rounded(void **state)
{
    (void)state;
    static const struct {
        double share;
        int channels;
    } of[] = {{0.29, 29}, {0.001, 1}, {0.57, 57}, {0.026, 3}, {1, 100}, {0, 0}};
    for (size_t i = 0; i < CH_COUNT(of); i++) {
        ch_err e = {0};
        ch_train_options o = {.arch = "integrator", .layers = 2, .width = 100, .heads = 2,
                              .kv_heads = 2, .head_width = 50, .hidden = 100, .depth = 2,
                              .anchor = "driven", .excitation = of[i].share, .steps = 1};
        assert_ok(ch_train_settle(&o, NULL, &e), e);
        assert_int_equal(ch_train_config(&o).integrator.excited, of[i].channels);
    }
}

static void a_resumed_run_keeps_its_options(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_options o = {.lr = 3e-4,
                          .layers = 3,
                          .arch = "llama",
                          .untied = true,
                          .steps = 70,
                          .seed = UINT64_MAX - 3,
                          .clip = -1};
    assert_ok(ch_train_settle(&o, NULL, &e), e);
    json_t *stored = ch_train_describe(&o), *read;
    ch_buf b; /* as it comes back from the file */
    ch_buf_init(&b, 1 << 16);
    assert_ok(ch_json_dump(&b, stored, &e), e);
    assert_ok(ch_json_parse(&read, b.data, b.size, "state", &e), e);
    ch_train_options again = {.lr = 3e-4, .length = 256};
    assert_ok(ch_train_settle(&again, read, &e), e);
    json_t *described = ch_train_describe(&again);
    assert_true(json_equal(described, stored));
    assert_true(again.seed == UINT64_MAX - 3 && again.untied);
    const struct {
        ch_train_options o;
        const char *says;
    } wrong[] = {
        {{.lr = 1e-3}, "cannot resume: lr is 0.0003 in the run and 0.001 was asked for"},
        {{.steps = 80}, "cannot resume: steps is 70 in the run and 80 was asked for"},
        {{.arch = "qwen3"}, "cannot resume: arch is llama in the run and qwen3 was asked for"},
        {{.seed = 7},
         "cannot resume: seed is 18446744073709551612 in the run and 7 was asked for"},
        {{.width = 512}, "cannot resume: width is 256 in the run and 512 was asked for"},
    };
    for (size_t i = 0; i < CH_COUNT(wrong); i++) {
        ch_train_options w = wrong[i].o;
        assert_fails(ch_train_settle(&w, read, &e), CH_EARG, e, wrong[i].says);
    }
    json_object_set_new(read, "layers", json_string("three"));
    assert_fails(ch_train_settle(&again, read, &e), CH_EFORMAT, e, "\"layers\"");
    json_decref(described);
    json_decref(stored);
    json_decref(read);
    ch_buf_close(&b);
}

static void presets_are_shapes(void **state)
{
    (void)state;
    const struct {
        ch_train_options o;
        int layers, width, heads, kv_heads, head_width, hidden;
    } shapes[] = {
        {{.preset = "nano"}, 2, 64, 4, 2, 16, 256},
        {{.preset = "tiny"}, 8, 256, 4, 2, 64, 1024},
        {{.preset = "small"}, 12, 512, 8, 4, 64, 2048},
        {{.preset = "medium"}, 16, 768, 12, 6, 64, 3072},
        {{.preset = "small", .layers = 3, .hidden = 100}, 3, 512, 8, 4, 64, 100},
        {{.preset = "nano", .heads = 2}, 2, 64, 2, 1, 32, 256},
    };
    for (size_t i = 0; i < CH_COUNT(shapes); i++) {
        ch_err e = {0};
        ch_train_options o = shapes[i].o;
        assert_ok(ch_train_settle(&o, NULL, &e), e);
        assert_int_equal(o.layers, shapes[i].layers);
        assert_int_equal(o.width, shapes[i].width);
        assert_int_equal(o.heads, shapes[i].heads);
        assert_int_equal(o.kv_heads, shapes[i].kv_heads);
        assert_int_equal(o.head_width, shapes[i].head_width);
        assert_int_equal(o.hidden, shapes[i].hidden);
    }
}

static void help_tells_the_defaults(void **state)
{
    (void)state;
    static const struct {
        const char *name, *help;
        double normal;
    } all[] = {
#define OPTION(name, letter, kind, normal, min, max, off, stored, env, value, help)               \
    {#name, help, normal},
#include "options.def"
    };
    for (size_t i = 0; i < CH_COUNT(all); i++) {
        char end[40];
        snprintf(end, sizeof end, " [%g]", all[i].normal);
        if (all[i].normal != 0 && !strstr(all[i].help, end))
            fail_msg("the help of %s does not end with%s", all[i].name, end);
    }
}

static void options_are_set_by_name(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_options o = {0};
    assert_ok(ch_train_option_parse(&o, "lr", "5e-4", "--lr", &e), e);
    assert_ok(ch_train_option_parse(&o, "lr", "1e-1", "LEARNING_RATE", &e), e); /* too late */
    assert_true(o.lr == 5e-4);
    assert_ok(ch_train_option_parse(&o, "clip", "0", "--clip", &e), e);
    assert_true(o.clip < 0); /* none, not "choose" */
    assert_ok(ch_train_option_parse(&o, "seed", "18446744073709551615", "--seed", &e), e);
    assert_true(o.seed == UINT64_MAX);
    assert_fails(ch_train_option_parse(&o, "layers", "0", "--layers", &e), CH_EARG, e,
                 "--layers: layers is 0; allowed are 1 to 1024");
    assert_fails(ch_train_option_parse(&o, "layers", "2.5", "--layers", &e), CH_EARG, e,
                 "--layers has to be a whole number, not \"2.5\"");
    assert_fails(ch_train_option_parse(&o, "lr_end", "1x", "--lr-end", &e), CH_EARG, e,
                 "--lr-end has to be a number");
    json_t *v = json_pack("{s:i, s:f, s:s, s:b, s:f}", "width", 128, "beta1", 0.8, "arch", "llama",
                          "untied", 1, "warmup", 0.0);
    const char *key;
    json_t *at;
    json_object_foreach(v, key, at)
        assert_ok(ch_train_option_set(&o, key, at, "run.json", &e), e);
    assert_true(o.width == 128 && o.beta1 == 0.8 && o.untied && o.warmup < 0);
    assert_string_equal(o.arch, "llama");
    assert_fails(ch_train_option_set(&o, "colour", v, "run.json", &e), CH_EARG, e,
                 "run.json: there is no option \"colour\"");
    assert_fails(ch_train_option_set(&o, "layers", json_object_get(v, "arch"), "run.json", &e),
                 CH_EARG, e, "run.json: layers has to be a whole number");
    json_decref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_header_s),
        cmocka_unit_test(shapes_follow_the_width),
        cmocka_unit_test(wrong_options_are_named),
        cmocka_unit_test(presets_are_shapes),
        cmocka_unit_test(help_tells_the_defaults),
        cmocka_unit_test(options_are_set_by_name),
        cmocka_unit_test(a_share_of_the_channels_is_rounded),
        cmocka_unit_test(a_resumed_run_keeps_its_options),
    };
    return cmocka_run_group_tests_name("train/settle", tests, NULL, NULL);
}
