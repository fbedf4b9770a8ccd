/* observe.c - tests of analyze/observe.c: models whose steps are known beforehand
 *
 * SPDX-License-Identifier: MIT */
#include "observe.h"
#include "support.h"
#include "tiny.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { T = 21, ITERATIONS = 30 };

static ch_model *open_model(const char *arch, ch_anchor anchor)
{
    ch_err e = {0};
    ch_model *m;
    ch_config c = tiny_config(arch);
    if (c.inl.group)
        ch_inl_set_steps(&c, ITERATIONS);
    else
        c.integrator.anchor = anchor;
    assert_ok(ch_model_create(&m, &c, 3, NULL, &e), e);
    ch_model_shake(m, 3, 0.2);
    return m;
}

/* A controller that says the same whatever it hears: sigmoid(0.5), softplus(4), sigmoid(1). */
static int say_the_same(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    (void)layer;
    const int64_t D = *(const int *)arg, n = ch_tensor_count(&w->stored);
    real *x = w->stored.data;
    if (strstr(row->name, "inl_out.weight"))
        memset(x, 0, (size_t)n * sizeof *x);
    if (strstr(row->name, "inl_out.bias"))
        for (int64_t i = 0; i < n; i++)
            x[i] = i < D ? (real)0.5 : i < 2 * D ? 4 : 1;
    return 0;
}

static ch_observed look(const ch_model *m, int n, double tolerance, int threads)
{
    ch_err e = {0};
    ch_pool *pool;
    ch_observed o;
    ch_token *id = malloc((size_t)n * sizeof *id);
    assert_non_null(id);
    for (int t = 0; t < n; t++)
        id[t] = t * 7 % m->config.vocab;
    assert_ok(ch_pool_open(&pool, threads, &e), e);
    assert_ok(ch_analyze_observe(&o, m, id, n, tolerance, pool, &e), e);
    ch_pool_close(&pool);
    free(id);
    return o;
}

static double one(const ch_observed *o, const float *x, size_t n, double q)
{
    double out;
    ch_analyze_quantiles(&out, &q, 1, o, x, n);
    return out;
}

/* Constant parameters: everything has a closed form. */
static void a_constant_controller(void **state)
{
    (void)state;
    const double alpha = 1 / (1 + exp(-0.5)), beta = log1p(exp(4)), gate = 1 / (1 + exp(-1));
    const double p = 0.1 * beta * gate, tolerance = 0.03;
    static const char *const archs[] = {"inl_v2", "inl_v3"};
    for (size_t a = 0; a < CH_COUNT(archs); a++) {
        ch_model *m = open_model(archs[a], 0);
        ch_spectrum s;
        ch_model_each(m, say_the_same, &m->config.width);
        ch_observed o = look(m, T, tolerance, 1);
        ch_analyze_spectrum(&s, alpha, p);
        const double expected[CH_SEEN] = {alpha, beta, gate, 1, p, s.rho};
        for (int l = 0; l < o.layers; l++) {
            ch_observed_layer *at = &o.layer[l];
            assert_int_equal(at->steps, ITERATIONS);
            assert_int_equal(at->pairs, T * m->config.width);
            assert_int_equal(at->tally.n, at->pairs * ITERATIONS);
            assert_true(at->inside == at->pairs && at->bounded == at->pairs);
            assert_int_equal(at->tally.regime[s.regime], at->tally.n);
            assert_true(fabs(at->growth * at->growth * (1 - s.reach) - 1) < 1e-4);
            for (int i = 0; i < CH_SEEN; i++)
                for (int q = 0; q < 3; q++)
                    assert_true(fabs(one(&o, at->seen[i], at->n, q / 2.0) - expected[i]) < 1e-5);
            assert_true(fabs(one(&o, at->predicted, at->n_pairs, 0.5) - log(tolerance) /
                                                                            log(s.rho)) < 1e-3);
            const int64_t settles = ch_analyze_settling(alpha, p, tolerance, ITERATIONS);
            assert_in_range(settles, 3, ITERATIONS - 1);
            /* floats near x* are coarser than the tolerance of channels that start there */
            assert_int_equal(one(&o, at->needed, at->n_pairs, 0.5), settles);
            for (int k = 0; k <= 8; k++) {
                ch_powers c;
                float left[T];
                ch_analyze_powers(&c, alpha, p, k);
                assert_int_equal(ch_analyze_shares_left(left, &o, l, k), T);
                assert_true(fabs((double)left[T - 1] - fabs(c.kept)) < 1e-4);
            }
        }
        ch_analyze_observed_close(&o);
        ch_model_free(&m);
    }
}

