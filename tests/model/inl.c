/* inl.c - the published integrator in a model: rules of ending, bits, what is never rounded
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"
#include "tiny.h"

#include "generate.h"
#include "session.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = 45, VOCAB = 320, STEPS = 9, LAYERS = 3 };

static const char *const archs[] = {"inl_v2", "inl_v3"};

/* Steps long enough, and a threshold such that rows end at different ones. */
static ch_model *open_model(const char *arch, ch_inl_stop stop, int steps, double threshold)
{
    ch_err e = {0};
    ch_model *m;
    ch_config c = tiny_config(arch);
    c.inl.stop = stop;
    c.inl.step = (double)0.2f;
    c.inl.threshold = threshold;
    ch_inl_set_steps(&c, steps);
    assert_ok(ch_model_create(&m, &c, 3, NULL, &e), e);
    ch_model_shake(m, 3, 0.2);
    return m;
}

static ch_token id_at(int t)
{
    return t * 7 % VOCAB;
}

/* Logits of rows [from, from + n) in one call, without a cache; spent (LAYERS, n). */
static double *call(ch_model *m, int from, int n, int32_t *spent)
{
    ch_err e = {0};
    unsigned features;
    ch_kernels k;
    ch_arena scratch;
    int32_t pos[TOKENS], first[TOKENS] = {0}, id[TOKENS];
    double *out = malloc((size_t)n * VOCAB * sizeof *out);
    assert_non_null(out);
    for (int t = 0; t < n; t++) {
        pos[t] = t;
        id[t] = id_at(from + t);
    }
    assert_ok(ch_cpu_features(&features, NULL, &e), e);
    ch_kernels_init(&k, features);
    assert_ok(ch_arena_open(&scratch, ch_forward_scratch(m, NULL, &k, NULL, n, n, NULL), &e), e);
    ch_run r = {.scratch = &scratch, .kernels = &k};
    const ch_step step = {.rows = {.n = n, .id = id, .pos = pos, .first = first}, .spent = spent};
    const ch_tensor *z = ch_forward_logits(&r, m, &step);
    for (int i = 0; i < n * VOCAB; i++)
        out[i] = (double)((const real *)z->data)[i];
    ch_arena_close(&scratch);
    return out;
}

/* ---- Steps that rows take -------------------------------------------------------------------- */

static void fixed_takes_them_all(void **state)
{
    (void)state;
    for (size_t a = 0; a < CH_COUNT(archs); a++) {
        int32_t spent[LAYERS * TOKENS];
        ch_model *m = open_model(archs[a], CH_INL_FIXED, STEPS, 1e9);
        free(call(m, 0, TOKENS, spent));
        for (int i = 0; i < LAYERS * TOKENS; i++)
            assert_int_equal(spent[i], STEPS);
        ch_model_free(&m);
    }
}

/* Each row by itself; none before it may; what ended stays as it was, so that more steps for the
 * others change nothing of it. */
static void tokens_end_by_themselves(void **state)
{
    (void)state;
    for (size_t a = 0; a < CH_COUNT(archs); a++) {
        int32_t spent[LAYERS * TOKENS], alone[LAYERS];
        int least = STEPS, most = 0;
        ch_model *m = open_model(archs[a], CH_INL_TOKEN, STEPS, 0.5);
        free(call(m, 0, TOKENS, spent));
        for (int i = 0; i < LAYERS * TOKENS; i++) {
            least = CH_MIN(least, spent[i]);
            most = CH_MAX(most, spent[i]);
        }
        assert_in_range(least, m->config.inl.min_steps + 1, STEPS - 1);
        assert_true(most > least);
        free(call(m, 0, 1, alone)); /* the first row sees nothing but itself */
        for (int l = 0; l < LAYERS; l++)
            assert_int_equal(alone[l], spent[l * TOKENS]);
        ch_model_free(&m);
    }
}

