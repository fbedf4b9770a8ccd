/* bench.h - a run to try operations in, and tensors and weights to try them on
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_TEST_BENCH_H
#define CH_TEST_BENCH_H

#include <string.h>

#include "op.h"
#include "support.h"

typedef struct bench {
    ch_arena memory; /* what tests hold on to */
    ch_arena scratch;
    ch_kernels kernels;
    ch_pool *pool;
    ch_run run;
} bench;

static inline void bench_open(bench *b, int threads)
{
    ch_err e;
    unsigned features;
    *b = (bench){.pool = NULL};
    assert_ok(ch_cpu_features(&features, NULL, &e), e);
    ch_kernels_init(&b->kernels, features);
    assert_ok(ch_pool_open(&b->pool, threads, &e), e);
    assert_ok(ch_arena_open(&b->memory, (size_t)1 << 28, &e), e);
    assert_ok(ch_arena_open(&b->scratch, (size_t)1 << 28, &e), e);
    b->run = (ch_run){.scratch = &b->scratch, .pool = b->pool, .kernels = &b->kernels};
}

static inline void bench_close(bench *b)
{
    ch_arena_close(&b->scratch);
    ch_arena_close(&b->memory);
    ch_pool_close(&b->pool);
}

static inline real *bench_reals(bench *b, int64_t n, uint64_t seed)
{
    real *x = ch_arena_take(&b->memory, (size_t)n * sizeof *x);
    fill(x, (size_t)n, FILL_NORMAL, seed);
    return x;
}

static inline ch_tensor bench_tensor(bench *b, int64_t rows, int64_t width, uint64_t seed)
{
    return ch_tensor_2d(bench_reals(b, rows * width, seed), CH_REAL, rows, width);
}

static inline ch_weight bench_vector(bench *b, int64_t n, uint64_t seed)
{
    return (ch_weight){.stored = ch_tensor_1d(bench_reals(b, n, seed), CH_REAL, n)};
}

/* Random values in a stored format. */
static inline ch_weight bench_matrix(bench *b, ch_dtype dtype, int64_t N, int64_t K, uint64_t seed)
{
    const real *values = bench_reals(b, N * K, seed);
    void *data = ch_arena_take(&b->memory, ch_dtype_bytes(dtype, N * K));
    ch_dtype_get(dtype)->encode(data, values, N * K);
    return (ch_weight){.stored = ch_tensor_2d(data, dtype, N, K)};
}

static inline void bench_pack(bench *b, ch_weight *w)
{
    ch_weight_pack(w, ch_arena_take(&b->memory, ch_weight_packed_bytes(w)), b->pool, NULL, NULL);
}

/* The values that a weight stands for. */
static inline real *bench_values(bench *b, const ch_weight *w)
{
    const int64_t n = ch_tensor_count(&w->stored);
    real *x = ch_arena_take(&b->memory, (size_t)n * sizeof *x);
    ch_tensor_read(x, &w->stored, 0, n);
    return x;
}

#define assert_close(found, wanted, tolerance, ...)                                               \
    do {                                                                                          \
        const double f_ = (double)(found), w_ = (double)(wanted), t_ = (double)(tolerance);       \
        if (!(fabs(f_ - w_) <= t_)) {                                                             \
            print_message(__VA_ARGS__);                                                           \
            fail_msg(": found %.9g, wanted %.9g within %.3g", f_, w_, t_);                        \
        }                                                                                         \
    } while (0)

#endif
