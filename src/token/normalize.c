/* normalize.c - see normalize.h
 *
 * SPDX-License-Identifier: MIT */
#include "normalize.h"

#include <stdlib.h>
#include <string.h>

#include "unicode.h"

/* What a text of n bytes may become: normal forms make at most 11 of one, a stranger's content any
 * number. */
#define GROWTH      32
#define GROWN_LEAST ((size_t)1 << 20)

typedef struct step {
    ch_norm_kind kind;
    int flags;
    char *a, *b;
    size_t na, nb;
    ch_pattern *pattern;
} step;

struct ch_normalizer {
    int n;
    step step[CH_NORM_STEPS];
};

int ch_normalizer_open(ch_normalizer **out, ch_err *e)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? CH_OK : ch_fail(e, CH_ENOMEM, "out of memory for a normalizer");
}

void ch_normalizer_close(ch_normalizer **z)
{
    if (*z == NULL)
        return;
    for (int i = 0; i < (*z)->n; i++) {
        free((*z)->step[i].a);
        free((*z)->step[i].b);
        ch_pattern_close(&(*z)->step[i].pattern);
    }
    free(*z);
    *z = NULL;
}

static char *copy_of(const void *p, size_t n)
{
    char *copy = malloc(n + 1);
    if (copy != NULL) {
        if (n > 0)
            memcpy(copy, p, n);
        copy[n] = 0;
    }
    return copy;
}

int ch_normalizer_add(ch_normalizer *z, ch_norm_kind kind, int flags, const void *a, size_t na,
                      const void *b, size_t nb, ch_err *e)
{
    if (z->n == CH_NORM_STEPS)
        return ch_fail(e, CH_ELIMIT, "more than %d steps of normalizing", CH_NORM_STEPS);
    if (kind == CH_NORM_REPLACE && na == 0)
        return ch_fail(e, CH_EFORMAT, "a normalizer replaces nothing by something");
    if (kind == CH_NORM_CHARSMAP && !ch_charsmap_check(a, na))
        return ch_fail(e, CH_EFORMAT, "the precompiled_charsmap of %zu bytes is none", na);
    step *s = &z->step[z->n];
    *s = (step){.kind = kind, .flags = flags, .na = na, .nb = nb};
    if (kind == CH_NORM_REPLACE_PATTERN) {
        int rc = ch_pattern_open(&s->pattern, a, na, false, e);
        if (rc < 0)
            return rc;
    }
    s->a = copy_of(a, na);
    s->b = copy_of(b, nb);
    z->n++;
    return s->a != NULL && s->b != NULL
               ? CH_OK
               : ch_fail(e, CH_ENOMEM, "out of memory for a normalizer");
}

const void *ch_normalizer_charsmap(const ch_normalizer *z, size_t *n)
{
    *n = 0;
    for (int i = 0; z != NULL && i < z->n; i++)
        if (z->step[i].kind == CH_NORM_CHARSMAP) {
            *n = z->step[i].na;
            return z->step[i].a;
        }
    return NULL;
}

unsigned ch_normalizer_kinds(const ch_normalizer *z, int *bert)
{
    unsigned kinds = 0;
    *bert = 0;
    for (int i = 0; z != NULL && i < z->n; i++) {
        kinds |= 1u << z->step[i].kind;
        if (z->step[i].kind == CH_NORM_BERT)
            *bert = z->step[i].flags;
    }
    return kinds;
}

/* ---- Steps ---- */

static void replace(ch_buf *out, const step *s, const char *text, size_t n)
{
    for (size_t at = 0; at < n && !out->failed;) {
        const char *found = memmem(text + at, n - at, s->a, s->na);
        const size_t stop = found != NULL ? (size_t)(found - text) : n;
        ch_buf_put(out, text + at, stop - at);
        if (found != NULL)
            ch_buf_put(out, s->b, s->nb);
        at = stop + (found != NULL ? s->na : 0);
    }
}

