/* multiply.c - y = a b, element by element;  da = dy b,  db = dy a
 *
 * All (T, D).  SPDX-License-Identifier: MIT */
#include "binary.h"

ch_tensor *ch_op_multiply(ch_run *r, const ch_tensor *a, const ch_tensor *b)
{
    const ch_kernels *k = r->kernels;
    return ch_op_binary(r, NULL, a, b, CH_OP_multiply, k->multiply, k->multiply_grad);
}
