/* convolve.c - short convolutions against their formula, and sequences in steps
 *
 * A sequence that is fed in steps, goes back, forks, and is saved and restored gives the bits of
 * the whole at once.  Gradients: tests/gradcheck.
 * SPDX-License-Identifier: MIT */
#include "bench.h"
#include "cache.h"

enum { T = 300, MOST_STEP = 150 };

typedef struct layer {
    bench b;
    int D, J;
    ch_tensor x;
    ch_weight w;
    const ch_tensor *whole; /* T rows of one document */
} layer;

static void open_layer(layer *l, int D, int J)
{
    int32_t first[T] = {0};
    memset(l, 0, sizeof *l);
    bench_open(&l->b, 3);
    l->D = D;
    l->J = J;
    l->x = bench_tensor(&l->b, T, D, 1);
    l->w = bench_matrix(&l->b, CH_F32, D, J, 2);
    l->whole = ch_op_convolve(&l->b.run, &l->x, &l->w, NULL, &(ch_rows){.n = T, .first = first});
}

static const int shapes[][2] = {{1, 1}, {5, 3}, {64, 4}, {200, 3}, {130, CH_CONVOLVE_TAPS}};

static void test_formula(void **state)
{
    (void)state;
    static layer l;
    int32_t first[T];
    for (int t = 0; t < T; t++)
        first[t] = t < 2 ? 0 : t < 100 ? 2 : t < 101 ? 100 : 101;
    for (size_t i = 0; i < CH_COUNT(shapes); i++) {
        open_layer(&l, shapes[i][0], shapes[i][1]);
        const ch_rows rows = {.n = T, .first = first};
        const ch_tensor *y = ch_op_convolve(&l.b.run, &l.x, &l.w, NULL, &rows);
        for (int t = 0; t < T; t++)
            for (int d = 0; d < l.D; d++) {
                double sum = 0, size = 0;
                for (int j = 0; j < l.J; j++) {
                    const int row = t - l.J + 1 + j;
                    const double w = (double)((real *)l.w.stored.data)[d * l.J + j];
                    if (row < first[t])
                        continue;
                    sum += w * (double)ch_tensor_row(&l.x, row)[d];
                    size += fabs(w * (double)ch_tensor_row(&l.x, row)[d]);
                }
                assert_close(ch_tensor_row(y, t)[d], sum, (l.J + 1) * size * 0x1p-24,
                             "shape %zu row %d column %d", i, t, d);
            }
        bench_close(&l.b);
    }
}

/* ---- Steps -------------------------------------------------------------------------------- */

static ch_sequence open_state(const layer *l)
{
    ch_err e = {0};
    ch_sequence q = {.n_states = 1};
    const ch_convolution_options o = {.layers = 2, .width = l->D, .taps = l->J};
    assert_ok(ch_convolution_open(&q.state[0], &o, &e), e);
    return q;
}

/* The next n[i] rows of each sequence in one step, as layer 1 sees them (layer 0 has others). */
static void feed(layer *l, ch_sequence *const *q, const int *n, int sequences)
{
    ch_err e = {0};
    int32_t seq[2 * MOST_STEP];
    const real *before[2 * CH_CONVOLVE_TAPS];
    const size_t mark = ch_arena_mark(&l->b.scratch), row_bytes = (size_t)l->D * sizeof(real);
    int rows = 0;
    ch_tensor *x = ch_op_output(&l->b.run, n[0] + (sequences > 1 ? n[1] : 0), l->D);
    for (int i = 0; i < sequences; i++) {
        const int at = q[i]->length;
        assert_ok(ch_sequence_append(q[i], n[i], &e), e);
        ch_convolution_before(before + i * (l->J - 1), q[i]->state[0], 1, at);
        for (int t = 0; t < n[i]; t++) {
            seq[rows] = i;
            memcpy(ch_tensor_row(x, rows++), ch_tensor_row(&l->x, at + t), row_bytes);
        }
    }
    const ch_tensor *y =
        ch_op_convolve(&l->b.run, x, &l->w, before, &(ch_rows){.n = rows, .seq = seq});
    for (int i = 0, row = 0; i < sequences; row += n[i++]) {
        const int at = q[i]->length - n[i];
        assert_memory_equal(ch_tensor_row(y, row), ch_tensor_row(l->whole, at),
                            (size_t)n[i] * row_bytes);
        ch_convolution_write(q[i]->state[0], 0, at, n[i], ch_tensor_row(l->whole, at), l->D);
        ch_convolution_write(q[i]->state[0], 1, at, n[i], ch_tensor_row(x, row), l->D);
    }
    ch_arena_reset(&l->b.scratch, mark);
}

