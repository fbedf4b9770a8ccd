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

#endif
