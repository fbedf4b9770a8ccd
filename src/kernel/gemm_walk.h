/* gemm_walk.h - how products by hand walk over their output
 *
 * Rows are cut into blocks that stay in a second-level cache, a block into tiles of nearly equal
 * height; for each few panels all tiles of the block are computed, so that weights come from
 * memory once a block.  A tile keeps its sums in registers over all of K: what an element's sum
 * looks like does not depend on the tile that it is in.  Tiles are functions of constant height
 * and width, inlined into a switch. SPDX-License-Identifier: MIT */
#ifndef CH_GEMM_WALK_H
#define CH_GEMM_WALK_H

#include "panel.h"

/* Inlining makes a tile's height and width constants, unrolling its sums registers (CH_UNROLL
 * stands before loops over rows or panels, CH_ROLLED
 * before those whose unrolling would buy code alone).  With a sanitizer's checks in every line that
 * code would take clang an hour to compile; the loops compute the same without. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define CH_SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define CH_SANITIZED
#endif

#ifdef CH_SANITIZED
#define CH_INLINE static inline
#define CH_UNROLL
#define CH_ROLLED
#elif defined(__clang__)
#define CH_INLINE static inline __attribute__((always_inline))
#define CH_UNROLL _Pragma("clang loop unroll(full)")
#define CH_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define CH_INLINE static inline __attribute__((always_inline))
#define CH_UNROLL _Pragma("GCC unroll 32")
#define CH_ROLLED _Pragma("GCC unroll 1")
#endif

enum {
    CH_BLOCK_BYTES = 512 << 10, /* of activation rows */
    CH_AHEAD = 1536,            /* bytes that a single row's panels are asked for in advance */
};

typedef struct ch_tile {
    float *y; /* first element */
    ptrdiff_t ldy;
    const char *x; /* first row */
    ptrdiff_t ldx;
    const char *w; /* first panel */
    size_t panel_bytes;
    int K, rows;
    int number, tiles; /* which of the block's tiles this is, and of how many */
    int columns; /* from the first panel to the end of the slice */
    bool add;
} ch_tile;

/* Rows of a tile are addressed from every third one: base, base + ldx and base + 2 ldx are
 * addressing modes, and a tile of 14 rows would not find 14 registers. */
typedef struct ch_rows {
    const char *third[5];
    ptrdiff_t ldx;
} ch_rows;

CH_INLINE ch_rows ch_rows_of(const ch_tile *t, const int R)
{
    ch_rows rows = {.ldx = t->ldx};
    CH_UNROLL
    for (int i = 0; 3 * i < R; i++)
        rows.third[i] = t->x + 3 * i * t->ldx;
    return rows;
}

CH_INLINE const char *ch_rows_at(const ch_rows *rows, const int r)
{
    return rows->third[r / 3] + r % 3 * rows->ldx;
}

CH_INLINE const ch_group *ch_group_at(const ch_rows *rows, const int r)
{
    return (const ch_group *)(const void *)ch_rows_at(rows, r);
}

/* Makes the compiler forget what it knows of the rows: it would keep, and spill, each row's
 * address, or what it read there. */
CH_INLINE void ch_rows_forget(ch_rows *rows, const int R)
{
    __asm__("" : "+r"(rows->ldx));
    CH_UNROLL
    for (int i = 0; 3 * i < R; i++)
        __asm__("" : "+r"(rows->third[i]));
}

CH_INLINE void ch_rows_advance(ch_rows *rows, const int R, ptrdiff_t bytes)
{
    CH_UNROLL
    for (int i = 0; 3 * i < R; i++)
        rows->third[i] += bytes;
}

/* After a stretch was copied: clang would carry its first elements in registers around the loop
 * that reads it. */
CH_INLINE void ch_copied(const void *x)
{
    __asm__ volatile("" : : "r"(x) : "memory");
}

/* Asks for what will be read once.  Into the second-level cache, since the first has too few places
 * for lines on their way: on a Zen 4 they bound a thread at 16 GB/s. */
CH_INLINE void ch_ask(const char *p)
{
    __builtin_prefetch(p, 0, 2);
}

/* The next panels, asked for while this tile is computed: each tile of a block takes a share. */
typedef struct ch_ahead {
    const char *at;
    size_t step;
} ch_ahead;

/* P panels from here are computed in `steps` steps.  A line of a share that no step asks for, since
 * there are fewer steps than lines or steps do not reach its end, is waited for. */
CH_INLINE ch_ahead ch_ahead_of(const ch_tile *t, const int P, int steps)
{
    const size_t share = (size_t)P * t->panel_bytes / (size_t)t->tiles;
    return (ch_ahead){t->w + (size_t)P * t->panel_bytes + (size_t)t->number * share,
                      (share + (size_t)steps - 1) / (size_t)steps};
}

CH_INLINE void ch_ahead_step(ch_ahead *ahead)
{
    ch_ask(ahead->at);
    ahead->at += ahead->step;
}

/* Computes t->rows rows of some panels and returns how many.  That number is the same for all
 * heights from half the greatest one up. */
typedef int ch_tile_fn(const ch_tile *t);

static inline void ch_gemm_walk(ch_tile_fn *fn, int most_rows, size_t row_bytes, ch_tile t, int M,
                                int n0, int n1)
{
    const ch_tile whole = t;
    const int blocks = (int)(((size_t)M * row_bytes + CH_BLOCK_BYTES - 1) / CH_BLOCK_BYTES);
    const int block = M ? most_rows * ((M / blocks + most_rows - 1) / most_rows) : 0;
    for (int m0 = 0; m0 < M; m0 += block) {
        const int rows = CH_MIN(block, M - m0), tiles = (rows + most_rows - 1) / most_rows;
        for (int n = n0, took = 0; n < n1; n += took * CH_PANEL_ROWS) {
            t.w = whole.w + (size_t)(n / CH_PANEL_ROWS) * t.panel_bytes;
            t.columns = n1 - n;
            for (int i = 0, m = m0; i < tiles; i++, m += t.rows) {
                t.number = i;
                t.tiles = tiles;
                t.rows = (m0 + rows - m + tiles - i - 1) / (tiles - i);
                t.x = whole.x + m * t.ldx;
                t.y = whole.y + m * t.ldy + n;
                took = fn(&t);
            }
        }
    }
}

/* What a product of panels of some kind is called with, walked over. */
static inline void ch_panel_walk(ch_tile_fn *fn, int most_rows, ch_panel_kind kind, real *y,
                                 ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w, int M,
                                 int n0, int n1, int K, int flags)
{
    const ch_tile t = {.y = y,
                       .ldy = ldy,
                       .x = x,
                       .ldx = ldx,
                       .w = w,
                       .K = K,
                       .add = flags & CH_GEMM_ADD,
                       .panel_bytes = ch_panel_bytes(kind, K)};
    ch_gemm_walk(fn, most_rows, ch_row_bytes(kind, K), t, M, n0, n1);
}

#endif
