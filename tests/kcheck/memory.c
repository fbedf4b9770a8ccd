/* memory.c - slots: memory that ends at an unreadable page, with canaries around what was asked
 * for
 *
 * SPDX-License-Identifier: MIT */
#include "kcheck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { BEFORE = 64, CANARY = 0x5c, FRESH = 0xa5, PAGE = 4096 };

typedef struct slot {
    unsigned char *start, *data; /* of the region, of what was asked for (NULL: nothing) */
    size_t bytes;
} slot;

static slot slots[KCHECK_SLOTS];

static unsigned char *region_end(const slot *s)
{
    return s->start + KCHECK_SLOT_BYTES;
}

static void map_region(slot *s)
{
    s->start = mmap(NULL, KCHECK_SLOT_BYTES + PAGE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (s->start == MAP_FAILED || mprotect(region_end(s), PAGE, PROT_NONE) != 0) {
        puts("Bail out! no memory for the buffers");
        exit(1);
    }
}

void *kcheck_slot(int i, size_t bytes, size_t align)
{
    slot *s = &slots[i];
    if (i < 0 || i >= KCHECK_SLOTS || bytes + align + BEFORE > KCHECK_SLOT_BYTES) {
        printf("Bail out! slot %d cannot hold %zu bytes\n", i, bytes);
        exit(1);
    }
    if (!s->start)
        map_region(s);
    s->data = (unsigned char *)((uintptr_t)(region_end(s) - bytes) & ~(uintptr_t)(align - 1));
    s->bytes = bytes;
    memset(s->data - BEFORE, CANARY, BEFORE);
    memset(s->data, FRESH, bytes);
    memset(s->data + bytes, CANARY, (size_t)(region_end(s) - s->data) - bytes);
    return s->data;
}

bool kcheck_slots_whole(void)
{
    for (int i = 0; i < KCHECK_SLOTS; i++) {
        const slot *s = &slots[i];
        if (!s->data)
            continue;
        for (const unsigned char *p = s->data - BEFORE; p < region_end(s); p++) {
            if (p == s->data)
                p += s->bytes;
            if (p < region_end(s) && *p != CANARY)
                return kcheck_fail("slot %d: byte %td of %zu was written", i, p - s->data,
                                   s->bytes);
        }
    }
    return true;
}

void kcheck_slots_clear(void)
{
    for (int i = 0; i < KCHECK_SLOTS; i++)
        slots[i].data = NULL;
}
