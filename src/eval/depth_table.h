/* depth_table.h - what numbers of steps cost and bring, by rule
 *
 * Fixed numbers; a gate at several tolerances; and beside each of these the same histogram of steps
 * given to other tokens: at random, the most to early positions, and by the KL itself, which no
 * gate can know.  SPDX-License-Identifier: MIT */
#ifndef CH_DEPTH_TABLE_H
#define CH_DEPTH_TABLE_H

#include "depths.h"

typedef struct ch_depth_line {
    const char *rule;
    double tolerance; /* NaN: there is none */
    double steps;     /* mean */
    double bits;      /* a byte */
    double low, high; /* bits a byte more than all steps take, paired by window; NaN: none */
    double kl, us;    /* mean nats to the answer after all steps; microseconds a token */
} ch_depth_line;

enum { CH_DEPTH_LINES = CH_MAX_DEPTH + 4 * 7 };

typedef struct ch_depth_table {
    size_t bytes; /* of what is scored: set it before */
    ch_depth_line line[CH_DEPTH_LINES];
    int lines;
} ch_depth_table;

/* The gate w (N - 1, D), b (N - 1), at tolerances from 0.3 to 0.001 and at `tolerance` (0: none
 * besides). */
int ch_depth_table_fill(ch_depth_table *t, ch_depths *d, const real *w, const real *b,
                        double tolerance, ch_err *e);

#endif
