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
    return (size_t)(g >> 1) * (2 * CH_SCALE_BYTES + 2 * bytes) + 2 * CH_SCALE_BYTES +
           (size_t)(g & 1) * bytes;
}

/* A quantized activation row is an array of these: one address reaches all that a tile needs of a
 * row. */
typedef struct ch_group {
    int8_t q[CH_GROUP];
    float d;
    int32_t bias_q4, bias_q8; /* -8 sum q, -128 sum q: where the sum of a group starts */
    int32_t zero;             /* 48 bytes: rows of groups stay aligned for 16 */
} ch_group;

#endif
