/* pretokenize.c - see pretokenize.h
 *
 * The published patterns write \s for Unicode's White_Space.  PCRE2's own \s is another set (it
 * has U+180E), so \s and \S are spelled out as properties before compiling (PCRE2 10.40 or later).
 * Only patterns of our list are ever compiled: each takes time linear in the text, so PCRE2's
 * match limits, which would refuse a long run of spaces, are lifted.  Source: PCRE2 10.42,
 * pcre2api(3), pcre2unicode(3).  SPDX-License-Identifier: MIT */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "pretokenize.h"

#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define LLAMA3                                                                                    \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"                      \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

const char ch_pattern_gpt2[] = GPT2;

static const ch_pretokenizer table[] = {
#define PRE(names, add_bos, whole_first, ...) {names, add_bos, whole_first, {__VA_ARGS__}},
#include "pretokenizers.def"
#undef PRE
};
#undef GPT2
#undef LLAMA3

const ch_pretokenizer *ch_pretokenizer_find(const char *name, size_t n)
{
    for (size_t i = 0; i < CH_COUNT(table) && n > 0; i++)
        for (const char *p = table[i].names; *p != 0; p += strspn(p, " ")) {
            size_t length = strcspn(p, " ");
            if (length == n && memcmp(p, name, n) == 0)
                return &table[i];
            p += length;
        }
    return NULL;
}

const ch_pretokenizer *ch_pretokenizer_like(const char *const *pattern, int n, bool whole_first)
{
    for (size_t i = 0; i < CH_COUNT(table); i++) {
        int k = 0;
        while (k < CH_PRE_LEVELS && k < n && table[i].pattern[k] != NULL &&
               strcmp(table[i].pattern[k], pattern[k]) == 0)
            k++;
        if (k == n && (k == CH_PRE_LEVELS || table[i].pattern[k] == NULL) &&
            table[i].whole_first == whole_first)
            return &table[i];
    }
    return NULL;
}

const char *ch_pretokenizer_name(char *out, size_t size, const ch_pretokenizer *p)
{
    snprintf(out, size, "%.*s", (int)strcspn(p->names, " "), p->names);
    return out;
}

const char *ch_pretokenizer_names(char *out, size_t size)
{
    size_t at = 0;
    out[0] = 0;
    for (size_t i = 0; i < CH_COUNT(table) && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%s", i ? " " : "", table[i].names);
    return out;
}

/* ---- Compiling ---- */

struct ch_cutter {
    int levels;
    pcre2_code *code[CH_PRE_LEVELS];
    pcre2_match_context *limits;
};

static int compile(pcre2_code **out, const char *pattern, ch_err *e)
{
    ch_buf spelled;
    ch_buf_init(&spelled, 1 << 16);
    for (const char *p = pattern; *p != 0; p++) {
        if (*p == '\\' && (p[1] == 's' || p[1] == 'S'))
            ch_buf_str(&spelled, *++p == 's' ? "\\p{White_Space}" : "\\P{White_Space}");
        else if (*p == '\\' && p[1] != 0)
            ch_buf_put(&spelled, p++, 2);
        else
            ch_buf_put(&spelled, p, 1);
    }
    int rc = ch_buf_check(&spelled, "a pre-tokenizer pattern", e), number;
    PCRE2_SIZE where;
    if (rc == CH_OK) {
        *out = pcre2_compile((PCRE2_SPTR)spelled.data, spelled.size, PCRE2_UTF, &number, &where,
                             NULL);
        if (*out == NULL) {
            char why[120] = "";
            pcre2_get_error_message(number, (PCRE2_UCHAR *)why, sizeof why);
            rc = ch_fail(e, CH_EUNSUPPORTED, "this PCRE2 library cannot compile %s: %s", pattern,
                         why);
        } else {
            pcre2_jit_compile(*out, PCRE2_JIT_COMPLETE); /* without JIT it is only slower */
        }
    }
    ch_buf_close(&spelled);
    return rc;
}

int ch_cutter_open(ch_cutter **out, const ch_pretokenizer *p, ch_err *e)
{
    ch_cutter *c = calloc(1, sizeof *c);
    int rc = c != NULL ? CH_OK : ch_fail(e, CH_ENOMEM, "out of memory for a pre-tokenizer");
    *out = c;
    if (rc == CH_OK && (c->limits = pcre2_match_context_create(NULL)) == NULL)
        rc = ch_fail(e, CH_ENOMEM, "out of memory for a pre-tokenizer");
    if (rc == CH_OK) {
        pcre2_set_match_limit(c->limits, UINT32_MAX);
        pcre2_set_depth_limit(c->limits, UINT32_MAX);
    }
    for (; rc == CH_OK && c->levels < CH_PRE_LEVELS && p->pattern[c->levels] != NULL; c->levels++)
        rc = compile(&c->code[c->levels], p->pattern[c->levels], e);
    if (rc < 0)
        ch_cutter_close(out);
    return rc;
}

void ch_cutter_close(ch_cutter **c)
{
    if (*c == NULL)
        return;
    for (int i = 0; i < CH_PRE_LEVELS; i++)
        pcre2_code_free((*c)->code[i]);
    pcre2_match_context_free((*c)->limits);
    free(*c);
    *c = NULL;
}

/* ---- Cutting ---- */

struct ch_cut_work {
    pcre2_match_data *match;
    const ch_cutter *c;
    ch_piece_fn *piece;
    void *arg;
    ch_err *e;
};

int ch_cut_work_open(ch_cut_work **out, ch_err *e)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL || ((*out)->match = pcre2_match_data_create(1, NULL)) == NULL) {
        ch_cut_work_close(out);
        return ch_fail(e, CH_ENOMEM, "out of memory for a pre-tokenizer");
    }
    return CH_OK;
}

