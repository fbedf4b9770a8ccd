/* pretokenize.c - see pretokenize.h
 *
 * Steps nest: a piece that one step finishes goes through the rest before the step looks for its
 * next, so memory is a word's and a look-ahead sees a piece's end.  SPDX-License-Identifier: MIT */
#include "pretokenize.h"

#include <stdlib.h>
#include <string.h>

#include "ascii_scan.h"

typedef struct level {
    ch_pre_step step; /* its pattern is not kept */
    ch_pattern *pattern;
    ch_scan_fn *scan; /* every place is in a match, and this often finds its end */
} level;

struct ch_cutter {
    int levels;
    level level[CH_PRE_LEVELS];
};

int ch_cutter_open_steps(ch_cutter **out, const ch_pre_step *step, int n, ch_err *e)
{
    ch_cutter *c = *out = calloc(1, sizeof *c);
    if (c == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for a pre-tokenizer");
    for (int i = 0; i < n; i++) {
        level *l = &c->level[c->levels++];
        l->step = step[i];
        l->step.pattern = NULL;
        if (step[i].kind != CH_PRE_SPLIT)
            continue;
        if (ch_pattern_open(&l->pattern, step[i].pattern, step[i].n, step[i].ours, e) < 0) {
            ch_cutter_close(out);
            return e != NULL ? e->code : CH_EUNSUPPORTED;
        }
        if (step[i].behaviour == CH_PRE_ISOLATED)
            l->scan = ch_scan_find(step[i].pattern, step[i].n);
    }
    return CH_OK;
}

int ch_cutter_open(ch_cutter **out, const ch_pretokenizer *p, ch_err *e)
{
    ch_pre_step steps[CH_PRE_LEVELS];
    return ch_cutter_open_steps(out, steps, ch_pretokenizer_steps(steps, p), e);
}

void ch_cutter_general(ch_cutter *c)
{
    for (int i = 0; i < c->levels; i++)
        c->level[i].scan = NULL;
}

void ch_cutter_close(ch_cutter **c)
{
    if (*c == NULL)
        return;
    for (int i = 0; i < (*c)->levels; i++)
        ch_pattern_close(&(*c)->level[i].pattern);
    free(*c);
    *c = NULL;
}

/* ---- Cutting ---- */

struct ch_cut_work {
    ch_pattern_work *match;
    ch_buf made[CH_PRE_LEVELS]; /* pieces that a step rewrote */
    const ch_cutter *c;
    ch_piece_fn *piece;
    void *arg;
    ch_err *e;
};

int ch_cut_work_open(ch_cut_work **out, ch_err *e)
{
    ch_cut_work *w = *out = calloc(1, sizeof *w);
    if (w == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for a pre-tokenizer");
    for (int i = 0; i < CH_PRE_LEVELS; i++)
        ch_buf_init(&w->made[i], SIZE_MAX / 4);
    int rc = ch_pattern_work_open(&w->match, e);
    if (rc < 0)
        ch_cut_work_close(out);
    return rc;
}

void ch_cut_work_close(ch_cut_work **w)
{
    if (*w == NULL)
        return;
    ch_pattern_work_close(&(*w)->match);
    for (int i = 0; i < CH_PRE_LEVELS; i++)
        ch_buf_close(&(*w)->made[i]);
    free(*w);
    *w = NULL;
}

/* What is known about the bytes of a piece. */
enum { FIRST = 1, VALID = 2 };

static int cut_level(ch_cut_work *w, int at_level, const char *text, size_t n, int known);

/* Spans of a split as they come: the last one waits where the next decides about it. */
typedef struct joiner {
    ch_cut_work *w;
    int next_level, known;
    const level *l;
    const char *text;
    size_t start, end; /* what waits */
    bool waits, match; /* of what came last */
} joiner;

static int flush(joiner *j)
{
    if (!j->waits || j->end == j->start)
        return CH_OK;
    j->waits = false;
    return cut_level(j->w, j->next_level, j->text + j->start, j->end - j->start,
                     j->known & (j->start == 0 ? ~0 : ~FIRST));
}

static int add_span(joiner *j, size_t start, size_t end, bool match)
{
    bool join = false;
    int rc = CH_OK;
    if (start == end)
        return CH_OK;
    match ^= j->l->step.invert;
    switch (j->l->step.behaviour) {
    case CH_PRE_REMOVED:
        if (match)
            return CH_OK;
        break;
    case CH_PRE_WITH_PREVIOUS:
        join = j->waits && match && !j->match;
        break;
    case CH_PRE_WITH_NEXT:
        join = j->waits && j->match && !match;
        break;
    case CH_PRE_CONTIGUOUS:
        join = j->waits && match == j->match;
        break;
    case CH_PRE_ISOLATED:
        break;
    }
    if (!join) {
        rc = flush(j);
        j->start = start;
    }
    j->end = end;
    j->match = match;
    j->waits = true;
    return rc;
}

static int split_general(ch_cut_work *w, int at_level, const char *text, size_t n, int known)
{
    const level *l = &w->c->level[at_level];
    joiner j = {.w = w, .next_level = at_level + 1, .known = known, .l = l, .text = text};
    ch_matches m = {.p = l->pattern, .w = w->match, .text = text, .n = n, .last_end = SIZE_MAX};
    size_t at = 0;
    int rc;
    while ((rc = ch_matches_next(&m, w->e)) > 0) {
        if ((rc = add_span(&j, at, m.start, false)) < 0 ||
            (rc = add_span(&j, m.start, m.end, true)) < 0)
            return rc;
        at = m.end;
    }
    if (rc == CH_OK)
        rc = add_span(&j, at, n, false);
    return rc < 0 ? rc : flush(&j);
}

/* Every place is in a match: the scanner's, or the pattern's where that gives up. */
static int split_scanned(ch_cut_work *w, int at_level, const char *text, size_t n, int known)
{
    const level *l = &w->c->level[at_level];
    const bool last = at_level + 1 == w->c->levels;
    ch_matches m = {.p = l->pattern, .w = w->match, .text = text, .n = n, .last_end = SIZE_MAX};
    for (size_t at = 0, end; at < n; at = end) {
        end = l->scan(text, n, at);
        if (end == 0) {
            m.from = at;
            int found = ch_matches_next(&m, w->e);
            if (found < 0)
                return found;
            end = found > 0 ? m.end : n;
        }
        int rc = last ? w->piece(w->arg, text + at, end - at, true)
                      : cut_level(w, at_level + 1, text + at, end - at,
                                  known & (at == 0 ? ~0 : ~FIRST));
        if (rc < 0)
            return rc;
    }
    return CH_OK;
}

static bool is_meta(const char *s, size_t n)
{
    return n >= CH_META_BYTES && memcmp(s, CH_META, CH_META_BYTES) == 0;
}

/* Where the word at text[0] ends; spaces may be written either way, unless they stay. */
static size_t word_end(const char *text, size_t n, ch_meta_cut cut, bool keep)
{
    bool inside = false;
    if (cut == CH_META_WHOLE)
        return n;
    for (size_t i = 0; i < n; i++) {
        bool escaped = is_meta(text + i, n - i), space = (text[i] == ' ' && !keep) || escaped;
        if (space && (inside || (i > 0 && cut == CH_META_EACH)))
            return i;
        inside = !space;
        i += escaped ? CH_META_BYTES - 1 : 0;
    }
    return n;
}

static int write_meta(ch_cut_work *w, int at_level, const char *text, size_t n, int known)
{
    const ch_pre_step *s = &w->c->level[at_level].step;
    ch_buf *b = &w->made[at_level];
    const bool there = n > 0 && (text[0] == ' ' || is_meta(text, n));
    bool prefix = s->prefix == CH_META_FORCE || (s->prefix == CH_META_ALWAYS && !there) ||
                  (s->prefix == CH_META_FIRST && !there && known & FIRST);
    for (size_t at = 0; at < n; prefix = false) {
        const size_t length = word_end(text + at, n - at, s->cut, s->keep);
        const int rest = known & (at == 0 ? ~0 : ~FIRST);
        if (s->keep) {
            int rc = cut_level(w, at_level + 1, text + at, length, rest);
            if (rc < 0)
                return rc;
            at += length;
            continue;
        }
        ch_buf_clear(b);
        if (prefix)
            ch_buf_put(b, CH_META, CH_META_BYTES);
        for (size_t i = at, end = at + length; i < end;) {
            const char *space = memchr(text + i, ' ', end - i);
            const size_t stop = space != NULL ? (size_t)(space - text) : end;
            ch_buf_put(b, text + i, stop - i);
            if (space != NULL)
                ch_buf_put(b, CH_META, CH_META_BYTES);
            i = stop + (space != NULL);
        }
        int rc = ch_buf_check(b, "a word", w->e);
        if (rc < 0 || (rc = cut_level(w, at_level + 1, b->data, b->size, rest)) < 0)
            return rc;
        at += length;
    }
    return CH_OK;
}

static int write_space(ch_cut_work *w, int at_level, const char *text, size_t n, int known)
{
    ch_buf *b = &w->made[at_level];
    if (text[0] == ' ')
        return cut_level(w, at_level + 1, text, n, known);
    ch_buf_clear(b);
    ch_buf_put(b, " ", 1);
    ch_buf_put(b, text, n);
    int rc = ch_buf_check(b, "a text", w->e);
    return rc < 0 ? rc : cut_level(w, at_level + 1, b->data, b->size, known);
}

/* How many bytes from the start of s are characters. */
static size_t valid_run(const char *s, size_t n)
{
    size_t at = 0;
    while (at < n) {
        uint64_t eight;
        uint32_t cp;
        if (n - at >= 8 && (memcpy(&eight, s + at, 8), eight & 0x8080808080808080u) == 0) {
            at += 8;
            continue;
        }
        int length = ch_utf8_read(&cp, s + at, n - at);
        if (length <= 0)
            break;
        at += (size_t)length;
    }
    return at;
}

static int cut_runs(ch_cut_work *w, int at_level, const char *text, size_t n, int known)
{
    for (size_t at = 0; at < n;) {
        size_t run = valid_run(text + at, n - at), end = at + run;
        int rest = at == 0 ? known : known & ~FIRST;
        int rc = run > 0 ? cut_level(w, at_level, text + at, run, rest | VALID) : CH_OK;
        uint32_t cp;
        while (end < n && ch_utf8_read(&cp, text + end, n - end) <= 0)
            end++;
        if (rc >= 0 && end > at + run)
            rc = w->piece(w->arg, text + at + run, end - at - run, false);
        if (rc < 0)
            return rc;
        at = end;
    }
    return CH_OK;
}

static int cut_level(ch_cut_work *w, int at_level, const char *text, size_t n, int known)
{
    const bool leaf = at_level == w->c->levels;
    if (!(known & VALID) && (leaf || w->c->level[at_level].step.kind == CH_PRE_SPLIT))
        return cut_runs(w, at_level, text, n, known);
    if (leaf || at_level >= CH_PRE_LEVELS)
        return w->piece(w->arg, text, n, true);
    switch (w->c->level[at_level].step.kind) {
    case CH_PRE_SPACE:
        return write_space(w, at_level, text, n, known);
    case CH_PRE_META:
        return write_meta(w, at_level, text, n, known);
    case CH_PRE_SPLIT:
        break;
    }
    return w->c->level[at_level].scan != NULL ? split_scanned(w, at_level, text, n, known)
                                              : split_general(w, at_level, text, n, known);
}

int ch_cutter_cut(const ch_cutter *c, ch_cut_work *w, const char *text, size_t n, bool first,
                  ch_piece_fn *piece, void *arg, ch_err *e)
{
    w->c = c;
    w->piece = piece;
    w->arg = arg;
    w->e = e;
    return n > 0 ? cut_level(w, 0, text, n, first ? FIRST : 0) : CH_OK;
}
