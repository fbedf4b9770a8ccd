/* charsmap.c - SentencePiece's precompiled_charsmap: a trie of what is replaced, and by what
 *
 *   uint32 bytes of the trie | uint32 units[] | replacements, each ended by a zero byte
 *
 * A unit of the trie (a double array, darts-clone) holds: bit 31 a value and its 31 bits, or a
 * label in bits 0-7, whether a value follows in bit 8, and in bits 10-30 an offset, shifted left
 * by 8 where bit 9 is set.  The child of node i by byte c is at i ^ offset(i) ^ c and carries
 * label c; the value of node i is at i ^ offset(i).  At each place the longest entry is replaced;
 * what has none stays, a byte that is no UTF-8 becomes U+FFFD.  Sources: SentencePiece,
 * normalizer.cc and builder.cc; darts-clone (Yata), darts.h.  SPDX-License-Identifier: MIT */
#include <string.h>

#include "normalize.h"

#define LONGEST 256 /* bytes of an entry that are followed; SentencePiece's have fewer than 20 */

static uint32_t le32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

bool ch_charsmap_check(const unsigned char *map, size_t n)
{
    if (n < 4)
        return false;
    const size_t trie = le32(map);
    return trie >= 4 && trie % 4 == 0 && trie <= n - 4 && n - 4 - trie > 0 && map[n - 1] == 0;
}

static uint32_t offset_of(uint32_t unit)
{
    return (unit >> 10) << ((unit & 1u << 9) >> 6);
}

/* The longest entry at the start of text: its length and what replaces it; 0: none. */
static size_t longest(const char **by, const unsigned char *map, size_t n_map, const char *text,
                      size_t n)
{
    const size_t units = le32(map) / 4, n_by = n_map - 4 - units * 4;
    const unsigned char *unit = map + 4;
    const char *all = (const char *)unit + units * 4;
    size_t found = 0, node = offset_of(le32(unit));
    for (size_t i = 0; i < n && i < LONGEST; i++) {
        const unsigned char c = (unsigned char)text[i];
        node ^= c;
        if (c == 0 || node >= units)
            break;
        const uint32_t u = le32(unit + 4 * node);
        if ((u & (1u << 31 | 0xff)) != c)
            break;
        node ^= offset_of(u);
        if (!(u >> 8 & 1))
            continue;
        const uint32_t value = node < units ? le32(unit + 4 * node) & ~(1u << 31) : UINT32_MAX;
        if (value >= n_by)
            break;
        found = i + 1;
        *by = all + value; /* ended: the last byte of all is zero */
    }
    return found;
}

void ch_charsmap_run(ch_buf *b, const unsigned char *map, size_t n_map, const char *text, size_t n)
{
    for (size_t at = 0; at < n && !b->failed;) {
        const char *by;
        uint32_t cp;
        size_t length = longest(&by, map, n_map, text + at, n - at);
        if (length > 0) {
            ch_buf_str(b, by);
        } else {
            const int size = ch_utf8_read(&cp, text + at, n - at);
            length = (size_t)CH_MAX(size, 1);
            ch_buf_put(b, size > 0 ? text + at : "\xef\xbf\xbd", size > 0 ? length : 3);
        }
        at += length;
    }
}
