/* row_q8_c.c - an activation row as 8-bit integers, one scale and one sum a group of 32
 *
 *     d = max|x| / 127 as a float,  q = x / d to nearest even, clamped to -127..127,  sum = sum q
 * d = 0 (a group of zeros, or so small that d underflows): q = 0.  A value that is not finite: d = NaN,
 * q = 0.  SPDX-License-Identifier: MIT */
#include "panel.h"

#include <string.h>

static int32_t quantize(real v)
{
    const real most = 127;
    return (int32_t)rint((double)(v > most ? most : v < -most ? -most : v));
}

void ch_row_q8_c(void *out, const real *x, int K)
{
    const int groups = K / CH_GROUP;
    int8_t *q = out;
    float *d = (float *)(void *)(q + (size_t)groups * CH_GROUP);
    int32_t *sum = (int32_t *)(void *)(d + groups);
    for (int g = 0; g < groups; g++, x += CH_GROUP, q += CH_GROUP) {
        real most = 0;
        bool finite = true;
        for (int i = 0; i < CH_GROUP; i++) {
            finite = finite && real_abs(x[i]) <= (real)FLT_MAX;
            most = real_abs(x[i]) > most ? real_abs(x[i]) : most;
        }
        d[g] = finite ? (float)(most / 127) : NAN;
        sum[g] = 0;
        for (int i = 0; i < CH_GROUP; i++) {
            const int32_t v = finite && d[g] > 0 ? quantize(x[i] / (real)d[g]) : 0;
            q[i] = (int8_t)v;
            sum[g] += v;
        }
    }
}
