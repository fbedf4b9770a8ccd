/* arena.c - bump allocation in one reserved address range
 *
 *     | taken, 64-aligned | red zone | taken | red zone | ... poisoned ... |
 *     base                                              used            size
 *
 * The range is mapped without reserving memory, so `size` may be generous: only touched pages
 * cost.  Red zones exist in AddressSanitizer builds only; a measuring arena counts them too, so
 * that the size it finds is enough for the same build.  Built with CH_HOSTILE, memory is handed
 * out full of NaN bit patterns, so that a read before a write shows.
 * SPDX-License-Identifier: MIT */
#include "arena.h"

#include <errno.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "err.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#endif

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#define RED_ZONE ((size_t)CH_ARENA_ALIGN)
#define POISON(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define RED_ZONE ((size_t)0)
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

/* Where a measuring arena pretends to live: no address space has memory there (it is not
 * canonical on x86-64 and between the halves on 64-bit ARM), so touching it traps. */
#define NOWHERE (UINTPTR_MAX / 2 + 1)

/* Headers taken while measuring, newest first. */
struct ch_arena_header {
    struct ch_arena_header *next;
    alignas(max_align_t) unsigned char data[];
};

static void fault(const char *what, size_t found, size_t allowed)
{
    fprintf(stderr, "chalcis: program fault: arena: %s: %zu, allowed %zu\n", what, found, allowed);
    abort();
}

size_t ch_size_mul(size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        return SIZE_MAX;
    return count * size;
}

int ch_arena_open(ch_arena *a, size_t bytes, ch_err *e)
{
    *a = (ch_arena){0};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (bytes > SIZE_MAX / 2)
        return ch_fail(e, CH_ENOMEM, "cannot reserve %zu bytes: more than the address space",
                       bytes);
    size_t size = (bytes + page - 1) / page * page;
    if (size == 0)
        size = page;
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (p == MAP_FAILED)
        return ch_fail(e, CH_ENOMEM, "cannot reserve %zu bytes: %s", size, strerror(errno));
    a->base = p;
    a->size = size;
    POISON(a->base, a->size);
    return CH_OK;
}

void ch_arena_fill(ch_arena *a)
{
#ifdef MADV_HUGEPAGE
    madvise(a->base, a->size, MADV_HUGEPAGE);
#endif
}

void ch_arena_close(ch_arena *a)
{
    if (a->base != NULL) {
        UNPOISON(a->base, a->size);
        munmap(a->base, a->size);
    }
    while (a->headers != NULL) {
        struct ch_arena_header *next = a->headers->next;
        free(a->headers);
        a->headers = next;
    }
    *a = (ch_arena){0};
}

void ch_arena_measure(ch_arena *a)
{
    *a = (ch_arena){.measuring = true};
}

/* What taking `bytes` adds to `used`; SIZE_MAX when that overflows. */
static size_t cost_of(size_t bytes)
{
    if (bytes > SIZE_MAX - CH_ARENA_ALIGN - RED_ZONE)
        return SIZE_MAX;
    return (bytes + CH_ARENA_ALIGN - 1) / CH_ARENA_ALIGN * CH_ARENA_ALIGN + RED_ZONE;
}

/* An overflowing sum stays SIZE_MAX, which no ch_arena_open grants. */
static void *take_measuring(ch_arena *a, size_t cost)
{
    size_t at = a->used;
    a->used = cost > SIZE_MAX - at ? SIZE_MAX : at + cost;
    if (a->used > a->peak)
        a->peak = a->used;
    return (void *)(NOWHERE + at % NOWHERE / CH_ARENA_ALIGN * CH_ARENA_ALIGN);
}

void *ch_arena_take(ch_arena *a, size_t bytes)
{
    size_t cost = cost_of(bytes);
    if (a->measuring)
        return take_measuring(a, cost);
    if (cost > a->size - a->used)
        fault("too many bytes taken", bytes, a->size - a->used);
    unsigned char *p = a->base + a->used;
    a->used += cost;
    if (a->used > a->peak)
        a->peak = a->used;
    UNPOISON(p, bytes);
#ifdef CH_HOSTILE
    memset(p, 0xff, bytes);
#endif
    return p;
}

void *ch_arena_take_zero(ch_arena *a, size_t bytes)
{
    void *p = ch_arena_take(a, bytes);
    if (!a->measuring)
        memset(p, 0, bytes);
    return p;
}

void *ch_arena_take_header(ch_arena *a, size_t bytes)
{
    void *p = ch_arena_take(a, bytes);
    if (!a->measuring)
        return p;
    struct ch_arena_header *h = NULL;
    if (bytes <= SIZE_MAX - sizeof *h)
        h = malloc(sizeof *h + bytes);
    if (h == NULL)
        fault("no memory for a header while measuring", bytes, 0);
    h->next = a->headers;
    a->headers = h;
    return h->data;
}

size_t ch_arena_mark(const ch_arena *a)
{
    return a->used;
}

void ch_arena_reset(ch_arena *a, size_t mark)
{
    if (mark > a->used)
        fault("reset to a mark past the end", mark, a->used);
    if (!a->measuring && a->base != NULL)
        POISON(a->base + mark, a->used - mark);
    a->used = mark;
}
