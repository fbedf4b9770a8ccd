/* unary.h - operations of one value each: y_i = f(x_i), dx_i += f'(x_i) dy_i
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_UNARY_H
#define CH_UNARY_H

#include "op.h"

/* dx_i += f'(x_i) dy_i for i < n; y: what forward gave for x. */
typedef void ch_slope_fn(real *dx, const real *x, const real *y, const real *dy, int n);

ch_tensor *ch_op_unary(ch_run *r, const ch_tensor *x, ch_op_id op, ch_unary_fn *f,
                       ch_slope_fn *slope);

#endif
