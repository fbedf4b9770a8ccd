/* ascii_scan.c - see ascii_scan.h
 *
 * The alternatives of each pattern in order, over four kinds of byte: letter, digit, white space,
 * other.  A run that ends at a byte beyond ASCII may go on there, so it is left to the pattern.
 * SPDX-License-Identifier: MIT */
#include "ascii_scan.h"

#include <stdbool.h>
#include <string.h>

#include "pretokenize.h"

enum { OTHER, LETTER, DIGIT, SPACE, BEYOND, END };

#define R4(x)  x, x, x, x
#define R16(x) R4(x), R4(x), R4(x), R4(x)
#define R26(x) R16(x), R4(x), R4(x), x, x
static const unsigned char kind_of[256] = {
    R4(OTHER), R4(OTHER), OTHER, R4(SPACE), SPACE, OTHER, OTHER, /* 0..15 */
    R16(OTHER),
    SPACE, R4(OTHER), R4(OTHER), R4(OTHER), OTHER, OTHER, OTHER, /* 32..47 */
    R4(DIGIT), R4(DIGIT), DIGIT, DIGIT, R4(OTHER), OTHER, OTHER, /* 48..63 */
    OTHER, R26(LETTER), R4(OTHER), OTHER,                        /* 64..95 */
    OTHER, R26(LETTER), R4(OTHER), OTHER,                        /* 96..127 */
    R16(BEYOND), R16(BEYOND), R16(BEYOND), R16(BEYOND),
    R16(BEYOND), R16(BEYOND), R16(BEYOND), R16(BEYOND),
};
#undef R4
#undef R16
#undef R26

static inline int kind_at(const char *text, size_t n, size_t at)
{
    return at < n ? kind_of[(unsigned char)text[at]] : END;
}

/* The end of the run of this kind from `at`; 0: it may go on beyond ASCII. */
static inline size_t run(const char *text, size_t n, size_t at, int kind)
{
    while (at < n && kind_of[(unsigned char)text[at]] == kind)
        at++;
    return kind_at(text, n, at) == BEYOND ? 0 : at;
}

static inline bool is_line(char c)
{
    return c == '\n' || c == '\r';
}

/* How long the contraction after an apostrophe at text[at] is, with it; 0: none. */
static size_t contraction(const char *text, size_t n, size_t at, int fold)
{
    const int a = at + 1 < n ? (unsigned char)text[at + 1] | fold : 0,
              b = at + 2 < n ? (unsigned char)text[at + 2] | fold : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 2;
    return (b == 'e' && (a == 'r' || a == 'v')) || (a == 'l' && b == 'l') ? 3 : 0;
}

/* \s+(?!\S)|\s+ over the run at..end: the last space stays for what follows. */
static size_t spaces(size_t n, size_t at, size_t end)
{
    return end == n || end - at == 1 ? end : end - 1;
}

static size_t scan_gpt2(const char *text, size_t n, size_t at)
{
    int kind = kind_at(text, n, at);
    size_t from = at;
    if (text[at] == '\'') {
        size_t length = contraction(text, n, at, 0);
        if (length > 0)
            return at + length;
    } else if (text[at] == ' ') {
        int next = kind_at(text, n, at + 1);
        if (next == BEYOND)
            return 0;
        if (next != SPACE && next != END) {
            kind = next;
            from = at + 1;
        }
    }
    if (kind == BEYOND)
        return 0;
    size_t end = run(text, n, from, kind);
    return end == 0 || kind != SPACE ? end : spaces(n, at, end);
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t white(const char *text, size_t n, size_t at)
{
    size_t end = run(text, n, at, SPACE);
    if (end == 0)
        return 0;
    for (size_t last = end; last > at; last--)
        if (is_line(text[last - 1]))
            return last;
    return spaces(n, at, end);
}

/* (?i:'s|...)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*| and white */
static inline size_t scan_words(const char *text, size_t n, size_t at, size_t digits)
{
    const char c = text[at];
    const int kind = kind_at(text, n, at), next = kind_at(text, n, at + 1);
    if (kind == LETTER)
        return run(text, n, at, LETTER);
    if (kind == BEYOND || next == BEYOND)
        return 0;
    if (kind == DIGIT) {
        size_t end = at + 1;
        while (end < n && end - at < digits && kind_of[(unsigned char)text[end]] == DIGIT)
            end++;
        return end - at < digits && kind_at(text, n, end) == BEYOND ? 0 : end;
    }
    if (c == '\'' && next == LETTER) {
        if (kind_at(text, n, at + 2) == BEYOND)
            return 0;
        size_t length = contraction(text, n, at, 0x20);
        if (length > 0)
            return at + length;
    }
    if (next == LETTER && !is_line(c))
        return run(text, n, at + 1, LETTER);
    if (kind == OTHER || (c == ' ' && next == OTHER)) {
        size_t end = run(text, n, at + (kind != OTHER), OTHER);
        while (end > 0 && end < n && is_line(text[end]))
            end++;
        return end;
    }
    return white(text, n, at);
}

static size_t scan_llama3(const char *text, size_t n, size_t at)
{
    return scan_words(text, n, at, 3);
}

static size_t scan_qwen2(const char *text, size_t n, size_t at)
{
    return scan_words(text, n, at, 1);
}

ch_scan_fn *ch_scan_find(const char *pattern, size_t n)
{
    static const struct {
        const char *pre;
        ch_scan_fn *scan;
    } known[] = {{"gpt-2", scan_gpt2}, {"dbrx", scan_llama3}, {"qwen2", scan_qwen2}};
    for (size_t i = 0; i < CH_COUNT(known); i++) {
        const char *its = ch_pretokenizer_find(known[i].pre, strlen(known[i].pre))->pattern[0];
        if (strlen(its) == n && memcmp(its, pattern, n) == 0)
            return known[i].scan;
    }
    return NULL;
}
