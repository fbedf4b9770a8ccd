/* pointwise.c - embed, norms, rope, activations and arithmetic against their formulas in double
 *
 * SPDX-License-Identifier: MIT */
#include "bench.h"

enum { T = 37, W = 200 };
#define EPS 0x1p-24

static void test_embed(void **state)
{
    (void)state;
    static const ch_dtype dtypes[] = {CH_F32, CH_F16, CH_BF16, CH_Q8_0, CH_Q4_0, CH_Q4_K, CH_Q6_K};
    for (size_t d = 0; d < CH_COUNT(dtypes); d++) {
        enum { V = 37, D = 256 };
        bench b;
        bench_open(&b, 2);
        ch_weight table = bench_matrix(&b, dtypes[d], V, D, 1);
        const real *values = bench_values(&b, &table), *given = bench_reals(&b, D, 2);
        ch_token id[T];
        const real *vector[T] = {NULL};
        for (int t = 0; t < T; t++)
            id[t] = t * 3 % V;
        id[4] = -1; /* ignored where a vector is given */
        vector[4] = given;
        const ch_rows rows = {.n = T, .id = id, .vector = vector};
        const ch_tensor *x = ch_op_embed(&b.run, &table, &rows);
        for (int t = 0; t < T; t++)
            assert_memory_equal(ch_tensor_row(x, t), vector[t] ? vector[t] : values + id[t] * D,
                                D * sizeof(real));
        bench_pack(&b, &table); /* a tied head's: what is stored is not looked at again */
        table.stored.data = NULL;
        const ch_tensor *packed = ch_op_embed(&b.run, &table, &rows);
        assert_memory_equal(packed->data, x->data, T * D * sizeof(real));
        bench_close(&b);
    }
}

static void test_norms(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, 3);
    const ch_tensor x = bench_tensor(&b, T, W, 1);
    const ch_weight gain = bench_vector(&b, W, 2), bias = bench_vector(&b, W, 3);
    const real *g = gain.stored.data, *add = bias.stored.data;
    const ch_tensor *rms = ch_op_rmsnorm(&b.run, &x, &gain, 0, 1e-5F);
    const ch_tensor *heads = ch_op_rmsnorm(&b.run, &x, NULL, W / 5, 1e-5F);
    const ch_tensor *layer = ch_op_layernorm(&b.run, &x, &gain, &bias, 1e-5F);
    for (int t = 0; t < T; t++) {
        const real *row = ch_tensor_row(&x, t);
        double mean = 0, square = 0, variance = 0, group[5] = {0};
        for (int i = 0; i < W; i++) {
            mean += (double)row[i] / W;
            square += (double)row[i] * (double)row[i] / W;
            group[i / (W / 5)] += (double)row[i] * (double)row[i] / (W / 5.0);
        }
        for (int i = 0; i < W; i++)
            variance += ((double)row[i] - mean) * ((double)row[i] - mean) / W;
        for (int i = 0; i < W;
             i++) { /* W roundings in the sums, halved by the root, and a few after */
            const double v = (double)row[i], slack = (W + 8) * EPS;
            const double r = v / sqrt(square + 1e-5) * (double)g[i];
            const double h = v / sqrt(group[i / (W / 5)] + 1e-5);
            const double l = (v - mean) / sqrt(variance + 1e-5) * (double)g[i];
            assert_close(ch_tensor_row(rms, t)[i], r, slack * fabs(r), "rmsnorm %d %d", t, i);
            assert_close(ch_tensor_row(heads, t)[i], h, slack * fabs(h), "heads %d %d", t, i);
            assert_close(ch_tensor_row(layer, t)[i], l + (double)add[i],
                         slack * (fabs(l) + fabs((double)g[i]) + fabs((double)add[i])),
                         "layernorm %d %d", t, i);
        }
    }
    bench_close(&b);
}

