/* score_q8_0_neon.c - attention scores of q8_0 keys: SMULL and SADALP.
 * SPDX-License-Identifier: MIT */
#include "score_neon.h"

void ch_score_q8_0_neon(real *s, ptrdiff_t lds, const void *q, const void *k, int groups, int n,
                         int width, real scale)
{
    ch_score256(s, lds, q, k, groups, n, width, scale, ch_score_begin_neon, vi_dot);
}
