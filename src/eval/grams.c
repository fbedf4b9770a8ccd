/* grams.c - units and n-grams.  SPDX-License-Identifier: MIT */
#include "grams.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static const ch_hash128 root = {.lo = 0x6772616d73, .hi = 1};

static int put(ch_units *u, ch_hash128 h, ch_err *e)
{
    if (!ch_array_room(&u->at, &u->cap, u->n + 1, sizeof *u->at))
        return ch_fail(e, CH_ENOMEM, "no memory for %zu words of a text", u->n + 1);
    u->at[u->n++] = h;
    return CH_OK;
}

void ch_units_free(ch_units *u)
{
    free(u->at);
    *u = (ch_units){0};
}

/* The character at t.p[i]: its length; what is no UTF-8 is one byte. */
static int read_at(uint32_t *cp, ch_text t, size_t i)
{
    const int n = ch_utf8_read(cp, t.p + i, t.n - i);
    if (n > 0)
        return n;
    *cp = 0xFFFD;
    return 1;
}

static bool is_space(uint32_t cp)
{
    const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c == UTF8PROC_CATEGORY_ZS || c == UTF8PROC_CATEGORY_ZL || c == UTF8PROC_CATEGORY_ZP ||
           (cp >= 9 && cp <= 13) || cp == 0x85;
}

static bool in_word(uint32_t cp)
{
    const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_NO; /* letters, marks, numbers */
}

int ch_units_words(ch_units *u, ch_text t, ch_err *e)
{
    ch_hash128 h = root;
    bool open = false;
    int rc = CH_OK;
    for (size_t i = 0; i < t.n && rc == CH_OK;) {
        uint32_t cp;
        i += (size_t)read_at(&cp, t, i);
        if (in_word(cp)) {
            const utf8proc_int32_t low = utf8proc_tolower((utf8proc_int32_t)cp);
            h = ch_hash_bytes(h, &low, sizeof low);
            open = true;
        } else if (open) {
            rc = put(u, h, e);
            h = root;
            open = false;
        }
    }
    return rc == CH_OK && open ? put(u, h, e) : rc;
}

int ch_units_chars(ch_units *u, ch_text t, ch_err *e)
{
    int rc = CH_OK;
    for (size_t i = 0; i < t.n && rc == CH_OK;) {
        uint32_t cp;
        const int n = read_at(&cp, t, i);
        if (!is_space(cp))
            rc = put(u, ch_hash_bytes(root, t.p + i, (size_t)n), e);
        i += (size_t)n;
    }
    return rc;
}

/* The ASCII marks, as chrF++ is computed everywhere. */
static bool is_mark(char c)
{
    return c != '\0' && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", c) != NULL;
}

static int put_token(ch_units *u, const char *p, size_t n, ch_err *e)
{
    const size_t last = n > 1 && is_mark(p[n - 1]) ? 1 : 0;
    const size_t first = n > 1 && !last && is_mark(p[0]) ? 1 : 0;
    int rc = CH_OK;
    if (first)
        rc = put(u, ch_hash_bytes(root, p, 1), e);
    if (rc == CH_OK)
        rc = put(u, ch_hash_bytes(root, p + first, n - first - last), e);
    if (rc == CH_OK && last)
        rc = put(u, ch_hash_bytes(root, p + n - 1, 1), e);
    return rc;
}

int ch_units_tokens(ch_units *u, ch_text t, ch_err *e)
{
    int rc = CH_OK;
    size_t begin = 0;
    for (size_t i = 0; i < t.n && rc == CH_OK;) {
        uint32_t cp;
        const size_t n = (size_t)read_at(&cp, t, i);
        if (is_space(cp)) {
            if (i > begin)
                rc = put_token(u, t.p + begin, i - begin, e);
            begin = i + n;
        }
        i += n;
    }
    return rc == CH_OK && t.n > begin ? put_token(u, t.p + begin, t.n - begin, e) : rc;
}

static int ascending(const void *a, const void *b)
{
    const ch_hash128 *x = a, *y = b;
    if (x->hi != y->hi)
        return x->hi < y->hi ? -1 : 1;
    return (x->lo > y->lo) - (x->lo < y->lo);
}

int ch_units_grams(ch_units *out, const ch_units *u, int order, ch_err *e)
{
    const size_t k = (size_t)order, n = u->n >= k ? u->n - k + 1 : 0;
    out->n = 0;
    if (!ch_array_room(&out->at, &out->cap, n + 1, sizeof *out->at))
        return ch_fail(e, CH_ENOMEM, "no memory for %zu n-grams of a text", n);
    for (size_t i = 0; i < n; i++)
        out->at[i] = ch_hash_bytes(root, u->at + i, k * sizeof *u->at);
    out->n = n;
    if (n > 1)
        qsort(out->at, n, sizeof *out->at, ascending);
    return CH_OK;
}

size_t ch_grams_shared(const ch_units *a, const ch_units *b)
{
    size_t shared = 0;
    for (size_t i = 0, j = 0; i < a->n && j < b->n;) {
        const int order = ascending(&a->at[i], &b->at[j]);
        shared += order == 0;
        i += order <= 0;
        j += order >= 0;
    }
    return shared;
}
