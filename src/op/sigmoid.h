/* sigmoid.h - sigmoid(-|o|) from the kernels' silu, for what is made of it
 *
 * Of one loop come sigmoid(o), softplus(o), e^-|o| = s / (1 - s), each with its digits.
 * SPDX-License-Identifier: MIT */
#ifndef CH_SIGMOID_H
#define CH_SIGMOID_H

#include "op.h"

enum { CH_SIGMOID_MOST = 64 };

/* s_i = sigmoid(-|o_i|), n <= CH_SIGMOID_MOST. */
void ch_op_sigmoid_below(const ch_kernels *kernels, real *s, const real *o, int n);

#endif
