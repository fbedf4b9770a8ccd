/* panel_block.c - panels of the formats with few bits, and back (layouts: panel.h, "Block panels")
 *
 * Codes, scales and minima are the stored ones in another order, so a panel's weights are the
 * format's own.  The exact weight is scale (code - offset) - minimum with exact products; decoding
 * rounds the difference to a float, the product does not.  Cost: one pass, some instructions a
 * weight.
 * SPDX-License-Identifier: MIT */
#include "panel.h"

#include <string.h>

static void codes_of(ch_codes *c, ch_panel_kind kind, const void *block)
{
    switch (kind) {
    case CH_PANEL_Q4_1: ch_codes_q4_1(c, block); break;
    case CH_PANEL_Q5_0: ch_codes_q5_0(c, block); break;
    case CH_PANEL_Q5_1: ch_codes_q5_1(c, block); break;
    case CH_PANEL_IQ4_NL: ch_codes_iq4_nl(c, block); break;
    case CH_PANEL_MXFP4: ch_codes_mxfp4(c, block); break;
    case CH_PANEL_Q2_K: ch_codes_q2_k(c, block); break;
    case CH_PANEL_Q3_K: ch_codes_q3_k(c, block); break;
    case CH_PANEL_Q4_K: ch_codes_q4_k(c, block); break;
    case CH_PANEL_Q5_K: ch_codes_q5_k(c, block); break;
    case CH_PANEL_Q6_K: ch_codes_q6_k(c, block); break;
    default: ch_codes_iq4_xs(c, block); break;
    }
}

static ch_dtype stored_as(ch_panel_kind kind)
{
    int t = 0;
    while (ch_dtype_get((ch_dtype)t)->panel != kind)
        t++;
    return (ch_dtype)t;
}

/* ---- Packing ------------------------------------------------------------------------------- */

static void or_four(unsigned char *to, uint32_t four)
{
    uint32_t before;
    memcpy(&before, to, sizeof before);
    four |= before;
    memcpy(to, &four, sizeof four);
}

/* Four codes of a lane stand side by side: a word, whose bytes are shifted and masked together. */
static void put_codes(unsigned char *to, int bits, const uint8_t *code, int lane)
{
    to += 4 * lane;
    for (int k = 0; k < CH_GROUP; k += 4) {
        const int h = k / 16, j = k % 16 / 4;
        uint32_t c;
        memcpy(&c, code + k, sizeof c);
        if (bits >= 4)
            or_four(to + 64 * j, (c & 0x0f0f0f0f) << 4 * h);
        else
            or_four(to + 64 * h, (c & 0x03030303) << 2 * j);
        if (bits == 6)
            or_four(to + 256 + 64 * h, (c >> 4 & 0x03030303) << 2 * j);
        else if (bits % 2)
            or_four(to + (bits == 5 ? 256 : 128),
                    (c >> (bits - 1) & 0x01010101) << (4 * h + j));
    }
}

/* Scales of a block of 32, which is a group. */
static void put_scales(unsigned char *unit, ch_form f, ch_panel_kind kind, int g, int lane,
                       const ch_codes *c)
{
    /* 2^(d - 128) as bf16: the exponent's field, or below it a subnormal. */
    const uint16_t power = (uint16_t)(c->d < 2 ? 0x20 << c->d : (c->d - 1) << 7);
    const uint16_t scale = kind == CH_PANEL_MXFP4 ? power : c->d, min = c->e ^ 0x8000;
    memcpy(unit + ch_scale_at(f, g, 0) + 2 * lane, &scale, sizeof scale);
    if (f.min == CH_MIN_OWN)
        memcpy(unit + ch_min_at(f, g) + 2 * lane, &min, sizeof min);
}

/* Scales of a block of 256, which is a unit. */
static void put_super(unsigned char *unit, ch_form f, int lane, const ch_codes *c)
{
    const float d = ch_f16_to_f32(c->d) * (f.bits == 3 ? 0.125f : 1);
    if (f.min) {
        memcpy(unit + 2 * lane, &c->d, 2);
        memcpy(unit + CH_SCALE_BYTES + 2 * lane, &c->e, 2);
    } else {
        memcpy(unit + 4 * lane, &d, sizeof d);
    }
    for (int i = 0; i < (f.halves ? 16 : 8); i++) {
        const int g = f.halves ? i / 2 : i, nibble = f.min == CH_MIN_NIBBLE ? c->min[i] << 4 : 0;
        unit[ch_scale_at(f, g, i % 2) + (size_t)lane] = (unsigned char)(c->scale[i] | nibble);
        if (f.min == CH_MIN_SUPER)
            unit[ch_min_at(f, g) + (size_t)lane] = c->min[i];
    }
}

