/* mix_q8_0_avx2.c - attention output of q8_0 values by integers: VPMADDWD.
 * SPDX-License-Identifier: MIT */
#include "mix256.h"

void ch_mix_q8_0_avx2(real *acc, const real *keep, const real *p, ptrdiff_t ldp,
                      const void *const *v, int groups, int n, int width)
{
    ch_mix256(acc, keep, p, ldp, v, groups, n, width, vi_dot16);
}
