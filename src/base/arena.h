/* arena.h - memory by lifetime: take from the front, give back to a mark
 *
 * An arena reserves its whole address range at birth (pages appear when touched), so pointers
 * never move and taking memory cannot fail within the stated size.  The size is known before
 * work starts: the same code runs once in *measuring* mode, where nothing is stored and only
 * the high-water mark is kept, and the arena is then opened with that size.
 * In builds with AddressSanitizer everything past `used` is poisoned and a red zone separates
 * allocations.  One arena belongs to one thread at a time.  SPDX-License-Identifier: MIT */
#ifndef CH_ARENA_H
#define CH_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "chalcis.h"

#define CH_ARENA_ALIGN 64

typedef struct ch_arena {
    unsigned char *base; /* NULL while measuring */
    size_t size;         /* reserved bytes */
    size_t used;         /* bytes taken now */
    size_t peak;         /* most bytes ever taken, red zones included */
    bool measuring;
    struct ch_arena_header *headers; /* memory of a measuring arena's headers */
} ch_arena;

/* Reserves `bytes` (rounded up to pages).  CH_ENOMEM when the range cannot be had. */
int ch_arena_open(ch_arena *a, size_t bytes, ch_err *e);
/* All of it will be taken and read again and again: large pages, where the system has them, spare
 * the processor's tables (3 % of a token of a 1.1 G model).  Advice; never fails. */
void ch_arena_fill(ch_arena *a);
void ch_arena_close(ch_arena *a);

/* An arena that only counts: ch_arena_take returns addresses that must not be touched.  It has to
 * be closed, too. */
void ch_arena_measure(ch_arena *a);

/* 64-byte aligned, contents undefined.  Taking more than the arena holds is a program fault (it
 * stops the process with a message): callers size arenas first and check data-dependent counts. */
void *ch_arena_take(ch_arena *a, size_t bytes);
void *ch_arena_take_zero(ch_arena *a, size_t bytes);
/* As ch_arena_take, for small things that are read and written even while measuring (shapes,
 * records): a measuring arena counts them alike, and gives them memory of their own until
 * ch_arena_close. */
void *ch_arena_take_header(ch_arena *a, size_t bytes);

size_t ch_arena_mark(const ch_arena *a);
void ch_arena_reset(ch_arena *a, size_t mark);

/* count * size, or SIZE_MAX on overflow, for sizes that come from data. */
size_t ch_size_mul(size_t count, size_t size);

#endif
