/* binary.h - operations of two values each: y_i = f(a_i) b_i
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_BINARY_H
#define CH_BINARY_H

#include "op.h"

/* y: where the result goes, which may be a or b; NULL: into a new tensor. */
ch_tensor *ch_op_binary(ch_run *r, ch_tensor *y, const ch_tensor *a, const ch_tensor *b,
                        ch_op_id op, ch_binary_fn *f, ch_binary_grad_fn *gradient);

#endif
