/* pack_i16t_avx512.c - columns into I16 panels, with the bits of pack_i16t_c.c
 *
 * Sixteen neighbours of a row are the lanes as they lie; two rows make the pairs of a register.
 * Two passes over 128 rows, the first for the greatest magnitudes.  SPDX-License-Identifier: MIT */
#include "pack_i16_avx512.h"

static __m512i greatest(const float *x, ptrdiff_t ld, int n, __mmask16 lanes)
{
    __m512i most[4];
    int k = 0;
    CH_UNROLL
    for (int i = 0; i < 4; i++)
        most[i] = _mm512_setzero_si512();
    for (; k + 4 <= n; k += 4) {
        CH_UNROLL
        for (int i = 0; i < 4; i++)
            most[i] = ch_larger512(most[i], _mm512_maskz_loadu_ps(lanes, x + (k + i) * ld));
    }
    for (; k < n; k++)
        most[0] = ch_larger512(most[0], _mm512_maskz_loadu_ps(lanes, x + k * ld));
    return _mm512_max_epi32(_mm512_max_epi32(most[0], most[1]),
                            _mm512_max_epi32(most[2], most[3]));
}

CH_INLINE __m512i quantize(const float *x, __m512 inverse, __mmask16 lanes)
{
    return _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, x), inverse));
}

static void pack_group(char *out, const float *x, ptrdiff_t ld, int n, __mmask16 lanes)
{
    __mmask16 finite;
    const __m512 inverse = ch_scales512(out, greatest(x, ld, n, lanes), &finite);
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
    for (int k = k0; k < k1; k += CH_I16_GROUP)
        for (int n = n0; n < n1; n += CH_PANEL_ROWS)
            pack_group((char *)panels + (size_t)(n / CH_PANEL_ROWS) * panel_bytes + ch_i16_at(k),
                       src + k * ld + n, ld, CH_MIN(k1 - k, CH_I16_GROUP), ch_lanes512(N - n, 0));
}
