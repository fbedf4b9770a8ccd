/* attention_window.c - head widths and windows that models have, in training and over pages
 *
 * Both forms against the formula in double; over pages, that what lies behind a row's window, and
 * how a sequence is cut into steps, leaves no trace in its bits.
 * SPDX-License-Identifier: MIT */
#include "bench.h"
#include "naive.h"

enum { H = 2, K = 1, T = 170, MOST_WIDTH = 256 };

typedef struct sequence {
    bench b;
    ch_tensor q, k, v;
    ch_attention_spec spec;
    ch_kv_view view; /* all T keys */
    real **keys, **values;
    int32_t pos[T], seq[T], first[T];
} sequence;

static void put_key(sequence *s, int i, real value, const real *k, const real *v)
{
    const int page = i / s->view.page_size, j = i % s->view.page_size;
    for (int e = 0; e < s->spec.width; e++) {
        s->keys[page][j * s->view.width + e] = k ? k[e] : value;
        s->values[page][j * s->view.width + e] = v ? v[e] : value;
    }
}

static void open_sequence(sequence *s, int width, int window, real softcap, int page_size)
{
    const int pages = (T + page_size - 1) / page_size, padded = (int)ch_round_up(width, 8);
    memset(s, 0, sizeof *s);
    bench_open(&s->b, 2);
    s->spec = (ch_attention_spec){H, K, width, 1 / sqrtf((float)width), window, softcap, false};
    s->q = bench_tensor(&s->b, T, H * width, 1);
    s->k = bench_tensor(&s->b, T, K * width, 2);
    s->v = bench_tensor(&s->b, T, K * width, 3);
    s->keys = ch_arena_take(&s->b.memory, (size_t)pages * sizeof *s->keys);
    s->values = ch_arena_take(&s->b.memory, (size_t)pages * sizeof *s->values);
    int32_t **pos = ch_arena_take(&s->b.memory, (size_t)pages * sizeof *pos);
    const size_t reals = (size_t)(page_size * padded);
    for (int p = 0; p < pages; p++) {
        s->keys[p] = ch_arena_take_zero(&s->b.memory, reals * sizeof(real));
        s->values[p] = ch_arena_take_zero(&s->b.memory, reals * sizeof(real));
        pos[p] = ch_arena_take_zero(&s->b.memory, (size_t)page_size * sizeof **pos);
    }
    s->view = (ch_kv_view){.page_size = page_size,
                           .kv_heads = K,
                           .width = padded,
                           .keys = T,
                           .k_dtype = CH_REAL,
                           .v_dtype = CH_REAL,
                           .k = (const void *const *)s->keys,
                           .v = (const void *const *)s->values,
                           .pos = (const int32_t *const *)pos};
    for (int t = 0; t < T; t++) {
        s->pos[t] = pos[t / page_size][t % page_size] = t;
        put_key(s, t, 0, ch_tensor_row(&s->k, t), ch_tensor_row(&s->v, t));
    }
}

/* Rows [t0, t1) over the first `keys` keys. */
static const ch_tensor *step(sequence *s, int t0, int t1, int keys)
{
    const ch_tensor q = ch_tensor_slice_rows(&s->q, t0, t1 - t0);
    const ch_rows rows = {.n = t1 - t0, .pos = s->pos + t0, .seq = s->seq + t0};
    ch_kv_view view = s->view;
    view.keys = keys;
    return ch_op_attention_pages(&s->b.run, &q, &view, &rows, &s->spec);
}

static const struct {
    int width, window;
    real softcap;
} cases[] = {
    {64, 0, 0},  {64, 1, 0},   {80, 40, 0},  {96, 0, 2},
    {128, 7, 3}, {128, 64, 0}, {256, 65, 5}, {40, 500, 0},
};

static void test_formula(void **state)
{
    (void)state;
    static sequence s;
    for (size_t i = 0; i < CH_COUNT(cases); i++) {
        open_sequence(&s, cases[i].width, cases[i].window, cases[i].softcap, 32);
        const int E = s.spec.width;
        const ch_rows rows = {.n = T, .first = s.first};
        const ch_tensor *forms[2] = {
            ch_op_attention(&s.b.run, &s.q, &s.k, &s.v, &rows, &s.spec), step(&s, 0, T, T)};
        for (int t = 0; t < T; t += t < 40 ? 3 : 13)
            for (int h = 0; h < H; h++) {
                double wanted[MOST_WIDTH], slack;
                naive_row(wanted, &slack, &s.q, &s.k, &s.v, 0, &s.spec, t, h);
                for (int e = 0; e < 2 * E; e++)
                    assert_close(ch_tensor_row(forms[e / E], t)[h * E + e % E], wanted[e % E],
                                 slack, "case %zu, form %d, row %d, head %d, element %d", i, e / E,
                                 t, h, e % E);
            }
        bench_close(&s.b);
    }
}

