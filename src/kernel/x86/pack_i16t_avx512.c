/* pack_i16t_avx512.c - columns into I16 panels, with the bits of pack_i16t_c.c
 *
 * Sixteen neighbours of a row are the lanes as they lie; two rows make the pairs of a register.  A
 * group of 128 rows and up to 512 columns is read twice: row by row for the greatest magnitudes,
 * which streams it from memory into a second-level cache, then panel by panel.
 * SPDX-License-Identifier: MIT */
#include "pack_i16_avx512.h"

enum { WIDTH = 512 };

/* rows and columns that there are, from x on */
typedef struct block {
    const float *x;
    ptrdiff_t ld;
    int rows, columns;
} block;

static void greatest(__m512i *most, const block *b)
{
    for (int i = 0; i < b->columns; i += 16)
        most[i / 16] = _mm512_setzero_si512();
    for (int k = 0; k < b->rows; k += 2) {
        const float *even = b->x + k * b->ld, *odd = k + 1 < b->rows ? even + b->ld : even;
        for (int i = 0; i < b->columns; i += 16) {
            const __mmask16 lanes = ch_lanes512(b->columns, i);
            const __m512i m = ch_larger512(most[i / 16], _mm512_maskz_loadu_ps(lanes, even + i));
            most[i / 16] = ch_larger512(m, _mm512_maskz_loadu_ps(lanes, odd + i));
        }
    }
}

CH_INLINE __m512i quantize(const float *x, __m512 inverse, __mmask16 lanes)
{
    return _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, x), inverse));
}

static void pack_group(char *out, const float *x, ptrdiff_t ld, int n, __m512i most,
                       __mmask16 lanes)
{
    __mmask16 finite;
    const __m512 inverse = ch_scales512(out, most, &finite);
    out += CH_I16_SCALE_BYTES;
    lanes &= finite;
    for (int k = 0; k < n; k += 2, out += CH_I16_PAIR_BYTES) {
        const __m512i even = quantize(x + k * ld, inverse, lanes);
        const __m512i odd =
            k + 1 < n ? quantize(x + (k + 1) * ld, inverse, lanes) : _mm512_setzero_si512();
        _mm512_storeu_si512(
            out, _mm512_mask_blend_epi16(0xaaaaaaaa, even, _mm512_slli_epi32(odd, 16)));
    }
}

void ch_pack_i16t_avx512(void *panels, const real *src, ptrdiff_t ld, int N, int K, int n0, int n1,
                         int k0, int k1)
{
    const size_t panel_bytes = ch_panel_bytes(CH_PANEL_I16, K);
    (void)N;
    for (int k = k0; k < k1; k += CH_I16_GROUP)
        for (int n = n0; n < n1; n += WIDTH) {
            const block b = {src + k * ld + n, ld, CH_MIN(k1 - k, CH_I16_GROUP),
                             CH_MIN(n1 - n, WIDTH)};
            char *panel = (char *)panels + (size_t)(n / CH_PANEL_ROWS) * panel_bytes;
            __m512i most[WIDTH / 16];
            greatest(most, &b);
            for (int i = 0; i < b.columns; i += 16, panel += panel_bytes)
                pack_group(panel + ch_i16_at(k), b.x + i, ld, b.rows, most[i / 16],
                           ch_lanes512(b.columns, i));
        }
}
