/* gc_integrate.c - steps of the damped integrator, and rows that leave it on the way
 *
 * SPDX-License-Identifier: MIT */
#include "gradcheck.h"

typedef struct motion_case {
    ch_tensor *x, *start, *force, *more;
    ch_weight *gain, *inertia, *pull;
    int steps;
    int32_t *at;
    int n;
} motion_case;

static const int shapes[][2] = {{1, 1}, {5, 16}, {40, 33}, {3, 70}};

/* Fresh x and force are used in every step, so gradients are stored first and added to later; the
 * velocity and the first x count in the loss as well. */
static double integrate_loss(ch_run *r, void *arg)
{
    const motion_case *c = arg;
    ch_tensor *x = ch_op_scale(r, c->x, 1.1), *force = ch_op_scale(r, c->force, 0.9);
    ch_tensor *first = x;
    ch_tensor *start = c->start ? ch_op_scale(r, c->start, 1) : NULL, *v = NULL;
    for (int k = 0; k < c->steps; k++) {
        const ch_op_motion m = {x, start, v, force, c->gain, c->inertia, c->pull};
        x = ch_op_integrate(r, &m, &v);
        force = ch_op_softcap(r, ch_op_multiply(r, force, x), 1);
    }
    const ch_op_motion last = {x, start, v, force, c->gain, c->inertia, c->pull};
    ch_tensor *y = ch_op_multiply(r, v, ch_op_integrate(r, &last, NULL));
    return gc_sum(r, ch_op_multiply(r, first, y));
}

void check_integrate(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4 * CH_COUNT(shapes); i++) {
        gc g;
        gc_open(&g, i & 1 ? "integrate from a start" : "integrate");
        const int T = shapes[i / 4][0], D = shapes[i / 4][1];
        motion_case c = {.x = gc_input(&g, "x", T, D),
                         .force = gc_input(&g, "force", T, D),
                         .gain = gc_vector(&g, "gain", D, i == 5),
                         .steps = 1 + (int)i % 3};
        g.step = 1e-4; /* the squashed numbers have a kink in their second derivative at 0 */
        if (i & 1)
            c.start = gc_input(&g, "start", T, D);
        if (i & 2) {
            c.inertia = gc_vector(&g, "inertia", D, i == 6);
            c.pull = gc_vector(&g, "pull", D, i == 7);
        }
        gc_check(&g, integrate_loss, &c);
        gc_close(&g);
    }
}

static double closed_loss(ch_run *r, void *arg)
{
    const motion_case *c = arg;
    const ch_op_settling s = {.x = ch_op_scale(r, c->x, 1.1),
                              .force = ch_op_scale(r, c->force, 0.9),
                              .inertia = ch_op_scale(r, c->start, 1),
                              .pull = ch_op_scale(r, c->more, 1),
                              .gain = c->gain,
                              .steps = c->steps};
    ch_tensor *y = ch_op_settle_closed(r, &s), *z = ch_op_settle_closed(r, &s);
    return gc_sum(r, ch_op_multiply(r, y, ch_op_gelu(r, z)));
}

void check_settle_closed(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * CH_COUNT(shapes); i++) {
        gc g;
        gc_open(&g, "settle_closed");
        const int T = shapes[i / 2][0], D = shapes[i / 2][1];
        motion_case c = {.x = gc_input(&g, "x", T, D),
                         .force = gc_input(&g, "force", T, D),
                         .start = gc_input(&g, "inertia", T, D),
                         .more = gc_input(&g, "pull", T, D),
                         .gain = gc_vector(&g, "gain", D, i == 5),
                         .steps = 1 + (int)i % 5};
        g.step = 1e-4;
        gc_check(&g, closed_loss, &c);
        gc_close(&g);
    }
}

/* ---- Driven --------------------------------------------------------------------------------- */

typedef struct driven_case {
    ch_tensor *x, *start, *force, *said[3];
    ch_weight *gain, *scale, *shift, *size, *speed, *phase;
    int steps;
} driven_case;

