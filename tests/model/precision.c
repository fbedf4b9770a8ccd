/* precision.c - training in 13-bit integers: a whole model's gradient beside that in floats, the
 * same from any number of threads, faults that stay visible
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "support.h"
#include "tiny.h"

enum { T = 200, DOCUMENT = 50 };

typedef struct rig {
    ch_model *model;
    ch_kernels kernels;
    ch_arena scratch;
    ch_pool *pool;
    int32_t id[T], pos[T], first[T];
    ch_token target[T];
} rig;

static void open_rig(rig *g, const char *arch, int threads)
{
    ch_err e;
    unsigned features;
    const ch_config c = tiny_config(arch);
    assert_ok(ch_cpu_features(&features, NULL, &e), e);
    ch_kernels_init(&g->kernels, features);
    assert_ok(ch_pool_open(&g->pool, threads, &e), e);
    assert_ok(ch_model_create(&g->model, &c, 3, NULL, &e), e);
    const size_t bytes = ch_forward_scratch(g->model, NULL, &g->kernels, g->pool, T, T, NULL);
    assert_ok(ch_arena_open(&g->scratch, bytes, &e), e);
    for (int t = 0; t < T; t++) {
        g->pos[t] = t % DOCUMENT;
        g->first[t] = t - t % DOCUMENT;
        g->id[t] = (int32_t)ch_rng_below((uint32_t)c.vocab, 7, CH_RNG_TEST, 0, (uint64_t)t);
        g->target[t] = t % 9 == 4 ? -1 : (g->id[t] % 13 * 5) % c.vocab;
    }
}

static void close_rig(rig *g)
{
    ch_arena_close(&g->scratch);
    ch_model_close(&g->model);
    ch_pool_close(&g->pool);
}

static double gradient(rig *g, ch_precision precision)
{
    ch_run r = {.scratch = &g->scratch,
                .pool = g->pool,
                .kernels = &g->kernels,
                .precision = precision};
    const ch_step step = {.rows = {.n = T, .id = g->id, .pos = g->pos, .first = g->first}};
    double nll;
    memset(g->model->gradients, 0, (size_t)g->model->bucket * sizeof(real));
    ch_tape_begin(&r);
    ch_forward_loss(&r, g->model, &step, g->target, 1, 0, &nll, NULL);
    ch_tape_backward(&r);
    ch_tape_end(&r);
    ch_arena_reset(&g->scratch, 0);
    return nll;
}

static real *copy_gradients(const rig *g)
{
    const size_t bytes = (size_t)g->model->bucket * sizeof(real);
    real *copy = malloc(bytes);
    assert_non_null(copy);
    memcpy(copy, g->model->gradients, bytes);
    return copy;
}

/* Steps down the gradient, so that predictions are sure of themselves and gradients small. */
static void learn(rig *g, int steps)
{
    for (int i = 0; i < steps; i++) {
        double norm = 0;
        gradient(g, CH_PRECISION_I16);
        for (int64_t j = 0; j < g->model->bucket; j++)
            norm += (double)g->model->gradients[j] * (double)g->model->gradients[j];
        for (int64_t j = 0; j < g->model->bucket; j++)
            g->model->parameters[j] -= (real)(0.3 / sqrt(norm)) * g->model->gradients[j];
    }
}

/* ---- How far apart -------------------------------------------------------------------------- */

typedef struct apart {
    double error, cosine; /* |a - b| / |b|, a b / |a| |b| */
} apart;

static apart measure(const real *a, const real *b, int64_t n)
{
    double aa = 0, bb = 0, ab = 0, dd = 0;
    for (int64_t i = 0; i < n; i++) {
        const double x = (double)a[i], y = (double)b[i];
        aa += x * x;
        bb += y * y;
        ab += x * y;
        dd += (x - y) * (x - y);
    }
    return bb > 0 ? (apart){sqrt(dd / bb), ab / sqrt(aa * bb)} : (apart){sqrt(dd), 1};
}

typedef struct comparison {
    const rig *g;
    const real *floats;
    double worst;
    const char *where;
} comparison;

static int compare_weight(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    comparison *c = arg;
    (void)row;
    (void)layer;
    if (!w->stored.data || !w->stored.grad)
        return 0;
    const apart a = measure(w->stored.grad, c->floats + (w->stored.grad - c->g->model->gradients),
                            ch_tensor_count(&w->stored));
    if (a.error > c->worst) {
        c->worst = a.error;
        c->where = w->name;
    }
    return 0;
}

/* A step of 13 bits is a part in 8190 of the largest in 128: some parts in ten thousand of what is
 * typical, and sums of many errors of either sign grow more slowly than what they are of. */
static void test_gradient(void **state)
{
    (void)state;
    static const char *const archs[] = {"llama", "qwen3"};
    for (int a = 0; a < 2; a++)
        for (int steps = 0; steps <= 40; steps += 40) {
            rig g;
            open_rig(&g, archs[a], 2);
            learn(&g, steps);
            const double exact = gradient(&g, CH_PRECISION_F32);
            real *floats = copy_gradients(&g);
            const double nll = gradient(&g, CH_PRECISION_I16);
            const apart all = measure(g.model->gradients, floats, g.model->bucket);
            comparison c = {&g, floats, 0, ""};
            ch_model_each(g.model, compare_weight, &c);
            print_message("%s after %d steps: loss %.5f, in floats %.5f; error %.2e, cosine 1 - "
                          "%.1e; worst weight %s: %.2e\n",
                          archs[a], steps, nll / T, exact / T, all.error, 1 - all.cosine, c.where,
                          c.worst);
            assert_true(fabs(nll - exact) < 1e-3 * exact);
            assert_true(all.error < 2e-3 && all.error > 0);
            assert_true(all.cosine > 1 - 1e-5);
            assert_true(c.worst < 1e-2);
            free(floats);
            close_rig(&g);
        }
}

static void test_threads(void **state)
{
    (void)state;
    rig one;
    open_rig(&one, "qwen3", 1);
    const double nll = gradient(&one, CH_PRECISION_I16);
    for (int threads = 2; threads <= 3; threads++) {
        rig g;
        open_rig(&g, "qwen3", threads);
        assert_true(gradient(&g, CH_PRECISION_I16) == nll);
        assert_memory_equal(g.model->gradients, one.model->gradients,
                            (size_t)one.model->bucket * sizeof(real));
        close_rig(&g);
    }
    close_rig(&one);
}

/* One weight that is not finite makes the loss and the gradients so too. */
static void test_fault(void **state)
{
    (void)state;
    static const real faults[] = {(real)NAN, (real)INFINITY, -(real)INFINITY};
    for (size_t i = 0; i < CH_COUNT(faults); i++) {
        rig g;
        double sum = 0;
        open_rig(&g, "llama", 1);
        g.model->parameters[g.model->bucket / 2] = faults[i];
        assert_false(isfinite(gradient(&g, CH_PRECISION_I16)));
        for (int64_t j = 0; j < g.model->bucket; j++)
            sum += (double)g.model->gradients[j];
        assert_false(isfinite(sum));
        close_rig(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_fault),
    };
    return cmocka_run_group_tests_name("model/precision", tests, NULL, NULL);
}
