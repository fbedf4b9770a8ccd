/* snapshot.h - little-endian numbers in snapshots (this folder's own)
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_SNAPSHOT_H
#define CH_SNAPSHOT_H

#include "base.h"

static inline void snapshot_put(unsigned char *p, uint64_t x, int bytes)
{
    for (int i = 0; i < bytes; i++)
        p[i] = (unsigned char)(x >> 8 * i);
}

static inline uint64_t snapshot_get(const unsigned char *p, int bytes)
{
    uint64_t x = 0;
    for (int i = 0; i < bytes; i++)
        x |= (uint64_t)p[i] << 8 * i;
    return x;
}

#endif