/* All rows at once; in steps of several sizes, each with the keys there are by then; and with pages
 * of another size. */
static void test_steps(void **state)
{
    (void)state;
    static sequence s, other;
    for (size_t i = 0; i < CH_COUNT(cases); i++) {
        open_sequence(&s, cases[i].width, cases[i].window, cases[i].softcap, 32);
        open_sequence(&other, cases[i].width, cases[i].window, cases[i].softcap, 64);
        const size_t bytes = (size_t)(H * s.spec.width) * sizeof(real);
        const ch_tensor *whole = step(&s, 0, T, T), *again = step(&other, 0, T, T);
        assert_memory_equal(whole->data, again->data, T * bytes);
        for (int t = 0, n = 1, end; t < T; t = end, n = n * 3 % 71) {
            end = CH_MIN(t + n, T);
            const ch_tensor *part = step(&s, t, end, end);
            assert_memory_equal(part->data, ch_tensor_row(whole, t), (size_t)(end - t) * bytes);
        }
        bench_close(&other.b);
        bench_close(&s.b);
    }
}

/* Stretches of keys that lie behind the window may hold anything, and lose their positions. */
static void test_behind_the_window(void **state)
{
    (void)state;
    static sequence s;
    for (size_t i = 0; i < CH_COUNT(cases); i++) {
        const int window = cases[i].window ? cases[i].window : T;
        open_sequence(&s, cases[i].width, cases[i].window, cases[i].softcap, 32);
        const size_t bytes = (size_t)(H * s.spec.width) * sizeof(real);
        const int row = 150, behind = CH_MAX(row - window + 1, 0) / 32 * 32;
        const ch_tensor *before = step(&s, row, row + 1, T);
        for (int t = 0; t < behind; t++)
            put_key(&s, t, NAN, NULL, NULL);
        const ch_tensor *after = step(&s, row, row + 1, T);
        assert_memory_equal(before->data, after->data, bytes);
        for (int t = 0; t < behind; t += 3) /* what was dropped */
            ((int32_t *)(uintptr_t)s.view.pos[t / 32])[t % 32] = -1;
        after = step(&s, row, row + 1, T);
        assert_memory_equal(before->data, after->data, bytes);
        bench_close(&s.b);
    }
}

/* Rows side by side, of which some see keys that others have behind their window: what is not
 * finite there reaches those that see it alone, whatever the page. */
static void test_neighbours_behind_the_window(void **state)
{
    (void)state;
    enum { FIRST = 36, ROWS = 8, BAD = 32, WINDOW = 7 };
    static const int pages[] = {1, 7, 32, 170};
    static sequence s;
    static real kept[ROWS][H * 64];
    for (size_t p = 0; p < CH_COUNT(pages); p++) {
        open_sequence(&s, 64, WINDOW, 0, pages[p]);
        for (int t = 0; t < BAD; t++)
            put_key(&s, t, NAN, NULL, NULL);
        const ch_tensor *all = step(&s, FIRST - 20, FIRST + ROWS + 60, T);
        for (int r = 0; r < ROWS; r++) {
            const ch_tensor *alone = step(&s, FIRST + r, FIRST + r + 1, T);
            const real *row = ch_tensor_row(all, 20 + r);
            if (p == 0)
                memcpy(kept[r], row, sizeof kept[r]);
            const bool sees = FIRST + r - WINDOW + 1 < BAD;
            assert_int_equal(!isfinite(row[0]), sees);
            if (sees)
                continue;
            assert_memory_equal(alone->data, row, sizeof kept[r]);
            assert_memory_equal(kept[r], row, sizeof kept[r]);
        }
        bench_close(&s.b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formula),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_behind_the_window),
        cmocka_unit_test(test_neighbours_behind_the_window),
    };
    return cmocka_run_group_tests_name("op/attention_window", tests, NULL, NULL);
}
