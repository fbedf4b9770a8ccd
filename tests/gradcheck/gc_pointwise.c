/* gc_pointwise.c - norms, activations, sums
 *
 * SPDX-License-Identifier: MIT */
#include "gradcheck.h"

typedef struct pointwise {
    ch_tensor *a, *b;
    ch_weight *gain, *bias;
    int width;
} pointwise;

static const int shapes[][2] = {{1, 1}, {1, 7}, {5, 16}, {3, 33}, {40, 70}, {2, 300}};

/* ---- Norms -------------------------------------------------------------------------------- */

static double rmsnorm_loss(ch_run *r, void *arg)
{
    const pointwise *c = arg;
    return gc_sum(r, ch_op_rmsnorm(r, c->a, c->gain, c->width, 1e-3));
}

static void rmsnorm_case(int rows, int width, int group, bool gain, bool frozen)
{
    gc g;
    gc_open(&g, group ? "rmsnorm of heads" : "rmsnorm");
    pointwise c = {.a = gc_input(&g, "x", rows, width), .width = group};
    if (gain)
        c.gain = gc_vector(&g, "gain", group ? group : width, frozen);
    gc_check(&g, rmsnorm_loss, &c);
    gc_close(&g);
}

void check_rmsnorm(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(shapes); i++) {
        rmsnorm_case(shapes[i][0], shapes[i][1], 0, i % 3 != 1, i == 4);
        rmsnorm_case(shapes[i][0], 3 * shapes[i][1], shapes[i][1], i % 2, false);
    }
}

static double layernorm_loss(ch_run *r, void *arg)
{
    const pointwise *c = arg;
    return gc_sum(r, ch_op_layernorm(r, c->a, c->gain, c->bias, 1e-3));
}

void check_layernorm(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(shapes); i++) {
        gc g;
        gc_open(&g, "layernorm");
        pointwise c = {.a = gc_input(&g, "x", shapes[i][0], shapes[i][1])};
        c.gain = gc_vector(&g, "gain", shapes[i][1], i == 2);
        if (i != 3)
            c.bias = gc_vector(&g, "bias", shapes[i][1], i == 4);
        gc_check(&g, layernorm_loss, &c);
        gc_close(&g);
    }
}

/* ---- Activations -------------------------------------------------------------------------- */

static double gelu_loss(ch_run *r, void *arg)
{
    return gc_sum(r, ch_op_gelu(r, ((pointwise *)arg)->a));
}

static double gelu_erf_loss(ch_run *r, void *arg)
{
    return gc_sum(r, ch_op_gelu_erf(r, ((pointwise *)arg)->a));
}

static double relu2_loss(ch_run *r, void *arg)
{
    return gc_sum(r, ch_op_relu2(r, ((pointwise *)arg)->a));
}

static double relu_loss(ch_run *r, void *arg)
{
    return gc_sum(r, ch_op_relu(r, ((pointwise *)arg)->a));
}

static double swiglu_loss(ch_run *r, void *arg)
{
    const pointwise *c = arg;
    return gc_sum(r, ch_op_swiglu(r, c->a, c->b));
}

static double geglu_loss(ch_run *r, void *arg)
{
    const pointwise *c = arg;
    return gc_sum(r, ch_op_geglu(r, c->a, c->b));
}

static double multiply_loss(ch_run *r, void *arg)
{
    const pointwise *c = arg;
    return gc_sum(r, ch_op_multiply(r, c->a, c->b));
}

/* Of one tensor twice: the second backward adds. */
static double scale_loss(ch_run *r, void *arg)
{
    pointwise *c = arg;
    ch_tensor *y = ch_op_scale(r, c->a, -1.7);
    return gc_sum(r, ch_op_add(r, ch_op_scale(r, y, 0.3), ch_op_scale(r, y, 2)));
}

static double softcap_loss(ch_run *r, void *arg)
{
    pointwise *c = arg;
    ch_tensor *y = ch_op_scale(r, c->a, 0.5);
    return gc_sum(r, ch_op_add(r, ch_op_softcap(r, y, 3), ch_op_softcap(r, y, 1.5)));
}

/* Parts that overlap, and one that nobody takes. */
static double columns_loss(ch_run *r, void *arg)
{
    const pointwise *c = arg;
    const int64_t D = ch_tensor_width(c->a), half = (D + 1) / 2;
    const ch_tensor *y = ch_op_scale(r, c->a, 1.5);
    ch_tensor *left = ch_op_columns(r, y, 0, half), *right = ch_op_columns(r, y, D - half, half);
    return gc_sum(r, ch_op_multiply(r, left, right)) + gc_sum(r, ch_op_columns(r, y, D / 3, 1));
}

static double add_loss(ch_run *r, void *arg)
{
    pointwise *c = arg;
    return gc_sum(r, ch_op_add(r, c->a, c->b));
}

/* way 0: both leaves; 1: one tensor as both; 2: the first without gradient; 3: the second. */
static void activation(gc_loss *loss, const char *what, int rows, int width, int way)
{
    gc g;
    gc_open(&g, what);
    pointwise c = {.a = gc_input(&g, "a", rows, width), .b = gc_input(&g, "b", rows, width)};
    real *a = c.a->data;
    for (int i = 0; i < rows * width; i++) { /* kinks at 0 stay out of reach */
        if (fabs(a[i]) < 0.05)
            a[i] += a[i] < 0 ? -0.05 : 0.05;
        if (i % 11 == 0)
            a[i] = loss == relu2_loss || loss == relu_loss ? a[i] : 0;
        if (i % 13 == 0)
            a[i] *= 20;
    }
    if (way == 1) {
        c.b = c.a;
        g.leaves = 1;
    }
    if (way == 2)
        c.a->grad = g.leaf[0].grad = NULL;
    if (way == 3)
        c.b->grad = g.leaf[1].grad = NULL;
    gc_check(&g, loss, &c);
    gc_close(&g);
}

static void all_shapes(gc_loss *loss, const char *what, int ways)
{
    for (int way = 0; way < ways; way++)
        for (size_t i = 0; i < CH_COUNT(shapes); i++)
            activation(loss, what, shapes[i][0], shapes[i][1], way);
}

void check_gelu(void **state)
{
    (void)state;
    all_shapes(gelu_loss, "gelu", 1);
}

void check_gelu_erf(void **state)
{
    (void)state;
    all_shapes(gelu_erf_loss, "gelu_erf", 1);
}

void check_relu2(void **state)
{
    (void)state;
    all_shapes(relu2_loss, "relu2", 1);
}

void check_relu(void **state)
{
    (void)state;
    all_shapes(relu_loss, "relu", 1);
}

void check_swiglu(void **state)
{
    (void)state;
    all_shapes(swiglu_loss, "swiglu", 4);
}

void check_add(void **state)
{
    (void)state;
    all_shapes(add_loss, "add", 4);
}

void check_geglu(void **state)
{
    (void)state;
    all_shapes(geglu_loss, "geglu", 4);
}

void check_multiply(void **state)
{
    (void)state;
    all_shapes(multiply_loss, "multiply", 4);
}

void check_scale(void **state)
{
    (void)state;
    all_shapes(scale_loss, "scale", 1);
}

void check_softcap(void **state)
{
    (void)state;
    all_shapes(softcap_loss, "softcap", 1);
}

void check_columns(void **state)
{
    (void)state;
    all_shapes(columns_loss, "columns", 1);
}
