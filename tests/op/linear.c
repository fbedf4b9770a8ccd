/* linear.c - linear maps: exactness, rows that do not see each other, adapters
 *
 * SPDX-License-Identifier: MIT */
#include "bench.h"

static const ch_dtype dtypes[] = {CH_F32, CH_F16, CH_BF16, CH_Q8_0, CH_Q4_0};

/* How far the product of row x with stored values w may be from the exact one: float sums lose one
 * part in 2^24 a term; bf16 rows one in 2^9 of each x; q8 rows half a step of a 127th of the
 * largest x in a group of 32. */
static double tolerance(ch_panel_kind kind, const real *x, const real *w, int K)
{
    double sum = 0, row = 0;
    for (int k = 0; k < K; k++) {
        const double size = fabs((double)x[k] * (double)w[k]);
        sum += size;
        if (kind == CH_PANEL_BF16)
            row += ldexp(size, -9);
        if (kind == CH_PANEL_Q8 || kind == CH_PANEL_Q4) {
            double most = 0;
            for (int j = k / 32 * 32; j < k / 32 * 32 + 32; j++)
                most = CH_MAX(most, fabs((double)x[j]));
            row += 0.501 * most / 127 * fabs((double)w[k]);
        }
    }
    return row + ldexp(1.01 * (K + 3) * sum, -24);
}

static double exact(const real *x, const real *w, int K)
{
    double sum = 0;
    for (int k = 0; k < K; k++)
        sum += (double)x[k] * (double)w[k];
    return sum;
}

static void test_exactness(void **state)
{
    (void)state;
    static const int shapes[][3] = {{1, 32, 1}, {3, 64, 17}, {70, 96, 200}, {17, 160, 48}};
    bench b;
    bench_open(&b, 2);
    for (size_t d = 0; d < CH_COUNT(dtypes); d++)
        for (size_t s = 0; s < CH_COUNT(shapes); s++) {
            const int T = shapes[s][0], K = shapes[s][1], N = shapes[s][2];
            const ch_tensor x = bench_tensor(&b, T, K, 1);
            ch_weight w = bench_matrix(&b, dtypes[d], N, K, 2), bias = bench_vector(&b, N, 3);
            bench_pack(&b, &w);
            w.bias = &bias;
            const real *values = bench_values(&b, &w), *add = bias.stored.data;
            const ch_tensor *y = ch_op_linear(&b.run, &x, &w, NULL);
            for (int t = 0; t < T; t++)
                for (int n = 0; n < N; n++) {
                    const real *row = ch_tensor_row(&x, t), *v = values + n * K;
                    const double z = exact(row, v, K) + (double)add[n];
                    assert_close(ch_tensor_row(y, t)[n], z,
                                 tolerance(w.kind, row, v, K) + ldexp(fabs(z), -23),
                                 "%s (%d, %d) of (%d, %d, %d)", ch_dtype_get(dtypes[d])->name, t,
                                 n, T, K, N);
                }
            ch_arena_reset(&b.scratch, 0);
        }
    bench_close(&b);
}

/* Each row alone, and among others, in every count from 1 to 17 and some large ones. */
static void test_rows_are_alone(void **state)
{
    (void)state;
    enum { K = 96, N = 272, MOST = 150 };
    bench b;
    bench_open(&b, 2);
    const ch_tensor x = bench_tensor(&b, MOST, K, 1);
    for (size_t d = 0; d < CH_COUNT(dtypes); d++) {
        ch_weight w = bench_matrix(&b, dtypes[d], N, K, 2);
        bench_pack(&b, &w);
        real *alone = ch_arena_take(&b.memory, (size_t)MOST * N * sizeof *alone);
        for (int t = 0; t < MOST; t++) {
            const ch_tensor row = ch_tensor_slice_rows(&x, t, 1);
            memcpy(alone + t * N, ch_op_linear(&b.run, &row, &w, NULL)->data, N * sizeof *alone);
        }
        static const int more[] = {63, 64, 65, 128, MOST};
        for (int i = 1; i <= 17 + (int)CH_COUNT(more); i++) {
            const int T = i <= 17 ? i : more[i - 18];
            const ch_tensor rows = ch_tensor_slice_rows(&x, MOST - T, T);
            const ch_tensor *y = ch_op_linear(&b.run, &rows, &w, NULL);
            assert_memory_equal(y->data, alone + (MOST - T) * N, (size_t)T * N * sizeof *alone);
            ch_arena_reset(&b.scratch, 0);
        }
    }
    bench_close(&b);
}

