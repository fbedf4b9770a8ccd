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

/* A match of a stranger's pattern sees so many bytes and takes so many steps unaccounted; all that
 * want more may do this much work in a text (see count), beside so much for each byte. */
enum { WINDOW = 128, STEPS = 128, WORK_MIN = 1 << 21, WORK_EACH = 1 << 6 };
enum { TIMES_MOST = 1000 }; /* in {n,m} */

struct ch_pattern {
    pcre2_code *code, *counted; /* a stranger's is anchored, and there twice; NULL for ours */
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

/* The larger number of the {n,m} at p; 0: it is none. */
static int repeats_most(const char *p, const char *end)
{
    int most = 0, n = 0;
    while (++p < end && *p != '}') {
        if (*p == ',')
            n = 0;
        else if (*p < '0' || *p > '9')
            return 0;
        else
            n = CH_MIN(10 * n + (*p - '0'), 1 << 20);
        most = CH_MAX(most, n);
    }
    return most;
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
        } else if (c == '{' && repeats_most(s->p, s->end) > TIMES_MOST) {
            s->refused = "a repetition of more than 1000 times";
        } else if (c == '}' && d == '+') {
            s->refused = "}+";
        }
        if (c == 0)
            s->refused = "a zero byte";
        ch_buf_put(s->b, s->p++, 1);
    }
}

/* One program of it; NULL with *number set: PCRE2 does not take it. */
static pcre2_code *compile(const ch_buf *spelled, uint32_t how, uint32_t jit, int *number)
{
    PCRE2_SIZE where;
    pcre2_code *c = pcre2_compile((PCRE2_SPTR)(spelled->data != NULL ? spelled->data : ""),
                                  spelled->size, PCRE2_UTF | PCRE2_MULTILINE | how, number, &where,
                                  NULL);
    if (c != NULL)
        pcre2_jit_compile(c, jit); /* without JIT it is only slower */
    return c;
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
    if (rc == CH_OK && s.refused != NULL)
        rc = ch_fail(e, CH_EUNSUPPORTED, "%s in the pattern %.*s is not supported", s.refused,
                     CH_MIN((int)n, 200), text);
    ch_pattern *p = rc == CH_OK ? calloc(1, sizeof *p) : NULL;
    if (rc == CH_OK && p == NULL)
        rc = ch_fail(e, CH_ENOMEM, "out of memory for a pattern");
    if (rc == CH_OK) {
        uint32_t empty = 0;
        p->ours = ours;
        p->code = ours ? compile(&spelled, 0, PCRE2_JIT_COMPLETE, &number)
                       : compile(&spelled, PCRE2_ANCHORED,
                                 PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD, &number);
        if (p->code != NULL && !ours)
            p->counted = compile(&spelled, PCRE2_ANCHORED | PCRE2_AUTO_CALLOUT,
                                 PCRE2_JIT_COMPLETE, &number);
        if (p->code == NULL || (!ours && p->counted == NULL)) {
            char why[120] = "";
            pcre2_get_error_message(number, (PCRE2_UCHAR *)why, sizeof why);
            rc = ch_fail(e, CH_EUNSUPPORTED, "the pattern %.*s cannot be compiled: %s",
                         CH_MIN((int)n, 200), text, why);
            ch_pattern_close(&p);
        } else {
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
    pcre2_code_free((*p)->counted);
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

static int match(const ch_matches *m, const pcre2_code *code, size_t end, size_t from, uint32_t how,
                 pcre2_match_context *limits)
{
    PCRE2_SPTR s = (PCRE2_SPTR)m->text;
    how |= PCRE2_NO_UTF_CHECK;
    const int rc = pcre2_match(code, s, end, from, how, m->w->match, limits);
    return rc == PCRE2_ERROR_JIT_STACKLIMIT
               ? pcre2_match(code, s, end, from, how | PCRE2_NO_JIT, m->w->match, limits)
               : rc;
}

static size_t whole_char(const ch_matches *m, size_t at)
{
    while (at < m->n && ((unsigned char)m->text[at] & 0xc0) == 0x80)
        at++;
    return at;
}

/* PCRE2's own limit counts steps, of which one may look at all that is left.  This stands before
 * each item of a pattern: between two of them at most as much was looked at as they are apart, or
 * as one item may be repeated. */
static int count(pcre2_callout_block *b, void *arg)
{
    ch_matches *m = arg;
    const size_t at = b->current_position;
    const uint64_t work = 1 + (at > m->seen ? at - m->seen : m->seen - at);
    m->seen = at;
    if (work > m->left)
        return PCRE2_ERROR_MATCHLIMIT;
    m->left -= work;
    return 0;
}

/* A match that begins at `at`.  What is found in a window without coming to its end is what would
 * be found in the whole text. */
static int match_bounded(ch_matches *m, size_t at)
{
    const bool all = m->n - at <= WINDOW;
    pcre2_set_match_limit(m->w->limited, STEPS);
    const int rc = match(m, m->p->code, all ? m->n : whole_char(m, at + WINDOW), at,
                         all ? 0 : PCRE2_PARTIAL_HARD, m->w->limited);
    if (rc != PCRE2_ERROR_PARTIAL && rc != PCRE2_ERROR_MATCHLIMIT)
        return rc;
    m->seen = at;
    pcre2_set_match_limit(m->w->limited, UINT32_MAX);
    pcre2_set_callout(m->w->limited, count, m);
    return match(m, m->p->counted, m->n, at, 0, m->w->limited);
}

/* 1 and the place, 0, or an error. */
static int match_from(ch_matches *m, size_t from, ch_err *e)
{
    int rc = m->p->ours ? match(m, m->p->code, m->n, from, 0, m->w->free) : match_bounded(m, from);
    while (rc == PCRE2_ERROR_NOMATCH && !m->p->ours && from < m->n) {
        from = whole_char(m, from + 1);
        rc = match_bounded(m, from);
    }
    if (rc == PCRE2_ERROR_NOMATCH)
        return 0;
    if (rc == PCRE2_ERROR_MATCHLIMIT)
        return ch_fail(e, CH_ELIMIT,
                       "cutting %zu bytes of text takes the tokenizer's pattern too many steps, at "
                       "byte %zu", m->n, from);
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

int ch_matches_next(ch_matches *m, ch_err *e)
{
    if (m->from == 0)
        m->left = WORK_MIN + (uint64_t)WORK_EACH * m->n;
    while (m->from < m->n || (m->p->may_be_empty && m->from == m->n)) {
        int rc = match_from(m, m->from, e);
        if (rc <= 0)
            return rc;
        if (m->start == m->end && m->end == m->last_end) {
            m->from = whole_char(m, m->end + 1);
            continue;
        }
        m->from = m->start == m->end ? whole_char(m, m->end + 1) : m->end;
        m->last_end = m->end;
        return 1;
    }
    return 0;
}
