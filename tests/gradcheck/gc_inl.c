/* gc_inl.c - the integrator's step, alone and several of them with their controller
 *
 * SPDX-License-Identifier: MIT */
#include "gradcheck.h"

enum { N = 8 }; /* hidden width of controllers */

typedef struct inl_case {
    ch_tensor *h, *x, *o;
    ch_weight *w1, *w2, *mu, *offsets;
    int D, group, steps;
} inl_case;

static const struct {
    int rows, width, group;
} shapes[] = {{1, 1, 1}, {3, 5, 2}, {40, 7, 64}, {2, 70, 64}, {5, 130, 64}};

/* The controller's output is given, the state used again afterwards. */
static double step_loss(ch_run *r, void *arg)
{
    const inl_case *c = arg;
    const ch_inl_step how = {c->mu, c->offsets, c->group, 0.1, NULL, NULL};
    ch_tensor *v = ch_op_scale(r, c->x, 0.7), *hx = ch_op_join(r, c->h, c->x, 2 * c->D);
    ch_tensor *u = ch_op_join(r, hx, v, 3 * c->D);
    ch_tensor *y = ch_op_inl_step(r, u, c->o, &how);
    return gc_sum(r, ch_op_multiply(r, y, u));
}

static double steps_loss(ch_run *r, void *arg)
{
    const inl_case *c = arg;
    const ch_inl_step how = {c->mu, c->offsets, c->group, 0.4, NULL, NULL};
    ch_tensor *u = ch_op_join(r, c->h, c->x, 3 * c->D);
    for (int i = 0; i < c->steps; i++) {
        const ch_tensor *z = ch_op_gelu(r, ch_op_linear(r, u, c->w1, NULL));
        u = ch_op_inl_step(r, u, ch_op_linear(r, z, c->w2, NULL), &how);
    }
    return gc_sum(r, ch_op_columns(r, u, c->D, c->D));
}

/* Matrices that keep the size of what they map. */
static ch_weight *even_matrix(gc *g, const char *name, int n, int k)
{
    ch_weight *w = gc_matrix(g, name, n, k, false);
    real *p = w->stored.data;
    for (int64_t i = 0; i < (int64_t)n * k; i++)
        p[i] *= 0.5 / sqrt(k);
    return w;
}

static void one(size_t i, bool frozen, int steps)
{
    const int T = shapes[i].rows, D = shapes[i].width, group = shapes[i].group;
    gc g;
    gc_open(&g, steps ? "steps of an integrator" : "inl_step");
    inl_case c = {.D = D, .group = group, .steps = steps};
    c.h = gc_input(&g, "h", T, D);
    c.x = gc_input(&g, "x", T, D);
    c.mu = gc_vector(&g, "mu", 1, frozen);
    c.offsets = gc_vector(&g, "offsets", (D + group - 1) / group, frozen);
    if (steps) {
        c.w1 = even_matrix(&g, "w1", N, 3 * D);
        c.w2 = even_matrix(&g, "w2", 3 * D, N);
        g.step = 1e-4;
    } else {
        c.o = gc_input(&g, "o", T, 3 * (int64_t)D);
        real *o = c.o->data;
        for (int j = 0; j < 3 * T * D; j++) /* both ends of softplus and sigmoid too */
            o[j] *= j % 7 == 0 ? 9 : 1;
    }
    gc_check(&g, steps ? steps_loss : step_loss, &c);
    gc_close(&g);
}

void check_inl_step(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(shapes); i++) {
        one(i, false, 0);
        one(i, i % 2, 3);
    }
}

/* Parts of different widths, with and without zeros after them, one tensor as both. */
static double join_loss(ch_run *r, void *arg)
{
    const inl_case *c = arg;
    ch_tensor *x = ch_op_scale(r, c->x, 1.3), *once = ch_op_join(r, x, c->h, c->D);
    return gc_sum(r, ch_op_multiply(r, once, once)) + gc_sum(r, ch_op_join(r, x, x, c->D));
}

void check_join(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        gc g;
        gc_open(&g, "join");
        inl_case c = {.D = way % 2 ? 14 : 21};
        c.x = gc_input(&g, "x", 6, 7);
        c.h = gc_input(&g, "h", 6, 5);
        if (way > 1)
            c.h->grad = g.leaf[1].grad = NULL;
        gc_check(&g, join_loss, &c);
        gc_close(&g);
    }
}
