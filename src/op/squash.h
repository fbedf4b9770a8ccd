/* squash.h - s(z) = (1 + z / (1 + |z|)) / 2: a sigmoid without a function of the C library in it,
 * so that it has the same bits everywhere.  SPDX-License-Identifier: MIT */
#ifndef CH_SQUASH_H
#define CH_SQUASH_H

#include "base.h"

static inline real ch_squash(real z)
{
    return (1 + z / (1 + real_abs(z))) / 2;
}

static inline real ch_squash_slope(real z)
{
    const real d = 1 + real_abs(z);
    return 1 / (2 * d * d);
}

/* Inside 0 < p < 2 (1 + a), but for numbers near 1e7, where s rounds to 0 or 1. */
static inline real ch_squash_pull(real z, real a)
{
    return 2 * ch_squash(z) * (1 + a);
}

#endif
