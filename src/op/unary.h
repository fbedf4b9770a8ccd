/* unary.h - operations of one value each: y_i = f(x_i), dx_i (+)= f'(x_i) dy_i
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_UNARY_H
#define CH_UNARY_H

#include "op.h"

ch_tensor *ch_op_unary(ch_run *r, const ch_tensor *x, ch_op_id op, ch_unary_fn *f,
                       ch_unary_grad_fn *gradient);

#endif
