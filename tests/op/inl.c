/* inl.c - the integrator's step against its formula in double; rows that stay; joined columns
 *
 * SPDX-License-Identifier: MIT */
#include "bench.h"

enum { T = 41, D = 200, GROUP = 64, GROUPS = (D + GROUP - 1) / GROUP };
#define EPS 0x1p-24

typedef struct inl_case {
    bench b;
    ch_tensor u, before, o;
    ch_weight mu, offsets;
    ch_inl_step how;
} inl_case;

static void case_open(inl_case *c)
{
    bench_open(&c->b, 2);
    c->u = bench_tensor(&c->b, T, 3 * D, 1);
    c->before = bench_tensor(&c->b, T, 3 * D, 1);
    c->o = bench_tensor(&c->b, T, 3 * D, 2);
    c->mu = bench_vector(&c->b, 1, 3);
    c->offsets = bench_vector(&c->b, GROUPS, 4);
    c->how = (ch_inl_step){&c->mu, &c->offsets, GROUP, 0.1F, NULL, NULL};
    real *o = c->o.data; /* far out, where softplus is linear or nothing, and at 0 */
    for (int i = 0; i < 3 * T * D; i++)
        o[i] *= i % 5 == 0 ? 12 : i % 17 == 0 ? 0 : 1;
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double softplus(double x) { return x > 20 ? x : log1p(exp(x)); }

static void follows_the_formula(void **state)
{
    (void)state;
    inl_case c;
    real moved[T];
    case_open(&c);
    c.how.moved = moved;
    assert_ptr_equal(ch_op_inl_step(&c.b.run, &c.u, &c.o, &c.how), &c.u); /* in place */
    const real *mu = c.mu.stored.data, *offset = c.offsets.stored.data;
    for (int t = 0; t < T; t++) {
        const real *u = ch_tensor_row(&c.before, t), *y = ch_tensor_row(&c.u, t);
        const real *o = ch_tensor_row(&c.o, t);
        double squares = 0, error = 0;
        assert_memory_equal(u, y, D * sizeof *u); /* the context stays */
        for (int j = 0; j < D; j++) {
            const double x = (double)u[D + j], m = (double)mu[0] + (double)offset[j / GROUP];
            const double a = sigmoid((double)o[j]), b = softplus((double)o[D + j]);
            const double g = sigmoid((double)o[2 * D + j]), old = (double)u[2 * D + j];
            const double v = a * old - b * (x - m), d = (double)0.1F * g * v;
            const double slack = 16 * EPS * (fabs(a * old) + b * (fabs(x) + fabs(m)) + fabs(v));
            assert_close(y[2 * D + j], v, slack, "v %d %d", t, j);
            assert_close(y[D + j], x + d, EPS * fabs(x) + slack, "x %d %d", t, j);
            squares += d * d;
            error += (slack + EPS * fabs(x)) * (slack + EPS * fabs(x));
        }
        assert_close(moved[t], sqrt(squares), 2 * sqrt(error) + D * EPS * sqrt(squares),
                     "step of row %d", t);
    }
    bench_close(&c.b);
}

static void frozen_rows_stay(void **state)
{
    (void)state;
    inl_case c, all;
    uint8_t frozen[T];
    real moved[T];
    for (int t = 0; t < T; t++) {
        frozen[t] = t % 3 == 0;
        moved[t] = -1;
    }
    case_open(&c);
    case_open(&all);
    c.how.frozen = frozen;
    c.how.moved = moved;
    ch_op_inl_step(&c.b.run, &c.u, &c.o, &c.how);
    ch_op_inl_step(&all.b.run, &all.u, &all.o, &all.how);
    for (int t = 0; t < T; t++) {
        const ch_tensor *same = frozen[t] ? &c.before : &all.u;
        assert_memory_equal(ch_tensor_row(&c.u, t), ch_tensor_row(same, t), 3 * D * sizeof(real));
        assert_true(frozen[t] ? moved[t] == -1 : moved[t] > 0);
    }
    bench_close(&c.b);
    bench_close(&all.b);
}

/* A row's bits are its own; a fault stays visible and in its row. */
static void rows_are_alone(void **state)
{
    (void)state;
    inl_case c, all;
    case_open(&c);
    case_open(&all);
    ((real *)all.o.data)[3 * D * 5 + 7] = NAN;
    ch_op_inl_step(&all.b.run, &all.u, &all.o, &all.how);
    for (int t = 0; t < T; t++) {
        ch_tensor u = ch_tensor_slice_rows(&c.u, t, 1);
        const ch_tensor o = ch_tensor_slice_rows(&c.o, t, 1);
        ch_op_inl_step(&c.b.run, &u, &o, &c.how);
        if (t != 5)
            assert_memory_equal(u.data, ch_tensor_row(&all.u, t), 3 * D * sizeof(real));
    }
    assert_true(isnan(ch_tensor_row(&all.u, 5)[D + 7]));
    assert_false(isnan(ch_tensor_row(&all.u, 5)[D + 8]));
    bench_close(&c.b);
    bench_close(&all.b);
}

static void columns_join(void **state)
{
    (void)state;
    enum { A = 30, B = 70, WIDTH = 111 };
    bench b;
    bench_open(&b, 2);
    const ch_tensor x = bench_tensor(&b, T, A, 1), y = bench_tensor(&b, T, B, 2);
    const ch_tensor *all = ch_op_join(&b.run, &x, &y, WIDTH);
    const real zeros[WIDTH] = {0};
    for (int t = 0; t < T; t++) {
        const real *row = ch_tensor_row(all, t);
        assert_memory_equal(row, ch_tensor_row(&x, t), A * sizeof *row);
        assert_memory_equal(row + A, ch_tensor_row(&y, t), B * sizeof *row);
        assert_memory_equal(row + A + B, zeros, (WIDTH - A - B) * sizeof *row);
    }
    const ch_tensor *above = ch_op_relu(&b.run, &x);
    for (int i = 0; i < T * A; i++) {
        const real v = ((real *)x.data)[i];
        assert_true(((real *)above->data)[i] == (v > 0 ? v : 0));
    }
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_formula),
        cmocka_unit_test(frozen_rows_stay),
        cmocka_unit_test(rows_are_alone),
        cmocka_unit_test(columns_join),
    };
    return cmocka_run_group_tests_name("op/inl", tests, NULL, NULL);
}
