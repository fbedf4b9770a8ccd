/* swiglu.c - gated unit (Shazeer 2020)
 *
 *     y = silu(a) b,  silu(a) = a s(a),  s(a) = 1/(1 + e^-a)           a: gate, b: up; all (T, F)
 *     da = dy b (s + silu(a) (1 - s)),   db = dy silu(a)
 *
 * SPDX-License-Identifier: MIT */
#include "binary.h"

ch_tensor *ch_op_swiglu(ch_run *r, ch_tensor *gate, const ch_tensor *up)
{
    return ch_op_binary(r, r->tape ? NULL : gate, gate, up, CH_OP_swiglu, r->kernels->swiglu,
                        r->kernels->swiglu_grad);
}
