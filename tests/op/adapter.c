/* adapter.c - the gradients of low-rank adapters beside sums written out, the same from any number
 * of threads
 *
 * SPDX-License-Identifier: MIT */
#include "bench.h"

/* More rows than are summed at a time, and widths that fill neither panels nor blocks of them. */
enum { T = 600, K = 41, N = 70, ADAPTERS = 3, MOST = 5, FROZEN = 2 };

static const int ranks[ADAPTERS] = {5, 3, 4};

typedef struct adapted {
    ch_tensor x;
    const real *dy, *dx; /* before backward, dx is 1 everywhere; so are all others */
    ch_weight w, a[ADAPTERS], b[ADAPTERS];
    ch_low_rank low[ADAPTERS];
    ch_adapter adapter[ADAPTERS];
    const ch_adapter *each[ADAPTERS];
    ch_adapters all;
    int32_t chosen[T];
} adapted;

static real *ones(bench *b, int64_t n)
{
    real *x = ch_arena_take(&b->memory, (size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = 1;
    return x;
}

static void open_adapted(adapted *m, bench *b)
{
    m->x = bench_tensor(b, T, K, 1);
    m->x.grad = ones(b, (int64_t)T * K);
    m->dx = m->x.grad;
    m->dy = bench_reals(b, (int64_t)T * N, 2);
    m->w = bench_matrix(b, CH_REAL, N, K, 3);
    for (int j = 0; j < ADAPTERS; j++) {
        m->a[j] = bench_matrix(b, CH_REAL, ranks[j], K, 10 + (uint64_t)j);
        m->b[j] = bench_matrix(b, CH_REAL, N, ranks[j], 20 + (uint64_t)j);
        if (j != FROZEN) {
            m->a[j].stored.grad = ones(b, (int64_t)ranks[j] * K);
            m->b[j].stored.grad = ones(b, (int64_t)N * ranks[j]);
        }
        m->low[j] = (ch_low_rank){&m->a[j], &m->b[j], j ? (real)0.5 : 2};
        m->adapter[j] = (ch_adapter){&m->low[j], 1};
        m->each[j] = &m->adapter[j];
    }
    m->all = (ch_adapters){m->each, ADAPTERS};
    b->run.adapters = &m->all;
    for (int t = 0; t < T; t++)
        m->chosen[t] = (t / 7) % 5 - 1; /* none, each of them, and one there is not */
}

static void differentiate(adapted *m, bench *b)
{
    const ch_rows rows = {.n = T, .adapter = m->chosen};
    ch_tape_begin(&b->run);
    ch_tensor *y = ch_op_linear(&b->run, &m->x, &m->w, &rows);
    memcpy(y->grad, m->dy, (size_t)T * N * sizeof(real));
    *y->grad_empty = false;
    ch_tape_backward(&b->run);
    ch_tape_end(&b->run);
}

/* A sum, and that of its terms' sizes, which rounding goes by. */
typedef struct sum {
    double is, size;
} sum;

static void add(sum *s, sum a, double b)
{
    s->is += a.is * b;
    s->size += a.size * fabs(b);
}

static void expect(real found, sum s, const char *what, int row, int column)
{
    assert_close(found, 1 + s.is, ldexp(1 + s.size, -15), "%s (%d, %d)", what, row, column);
}

static void test_gradients(void **state)
{
    (void)state;
    static sum h[T][MOST], dh[T][MOST];
    bench b;
    adapted m;
    bench_open(&b, 2);
    open_adapted(&m, &b);
    differentiate(&m, &b);
    const real *x = m.x.data, *w = m.w.stored.data;
    memset(h, 0, sizeof h);
    memset(dh, 0, sizeof dh);
    for (int t = 0; t < T; t++) {
        const int j = m.chosen[t], rank = j >= 0 && j < ADAPTERS ? ranks[j] : 0;
        for (int i = 0; i < rank; i++) {
            const real *a = (const real *)m.a[j].stored.data + i * K, *up = m.b[j].stored.data;
            const double scale = (double)m.low[j].scale;
            for (int k = 0; k < K; k++)
                add(&h[t][i], (sum){scale * (double)a[k], fabs(scale * (double)a[k])},
                    (double)x[t * K + k]);
            for (int n = 0; n < N; n++) {
                const double v = scale * (double)up[n * rank + i];
                add(&dh[t][i], (sum){v, fabs(v)}, (double)m.dy[t * N + n]);
            }
        }
        for (int k = 0; k < K; k++) {
            sum s = {0};
            for (int n = 0; n < N; n++) {
                const double dy = (double)m.dy[t * N + n];
                add(&s, (sum){dy, fabs(dy)}, (double)w[n * K + k]);
            }
            for (int i = 0; i < rank; i++)
                add(&s, dh[t][i], (double)((const real *)m.a[j].stored.data)[i * K + k]);
            expect(m.dx[t * K + k], s, "dx", t, k);
        }
    }
    for (int j = 0; j < FROZEN; j++)
        for (int i = 0; i < ranks[j]; i++) {
            for (int k = 0; k < K; k++) {
                sum s = {0};
                for (int t = 0; t < T; t++)
                    if (m.chosen[t] == j)
                        add(&s, dh[t][i], (double)x[t * K + k]);
                expect(m.a[j].stored.grad[i * K + k], s, "dA", i, k);
            }
            for (int n = 0; n < N; n++) {
                sum s = {0};
                for (int t = 0; t < T; t++)
                    if (m.chosen[t] == j)
                        add(&s, h[t][i], (double)m.dy[t * N + n]);
                expect(m.b[j].stored.grad[n * ranks[j] + i], s, "dB", n, i);
            }
        }
    bench_close(&b);
}

static void test_threads(void **state)
{
    (void)state;
    bench b[3];
    adapted m[3];
    for (int i = 0; i < 3; i++) {
        bench_open(&b[i], i + 1);
        open_adapted(&m[i], &b[i]);
        differentiate(&m[i], &b[i]);
        assert_memory_equal(m[i].dx, m[0].dx, (size_t)T * K * sizeof(real));
        for (int j = 0; j < FROZEN; j++) {
            assert_memory_equal(m[i].a[j].stored.grad, m[0].a[j].stored.grad,
                                (size_t)ranks[j] * K * sizeof(real));
            assert_memory_equal(m[i].b[j].stored.grad, m[0].b[j].stored.grad,
                                (size_t)ranks[j] * N * sizeof(real));
        }
    }
    for (int i = 0; i < 3; i++)
        bench_close(&b[i]);
}

/* Nothing to sum over: nothing is added. */
static void test_no_rows(void **state)
{
    (void)state;
    bench b;
    adapted m;
    bench_open(&b, 2);
    open_adapted(&m, &b);
    m.x = ch_tensor_slice_rows(&m.x, 0, 0);
    const ch_rows rows = {.n = 0, .adapter = m.chosen};
    ch_tape_begin(&b.run);
    ch_tensor *y = ch_op_linear(&b.run, &m.x, &m.w, &rows);
    *y->grad_empty = false;
    ch_tape_backward(&b.run);
    ch_tape_end(&b.run);
    for (int i = 0; i < ranks[0] * N; i++)
        assert_true(m.b[0].stored.grad[i] == 1);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_no_rows),
    };
    return cmocka_run_group_tests_name("op/adapter", tests, NULL, NULL);
}