static void test_rope(void **state)
{
    (void)state;
    enum { HEADS = 4, E = W / HEADS, DIMS = 30 };
    double speed[DIMS / 2]; /* of the last two cases, which stretch positions */
    for (int p = 0; p < DIMS / 2; p++)
        speed[p] = pow(10000, -2.0 * p / DIMS) / (1 + p % 3);
    for (int way = 0; way < 4; way++) {
        const bool interleaved = way % 2, given = way / 2;
        const double m = given ? 1.25 : 1;
        bench b;
        bench_open(&b, 2);
        ch_tensor x = bench_tensor(&b, T, W, 1), before = bench_tensor(&b, T, W, 1);
        const ch_rope rope = {.dims = DIMS,
                              .interleaved = interleaved,
                              .base = given ? 1 : 10000, /* not looked at beside speeds */
                              .speed = given ? speed : NULL,
                              .magnitude = given ? m : 0};
        int32_t pos[T];
        real c[T * DIMS / 2], s[T * DIMS / 2];
        for (int t = 0; t < T; t++)
            pos[t] = t * 1000;
        ch_op_rope_table(c, s, &rope, pos, T);
        ch_op_rope(&b.run, &x, HEADS, &rope, c, s);
        for (int t = 0; t < T; t++)
            for (int h = 0; h < HEADS; h++) {
                const real *from = ch_tensor_row(&before, t) + h * E,
                           *to = ch_tensor_row(&x, t) + h * E;
                for (int p = 0; p < DIMS / 2; p++) {
                    const int i = interleaved ? 2 * p : p,
                              j = interleaved ? 2 * p + 1 : p + DIMS / 2;
                    const double angle =
                        pos[t] * (given ? speed[p] : pow(10000, -2.0 * p / DIMS));
                    const double u = m * (double)from[i], v = m * (double)from[j],
                                 slack = 4 * EPS * (fabs(u) + fabs(v));
                    assert_close(to[i], u * cos(angle) - v * sin(angle), slack, "row %d pair %d",
                                 t, p);
                    assert_close(to[j], u * sin(angle) + v * cos(angle), slack, "row %d pair %d",
                                 t, p);
                }
                for (int e = DIMS; e < E; e++)
                    assert_true(from[e] == to[e]);
            }
        bench_close(&b);
    }
}

static void test_activations(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, 2);
    ch_tensor x = bench_tensor(&b, T, W, 1), y = bench_tensor(&b, T, W, 2);
    const ch_tensor *gelu = ch_op_gelu(&b.run, &x), *relu2 = ch_op_relu2(&b.run, &x);
    ch_tensor gate = bench_tensor(&b, T, W, 1), copy = bench_tensor(&b, T, W, 1);
    const ch_tensor *swiglu = ch_op_swiglu(&b.run, &gate, &y);
    assert_ptr_equal(swiglu, &gate); /* without a tape, in place */
    assert_ptr_equal(ch_op_add(&b.run, &x, &y), &x); /* likewise */
    for (int i = 0; i < T * W; i++) {
        const double u = (double)((real *)copy.data)[i], v = (double)((real *)y.data)[i];
        const double g = 0.5 * u * (1 + tanh(sqrt(2 / acos(-1)) * (u + 0.044715 * u * u * u)));
        const double s = u / (1 + exp(-u)) * v;
        assert_close(((real *)gelu->data)[i], g, 16 * EPS * (fabs(g) + fabs(u)), "gelu %g", u);
        assert_close(((real *)relu2->data)[i], u > 0 ? u * u : 0, EPS * u * u, "relu2 %g", u);
        assert_close(((real *)swiglu->data)[i], s, 16 * EPS * fabs(s), "swiglu %g %g", u, v);
        assert_true(((real *)x.data)[i] == ((real *)copy.data)[i] + ((real *)y.data)[i]);
    }
    bench_close(&b);
}

/* Far out on both sides too. */
static void test_gelu_erf(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, 2);
    ch_tensor x = bench_tensor(&b, T, W, 1);
    real *in = x.data;
    for (int i = 0; i < T * W; i++)
        in[i] *= i % 3 == 0 ? 4 : i % 41 == 0 ? 0 : 1;
    in[5] = 200;
    in[6] = -200;
    const ch_tensor *y = ch_op_gelu_erf(&b.run, &x);
    for (int i = 0; i < T * W; i++) {
        const double u = (double)in[i], g = u * 0.5 * erfc(-u / sqrt(2));
        assert_close(((real *)y->data)[i], g, (16 + u * u) * EPS * fabs(g) + 1e-37, "erf %g", u);
    }
    bench_close(&b);
}

