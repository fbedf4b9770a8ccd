/* utf8.c - strict UTF-8 (RFC 3629, section 4)
 *
 *     00..7F
 *     C2..DF 80..BF
 *     E0 A0..BF 80..BF | E1..EC, EE, EF 80..BF 80..BF | ED 80..9F 80..BF
 *     F0 90..BF 80..BF 80..BF | F1..F3 80..BF (3 times) | F4 80..8F 80..BF 80..BF
 *
 * Only the second byte has ranges of its own; they keep out overlong forms, surrogates and what
 * lies above U+10FFFF.  SPDX-License-Identifier: MIT */
#include "utf8.h"

int ch_utf8_read(uint32_t *cp, const char *s, size_t n)
{
    const unsigned char *u = (const unsigned char *)s;
    unsigned lead = u[0];
    if (lead < 0x80) {
        *cp = lead;
        return 1;
    }
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    int length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    uint32_t c = lead & (0x7fu >> length);
    for (int i = 1; i < length; i++) {
        if ((size_t)i == n)
            return -1;
        if (u[i] < low || u[i] > high)
            return 0;
        c = c << 6 | (u[i] & 0x3f);
        low = 0x80;
        high = 0xbf;
    }
    *cp = c;
    return length;
}

int ch_utf8_write(char out[4], uint32_t cp)
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    int length = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (int i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (cp & 0x3f));
        cp >>= 6;
    }
    out[0] = (char)(0xf00u >> length | cp);
    return length;
}

bool ch_utf8_valid(const char *s, size_t n)
{
    uint32_t cp;
    for (size_t i = 0; i < n;) {
        int length = ch_utf8_read(&cp, s + i, n - i);
        if (length <= 0)
            return false;
        i += (size_t)length;
    }
    return true;
}

size_t ch_utf8_whole(const char *s, size_t n)
{
    uint32_t cp;
    for (size_t k = 1; k <= 3 && k <= n; k++)
        if (ch_utf8_read(&cp, s + n - k, k) == -1)
            return n - k;
    return n;
}

void ch_utf8_printable(char *s, size_t n)
{
    uint32_t cp;
    for (size_t i = 0; i < n;) {
        int length = ch_utf8_read(&cp, s + i, n - i);
        bool bad = length <= 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0);
        size_t step = length <= 0 ? 1 : (size_t)length;
        for (size_t k = 0; bad && k < step; k++)
            s[i + k] = '?';
        i += step;
    }
}