void ch_cut_work_close(ch_cut_work **w)
{
    if (*w != NULL)
        pcre2_match_data_free((*w)->match);
    free(*w);
    *w = NULL;
}

/* The next match at or after `from`: its start and end; none: both n. */
static int next_match(ch_cut_work *w, int level, const char *text, size_t n, size_t from,
                      size_t *start, size_t *end)
{
    PCRE2_SPTR s = (PCRE2_SPTR)text;
    const pcre2_code *code = w->c->code[level];
    const uint32_t how = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
    int rc = pcre2_match(code, s, n, from, how, w->match, w->c->limits);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(code, s, n, from, how | PCRE2_NO_JIT, w->match, w->c->limits);
    if (rc == PCRE2_ERROR_NOMATCH) {
        *start = *end = n;
        return CH_OK;
    }
    if (rc < 0) {
        char why[120] = "";
        pcre2_get_error_message(rc, (PCRE2_UCHAR *)why, sizeof why);
        return ch_fail(w->e, rc == PCRE2_ERROR_NOMEMORY ? CH_ENOMEM : CH_ELIMIT,
                       "cutting %zu bytes of text at byte %zu failed: %s", n, from, why);
    }
    const PCRE2_SIZE *o = pcre2_get_ovector_pointer(w->match);
    *start = o[0];
    *end = o[1];
    return CH_OK;
}

static int cut_level(ch_cut_work *w, int level, const char *text, size_t n)
{
    if (level == CH_PRE_LEVELS || level == w->c->levels)
        return w->piece(w->arg, text, n, true);
    for (size_t at = 0, start = n, end = n; at < n; at = end) {
        int rc = next_match(w, level, text, n, at, &start, &end);
        if (rc == CH_OK && start > at)
            rc = cut_level(w, level + 1, text + at, start - at);
        if (rc >= 0 && end > start)
            rc = cut_level(w, level + 1, text + start, end - start);
        if (rc < 0)
            return rc;
    }
    return CH_OK;
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

int ch_cutter_cut(const ch_cutter *c, ch_cut_work *w, const char *text, size_t n,
                  ch_piece_fn *piece, void *arg, ch_err *e)
{
    w->c = c;
    w->piece = piece;
    w->arg = arg;
    w->e = e;
    for (size_t at = 0; at < n;) {
        size_t run = valid_run(text + at, n - at), end = at + run;
        int rc = run > 0 ? cut_level(w, 0, text + at, run) : CH_OK;
        uint32_t cp;
        while (end < n && ch_utf8_read(&cp, text + end, n - end) <= 0)
            end++;
        if (rc >= 0 && end > at + run)
            rc = piece(arg, text + at + run, end - at - run, false);
        if (rc < 0)
            return rc;
        at = end;
    }
    return CH_OK;
}