void ch_panel_block_pack(unsigned char *panel, ch_panel_kind kind, const char *stored,
                         size_t row_bytes, int K, int rows)
{
    const ch_form f = ch_form_of(kind);
    const ch_dtype_info *info = ch_dtype_get(stored_as(kind));
    ch_codes c;
    memset(panel, 0, ch_panel_bytes(kind, K));
    for (int r = 0; r < rows; r++) {
        const char *block = stored + (size_t)r * row_bytes;
        for (int k = 0; k < K; k += info->block, block += info->bytes) {
            const int g = k / CH_GROUP;
            codes_of(&c, kind, block);
            if (f.super)
                put_super(panel + ch_unit_at(f, g), f, r, &c);
            else
                put_scales(panel + ch_unit_at(f, g), f, kind, g, r, &c);
            for (int i = 0; i < info->block / CH_GROUP; i++)
                put_codes(panel + ch_codes_at(f, g + i), f.bits, c.code + CH_GROUP * i, r);
        }
    }
}

/* ---- Reading ------------------------------------------------------------------------------- */

static float f16_at(const unsigned char *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return ch_f16_to_f32(h);
}

void ch_panel_block_scale(float *scale, float *min, ch_form f, ch_panel_kind kind,
                          const unsigned char *panel, int g, int h, int lane)
{
    const unsigned char *unit = panel + ch_unit_at(f, g), *at = unit + ch_scale_at(f, g, h);
    *min = 0;
    if (!f.super) {
        uint16_t half;
        memcpy(&half, at + 2 * lane, sizeof half);
        *scale = kind == CH_PANEL_MXFP4 ? ch_bf16_to_f32(half) : ch_f16_to_f32(half);
        if (f.min == CH_MIN_OWN)
            *min = f16_at(unit + ch_min_at(f, g) + 2 * lane);
        return;
    }
    if (f.min) {
        const float d = f16_at(unit + 2 * lane), e = f16_at(unit + CH_SCALE_BYTES + 2 * lane);
        const bool nibble = f.min == CH_MIN_NIBBLE;
        *scale = d * (float)(nibble ? at[lane] & 15 : at[lane]);
        *min = e * (float)(nibble ? at[lane] >> 4 : unit[ch_min_at(f, g) + (size_t)lane]);
    } else {
        memcpy(scale, unit + 4 * lane, sizeof *scale);
        *scale *= (float)(int8_t)at[lane];
    }
}

int ch_panel_block_code(ch_form f, const unsigned char *codes, int lane, int k)
{
    const int h = k / 16, j = k % 16 / 4, at = 4 * lane + k % 4;
    const int low =
        f.bits >= 4 ? codes[64 * j + at] >> 4 * h & 15 : codes[64 * h + at] >> 2 * j & 3;
    switch (f.bits) {
    case 3: return 8 * (low | (codes[128 + at] >> (4 * h + j) & 1) << 2);
    case 5: return low | (codes[256 + at] >> (4 * h + j) & 1) << 4;
    case 6: return low | (codes[256 + 64 * h + at] >> 2 * j & 3) << 4;
    default: return f.table ? f.table[low] + 128 : low;
    }
}

void ch_panel_block_unpack(real *out, ch_panel_kind kind, const unsigned char *panel, int K,
                           int lane)
{
    const ch_form f = ch_form_of(kind);
    const int offset = f.table ? 128 : f.min ? 0 : f.halves ? 32 : 16;
    for (int k = 0; k < K; k += CH_GROUP / 2) {
        const int g = k / CH_GROUP, in = k % CH_GROUP;
        const unsigned char *codes = panel + ch_codes_at(f, g);
        float scale, min;
        ch_panel_block_scale(&scale, &min, f, kind, panel, g, in / 16, lane);
        for (int i = 0; i < CH_GROUP / 2; i++) {
            const int code = ch_panel_block_code(f, codes, lane, in + i);
            const float product = scale * (float)(code - offset);
            out[k + i] = f.min ? product - min : product;
        }
    }
}
