/* f32.c - IEEE 754 binary32: bytes as they are.  SPDX-License-Identifier: MIT */
#include <string.h>

#include "dtype_list.h"

void ch_decode_f32(float *out, const void *blocks, int64_t n)
{
    if (n > 0)
        memcpy(out, blocks, (size_t)n * sizeof *out);
}

void ch_encode_f32(void *blocks, const float *in, int64_t n)
{
    if (n > 0)
        memcpy(blocks, in, (size_t)n * sizeof *in);
}
