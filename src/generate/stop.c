/* stop.c - see stop.h
 *
 * One automaton a stop (Knuth, Morris, Pratt 1977): `at` is the length of the longest beginning of
 * the stop that the text ends in; when the next byte does not fit, fall[at] is the next shorter
 * one.  SPDX-License-Identifier: MIT */
#include "stop.h"

#include <stdlib.h>
#include <string.h>

enum { STOPS_MOST = 64, STOP_BYTES = 4096 };

struct one {
    char *text;
    int *fall; /* n + 1 */
    size_t n, at;
};

struct ch_stops {
    struct one one[STOPS_MOST];
    int n, found; /* found: -1, or the stop that ended the text */
    size_t seen, end;
};

static size_t next(const struct one *o, size_t at, char c)
{
    while (at > 0 && (at == o->n || o->text[at] != c))
        at = (size_t)o->fall[at];
    return at + (o->text[at] == c);
}

static int fill(struct one *o, const char *text, ch_err *e)
{
    o->n = strlen(text);
    if (o->n == 0 || o->n > STOP_BYTES)
        return ch_fail(e, CH_EARG, "a stop has %zu bytes, allowed are 1 to %d", o->n, STOP_BYTES);
    o->text = strdup(text);
    o->fall = calloc(o->n + 1, sizeof *o->fall);
    if (!o->text || !o->fall)
        return ch_fail(e, CH_ENOMEM, "no memory for a stop");
    for (size_t i = 1; i < o->n; i++)
        o->fall[i + 1] = (int)next(o, (size_t)o->fall[i], text[i]);
    return CH_OK;
}

int ch_stops_open(ch_stops **out, const char *const *text, int n, ch_err *e)
{
    *out = NULL;
    if (n < 0 || n > STOPS_MOST)
        return ch_fail(e, CH_EARG, "%d stops were given, allowed are %d", n, STOPS_MOST);
    ch_stops *s = calloc(1, sizeof *s);
    if (!s)
        return ch_fail(e, CH_ENOMEM, "no memory for stops");
    int rc = CH_OK;
    for (; s->n < n && rc == CH_OK; s->n++)
        rc = fill(&s->one[s->n], text[s->n], e);
    ch_stops_reset(s);
    *out = s;
    if (rc < 0)
        ch_stops_close(out);
    return rc;
}

void ch_stops_close(ch_stops **s)
{
    if (!*s)
        return;
    for (int i = 0; i < (*s)->n; i++) {
        free((*s)->one[i].text);
        free((*s)->one[i].fall);
    }
    free(*s);
    *s = NULL;
}

void ch_stops_reset(ch_stops *s)
{
    for (int i = 0; i < s->n; i++)
        s->one[i].at = 0;
    s->found = -1;
    s->seen = s->end = 0;
}

size_t ch_stops_longest(const ch_stops *s)
{
    size_t n = 0;
    for (int i = 0; i < s->n; i++)
        n = CH_MAX(n, s->one[i].n);
    return n;
}

/* The longest beginning of a stop that the text ends in; a whole one is noted. */
static size_t take(ch_stops *s, char c)
{
    size_t held = 0;
    for (int i = 0; i < s->n; i++) {
        struct one *o = &s->one[i];
        o->at = next(o, o->at, c);
        if (o->at == o->n && (s->found < 0 || o->n > s->one[s->found].n))
            s->found = i;
        held = CH_MAX(held, o->at);
    }
    return s->found < 0 ? held : s->one[s->found].n;
}

int ch_stops_feed(size_t *safe, ch_stops *s, const char *text, size_t n)
{
    while (s->seen < n && s->found < 0) {
        const size_t held = take(s, text[s->seen++]);
        s->end = s->seen - held;
    }
    *safe = ch_utf8_whole(text, s->end);
    return s->found;
}