/* The whole call, at the slowest row's step; all rows go on until then. */
static void a_call_ends_together(void **state)
{
    (void)state;
    for (size_t a = 0; a < CH_COUNT(archs); a++) {
        int32_t each[LAYERS * TOKENS], all[LAYERS * TOKENS];
        ch_model *m = open_model(archs[a], CH_INL_REFERENCE, STEPS, 0.8);
        ch_model *token = open_model(archs[a], CH_INL_TOKEN, STEPS, 0.8);
        free(call(m, 0, TOKENS, all));
        free(call(token, 0, TOKENS, each));
        int slowest = 0;
        for (int t = 0; t < TOKENS; t++) {
            slowest = CH_MAX(slowest, each[t]); /* of the first layer, where both see the same */
            for (int l = 0; l < LAYERS; l++)
                assert_int_equal(all[l * TOKENS + t], all[l * TOKENS]);
        }
        assert_int_equal(all[0], slowest);
        assert_in_range(all[0], m->config.inl.min_steps + 1, STEPS - 1);
        free(call(m, 0, 1, all)); /* another call, other neighbours */
        assert_int_equal(all[0], each[0]);
        ch_model_free(&m);
        ch_model_free(&token);
    }
}

/* A threshold that nothing reaches, or that all do at once: then the rules are fixed numbers. */
static void limits_of_the_rules(void **state)
{
    (void)state;
    skip_one_thread();
    static const ch_inl_stop rules[] = {CH_INL_REFERENCE, CH_INL_TOKEN};
    for (size_t a = 0; a < CH_COUNT(archs); a++)
        for (size_t i = 0; i < CH_COUNT(rules); i++)
            for (int reached = 0; reached < 2; reached++) {
                ch_model *m = open_model(archs[a], rules[i], STEPS, reached ? 1e9 : 0);
                ch_model *fixed = open_model(archs[a], CH_INL_FIXED, reached ? 4 : STEPS, 0);
                double *x = call(m, 0, TOKENS, NULL), *y = call(fixed, 0, TOKENS, NULL);
                assert_memory_equal(x, y, TOKENS * VOCAB * sizeof *x);
                free(x);
                free(y);
                ch_model_free(&m);
                ch_model_free(&fixed);
            }
}

/* ---- The same bits however a text is cut ----------------------------------------------------- */

static int keep_row(void *arg, int position, const float *logits)
{
    memcpy((float *)arg + (size_t)position * VOCAB, logits, VOCAB * sizeof *logits);
    return CH_OK;
}

static void session_logits(float *out, ch_model *m, int step_rows)
{
    const ch_session_options o = {.threads = 2, .context = 128, .step_rows = step_rows,
                                  .page_size = 16, .k_type = "f32", .v_type = "f32"};
    ch_err e = {0};
    ch_session *s;
    assert_ok(ch_session_open(&s, m, &o, &e), e);
    for (int t = 0; t < TOKENS; t += step_rows) {
        const int n = CH_MIN(step_rows, TOKENS - t);
        ch_token id[TOKENS];
        for (int i = 0; i < n; i++)
            id[i] = id_at(t + i);
        assert_ok(ch_session_feed_each(s, id, n, keep_row, out, &e), e);
    }
    ch_session_close(&s);
}

/* By CH_INL_REFERENCE they may not be: what a token is depends on who is in its call. */
static void steps_of_any_size_are_the_same(void **state)
{
    (void)state;
    static const ch_inl_stop rules[] = {CH_INL_FIXED, CH_INL_TOKEN};
    static const int cuts[] = {1, 7, 32};
    const size_t bytes = TOKENS * VOCAB * sizeof(float);
    float *whole = malloc(bytes), *cut = malloc(bytes);
    assert_true(whole && cut);
    for (size_t a = 0; a < CH_COUNT(archs); a++)
        for (size_t i = 0; i < CH_COUNT(rules); i++) {
            ch_model *m = open_model(archs[a], rules[i], STEPS, 0.5);
            session_logits(whole, m, TOKENS);
            for (size_t k = 0; k < CH_COUNT(cuts); k++) {
                session_logits(cut, m, cuts[k]);
                assert_memory_equal(whole, cut, bytes);
            }
            ch_model_free(&m);
        }
    free(whole);
    free(cut);
}

/* What another session of the family computed is taken over where the rule gives a token bits of
 * its own, and only there. */
