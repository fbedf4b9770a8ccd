/* real.h - the number that operations compute in
 *
 * The product is built with float.  Tests build the same sources a second time with
 * -DCH_REAL_IS_DOUBLE, where gradients are checked against finite differences without
 * float's noise.  SPDX-License-Identifier: MIT */
#ifndef CH_REAL_H
#define CH_REAL_H

#include <float.h>
#include <math.h>

#ifdef CH_REAL_IS_DOUBLE
typedef double real;
#define REAL_EPSILON DBL_EPSILON
#define real_fma(a, b, c) fma((a), (b), (c))
#define real_exp exp
#define real_log log
#define real_sqrt sqrt
#define real_tanh tanh
#define real_abs fabs
#define real_pow pow
#define real_sin sin
#define real_cos cos
#define REAL(x) x
#else
typedef float real;
#define REAL_EPSILON FLT_EPSILON
#define real_fma(a, b, c) fmaf((a), (b), (c))
#define real_exp expf
#define real_log logf
#define real_sqrt sqrtf
#define real_tanh tanhf
#define real_abs fabsf
#define real_pow powf
#define real_sin sinf
#define real_cos cosf
#define REAL(x) x##f
#endif

#endif
