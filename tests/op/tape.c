/* tape.c - a small network through every taped operation: threads, measuring, and repetition
 * change no bit
 *
 * SPDX-License-Identifier: MIT */
#include "bench.h"

enum { T = 150, D = 64, H = 4, K = 2, E = 16, F = 96, V = 300, WEIGHTS = 14, RANK = 4,
       ADAPTED = 5 };

typedef struct network {
    bench b;
    ch_weight w[WEIGHTS], a, up; /* a, up: an adapter's two maps */
    ch_low_rank low[ADAPTED + 1]; /* the others: nothing */
    ch_adapter adapter;
    const ch_adapter *each;
    ch_adapters all;
    ch_rows rows;
    ch_token *target;
    real *cosines, *sines;
    real *gradients; /* of all weights */
    int64_t n;
} network;

enum { EMBED, NORM1, Q, KEY, VALUE, OUT, NORM2, BIAS2, GATE, UP, DOWN, HEAD, HEAD_BIAS, FILTER };

static const int shape[WEIGHTS][2] = {{V, D},    {0, D}, {H * E, D}, {K * E, D}, {K * E, D},
                                      {D, H *E}, {0, D}, {0, D},     {F, D},     {F, D},
                                      {D, F},    {V, D}, {0, V},    {D, 3}};

static void give_gradient(network *n, ch_weight *w)
{
    w->stored.grad = n->gradients + n->n;
    n->n += ch_tensor_count(&w->stored);
}

static void open_rows(network *n)
{
    int32_t *ints = ch_arena_take_zero(&n->b.memory, 5 * T * sizeof *ints);
    ch_token *id = ints;
    int32_t *pos = ints + T, *first = ints + 2 * T, *chosen = ints + 3 * T;
    n->target = ints + 4 * T;
    for (int t = 0; t < T; t++) {
        id[t] = t * 31 % V;
        n->target[t] = t % 7 ? t * 17 % V : -1;
        first[t] = t < 40 ? 0 : t < 41 ? 40 : 41;
        pos[t] = t - first[t];
        chosen[t] = t / 9 % 2 - 1;
    }
    n->rows = (ch_rows){.n = T, .id = id, .pos = pos, .first = first, .adapter = chosen};
}

static void open_network(network *n, int threads)
{
    *n = (network){.n = 0};
    bench_open(&n->b, threads);
    n->gradients = ch_arena_take_zero(&n->b.memory, 200000 * sizeof(real));
    for (int i = 0; i < WEIGHTS; i++) {
        n->w[i] = shape[i][0] ? bench_matrix(&n->b, CH_REAL, shape[i][0], shape[i][1], (uint64_t)i)
                              : bench_vector(&n->b, shape[i][1], (uint64_t)i);
        give_gradient(n, &n->w[i]);
    }
    n->a = bench_matrix(&n->b, CH_REAL, RANK, D, 20);
    n->up = bench_matrix(&n->b, CH_REAL, H * E, RANK, 21);
    give_gradient(n, &n->a);
    give_gradient(n, &n->up);
    assert_true(n->n <= 200000);
    n->low[ADAPTED] = (ch_low_rank){&n->a, &n->up, 0.25F};
    n->w[Q].number = ADAPTED;
    n->adapter = (ch_adapter){n->low, ADAPTED + 1};
    n->each = &n->adapter;
    n->all = (ch_adapters){&n->each, 1};
    n->b.run.adapters = &n->all;
    n->w[HEAD].bias = &n->w[HEAD_BIAS];
    open_rows(n);
    const ch_rope rope = {.dims = E, .interleaved = true, .base = 10000};
    n->cosines = ch_arena_take(&n->b.memory, T * E / 2 * sizeof(real));
    n->sines = ch_arena_take(&n->b.memory, T * E / 2 * sizeof(real));
    ch_op_rope_table(n->cosines, n->sines, &rope, n->rows.pos, T);
}