/* Rows that end stay where they are, and are seen there until the last of them has ended. */
static void rows_that_end(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_model *m;
    ch_config c = tiny_config("inl_v2");
    ch_inl_set_steps(&c, ITERATIONS);
    c.inl.stop = CH_INL_TOKEN;
    c.inl.threshold = 0.12;
    assert_ok(ch_model_create(&m, &c, 3, NULL, &e), e);
    ch_model_shake(m, 3, 0.2);
    ch_observed o = look(m, T, 1e-3, 1);
    int early = 0;
    for (int l = 0; l < o.layers; l++) {
        const ch_observed_layer *at = &o.layer[l];
        int last = at->steps;
        while (isnan(at->distance[last]))
            last--;
        assert_int_equal(at->pairs, T * c.width);
        for (int t = 0; t < T; t++) {
            const double *d = at->distance + (ptrdiff_t)t * (at->steps + 1);
            for (int k = 0; k <= at->steps; k++)
                assert_int_equal(isnan(d[k]), k > last);
            early += d[last] == d[last - 1] && d[last] != d[0];
        }
        assert_true(at->tally.n < at->pairs * (uint64_t)last);
        assert_int_equal(at->tally.n % (uint64_t)c.width, 0);
    }
    assert_in_range(early, 1, o.layers * T - 1);
    ch_analyze_observed_close(&o);
    ch_model_free(&m);
}

/* More than there is room for: a sample, the same every time; all are counted. */
static void a_sample_is_kept(void **state)
{
    (void)state;
    skip_one_thread();
    enum { MANY = 120 };
    ch_model *m = open_model("inl_v3", 0);
    ch_observed a = look(m, MANY, 1e-3, 1), b = look(m, MANY, 1e-3, 2);
    for (int l = 0; l < a.layers; l++) {
        const ch_observed_layer *x = &a.layer[l], *y = &b.layer[l];
        assert_int_equal(x->tally.n, MANY * m->config.width * ITERATIONS);
        assert_in_range(x->n, 50000, 65536);
        assert_true(x->n < x->tally.n && x->n == y->n && x->n_pairs == y->n_pairs);
        assert_int_equal(x->n, x->n_pairs * ITERATIONS);
        for (int i = 0; i < CH_SEEN; i++)
            assert_memory_equal(x->seen[i], y->seen[i], x->n * sizeof(float));
        assert_memory_equal(x->needed, y->needed, x->n_pairs * sizeof(float));
        uint64_t sum = 0;
        for (int r = 0; r < CH_REGIMES; r++)
            sum += x->tally.regime[r];
        assert_int_equal(sum, x->tally.n);
    }
    ch_analyze_observed_close(&a);
    ch_analyze_observed_close(&b);
    ch_model_free(&m);
}

