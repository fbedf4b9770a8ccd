/* panel.c - weight matrices into panels and back (layouts: kernel.h, "Panels")
 *
 * Cost: one pass over the matrix.  Stored blocks of Q8_0 and Q4_0 hold the same integers and
 * scales as their panels, in another order, so nothing is rounded; u = q + 128.  Padding rows have
 * the scale 0. SPDX-License-Identifier: MIT */
#include "panel.h"

#include <string.h>

enum { STRETCH = 256 }; /* k at a time when a format is decoded: whole blocks of every format */

size_t ch_panel_bytes(ch_panel_kind kind, int K)
{
    const size_t k = (size_t)K, groups = k / CH_GROUP,
                 scales = (groups + 1) / 2 * 2 * CH_SCALE_BYTES;
    switch (kind) {
    case CH_PANEL_F32: return k * CH_PANEL_ROWS * sizeof(real);
    case CH_PANEL_BF16: return (k + 1) / 2 * 2 * CH_PANEL_ROWS * sizeof(uint16_t);
    case CH_PANEL_Q8: return scales + groups * CH_Q8_BYTES;
    case CH_PANEL_Q4: return scales + groups * CH_Q4_BYTES;
    case CH_PANEL_I16:
        return (k + CH_I16_GROUP - 1) / CH_I16_GROUP * CH_I16_SCALE_BYTES +
               (k + 1) / 2 * CH_I16_PAIR_BYTES;
    case CH_PANELS: return 0;
    default: break;
    }
    const ch_form f = ch_form_of(kind);
    const size_t units = (groups + (size_t)ch_unit_groups(f) - 1) / (size_t)ch_unit_groups(f);
    return units * ch_head_bytes(f) + groups * ch_codes_bytes(f);
}

size_t ch_panels_bytes(ch_panel_kind kind, int N, int K)
{
    return ch_size_mul(((size_t)N + CH_PANEL_ROWS - 1) / CH_PANEL_ROWS, ch_panel_bytes(kind, K));
}

size_t ch_row_bytes(ch_panel_kind kind, int K)
{
    const size_t k = (size_t)K, groups = k / CH_GROUP;
    switch (kind) {
    case CH_PANEL_F32: return (k * sizeof(real) + 7) / 8 * 8;
    case CH_PANEL_BF16: return (k * sizeof(uint16_t) + 7) / 8 * 8;
    case CH_PANEL_I16: /* rows come in panels */
    case CH_PANELS: return 0;
    default: return groups * sizeof(ch_group);
    }
}

ch_panel_kind ch_row_kind(ch_panel_kind kind)
{
    return kind == CH_PANEL_Q4 || ch_is_block(kind) ? CH_PANEL_Q8 : kind;
}

/* ---- Packing one panel: `rows` stored rows, the other lanes zero --------------------------- */

static void pack_f32(real *panel, ch_dtype dtype, const char *stored, size_t row_bytes, int K,
                     int rows)
{
    const ch_dtype_info *info = ch_dtype_get(dtype);
    float decoded[STRETCH];
    for (int r = 0; r < CH_PANEL_ROWS; r++)
        for (int k = 0; k < K; k += STRETCH) {
            const int n = CH_MIN(K - k, STRETCH);
            const char *from =
                stored + (size_t)r * row_bytes + (size_t)(k / info->block) * (size_t)info->bytes;
            real *to = panel + (size_t)k * CH_PANEL_ROWS + r;
            real exact[STRETCH] = {0};
            if (r < rows && dtype == CH_REAL) {
                memcpy(exact, from, (size_t)n * sizeof *exact);
            } else if (r < rows) {
                info->decode(decoded, from, n);
                for (int i = 0; i < n; i++)
                    exact[i] = decoded[i];
            }
            for (int i = 0; i < n; i++)
                to[i * CH_PANEL_ROWS] = exact[i];
        }
}

static void pack_bf16(uint16_t *panel, const char *stored, size_t row_bytes, int K, int rows)
{
    memset(panel, 0, ch_panel_bytes(CH_PANEL_BF16, K));
    for (int r = 0; r < rows; r++)
        for (int k = 0; k < K; k += 2) /* a pair, or the last one */
            memcpy(&panel[(size_t)k * 16 + (size_t)(2 * r)],
                   stored + (size_t)r * row_bytes + (size_t)k * sizeof *panel,
                   (size_t)CH_MIN(K - k, 2) * sizeof *panel);
}

/* Blocks of both stored formats: a binary16 scale, then `n` bytes that go to the lane four at a
 * time. */
static void pack_groups(unsigned char *panel, const char *stored, size_t row_bytes, int K,
                        int rows, int n, unsigned flip, int zero)
{
    const size_t bytes = (size_t)n * CH_PANEL_ROWS;
    const int groups = K / CH_GROUP;
    if (groups % 2) /* the scales of the group that is not there */
        memset(panel + ch_group_scale_at(groups, bytes), 0, CH_SCALE_BYTES);
    for (int g = 0; g < groups; g++) {
        unsigned char *scale = panel + ch_group_scale_at(g, bytes);
        unsigned char *w = panel + ch_group_weights_at(g, bytes);
        memset(scale, 0, CH_SCALE_BYTES);
        memset(w, zero, bytes);
        for (int r = 0; r < rows; r++) {
            const char *block = stored + (size_t)r * row_bytes + (size_t)g * (size_t)(2 + n);
            memcpy(scale + 2 * r, block, 2);
            for (int i = 0; i < n; i += 4) {
                uint32_t four;
                memcpy(&four, block + 2 + i, sizeof four);
                four ^= flip * 0x01010101u;
                memcpy(w + i * 16 + r * 4, &four, sizeof four);
            }
        }
    }
}

