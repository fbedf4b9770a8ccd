/* attention_pages.c - a row's result is a function of what it sees, to the bit
 *
 * Exactness is checked in double by tests/gradcheck, against training attention.  Here:
 * neighbours, later keys, page sizes, threads, merged keys, and every stored format.
 * SPDX-License-Identifier: MIT */
#include "bench.h"

enum { H = 4, K = 2, E = 24, WIDTH = 32, KEYS = 200, ROWS = 17 };

static const ch_dtype dtypes[] = {CH_F32, CH_F16, CH_BF16, CH_Q8_0, CH_Q4_0};

/* of keys beside values of dtypes[d] */
static ch_dtype keys_of(size_t d) { return dtypes[d] == CH_Q4_0 ? CH_Q8_0 : dtypes[d]; }

/* A sequence of KEYS keys, in pages that the test may write to. */
typedef struct sequence {
    ch_kv_view view;
    char **k, **v;
    int32_t **pos;
    float **log_count;
} sequence;

static size_t offset(const sequence *s, ch_dtype dtype, int head, int j)
{
    return ch_dtype_bytes(dtype, ((int64_t)head * s->view.page_size + j) * WIDTH);
}

static void put_key(sequence *s, int i, const real *k, const real *v, int32_t pos)
{
    const int page = i / s->view.page_size, j = i % s->view.page_size;
    const ch_kv_view *w = &s->view;
    for (int h = 0; h < K; h++) {
        real row[WIDTH] = {0};
        memcpy(row, k + h * E, E * sizeof *row);
        ch_dtype_get(w->k_dtype)->encode(s->k[page] + offset(s, w->k_dtype, h, j), row, WIDTH);
        memcpy(row, v + h * E, E * sizeof *row);
        ch_dtype_get(w->v_dtype)->encode(s->v[page] + offset(s, w->v_dtype, h, j), row, WIDTH);
    }
    s->pos[page][j] = pos;
}

static sequence open_seeded(bench *b, ch_dtype k, ch_dtype v, int page_size, int keys,
                            uint64_t seed)
{
    const int pages = (keys + page_size - 1) / page_size;
    const int64_t page = (int64_t)K * page_size * WIDTH;
    sequence s = {.view = {.page_size = page_size,
                           .kv_heads = K,
                           .width = WIDTH,
                           .keys = keys,
                           .k_dtype = k,
                           .v_dtype = v}};
    s.k = ch_arena_take(&b->memory, (size_t)pages * sizeof *s.k);
    s.v = ch_arena_take(&b->memory, (size_t)pages * sizeof *s.v);
    s.pos = ch_arena_take(&b->memory, (size_t)pages * sizeof *s.pos);
    s.log_count = ch_arena_take_zero(&b->memory, (size_t)pages * sizeof *s.log_count);
    for (int p = 0; p < pages; p++) {
        s.k[p] = ch_arena_take_zero(&b->memory, ch_dtype_bytes(k, page));
        s.v[p] = ch_arena_take_zero(&b->memory, ch_dtype_bytes(v, page));
        s.pos[p] = ch_arena_take(&b->memory, (size_t)page_size * sizeof **s.pos);
        memset(s.pos[p], 0xff, (size_t)page_size * sizeof **s.pos);
    }
    s.view.k = (const void *const *)s.k;
    s.view.v = (const void *const *)s.v;
    s.view.pos = (const int32_t *const *)s.pos;
    const real *kx = bench_reals(b, (int64_t)keys * K * E, seed),
               *vx = bench_reals(b, (int64_t)keys * K * E, seed + 1);
    for (int i = 0; i < keys; i++)
        put_key(&s, i, kx + i * K * E, vx + i * K * E, i);
    return s;
}

static sequence open_sequence(bench *b, ch_dtype k, ch_dtype v, int page_size, int keys)
{
    return open_seeded(b, k, v, page_size, keys, 5);
}

static const ch_attention_spec specs[] = {
    {H, K, E, 0.2F, 0, 0, false}, {H, K, E, 0.2F, 40, 0, false}, {H, K, E, 0.2F, 33, 0, true}};

