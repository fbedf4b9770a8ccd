/* gate.h - the gate of an integrator, fitted to what its own steps are worth
 *
 *     z_k = w_k h + b_k  ~  ln KL(p_N || p_k)           k = 1..N-1
 *
 * least squares with a small ridge, in closed form: no learning rate, one answer.  KL to the
 * deepest answer has far less noise than a difference of losses, and gives the tolerance its unit.
 * SPDX-License-Identifier: MIT */
#ifndef CH_GATE_H
#define CH_GATE_H

#include "base.h"

enum { CH_GATE_WIDTH_MOST = 8192 }; /* the fit costs D^2 a row, and D^3 */
/* w (outputs, D) and b (outputs) from h (rows, D) and y (rows, outputs): minimises the mean over
 * rows of (w h + b - y)^2, plus ridge |w|^2.  r2: NULL, or (outputs) the share of each y's variance
 * that is explained.  CH_EARG when there are too few rows, or D is too large. */
int ch_gate_fit(real *w, real *b, double *r2, const real *h, const double *y, int64_t rows, int D,
                int outputs, double ridge, ch_err *e);

#endif