static void feed_one(layer *l, ch_sequence *q, int n)
{
    feed(l, &q, &n, 1);
}

static void test_steps(void **state)
{
    (void)state;
    static layer l;
    for (size_t i = 0; i < CH_COUNT(shapes); i++)
        for (int size = 1; size <= MOST_STEP; size = size * 3 + 1) {
            open_layer(&l, shapes[i][0], shapes[i][1]);
            ch_sequence q = open_state(&l), other = open_state(&l);
            while (q.length < T)
                feed_one(&l, &q, CH_MIN(size, T - q.length));
            assert_ok(ch_sequence_rollback(&q, 0, NULL), (ch_err){0});
            for (int n = 1; n < 40 && CH_MAX(q.length, other.length) + 40 < T;
                 n = n % 39 + 2) /* two in one step */
                feed(&l, (ch_sequence *const[]){&q, &other}, (const int[]){n, 40 - n}, 2);
            ch_sequence_close(&q);
            ch_sequence_close(&other);
            bench_close(&l.b);
        }
}

/* Goes on, goes back, forks, is saved and restored, at random. */
static void test_walk(void **state)
{
    (void)state;
    static layer l;
    ch_err e = {0};
    for (size_t i = 0; i < CH_COUNT(shapes); i++) {
        open_layer(&l, shapes[i][0], shapes[i][1]);
        ch_sequence q = open_state(&l);
        for (uint64_t step = 0; step < 300; step++) {
            const uint64_t what = ch_rng_below(4, 5, CH_RNG_TEST, (uint32_t)i, 2 * step),
                           how = ch_rng_below(100, 5, CH_RNG_TEST, (uint32_t)i, 2 * step + 1);
            ch_sequence next = {0};
            if (what == 0) {
                feed_one(&l, &q, CH_MIN((int)how + 1, T - q.length));
            } else if (what == 1) {
                const int least = ch_convolution_kind.least(q.state[0]);
                const int to = CH_MAX(q.length - (int)how, least);
                assert_ok(ch_sequence_rollback(&q, how == 0 ? 0 : to, &e), e);
            } else if (what == 2) {
                assert_ok(ch_sequence_fork(&next, &q, &e), e);
                feed_one(&l, how % 2 ? &q : &next, CH_MIN(7, T - q.length));
                ch_sequence_close(&q);
                q = next;
            } else {
                ch_buf bytes;
                ch_buf_init(&bytes, 1 << 24);
                next = open_state(&l);
                assert_ok(ch_sequence_snapshot(&q, &bytes, &e), e);
                assert_ok(ch_sequence_restore(&next, bytes.data, bytes.size, &e), e);
                assert_int_equal(ch_convolution_kind.least(next.state[0]),
                                 ch_convolution_kind.least(q.state[0]));
                ch_buf_close(&bytes);
                ch_sequence_close(&q);
                q = next;
            }
            if (q.length == T)
                assert_ok(ch_sequence_rollback(&q, T - CH_CONVOLUTION_BACK, &e), e);
        }
        ch_sequence_close(&q);
        bench_close(&l.b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formula),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_walk),
    };
    return cmocka_run_group_tests_name("op/convolve", tests, NULL, NULL);
}
