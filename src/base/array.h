/* array.h - arrays that grow.  SPDX-License-Identifier: MIT */
#ifndef CH_ARRAY_H
#define CH_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/* Room for `want` elements of `size` bytes in the malloc'd array whose pointer lies at `array` (a
 * T **) and that has room for *cap; at least twice as much where it has to move.  False: no memory,
 * and nothing has changed. */
bool ch_array_room(void *array, size_t *cap, size_t want, size_t size);

#endif
