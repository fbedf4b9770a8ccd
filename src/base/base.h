/* base.h - what every folder may use: errors, memory, files, threads, numbers
 *
 * Names here start with the file that defines them: ch_arena_* is in arena.c, ch_io_* in io.c.
 * SPDX-License-Identifier: MIT */
#ifndef CH_BASE_H
#define CH_BASE_H

#include "chalcis.h"

#include "arena.h"
#include "array.h"
#include "buf.h"
#include "err.h"
#include "hash.h"
#include "io.h"
#include "json.h"
#include "log.h"
#include "map.h"
#include "pool.h"
#include "real.h"
#include "rng.h"
#include "clock.h"
#include "utf8.h"

#define CH_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CH_MIN(a, b) ((a) < (b) ? (a) : (b))
#define CH_MAX(a, b) ((a) > (b) ? (a) : (b))

static inline int64_t ch_round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

#endif
