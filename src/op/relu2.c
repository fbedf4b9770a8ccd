/* relu2.c - squared rectifier (So et al. 2021, "Primer")
 *
 *     y = max(x, 0)^2,   y' = 2 max(x, 0)
 *
 * SPDX-License-Identifier: MIT */
#include "unary.h"

ch_tensor *ch_op_relu2(ch_run *r, const ch_tensor *x)
{
    return ch_op_unary(r, x, CH_OP_relu2, r->kernels->relu2, r->kernels->relu2_grad);
}