void ch_panel_pack(void *panels, ch_dtype dtype, const void *rows, size_t row_bytes, int N, int K,
                   int n0, int n1)
{
    const ch_panel_kind kind = ch_dtype_get(dtype)->panel;
    const size_t panel_bytes = ch_panel_bytes(kind, K);
    for (int n = n0; n < n1; n += CH_PANEL_ROWS) {
        char *panel = (char *)panels + (size_t)(n / CH_PANEL_ROWS) * panel_bytes;
        const char *stored = (const char *)rows + (size_t)n * row_bytes;
        const int lanes = CH_MIN(N - n, CH_PANEL_ROWS);
        switch (kind) {
        case CH_PANEL_F32:
            pack_f32((real *)(void *)panel, dtype, stored, row_bytes, K, lanes);
            break;
        case CH_PANEL_BF16:
            pack_bf16((uint16_t *)(void *)panel, stored, row_bytes, K, lanes);
            break;
        case CH_PANEL_Q8:
            pack_groups((unsigned char *)panel, stored, row_bytes, K, lanes, 32, 0x80, 0x80);
            break;
        case CH_PANEL_Q4:
            pack_groups((unsigned char *)panel, stored, row_bytes, K, lanes, 16, 0, 0x88);
            break;
        case CH_PANEL_I16: /* no format's own */
        case CH_PANELS: break;
        default:
            ch_panel_block_pack((unsigned char *)panel, kind, stored, row_bytes, K, lanes);
            break;
        }
    }
}

void ch_panel_pack_real(void *panels, const real *src, ptrdiff_t row_stride, ptrdiff_t col_stride,
                        int N, int K, int n0, int n1)
{
    for (int n = n0; n < n1; n += CH_PANEL_ROWS) {
        real *panel = (real *)panels + (size_t)n * (size_t)K;
        const int lanes = CH_MIN(N - n, CH_PANEL_ROWS);
        const real *from = src + n * row_stride;
        const bool adjacent = lanes == CH_PANEL_ROWS && row_stride == 1;
        for (int k = 0; k < K && adjacent; k++, panel += CH_PANEL_ROWS, from += col_stride)
            memcpy(panel, from, CH_PANEL_ROWS * sizeof *panel);
        for (int k = 0; k < K && !adjacent; k++, panel += CH_PANEL_ROWS, from += col_stride)
            for (int r = 0; r < CH_PANEL_ROWS; r++)
                panel[r] = r < lanes ? from[r * row_stride] : 0;
    }
}

/* ---- Unpacking ----------------------------------------------------------------------------- */

/* Q8 or Q4: a group has its 32 codes in words of four, one after the other or as nibbles. */
static void unpack_groups(real *out, const unsigned char *panel, ch_panel_kind kind, int K,
                          int lane)
{
    const size_t bytes = kind == CH_PANEL_Q8 ? CH_Q8_BYTES : CH_Q4_BYTES;
    for (int g = 0; g < K / CH_GROUP; g++, out += CH_GROUP) {
        const unsigned char *q = panel + ch_group_weights_at(g, bytes) + 4 * lane;
        uint16_t h;
        memcpy(&h, panel + ch_group_scale_at(g, bytes) + 2 * lane, sizeof h);
        const float scale = ch_f16_to_f32(h);
        for (int k = 0; k < CH_GROUP; k++) {
            const int at = kind == CH_PANEL_Q8 ? k : k % 16, byte = q[at / 4 * 64 + at % 4];
            const int nibble = (k < 16 ? byte & 15 : byte >> 4) - 8;
            out[k] = (float)(kind == CH_PANEL_Q8 ? byte - 128 : nibble) * scale;
        }
    }
}

static real unpack_i16_value(const unsigned char *panel, int k, int lane)
{
    const int in = k % CH_I16_GROUP;
    float scale;
    int16_t q;
    panel += ch_i16_at(k - in);
    memcpy(&scale, panel + 4 * lane, sizeof scale);
    memcpy(&q, panel + CH_I16_SCALE_BYTES + in / 2 * CH_I16_PAIR_BYTES + 4 * lane + in % 2 * 2,
           sizeof q);
    return (real)scale * q;
}

void ch_panel_unpack_row(real *out, ch_panel_kind kind, const void *panels, int K, int n)
{
    const unsigned char *panel = (const unsigned char *)panels +
                                 (size_t)(n / CH_PANEL_ROWS) * ch_panel_bytes(kind, K);
    const int lane = n % CH_PANEL_ROWS;
    if (ch_is_block(kind)) {
        ch_panel_block_unpack(out, kind, panel, K, lane);
        return;
    }
    if (kind == CH_PANEL_Q8 || kind == CH_PANEL_Q4) {
        unpack_groups(out, panel, kind, K, lane);
        return;
    }
    for (int k = 0; k < K; k++) {
        uint16_t h;
        switch (kind) {
        case CH_PANEL_F32:
            memcpy(&out[k], panel + ((size_t)k * CH_PANEL_ROWS + (size_t)lane) * sizeof(real),
                   sizeof(real));
            break;
        case CH_PANEL_BF16:
            memcpy(&h, panel + (size_t)(k / 2) * 64 + (size_t)(4 * lane + k % 2 * 2), sizeof h);
            out[k] = ch_bf16_to_f32(h);
            break;
        case CH_PANEL_I16: out[k] = unpack_i16_value(panel, k, lane); break;
        default: break;
        }
    }
}
