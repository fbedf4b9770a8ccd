/* tq1_0.c - 256 ternary digits, five a byte, and a binary16 scale
 *
 *     b[48] | h[4] | d (2 bytes)                        x = d (digit - 1)
 * A byte is ceil(256 v / 243) of its digits' number v in base 3, so that each digit is what
 * leaves on top when the byte (mod 256) is multiplied by 3.  Elements: digit t of the bytes 0..31
 * is element 32 t + byte; of bytes 32..47, 160 + 16 t + (byte - 32); of h (four digits), 240 + 4 t
 * + byte.
 *
 * Encoding: d = max|x|, digit = round(x / d) + 1.  A value that is not finite makes d NaN.
 * Source: GGUF's type 34.  SPDX-License-Identifier: MIT */
#include "blocks.h"

enum { BYTES = 54, D = 52 };

/* Runs of bytes with as many digits each. */
static const struct {
    int bytes, digits;
} parts[] = {{32, 5}, {16, 5}, {4, 4}};

static int digit(unsigned char byte, int t)
{
    static const unsigned power[] = {1, 3, 9, 27, 81};
    return (int)((byte * power[t] & 255) * 3 >> 8);
}

void ch_decode_tq1_0(float *out, const void *blocks, int64_t n)
{
    const unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES) {
        const float d = ch_block_f16(p + D);
        const unsigned char *b = p;
        float *to = out + i;
        for (size_t part = 0; part < CH_COUNT(parts); b += parts[part].bytes, part++)
            for (int t = 0; t < parts[part].digits; t++)
                for (int k = 0; k < parts[part].bytes; k++)
                    *to++ = (float)(digit(b[k], t) - 1) * d;
    }
}

void ch_encode_tq1_0(void *blocks, const float *in, int64_t n)
{
    unsigned char *p = blocks;
    for (int64_t i = 0; i < n; i += CH_SUPER, p += BYTES) {
        const float d = ch_block_most(in + i, CH_SUPER), inverse = ch_block_inverse(d);
        unsigned char *b = p;
        const float *from = in + i;
        for (size_t part = 0; part < CH_COUNT(parts); part++)
            for (int k = 0; k < parts[part].bytes; k++, b++) {
                int v = 0;
                for (int t = 0; t < 5; t++) { /* the fifth digit of the last four bytes is 0 */
                    const float x = t < parts[part].digits ? from[t * parts[part].bytes + k] : -d;
                    v = 3 * v + ch_block_round(x * inverse) + 1;
                }
                *b = (unsigned char)((256 * v + 242) / 243);
                from += k + 1 == parts[part].bytes ? parts[part].bytes * parts[part].digits : 0;
            }
        ch_block_put_f16(p + D, d);
    }
}