static void test_threads(void **state)
{
    (void)state;
    for (size_t d = 0; d < CH_COUNT(dtypes); d++)
        for (int T = 1; T <= 130; T += 43) {
            bench b[3];
            const ch_tensor *y[3];
            for (int i = 0; i < 3; i++) {
                bench_open(&b[i], i + 1);
                const ch_tensor x = bench_tensor(&b[i], T, 128, 1);
                ch_weight w = bench_matrix(&b[i], dtypes[d], 1000, 128, 2);
                bench_pack(&b[i], &w);
                y[i] = ch_op_linear(&b[i].run, &x, &w, NULL);
            }
            for (int i = 1; i < 3; i++)
                assert_memory_equal(y[0]->data, y[i]->data, (size_t)T * 1000 * sizeof(real));
            for (int i = 0; i < 3; i++)
                bench_close(&b[i]);
        }
}

/* One barrier for several maps, of several formats, gives what each gives alone. */
static void test_many(void **state)
{
    (void)state;
    for (int T = 1; T < 80; T += 39) {
        bench b;
        bench_open(&b, 2);
        const ch_tensor x = bench_tensor(&b, T, 64, 1);
        ch_weight w[5];
        const ch_weight *many[5];
        ch_tensor *y[5];
        for (int i = 0; i < 5; i++) {
            w[i] = bench_matrix(&b, dtypes[i], 16 + 50 * i, 64, (uint64_t)i);
            if (i != 1) /* stays unpacked: packed at use */
                bench_pack(&b, &w[i]);
            many[i] = &w[i];
        }
        ch_op_linear_many(&b.run, y, &x, many, 5, NULL);
        for (int i = 0; i < 5; i++) {
            const ch_tensor *one = ch_op_linear(&b.run, &x, &w[i], NULL);
            assert_memory_equal(one->data, y[i]->data,
                                (size_t)ch_tensor_count(one) * sizeof(real));
        }
        bench_close(&b);
    }
}

/* residual + product + bias, in place without a tape, from a row slice with a stride too; no rows
 * at all is fine. */
static void test_add(void **state)
{
    (void)state;
    enum { T = 5, K = 64, N = 40 };
    bench b;
    bench_open(&b, 2);
    ch_tensor wide = bench_tensor(&b, T, 2 * K, 1), x = wide, packed_x = bench_tensor(&b, T, K, 9);
    x.dim[1] = K; /* the left half of a wider tensor */
    for (int t = 0; t < T; t++)
        memcpy(ch_tensor_row(&packed_x, t), ch_tensor_row(&x, t), K * sizeof(real));
    ch_weight w = bench_matrix(&b, CH_Q8_0, N, K, 2), bias = bench_vector(&b, N, 3);
    bench_pack(&b, &w);
    const ch_tensor *product = ch_op_linear(&b.run, &packed_x, &w, NULL);
    w.bias = &bias;
    ch_tensor residual = bench_tensor(&b, T, N, 4), before = bench_tensor(&b, T, N, 4);
    assert_ptr_equal(ch_op_linear_add(&b.run, &residual, &x, &w, NULL), &residual);
    for (int t = 0; t < T; t++)
        for (int n = 0; n < N; n++) {
            real wanted = ch_tensor_row(&before, t)[n] + ch_tensor_row(product, t)[n];
            wanted += ((real *)bias.stored.data)[n];
            assert_true(ch_tensor_row(&residual, t)[n] == wanted);
        }
    const ch_tensor none = ch_tensor_slice_rows(&x, 0, 0);
    assert_int_equal(ch_tensor_rows(ch_op_linear(&b.run, &none, &w, NULL)), 0);
    bench_close(&b);
}

/* ---- Adapters ----------------------------------------------------------------------------- */

enum { AT = 45, AK = 64, AN = 80, AR = 32 };

typedef struct adapted {
    ch_weight w, a[2], b[2];
    ch_low_rank low[2];
    ch_adapter adapter[2];
    const ch_adapter *each[2];
    ch_adapters all;
    int32_t chosen[AT];
} adapted;