/* A row alone; among 17 others of two sequences; with later keys cut off, or poisoned. */
static void test_rows_are_alone(void **state)
{
    (void)state;
    int32_t pos[ROWS], seq[ROWS];
    for (int t = 0; t < ROWS; t++) {
        pos[t] = (t * 37) % (KEYS - 5);
        seq[t] = t % 2;
    }
    for (size_t d = 0; d < CH_COUNT(dtypes); d++)
        for (size_t c = 0; c < CH_COUNT(specs); c++) {
            bench b;
            bench_open(&b, 3);
            const ch_tensor q = bench_tensor(&b, ROWS, H * E, 1);
            sequence s = open_sequence(&b, keys_of(d), dtypes[d], 32, KEYS);
            ch_kv_view views[2] = {s.view, s.view};
            const ch_rows rows = {.n = ROWS, .pos = pos, .seq = seq};
            const ch_tensor *all = ch_op_attention_pages(&b.run, &q, views, &rows, &specs[c]);
            for (int t = 0; t < ROWS; t++) {
                const ch_tensor row = ch_tensor_slice_rows(&q, t, 1);
                const ch_rows one = {.n = 1, .pos = pos + t, .seq = seq + 1};
                views[1].keys = pos[t] + 1;
                const ch_tensor *alone =
                    ch_op_attention_pages(&b.run, &row, views, &one, &specs[c]);
                assert_memory_equal(alone->data, ch_tensor_row(all, t), H * E * sizeof(real));
            }
            bench_close(&b);
        }
}

/* Runs of 1 to 11 rows of two texts, whose tasks hold several rows: each has the bits that it
 * has alone, with every way to change a score, and with keys ahead of it that are NaN. */
static void test_rows_of_a_task(void **state)
{
    (void)state;
    enum { MANY = 121 };
    static const ch_attention_spec of[] = {{H, K, E, 0.2F, 0, 0, false},
                                           {H, K, E, 0.2F, 40, 0, false},
                                           {H, K, E, 0.2F, 0, 2, false},
                                           {H, K, E, 0.2F, 33, 0, true}};
    int32_t pos[MANY], seq[MANY];
    for (int t = 0, run = 1, left = 1; t < MANY; t++) {
        seq[t] = run % 2;
        pos[t] = 20 + t;
        if (--left == 0)
            left = ++run % 11 + 1;
    }
    real bad[K * E];
    for (int i = 0; i < K * E; i++)
        bad[i] = NAN;
    for (size_t d = 0; d < CH_COUNT(dtypes); d++)
        for (size_t c = 0; c < CH_COUNT(of); c++) {
            bench b;
            bench_open(&b, 2);
            const ch_tensor q = bench_tensor(&b, MANY, H * E, 1);
            sequence s[] = {open_seeded(&b, keys_of(d), dtypes[d], 32, KEYS, 5),
                            open_seeded(&b, keys_of(d), dtypes[d], 32, KEYS, 7)};
            for (int i = 20 + MANY; i < KEYS && dtypes[d] == CH_F32; i++)
                put_key(&s[1], i, bad, bad, i);
            float counts[32] = {0};
            for (int i = 0; i < 32; i++)
                counts[i] = logf(1 + (float)(i % 3));
            s[1].log_count[1] = counts;
            s[1].view.log_count = (const float *const *)s[1].log_count;
            const ch_kv_view views[] = {s[0].view, s[1].view};
            const ch_rows rows = {.n = MANY, .pos = pos, .seq = seq};
            const ch_tensor *all = ch_op_attention_pages(&b.run, &q, views, &rows, &of[c]);
            for (int t = 0; t < MANY; t++) {
                const ch_tensor row = ch_tensor_slice_rows(&q, t, 1);
                const ch_rows one = {.n = 1, .pos = pos + t, .seq = seq + t};
                const ch_tensor *alone =
                    ch_op_attention_pages(&b.run, &row, views, &one, &of[c]);
                assert_memory_equal(alone->data, ch_tensor_row(all, t), H * E * sizeof(real));
                for (int i = 0; i < H * E; i++)
                    assert_true(isfinite(((const real *)alone->data)[i]));
            }
            bench_close(&b);
        }
}

/* A row's bits before and after all keys behind it are NaN, beside a later row that sees them. */
static void test_later_keys_of_a_neighbour(void **state)
{
    (void)state;
    enum { TWO = 64, FIRST = 45 };
    real bad[K * E];
    int32_t pos[TWO], seq[TWO] = {0};
    for (int i = 0; i < K * E; i++)
        bad[i] = NAN;
    for (int t = 0; t < TWO; t++)
        pos[t] = FIRST + t;
    for (size_t d = 0; d < CH_COUNT(dtypes); d++) {
        bench b;
        bench_open(&b, 1);
        const ch_tensor q = bench_tensor(&b, TWO, H * E, 1);
        sequence s = open_sequence(&b, keys_of(d), dtypes[d], 32, KEYS);
        const ch_rows rows = {.n = TWO, .pos = pos, .seq = seq};
        const ch_tensor *before = ch_op_attention_pages(&b.run, &q, &s.view, &rows, &specs[0]);
        for (int i = FIRST + 4; i < KEYS; i++)
            put_key(&s, i, bad, bad, i);
        const ch_tensor *after = ch_op_attention_pages(&b.run, &q, &s.view, &rows, &specs[0]);
        assert_memory_equal(before->data, after->data, 4 * H * E * sizeof(real));
        assert_false(isfinite(*ch_tensor_row(after, 4)));
        bench_close(&b);
    }
}