static void pages_are_shared_by_the_rule(void **state)
{
    (void)state;
    skip_one_thread();
    static const ch_inl_stop rules[] = {CH_INL_FIXED, CH_INL_TOKEN, CH_INL_REFERENCE};
    static const ch_session_options o = {.threads = 1, .context = 128, .page_size = 16};
    ch_token id[TOKENS];
    for (int t = 0; t < TOKENS; t++)
        id[t] = id_at(t);
    for (size_t a = 0; a < CH_COUNT(archs); a++)
        for (size_t i = 0; i < CH_COUNT(rules); i++) {
            ch_err e = {0};
            ch_session *first, *second, *alone;
            ch_file *f;
            ch_model *made = open_model(archs[a], rules[i], STEPS, 0.8), *m; /* m cannot train */
            char *dir = temp_dir(), *path = ch_io_join(dir, "m.gguf");
            assert_ok(ch_file_new(&f, &e), e);
            assert_ok(ch_model_to_file(made, f, CH_F32, NULL, &e), e);
            assert_ok(ch_gguf_write(f, path, &e), e);
            assert_ok(ch_model_load_file(&m, path, NULL, &e), e);
            ch_file_close(&f);
            ch_model_free(&made);
            free(path);
            temp_dir_remove(dir);
            assert_ok(ch_session_open(&first, m, &o, &e), e);
            assert_ok(ch_session_fork(&second, first, &e), e);
            assert_ok(ch_session_open(&alone, m, &o, &e), e);
            assert_ok(ch_session_feed(first, id, TOKENS, &e), e);
            assert_ok(ch_session_feed(second, id, TOKENS - 9, &e), e);
            assert_ok(ch_session_feed(alone, id, TOKENS - 9, &e), e);
            const float *x = ch_session_logits(second), *y = ch_session_logits(alone);
            assert_memory_equal(x, y, VOCAB * sizeof *x);
            assert_int_equal(ch_session_get_stats(second).shared_tokens,
                             rules[i] == CH_INL_REFERENCE ? 0 : 32);
            ch_session_close(&first);
            ch_session_close(&second);
            ch_session_close(&alone);
            ch_model_free(&m);
        }
}

/* ---- Embedding ------------------------------------------------------------------------------- */

/* A row that enters as the vector that its token stands for gives what the token gives. */
static void vectors_enter_after_the_map(void **state)
{
    (void)state;
    for (size_t a = 0; a < CH_COUNT(archs); a++) {
        ch_model *m = open_model(archs[a], CH_INL_FIXED, 3, 0);
        const ch_weight *table = m->globals, *up = table + 1; /* first in both */
        const int D = m->config.width, R = m->config.rank;
        const ch_session_options o = {.threads = 1, .context = 128};
        float *want = malloc(VOCAB * sizeof *want), *vector = calloc((size_t)D, sizeof *vector);
        ch_err e = {0};
        ch_session *s;
        assert_true(want && vector && R > 0);
        const ch_token id[] = {5, 77};
        const real *low = (const real *)table->stored.data + 77 * R, *map = up->stored.data;
        for (int d = 0; d < D; d++)
            for (int i = 0; i < R; i++)
                vector[d] += map[d * R + i] * low[i];
        assert_ok(ch_session_open(&s, m, &o, &e), e);
        assert_ok(ch_session_feed(s, id, 2, &e), e);
        memcpy(want, ch_session_logits(s), VOCAB * sizeof *want);
        ch_session_close(&s);
        assert_ok(ch_session_open(&s, m, &o, &e), e);
        assert_ok(ch_session_feed(s, id, 1, &e), e);
        assert_ok(ch_session_feed_vectors(s, vector, 1, &e), e);
        for (int i = 0; i < VOCAB; i++)
            assert_true(fabsf(want[i] - ch_session_logits(s)[i]) < 1e-4F);
        ch_session_close(&s);
        ch_model_free(&m);
        free(want);
        free(vector);
    }
}

static void positions_end(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_session *s;
    ch_model *m = open_model("inl_v2", CH_INL_FIXED, 2, 0), *n = open_model("inl_v3", 0, 2, 0);
    assert_fails(ch_session_open(&s, m, &(ch_session_options){.context = 257, .threads = 1}, &e),
                 CH_EARG, e, "the model has 256 positions");
    assert_ok(ch_session_open(&s, n, &(ch_session_options){.context = 257, .threads = 1}, &e), e);
    ch_session_close(&s);
    ch_model_free(&m);
    ch_model_free(&n);
}

/* ---- What a file holds ----------------------------------------------------------------------- */

