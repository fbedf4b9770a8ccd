/* geglu.c - gated unit with gelu in its tanh form (Shazeer 2020)
 *
 *     y = gelu(a) b                                                    a: gate, b: up; all (T, F)
 *     da = dy b gelu'(a),   db = dy gelu(a)                            gelu: kernel/c/gelu_c.c
 *
 * SPDX-License-Identifier: MIT */
#include "binary.h"

ch_tensor *ch_op_geglu(ch_run *r, ch_tensor *gate, const ch_tensor *up)
{
    return ch_op_binary(r, r->tape ? NULL : gate, gate, up, CH_OP_geglu, r->kernels->geglu,
                        r->kernels->geglu_grad);
}
