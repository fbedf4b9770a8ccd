/* array.c - see array.h.  SPDX-License-Identifier: MIT */
#include "base.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef CH_HOSTILE
enum { FIRST = 1 };
#else
enum { FIRST = 64 };
#endif

bool ch_array_room(void *array, size_t *cap, size_t want, size_t size)
{
    if (want <= *cap)
        return true;
    const size_t more = CH_MAX(CH_MAX(want, ch_size_mul(*cap, 2)), (size_t)FIRST);
    const size_t bytes = ch_size_mul(more, size);
    void *p; /* copied, because a T * is no void * */
    memcpy(&p, array, sizeof p);
    p = bytes <= PTRDIFF_MAX ? realloc(p, bytes) : NULL;
    if (!p)
        return false;
    memcpy(array, &p, sizeof p);
    *cap = more;
    return true;
}