static void controllers_are_never_rounded(void **state)
{
    (void)state;
    for (size_t a = 0; a < CH_COUNT(archs); a++) {
        ch_err e = {0};
        ch_file *f;
        ch_model *m = open_model(archs[a], CH_INL_FIXED, 2, 0);
        assert_ok(ch_file_new(&f, &e), e);
        assert_ok(ch_model_to_file(m, f, CH_Q4_0, NULL, &e), e);
        for (size_t i = 0; i < f->n_tensors; i++) {
            const ch_file_tensor *t = &f->tensors[i];
            const bool exact = t->t.rank == 1 || strstr(t->name, ".inl_");
            assert_int_equal(t->t.dtype, exact ? CH_F32 : CH_Q4_0);
        }
        ch_file_close(&f);
        ch_model_free(&m);
    }
}

/* Neither made nor read from a file. */
static void refused_both(const ch_config *c, const char *says)
{
    ch_err e = {0};
    ch_model *m;
    ch_config back;
    ch_file *f;
    assert_fails(ch_model_create(&m, c, 1, NULL, &e), CH_EFORMAT, e, says);
    if (c->inl.group == 0 || c->inl.stop > CH_INL_TOKEN) /* no file says it */
        return;
    assert_ok(ch_file_new(&f, &e), e);
    assert_ok(ch_config_write(c, f, &e), e);
    assert_true(ch_config_read(&back, f, &e) < 0);
    ch_file_close(&f);
}

static void refused(const ch_config *c, size_t field, int value, const char *says)
{
    ch_config bad = *c;
    memcpy((char *)&bad + field, &value, sizeof value);
    refused_both(&bad, says);
}

static void refused_real(const ch_config *c, size_t field, double value, const char *says)
{
    ch_config bad = *c;
    memcpy((char *)&bad + field, &value, sizeof value);
    refused_both(&bad, says);
}

static void configurations_are_checked(void **state)
{
    (void)state;
    for (size_t a = 0; a < CH_COUNT(archs); a++) {
        ch_err e = {0};
        ch_model *m;
        ch_config c = tiny_config(archs[a]);
        c.tied = true;
        assert_fails(ch_model_create(&m, &c, 1, NULL, &e), CH_EFORMAT, e, "cannot be the head");
        c.tied = false;
        c.inl.steps[1] = 0;
        assert_fails(ch_model_create(&m, &c, 1, NULL, &e), CH_EFORMAT, e, "layer 1 has no");
        ch_inl_set_steps(&c, 1000);
        refused(&c, offsetof(ch_config, inl.group), -1, "group_size is -1");
        refused(&c, offsetof(ch_config, inl.group), 0, "group_size is 0");
        refused(&c, offsetof(ch_config, inl.group), 65537, "group_size is 65537");
        refused(&c, offsetof(ch_config, inl.min_steps), -1, "min_steps is -1");
        refused(&c, offsetof(ch_config, inl.min_steps), 256, "min_steps is 256");
        refused(&c, offsetof(ch_config, inl.stop), 3, "stop is 3");
        refused_real(&c, offsetof(ch_config, inl.step), -0.1, "step is -0.1");
        refused_real(&c, offsetof(ch_config, inl.step), (double)NAN, "step is");
        refused_real(&c, offsetof(ch_config, inl.step), 1001, "step is 1001");
        refused_real(&c, offsetof(ch_config, inl.threshold), -1, "threshold is -1");
        refused_real(&c, offsetof(ch_config, inl.threshold), 1e10, "threshold is 1e+10");
        assert_int_equal(c.inl.steps[1], 255);
        const ch_hash128 zero = {0}, before = ch_config_hash(zero, &c);
        c.inl.steps[2]--;
        const ch_hash128 after = ch_config_hash(zero, &c);
        assert_memory_not_equal(&before, &after, sizeof before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_takes_them_all),
        cmocka_unit_test(tokens_end_by_themselves),
        cmocka_unit_test(a_call_ends_together),
        cmocka_unit_test(limits_of_the_rules),
        cmocka_unit_test(steps_of_any_size_are_the_same),
        cmocka_unit_test(pages_are_shared_by_the_rule),
        cmocka_unit_test(vectors_enter_after_the_map),
        cmocka_unit_test(positions_end),
        cmocka_unit_test(controllers_are_never_rounded),
        cmocka_unit_test(configurations_are_checked),
    };
    return cmocka_run_group_tests_name("model/inl", tests, NULL, NULL);
}
