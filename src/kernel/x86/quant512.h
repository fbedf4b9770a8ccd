/* quant512.h - tiles of quantized products in 512 bits, for gemm_q8_* and gemm_q4_*
 *
 * Per group: the integer sums of a tile (what `dot` adds, started at the row's bias), then one
 * conversion, one scale product and one fused multiply-add an element.  The dot product
 * instruction takes its four activation bytes by broadcast from memory, so a sum costs one
 * instruction per 64 products. SPDX-License-Identifier: MIT */
#ifndef CH_QUANT512_H
#define CH_QUANT512_H

#include "store512.h"

enum { CH_QUANT512_ROWS = 12 };

/* s[r] += the dot of one group's weights at w with row r's.  Takes a step ahead for each 64 of its
 * bytes, if R > 1. */
typedef void ch_dot512_fn(__m512i *s, const char *w, ch_rows *rows, ch_ahead *ahead, const int R);

typedef struct __attribute__((packed, may_alias)) ch_four {
    int32_t bytes;
} ch_four;

/* s += four products a lane, u unsigned, the four bytes at q signed.  In assembly because gcc 12
 * copies the accumulator around the intrinsic. */
CH_INLINE __m512i ch_dot512(__m512i s, __m512i u, const char *q)
{
    __asm__("vpdpbusd %2%{1to16%}, %1, %0"
            : "+v"(s)
            : "v"(u), "m"(((const ch_four *)(const void *)q)->bytes));
    return s;
}

CH_INLINE int ch_quant512_tile(const ch_tile *t, const int R, const int P, const size_t bytes,
                               ch_dot512_fn *dot)
{
    const int groups = t->K / CH_GROUP, near = groups - (int)(CH_AHEAD / (bytes + CH_SCALE_BYTES));
    ch_rows rows = ch_rows_of(t, R);
    /* A group is some bytes longer than the lines that its dot asks for: of a share that is whole
     * panels one line more, or those that were not asked for would be waited for. */
    const bool whole = R > 1 && t->tiles == 1;
    ch_ahead ahead = ch_ahead_of(t, P, groups * ((int)(bytes / 64) + whole));
    __m512 sum[CH_QUANT512_ROWS];
    CH_UNROLL
    for (int i = 0; i < R * P; i++)
        sum[i] = _mm512_setzero_ps();
    for (int g = 0; g < groups; g++) {
        CH_UNROLL
        for (int p = 0; p < P; p++) {
            const char *panel = t->w + (size_t)p * t->panel_bytes;
            const char *w = panel + ch_group_weights_at(g, bytes);
            const __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256(
                (const __m256i *)(const void *)(panel + ch_group_scale_at(g, bytes))));
            __m512i s[CH_QUANT512_ROWS];
            if (R == 1 && (P > 1 || bytes == CH_Q8_BYTES)) { /* behind these panels are the next */
                const char *next = w + CH_AHEAD + (g < near ? 0 : (P - 1) * t->panel_bytes);
                CH_UNROLL
                for (size_t i = 0; i < bytes + 32; i += 64)
                    ch_ask(next + i);
            }
            CH_UNROLL
            for (int r = 0; r < R; r++)
                s[r] = _mm512_set1_epi32(bytes == CH_Q8_BYTES ? ch_group_at(&rows, r)->bias_q8
                                                              : ch_group_at(&rows, r)->bias_q4);
            if (whole)
                ch_ahead_step(&ahead);
            dot(s, w, &rows, &ahead, R);
            CH_UNROLL
            for (int r = 0; r < R; r++)
                sum[r * P + p] =
                    _mm512_fmadd_ps(_mm512_mul_ps(scale, _mm512_set1_ps(ch_group_at(&rows, r)->d)),
                                    _mm512_cvtepi32_ps(s[r]), sum[r * P + p]);
        }
        ch_rows_advance(&rows, R, sizeof(ch_group));
    }
    ch_store512(t, sum, R, P);
    return P;
}

/* A single row's 4-bit panels are read one after another: the CPU itself asks for such a stream in
 * time, and is 2 to 7 % faster than with four that are asked for.  With 8-bit panels it is not. */
CH_INLINE int ch_quant512_tiles(const ch_tile *t, const size_t bytes, ch_dot512_fn *dot)
{
    switch (t->rows) {
    case 1: return bytes == CH_Q8_BYTES && t->columns > 3 * CH_PANEL_ROWS
                       ? ch_quant512_tile(t, 1, 4, bytes, dot)
                       : ch_quant512_tile(t, 1, 1, bytes, dot);
    case 2: return ch_quant512_tile(t, 2, 1, bytes, dot);
    case 3: return ch_quant512_tile(t, 3, 1, bytes, dot);
    case 4: return ch_quant512_tile(t, 4, 1, bytes, dot);
    case 5: return ch_quant512_tile(t, 5, 1, bytes, dot);
    case 6: return ch_quant512_tile(t, 6, 1, bytes, dot);
    case 7: return ch_quant512_tile(t, 7, 1, bytes, dot);
    case 8: return ch_quant512_tile(t, 8, 1, bytes, dot);
    case 9: return ch_quant512_tile(t, 9, 1, bytes, dot);
    case 10: return ch_quant512_tile(t, 10, 1, bytes, dot);
    case 11: return ch_quant512_tile(t, 11, 1, bytes, dot);
    default: return ch_quant512_tile(t, CH_QUANT512_ROWS, 1, bytes, dot);
    }
}

#endif