/* A pattern sees SUB (U+001A) in the place of a byte that is no UTF-8. */
static int replace_pattern(ch_buf *out, const step *s, ch_norm_work *w, const char *text, size_t n,
                           ch_err *e)
{
    int rc = w->match != NULL ? CH_OK : ch_pattern_work_open(&w->match, e);
    char *shown = rc == CH_OK && !ch_utf8_valid(text, n) ? malloc(n + 1) : NULL;
    if (shown != NULL) {
        uint32_t cp;
        memcpy(shown, text, n);
        for (size_t at = 0; at < n;) {
            const int length = ch_utf8_read(&cp, text + at, n - at);
            if (length <= 0)
                shown[at] = 0x1a;
            at += (size_t)CH_MAX(length, 1);
        }
    } else if (rc == CH_OK && !ch_utf8_valid(text, n)) {
        rc = ch_fail(e, CH_ENOMEM, "out of memory for a text of %zu bytes", n);
    }
    ch_matches m = {.p = s->pattern,
                    .w = w->match,
                    .text = shown != NULL ? shown : text,
                    .n = n,
                    .last_end = SIZE_MAX};
    size_t done = 0;
    while (rc == CH_OK && (rc = ch_matches_next(&m, e)) > 0) {
        ch_buf_put(out, text + done, m.start - done);
        ch_buf_put(out, s->b, s->nb);
        done = m.end;
        rc = CH_OK;
    }
    ch_buf_put(out, text + done, n - done);
    free(shown);
    return rc;
}

static void strip(ch_buf *out, int flags, const char *text, size_t n)
{
    uint32_t cp;
    size_t start = 0, end = n;
    for (int length; flags & CH_NORM_LEFT && start < n;) {
        if ((length = ch_utf8_read(&cp, text + start, n - start)) <= 0 || !ch_unicode_is_space(cp))
            break;
        start += (size_t)length;
    }
    while (flags & CH_NORM_RIGHT && end > start) {
        size_t at = end - 1;
        while (at > start && ((unsigned char)text[at] & 0xc0) == 0x80)
            at--;
        if (ch_utf8_read(&cp, text + at, end - at) <= 0 || !ch_unicode_is_space(cp))
            break;
        end = at;
    }
    ch_buf_put(out, text + start, end - start);
}

static void collapse(ch_buf *out, const char *text, size_t n)
{
    bool any = false, space = false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == ' ') {
            space = any;
            continue;
        }
        if (space)
            ch_buf_put(out, " ", 1);
        ch_buf_put(out, text + i, 1);
        any = true;
        space = false;
    }
}

static void clean(ch_buf *out, int flags, const char *text, size_t n)
{
    for (size_t at = 0; at < n;) {
        uint32_t cp = 0xfffd;
        const int length = ch_utf8_read(&cp, text + at, n - at);
        const char *p = text + at;
        at += (size_t)CH_MAX(length, 1);
        if (flags & CH_NORM_CLEAN) {
            const bool line = cp == '\t' || cp == '\n' || cp == '\r';
            if (length <= 0 || cp == 0 || cp == 0xfffd || (!line && ch_unicode_is_control(cp)))
                continue;
            if (line || ch_unicode_is_space(cp)) {
                ch_buf_put(out, " ", 1);
                continue;
            }
        }
        const bool apart = length > 0 && flags & CH_NORM_CHINESE && ch_unicode_is_chinese(cp);
        if (apart)
            ch_buf_put(out, " ", 1);
        ch_buf_put(out, p, (size_t)CH_MAX(length, 1));
        if (apart)
            ch_buf_put(out, " ", 1);
    }
}