static double driven_loss(ch_run *r, void *arg)
{
    const driven_case *c = arg;
    ch_tensor *x = ch_op_scale(r, c->x, 1.1), *force = ch_op_scale(r, c->force, 0.9), *v = NULL;
    ch_tensor *first = x, *said[3];
    for (int i = 0; i < 3; i++)
        said[i] = ch_op_scale(r, c->said[i], 1);
    const ch_tensor *start = c->start ? ch_op_scale(r, c->start, 1) : NULL;
    for (int k = 0; k <= c->steps; k++) {
        const ch_op_driving m = {.x = x, .start = start, .velocity = v, .force = force,
                                 .said = {said[0], said[1], said[2]}, .gain = c->gain,
                                 .scale = c->scale, .shift = c->shift, .size = c->size,
                                 .speed = c->speed, .phase = c->phase, .number = k + 1};
        x = ch_op_drive(r, &m, k < c->steps ? &v : NULL);
        force = ch_op_softcap(r, ch_op_multiply(r, force, x), 1);
    }
    return gc_sum(r, ch_op_multiply(r, first, ch_op_multiply(r, v, x)));
}

void check_drive(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4 * CH_COUNT(shapes); i++) {
        gc g;
        gc_open(&g, i & 1 ? "drive from a start" : "drive");
        const int T = shapes[i / 4][0], D = shapes[i / 4][1], X = D > 4 ? 5 : 1;
        driven_case c = {.x = gc_input(&g, "x", T, D),
                         .force = gc_input(&g, "force", T, D),
                         .said = {gc_input(&g, "inertia", T, D), gc_input(&g, "pull", T, D),
                                  gc_input(&g, "gate", T, D)},
                         .gain = gc_vector(&g, "gain", D, i == 5),
                         .scale = gc_vector(&g, "scale", 3, i == 6),
                         .shift = gc_vector(&g, "shift", 3, i == 7),
                         .steps = 1 + (int)i % 3};
        g.step = 1e-4;
        if (i & 1)
            c.start = gc_input(&g, "start", T, D);
        if (i & 2) {
            c.size = gc_vector(&g, "size", X, i == 10);
            c.speed = gc_vector(&g, "speed", X, i == 11);
            c.phase = gc_vector(&g, "phase", X, i == 14);
        }
        gc_check(&g, driven_loss, &c);
        gc_close(&g);
    }
}

/* ---- Rows ----------------------------------------------------------------------------------- */

static void some_rows(motion_case *c, gc *g, int T, int every)
{
    c->at = gc_ints(g, T);
    for (int t = 0; t < T; t++)
        if (t % every == every - 1)
            c->at[c->n++] = t;
}

static double pick_loss(ch_run *r, void *arg)
{
    const motion_case *c = arg;
    ch_tensor *x = ch_op_scale(r, c->x, 1.1);
    ch_tensor *a = ch_op_pick_rows(r, x, c->at, c->n), *b = ch_op_pick_rows(r, x, c->at, c->n);
    return gc_sum(r, ch_op_multiply(r, a, ch_op_gelu(r, b)));
}

static double put_loss(ch_run *r, void *arg)
{
    const motion_case *c = arg;
    ch_tensor *x = ch_op_scale(r, c->x, 1.1), *y = ch_op_scale(r, c->more, 0.7);
    ch_tensor *z = ch_op_put_rows(r, x, y, c->at);
    ch_tensor *again = ch_op_put_rows(r, x, ch_op_gelu(r, y), c->at);
    return gc_sum(r, ch_op_multiply(r, ch_op_multiply(r, z, again), x));
}

static void rows_case(gc_loss *loss, const char *what, bool put)
{
    for (size_t i = 0; i < CH_COUNT(shapes); i++)
        for (int every = 1; every < 4; every++) {
            gc g;
            gc_open(&g, what);
            motion_case c = {.x = gc_input(&g, "x", shapes[i][0], shapes[i][1])};
            some_rows(&c, &g, shapes[i][0], every);
            if (c.n > 0 && put)
                c.more = gc_input(&g, "y", c.n, shapes[i][1]);
            if (c.n > 0)
                gc_check(&g, loss, &c);
            gc_close(&g);
        }
}

void check_pick_rows(void **state)
{
    (void)state;
    rows_case(pick_loss, "pick_rows", false);
}

void check_put_rows(void **state)
{
    (void)state;
    rows_case(put_loss, "put_rows", true);
}
