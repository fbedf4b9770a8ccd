/* pack_i16_c.c - element (n, k) = src[n*ld + k] into I16 panels.  SPDX-License-Identifier: MIT */
#include "pack_i16_c.h"

void ch_pack_i16_c(void *panels, const real *src, ptrdiff_t ld, int N, int K, int n0, int n1,
                   int k0, int k1)
{
    ch_pack_i16_rows(panels, src, ld, 1, N, K, n0, n1, k0, k1);
}