/* Cleaning, spaces around ideographs, accents, case: in this order. */
static void bert(ch_buf *out, ch_norm_work *w, int flags, const char *text, size_t n)
{
    /* text may lie in spare: it is read to the end first */
    ch_buf *spare = out == &w->a ? &w->b : &w->a;
    ch_buf_clear(out);
    clean(out, flags, text, n);
    if (flags & CH_NORM_ACCENTS) {
        ch_buf_clear(spare);
        ch_unicode_normalize(spare, out->data != NULL ? out->data : "", out->size, false, false);
        spare->failed |= out->failed;
        ch_buf_clear(out);
        ch_unicode_strip_marks(out, spare->data != NULL ? spare->data : "", spare->size, true);
        out->failed |= spare->failed;
    }
    if (flags & CH_NORM_LOWERCASE) {
        ch_buf_clear(spare);
        ch_buf_put(spare, out->data != NULL ? out->data : "", out->size);
        spare->failed |= out->failed;
        ch_buf_clear(out);
        ch_unicode_lower(out, spare->data != NULL ? spare->data : "", spare->size);
        out->failed |= spare->failed;
    }
}

void ch_norm_work_init(ch_norm_work *w)
{
    ch_buf_init(&w->a, GROWN_LEAST);
    ch_buf_init(&w->b, GROWN_LEAST);
    w->match = NULL;
}

void ch_norm_work_close(ch_norm_work *w)
{
    ch_buf_close(&w->a);
    ch_buf_close(&w->b);
    ch_pattern_work_close(&w->match);
}

static int run_step(ch_buf *out, const step *s, ch_norm_work *w, const char *text, size_t n,
                    ch_err *e)
{
    const ch_norm_kind k = s->kind;
    int rc = CH_OK;
    ch_buf_clear(out);
    switch (k) {
    case CH_NORM_NFC:
    case CH_NORM_NFD:
    case CH_NORM_NFKC:
    case CH_NORM_NFKD:
        ch_unicode_normalize(out, text, n, k == CH_NORM_NFC || k == CH_NORM_NFKC,
                             k == CH_NORM_NFKC || k == CH_NORM_NFKD);
        break;
    case CH_NORM_LOWER:
        ch_unicode_lower(out, text, n);
        break;
    case CH_NORM_STRIP_ACCENTS:
        ch_unicode_strip_marks(out, text, n, false);
        break;
    case CH_NORM_REPLACE:
        replace(out, s, text, n);
        break;
    case CH_NORM_REPLACE_PATTERN:
        rc = replace_pattern(out, s, w, text, n, e);
        break;
    case CH_NORM_PREPEND:
        ch_buf_put(out, s->b, s->nb);
        ch_buf_put(out, text, n);
        break;
    case CH_NORM_STRIP:
        strip(out, s->flags, text, n);
        break;
    case CH_NORM_CHARSMAP:
        ch_charsmap_run(out, (const unsigned char *)s->a, s->na, text, n);
        break;
    case CH_NORM_COLLAPSE:
        collapse(out, text, n);
        break;
    case CH_NORM_BERT:
        bert(out, w, s->flags, text, n);
        break;
    }
    return rc < 0 ? rc : ch_buf_check(out, "a normalized text", e);
}

int ch_normalizer_run(const char **out, size_t *n_out, const ch_normalizer *z, ch_norm_work *w,
                      const char *text, size_t n, ch_err *e)
{
    bool ascii = ch_unicode_is_ascii(text, n);
    w->a.limit = w->b.limit = GROWTH * n + GROWN_LEAST;
    for (int i = 0; i < z->n && n > 0; i++) {
        const step *s = &z->step[i];
        if (ascii && (s->kind <= CH_NORM_NFKD || s->kind == CH_NORM_STRIP_ACCENTS))
            continue; /* changes nothing */
        ch_buf *to = text == w->a.data && text != NULL ? &w->b : &w->a;
        int rc = run_step(to, s, w, text, n, e);
        if (rc < 0)
            return rc;
        text = to->data != NULL ? to->data : "";
        n = to->size;
        ascii = ascii && s->kind == CH_NORM_LOWER;
    }
    *out = text;
    *n_out = n;
    return CH_OK;
}
