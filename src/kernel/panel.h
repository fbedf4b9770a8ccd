/* panel.h - where things are in a panel and in an activation row (layouts: kernel.h, "Panels")
 *
 * For the files of kernel/ only; everybody else asks ch_panel_bytes and packs with ch_panel_pack.
 * SPDX-License-Identifier: MIT */
#ifndef CH_PANEL_H
#define CH_PANEL_H

#include "kernel.h"

enum {
    CH_GROUP = 32,              /* k that share a scale */
    CH_SCALE_BYTES = 2 * CH_PANEL_ROWS,
    CH_Q8_BYTES = CH_GROUP * CH_PANEL_ROWS, /* weights of one group, all lanes */
    CH_Q4_BYTES = CH_Q8_BYTES / 2,
};

/* Groups lie two by two: both scales, then both groups' weights of `bytes` each. */
static inline size_t ch_group_scale_at(int g, size_t bytes)
{
    return (size_t)(g >> 1) * (2 * CH_SCALE_BYTES + 2 * bytes) + (size_t)(g & 1) * CH_SCALE_BYTES;
}

static inline size_t ch_group_weights_at(int g, size_t bytes)
{
    return (size_t)(g >> 1) * (2 * CH_SCALE_BYTES + 2 * bytes) + 2 * CH_SCALE_BYTES + (size_t)(g & 1) * bytes;
}

/* A quantized activation row of `groups` groups. */
static inline const int8_t *ch_row_q(const void *row)
{
    return row;
}

static inline const float *ch_row_d(const void *row, int groups)
{
    return (const float *)(const void *)((const char *)row + (size_t)groups * CH_GROUP);
}

static inline const int32_t *ch_row_sum(const void *row, int groups)
{
    return (const int32_t *)(const void *)(ch_row_d(row, groups) + groups);
}

#endif