static void open_adapted(adapted *m, bench *b, ch_dtype dtype)
{
    m->w = bench_matrix(b, dtype, AN, AK, 2);
    bench_pack(b, &m->w);
    for (int j = 0; j < 2; j++) {
        m->a[j] = bench_matrix(b, dtype, AR, AK, 10 + (uint64_t)j);
        m->b[j] = bench_matrix(b, dtype, AN, AR, 20 + (uint64_t)j);
        if (j) { /* the other is packed at use */
            bench_pack(b, &m->a[j]);
            bench_pack(b, &m->b[j]);
        }
        m->low[j] = (ch_low_rank){&m->a[j], &m->b[j], j ? 0.5F : 2};
        m->adapter[j] = (ch_adapter){&m->low[j], 1};
        m->each[j] = &m->adapter[j];
    }
    m->all = (ch_adapters){m->each, 2};
    b->run.adapters = &m->all;
    for (int t = 0; t < AT; t++)
        m->chosen[t] = (t / 2) % 4 - 1; /* none, 0, 1, and one there is not */
}

/* Rows with an adapter do not touch rows with another or none; the values are scale B (A x). */
static void test_adapters(void **state)
{
    (void)state;
    for (size_t d = 0; d < CH_COUNT(dtypes); d++) {
        bench b;
        adapted m;
        bench_open(&b, 2);
        open_adapted(&m, &b, dtypes[d]);
        const ch_tensor x = bench_tensor(&b, AT, AK, 1);
        const ch_rows rows = {.n = AT, .adapter = m.chosen};
        const ch_tensor *y = ch_op_linear(&b.run, &x, &m.w, &rows);
        const ch_tensor *plain = ch_op_linear(&b.run, &x, &m.w, NULL);
        for (int t = 0; t < AT; t++) {
            const ch_tensor row = ch_tensor_slice_rows(&x, t, 1);
            const ch_rows one = {.n = 1, .adapter = m.chosen + t};
            const ch_tensor *alone = ch_op_linear(&b.run, &row, &m.w, &one);
            const int j = m.chosen[t];
            assert_memory_equal(alone->data, ch_tensor_row(y, t), AN * sizeof(real));
            if (j < 0 || j > 1) {
                assert_memory_equal(ch_tensor_row(plain, t), ch_tensor_row(y, t),
                                    AN * sizeof(real));
                continue;
            }
            ch_tensor *h = ch_op_linear(&b.run, &row, &m.a[j], NULL);
            for (int i = 0; i < AR; i++)
                ch_tensor_row(h, 0)[i] *= m.low[j].scale;
            const ch_tensor *low = ch_op_linear(&b.run, h, &m.b[j], NULL);
            for (int n = 0; n < AN; n++)
                assert_true(ch_tensor_row(y, t)[n] ==
                            ch_tensor_row(plain, t)[n] + ch_tensor_row(low, 0)[n]);
        }
        bench_close(&b);
    }
}

/* Stored bytes are told of once each, in order, and panels are those of one go. */
typedef struct told {
    const char *next;
    int times;
} told;

static void tell(void *arg, const void *stored, size_t bytes)
{
    told *t = arg;
    assert_ptr_equal(stored, t->next);
    t->next += bytes;
    t->times++;
}

static void test_pack_in_bands(void **state)
{
    (void)state;
    enum { N = 1100, K = 8192 }; /* 17 MiB of bfloat16, the last task of 12 rows */
    const size_t bytes = ch_dtype_bytes(CH_BF16, (int64_t)N * K);
    ch_pool *pool;
    ch_err e;
    assert_return_code(ch_pool_open(&pool, 2, &e), 0);
    ch_weight w = {.stored = ch_tensor_2d(malloc(bytes), CH_BF16, N, K)};
    assert_non_null(w.stored.data);
    for (size_t i = 0; i < bytes; i++)
        ((unsigned char *)w.stored.data)[i] = (unsigned char)(i * 7 ^ i >> 11);
    const size_t packed = ch_weight_packed_bytes(&w);
    void *whole = malloc(packed), *bands = malloc(packed);
    told t = {.next = w.stored.data};
    ch_weight_pack(&w, whole, pool, NULL, NULL);
    ch_weight_pack(&w, bands, pool, tell, &t);
    assert_ptr_equal(t.next, (char *)w.stored.data + bytes);
    assert_true(t.times > 1);
    assert_memory_equal(whole, bands, packed);
    free(whole);
    free(bands);
    free(w.stored.data);
    ch_pool_close(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exactness), cmocka_unit_test(test_rows_are_alone),
        cmocka_unit_test(test_threads),   cmocka_unit_test(test_many),
        cmocka_unit_test(test_add),       cmocka_unit_test(test_adapters),
        cmocka_unit_test(test_pack_in_bands),
    };
    return cmocka_run_group_tests_name("op/linear", tests, NULL, NULL);
}
