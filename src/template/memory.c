/* memory.c - memory that grows to a limit and goes all at once
 *
 * Small pieces share blocks of 16 K, large ones have one of their own: n bytes cost O(n).  Built
 * with CH_HOSTILE every piece is a block, so that AddressSanitizer sees where it ends.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "jinja.h"

enum { ALIGN = 16, BLOCK = 1 << 14 };

typedef struct ch_jchunk {
    struct ch_jchunk *next;
    size_t used, size;
} ch_jchunk;

enum { HEAD = (sizeof(ch_jchunk) + ALIGN - 1) / ALIGN * ALIGN };

void *ch_jmem_take(ch_jmem *m, size_t bytes)
{
    if (bytes > m->limit - m->used || bytes > PTRDIFF_MAX / 2)
        return NULL;
    const size_t n = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    ch_jchunk *c = m->chunks;
    if (c == NULL || n > c->size - c->used) {
#ifdef CH_HOSTILE
        const size_t size = n;
#else
        const size_t size = n > BLOCK / 2 ? n : BLOCK;
#endif
        c = calloc(1, HEAD + size);
        if (c == NULL)
            return NULL;
        c->size = size;
        /* A large piece must not hide the room that is left in the block before it. */
        if (m->chunks != NULL && n > BLOCK / 2) {
            c->next = m->chunks->next;
            m->chunks->next = c;
        } else {
            c->next = m->chunks;
            m->chunks = c;
        }
    }
    void *p = (char *)c + HEAD + c->used;
    c->used += n;
    m->used = n > m->limit - m->used ? m->limit : m->used + n;
    return p;
}

void ch_jmem_close(ch_jmem *m)
{
    for (ch_jchunk *c = m->chunks, *next; c != NULL; c = next) {
        next = c->next;
        free(c);
    }
    m->chunks = NULL;
    m->used = 0;
}
