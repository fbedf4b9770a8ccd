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

/* I16 panels: groups one after the other, the last one with the pairs of k that are left. */
enum {
    CH_I16_GROUP = 128,
    CH_I16_MOST = 4095,
    CH_I16_SCALE_BYTES = CH_PANEL_ROWS * 4,
    CH_I16_PAIR_BYTES = CH_PANEL_ROWS * 4,
    CH_I16_GROUP_BYTES = CH_I16_SCALE_BYTES + CH_I16_GROUP / 2 * CH_I16_PAIR_BYTES,
};
/* A group whose largest magnitude is below this is packed as zeros: its scale, or that scale's
 * reciprocal, would leave the normal floats. */
#define CH_I16_LEAST 0x1p-100F

static inline size_t ch_i16_at(int k) /* where k's group starts, k a multiple of 128 */
{
    return (size_t)(k / CH_I16_GROUP) * CH_I16_GROUP_BYTES;
}

static inline int ch_i16_pairs(int K, int k) /* in the group that starts at k */
{
    return (CH_MIN(K - k, CH_I16_GROUP) + 1) / 2;
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
