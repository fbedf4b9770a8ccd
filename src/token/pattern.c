/* pattern.c - see pattern.h
 *
 * PCRE2's own \s is another set than Unicode's White_Space (it has U+180E), so classes are spelled
 * out as properties before compiling (PCRE2 10.40 or later).  Sources: PCRE2 10.42, pcre2api(3),
 * pcre2unicode(3); Oniguruma, doc/RE.  SPDX-License-Identifier: MIT */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "pattern.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MIN 200000 /* a stranger's pattern may always take so many steps for a match */

struct ch_pattern {
    pcre2_code *code;
    bool ours, may_be_empty;
};

struct ch_pattern_work {
    pcre2_match_data *match;
    pcre2_match_context *free, *limited;
};

/* ---- Spelling out ---- */

typedef struct speller {
    const char *p, *end;
    ch_buf *b;
    bool in_class;
    const char *refused; /* what cannot be meant as it would be read */
} speller;

static void spell_escape(speller *s)
{
    static const char word[] = "\\p{L}\\p{M}\\p{Nd}\\p{Pc}";
    const char c = s->p[1];
    s->p += 2;
    switch (c) {
    case 's':
        ch_buf_str(s->b, "\\p{White_Space}");
        return;
    case 'S':
        ch_buf_str(s->b, "\\P{White_Space}");
        return;
    case 'd':
        ch_buf_str(s->b, "\\p{Nd}");
        return;
    case 'D':
        ch_buf_str(s->b, "\\P{Nd}");
        return;
    case 'w':
        ch_buf_printf(s->b, s->in_class ? "%s" : "[%s]", word);
        return;
    case 'W':
        if (s->in_class)
            s->refused = "\\W within a class";
        ch_buf_printf(s->b, "[^%s]", word);
        return;
    case 'u':
        if (s->end - s->p < 4 || strspn(s->p, "0123456789abcdefABCDEF") < 4) {
            s->refused = "\\u without four digits";
            return;
        }
        ch_buf_printf(s->b, "\\x{%.4s}", s->p);
        s->p += 4;
        return;
    default:
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
            if (strchr("pPrntfvxbBAzZ", c) == NULL || (c == 'b' && s->in_class))
                s->refused = "this escape";
        ch_buf_put(s->b, s->p - 2, 2);
        if (strchr("pPx", c) != NULL && s->p < s->end && *s->p == '{') {
            const char *close = memchr(s->p, '}', (size_t)(s->end - s->p));
            const size_t n = close != NULL ? (size_t)(close + 1 - s->p) : 1;
            ch_buf_put(s->b, s->p, n);
            s->p += n;
        }
    }
}

static void spell(speller *s)
{
    for (; s->p < s->end && s->refused == NULL;) {
        const size_t left = (size_t)(s->end - s->p);
        const char c = *s->p, d = left > 1 ? s->p[1] : 0;
        if (c == '\\' && d != 0) {
            spell_escape(s);
            continue;
        }
        if (s->in_class) {
            if (c == '[')
                s->refused = "a class within a class";
            else if (c == '&' && d == '&')
                s->refused = "&& in a class";
            s->in_class = c != ']';
        } else if (c == '[') {
            s->in_class = true;
            if (d == '^' || d == ']')
                ch_buf_put(s->b, s->p++, 1);
            if (d == '^' && left > 2 && s->p[1] == ']')
                s->refused = "an empty class";
            if (d == ']')
                s->refused = "an empty class";
        } else if (c == '(' && d == '*') {
            s->refused = "(*";
        } else if (c == '}' && d == '+') {
            s->refused = "}+";
        }
        if (c == 0)
            s->refused = "a zero byte";
        ch_buf_put(s->b, s->p++, 1);
    }
}

