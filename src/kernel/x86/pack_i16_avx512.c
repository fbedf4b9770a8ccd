/* pack_i16_avx512.c - rows into I16 panels, with the bits of pack_i16_c.c
 *
 * A group of sixteen rows: two passes over 128 floats of each, the first for the greatest
 * magnitudes.  The second brings 32 values of a row into one register of pairs and turns sixteen
 * such registers: sixteen rows by sixteen pairs.  SPDX-License-Identifier: MIT */
#include "pack_i16_avx512.h"

enum { STEP = 32 };

/* Rows that are a power of two apart would fight for the same cache sets between the passes. */
typedef float copy[16][CH_I16_GROUP];

/* r[i] lane j becomes r[j] lane i. */
CH_INLINE void turn(__m512i *r)
{
    __m512i t[16];
    CH_UNROLL
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    CH_UNROLL
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    CH_UNROLL
    for (int i = 0; i < 16; i += 8) {
        CH_UNROLL
        for (int j = 0; j < 4; j++) {
            t[i + j] = _mm512_shuffle_i32x4(r[i + j], r[i + 4 + j], 0x88);
            t[i + 4 + j] = _mm512_shuffle_i32x4(r[i + j], r[i + 4 + j], 0xdd);
        }
    }
    CH_UNROLL
    for (int j = 0; j < 4; j++) {
        r[j] = _mm512_shuffle_i32x4(t[j], t[8 + j], 0x88);
        r[8 + j] = _mm512_shuffle_i32x4(t[j], t[8 + j], 0xdd);
        r[4 + j] = _mm512_shuffle_i32x4(t[4 + j], t[12 + j], 0x88);
        r[12 + j] = _mm512_shuffle_i32x4(t[4 + j], t[12 + j], 0xdd);
    }
}

/* Brings up to sixteen rows of up to 128 values here, zeros where there are none, and returns each
 * row's greatest magnitude. */
CH_INLINE __m512i greatest(copy x, const float *src, ptrdiff_t ld, int lanes, int n)
{
    __m512i most[16];
    __mmask16 mask[CH_I16_GROUP / 16];
    for (int i = 0; i < CH_I16_GROUP / 16; i++)
        mask[i] = ch_lanes512(n, 16 * i);
    for (int r = 0; r < 16; r++, src += r < lanes ? ld : 0) {
        __m512i m = _mm512_setzero_si512();
        CH_UNROLL
        for (int i = 0; i < CH_I16_GROUP / 16; i++) {
            const __m512 v = _mm512_maskz_loadu_ps(r < lanes ? mask[i] : 0, src + 16 * i);
            _mm512_storeu_ps(x[r] + 16 * i, v);
            m = ch_larger512(m, v);
        }
        most[r] = m;
    }
    turn(most);
    CH_UNROLL
    for (int i = 8; i; i /= 2) {
        CH_UNROLL
        for (int r = 0; r < i; r++)
            most[r] = _mm512_max_epi32(most[r], most[r + i]);
    }
    return most[0];
}

static void pack_group(char *out, const float *src, ptrdiff_t ld, int lanes, int n)
{
    copy x;
    __mmask16 finite;
    float inverse[16];
    const __m512i most = greatest(x, src, ld, lanes, n);
    _mm512_storeu_ps(inverse, ch_scales512(out, most, &finite));
    out += CH_I16_SCALE_BYTES;
    for (int i = 0; i < n; i += STEP, out += STEP / 2 * CH_I16_PAIR_BYTES) {
        const int pairs = CH_MIN(n - i + 1, STEP) / 2;
        __m512i q[16];
        CH_UNROLL
        for (int r = 0; r < 16; r++) {
            const __m512 by = _mm512_set1_ps(inverse[r]);
            const __m512i a = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x[r] + i), by));
            const __m512i b =
                _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x[r] + i + 16), by));
            q[r] = _mm512_maskz_packs_epi32((__mmask32)-(finite >> r & 1), a, b);
        }
        turn(q);
        CH_UNROLL
        for (int j = 0; j < 16; j++) { /* packing left pairs 0, 1, 8, 9, 2, 3, 10, 11, ... */
            const int pair = j / 4 * 2 + j % 2 + (j & 2) * 4;
            if (pair < pairs)
                _mm512_storeu_si512(out + pair * CH_I16_PAIR_BYTES, q[j]);
        }
    }
}

void ch_pack_i16_avx512(void *panels, const real *src, ptrdiff_t ld, int N, int K, int n0, int n1,
                        int k0, int k1)
{
    const size_t panel_bytes = ch_panel_bytes(CH_PANEL_I16, K);
    for (int n = n0; n < n1; n += CH_PANEL_ROWS) {
        char *panel = (char *)panels + (size_t)(n / CH_PANEL_ROWS) * panel_bytes;
        for (int k = k0; k < k1; k += CH_I16_GROUP) {
            pack_group(panel + ch_i16_at(k), src + n * ld + k, ld, CH_MIN(N - n, CH_PANEL_ROWS),
                       CH_MIN(k1 - k, CH_I16_GROUP));
        }
    }
}
