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

/* A quantized activation row is an array of these, a cache line each: one address reaches all that
 * a tile needs of a row. */
typedef struct ch_group {
    int8_t q[CH_GROUP];
    float d;
    int32_t bias_q4, bias_q8; /* -8 sum q, -128 sum q: where the sum of a group starts */
    int32_t bias_half[2];     /* -32 sum q, of each half alone */
    float sum, sum_half[2];   /* d sum q, what a minimum is multiplied with; of each half alone */
} ch_group;

/* What follows from a group's d and the sums of its halves. */
static inline void ch_group_sums(ch_group *g, float d, int32_t sum0, int32_t sum1)
{
    const int32_t sum = sum0 + sum1;
    g->d = d;
    g->bias_q4 = -8 * sum;
    g->bias_q8 = -128 * sum;
    g->bias_half[0] = -32 * sum0;
    g->bias_half[1] = -32 * sum1;
    g->sum = d * (float)sum;
    g->sum_half[0] = d * (float)sum0;
    g->sum_half[1] = d * (float)sum1;
}

/* ---- Block panels: the formats with few bits ----------------------------------------------------
 *
 *   w = scale (code - offset) - minimum        code: 2 to 6 bits, or the choice of a table's value
 *
 * Groups of 32 k make a unit: 8 of them where scales come in two parts (`super`: blocks of 256),
 * else 2.  A unit is its head, then each group's codes; an odd last group ends after its own.
 *   head  u16 scale[2][16], then, with minima, u16 -minimum[2][16]      (mxfp4: bf16, else f16)
 *   super, no minima   f32 d[16], then s8 scale[8][16] or, with a scale for each 16 k, [8][2][16]
 *   super, with minima f16 d[16], f16 e[16], then u8 scale[8][16], u8 minimum[8][16], or, for each
 *         16 k, u8 [8][2][16] with the scale in the low nibble and the minimum in the high one
 *   codes planes of [..][16 lanes][4] bytes, k = 16 h + 4 j + i being half h, step j, byte i:
 *         4 to 6 bits  low nibbles [4: j], h = 0 in the lower half of the byte, h = 1 in the upper
 *         2, 3 bits    low pairs [2: h], in bits 2j, 2j+1
 *         then 5 and 3 bits: the upper bit [1], in bit 4h + j; 6 bits: the upper pair [2: h], in
 *         bits 2j, 2j+1
 * So every plane is whole vectors of 64 bytes, a half is four steps of a dot product with four
 * bytes, and a step's codes are made from its planes with shifts and masks. */
enum { CH_MIN_NONE, CH_MIN_OWN, CH_MIN_SUPER, CH_MIN_NIBBLE };
typedef struct ch_form {
    int bits;
    bool super, halves; /* scales in two parts; a scale for each 16 k */
    int min;
    const int8_t *table;
} ch_form;

static inline ch_form ch_form_of(ch_panel_kind kind)
{
    switch (kind) {
    case CH_PANEL_Q4_1: return (ch_form){4, false, false, CH_MIN_OWN, NULL};
    case CH_PANEL_Q5_0: return (ch_form){5, false, false, CH_MIN_NONE, NULL};
    case CH_PANEL_Q5_1: return (ch_form){5, false, false, CH_MIN_OWN, NULL};
    case CH_PANEL_IQ4_NL: return (ch_form){4, false, false, CH_MIN_NONE, ch_iq4_values};
    case CH_PANEL_MXFP4: return (ch_form){4, false, false, CH_MIN_NONE, ch_mxfp4_values};
    case CH_PANEL_Q2_K: return (ch_form){2, true, true, CH_MIN_NIBBLE, NULL};
    case CH_PANEL_Q3_K: return (ch_form){3, true, true, CH_MIN_NONE, NULL};
    case CH_PANEL_Q4_K: return (ch_form){4, true, false, CH_MIN_SUPER, NULL};
    case CH_PANEL_Q5_K: return (ch_form){5, true, false, CH_MIN_SUPER, NULL};
    case CH_PANEL_Q6_K: return (ch_form){6, true, true, CH_MIN_NONE, NULL};
    default: return (ch_form){4, true, false, CH_MIN_NONE, ch_iq4_values}; /* IQ4_XS */
    }
}

/* What the dot of a half, or of all 32 k, starts with: the codes' offset times the sum of q. */
static inline int32_t ch_block_begin(ch_form f, const ch_group *x, int h)
{
    return f.min ? 0 : f.halves ? x->bias_half[h] : 2 * x->bias_q4;
}

static inline bool ch_is_block(ch_panel_kind kind)
{
    return kind >= CH_PANEL_Q4_1 && kind < CH_PANELS;
}

static inline ch_panel_kind ch_kind_in(int flags) /* a product's */
{
    return (ch_panel_kind)(flags >> CH_GEMM_KIND & 0xff);
}

static inline int ch_unit_groups(ch_form f)
{
    return f.super ? 8 : 2;
}

static inline size_t ch_codes_bytes(ch_form f) /* of one group */
{
    return (size_t)(f.bits * CH_GROUP * CH_PANEL_ROWS / 8);
}

static inline size_t ch_head_bytes(ch_form f)
{
    if (f.super)
        return f.halves || f.min ? 64 + 256 : 64 + 128;
    return f.min == CH_MIN_OWN ? 128 : 64;
}

/* Where a group's unit starts, its number in that unit, and its codes. */
static inline size_t ch_unit_at(ch_form f, int g)
{
    const int n = ch_unit_groups(f);
    return (size_t)(g / n) * (ch_head_bytes(f) + (size_t)n * ch_codes_bytes(f));
}

static inline size_t ch_codes_at(ch_form f, int g)
{
    return ch_unit_at(f, g) + ch_head_bytes(f) +
           (size_t)(g % ch_unit_groups(f)) * ch_codes_bytes(f);
}

/* Scales and minima within a unit: 2 bytes a lane, or with `super` 1 byte. */
static inline size_t ch_scale_at(ch_form f, int g, int half)
{
    if (!f.super)
        return (size_t)(g % 2) * CH_SCALE_BYTES;
    return 64 + (size_t)(f.halves ? 2 * (g % 8) + half : g % 8) * CH_PANEL_ROWS;
}

static inline size_t ch_min_at(ch_form f, int g)
{
    return (f.super ? 64 + 8 * CH_PANEL_ROWS : 2 * CH_SCALE_BYTES) +
           (size_t)(g % ch_unit_groups(f)) * (f.super ? CH_PANEL_ROWS : CH_SCALE_BYTES);
}

/* kernel/c/panel_block.c: one panel from up to 16 stored rows, and one row back. */
void ch_panel_block_pack(unsigned char *panel, ch_panel_kind kind, const char *stored,
                         size_t row_bytes, int K, int rows);
void ch_panel_block_unpack(real *out, ch_panel_kind kind, const unsigned char *panel, int K,
                           int lane);
/* Scale and minimum of half h of a group for one lane; the code of element k of a group, as the
 * product has it: of a table the value + 128, of 3 bits 8 times the code (and d an eighth). */
void ch_panel_block_scale(float *scale, float *min, ch_form f, ch_panel_kind kind,
                          const unsigned char *panel, int g, int h, int lane);
int ch_panel_block_code(ch_form f, const unsigned char *codes, int lane, int k);

#endif
