/* map.h - byte strings to integers: open addressing, insertion order kept by the caller
 *
 * Keys are not copied: they must outlive the map.  Keyed by SipHash with a fixed key, probes
 * bounded by the load factor 1/2.  SPDX-License-Identifier: MIT */
#ifndef CH_MAP_H
#define CH_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "chalcis.h"

typedef struct ch_map {
    struct ch_map_slot *slots;
    size_t cap, count;
} ch_map;

/* Room for `expected` keys without growing (it grows on demand anyway). */
int ch_map_open(ch_map *m, size_t expected, ch_err *e);
void ch_map_close(ch_map *m);
/* Stores value >= 0 under key; *old (may be NULL) gets the value that was there, else -1. */
int ch_map_put(ch_map *m, const void *key, size_t n, int64_t value, int64_t *old, ch_err *e);
int64_t ch_map_get(const ch_map *m, const void *key, size_t n); /* -1: absent */
int64_t ch_map_remove(ch_map *m, const void *key, size_t n);    /* the value removed, or -1 */

#endif
