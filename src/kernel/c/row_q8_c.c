/* row_q8_c.c - an activation row as 8-bit integers, one scale a group of 32
 *
 *     d = max|x| / 127 as a float,  q = x / d to nearest even, clamped to -127..127
 * d = 0 (a group of zeros, or so small that d underflows): q = 0.  A value that is not finite: d =
 * NaN, q = 0.  SPDX-License-Identifier: MIT */
#include "panel.h"

static int32_t quantize(real v)
{
    const real most = 127;
    return (int32_t)rint((double)(v > most ? most : v < -most ? -most : v));
}

void ch_row_q8_c(void *out, const real *x, int K)
{
    ch_group *group = out;
    for (int k = 0; k < K; k += CH_GROUP, x += CH_GROUP, group++) {
        real most = 0;
        bool finite = true;
        int32_t sum[2] = {0};
        for (int i = 0; i < CH_GROUP; i++) {
            finite = finite && real_abs(x[i]) <= (real)FLT_MAX;
            most = real_abs(x[i]) > most ? real_abs(x[i]) : most;
        }
        const float d = finite ? (float)(most / 127) : NAN;
        for (int i = 0; i < CH_GROUP; i++) {
            const int32_t q = finite && d > 0 ? quantize(x[i] / (real)d) : 0;
            group->q[i] = (int8_t)q;
            sum[i / 16] += q;
        }
        ch_group_sums(group, d, sum[0], sum[1]);
    }
}
