/* depths.c - rows with steps of their own: against the same rows alone, and the rules that choose
 *
 * SPDX-License-Identifier: MIT */
#include "depths.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"
#include "tiny.h"

enum { IDS = 50, WINDOW = 16, ROWS = 50 + 3 };

typedef struct opened {
    ch_model *m;
    ch_pool *pool;
    ch_token id[IDS];
    ch_depths d;
} opened;

/* Without BOS: each begins with the last token of the one before. */
static ch_windows windows_of(opened *o)
{
    return (ch_windows){
        .ids = {.id = o->id, .n = IDS}, .window = WINDOW, .stride = WINDOW - 1};
}

static void open_all(opened *o, int threads)
{
    ch_err e = {0};
    o->m = tiny_open("integrator", CH_F32, 5);
    assert_ok(ch_pool_open(&o->pool, threads, &e), e);
    for (int i = 0; i < IDS; i++)
        o->id[i] = i * 37 % o->m->config.vocab;
    ch_windows w = windows_of(o);
    assert_ok(ch_depths_open(&o->d, o->m, o->pool, &w, &e), e);
    assert_int_equal(o->d.rows, ROWS);
}

static void close_all(opened *o)
{
    ch_depths_close(&o->d);
    ch_pool_close(&o->pool);
    ch_model_free(&o->m);
}

/* What a row answers depends on its own steps and those of rows before it; and on no thread. */
static void steps_are_each_rows_own(void **state)
{
    (void)state;
    opened o, other;
    int32_t depth[ROWS], less[ROWS];
    double nll[ROWS], again[ROWS], changed[ROWS];
    open_all(&o, 1);
    open_all(&other, 3);
    for (int t = 0; t < ROWS; t++)
        depth[t] = less[t] = 1 + t * 7 % 3;
    less[20] = depth[20] == 1 ? 3 : 1; /* in the second window */
    ch_depths_nll(&o.d, depth, nll);
    ch_depths_nll(&other.d, depth, again);
    ch_depths_nll(&o.d, less, changed);
    assert_memory_equal(nll, again, sizeof nll);
    assert_memory_equal(nll, changed, 20 * sizeof *nll);
    assert_true(nll[20] != changed[20] && nll[25] != changed[25]);
    assert_memory_equal(nll + 32, changed + 32, (ROWS - 32) * sizeof *nll);
    close_all(&o);
    close_all(&other);
}

/* The model's own choice is that of its gate's numbers on what the gate is given. */
static void the_models_choice_is_the_gates(void **state)
{
    (void)state;
    opened o;
    open_all(&o, 2);
    const ch_config *c = &o.m->config;
    const int N = c->integrator.depth, D = c->width;
    const ch_file_tensor *w = ch_file_tensor_find(o.m->file, "depth_gate.weight");
    const ch_file_tensor *b = ch_file_tensor_find(o.m->file, "depth_gate.bias");
    real *h = malloc((size_t)(ROWS * D) * sizeof *h);
    int32_t depth[ROWS];
    int count[CH_MAX_DEPTH + 1] = {0};
    double own[ROWS], told[ROWS], kl[ROWS];
    assert_true(h && w && b);
    ch_depths_inputs(&o.d, h);
    ch_depths_by_gate(depth, h, ROWS, D, w->t.data, b->t.data, N, c->integrator.tolerance);
    ch_depths_nll(&o.d, NULL, own);
    ch_depths_nll(&o.d, depth, told);
    assert_memory_equal(own, told, sizeof own);
    for (int t = 0; t < ROWS; t++)
        count[depth[t]]++;
    assert_true(count[1] > 0 && count[1] < ROWS);
    ch_depths_divergence(&o.d, N, kl);
    for (int t = 0; t < ROWS; t++)
        assert_true(kl[t] < 1e-6);
    ch_depths_divergence(&o.d, 1, kl);
    for (int t = 0; t < ROWS; t++)
        assert_true(kl[t] > 0);
    free(h);
    close_all(&o);
}

static void keys_keep_the_histogram(void **state)
{
    (void)state;
    const int32_t like[] = {1, 3, 1, 2, 1, 2}, want[] = {1, 1, 2, 3, 2, 1};
    const double key[] = {0, -5, 7, 9, 7, 2};
    int32_t depth[6];
    ch_err e = {0};
    assert_ok(ch_depths_by_key(depth, like, key, 6, &e), e);
    assert_memory_equal(depth, want, sizeof depth);
}

/* Every token but the first is scored once. */
static void all_but_the_first_count(void **state)
{
    (void)state;
    opened o;
    int scored = 0;
    open_all(&o, 1);
    for (int t = 0; t < ROWS; t++)
        if (o.d.target[t] >= 0)
            assert_int_equal(o.d.target[t], o.id[++scored]);
    assert_int_equal(scored, IDS - 1);
    close_all(&o);
}

static void ids_have_to_be_the_models(void **state)
{
    (void)state;
    opened o;
    ch_depths d;
    ch_err e = {0};
    open_all(&o, 1);
    o.id[3] = o.m->config.vocab;
    ch_windows w = windows_of(&o);
    assert_fails(ch_depths_open(&d, o.m, o.pool, &w, &e), CH_EARG, e, "token 3 is");
    close_all(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_each_rows_own),
        cmocka_unit_test(the_models_choice_is_the_gates),
        cmocka_unit_test(keys_keep_the_histogram),
        cmocka_unit_test(all_but_the_first_count),
        cmocka_unit_test(ids_have_to_be_the_models),
    };
    return cmocka_run_group_tests_name("eval/depths", tests, NULL, NULL);
}
