/* gradcheck.c - leaves, finite differences, and the list of operations (gradcheck.h)
 *
 * A line of ops.def without its case does not link.  SPDX-License-Identifier: MIT */
#include "gradcheck.h"

#include <string.h>

#define STEP 1e-3
#define TOLERANCE 1e-6

void gc_open(gc *g, const char *what)
{
    ch_err e;
    *g = (gc){.what = what};
    ch_kernels_init(&g->kernels, CH_CPU_c);
    assert_ok(ch_pool_open(&g->pool, 2, &e), e);
    assert_ok(ch_arena_open(&g->memory, (size_t)1 << 30, &e), e);
}

void gc_close(gc *g)
{
    ch_arena_close(&g->memory);
    ch_pool_close(&g->pool);
}

double gc_normal(gc *g)
{
    return ch_rng_normal(7, CH_RNG_TEST, 0, g->draws++);
}

void *gc_take(gc *g, size_t bytes)
{
    return ch_arena_take_zero(&g->memory, bytes);
}

static gc_leaf *new_leaf(gc *g, const char *name, int64_t n, bool frozen)
{
    assert_true(g->leaves < GC_MAX_LEAVES);
    gc_leaf *l = &g->leaf[g->leaves++];
    *l = (gc_leaf){name, gc_take(g, (size_t)n * sizeof(real)), NULL, n};
    if (!frozen)
        l->grad = gc_take(g, (size_t)n * sizeof(real));
    for (int64_t i = 0; i < n; i++)
        l->value[i] = gc_normal(g);
    return l;
}

ch_tensor *gc_input(gc *g, const char *name, int64_t rows, int64_t width)
{
    const gc_leaf *l = new_leaf(g, name, rows * width, false);
    ch_tensor *t = gc_take(g, sizeof *t);
    *t = ch_tensor_2d(l->value, CH_REAL, rows, width);
    t->grad = l->grad;
    return t;
}

ch_weight *gc_matrix(gc *g, const char *name, int64_t N, int64_t K, bool frozen)
{
    const gc_leaf *l = new_leaf(g, name, N * K, frozen);
    ch_weight *w = gc_take(g, sizeof *w);
    w->name = name;
    w->stored = ch_tensor_2d(l->value, CH_REAL, N, K);
    w->stored.grad = l->grad;
    return w;
}

ch_weight *gc_vector(gc *g, const char *name, int64_t n, bool frozen)
{
    ch_weight *w = gc_matrix(g, name, 1, n, frozen);
    real *grad = w->stored.grad;
    w->stored = ch_tensor_1d(w->stored.data, CH_REAL, n);
    w->stored.grad = grad;
    return w;
}

int32_t *gc_ints(gc *g, int n)
{
    return gc_take(g, (size_t)n * sizeof(int32_t));
}

ch_rows gc_documents(gc *g, const int *lengths)
{
    int n = 0;
    for (int i = 0; lengths[i]; i++)
        n += lengths[i];
    int32_t *first = gc_ints(g, n), *pos = gc_ints(g, n);
    for (int i = 0, t = 0; lengths[i]; t += lengths[i++])
        for (int j = 0; j < lengths[i]; j++) {
            first[t + j] = t;
            pos[t + j] = j;
        }
    return (ch_rows){.n = n, .first = first, .pos = pos};
}

ch_rows gc_rows(const ch_run *r, const ch_rows *rows)
{
    return ch_op_computes(r) ? *rows : (ch_rows){.n = rows->n};
}

double gc_sum(const ch_run *r, ch_tensor *y)
{
    double sum = 0;
    bool add;
    real *dy = ch_op_gradient(y, &add);
    const int64_t width = ch_tensor_width(y), n = ch_tensor_count(y);
    for (int64_t i = 0; i < n && ch_op_computes(r); i++) {
        const double c = ch_rng_normal(11, CH_RNG_TEST, 0, (uint64_t)i);
        sum += c * ch_tensor_row(y, i / width)[i % width];
        if (r->tape)
            dy[i] = c;
    }
    return sum;
}

/* ---- Checking ----------------------------------------------------------------------------- */

static double run_taped(const gc *g, ch_arena *scratch, gc_loss *loss, void *arg, bool back)
{
    ch_run r = {.scratch = scratch, .pool = g->pool, .kernels = &g->kernels};
    const size_t mark = ch_arena_mark(scratch);
    ch_tape_begin(&r);
    const double value = loss(&r, arg);
    if (back)
        ch_tape_backward(&r);
    ch_tape_end(&r);
    ch_arena_reset(scratch, mark);
    return value;
}

static double value_at(gc *g, gc_loss *loss, void *arg, const gc_leaf *l, const real *from,
                       const real *way, double step)
{
    for (int64_t i = 0; i < l->n; i++)
        l->value[i] = from[i] + step * way[i];
    const double value = run_taped(g, &g->memory, loss, arg, false);
    memcpy(l->value, from, (size_t)l->n * sizeof(real));
    return value;
}