static void test_arithmetic(void **state)
{
    (void)state;
    enum { AT = 30, N = 55 };
    bench b;
    bench_open(&b, 2);
    const ch_tensor x = bench_tensor(&b, T, W, 1), y = bench_tensor(&b, T, W, 2);
    ch_tensor scaled = bench_tensor(&b, T, W, 1), capped = bench_tensor(&b, T, W, 1);
    ch_tensor gate = bench_tensor(&b, T, W, 1);
    const ch_tensor *geglu = ch_op_geglu(&b.run, &gate, &y),
                    *product = ch_op_multiply(&b.run, &x, &y),
                    *part = ch_op_columns(&b.run, &x, AT, N);
    assert_ptr_equal(ch_op_scale(&b.run, &scaled, 1.7F), &scaled); /* in place */
    assert_ptr_equal(ch_op_softcap(&b.run, &capped, 0.8F), &capped);
    for (int i = 0; i < T * W; i++) {
        const double u = (double)((real *)x.data)[i], v = (double)((real *)y.data)[i];
        const double g = 0.5 * u * (1 + tanh(sqrt(2 / acos(-1)) * (u + 0.044715 * u * u * u))) * v;
        const double cap = (double)0.8F, c = cap * tanh(u / cap);
        assert_close(((real *)geglu->data)[i], g, 17 * EPS * (fabs(g) + fabs(u * v)), "geglu %g",
                     u);
        assert_close(((real *)capped.data)[i], c, 12 * EPS * fabs(c), "softcap %g", u);
        assert_true(((real *)product->data)[i] == ((real *)x.data)[i] * ((real *)y.data)[i]);
        assert_true(((real *)scaled.data)[i] == 1.7F * ((real *)x.data)[i]);
    }
    for (int t = 0; t < T; t++)
        assert_memory_equal(ch_tensor_row(part, t), ch_tensor_row(&x, t) + AT, N * sizeof(real));
    bench_close(&b);
}

/* Row t is the same alone and among others: rows are cut into tasks, never mixed. */
static void test_rows_are_alone(void **state)
{
    (void)state;
    enum { MANY = 600 }; /* enough that several tasks are made */
    bench b;
    bench_open(&b, 3);
    const ch_tensor x = bench_tensor(&b, MANY, W, 1), y = bench_tensor(&b, MANY, W, 2);
    ch_tensor g = bench_tensor(&b, MANY, W, 1), h = bench_tensor(&b, MANY, W, 1);
    const ch_tensor single[2] = {bench_tensor(&b, MANY, W, 1), bench_tensor(&b, MANY, W, 1)};
    const ch_weight gain = bench_vector(&b, W, 3);
    const ch_tensor *all[7] = {ch_op_gelu_erf(&b.run, &x), ch_op_gelu(&b.run, &x),
                               ch_op_relu2(&b.run, &x),
                               ch_op_swiglu(&b.run, &g, &y), ch_op_geglu(&b.run, &h, &y),
                               ch_op_rmsnorm(&b.run, &x, &gain, 0, 1e-5F),
                               ch_op_layernorm(&b.run, &x, &gain, NULL, 1e-5F)};
    for (int t = 0; t < MANY; t += 7) {
        const ch_tensor u = ch_tensor_slice_rows(&x, t, 1), v = ch_tensor_slice_rows(&y, t, 1);
        ch_tensor a = ch_tensor_slice_rows(&single[0], t, 1),
                  c = ch_tensor_slice_rows(&single[1], t, 1);
        const ch_tensor *one[7] = {ch_op_gelu_erf(&b.run, &u), ch_op_gelu(&b.run, &u),
                                   ch_op_relu2(&b.run, &u),
                                   ch_op_swiglu(&b.run, &a, &v), ch_op_geglu(&b.run, &c, &v),
                                   ch_op_rmsnorm(&b.run, &u, &gain, 0, 1e-5F),
                                   ch_op_layernorm(&b.run, &u, &gain, NULL, 1e-5F)};
        for (int i = 0; i < 7; i++)
            assert_memory_equal(one[i]->data, ch_tensor_row(all[i], t), W * sizeof(real));
    }
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_embed),          cmocka_unit_test(test_norms),
        cmocka_unit_test(test_rope),           cmocka_unit_test(test_activations),
        cmocka_unit_test(test_arithmetic),     cmocka_unit_test(test_rows_are_alone),
        cmocka_unit_test(test_gelu_erf),
    };
    return cmocka_run_group_tests_name("op/pointwise", tests, NULL, NULL);
}
