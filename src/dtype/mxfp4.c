/* mxfp4.c - 32 floats of 4 bits (E2M1) and a power of two (E8M0)
 *
 *     e (1 byte) | b[0] ... b[15]
 *     x[i] = 2^(e - 128) value[b[i] & 15],  x[16 + i] = 2^(e - 128) value[b[i] >> 4]
 * The values are doubled (0 1 2 3 4 6 8 12 and their negatives), so that they are integers: hence
 * 128 where E8M0 has 127.  e = 255, E8M0's NaN, is 2^127, as other readers of GGUF have it.
 *
 * Encoding: e is the exponent of the largest magnitude less 2 (that of 4 and 6), then the nearest
 * value, of two equally near the one with the even code; what is beyond 6 is cut.  A value that is
 * not finite gives e = 255 and 12, so that the damage shows.
 * Sources: OCP Microscaling Formats 1.0; GGUF's type 39.  SPDX-License-Identifier: MIT */
#include <math.h>

#include "blocks.h"

enum { BLOCK = 32, HALF = 16, BYTES = 17 };

const int8_t ch_mxfp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

void ch_codes_mxfp4(ch_codes *out, const void *block)
{
    const unsigned char *p = block;
    out->d = p[0];
    for (int k = 0; k < HALF; k++) {
        out->code[k] = p[1 + k] & 15;
        out->code[HALF + k] = p[1 + k] >> 4;
    }
}

void ch_decode_mxfp4(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    ch_codes c;
    for (int64_t i = 0; i < n; i += BLOCK, p += BYTES) {
        ch_codes_mxfp4(&c, p);
        const float d = ldexpf(1, c.d - 128);
        for (int k = 0; k < BLOCK; k++)
            out[i + k] = (float)ch_mxfp4_values[c.code[k]] * d;
    }
}

/* The code of the magnitude x (in units of d) nearest to one of the values. */
static int nearest(float x)
{
    static const float middle[] = {0.5f, 1.5f, 2.5f, 3.5f, 5, 7, 10}; /* of neighbours */
    int code = 0;
    while (code < 7 && (x > middle[code] || (x == middle[code] && code % 2)))
        code++;
    return code;
}

static int code_of(float x, float d)
{
    return nearest(fabsf(x) / d) | (signbit(x) ? 8 : 0);
}

void ch_encode_mxfp4(void *blocks, const float *in, int64_t n)
{
    unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += BLOCK, p += BYTES) {
        const float most = ch_block_most(in + i, BLOCK);
        if (isnan(most)) {
            memset(p, 0x77, BYTES);
            p[0] = 0xff;
            continue;
        }
        /* most = f 2^exponent, 1/2 <= f < 1: of the doubled values it belongs among 8 and 12. */
        int exponent = -200;
        if (most > 0)
            frexpf(most, &exponent);
        p[0] = (unsigned char)CH_MAX(exponent - 4 + 128, 0);
        const float d = ldexpf(1, p[0] - 128);
        for (int k = 0; k < HALF; k++)
            p[1 + k] =
                (unsigned char)(code_of(in[i + k], d) | code_of(in[i + HALF + k], d) << 4);
    }
}
