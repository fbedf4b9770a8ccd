/* config.c - a configuration is what a file says: written, read again, checked; positions that are
 * stretched
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"
#include "table.h"
#include "tiny.h"

#include <math.h>
#include <string.h>

static bool equal(const ch_config *a, const ch_config *b)
{
    const ch_hash128 none = {0, 0};
    return ch_hash_equal(ch_config_hash(none, a), ch_config_hash(none, b));
}

/* Through a file in memory; tensors that decide (a head, biases) are put beside it. */
static int through_a_file(ch_config *out, const ch_config *c, ch_err *e)
{
    static float room[64 * 320];
    const struct {
        const char *name;
        int bit;
    } biases[] = {{"blk.0.attn_q.bias", CH_ROW_QKV_BIAS},
                  {"blk.0.attn_output.bias", CH_ROW_OUTPUT_BIAS},
                  {"blk.0.ffn_up.bias", CH_ROW_HIDDEN_BIAS}};
    const ch_tensor table = ch_tensor_2d(room, CH_F32, c->vocab, c->width);
    const ch_tensor vector = ch_tensor_1d(room, CH_F32, c->width);
    ch_file *f;
    assert_ok(ch_file_new(&f, e), *e);
    assert_ok(ch_file_add_tensor(f, "token_embd.weight", &table, e), *e);
    if (!c->tied)
        assert_ok(ch_file_add_tensor(f, "output.weight", &table, e), *e);
    for (size_t i = 0; i < CH_COUNT(biases); i++)
        if (c->biases & biases[i].bit)
            assert_ok(ch_file_add_tensor(f, biases[i].name, &vector, e), *e);
    assert_ok(ch_config_write(c, f, e), *e);
    const int rc = ch_config_read(out, f, e);
    ch_file_close(&f);
    return rc;
}

static void same_again(const ch_config *c, const char *what)
{
    ch_err e = {0};
    ch_config again;
    assert_ok(through_a_file(&again, c, &e), e);
    if (!equal(c, &again))
        fail_msg("%s: a %s configuration is another one after a file", what, c->arch->name);
}

static void written_and_read(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        ch_stretch_kind kind;
        bool llama3;
    } stretches[] = {{"linear", CH_STRETCH_LINEAR, false},
                     {"yarn", CH_STRETCH_YARN, false},
                     {"longrope", CH_STRETCH_LONG, false},
                     {"llama3", CH_STRETCH_NONE, true}};
    for (int i = 0; ch_arch_at(i); i++) {
        ch_config c = tiny_config(ch_arch_at(i)->name);
        same_again(&c, "plain");
        c.tied = false;
        same_again(&c, "untied");
        for (size_t s = 0; s < CH_COUNT(stretches) && c.rope.dims > 0; s++) {
            ch_config_stretch(&c, stretches[s].kind, stretches[s].llama3);
            same_again(&c, stretches[s].what);
        }
    }
    ch_config c = tiny_config("llama");
    c.biases = CH_ROW_QKV_BIAS | CH_ROW_HIDDEN_BIAS;
    same_again(&c, "with biases");
    c.window = 9;
    ch_config_windows(&c, 0);
    same_again(&c, "with windows everywhere");
    c.kind[1] = CH_LAYER_FULL;
    same_again(&c, "with windows here and there");
    c = tiny_config("granite");
    memset(c.kind, CH_LAYER_UNTURNED, (size_t)c.layers);
    same_again(&c, "without positions");
}

