/* muon.c - tests of train/muon.c against the formula in double, and of what it is for
 *
 * SPDX-License-Identifier: MIT */
#include "nano.h"

enum { MOST = 96 * 160 };

typedef struct shape {
    int rows, cols;
} shape;

static const shape shapes[] = {{48, 160}, {160, 48}, {40, 40}, {1, 64}, {64, 1}, {96, 96}};

typedef struct problem {
    ch_muon o;
    ch_kernels kernels;
    ch_pool *pool;
    real *p, *g, *m;
    int64_t n; /* reals in the bucket */
} problem;

static void open_problem(problem *x, int threads)
{
    ch_err e = {0};
    unsigned features;
    *x = (problem){0};
    assert_ok(ch_cpu_features(&features, NULL, &e), e);
    ch_kernels_init(&x->kernels, features);
    assert_ok(ch_pool_open(&x->pool, threads, &e), e);
    x->o = (ch_muon){.matrices = CH_COUNT(shapes), .mu = 0.9, .weight_decay = 0.1};
    x->o.matrix = calloc(CH_COUNT(shapes), sizeof *x->o.matrix);
    for (size_t i = 0; i < CH_COUNT(shapes); i++) {
        x->o.matrix[i] = (ch_muon_matrix){x->n, shapes[i].rows, shapes[i].cols};
        x->n += ch_round_up((int64_t)shapes[i].rows * shapes[i].cols, 64);
    }
    x->p = calloc((size_t)x->n, sizeof(real));
    x->g = calloc((size_t)x->n, sizeof(real));
    x->m = calloc((size_t)x->n, sizeof(real));
    assert_true(x->p && x->g && x->m);
    for (int64_t i = 0; i < x->n; i++)
        x->p[i] = (real)ch_rng_normal(3, CH_RNG_TEST, 0, (uint64_t)i);
    x->o.momentum = x->m;
    assert_ok(ch_muon_open(&x->o, &x->kernels, x->pool, &e), e);
}

static void next_gradient(problem *x, int step)
{
    for (int64_t i = 0; i < x->n; i++)
        x->g[i] = (real)(0.01 * ch_rng_normal(4, CH_RNG_TEST, (uint32_t)step, (uint64_t)i));
}

static void close_problem(problem *x)
{
    ch_muon_close(&x->o);
    ch_pool_close(&x->pool);
    free(x->p);
    free(x->g);
    free(x->m);
}

/* ---- The formula, plainly ------------------------------------------------------------------- */

static void product(double *y, const double *a, const double *b, int n, int k, int m, bool turned)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < m; j++) {
            double sum = 0;
            for (int l = 0; l < k; l++)
                sum += a[i * k + l] * (turned ? b[j * k + l] : b[l * m + j]);
            y[i * m + j] = sum;
        }
}

static void orthogonalise(double *x, int n, int k)
{
    static double a[160 * 160], aa[160 * 160], bx[MOST];
    double norm = 0;
    for (int i = 0; i < n * k; i++)
        norm += x[i] * x[i];
    for (int i = 0; i < n * k; i++)
        x[i] /= sqrt(norm);
    for (int step = 0; step < 5; step++) {
        product(a, x, x, n, k, n, true);
        product(aa, a, a, n, n, n, false);
        for (int i = 0; i < n * n; i++)
            a[i] = -4.7750 * a[i] + 2.0315 * aa[i];
        product(bx, a, x, n, n, k, false);
        for (int i = 0; i < n * k; i++)
            x[i] = 3.4445 * x[i] + bx[i];
    }
}

static void turn(double *to, const double *from, int rows, int cols)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < cols; j++)
            to[j * rows + i] = from[i * cols + j];
}

static void reference(double *p, double *m, const real *g, shape s, double scale, double lr,
                      double mu, double decay)
{
    static double u[MOST], x[MOST];
    const int n = s.rows * s.cols;
    for (int i = 0; i < n; i++) {
        const double d = (double)g[i] * scale;
        m[i] = mu * m[i] + (1 - mu) * d;
        u[i] = (1 - mu) * d + mu * m[i];
    }
    if (s.rows > s.cols) {
        turn(x, u, s.rows, s.cols);
        orthogonalise(x, s.cols, s.rows);
        turn(u, x, s.cols, s.rows);
    } else {
        orthogonalise(u, s.rows, s.cols);
    }
    const double size = sqrt(fmax(1, (double)s.rows / s.cols));
    for (int i = 0; i < n; i++)
        p[i] -= lr * (size * u[i] + decay * p[i]);
}