static void test_later_keys_are_not_read(void **state)
{
    (void)state;
    enum { SEEN = 45 };
    real bad[K * E];
    for (int i = 0; i < K * E; i++)
        bad[i] = NAN;
    for (size_t c = 0; c < CH_COUNT(specs); c++) {
        bench b;
        bench_open(&b, 1);
        const ch_tensor q = bench_tensor(&b, 1, H * E, 1);
        sequence s = open_sequence(&b, CH_F16, CH_F32, 32, KEYS);
        const int32_t pos = SEEN - 1, seq = 0;
        const ch_rows rows = {.n = 1, .pos = &pos, .seq = &seq};
        const ch_tensor *before = ch_op_attention_pages(&b.run, &q, &s.view, &rows, &specs[c]);
        for (int i = SEEN; i < KEYS; i++)
            put_key(&s, i, bad, bad, i);
        const ch_tensor *after = ch_op_attention_pages(&b.run, &q, &s.view, &rows, &specs[c]);
        for (int i = 0; i < H * E; i++)
            assert_true(isfinite(((real *)before->data)[i]));
        assert_memory_equal(before->data, after->data, H * E * sizeof(real));
        bench_close(&b);
    }
}

/* Pages of 1 to 200 keys, and pools of 1 to 3 threads. */
static void test_pages_and_threads(void **state)
{
    (void)state;
    int32_t pos[ROWS], seq[ROWS] = {0};
    for (int t = 0; t < ROWS; t++)
        pos[t] = KEYS - 1 - t;
    const ch_rows rows = {.n = ROWS, .pos = pos, .seq = seq};
    static const int pages[] = {1, 7, 32, 96, 128, 200};
    real first[ROWS * H * E];
    for (int threads = 1; threads <= 3; threads++)
        for (size_t p = 0; p < CH_COUNT(pages); p++) {
            bench b;
            bench_open(&b, threads);
            const ch_tensor q = bench_tensor(&b, ROWS, H * E, 1);
            const sequence s = open_sequence(&b, CH_F16, CH_Q8_0, pages[p], KEYS);
            const ch_tensor *o = ch_op_attention_pages(&b.run, &q, &s.view, &rows, &specs[0]);
            if (threads == 1 && p == 0)
                memcpy(first, o->data, sizeof first);
            assert_memory_equal(first, o->data, sizeof first);
            bench_close(&b);
        }
}

/* Three equal keys are one key that counts three times; log 3 is rounded once more on its way. */
static void test_merged_keys(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, 1);
    const ch_tensor q = bench_tensor(&b, 1, H * E, 1);
    const real *k = bench_reals(&b, 20 * K * E, 5), *v = bench_reals(&b, 20 * K * E, 6);
    sequence whole = open_sequence(&b, CH_F32, CH_F32, 32, 40);
    sequence merged = open_sequence(&b, CH_F32, CH_F32, 32, 20);
    merged.log_count[0] = ch_arena_take_zero(&b.memory, 32 * sizeof(float));
    merged.view.log_count = (const float *const *)merged.log_count;
    int n = 0;
    for (int i = 0; i < 20; i++) {
        put_key(&merged, i, k + i * K * E, v + i * K * E, n);
        merged.log_count[0][i] = i % 2 ? logf(3) : 0;
        for (int copies = i % 2 ? 3 : 1; copies > 0; copies--, n++)
            put_key(&whole, n, k + i * K * E, v + i * K * E, n);
    }
    assert_int_equal(n, 40);
    const int32_t pos = 39, seq = 0;
    const ch_rows rows = {.n = 1, .pos = &pos, .seq = &seq};
    const ch_tensor *a = ch_op_attention_pages(&b.run, &q, &whole.view, &rows, &specs[0]);
    const ch_tensor *m = ch_op_attention_pages(&b.run, &q, &merged.view, &rows, &specs[0]);
    for (int i = 0; i < H * E;
         i++) /* 40 keys, values below 5: 64 roundings of what is at most 5 */
        assert_close(((real *)m->data)[i], ((real *)a->data)[i], ldexp(5 * 64, -24), "element %d",
                     i);
    bench_close(&b);
}

