/* gemm_block_avx512vnni.c - weights of 2 to 6 bits: codes are put together once a tile, then eight
 * VPDPBUSD a group and row
 *
 * One tile function, inlined with a form of panels as a constant.  SPDX-License-Identifier: MIT */
#include "block_walk.h"
#include "quant512.h"

enum {
    ROWS = 8,
    STREAM = 1536, /* from this K up a single row reads panel after panel, unasked: measured on
                      Q4_K_M, 1.07 times as fast, and 0.97 below */
};

/* Left by n bits, right by -n, within the bytes that the caller's mask keeps. */
CH_INLINE __m512i shift(__m512i x, const int n)
{
    switch (n) {
    case -6: return _mm512_srli_epi16(x, 6);
    case -4: return _mm512_srli_epi16(x, 4);
    case -3: return _mm512_srli_epi16(x, 3);
    case -2: return _mm512_srli_epi16(x, 2);
    case -1: return _mm512_srli_epi16(x, 1);
    case 1: return _mm512_slli_epi16(x, 1);
    case 2: return _mm512_slli_epi16(x, 2);
    case 3: return _mm512_slli_epi16(x, 3);
    case 4: return _mm512_slli_epi16(x, 4);
    case 5: return _mm512_slli_epi16(x, 5);
    default: return x;
    }
}

/* a | b & mask */
CH_INLINE __m512i or_masked(__m512i a, __m512i b, const int mask)
{
    return _mm512_ternarylogic_epi32(a, b, _mm512_set1_epi8((char)mask), 0xf8);
}

/* The codes of step j of half h, as the dot product wants them. */
CH_INLINE __m512i codes(const char *w, const ch_form f, __m512i table, const int h, const int j)
{
    if (f.bits < 4) {
        const __m512i pair = _mm512_loadu_si512(w + 64 * h);
        if (f.bits == 2)
            return _mm512_and_si512(shift(pair, -2 * j), _mm512_set1_epi8(3));
        const __m512i low = _mm512_and_si512(shift(pair, 3 - 2 * j), _mm512_set1_epi8(0x18));
        return or_masked(low, shift(_mm512_loadu_si512(w + 128), 5 - (4 * h + j)), 0x20);
    }
    const __m512i both = _mm512_loadu_si512(w + 64 * j);
    const __m512i low = _mm512_and_si512(shift(both, -4 * h), _mm512_set1_epi8(15));
    if (f.bits == 5)
        return or_masked(low, shift(_mm512_loadu_si512(w + 256), 4 - (4 * h + j)), 0x10);
    if (f.bits == 6)
        return or_masked(low, shift(_mm512_loadu_si512(w + 256 + 64 * h), 4 - 2 * j), 0x30);
    return f.table ? _mm512_shuffle_epi8(table, low) : low;
}

CH_INLINE __m512 halves(const char *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

CH_INLINE __m512i bytes(const char *p)
{
    return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}

CH_INLINE __m512 scale_of(const char *unit, const ch_form f, int g, const int h)
{
    const char *at = unit + ch_scale_at(f, g, h);
    if (f.table == ch_mxfp4_values)
        return _mm512_castsi512_ps(_mm512_slli_epi32(
            _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)at)), 16));
    if (!f.super)
        return halves(at);
    const __m512i scale =
        f.min == CH_MIN_NIBBLE ? _mm512_and_si512(bytes(at), _mm512_set1_epi32(15)) : bytes(at);
    return _mm512_mul_ps(f.min ? halves(unit) : _mm512_loadu_ps(unit), _mm512_cvtepi32_ps(scale));
}

CH_INLINE __m512 min_of(const char *unit, const ch_form f, int g, const int h)
{
    if (!f.super)
        return halves(unit + ch_min_at(f, g));
    const __m512i min =
        f.min == CH_MIN_NIBBLE
            ? _mm512_and_si512(_mm512_srli_epi32(bytes(unit + ch_scale_at(f, g, h)), 4),
                               _mm512_set1_epi32(15))
            : bytes(unit + ch_min_at(f, g));
    return _mm512_mul_ps(halves(unit + CH_SCALE_BYTES), _mm512_cvtepi32_ps(min));
}

/* A sum's start; and the sum of the k that share a scale into the element's. */
CH_INLINE __m512i begin(const ch_form f, const ch_group *x, const int h)
{
    return f.table ? _mm512_set1_epi32(x->bias_q8)
           : f.min ? _mm512_setzero_si512()
                   : _mm512_set1_epi32(ch_block_begin(f, x, h));
}

