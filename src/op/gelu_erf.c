/* gelu_erf.c - Gaussian error linear units as they are defined (Hendrycks & Gimpel 2016)
 *
 *     y = x P(x),  P(x) = (1 + erf(x / sqrt 2)) / 2;   y' = P(x) + x exp(-x^2 / 2) / sqrt(2 pi)
 *
 * The tanh form (gelu.c) is up to 5e-4 away.  Forward in floats, for x <= 0, and 1 - P(-x) above:
 *     P(x) = e^(-x^2/2) t (c0 + ... + c8 t^8),  t = 3 / (3 - x)
 * whose coefficients interpolate at Chebyshev's nodes for -13.5 <= x <= 0: 1e-7 of P away.
 * SPDX-License-Identifier: MIT */
#include "sigmoid.h"

typedef struct gelu_erf {
    const ch_kernels *kernels;
    const ch_tensor *x;
    ch_tensor *y;
    real *dx; /* of backward */
    bool add;
} gelu_erf;

/* erfc keeps its digits where P is small. */
static real share(real x)
{
#ifdef CH_REAL_IS_DOUBLE
    return 0.5 * erfc(x * -0.70710678118654752);
#else
    return 0.5f * erfcf(x * -0.70710678f);
#endif
}

#ifdef CH_REAL_IS_DOUBLE
static void forward_part(const ch_kernels *kernels, real *y, const real *x, int n)
{
    (void)kernels;
    for (int i = 0; i < n; i++)
        y[i] = x[i] * share(x[i]);
}
#else
static void forward_part(const ch_kernels *kernels, real *y, const real *x, int n)
{
    static const float c[] = {-0.0252920811f, 0.141375546f,  -0.294468163f,
                              0.244049721f,   -0.06963791f,  0.126358638f,
                              0.110900795f,   0.133768823f,  0.13294463f};
    float half[CH_SIGMOID_MOST] = {0}, s[CH_SIGMOID_MOST];
    for (int i = 0; i < n; i++)
        half[i] = 0.5f * x[i] * x[i];
    ch_op_sigmoid_below(kernels, s, half, n);
    for (int i = 0; i < n; i++) {
        const float t = 3 / (3 + (x[i] < 0 ? -x[i] : x[i]));
        float sum = c[0];
        for (size_t j = 1; j < CH_COUNT(c); j++)
            sum = sum * t + c[j];
        const float low = s[i] / (1 - s[i]) * (sum * t);
        y[i] = x[i] * (x[i] < 0 ? low : 1 - low);
    }
}
#endif

static void forward(void *arg, int64_t row0, int64_t row1)
{
    const gelu_erf *a = arg;
    const int64_t n = ch_tensor_width(a->x);
    for (int64_t t = row0; t < row1; t++)
        for (int64_t i = 0; i < n; i += CH_SIGMOID_MOST)
            forward_part(a->kernels, ch_tensor_row(a->y, t) + i, ch_tensor_row(a->x, t) + i,
                         (int)CH_MIN(n - i, (int64_t)CH_SIGMOID_MOST));
}

static void backward_rows(void *arg, int64_t row0, int64_t row1)
{
    const gelu_erf *a = arg;
    const int64_t n = ch_tensor_width(a->x);
    for (int64_t t = row0; t < row1; t++) {
        const real *x = ch_tensor_row(a->x, t), *dy = a->y->grad + t * n;
        real *dx = a->dx + t * n;
        for (int64_t i = 0; i < n; i++) {
            const real bell = REAL(0.39894228040143268) * real_exp(REAL(-0.5) * x[i] * x[i]);
            const real d = dy[i] * (share(x[i]) + x[i] * bell);
            dx[i] = a->add ? dx[i] + d : d;
        }
    }
}

static void backward(ch_run *r, void *record)
{
    gelu_erf *a = record;
    if (!ch_op_reached(a->y))
        return;
    a->dx = ch_op_gradient(a->x, &a->add);
    if (a->dx && ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(a->x), 24 * (double)ch_tensor_width(a->x), backward_rows,
                       a);
}

ch_tensor *ch_op_gelu_erf(ch_run *r, const ch_tensor *x)
{
    const ch_op_timer t = ch_op_begin(r);
    gelu_erf a = {.kernels = r->kernels,
                  .x = x,
                  .y = ch_op_output(r, ch_tensor_rows(x), ch_tensor_width(x))};
    if (ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(x), 12 * (double)ch_tensor_width(x), forward, &a);
    gelu_erf *record = ch_op_record(r, CH_OP_gelu_erf, sizeof a, backward);
    if (record)
        *record = a;
    ch_op_end(r, t, CH_OP_gelu_erf, 0, 0);
    return a.y;
}