int ch_pattern_open(ch_pattern **out, const char *text, size_t n, bool ours, ch_err *e)
{
    *out = NULL;
    if (n > CH_PATTERN_MAX || !ch_utf8_valid(text, n))
        return ch_fail(e, CH_EFORMAT, "a pattern of %zu bytes; %d bytes of UTF-8 are allowed", n,
                       CH_PATTERN_MAX);
    ch_buf spelled;
    ch_buf_init(&spelled, (size_t)CH_PATTERN_MAX * 32);
    ch_buf_put(&spelled, "", 0);
    speller s = {.p = text, .end = text + n, .b = &spelled};
    spell(&s);
    int rc = ch_buf_check(&spelled, "a pattern", e), number = 0;
    PCRE2_SIZE where;
    if (rc == CH_OK && s.refused != NULL)
        rc = ch_fail(e, CH_EUNSUPPORTED, "%s in the pattern %.*s is not supported", s.refused,
                     CH_MIN((int)n, 200), text);
    ch_pattern *p = rc == CH_OK ? calloc(1, sizeof *p) : NULL;
    if (rc == CH_OK && p == NULL)
        rc = ch_fail(e, CH_ENOMEM, "out of memory for a pattern");
    if (rc == CH_OK) {
        uint32_t empty = 0;
        p->ours = ours;
        p->code = pcre2_compile((PCRE2_SPTR)(spelled.data != NULL ? spelled.data : ""),
                                spelled.size, PCRE2_UTF | PCRE2_MULTILINE, &number, &where, NULL);
        if (p->code == NULL) {
            char why[120] = "";
            pcre2_get_error_message(number, (PCRE2_UCHAR *)why, sizeof why);
            rc = ch_fail(e, CH_EUNSUPPORTED, "the pattern %.*s cannot be compiled: %s",
                         CH_MIN((int)n, 200), text, why);
            free(p);
        } else {
            pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE); /* without JIT it is only slower */
            pcre2_pattern_info(p->code, PCRE2_INFO_MATCHEMPTY, &empty);
            p->may_be_empty = empty != 0;
            *out = p;
        }
    }
    ch_buf_close(&spelled);
    return rc;
}

void ch_pattern_close(ch_pattern **p)
{
    if (*p == NULL)
        return;
    pcre2_code_free((*p)->code);
    free(*p);
    *p = NULL;
}

/* ---- Matching ---- */

int ch_pattern_work_open(ch_pattern_work **out, ch_err *e)
{
    ch_pattern_work *w = *out = calloc(1, sizeof *w);
    if (w != NULL) {
        w->match = pcre2_match_data_create(1, NULL);
        w->free = pcre2_match_context_create(NULL);
        w->limited = pcre2_match_context_create(NULL);
    }
    if (w == NULL || w->match == NULL || w->free == NULL || w->limited == NULL) {
        ch_pattern_work_close(out);
        return ch_fail(e, CH_ENOMEM, "out of memory for a pre-tokenizer");
    }
    pcre2_set_match_limit(w->free, UINT32_MAX);
    pcre2_set_depth_limit(w->free, UINT32_MAX);
    return CH_OK;
}

void ch_pattern_work_close(ch_pattern_work **w)
{
    if (*w == NULL)
        return;
    pcre2_match_data_free((*w)->match);
    pcre2_match_context_free((*w)->free);
    pcre2_match_context_free((*w)->limited);
    free(*w);
    *w = NULL;
}

/* 1 and the place, 0, or an error. */
static int match_from(ch_matches *m, size_t from, ch_err *e)
{
    PCRE2_SPTR s = (PCRE2_SPTR)m->text;
    pcre2_match_context *limits = m->p->ours ? m->w->free : m->w->limited;
    uint32_t how = PCRE2_NO_UTF_CHECK;
    int rc = pcre2_match(m->p->code, s, m->n, from, how, m->w->match, limits);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(m->p->code, s, m->n, from, how | PCRE2_NO_JIT, m->w->match, limits);
    if (rc == PCRE2_ERROR_NOMATCH)
        return 0;
    if (rc < 0) {
        char why[120] = "";
        pcre2_get_error_message(rc, (PCRE2_UCHAR *)why, sizeof why);
        return ch_fail(e, rc == PCRE2_ERROR_NOMEMORY ? CH_ENOMEM : CH_ELIMIT,
                       "cutting %zu bytes of text at byte %zu failed: %s", m->n, from, why);
    }
    const PCRE2_SIZE *o = pcre2_get_ovector_pointer(m->w->match);
    m->start = CH_MIN(o[0], o[1]);
    m->end = o[1];
    return 1;
}

static size_t next_char(const ch_matches *m, size_t at)
{
    do
        at++;
    while (at < m->n && ((unsigned char)m->text[at] & 0xc0) == 0x80);
    return at;
}

int ch_matches_next(ch_matches *m, ch_err *e)
{
    if (m->from == 0 && !m->p->ours)
        pcre2_set_match_limit(m->w->limited,
                              (uint32_t)CH_MIN(STEPS_MIN + 16 * m->n, (size_t)UINT32_MAX));
    while (m->from < m->n || (m->p->may_be_empty && m->from == m->n)) {
        int rc = match_from(m, m->from, e);
        if (rc <= 0)
            return rc;
        if (m->start == m->end && m->end == m->last_end) {
            m->from = next_char(m, m->end);
            continue;
        }
        m->from = m->start == m->end ? next_char(m, m->end) : m->end;
        m->last_end = m->end;
        return 1;
    }
    return 0;
}
