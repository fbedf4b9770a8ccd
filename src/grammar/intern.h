/* intern.h - lists of numbers, each kept once: equal lists have equal ids
 *
 * What an automaton is made of (sets of states) and what it runs on (sets of stacks) are compared
 * all the time; with an id each, that is a comparison of two numbers.  Ids count from 0 in order of
 * arrival.  Zeroed memory is an empty interner.  SPDX-License-Identifier: MIT */
#ifndef CH_INTERN_H
#define CH_INTERN_H

#include "base.h"

enum { CH_NO_ID = 0x7fffffff }; /* no memory, or too many numbers */

typedef struct ch_intern {
    uint32_t *pool;
    size_t pool_used, pool_cap;
    struct ch_interned {
        uint32_t at, n;
    } *list;
    size_t n, cap;
    uint32_t *slot; /* id + 1, or 0 */
    size_t n_slots;
} ch_intern;

uint32_t ch_intern_add(ch_intern *i, const uint32_t *v, size_t n);
/* Borrowed, until the next one is added. */
const uint32_t *ch_intern_get(const ch_intern *i, uint32_t id, size_t *n);
size_t ch_intern_bytes(const ch_intern *i);
void ch_intern_clear(ch_intern *i); /* memory kept */
void ch_intern_close(ch_intern *i);

#endif