/* Native blocks: every channel inside, whatever was learned; layers before the gate take a step. */
static void blocks_are_inside(void **state)
{
    (void)state;
    static const ch_anchor anchors[] = {CH_ANCHOR_START, CH_ANCHOR_CLOSED, CH_ANCHOR_DRIVEN};
    for (size_t i = 0; i < CH_COUNT(anchors); i++) {
        ch_err e = {0};
        ch_model *m;
        ch_config c = tiny_config("integrator");
        c.integrator.anchor = anchors[i];
        if (anchors[i] == CH_ANCHOR_CLOSED)
            c.integrator.gate_layer = 0;
        if (anchors[i] == CH_ANCHOR_DRIVEN) {
            c.integrator.controller_groups = 1;
            c.integrator.excited = 5;
        }
        c.integrator.tolerance = 0;
        assert_ok(ch_model_create(&m, &c, 3, NULL, &e), e);
        ch_model_shake(m, 3, 3);
        ch_observed o = look(m, T, 0.5, 2);
        for (int l = 0; l < o.layers; l++) {
            const ch_observed_layer *at = &o.layer[l];
            const bool once = l < c.integrator.gate_layer;
            assert_int_equal(at->steps, once ? 1 : c.integrator.depth);
            assert_int_equal(at->pairs, T * c.width);
            assert_int_equal(at->inside, at->pairs);
            assert_int_equal(at->tally.n, at->pairs * (o.closed || once ? 1 : at->steps));
            assert_true(!isnan(at->distance[0]));
            assert_int_equal(isnan(at->distance[at->steps]), !o.closed);
        }
        assert_true(!o.gates && o.closed == (anchors[i] == CH_ANCHOR_CLOSED));
        ch_analyze_observed_close(&o);
        ch_model_free(&m);
    }
}

static int spoil(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    (void)arg;
    if (layer == 1 && strstr(row->name, "inl_out.bias"))
        ((real *)w->stored.data)[3] = (real)NAN;
    return 0;
}

/* What is no number is counted as outside, and in no quantile. */
static void numbers_that_are_none(void **state)
{
    (void)state;
    ch_model *m = open_model("inl_v2", 0);
    ch_model_each(m, spoil, NULL);
    ch_observed o = look(m, T, 1e-3, 1);
    assert_int_equal(o.layer[0].tally.regime[CH_REGIME_NONE], 0);
    assert_true(o.layer[1].tally.regime[CH_REGIME_NONE] >= (uint64_t)T * ITERATIONS);
    assert_true(o.layer[1].inside < o.layer[1].pairs);
    assert_true(o.layer[2].inside == 0 && o.layer[2].pairs == (uint64_t)(T * m->config.width));
    assert_true(isnan(one(&o, o.layer[2].seen[CH_SEEN_ALPHA], o.layer[2].n, 0.5)));
    ch_analyze_observed_close(&o);
    ch_model_free(&m);
}

static void what_is_refused(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_observed o;
    ch_token id[300] = {0};
    ch_model *m = tiny_open("llama", CH_F32, 1), *n = open_model("inl_v2", 0);
    ch_model *loop = open_model("integrator", CH_ANCHOR_NONE);
    ch_model *here = open_model("integrator", CH_ANCHOR_HERE);
    assert_fails(ch_analyze_observe(&o, m, id, 3, 1e-3, NULL, &e), CH_EARG, e, "no integrator");
    assert_fails(ch_analyze_observe(&o, loop, id, 3, 1e-3, NULL, &e), CH_EARG, e, "no integrator");
    assert_fails(ch_analyze_observe(&o, here, id, 3, 1e-3, NULL, &e), CH_EARG, e, "anchor here");
    assert_fails(ch_analyze_observe(&o, n, id, 0, 1e-3, NULL, &e), CH_EARG, e, "0 tokens");
    assert_fails(ch_analyze_observe(&o, n, id, 257, 1e-3, NULL, &e), CH_EARG, e, "1 to 256");
    id[2] = -1;
    assert_fails(ch_analyze_observe(&o, n, id, 3, 1e-3, NULL, &e), CH_EARG, e, "token 2 is -1");
    ch_model_free(&m);
    ch_model_free(&n);
    ch_model_free(&loop);
    ch_model_free(&here);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_constant_controller), cmocka_unit_test(rows_that_end),
        cmocka_unit_test(a_sample_is_kept),
        cmocka_unit_test(blocks_are_inside),     cmocka_unit_test(numbers_that_are_none),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests_name("analyze/observe", tests, NULL, NULL);
}
