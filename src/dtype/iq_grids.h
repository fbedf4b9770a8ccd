/* iq_grids.h - the code books of the IQ formats, and how signs are written down
 *
 * An entry of iq2 and iq1 is eight digits of base 3, of iq3 four of base 8; a character holds four
 * or two of them, the first one lowest.  Characters: '(' is 0, then in ASCII's order without '?'
 * and '\\' (a trigraph's start, an escape).
 * Digits: iq2 {8, 25, 43}; iq1 {-1, 0, 1}; iq3_xxs {4, 12, 20, 28, 36, 44, 52, 62}; iq3_s 2 digit
 * + 1.  Source: the tables of GGUF's types 16 to 22 and 29.  SPDX-License-Identifier: MIT */
#ifndef CH_IQ_GRIDS_H
#define CH_IQ_GRIDS_H

extern const char ch_grid_iq2_xxs[], ch_grid_iq2_xs[], ch_grid_iq2_s[], ch_grid_iq3_xxs[],
    ch_grid_iq3_s[];
extern const char *const ch_grid_iq1[2]; /* entries 0..1023 and 1024..2047 */

/* Entry `at` into eight (base 3) or four (base 8) digits. */
static inline void ch_grid_entry(int *digit, const char *grid, int at, int base)
{
    const int each = base == 3 ? 4 : 2;
    for (int half = 0; half < 2; half++) {
        const char c = grid[2 * at + half];
        int code = c - '(' - (c > '?') - (c > '\\');
        for (int i = 0; i < each; i++, code /= base)
            *digit++ = code % base;
    }
}

/* Eight elements of the iq1 formats. */
static inline void ch_grid_iq1_values(float *out, int at, float d, float offset)
{
    int digit[8];
    ch_grid_entry(digit, ch_grid_iq1[at >> 10], at & 1023, 3);
    for (int i = 0; i < 8; i++)
        out[i] = d * ((float)(digit[i] - 1) + offset);
}

/* Seven signs; the eighth makes the number of minus signs even. */
static inline int ch_grid_signs(unsigned seven)
{
    seven &= 127;
    return (int)(seven | (unsigned)__builtin_parity(seven) << 7);
}

static inline float ch_signed(float x, int signs, int i)
{
    return signs >> i & 1 ? -x : x;
}

/* Eight elements of the iq2 formats. */
static inline void ch_grid_iq2(float *out, const char *grid, int at, int signs, float d)
{
    static const float values[] = {8, 25, 43};
    int digit[8];
    ch_grid_entry(digit, grid, at, 3);
    for (int i = 0; i < 8; i++)
        out[i] = ch_signed(d * values[digit[i]], signs, i);
}

#endif