/* Every number is part of the hash. */
static void hash_tells_apart(void **state)
{
    (void)state;
    const ch_config c = tiny_config("phi3");
    ch_config all[16];
    for (size_t i = 0; i < CH_COUNT(all); i++)
        all[i] = c;
    all[1].window = 3;
    all[2].kind[1] = CH_LAYER_UNTURNED;
    all[3].attention_cap = 3;
    all[4].logit_cap = 3;
    all[5].attention_scale = 3;
    all[6].embedding_scale = 3;
    all[7].residual_scale = 3;
    all[8].logit_scale = 3;
    all[9].stretch.divisor[1][2] = 3;
    all[10].stretch.magnitude = 3;
    all[11].stretch.original = 3;
    all[12].local_base = 3;
    all[13].taps = 3;
    all[14].biases = CH_ROW_OUTPUT_BIAS;
    all[15].context = 3;
    for (size_t i = 0; i < CH_COUNT(all); i++)
        for (size_t j = 0; j < i; j++)
            assert_false(equal(&all[i], &all[j]));
}

static void windows_come_in_periods(void **state)
{
    (void)state;
    ch_config c = {.layers = 7};
    c.kind[3] = CH_LAYER_CONVOLUTION;
    ch_config_windows(&c, 3);
    const uint8_t third[7] = {1, 1, 0, CH_LAYER_CONVOLUTION, 1, 0, 1};
    assert_memory_equal(c.kind, third, sizeof third);
    ch_config_windows(&c, 0);
    const uint8_t all[7] = {1, 1, 1, CH_LAYER_CONVOLUTION, 1, 1, 1};
    assert_memory_equal(c.kind, all, sizeof all);
    assert_int_equal(ch_config_attending(&c, 7), 6);
    assert_int_equal(ch_config_attending(&c, 3), 3);
}

static void near(double found, double wanted, const char *what)
{
    if (!(fabs(found - wanted) <= 1e-6 * fabs(wanted)))
        fail_msg("%s: %.9g, wanted %.9g", what, found, wanted);
}

/* Numbers worked out by hand from the papers' formulas for R = 8, base 10000: speeds 1, 0.1, 0.01,
 * 0.001. */
static void speeds(void **state)
{
    (void)state;
    double v[CH_MAX_PAIRS];
    ch_rope rope;
    ch_config c = tiny_config("llama");
    c.head_width = c.rope.dims = 8;
    c.context = 4096;

    ch_rope_speeds(&rope, v, &c, CH_ROPE_SHORT);
    assert_null(rope.speed);
    ch_config_stretch(&c, CH_STRETCH_LINEAR, false);
    ch_rope_speeds(&rope, v, &c, CH_ROPE_SHORT);
    near(rope.speed[0], 0.25, "linear");
    near(rope.speed[3], 0.00025, "linear");

    /* Turns within 1024 tokens: 163, 16.3, 1.63, 0.163.  c(32) = 8 ln(5.093) / (2 ln 10000) =
     * 0.7069, c(1) = 2.2121: lo 0, hi 3, so that a share of 1 - i/3 is left as it was. */
    ch_config_stretch(&c, CH_STRETCH_YARN, false);
    ch_rope_speeds(&rope, v, &c, CH_ROPE_SHORT);
    near(rope.speed[0], 1, "yarn, a fast pair");
    near(rope.speed[1], 0.1 * (2.0 / 3 + 1.0 / 3 / 4), "yarn, between");
    near(rope.speed[2], 0.01 * (1.0 / 3 + 2.0 / 3 / 4), "yarn, between");
    near(rope.speed[3], 0.00025, "yarn, a slow pair");
    near(rope.magnitude, 0.1 * log(4) + 1, "yarn's magnitude");
    c.stretch.own = 1.5;
    ch_rope_speeds(&rope, v, &c, CH_ROPE_SHORT);
    near(rope.magnitude, 1.5, "a magnitude that the file gives");

    /* Waves of 6.28, 62.8, 628, 6283 tokens; 1024 tokens: stays below 256, an eighth above 1024,
     * between: kept = (1024 / 628.3 - 1) / 3 = 0.20991. */
    ch_config_stretch(&c, CH_STRETCH_NONE, true);
    ch_rope_speeds(&rope, v, &c, CH_ROPE_SHORT);
    near(rope.speed[1], 0.1, "llama3, a fast pair");
    near(rope.speed[2], 0.01 * ((1 - 0.2099155) / 8 + 0.2099155), "llama3, between");
    near(rope.speed[3], 0.001 / 8, "llama3, a slow pair");

    ch_config_stretch(&c, CH_STRETCH_LONG, false);
    assert_int_equal(ch_model_rope(&c, 1024), CH_ROPE_SHORT);
    assert_int_equal(ch_model_rope(&c, 1025), CH_ROPE_LONG);
    ch_rope_speeds(&rope, v, &c, CH_ROPE_LONG);
    near(rope.speed[2], 0.01 / 2, "longrope");
    near(rope.magnitude, sqrt(1 + log(4) / log(1024)), "longrope's magnitude");

    c.local_base = 100;
    ch_rope_speeds(&rope, v, &c, CH_ROPE_LOCAL);
    assert_null(rope.speed);
    near(rope.base, 100, "the base of windows");
}