/* Invalid keys, keys ahead of the row, and keys behind its window: nothing to see is zeros. */
static void test_nothing_to_see(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, 1);
    const ch_tensor q = bench_tensor(&b, 1, H * E, 1);
    sequence s = open_sequence(&b, CH_F16, CH_F16, 32, 40);
    const int32_t seq = 0;
    const int32_t none = 60, ahead = -1;
    const ch_rows behind = {.n = 1, .pos = &none, .seq = &seq},
                  before = {.n = 1, .pos = &ahead, .seq = &seq};
    const ch_attention_spec window = {H, K, E, 0.2F, 5, 0, false};
    const ch_tensor *o[3] = {ch_op_attention_pages(&b.run, &q, &s.view, &behind, &window),
                             ch_op_attention_pages(&b.run, &q, &s.view, &before, &specs[0]), NULL};
    for (int i = 0; i < 40; i++)
        s.pos[i / 32][i % 32] = -1;
    o[2] = ch_op_attention_pages(&b.run, &q, &s.view, &behind, &specs[0]);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < H * E; i++)
            assert_true(((real *)o[c]->data)[i] == 0);
    bench_close(&b);
}

/* Stored formats differ from float keys and values by their own rounding only. */
static void test_formats(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, 1);
    const ch_tensor q = bench_tensor(&b, 1, H * E, 1);
    const int32_t pos = KEYS - 1, seq = 0;
    const ch_rows rows = {.n = 1, .pos = &pos, .seq = &seq};
    const sequence s = open_sequence(&b, CH_F32, CH_F32, 32, KEYS);
    const ch_tensor *exact = ch_op_attention_pages(&b.run, &q, &s.view, &rows, &specs[0]);
    /* Keys and values stay below 5, so that scores (24 terms, |q| below 5, scale 0.2) move by at
     * most 0.2 * 24 * 5 steps and, the weights summing to 1, results by twice that times 5; a step
     * is half a unit in the last place of 5: 2^-9 (f16), 2^-6 (bf16), 5/127/2 (q8_0).  Rounding is
     * random, so a twentieth of that bound is taken.  Values of q4_0, beside keys of q8_0, are off
     * by a step of 5/8 at most. */
    static const double step[] = {0, 0x1p-9, 0x1p-6, 5.0 / 254, 5.0 / 254};
    for (size_t d = 1; d < CH_COUNT(dtypes); d++) {
        const sequence c = open_sequence(&b, keys_of(d), dtypes[d], 32, KEYS);
        const ch_tensor *o = ch_op_attention_pages(&b.run, &q, &c.view, &rows, &specs[0]);
        for (int i = 0; i < H * E; i++)
            assert_close(((real *)o->data)[i], ((real *)exact->data)[i],
                         0.2 * 24 * 5 * 2 * 5 * step[d] / 20 + (dtypes[d] == CH_Q4_0 ? 5.0 / 8 : 0),
                         "%s element %d",
                         ch_dtype_get(dtypes[d])->name, i);
    }
    bench_close(&b);
}

/* A measuring run is shown no view and takes the same memory. */
static void test_measured_peak(void **state)
{
    (void)state;
    bench b;
    ch_arena measuring;
    bench_open(&b, 2);
    int32_t pos[ROWS], seq[ROWS] = {0};
    for (int t = 0; t < ROWS; t++)
        pos[t] = t;
    const ch_tensor q = bench_tensor(&b, ROWS, H * E, 1);
    const sequence s = open_sequence(&b, CH_F16, CH_F16, 32, KEYS);
    const ch_rows rows = {.n = ROWS, .pos = pos, .seq = seq}, bare = {.n = ROWS};
    ch_op_attention_pages(&b.run, &q, &s.view, &rows, &specs[0]);
    ch_arena_measure(&measuring);
    ch_run r = b.run;
    r.scratch = &measuring;
    ch_op_attention_pages(&r, &q, NULL, &bare, &specs[0]);
    assert_int_equal(measuring.peak, b.scratch.peak);
    ch_arena_close(&measuring);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_alone),    cmocka_unit_test(test_rows_of_a_task),
        cmocka_unit_test(test_later_keys_of_a_neighbour),
        cmocka_unit_test(test_later_keys_are_not_read),
        cmocka_unit_test(test_pages_and_threads), cmocka_unit_test(test_merged_keys),
        cmocka_unit_test(test_nothing_to_see),    cmocka_unit_test(test_formats),
        cmocka_unit_test(test_measured_peak),
    };
    return cmocka_run_group_tests_name("op/attention_pages", tests, NULL, NULL);
}
