/* gelu.c - Gaussian error linear units, tanh form (Hendrycks & Gimpel 2016)
 *
 *     y = x c(x),  c(x) = (1 + tanh u(x)) / 2,  u(x) = sqrt(2/pi) (x + 0.044715 x^3)
 *
 * The gradient: kernel/c/gelu_grad_c.c.  SPDX-License-Identifier: MIT */
#include "unary.h"

ch_tensor *ch_op_gelu(ch_run *r, const ch_tensor *x)
{
    return ch_op_unary(r, x, CH_OP_gelu, r->kernels->gelu, r->kernels->gelu_grad);
}