static void gemma_scale(void **state)
{
    (void)state;
    ch_config c = tiny_config("gemma2");
    assert_true(c.attention_scale == 0);
    c = (ch_config){.arch = ch_arch_find("gemma2", 6), .layers = 46, .width = 128, .heads = 4};
    ch_err e = {0};
    assert_ok(ch_config_small(&c, &e), e);
    near(c.attention_scale, 1 / sqrt(32), "a model of 27 B");
}

static void faults_are_sentences(void **state)
{
    (void)state;
    const ch_config good = tiny_config("phi3");
    ch_config c[14];
    static const char *const says[CH_COUNT(c)] = {
        "sliding_window is 0",      "none of 3 layers", "1 of 3 layers have no key heads",
        "rope.scaling.factor is",   "magnitude",        "original_context_length is -1",
        "beta_fast 0, beta_slow 0", "divisor 1 is 0",   "freq_base_swa is 0.5",
        "softcapping is -1",        "logit_scale is",   "attention.scale is",
        "divisor 0 is nan",         "residual_scale is nan"};
    for (size_t i = 0; i < CH_COUNT(c); i++)
        c[i] = good;
    c[0].kind[2] = CH_LAYER_WINDOW;
    memset(c[1].kind, CH_LAYER_CONVOLUTION, 3);
    c[2].kind[0] = CH_LAYER_CONVOLUTION;
    c[3].stretch.factor = (double)INFINITY;
    c[4].stretch.magnitude = -1;
    c[5].stretch.original = -1;
    c[6].stretch.kind = CH_STRETCH_YARN;
    c[7].stretch.divisor[1][1] = 0;
    c[8].local_base = 0.5;
    c[9].attention_cap = -1;
    c[10].logit_scale = 1e300;
    c[11].attention_scale = 1e-30;
    c[12].stretch.divisor[0][0] = NAN;
    c[13].residual_scale = (double)NAN;
    for (size_t i = 0; i < CH_COUNT(c); i++) {
        ch_err e = {0};
        assert_fails(ch_config_check(&c[i], "m.gguf", &e), CH_EFORMAT, e,
                     says[i]);
    }
}

/* What a file asks for and its architecture does not compute. */
static void scales_are_granite_s(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_config again, c = tiny_config("llama");
    c.embedding_scale = 1;
    assert_ok(through_a_file(&again, &c, &e), e);
    assert_true(again.embedding_scale == 0);
    c.embedding_scale = 12;
    assert_fails(through_a_file(&again, &c, &e), CH_EUNSUPPORTED, e, "embedding_scale");
    c = tiny_config("granite");
    c.embedding_scale = 12;
    same_again(&c, "scaled");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_and_read), cmocka_unit_test(hash_tells_apart),
        cmocka_unit_test(windows_come_in_periods), cmocka_unit_test(speeds),
        cmocka_unit_test(gemma_scale), cmocka_unit_test(faults_are_sentences),
        cmocka_unit_test(scales_are_granite_s),
    };
    return cmocka_run_group_tests_name("model/config", tests, NULL, NULL);
}
