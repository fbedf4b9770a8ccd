/* cross_entropy.c - the loss against its formula, chunks that do not see each other, packed heads
 *
 * SPDX-License-Identifier: MIT */
#include "bench.h"

enum { T = 2 * CH_CE_CHUNK + 20, D = 64, V = 500 };

static const ch_loss_spec plain = {.scale = 1};

static void fill_targets(ch_token *target)
{
    for (int t = 0; t < T; t++)
        target[t] = t % 5 == 3 || (t >= CH_CE_CHUNK && t < 2 * CH_CE_CHUNK) ? -1 : t * 13 % V;
}

static double capped(real z, double cap)
{
    return cap > 0 ? cap * tanh((double)z / cap) : (double)z;
}

/* logits: from the same head by ch_op_linear, so that only the loss itself is compared. */
static void test_formula(void **state)
{
    (void)state;
    static const ch_dtype dtypes[] = {CH_F32, CH_BF16, CH_Q8_0, CH_Q4_0};
    for (size_t d = 0; d < CH_COUNT(dtypes); d++) {
        bench b;
        bench_open(&b, 2);
        const ch_tensor x = bench_tensor(&b, T, D, 1);
        ch_weight w = bench_matrix(&b, dtypes[d], V, D, 2);
        if (d != 1)
            bench_pack(&b, &w);
        ch_token target[T];
        real nll[T];
        double sum, again = 0;
        fill_targets(target);
        const double cap = d % 2 ? 4 : 0;
        ch_op_cross_entropy(&b.run, &x, &w, target, &(ch_loss_spec){1, 0, cap}, &sum, nll);
        const ch_tensor *z = ch_op_linear(&b.run, &x, &w, NULL);
        for (int t = 0; t < T; t++) {
            double total = 0, wanted = 0;
            for (int v = 0; v < V; v++)
                total += exp(capped(ch_tensor_row(z, t)[v], cap));
            if (target[t] >= 0)
                wanted = log(total) - capped(ch_tensor_row(z, t)[target[t]], cap);
            again += wanted;
            /* V exponentials of float, summed in float: V + 4 roundings of the total, one of the
             * loss itself; capped logits are good to 9 */
            assert_close(nll[t], wanted, ldexp(V + 4 + fabs(wanted) + 18 * cap, -24), "%s row %d",
                         ch_dtype_get(dtypes[d])->name, t);
        }
        assert_close(sum, again, T * ldexp(V + 4 + 18 * cap, -24), "sum");
        bench_close(&b);
    }
}

/* A row's loss is its own, and ignored rows cost nothing in it. */
static void test_rows_are_alone(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, 3);
    const ch_tensor x = bench_tensor(&b, T, D, 1);
    ch_weight w = bench_matrix(&b, CH_Q8_0, V, D, 2);
    bench_pack(&b, &w);
    ch_token target[T];
    real nll[T], alone;
    double sum, one, in_order = 0;
    fill_targets(target);
    ch_op_cross_entropy(&b.run, &x, &w, target, &plain, &sum, nll);
    for (int t = 0; t < T; t++) {
        const ch_tensor row = ch_tensor_slice_rows(&x, t, 1);
        ch_op_cross_entropy(&b.run, &row, &w, target + t, &plain, &one, &alone);
        assert_true(alone == nll[t]);
        assert_true(target[t] >= 0 || one == 0);
        in_order += one;
    }
    assert_true(in_order == sum);
    bench_close(&b);
}

/* Logits far beyond what e^z can hold. */
static void test_large_logits(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, 1);
    real xs[2] = {3e4F, -3e4F}, ws[3] = {1, -1, 0.5F}, nll[2];
    const ch_tensor x = ch_tensor_2d(xs, CH_REAL, 2, 1);
    const ch_weight w = {.stored = ch_tensor_2d(ws, CH_REAL, 3, 1)};
    const ch_token target[2] = {0, 0};
    double sum;
    ch_op_cross_entropy(&b.run, &x, &w, target, &plain, &sum, nll);
    assert_true(nll[0] == 0);
    assert_true(nll[1] == 6e4F);
    assert_true(sum == 6e4);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formula),
        cmocka_unit_test(test_rows_are_alone),
        cmocka_unit_test(test_large_logits),
    };
    return cmocka_run_group_tests_name("op/cross_entropy", tests, NULL, NULL);
}
