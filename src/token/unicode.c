/* unicode.c - see unicode.h
 *
 * utf8proc sorts combining marks by exchanging neighbours, which is quadratic in a run of them;
 * here characters are decomposed one at a time and runs of marks sorted by counting, and utf8proc
 * composes what is in order.  Stretches between ASCII characters are independent of each other,
 * except that a stretch takes the ASCII character before it along.  Source: Unicode Standard Annex
 * 15. SPDX-License-Identifier: MIT */
#include "unicode.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

bool ch_unicode_is_ascii(const char *text, size_t n)
{
    size_t at = 0;
    for (uint64_t eight; n - at >= 8; at += 8)
        if (memcpy(&eight, text + at, 8), eight & 0x8080808080808080u)
            return false;
    for (; at < n; at++)
        if ((unsigned char)text[at] >= 0x80)
            return false;
    return true;
}

static void put_char(ch_buf *b, uint32_t cp)
{
    char c[4];
    ch_buf_put(b, c, (size_t)ch_utf8_write(c, cp));
}

/* ---- Normal forms ---- */

typedef struct chars {
    int32_t *cp;
    size_t n, cap;
    bool starved;
} chars;

static void add_char(chars *c, uint32_t cp, utf8proc_option_t how)
{
    enum { MOST = 32 }; /* the longest decomposition has 18 */
    int boundary = 0;
    if (!ch_array_room(&c->cp, &c->cap, c->n + MOST, sizeof *c->cp)) {
        c->starved = true;
        return;
    }
    utf8proc_ssize_t k =
        utf8proc_decompose_char((utf8proc_int32_t)cp, c->cp + c->n, MOST, how, &boundary);
    if (k > 0 && k <= MOST)
        c->n += (size_t)k;
    else
        c->cp[c->n++] = (int32_t)cp;
}

static int class_of(int32_t cp)
{
    return utf8proc_get_property(cp)->combining_class;
}

/* Marks in the order of their classes, equal ones as they came. */
static bool sort_marks(int32_t *cp, size_t n)
{
    if (n < 16) {
        for (size_t i = 1; i < n; i++) {
            const int32_t x = cp[i];
            size_t k = i;
            for (; k > 0 && class_of(cp[k - 1]) > class_of(x); k--)
                cp[k] = cp[k - 1];
            cp[k] = x;
        }
        return true;
    }
    size_t at[257] = {0};
    int32_t *copy = malloc(ch_size_mul(n, sizeof *copy));
    if (copy == NULL)
        return false;
    for (size_t i = 0; i < n; i++)
        at[class_of(cp[i]) + 1]++;
    for (int i = 1; i < 257; i++)
        at[i] += at[i - 1];
    for (size_t i = 0; i < n; i++)
        copy[at[class_of(cp[i])]++] = cp[i];
    memcpy(cp, copy, n * sizeof *cp);
    free(copy);
    return true;
}

static void finish_stretch(ch_buf *b, chars *c, bool compose)
{
    for (size_t i = 0, k; i < c->n; i = k) {
        for (k = i; k < c->n && class_of(c->cp[k]) > 0; k++)
            ;
        if (k - i > 1 && !sort_marks(c->cp + i, k - i))
            c->starved = true;
        k += k == i;
    }
    if (compose && c->n > 0 && c->n <= INT32_MAX) {
        utf8proc_ssize_t k = utf8proc_normalize_utf32(c->cp, (utf8proc_ssize_t)c->n,
                                                      UTF8PROC_COMPOSE | UTF8PROC_STABLE);
        c->n = k >= 0 ? (size_t)k : c->n;
    }
    for (size_t i = 0; i < c->n; i++)
        put_char(b, (uint32_t)c->cp[i]);
    if (c->starved)
        b->failed = b->starved = true;
    c->n = 0;
}

void ch_unicode_normalize(ch_buf *b, const char *text, size_t n, bool compose, bool compat)
{
    const utf8proc_option_t how =
        UTF8PROC_STABLE | (utf8proc_option_t)(compat ? UTF8PROC_COMPAT : 0) | UTF8PROC_DECOMPOSE;
    chars c = {0};
    for (size_t at = 0; at < n;) {
        size_t end = at;
        while (end < n && (unsigned char)text[end] < 0x80)
            end++;
        const size_t keep = end - (end > at && end < n); /* this one may take a mark */
        ch_buf_put(b, text + at, keep - at);
        for (at = keep; at < n && (at == keep || (unsigned char)text[at] >= 0x80);) {
            uint32_t cp;
            const int length = ch_utf8_read(&cp, text + at, n - at);
            if (length > 0) {
                add_char(&c, cp, how);
            } else {
                finish_stretch(b, &c, compose);
                ch_buf_put(b, text + at, 1);
            }
            at += (size_t)CH_MAX(length, 1);
        }
        finish_stretch(b, &c, compose);
    }
    free(c.cp);
}

/* ---- Case and marks ---- */

void ch_unicode_lower(ch_buf *b, const char *text, size_t n)
{
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        const int length = ch_utf8_read(&cp, text + at, n - at);
        if (length <= 0) {
            ch_buf_put(b, text + at++, 1);
            continue;
        }
        at += (size_t)length;
        if (cp == 0x130) /* the one character whose lower case is two */
            ch_buf_str(b, "i\xcc\x87");
        else
            put_char(b, cp < 0x80 ? cp + (cp >= 'A' && cp <= 'Z' ? 32 : 0)
                                  : (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp));
    }
}

void ch_unicode_strip_marks(ch_buf *b, const char *text, size_t n, bool nonspacing_only)
{
    for (size_t at = 0; at < n;) {
        uint32_t cp = 0;
        const int length = ch_utf8_read(&cp, text + at, n - at);
        const utf8proc_category_t kind =
            length > 0 ? utf8proc_category((utf8proc_int32_t)cp) : UTF8PROC_CATEGORY_CN;
        if (kind != UTF8PROC_CATEGORY_MN &&
            (nonspacing_only || (kind != UTF8PROC_CATEGORY_MC && kind != UTF8PROC_CATEGORY_ME)))
            ch_buf_put(b, text + at, (size_t)CH_MAX(length, 1));
        at += (size_t)CH_MAX(length, 1);
    }
}

/* ---- Kinds ---- */

bool ch_unicode_is_space(uint32_t cp)
{
    return (cp >= 9 && cp <= 13) || cp == ' ' || cp == 0x85 || cp == 0xa0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 || cp == 0x202f ||
           cp == 0x205f || cp == 0x3000;
}

bool ch_unicode_is_control(uint32_t cp)
{
    const utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)cp);
    return k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_CS ||
           k == UTF8PROC_CATEGORY_CO;
}

bool ch_unicode_is_word(uint32_t cp)
{
    const utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)cp);
    return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_ND) || k == UTF8PROC_CATEGORY_PC;
}

bool ch_unicode_is_chinese(uint32_t cp)
{
    static const uint32_t ranges[][2] = {
        {0x4e00, 0x9fff},   {0x3400, 0x4dbf},   {0x20000, 0x2a6df}, {0x2a700, 0x2b73f},
        {0x2b740, 0x2b81f}, {0x2b920, 0x2ceaf}, /* as Hugging Face has it */
        {0xf900, 0xfaff},   {0x2f800, 0x2fa1f},
    };
    for (size_t i = 0; i < CH_COUNT(ranges); i++)
        if (cp >= ranges[i][0] && cp <= ranges[i][1])
            return true;
    return false;
}
