/* f64.c - IEEE 754 binary64.  The one format whose values a float may not hold: decoding rounds
 * to nearest even, and past the largest float it gives infinity.  SPDX-License-Identifier: MIT */
#include <string.h>

#include "dtype_list.h"

void ch_decode_f64(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i++) {
        double d;
        memcpy(&d, p + 8 * i, sizeof d);
        out[i] = (float)d;
    }
}

void ch_encode_f64(void *blocks, const float *in, int64_t n)
{
    unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)in[i];
        memcpy(p + 8 * i, &d, sizeof d);
    }
}