static void it_is_the_formula(void **state)
{
    (void)state;
    problem x;
    open_problem(&x, 2);
    double *p = calloc((size_t)x.n, sizeof *p), *m = calloc((size_t)x.n, sizeof *m);
    assert_true(p && m);
    for (int64_t i = 0; i < x.n; i++)
        p[i] = (double)x.p[i];
    for (int step = 1; step <= 4; step++) {
        next_gradient(&x, step);
        ch_muon_step(&x.o, x.p, x.g, 2.5, 0.02, x.pool);
        for (int i = 0; i < x.o.matrices; i++) {
            const ch_muon_matrix *w = &x.o.matrix[i];
            reference(p + w->at, m + w->at, x.g + w->at, (shape){w->rows, w->cols}, 2.5, 0.02,
                      0.9, 0.1);
        }
        for (int64_t i = 0; i < x.n; i++) {
            assert_true(fabs((double)x.m[i] - m[i]) < 1e-6);
            assert_true(fabs((double)x.p[i] - p[i]) < 2e-5); /* an update moves by about 2e-3 */
        }
    }
    free(p);
    free(m);
    close_problem(&x);
}

/* The largest eigenvalue of a, or of shift - a, by power iteration. */
static double largest(const double *a, int n, double shift)
{
    double v[160], w[160], size = 0;
    for (int i = 0; i < n; i++)
        v[i] = ch_rng_normal(9, CH_RNG_TEST, 0, (uint64_t)i);
    for (int step = 0; step < 2000; step++) {
        size = 0;
        for (int i = 0; i < n; i++) {
            w[i] = shift * v[i];
            for (int j = 0; j < n; j++)
                w[i] -= (shift != 0 ? 1 : -1) * a[i * n + j] * v[j];
            size += w[i] * w[i];
        }
        size = sqrt(size);
        for (int i = 0; i < n; i++)
            v[i] = w[i] / size;
    }
    return size;
}

static void singular_values_are_about_one(void **state)
{
    (void)state;
    problem x;
    open_problem(&x, 1);
    next_gradient(&x, 1);
    memset(x.p, 0, (size_t)x.n * sizeof *x.p);
    ch_muon_step(&x.o, x.p, x.g, 1, 1, NULL);
    for (int i = 0; i < x.o.matrices; i++) {
        const ch_muon_matrix *w = &x.o.matrix[i];
        const int n = CH_MIN(w->rows, w->cols), k = CH_MAX(w->rows, w->cols);
        static double u[MOST], a[160 * 160];
        const double size = sqrt(fmax(1, (double)w->rows / w->cols));
        if (n == k)
            continue; /* the smallest ones of a square random matrix are too small to be lifted */
        for (int r = 0; r < w->rows; r++)
            for (int c = 0; c < w->cols; c++)
                u[w->rows > w->cols ? c * w->rows + r : r * w->cols + c] =
                    (double)x.p[w->at + (int64_t)r * w->cols + c] / size;
        product(a, u, u, n, k, n, true);
        const double top = largest(a, n, 0), bottom = n > 1 ? top - largest(a, n, top) : top;
        if (!(sqrt(bottom) > 0.67 && sqrt(top) < 1.2))
            fail_msg("%d x %d: singular values from %g to %g", w->rows, w->cols, sqrt(bottom),
                     sqrt(top));
    }
    close_problem(&x);
}

static void a_zero_gradient_only_decays(void **state)
{
    (void)state;
    problem x;
    open_problem(&x, 1);
    const real before = x.p[7];
    ch_muon_step(&x.o, x.p, x.g, 1, 0.5, NULL);
    assert_true(fabs((double)(x.p[7] - before * (real)0.95)) < 1e-6);
    close_problem(&x);
}

/* ---- In a trainer --------------------------------------------------------------------------- */

static void layers_are_its_own(void **state)
{
    (void)state;
    ch_train_options o = nano_options("qwen3");
    ch_corpus c = nano_corpus(3000, 40, 40, 2);
    nano n, again;
    double loss[12], other[12];
    o.optimizer = "muon";
    nano_open(&n, &o, 1, NULL);
    assert_int_equal(n.trainer.muon.matrices, 2 * 7);
    for (int i = 0; i < n.trainer.muon.matrices; i++)
        assert_int_equal(n.trainer.adamw.decays[n.trainer.muon.matrix[i].at / 64],
                         CH_ADAMW_OTHERS);
    nano_steps(&n, &c, 12, loss);
    nano_open(&again, &o, 3, NULL);
    nano_steps(&again, &c, 12, other);
    assert_memory_equal(loss, other, sizeof loss); /* threads change nothing */
    assert_true(nano_equal(&n, &again));
    assert_true(loss[11] < loss[0]);
    nano_close(&n);
    nano_close(&again);
    ch_corpus_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_formula),
        cmocka_unit_test(singular_values_are_about_one),
        cmocka_unit_test(a_zero_gradient_only_decays),
        cmocka_unit_test(layers_are_its_own),
    };
    return cmocka_run_group_tests_name("train/muon", tests, NULL, NULL);
}