typedef struct wanted {
    const real *gradient; /* of one leaf, by backward */
    real *from, *way;
    double scale; /* root mean square of gradient */
} wanted;

static void check_direction(gc *g, gc_loss *loss, void *arg, const gc_leaf *l, const wanted *w,
                            const char *which, int64_t element)
{
    const double h = g->step > 0 ? g->step : STEP;
    memcpy(w->from, l->value, (size_t)l->n * sizeof(real));
    const double far = value_at(g, loss, arg, l, w->from, w->way, 2 * h) -
                       value_at(g, loss, arg, l, w->from, w->way, -2 * h);
    const double near = value_at(g, loss, arg, l, w->from, w->way, h) -
                        value_at(g, loss, arg, l, w->from, w->way, -h);
    const double found = (8 * near - far) / (12 * h);
    double said = 0, size = 0;
    for (int64_t i = 0; i < l->n; i++) {
        said += w->gradient[i] * w->way[i];
        size += w->way[i] * w->way[i];
    }
    const double unit = CH_MAX(fabs(found), 0.01 * w->scale * sqrt(size));
    if (!(fabs(found - said) <= TOLERANCE * CH_MAX(unit, 1e-6)))
        fail_msg("%s: d/d %s, %s %lld: backward says %.12g, differences say %.12g", g->what,
                 l->name, which, (long long)element, said, found);
}

static void check_leaf(gc *g, gc_loss *loss, void *arg, const gc_leaf *l, const real *gradient)
{
    const int singles = g->singles > 0 ? g->singles : 24;
    const size_t mark = ch_arena_mark(&g->memory);
    wanted w = {gradient, gc_take(g, (size_t)l->n * sizeof(real)),
                gc_take(g, (size_t)l->n * sizeof(real)), 0};
    for (int64_t i = 0; i < l->n; i++) {
        w.scale += gradient[i] * gradient[i] / (double)l->n;
        w.way[i] = gc_normal(g);
    }
    w.scale = sqrt(w.scale);
    check_direction(g, loss, arg, l, &w, "random direction", 0);
    memset(w.way, 0, (size_t)l->n * sizeof(real));
    for (int64_t i = 0; i < CH_MIN(l->n, (int64_t)singles); i++) {
        const int64_t at =
            l->n <= singles ? i
                            : (int64_t)ch_rng_below((uint64_t)l->n, 3, CH_RNG_TEST, 0, g->draws++);
        w.way[at] = 1;
        check_direction(g, loss, arg, l, &w, "element", at);
        w.way[at] = 0;
    }
    ch_arena_reset(&g->memory, mark);
}

/* Runs forward and backward, measured first, and leaves each leaf's gradient in `gradient`. */
static void analytic(gc *g, gc_loss *loss, void *arg, real **gradient)
{
    ch_err e;
    ch_arena measured, scratch;
    ch_arena_measure(&measured);
    run_taped(g, &measured, loss, arg, true);
    assert_ok(ch_arena_open(&scratch, measured.peak, &e), e);
    for (int i = 0; i < g->leaves; i++) {
        const gc_leaf *l = &g->leaf[i];
        gradient[i] = gc_take(g, (size_t)l->n * sizeof(real));
        for (int64_t j = 0; l->grad && j < l->n; j++)
            gradient[i][j] = l->grad[j] = gc_normal(g);
    }
    run_taped(g, &scratch, loss, arg, true);
    for (int i = 0; i < g->leaves; i++)
        for (int64_t j = 0; g->leaf[i].grad && j < g->leaf[i].n; j++)
            gradient[i][j] = g->leaf[i].grad[j] - gradient[i][j];
    if (g->takes_less ? measured.peak < scratch.peak : measured.peak != scratch.peak)
        fail_msg("%s: measured %zu bytes, took %zu", g->what, measured.peak, scratch.peak);
    ch_arena_close(&scratch);
    ch_arena_close(&measured);
}

void gc_check(gc *g, gc_loss *loss, void *arg)
{
    real *gradient[GC_MAX_LEAVES];
    analytic(g, loss, arg, gradient);
    for (int i = 0; i < g->leaves; i++)
        if (g->leaf[i].grad)
            check_leaf(g, loss, arg, &g->leaf[i], gradient[i]);
}

/* ---- The list ----------------------------------------------------------------------------- */

int main(void)
{
    static const struct CMUnitTest cases[] = {
#define OP(name, group) {#name, check_##name, NULL, NULL, NULL},
#include "ops.def"
#undef OP
        {"whole models of every architecture, loss vs finite differences", check_model, NULL, NULL, NULL},
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("gradcheck", cases, NULL, NULL);
}
