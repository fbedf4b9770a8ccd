/* normal.c - answers that say the same, as the same bytes
 *
 * Lower case, punctuation out but for signs between digits, the articles a, an, the out, one space
 * between words (the evaluation of SQuAD, Rajpurkar et al. 2016).  A number alone keeps its sign
 * and decimals and loses what surrounds its digits: "$1,234.50." is "1234.5".
 * SPDX-License-Identifier: MIT */
#include "eval.h"

#include <ctype.h>
#include <string.h>
#include <utf8proc.h>

static bool digit(char c) { return c >= '0' && c <= '9'; }

/* A number that begins at p[i], with thousands' commas: its length, or 0. */
static size_t number_at(const char *p, size_t n, size_t i)
{
    size_t k = i;
    if (k < n && p[k] == '-' && (i == 0 || !digit(p[i - 1])))
        k++;
    if (k < n && p[k] == '$')
        k++;
    if (k == n || !digit(p[k]))
        return 0;
    while (k < n && (digit(p[k]) || (p[k] == ',' && k + 3 < n && digit(p[k + 1]) &&
                                     digit(p[k + 2]) && digit(p[k + 3]))))
        k++;
    if (k + 1 < n && p[k] == '.' && digit(p[k + 1]))
        for (k++; k < n && digit(p[k]);)
            k++;
    return k - i;
}

void ch_answer_trim(ch_text *t)
{
    while (t->n > 0 && isspace((unsigned char)t->p[0]))
        t->p++, t->n--;
    while (t->n > 0 && isspace((unsigned char)t->p[t->n - 1]))
        t->n--;
}

bool ch_answer_marked(ch_text *out, ch_text a)
{
    for (size_t i = a.n; i-- > 0;)
        if (a.n - i >= 4 && memcmp(a.p + i, "####", 4) == 0) {
            *out = (ch_text){a.p + i + 4, a.n - i - 4};
            const char *line = memchr(out->p, '\n', out->n);
            if (line)
                out->n = (size_t)(line - out->p);
            ch_answer_trim(out);
            return true;
        }
    return false;
}

bool ch_answer_last_number(ch_text *out, ch_text a)
{
    bool found = false;
    for (size_t i = 0; i < a.n;) {
        const size_t k = number_at(a.p, a.n, i);
        if (k > 0) {
            *out = (ch_text){a.p + i, k};
            found = true;
        }
        i += k > 0 ? k : 1;
    }
    return found;
}

static int number_normal(ch_buf *out, ch_text t, ch_err *e)
{
    const char *point = memchr(t.p, '.', t.n);
    if (point) {
        while (t.n > 0 && t.p[t.n - 1] == '0')
            t.n--;
        if (t.n > 0 && t.p[t.n - 1] == '.')
            t.n--;
    }
    for (size_t i = 0; i < t.n; i++)
        if (digit(t.p[i]) || t.p[i] == '-' || t.p[i] == '.')
            ch_buf_put(out, &t.p[i], 1);
    return ch_buf_check(out, "an answer", e);
}

static bool is_punctuation(uint32_t cp)
{
    const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_SO;
}

/* A sign that makes another number of the digits around it: 1/2 is not 12, nor 1.5 % 15 %. */
static bool in_number(const ch_text *t, size_t i)
{
    const bool before = i > 0 && digit(t->p[i - 1]), after = i + 1 < t->n && digit(t->p[i + 1]);
    return t->p[i] == '%' ? before : after && strchr("./:-", t->p[i]) != NULL;
}

/* Ends the word that began at `begin`: an article goes, anything else gets a space behind. */
static void end_word(ch_buf *out, size_t begin)
{
    const size_t n = out->size - begin;
    const char *w = out->data ? out->data + begin : "";
    if ((n == 1 && w[0] == 'a') || (n == 2 && memcmp(w, "an", 2) == 0) ||
        (n == 3 && memcmp(w, "the", 3) == 0)) {
        out->size = begin;
        out->data[begin] = '\0';
    } else if (n > 0) {
        ch_buf_str(out, " ");
    }
}

int ch_answer_normal(ch_buf *out, ch_text t, ch_err *e)
{
    ch_answer_trim(&t);
    const size_t start = out->size;
    if (t.n > 1 && t.p[t.n - 1] == '.' && number_at(t.p, t.n - 1, 0) == t.n - 1)
        t.n--;
    if (number_at(t.p, t.n, 0) == t.n && t.n > 0)
        return number_normal(out, t, e);
    size_t begin = start;
    for (size_t i = 0; i < t.n;) {
        uint32_t cp;
        char low[4];
        const int n = ch_utf8_read(&cp, t.p + i, t.n - i);
        if (n <= 0) {
            ch_buf_put(out, t.p + i, 1);
        } else if (n == 1 && isspace((int)cp)) {
            end_word(out, begin);
            begin = out->size;
        } else if (!is_punctuation(cp) || in_number(&t, i)) {
            const utf8proc_int32_t lower = utf8proc_tolower((utf8proc_int32_t)cp);
            ch_buf_put(out, low, (size_t)ch_utf8_write(low, (uint32_t)lower));
        }
        i += n > 0 ? (size_t)n : 1;
    }
    end_word(out, begin);
    if (!out->failed && out->size > start && out->data[out->size - 1] == ' ')
        out->data[--out->size] = '\0';
    return ch_buf_check(out, "an answer", e);
}
