/* op.c - names, outputs, rows cut into tasks, counting, records
 *
 * SPDX-License-Identifier: MIT */
#include "bench.h"

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < CH_OPS; i++) {
        assert_true(strlen(ch_op_name((ch_op_id)i)) > 0);
        assert_true(strlen(ch_op_group((ch_op_id)i)) > 0);
    }
    assert_string_equal(ch_op_name(CH_OP_rmsnorm), "rmsnorm");
    assert_string_equal(ch_op_group(CH_OP_rmsnorm), "norm");
}

enum { MOST = 10000 };

typedef struct visits {
    int end[MOST];  /* of the block that begins here */
    int rows[MOST]; /* times seen */
} visits;

static void visit(void *arg, int64_t row0, int64_t row1)
{
    visits *v = arg;
    v->end[row0] = (int)row1;
    for (int64_t i = row0; i < row1; i++)
        v->rows[i]++;
}

/* Every row once, in the same blocks whatever the pool. */
static void test_for_rows(void **state)
{
    (void)state;
    static const int rows[] = {0, 1, 2, 3, 17, 64, 1000, MOST};
    static const double cost[] = {0, 1, 100, 5000, 40000, 1e9};
    static visits alone, shared;
    for (size_t i = 0; i < CH_COUNT(rows); i++)
        for (size_t c = 0; c < CH_COUNT(cost); c++)
            for (int threads = 2; threads <= 3; threads++) {
                bench b;
                bench_open(&b, threads);
                memset(&alone, 0, sizeof alone);
                memset(&shared, 0, sizeof shared);
                ch_op_for_rows(&b.run, rows[i], cost[c], visit, &shared);
                b.run.pool = NULL;
                ch_op_for_rows(&b.run, rows[i], cost[c], visit, &alone);
                assert_memory_equal(&alone, &shared, sizeof alone);
                for (int t = 0; t < MOST; t++)
                    assert_int_equal(alone.rows[t], t < rows[i]);
                bench_close(&b);
            }
}

static void test_output(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, 1);
    const ch_tensor *t = ch_op_output(&b.run, 3, 5);
    assert_int_equal(ch_tensor_rows(t), 3);
    assert_int_equal(ch_tensor_width(t), 5);
    assert_int_equal(t->dtype, CH_REAL);
    assert_null(t->grad);
    ch_tape_begin(&b.run);
    t = ch_op_output(&b.run, 3, 5);
    assert_non_null(t->grad);
    assert_false(ch_op_reached(t));
    ch_tape_end(&b.run);
    assert_null(b.run.tape);
    bench_close(&b);
}

/* The first backward stores, later ones add; one that can only add finds zeros. */
static void test_gradient(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, 2);
    ch_tape_begin(&b.run);
    enum { T = 300, W = 130 };
    const real *d = bench_reals(&b, T * W, 3);
    bool add;
    ch_tensor *t = ch_op_output(&b.run, T, W);
    assert_ptr_equal(ch_op_gradient(t, &add), t->grad);
    assert_false(add);
    assert_true(ch_op_reached(t));
    ch_op_gradient(t, &add);
    assert_true(add);
    t = ch_op_output(&b.run, T, W);
    fill(t->grad, T * W, FILL_NORMAL, 4);
    ch_op_gradient_add(&b.run, t, d);
    assert_memory_equal(t->grad, d, T * W * sizeof *d);
    ch_op_gradient_add(&b.run, t, d);
    for (int i = 0; i < T * W; i++)
        assert_true(t->grad[i] == 2 * d[i]);
    t = ch_op_output(&b.run, T, W);
    fill(t->grad, T * W, FILL_NORMAL, 4);
    assert_ptr_equal(ch_op_gradient_zeroed(&b.run, t), t->grad);
    for (int i = 0; i < T * W; i++)
        assert_true(t->grad[i] == 0);
    ch_op_gradient_add(&b.run, t, d);
    ch_op_gradient_zeroed(&b.run, t);
    assert_memory_equal(t->grad, d, T * W * sizeof *d);
    real sums[2] = {1, 2}; /* a leaf: what it holds is added to */
    ch_tensor leaf = ch_tensor_2d(NULL, CH_REAL, 1, 2);
    ch_op_gradient_add(&b.run, &leaf, d);
    leaf.grad = sums;
    ch_op_gradient_add(&b.run, &leaf, d);
    assert_true(sums[0] == 1 + d[0] && sums[1] == 2 + d[1]);
    ch_tape_end(&b.run);
    bench_close(&b);
}

/* While measuring, shapes can be read, and an impossible size shows in the peak. */
static void test_measuring(void **state)
{
    (void)state;
    bench b;
    ch_arena measuring;
    bench_open(&b, 1);
    ch_arena_measure(&measuring);
    b.run.scratch = &measuring;
    assert_false(ch_op_computes(&b.run));
    const ch_tensor *t = ch_op_output(&b.run, 7, 9);
    assert_int_equal(ch_tensor_rows(t), 7);
    assert_true(measuring.peak >= 7 * 9 * sizeof(real));
    ch_op_output(&b.run, INT64_MAX / 2, INT64_MAX / 2);
    assert_true(measuring.peak == SIZE_MAX);
    ch_arena_close(&measuring);
    bench_close(&b);
}

static int order[3], calls;

static void note(ch_run *r, void *record)
{
    ch_arena_take(r->scratch, 1000); /* given back after each record */
    order[calls++] = *(int *)record;
}

static void test_records(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, 1);
    assert_null(ch_op_record(&b.run, CH_OP_add, sizeof(int), note));
    ch_tape_begin(&b.run);
    for (int i = 0; i < 3; i++)
        *(int *)ch_op_record(&b.run, CH_OP_add, sizeof(int), note) = i;
    const size_t mark = ch_arena_mark(&b.scratch);
    ch_tape_backward(&b.run);
    assert_int_equal(ch_arena_mark(&b.scratch), mark);
    assert_int_equal(calls, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(order[i], 2 - i);
    bench_close(&b);
}

static void test_profile(void **state)
{
    (void)state;
    bench b;
    ch_profile profile = {0};
    bench_open(&b, 1);
    const ch_tensor x = bench_tensor(&b, 3, 32, 1);
    ch_weight w = bench_matrix(&b, CH_Q8_0, 16, 32, 2);
    bench_pack(&b, &w);
    ch_op_linear(&b.run, &x, &w, NULL);
    assert_int_equal(profile.op[CH_OP_linear].calls, 0);
    b.run.profile = &profile;
    ch_op_linear(&b.run, &x, &w, NULL);
    ch_op_linear(&b.run, &x, &w, NULL);
    assert_int_equal(profile.op[CH_OP_linear].calls, 2);
    assert_true(profile.op[CH_OP_linear].macs == 2 * 3 * 16 * 32);
    assert_true(profile.panel_macs[CH_PANEL_Q8] == 2 * 3 * 16 * 32);
    assert_true(profile.panel_macs[CH_PANEL_F32] == 0);
    assert_true(profile.op[CH_OP_linear].bytes == 2 * (double)ch_weight_packed_bytes(&w));
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),   cmocka_unit_test(test_for_rows),
        cmocka_unit_test(test_output),  cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_measuring),
        cmocka_unit_test(test_records), cmocka_unit_test(test_profile),
    };
    return cmocka_run_group_tests_name("op/op", tests, NULL, NULL);
}
