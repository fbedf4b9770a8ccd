/* alphabet.h - GPT-2's printable names for the 256 bytes
 *
 * Bytes that are printable in Latin-1 stand for themselves; the other 68 take U+0100.. in order:
 *   0..32 -> U+0100..U+0120,  127..160 -> U+0121..U+0142,  173 -> U+0143
 * so a space is written U+0120.  Source: bytes_to_unicode in GPT-2's encoder.py.
 * SPDX-License-Identifier: MIT */
#ifndef CH_ALPHABET_H
#define CH_ALPHABET_H

#include <stdint.h>

static inline uint32_t ch_alphabet_char(unsigned char byte)
{
    if (byte <= 32)
        return 256u + byte;
    if (byte >= 127 && byte <= 160)
        return 289u + byte - 127u;
    return byte == 173 ? 323 : byte;
}

/* -1: not one of them. */
static inline int ch_alphabet_byte(uint32_t cp)
{
    if (cp >= 256)
        return cp <= 288 ? (int)cp - 256 : cp <= 322 ? (int)cp - 289 + 127 : cp == 323 ? 173 : -1;
    return cp <= 32 || (cp >= 127 && cp <= 160) || cp == 173 ? -1 : (int)cp;
}

#endif