static double step(network *n, ch_run *r)
{
    const ch_rows rows = ch_op_computes(r) ? n->rows : (ch_rows){.n = T};
    const ch_rope rope = {.dims = E, .interleaved = true, .base = 10000};
    const ch_attention_spec spec = {H, K, E, 0.25F, 50, 4, true};
    const ch_weight *w = n->w;
    double nll;
    ch_tensor *qkv[3], *gu[2];
    ch_tape_begin(r);
    ch_tensor *x = ch_op_embed(r, &w[EMBED], &rows);
    ch_op_linear_many(r, qkv, ch_op_rmsnorm(r, x, &w[NORM1], 0, 1e-5F),
                      (const ch_weight *const[]){&w[Q], &w[KEY], &w[VALUE]}, 3, &rows);
    qkv[0] = ch_op_rmsnorm(r, qkv[0], NULL, E, 1e-5F);
    ch_op_rope(r, qkv[0], H, &rope, n->cosines, n->sines);
    ch_op_rope(r, qkv[1], K, &rope, n->cosines, n->sines);
    ch_tensor *o = ch_op_attention(r, qkv[0], qkv[1], qkv[2], &rows, &spec);
    x = ch_op_linear_add(r, x, o, &w[OUT], &rows);
    ch_op_linear_many(r, gu, ch_op_layernorm(r, x, &w[NORM2], &w[BIAS2], 1e-5F),
                      (const ch_weight *const[]){&w[GATE], &w[UP]}, 2, &rows);
    ch_tensor *h = ch_op_add(r, ch_op_swiglu(r, gu[0], gu[1]), ch_op_gelu(r, gu[1]));
    h = ch_op_add(r, h, ch_op_relu2(r, gu[0]));
    h = ch_op_add(r, h, ch_op_softcap(r, ch_op_geglu(r, gu[1], gu[0]), 3));
    x = ch_op_linear_add(r, x, h, &w[DOWN], &rows);
    x = ch_op_add(r, x, ch_op_multiply(r, x, ch_op_convolve(r, x, &w[FILTER], NULL, &rows)));
    x = ch_op_multiply(r, ch_op_columns(r, ch_op_columns(r, gu[0], 9, D + 2), 2, D),
                       ch_op_scale(r, x, 0.3F));
    const ch_loss_spec loss = {.scale = 1.0 / T, .smoothing = 0.1, .softcap = 20};
    ch_op_cross_entropy(r, ch_op_rmsnorm(r, x, NULL, 0, 1e-5F), &w[HEAD],
                        ch_op_computes(r) ? n->target : NULL, &loss, &nll, NULL);
    ch_tape_backward(r);
    ch_tape_end(r);
    return nll;
}

static void test_threads(void **state)
{
    (void)state;
    network alone, shared;
    open_network(&alone, 1);
    const double nll = step(&alone, &alone.b.run);
    assert_true(nll > 0 && isfinite(nll));
    for (int64_t i = 0; i < alone.n; i++)
        assert_true(isfinite((double)alone.gradients[i]));
    for (int threads = 2; threads <= 3; threads++) {
        open_network(&shared, threads);
        assert_true(step(&shared, &shared.b.run) == nll);
        assert_memory_equal(shared.gradients, alone.gradients, (size_t)alone.n * sizeof(real));
        bench_close(&shared.b);
    }
    bench_close(&alone.b);
}

static void test_measured_peak(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        network n;
        ch_arena measuring;
        open_network(&n, threads);
        ch_arena_measure(&measuring);
        ch_run r = n.b.run;
        r.scratch = &measuring;
        step(&n, &r);
        step(&n, &n.b.run);
        assert_int_equal(measuring.peak, n.b.scratch.peak);
        ch_arena_close(&measuring);
        bench_close(&n.b);
    }
}

/* The same step again, in memory that is no longer fresh, gives the same bits. */
static void test_again(void **state)
{
    (void)state;
    network n;
    open_network(&n, 2);
    step(&n, &n.b.run);
    real *once = ch_arena_take(&n.b.memory, (size_t)n.n * sizeof *once);
    memcpy(once, n.gradients, (size_t)n.n * sizeof *once);
    memset(n.gradients, 0, (size_t)n.n * sizeof *once);
    ch_arena_reset(&n.b.scratch, 0);
    step(&n, &n.b.run);
    assert_memory_equal(once, n.gradients, (size_t)n.n * sizeof *once);
    bench_close(&n.b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_measured_peak),
        cmocka_unit_test(test_again),
    };
    return cmocka_run_group_tests_name("op/tape", tests, NULL, NULL);
}