CH_INLINE __m512 end(__m512 sum, const ch_form f, const ch_group *x, const int h, __m512i s,
                     __m512 scale, __m512 min)
{
    sum = _mm512_fmadd_ps(_mm512_mul_ps(scale, _mm512_set1_ps(x->d)), _mm512_cvtepi32_ps(s), sum);
    return f.min ? _mm512_fnmadd_ps(min, _mm512_set1_ps(f.halves ? x->sum_half[h] : x->sum), sum)
                 : sum;
}

/* One group of one panel: sums r P + p.  far: bytes from its codes to those that a single row asks
 * for. */
CH_INLINE void group(__m512 *sum, const char *panel, const ch_form f, __m512i table, int g,
                     size_t far, ch_rows *rows, ch_ahead *ahead, const int R, const int P)
{
    const char *unit = panel + ch_unit_at(f, g), *w = panel + ch_codes_at(f, g);
    __m512i s[ROWS];
    if (R == 1 && P > 1) {
        CH_UNROLL
        for (int i = 0; i <= f.bits; i++)
            ch_ask(w + far + 64 * i);
    }
    CH_UNROLL
    for (int h = 0; h < 2; h++) {
        if (f.halves || h == 0) {
            CH_UNROLL
            for (int r = 0; r < R; r++)
                s[r] = begin(f, ch_group_at(rows, r), h);
        }
        CH_UNROLL
        for (int j = 0; j < 4; j++) {
            const __m512i u = codes(w, f, table, h, j);
            ch_rows_forget(rows, R);
            if (R > 1)
                ch_ahead_step(ahead);
            CH_UNROLL
            for (int r = 0; r < R; r++)
                s[r] = ch_dot512(s[r], u, ch_rows_at(rows, r) + 16 * h + 4 * j);
        }
        if (f.halves || h == 1) {
            const __m512 scale = scale_of(unit, f, g, h);
            const __m512 min = f.min ? min_of(unit, f, g, h) : scale;
            CH_UNROLL
            for (int r = 0; r < R; r++)
                sum[r * P] = end(sum[r * P], f, ch_group_at(rows, r), h, s[r], scale, min);
        }
    }
}

CH_INLINE int tile(const ch_tile *t, const int R, const int P, const ch_panel_kind kind)
{
    const ch_form f = ch_form_of(kind);
    const int groups = t->K / CH_GROUP;
    const int near = groups - (int)(CH_AHEAD * (size_t)groups / t->panel_bytes);
    ch_rows rows = ch_rows_of(t, R);
    ch_ahead ahead = ch_ahead_of(t, P, groups * 8);
    __m512 sum[ROWS];
    __m512i table = _mm512_setzero_si512();
    if (f.table)
        table = _mm512_xor_si512(_mm512_set1_epi8((char)0x80),
                                 _mm512_broadcast_i32x4(_mm_loadu_si128(
                                     (const __m128i *)(const void *)f.table)));
    CH_UNROLL
    for (int i = 0; i < R * P; i++)
        sum[i] = _mm512_setzero_ps();
    for (int g = 0; g < groups; g++) {
        /* Behind the end of these panels are the next ones. */
        const size_t far = CH_AHEAD + (g < near ? 0 : (size_t)(P - 1) * t->panel_bytes);
        CH_UNROLL
        for (int p = 0; p < P; p++)
            group(sum + p, t->w + (size_t)p * t->panel_bytes, f, table, g, far, &rows, &ahead, R,
                  P);
        ch_rows_advance(&rows, R, sizeof(ch_group));
    }
    ch_store512(t, sum, R, P);
    return P;
}

CH_INLINE int tiles(const ch_tile *t, const ch_panel_kind kind)
{
    switch (t->rows) {
    case 1: return t->K < STREAM && t->columns > 3 * CH_PANEL_ROWS ? tile(t, 1, 4, kind)
                                                                  : tile(t, 1, 1, kind);
    case 2: return tile(t, 2, 1, kind);
    case 3: return tile(t, 3, 1, kind);
    case 4: return tile(t, 4, 1, kind);
    case 5: return tile(t, 5, 1, kind);
    case 6: return tile(t, 6, 1, kind);
    case 7: return tile(t, 7, 1, kind);
    default: return tile(t, ROWS, 1, kind);
    }
}

CH_BLOCK_FORMS(tiles)

void ch_gemm_block_avx512vnni(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w,
                              int M, int n0, int n1, int K, int flags)
{
    ch_block_walk(block_tiles, ROWS, y, ldy, x, ldx, w, M, n0, n1, K, flags);
}
