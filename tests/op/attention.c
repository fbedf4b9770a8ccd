/* attention.c - training attention in float against its formula in double
 *
 * Threads are covered by tests/op/tape.c, gradients by tests/gradcheck; here, that the order in
 * which backward takes documents is not seen.
 * SPDX-License-Identifier: MIT */
#include "bench.h"
#include "naive.h"

enum { MOST = 128 };

static void compare(int T, const int32_t *first, ch_attention_spec s)
{
    bench b;
    bench_open(&b, 2);
    const ch_tensor q = bench_tensor(&b, T, s.heads * s.width, 1);
    const ch_tensor k = bench_tensor(&b, T, s.kv_heads * s.width, 2);
    const ch_tensor v = bench_tensor(&b, T, s.kv_heads * s.width, 3);
    const ch_rows rows = {.n = T, .first = first};
    const ch_tensor *o = ch_op_attention(&b.run, &q, &k, &v, &rows, &s);
    for (int t = 0; t < T; t++)
        for (int h = 0; h < s.heads; h++) {
            double wanted[64], slack;
            naive_row(wanted, &slack, &q, &k, &v, first[t], &s, t, h);
            for (int e = 0; e < s.width; e++)
                assert_close(ch_tensor_row(o, t)[h * s.width + e], wanted[e], slack,
                             "T %d row %d head %d element %d", T, t, h, e);
        }
    bench_close(&b);
}

static void test_formula(void **state)
{
    (void)state;
    int32_t one[MOST] = {0}, documents[MOST];
    for (int t = 0; t < MOST; t++)
        documents[t] = t < 3 ? 0 : t < 50 ? 3 : t < 51 ? 50 : 51;
    compare(1, one, (ch_attention_spec){1, 1, 1, 1, 0, 0, false});
    compare(33, one, (ch_attention_spec){4, 2, 16, 0.25F, 0, 0, false});
    compare(MOST, one, (ch_attention_spec){2, 1, 24, 0.2F, 0, 0, true});
    compare(MOST, documents, (ch_attention_spec){6, 2, 8, 0.35F, 0, 0, false});
    compare(MOST, documents, (ch_attention_spec){3, 3, 64, 0.125F, 10, 0, false});
    compare(100, documents, (ch_attention_spec){2, 2, 5, 0.4F, 17, 0, true});
    compare(MOST, documents, (ch_attention_spec){4, 2, 16, 0.5F, 0, 3, false});
    compare(MOST, one, (ch_attention_spec){2, 1, 24, 0.5F, 40, 5, true});
}

/* What other documents of the batch hold does not matter to one; nor do later rows (beyond the
 * grid of 16 and 32 that blocks are cut on, which the numbers here stay on). */
static void test_documents_are_alone(void **state)
{
    (void)state;
    enum { T = 96, E = 16 };
    bench b;
    bench_open(&b, 2);
    int32_t first[T];
    for (int t = 0; t < T; t++)
        first[t] = t < 32 ? 0 : 32;
    const ch_attention_spec s = {2, 1, E, 0.25F, 0, 0, false};
    ch_tensor q = bench_tensor(&b, T, 2 * E, 1), k = bench_tensor(&b, T, E, 2);
    ch_tensor v = bench_tensor(&b, T, E, 3);
    const ch_rows rows = {.n = T, .first = first};
    const ch_tensor *before = ch_op_attention(&b.run, &q, &k, &v, &rows, &s);
    fill(k.data, 32 * E, FILL_NORMAL, 9);
    fill(v.data, 32 * E, FILL_NORMAL, 8);
    const ch_tensor *after = ch_op_attention(&b.run, &q, &k, &v, &rows, &s);
    assert_memory_not_equal(before->data, after->data, 32 * 2 * E * sizeof(real));
    assert_memory_equal(ch_tensor_row(before, 32), ch_tensor_row(after, 32),
                        (T - 32) * 2 * E * sizeof(real));
    bench_close(&b);
}

/* The gradients of rows [row0, row0 + T) of q, k, v, given that of the output, stored in d. */
static void gradients(bench *b, real *d[3], const ch_tensor x[4], int row0, int T,
                      const int32_t *first, const ch_attention_spec *s)
{
    ch_tensor part[4];
    bool add;
    for (int i = 0; i < 4; i++)
        part[i] = ch_tensor_slice_rows(&x[i], row0, T);
    const size_t mark = ch_arena_mark(&b->scratch);
    ch_tape_begin(&b->run);
    for (int i = 0; i < 3; i++)
        part[i].grad = d[i] + row0 * ch_tensor_width(&x[i]);
    const ch_rows rows = {.n = T, .first = first};
    ch_tensor *o = ch_op_attention(&b->run, &part[0], &part[1], &part[2], &rows, s);
    memcpy(ch_op_gradient(o, &add), part[3].data,
           (size_t)ch_tensor_count(&part[3]) * sizeof(real));
    assert_false(add);
    ch_tape_backward(&b->run);
    ch_tape_end(&b->run);
    ch_arena_reset(&b->scratch, mark);
}

/* Backward takes many short documents one by one and a single one in rounds: the same bits. */
static void test_documents_in_any_order(void **state)
{
    (void)state;
    enum { ROWS = 192, DOCUMENTS = 8, T = ROWS * DOCUMENTS, E = 12, H = 2 };
    const ch_attention_spec s = {H, 1, E, 0.3F, 100, 0, true};
    bench b;
    bench_open(&b, 2);
    const ch_tensor x[4] = {bench_tensor(&b, T, H * E, 1), bench_tensor(&b, T, E, 2),
                            bench_tensor(&b, T, E, 3), bench_tensor(&b, T, H * E, 4)};
    real *together[3], *alone[3];
    int32_t *first = ch_arena_take_zero(&b.memory, T * sizeof *first);
    for (int i = 0; i < 3; i++) {
        const size_t bytes = (size_t)ch_tensor_count(&x[i]) * sizeof(real);
        together[i] = ch_arena_take_zero(&b.memory, bytes);
        alone[i] = ch_arena_take_zero(&b.memory, bytes);
    }
    for (int i = 0; i < DOCUMENTS; i++)
        gradients(&b, alone, x, i * ROWS, ROWS, first, &s);
    for (int t = 0; t < T; t++)
        first[t] = t / ROWS * ROWS;
    gradients(&b, together, x, 0, T, first, &s);
    for (int i = 0; i < 3; i++)
        assert_memory_equal(together[i], alone[i], (size_t)ch_tensor_count(&x[i]) * sizeof(real));
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formula),
        cmocka_unit_test(test_documents_are_alone),
        cmocka_unit_test(test_documents_in_any_order),
    };
    return cmocka_run_group_tests_name("op/attention", tests, NULL, NULL);
}
