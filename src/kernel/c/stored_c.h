/* stored_c.h - a stretch of a stored key or value as reals, for score_c.c and mix_c.c
 *
 * Every stored value has one float (dtype.h), so this is exact.  SPDX-License-Identifier: MIT */
#ifndef CH_STORED_C_H
#define CH_STORED_C_H

#include "kernel.h"

enum {
    CH_STRETCH = 256
}; /* elements at a time: whole blocks of any format, small enough for the stack */

/* Elements e .. e+n-1 of the row at `row`, n <= CH_STRETCH, e a multiple of CH_STRETCH.  Returns
 * them: the row itself when it holds reals, else room. */
static inline const real *ch_stretch(real *room, ch_dtype t, const unsigned char *row, int e,
                                     int n)
{
    if (t == CH_REAL)
        return (const real *)(const void *)row + e;
    float f[CH_STRETCH];
    ch_dtype_get(t)->decode(f, row + ch_dtype_bytes(t, e), n);
    for (int i = 0; i < n; i++)
        room[i] = f[i];
    return room;
}

#endif
